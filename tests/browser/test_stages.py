"""Three shoppers ask the same thing, and see by their cards, their table and their words how far each of them is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.conftest import Window

STAGES = ("browsing", "comparing", "ready")
# Goods that these shoppers have not looked at: what they know they would not browse.
ENGLISH = ("en-US", "show me laptop stands", ("demo-maya", "demo-theo", "demo-leo"))
CHINESE = ("zh-CN", "有没有挂钟", ("demo-linyue", "demo-chenhao", "demo-sofia"))


@contextmanager
def shopper(browser: Browser, served: str, name: str, locale: str) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale=locale)
    assert context.request.post(f"{served}/demo/shopper", data={"shopper": name}).status == 204
    yield context
    context.close()


def go(context: BrowserContext, served: str, text: str, stage: str) -> str:
    """Does what one of that stage does with the goods found for the text; returns the title of the one looked at last."""
    found = context.request.post(f"{served}/api/search", data={"text": text, "limit": 12}).json()["products"]
    cards = [card for card in found if card["availability"] == "in_stock"][:4]
    steps = [("view_item", cards[0], 4_000), ("view_item", cards[1], 5_000)]
    if stage != "browsing":
        steps += [("view_item", cards[2], 50_000), ("view_item", cards[1], 60_000)]
    if stage == "ready":
        steps += [("add_to_cart", cards[1], 0), ("view_cart", cards[1], 0)]
    now = round(time.time() * 1000)
    events = [
        {
            "event_id": f"{stage}-{now}-{place}",
            "event": event,
            "timestamp": now - 20_000 * (len(steps) - place),
            "session_id": f"{stage}-{now}",
            "dwell_ms": dwell,
            "items": [{"item_id": card["product_id"]}],
        }
        for place, (event, card, dwell) in enumerate(steps)
    ]
    posted = context.request.post(f"{served}/api/events", data={"events": events})
    assert posted.json()["accepted"] == len(events)
    return str(steps[-1][1]["title"])


@pytest.mark.parametrize(("locale", "text", "names"), [ENGLISH, CHINESE], ids=["en", "zh"])
def test_the_same_question_is_answered_by_the_stage(
    browser: Browser, served: str, locale: str, text: str, names: tuple[str, ...]
) -> None:
    cards: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    for name, stage in zip(names, STAGES, strict=True):
        with shopper(browser, served, name, locale) as context:
            title = go(context, served, text, stage)
            window = Window(context.new_page(), served)
            said[stage] = window.say(text)
            cards[stage] = window.titles()
            tables = window.last.locator("table")
            if stage == "comparing":
                expect(tables).to_be_visible()
                assert len(cards[stage]) == 3
            else:
                expect(tables).to_have_count(0)
            if stage == "ready":
                assert cards[stage] == [title]
                expect(window.last.locator(".citation").first).to_be_visible()
                more = window.say("更多" if locale == "zh-CN" else "show me more")
                assert more
                assert len(window.titles()) > 1
                assert title not in window.titles()
            assert window.errors == []
    assert len(cards["browsing"]) > 3
    assert len({tuple(each) for each in cards.values()}) == 3
    assert len(set(said.values())) == 3
