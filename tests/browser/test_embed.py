"""The window on the shop's own pages: opened from another origin, with and without a token, and refused to pages nobody named."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, Route, expect

from tests.browser.conftest import Console, ShopPages


class Shop(Console):
    """The shop's page in one browser, and the frame in it."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.bubble = page.locator("aisle-assistant button")
        self.frame: FrameLocator = page.frame_locator("aisle-assistant iframe")

    def ask(self, text: str) -> None:
        self.frame.locator("#message textarea").fill(text)
        self.frame.locator("#message textarea").press("Enter")
        expect(self.frame.locator("#transcript .turn-user").last).to_contain_text(text)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-US")
    yield opened
    opened.close()


@pytest.fixture
def visit(context: BrowserContext, served: str, shop_pages: ShopPages) -> Callable[..., Shop]:
    """Opens a page of the shop that carries the one line; its policy allows Aisle's script and frame and nothing else."""
    shop_pages.policy = f"default-src 'none'; script-src {served}; frame-src {served}"

    def go(attributes: str = "", language: str = "en", host: str = "localhost") -> Shop:
        line = f'<script src="{served}/embed.js" {attributes}></script>'
        shop_pages.pages["/"] = f'<!doctype html><html lang="{language}"><title>Shop</title><h1>Shop</h1>{line}</html>'
        shop = Shop(context.new_page())
        shop.page.goto(f"http://{host}:{shop_pages.port}/")
        return shop

    return go


def token(shop: Path, minutes: int = 10, role: str = "customer") -> str:
    claims = {"sub": "demo-maya", "role": role, "aud": "aisle", "exp": int(time.time()) + 60 * minutes}
    return jwt.encode(claims, (shop / "secret").read_text(encoding="utf-8").strip(), "HS256")


def test_a_visitor_opens_asks_closes_and_comes_back(visit: Callable[..., Shop]) -> None:
    shop = visit()
    expect(shop.bubble).to_have_attribute("aria-expanded", "false")
    shop.bubble.press("Enter")
    expect(shop.bubble).to_have_attribute("aria-expanded", "true")
    expect(shop.frame.locator("#message textarea")).to_be_focused()
    expect(shop.frame.locator("#profile .beliefs li")).to_have_count(0)
    shop.ask("show me running shoes")
    expect(shop.frame.locator("#transcript .card").first).to_be_visible()
    shop.reload()
    expect(shop.frame.locator("#transcript .turn-user")).to_have_count(1)  # it opens by itself, with what was said
    shop.frame.locator("#message textarea").press("Escape")
    expect(shop.bubble).to_have_attribute("aria-expanded", "false")
    expect(shop.bubble).to_be_focused()
    assert shop.errors == []


def test_the_shops_customer_is_known_by_the_token_and_unknown_without(
    visit: Callable[..., Shop], demo_shop: Path, context: BrowserContext
) -> None:
    shop = visit(f'data-token="{token(demo_shop)}"')
    shop.bubble.click()
    expect(shop.frame.locator("#profile .beliefs li").first).to_be_visible()
    kept = {cookie["name"]: cookie for cookie in context.cookies()}["aisle_embed"]
    assert kept["httpOnly"]
    assert kept["secure"]
    assert kept["sameSite"] == "None"
    assert shop.errors == []
    signed_out = visit()  # the same browser, after the shop has signed its customer out
    signed_out.bubble.click()
    expect(signed_out.frame.locator("#transcript .turn-aisle").first).to_be_visible()
    expect(signed_out.frame.locator("#cart")).to_be_visible()
    expect(signed_out.frame.locator("#profile .beliefs li")).to_have_count(0)


def test_where_no_cookie_is_kept_the_frame_carries_the_token(
    visit: Callable[..., Shop], demo_shop: Path, context: BrowserContext, served: str
) -> None:
    def forgotten(route: Route) -> None:
        context.clear_cookies()
        route.continue_()

    # As a browser that keeps no cookie in a frame: the handshake's second question comes without one, and so does the window.
    told = {"known": False, "anonymous": True, "visitor": None}
    context.route(
        f"{served}/embed/session",
        lambda route: route.fulfill(json=told) if route.request.method == "GET" else route.continue_(),
    )
    context.route(re.compile(r"embed=1"), forgotten)
    shop = visit(f'data-token="{token(demo_shop)}"')
    shop.bubble.click()
    expect(shop.frame.locator("#profile .beliefs li").first).to_be_visible()
    assert shop.page.frames[-1].evaluate("location.hash") == ""
    shop.ask("show me running shoes")
    expect(shop.frame.locator("#transcript .card").last).to_be_visible()
    assert shop.errors == []


@pytest.mark.parametrize(("minutes", "role"), [(-10, "customer"), (10, "admin")])
def test_a_token_that_does_not_hold_leaves_a_working_window(
    visit: Callable[..., Shop], demo_shop: Path, minutes: int, role: str
) -> None:
    shop = visit(f'data-token="{token(demo_shop, minutes, role)}"')
    shop.bubble.click()
    shop.ask("show me running shoes")
    expect(shop.frame.locator("#transcript .card").first).to_be_visible()
    assert [text for kind, text in shop.said if kind == "warning" and "token was refused" in text]
    assert shop.errors == []


def test_it_speaks_the_pages_language(visit: Callable[..., Shop]) -> None:
    shop = visit(language="zh-CN")
    expect(shop.bubble).to_have_attribute("aria-label", "咨询购物助手")
    shop.bubble.click()
    expect(shop.frame.locator("#send")).to_have_text("发送")
    shop.page.evaluate("document.documentElement.lang = 'en'")
    expect(shop.frame.locator("#send")).to_have_text("Send")
    assert shop.errors == []


def test_a_page_that_nobody_named_may_not_frame_it(visit: Callable[..., Shop]) -> None:
    shop = visit(host="127.0.0.1")  # the same server by a name that is not under [embed]
    shop.bubble.click()
    for _ in range(100):
        if any("frame-ancestors" in text for text in shop.errors):
            break
        shop.page.wait_for_timeout(100)
    else:
        raise AssertionError(f"no word of frame-ancestors: {shop.said}")
    expect(shop.frame.locator("#message textarea")).to_have_count(0)


def test_what_other_windows_send_is_not_listened_to(visit: Callable[..., Shop]) -> None:
    shop = visit()
    shop.bubble.click()
    expect(shop.frame.locator("#message textarea")).to_be_visible()
    # A page may send its own window what only the frame may say, and the frame what only the page may say.
    shop.page.evaluate("window.postMessage({aisle: 'close'}, '*')")
    frame = next(each for each in shop.page.frames if "embed=1" in each.url)
    frame.evaluate("window.postMessage({aisle: 'language', language: 'zh'}, '*')")
    shop.page.wait_for_timeout(500)
    expect(shop.bubble).to_have_attribute("aria-expanded", "true")
    expect(shop.frame.locator("#send")).to_have_text("Send")
