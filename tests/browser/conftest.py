"""A small demo shop, built and served by the command line, and a browser that looks at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

# A page that loads while the other half of the suite computes takes longer than the five seconds it would be given.
expect.set_options(timeout=30_000)

CHECKOUT = "https://shop.example/pay/"
ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(*arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "launch.py"), *arguments]


class ShopPages:
    """The shop's own site: every path is what a test has put there, under the strictest policy that Aisle needs."""

    def __init__(self) -> None:
        pages: dict[str, str] = {}
        self.pages = pages
        self.policy = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = pages.get(self.path, "").encode()
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Security-Policy", outer.policy)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """Reached as `localhost` it is another site than Aisle, which is reached as `127.0.0.1`."""
        return self.server.server_address[1]


@pytest.fixture(scope="session")
def shop_pages() -> Iterator[ShopPages]:
    pages = ShopPages()
    yield pages
    pages.server.shutdown()
    pages.server.server_close()


@pytest.fixture(scope="session")
def demo_shop(tmp_path_factory: pytest.TempPathFactory, encoder_cache: Path, shop_pages: ShopPages) -> Path:
    """A demo shop of 350 products and 60 shoppers, with a page that takes the payment and pages of its own."""
    shop = tmp_path_factory.mktemp("demo-shop")
    if encoder_cache.is_dir():
        shutil.copytree(encoder_cache, shop / "models" / "encoder")
    folder = str(shop)
    for arguments in (
        ("demo", "--products", "350", "--shoppers", "60"),
        ("index", f"{folder}/catalog.jsonl", "--documents", f"{folder}/documents"),
        ("ingest", "events", f"{folder}/events.jsonl"),
        ("ingest", "orders", f"{folder}/orders.jsonl"),
    ):
        done = subprocess.run(launch(*arguments, "--shop", folder), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    settings = shop / "shop.toml"
    origins = f'[embed]\norigins = ["http://localhost:{shop_pages.port}"]\n'
    checkout = f'checkout_url = "{CHECKOUT}{{cart_id}}"\n'
    settings.write_text(f"{checkout}{settings.read_text(encoding='utf-8')}\n{origins}", encoding="utf-8")
    return shop


@pytest.fixture(scope="session")
def served(demo_shop: Path) -> Iterator[str]:
    """The address of the shop's server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = demo_shop / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            launch("serve", "--demo", "--shop", str(demo_shop), "--port", str(port)),
            stdout=out,
            stderr=out,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(180):
            assert server.poll() is None, log.read_text()[-2000:]
            try:
                with urllib.request.urlopen(f"{address}/readyz", timeout=2):
                    break
            except OSError:
                time.sleep(1)
        else:
            pytest.fail(f"The server did not start: {log.read_text()[-2000:]}")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "CI installs chromium"
        pytest.skip("chromium is not installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


class Console:
    """What a page says on its console, as (kind, text), and what it fails with."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.said: list[tuple[str, str]] = []
        page.on("console", lambda message: self.said.append((message.type, message.text)))
        page.on("pageerror", lambda error: self.said.append(("error", str(error))))

    @property
    def errors(self) -> list[str]:
        return [text for kind, text in self.said if kind == "error"]

    def reload(self) -> None:
        """Loads the page anew; what the old one said while it was left, its open requests broken off, does not count."""
        before = len(self.said)
        self.page.reload(wait_until="commit")
        del self.said[before:]
        self.page.wait_for_load_state()


class Window(Console):
    """The chat window as a customer uses it."""

    def __init__(self, page: Page, address: str) -> None:
        super().__init__(page)
        page.goto(address)
        page.locator("#transcript .turn-aisle").first.wait_for(timeout=30_000)

    def say(self, text: str) -> str:
        """Sends a message and returns the text of the answer."""
        before = self.page.locator("#transcript .turn-aisle").count()
        self.page.fill("#message textarea", text)
        self.page.press("#message textarea", "Enter")
        self.page.wait_for_function(
            "count => document.querySelectorAll('#transcript .turn-aisle').length > count", arg=before, timeout=30_000
        )
        return self.last.locator(".said").inner_text()

    @property
    def last(self) -> Locator:
        """The last answer."""
        return self.page.locator("#transcript .turn-aisle").last

    def titles(self) -> list[str]:
        """The titles of the cards in the last answer."""
        return self.last.locator(".card h3").all_inner_texts()

    def prices(self) -> list[float]:
        """The prices of the cards in the last answer, in units of the currency."""
        texts = self.last.locator(".card .price strong").all_inner_texts()
        return [float("".join(sign for sign in text if sign.isdigit() or sign == ".")) for text in texts]


@pytest.fixture
def window(browser: Browser, served: str, request: pytest.FixtureRequest) -> Iterator[Window]:
    """A new visitor's window; `@pytest.mark.parametrize("window", ["zh-CN"], indirect=True)` for another language."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale=getattr(request, "param", "en-US"))
    yield Window(context.new_page(), served)
    context.close()
