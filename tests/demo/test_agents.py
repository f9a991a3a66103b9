"""Dialogues with an agent: whole, of both languages, about real orders, and with wordings that only the test split has."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta

import pytest

from demo.agents import TOPICS, HandedOver, agent_dialogues, handed_over, phrasings
from demo.catalog import DemoProduct, make_catalog
from demo.generate import generator
from demo.phrasings.grammar import parse, slots_in
from demo.shoppers import Behavior, make_behavior
from tests.demo.written import NOW, Written

FILLED = {"name", "agent", "email", "order", "tracking", "carrier", "date", "amount", "product", "title"}


@pytest.fixture(scope="module")
def small() -> tuple[list[DemoProduct], Behavior]:
    catalog = make_catalog(generator(7, 0), NOW, 200)
    return catalog, make_behavior(generator(7, 1), NOW, catalog, 60)


@pytest.fixture(scope="module")
def talks(small: tuple[list[DemoProduct], Behavior]) -> list[HandedOver]:
    return list(handed_over(7, NOW, small[1].orders, small[0]))


def test_a_person_takes_over_with_a_reason_and_answers_every_turn(talks: list[HandedOver]) -> None:
    assert {each.topic for each in talks} == set(TOPICS)
    for each in talks:
        roles = [line.role for line in each.lines]
        assert roles[:4] == ["user", "assistant", "system", "agent"]
        assert roles[4:] == ["user", "agent"] * ((len(roles) - 4) // 2)
        assert not any(re.search(r"[{}\[\]|]", line.text) or not line.text.strip() for line in each.lines)
    languages = Counter(each.language for each in talks)
    assert languages["zh"] > 0.2 * languages.total()


def test_replies_speak_of_the_order_that_the_talk_is_about(small, talks: list[HandedOver]) -> None:
    orders = {row["order_id"]: row for row in small[1].orders}
    named = 0
    for each in talks:
        for line in each.lines:
            for number in re.findall(r"\bA1\d{5}\b", line.text, re.ASCII):
                assert orders[number]["user_id"] == each.user_id
                assert not TOPICS[each.topic] or orders[number]["status"] in TOPICS[each.topic]
                named += 1
    assert named > len(talks) / 2


def test_no_wording_of_an_agent_in_the_test_split_is_in_another(talks: list[HandedOver]) -> None:
    def wordings(split: str) -> set[tuple[str, str]]:
        return {
            (line.section, re.sub(r"[\d.]+", "0", line.text))
            for each in talks
            if each.split == split
            for line in each.lines
            if line.role == "agent" and "{" not in line.text
        }

    assert not wordings("test") & (wordings("train") | wordings("validation"))
    assert len(wordings("test")) > 40


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_section_has_its_answer_and_enough_wordings(language: str) -> None:
    found = phrasings(language)
    assert set(found) == set(phrasings("en"))
    for name, lines in found.items():
        topic, _, part = name.rpartition(".")
        if part.startswith("q"):
            assert f"{topic}.a{part[1:]}" in found
        answers = part.startswith(("a", "solve")) or name in ("hello", "bye")
        assert len(lines) >= (1 if part == "reason" else 5 if answers else 4), name
        for line in lines:
            parse(line)
            assert slots_in(line) <= FILLED
            assert bool(re.search("[\u4e00-\u9fff]", line)) == (language == "zh")


def test_the_same_seed_gives_the_same_log_and_labels_nothing(small) -> None:
    catalog, behavior = small
    first = list(agent_dialogues(3, NOW, behavior.orders, catalog, 30))
    assert first == list(agent_dialogues(3, NOW, behavior.orders, catalog, 30))
    assert first != list(agent_dialogues(4, NOW, behavior.orders, catalog, 30))
    assert list(agent_dialogues(3, NOW, [], catalog, 30)) == []
    for dialogue in first:
        stamps = [message["timestamp"] for message in dialogue["messages"]]
        assert stamps == sorted(stamps)
        assert stamps[-1] < (NOW + timedelta(hours=1)).isoformat()
        assert not any("intents" in message for message in dialogue["messages"])


def test_they_stand_in_the_demos_log_behind_the_labelled_ones(shop: Written) -> None:
    rows = [json.loads(line) for line in shop.files.dialogues.read_text("utf-8").splitlines()]
    agents = [row for row in rows if row["dialogue_id"].startswith("agent-")]
    assert rows[-len(agents) :] == agents
    assert all(message["role"] != "agent" for row in rows[: -len(agents)] for message in row["messages"])
