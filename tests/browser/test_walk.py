"""A customer walks through the window, from greeting to cart, in both languages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Window


def test_from_greeting_to_cart(window: Window) -> None:
    page = window.page
    assert window.say("hello there")
    assert window.titles() == []

    window.say("I'm looking for a coffee mug under $60")
    assert window.titles()
    assert max(window.prices()) <= 60

    first = window.titles()
    window.say("anything cheaper?")
    assert window.titles() != first
    assert max(window.prices()) < 60

    window.say("show me running shoes")
    shown = window.titles()
    assert len(shown) >= 2
    window.say("compare the first two")
    expect(window.last.locator("table")).to_be_visible()
    table = window.last.locator("table").inner_text()
    assert all(title.split(",")[0][:12] in table for title in shown[:2])

    assert " g" in window.say("what is the weight of the first one?")
    policy = window.say("what is your return policy?")
    assert "30 days" in policy
    expect(window.last.locator(".citation").first).to_contain_text("Returns")

    window.say("show me running shoes")
    title = window.titles()[0]
    window.last.locator(".card .add").first.click()
    # A shoe comes in sizes, so the window asks; a product without variants would be in the cart at once.
    page.locator("#transcript .choices button").first.click()
    expect(page.locator("#cart")).to_contain_text(title.split(",")[0])
    expect(page.locator("#cart h2")).to_contain_text("(1)")
    page.locator("#cart [data-act=more]").click()
    expect(page.locator("#cart h2")).to_contain_text("(2)")
    page.locator("#cart [data-act=remove]").click()
    expect(page.locator("#cart h2")).to_contain_text("(0)")

    assert "helicopter" in window.say("do you sell helicopters?")
    assert window.titles() == []

    window.say("show me running shoes")
    thumb = window.last.locator(".card .thumb[data-act=down]").first
    thumb.click()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    assert window.errors == []


def test_what_is_sent_while_an_answer_comes_waits_for_its_turn(window: Window) -> None:
    page, box = window.page, window.page.locator("#message textarea")
    box.fill("what is your return policy?")
    box.press("Enter")
    expect(box).to_have_value("")
    box.fill("show me running shoes")
    for _ in range(3):  # an impatient customer; only the first has something to say
        box.press("Enter")
    expect(page.locator("#transcript .turn-user")).to_have_count(2)
    expect(page.locator("#transcript .turn-aisle")).to_have_count(3)
    asked = page.locator("#transcript .turn-user").all_inner_texts()
    assert ["return policy" in asked[0], "running shoes" in asked[1]] == [True, True]
    assert len(window.titles()) >= 2
    box.press("Enter")  # on an empty box
    page.wait_for_timeout(500)
    expect(page.locator("#transcript .turn-user")).to_have_count(2)
    assert window.errors == []


@pytest.mark.parametrize("window", ["zh-CN"], indirect=True)
def test_in_chinese(window: Window) -> None:
    expect(window.page.locator("#send")).to_have_text("发送")
    answer = window.say("你好")
    assert any("\u4e00" <= sign <= "\u9fff" for sign in answer)
    answer = window.say("有没有三百元以内的跑鞋")
    assert any("\u4e00" <= sign <= "\u9fff" for sign in answer)
    window.say("跑鞋")
    assert window.titles()
    assert window.errors == []


def test_two_shoppers_who_ask_the_same_get_different_orders_and_reasons(browser: Browser, served: str) -> None:
    seen: dict[str, tuple[list[str], str]] = {}
    for shopper in ("demo-maya", "demo-theo"):
        context = browser.new_context(locale="en-US")
        chosen = context.request.post(f"{served}/demo/shopper", data={"shopper": shopper})
        assert chosen.status == 204
        window = Window(context.new_page(), served)
        expect(window.page.locator("#profile .beliefs li").first).to_be_visible()
        window.say("what would you recommend for me?")
        for summary in window.last.locator(".why summary").all():
            summary.click()
        seen[shopper] = (window.titles(), " ".join(window.last.locator(".why").all_inner_texts()))
        context.close()
    (maya, her_reasons), (theo, his_reasons) = seen.values()
    assert maya
    assert theo
    assert maya != theo
    assert her_reasons != his_reasons


def test_a_belief_is_removed_for_good(browser: Browser, served: str) -> None:
    context = browser.new_context(locale="en-US")
    context.request.post(f"{served}/demo/shopper", data={"shopper": "demo-leo"})
    window = Window(context.new_page(), served)
    beliefs = window.page.locator("#profile .beliefs li")
    expect(beliefs.first).to_be_visible()
    button = beliefs.first.locator("[data-act=forget]")
    kind, value = button.get_attribute("data-kind"), button.get_attribute("data-value")
    button.click()
    same = window.page.locator(f'#profile [data-kind="{kind}"][data-value="{value}"]')
    expect(same).to_have_count(0)
    window.reload()
    expect(beliefs.first).to_be_visible()
    expect(same).to_have_count(0)
    context.close()


def test_the_window_fits_a_phone(browser: Browser, served: str) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="en-US", is_mobile=True)
    window = Window(context.new_page(), served)
    window.say("running shoes")
    assert window.titles()
    width = window.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, f"the page is {width} px wide"
    add = window.last.locator(".card .add").first.bounding_box()
    assert add is not None
    assert add["x"] + add["width"] <= 360
    context.close()


def test_the_link_of_a_card_leads_to_its_page(window: Window, served: str) -> None:
    window.say("running shoes")
    link = window.last.locator(".card h3 a").first
    title = link.inner_text()
    answer = window.page.request.get(served + (link.get_attribute("href") or ""))
    assert answer.status == 200
    assert title in answer.text()
