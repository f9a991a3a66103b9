"""A supervisor reads the desk's figures, saves a table, follows an unanswered question to its answer, and reviews by keys."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from storage.answers import Proposal, list_answers, note_unanswered, propose
from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.desk import macros_of
from storage.labels import labels_by_turn, request_labels
from storage.principal import Principal, Role
from storage.tickets import answer, claim, close, hand_to_team
from tests.browser.conftest import launch

SUE, EVE = Principal("sue", Role.SUPERVISOR), Principal("eve", Role.ENGINEER)
MIA = Principal("mia", Role.AGENT, "support")
QUESTION = "Can you engrave a name on it? <img src=x onerror=alert(1)>"
PAIRS = (
    Proposal("Is there parking at the shop?", "There are spaces behind the building.", "en", "d1", asked=9),
    Proposal("Do you repair zips?", "Yes, our workshop repairs zips within two weeks.", "en", "d2", asked=8),
)


@pytest.fixture(scope="module")
def shop(demo_shop: Path, served: str) -> Iterator[Database]:
    """The shop's database with a ticket, a question that nothing answered, two pairs to decide and two turns to label."""
    database = Database.connect(f"sqlite:///{demo_shop / 'aisle.db'}")
    customer = Principal("review-customer", Role.CUSTOMER)
    set_consent(database, customer, customer.id, Consent(train=True))
    talk = start(database, customer)
    said = [Turn(role="user", content=text) for text in (QUESTION, "where is my order?")]
    append(database, customer, talk, said)
    note_unanswered(database, said[0].message_id, QUESTION, "en", "policy")
    hand_to_team(database, customer, talk)
    claim(database, MIA, talk)
    answer(database, MIA, talk, Turn(role="agent", content="Yes.", data={"agent": "mia"}))
    close(database, MIA, talk, "solved")
    propose(database, SUE, PAIRS)
    for place, turn in enumerate(said):
        request_labels(database, EVE, {f"review-{place}": turn.message_id})
    yield database
    database.close()


def signed_in(browser: Browser, served: str, demo_shop: Path, role: str, locale: str = "en-US") -> Page:
    command = launch("keys", "create", "--name", f"review-{role}", "--role", role, "--shop", str(demo_shop), "--json")
    key = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)["key"]
    page = browser.new_context(viewport={"width": 1280, "height": 900}, locale=locale).new_page()
    page.goto(f"{served}/login")
    page.fill("input[name=key]", key)
    page.click("form button")
    page.wait_for_url("**/ops/**")
    return page


def tab(page: Page, place: int) -> None:
    page.locator('#sections button[role="tab"]').nth(place).click()


def test_from_the_figures_to_an_answer_and_by_keys(
    browser: Browser, served: str, demo_shop: Path, shop: Database, tmp_path: Path
) -> None:
    page = signed_in(browser, served, demo_shop, "supervisor")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    expect(page.locator("#ops-shoppers .lead")).to_be_visible()
    tab(page, 5)
    expect(page.locator("#ops-support figure")).to_have_count(8)
    page.locator('#ops-support [data-days="7"]').click()
    expect(page.locator('#ops-support [data-days="7"]')).to_have_attribute("aria-pressed", "true")
    page.locator("#ops-support summary").first.click()
    with page.expect_download() as download:
        page.locator('#ops-support a[href*="table=volumes"]').click()
    download.value.save_as(tmp_path / "volumes.csv")
    with (tmp_path / "volumes.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 7
    assert int(rows[-1]["handed_over"]) >= 1

    page.locator("#ops-support .clusters li", has_text="engrave").locator("a.write").click()
    page.wait_for_url("**/review/**")
    expect(page.locator("#new-question textarea")).to_have_value(QUESTION)
    page.fill("#new-question textarea", "Do you engrave names on presents?")
    page.fill("#new-answer textarea", "Yes, choose engraving in the cart and write the name.")
    page.press("#new-answer textarea", "Control+Enter")
    expect(page.locator("#new-answer textarea")).to_have_value("")
    assert "Do you engrave names on presents?" in {each.question for each in list_answers(shop, SUE, "approved")}

    tab(page, 0)
    expect(page.locator("#pair-question textarea")).to_have_value(PAIRS[0].question)
    page.keyboard.press("e")
    expect(page.locator("#pair-answer textarea")).to_be_focused()
    page.fill("#pair-answer textarea", "Behind the building, free for two hours.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#pair-question textarea")).to_have_value(PAIRS[1].question)
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(page.locator("#list-pairs .rows")).to_have_count(0)
    found = {each.question: (each.status, each.answer) for each in list_answers(shop, SUE)}
    assert found[PAIRS[0].question] == ("approved", "Behind the building, free for two hours.")
    assert found[PAIRS[1].question][0] == "rejected"

    tab(page, 3)
    page.fill("#macro-title input, #macro-title textarea", "On its way")
    page.fill("#macro-text textarea", "Hi {first_name}, {order_id} is on its way.")
    page.press("#macro-text textarea", "Control+Enter")
    expect(page.locator("#list-macros .rows li")).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.click("#remove-macro")
    assert [each.title for each in macros_of(shop, SUE)] == ["On its way"]
    page.once("dialog", lambda dialog: dialog.accept())
    page.click("#remove-macro")
    expect(page.locator("#list-macros .rows li")).to_have_count(0)
    assert errors == []
    page.context.close()


def test_an_engineer_labels_by_keys_and_sees_nothing_else(
    browser: Browser, served: str, demo_shop: Path, shop: Database
) -> None:
    page = signed_in(browser, served, demo_shop, "engineer", "zh-CN")
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{served}/review/")
    expect(page.locator("#turn .asked")).to_contain_text("engrave")
    assert page.locator("#turn img").count() == 0
    expect(page.locator('#sections button[role="tab"]:visible')).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.keyboard.press("n")
    expect(page.locator("#turn .asked")).to_contain_text("where is my order")
    first = page.locator('#labels [data-key="1"]').get_attribute("data-label")
    page.keyboard.press("1")
    expect(page.locator("#turn .asked")).to_contain_text("engrave")
    label = labels_by_turn(shop, EVE)["review-1"]
    assert label is not None
    assert label.intents == (first,)
    page.context.close()
