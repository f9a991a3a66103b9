"""What the window does beside answering: checkout, history, the file to keep, the stop button, languages, keyboard, contrast."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Locator, Page, expect

from bot.api.app import create_app
from bot.service import Assistant
from storage.database import Database
from storage.identity import Identity
from storage.settings import parse_settings
from tests.browser.conftest import CHECKOUT, Window

CONTRAST = """
() => {
  const parse = (color) => { const found = color.match(/[\\d.]+/g).map(Number); return [...found.slice(0, 3), found[3] ?? 1]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color[3] > .99) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll('#top *, #columns *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({visibilityProperty: true}) || element.closest('#shopper')) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) poor.push(`${element.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


def add_first(window: Window) -> str:
    """Puts the first card of the last answer that can be bought into the cart; returns its title."""
    card = window.last.locator(".card:has(.add)").first
    title = card.locator("h3").inner_text()
    card.locator(".add").click()
    choices = window.page.locator("#transcript .choices button")
    noted = window.page.locator("#transcript .turn-note").last
    expect(choices.first.or_(noted)).to_be_visible()
    if choices.count():
        choices.first.click()
    expect(noted).to_be_visible()
    expect(choices).to_have_count(0)
    return title


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("en-US", ("hello", "show me running shoes", "checkout")),
        ("zh-CN", ("你好", "有没有保温杯", "结账")),
    ],
    indirect=["window"],
    ids=["en", "zh"],
)
def test_from_greeting_to_the_checkout_link(window: Window, said: tuple[str, ...]) -> None:
    greeting, wish, pay = said
    assert window.say(greeting)
    window.say(wish)
    assert window.titles()
    add_first(window)
    link = window.page.locator("#cart a.checkout")
    expect(link).to_have_attribute("href", re.compile(f"^{re.escape(CHECKOUT)}"))
    assert CHECKOUT in window.say(pay)
    told = window.last.locator(".said a")
    assert told.get_attribute("href") == link.get_attribute("href")
    assert window.errors == []


def test_a_shopper_comes_back_to_what_was_said(window: Window, tmp_path: Path) -> None:
    page, asked = window.page, page_users(window.page)
    window.say("show me desk lamps")
    first = window.titles()
    window.reload()
    expect(asked).to_have_count(1)
    assert window.titles() == first

    page.locator('#tools [data-act="new"]').click()
    expect(asked).to_have_count(0)
    assert "30" in window.say("what is your return policy?")
    page.locator("#tools summary", has_text="Earlier").click()
    earlier = page.locator('#tools [data-act="open"]')
    expect(earlier).to_have_text([re.compile("return policy"), re.compile("desk lamps")])
    earlier.nth(1).click()
    expect(asked).to_have_text([re.compile("desk lamps")])
    assert window.titles() == first

    page.locator("#tools summary", has_text="Save").click()
    with page.expect_download() as download:
        page.locator('#tools [data-act="export"][data-format="markdown"]').click()
    download.value.save_as(tmp_path / "talk.md")
    kept = (tmp_path / "talk.md").read_text(encoding="utf-8")
    assert "> show me desk lamps" in kept
    assert first[0].split("(")[0].strip() in kept
    assert window.errors == []


def page_users(page: Page) -> Locator:
    return page.locator("#transcript .turn-user p")


def test_the_language_is_switched_in_the_window_and_kept(window: Window) -> None:
    page = window.page
    window.say("show me running shoes")
    page.locator('#tools [data-language="zh"]').click()
    expect(page.locator("#send")).to_have_text("发送")
    expect(page.locator("#cart h2")).to_contain_text("购物车")
    expect(page.locator("html")).to_have_attribute("lang", "zh")
    expect(page_users(page)).to_have_count(1)
    window.reload()
    expect(page.locator("#send")).to_have_text("发送")
    expect(page.locator("#message textarea")).to_have_attribute("placeholder", "想找点什么？")
    assert window.errors == []


def test_by_the_keyboard_alone(window: Window) -> None:
    page, focused = window.page, "document.activeElement"

    def tab_to(selector: str, key: str = "Tab") -> None:
        for _ in range(60):
            page.keyboard.press(key)
            if page.evaluate(f"s => {focused}.matches(s)", selector):
                seen = page.evaluate(
                    f"getComputedStyle({focused}).outlineStyle + getComputedStyle({focused}).outlineWidth"
                )
                assert seen == "solid3px", f"the focus on {selector} is not seen: {seen}"
                return
        raise AssertionError(f"the keyboard does not reach {selector}")

    page.evaluate("document.activeElement.blur()")
    tab_to('#tools [data-act="language"]')
    tab_to("#message textarea")
    page.keyboard.type("show me running shoes")
    page.keyboard.press("Enter")
    expect(page.locator("#transcript .card").first).to_be_visible()
    tab_to("#transcript .card .add", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#transcript .choices button").first).to_be_visible()
    tab_to("#transcript .choices button")
    page.keyboard.press("Space")
    expect(page.locator("#cart h2")).to_contain_text("(1)")
    tab_to("#cart [data-act=more]")
    page.keyboard.press("Enter")
    expect(page.locator("#cart h2")).to_contain_text("(2)")
    assert page.evaluate(f"{focused}.matches('#cart [data-act=more]')"), "a write takes the keyboard's place away"
    tab_to("#cart a.checkout")
    tab_to("#consent-train-switch")
    page.keyboard.press("Space")
    expect(page.get_by_role("switch", name="Learning from my visits")).to_be_checked()
    assert page.evaluate(f"{focused}.matches('#consent-train-switch')"), "a choice takes the keyboard's place away"
    tab_to("#tools summary", "Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#tools details[open]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#tools details[open]")).to_have_count(0)
    assert page.evaluate(f"{focused}.matches('#tools summary')")
    assert window.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_and_width(browser: Browser, served: str, scheme: Any) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640}, locale="en-US", color_scheme=scheme)
    window = Window(context.new_page(), served)
    window.say("show me running shoes")
    window.say("compare the first two")
    window.last.locator("table").wait_for()
    add_first(window)
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 320
    window.page.locator("#tools summary").first.click()
    assert window.page.evaluate(CONTRAST) == []
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()


class Slow(Assistant):
    """Takes its time between the parts of an answer, as one does that asks a language model."""

    pause = 4.0

    def stream(self, *arguments: Any, **named: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        for event in super().stream(*arguments, **named):
            yield event
            if event[0] in ("products", "text"):
                time.sleep(self.pause)


@pytest.fixture(scope="module")
def slow(demo_shop: Path, served: str) -> Iterator[str]:
    """The address of a server whose answers come slowly; the other one has published the shop's intent model."""
    assert served
    settings = parse_settings((demo_shop / "shop.toml").read_bytes())
    database = Database.open(settings.database.url_for(demo_shop))
    assistant = Slow.open(demo_shop, settings, database, settings.checkout_url)
    identity = Identity.open(demo_shop, settings.identity, database)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = create_app(assistant, identity, demo_shop, settings)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=20)
    assistant.close()
    database.close()


def test_cards_come_first_and_an_answer_is_stopped(
    browser: Browser, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    window = Window(context.new_page(), slow)
    page = window.page
    page.fill("#message textarea", "show me running shoes under $200")
    page.press("#message textarea", "Enter")
    expect(page.locator("#live .thinking").first).to_be_visible()
    expect(page.locator("#live .card").first).to_be_visible()
    expect(page.locator("#live .thinking")).to_have_count(1)
    expect(page.locator("#live .said:not(.thinking)")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#transcript .turn-note")).to_contain_text("Stopped")
    expect(page.locator("#live .turn")).to_have_count(0)
    shown = window.page.locator("#transcript .card").count()
    assert shown
    monkeypatch.setattr(Slow, "pause", 0.0)
    window.say("compare the first two")  # what was stored stays true
    expect(window.last.locator("table")).to_be_visible()
    assert window.errors == []
    context.close()
