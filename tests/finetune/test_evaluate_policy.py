"""From a shop's log to a verdict: which slates count, what a card earned, dirty logs, and the words for "nobody knows"."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from finetune.evaluate_policy import HOUR_MS, evaluate_policy
from finetune.slate_log import SlateLog, read_slates
from storage.consent import Consent
from storage.database import Database
from storage.errors import InvalidInput
from storage.event import parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.slates import Audience, Response, ShownCard, ShownSlate

ENGINEER = Principal("ada", Role.ENGINEER)
BACKEND = Principal("shop", Role.SERVICE)
START = 1_700_000_000_000
DAY = 24 * HOUR_MS
NOW = START + 30 * DAY


def slate(name: str | None, at: int, *items: str, chance: float | None = 0.5, **more: Any) -> ShownSlate:
    cards = tuple(ShownCard(item, place, chance, place, 100) for place, item in enumerate(items))
    return ShownSlate(name, START + at, "v1", more.get("cards", cards))


def read(slates: list[ShownSlate], responses: list[Response] | None = None, now: int = NOW) -> SlateLog:
    return read_slates([Audience("u", slates, responses or [])], DAY, now)


def did(event: str, item: str, at: int, name: str | None = None, up: bool | None = None) -> Response:
    return Response(event, item, name, START + at, up)


def rewards(slates: list[ShownSlate], *responses: Response) -> list[float]:
    log = read(slates, sorted(responses, key=lambda each: each.timestamp))
    assert log.slates is not None
    return [float(each) for each in log.slates.reward]


class TestRewards:
    def test_the_furthest_step_counts_once(self) -> None:
        followed = [
            did("purchase", "a", 5),
            did("view_item", "a", 2),
            did("view_item", "a", 9),
            did("add_to_cart", "a", 3),
        ]
        assert rewards([slate("s", 0, "a", "b")], *followed) == [6.0, 0.0]

    def test_within_the_window_and_not_before(self) -> None:
        shown = [slate("s", 100, "a", "b", "c")]
        assert rewards(shown, did("view_item", "a", 99), did("view_item", "b", 100 + DAY)) == [0.0, 1.0, 0.0]
        assert rewards(shown, did("view_item", "b", 101 + DAY)) == [0.0, 0.0, 0.0]

    def test_the_last_slate_that_showed_it_earns_unless_another_is_named(self) -> None:
        shown = [slate("s1", 0, "a", "b"), slate("s2", 10, "b", "a"), slate("s3", 20, "c", "d")]
        assert rewards(shown, did("view_item", "a", 30)) == [0, 0, 0, 1, 0, 0]
        assert rewards(shown, did("view_item", "a", 5)) == [1, 0, 0, 0, 0, 0]
        assert rewards(shown, did("view_item", "a", 30, "s1")) == [1, 0, 0, 0, 0, 0]

    def test_thumbs_add_and_the_last_one_counts(self) -> None:
        shown = [slate("s", 0, "a", "b")]
        thumb = "recommendation_feedback"
        up, down = did(thumb, "a", 3, "s", True), did(thumb, "a", 4, "s", False)
        assert rewards(shown, up, did("add_to_cart", "a", 5)) == [4.0, 0.0]
        assert rewards(shown, up, down) == [-1.0, 0.0]

    def test_feedback_without_its_slate_changes_nothing(self) -> None:
        thumb = "recommendation_feedback"
        strange = [
            did(thumb, "a", 3, "never shown", True),
            did(thumb, "z", 3, "s", True),
            did(thumb, "a", 3, "s", None),
        ]
        assert rewards([slate("s", 0, "a", "b")], *strange, did("purchase", "z", 4)) == [0.0, 0.0]


class TestSlates:
    def test_what_cannot_be_used_is_left_out_by_reason(self) -> None:
        twice = (ShownCard("a", 0, 0.5, 0, 1), ShownCard("a", 1, 0.5, 1, 1))
        placeless = (ShownCard("a", None, 0.5, 0, 1), ShownCard("b", 1, 0.5, 1, 1))
        together = (ShownCard("a", 1, 0.5, 0, 1), ShownCard("b", 1, 0.5, 1, 1))
        many = [f"p{number}" for number in range(60)]
        log = read(
            [
                slate("good", 0, "a", "b"),
                slate("good", 1, "a", "b"),
                slate(None, 1, "a", "b"),
                slate("fixed", 2, "a", "b", chance=1.0),
                slate("single", 3, "a"),
                slate("none", 4, "a", "b", chance=None),
                slate("zero", 5, "a", "b", chance=0.0),
                slate("more than sure", 6, "a", "b", chance=1.5),
                slate("nan", 7, "a", "b", chance=math.nan),
                slate("twice", 8, cards=twice),
                slate("placeless", 9, cards=placeless),
                slate("together", 10, cards=together),
                slate("long", 11, *many),
                slate("future", 90 * DAY, "a", "b"),
            ]
        )
        assert log.shown == 14
        assert log.versions == {"v1": 2}
        assert log.left_out == {
            "duplicate": 1,
            "fixed_order": 2,
            "no_propensity": 1,
            "impossible_propensity": 3,
            "broken": 3,
            "too_long": 1,
            "too_recent": 1,
        }

    def test_cards_that_could_not_move_stay_out_of_it(self) -> None:
        """The ranking's order is that of the cards in the event, the search's that of `index`."""
        cards = (
            ShownCard("a", 3, 0.1, 5, 100),
            ShownCard("sponsored", 0, 1.0, 0, 100),
            ShownCard("b", 1, 0.1, 9, None),
            ShownCard("c", 2, 0.8, 2, 0),
        )
        log = read([slate("s", 0, cards=cards)])
        assert log.slates is not None
        assert log.slates.place.tolist() == [2, 0, 1]
        assert log.policies["ranked"].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        assert log.policies["relevance"].tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
        assert log.policies["random"] == pytest.approx(1 / 3)

    def test_without_the_searchs_places_its_order_is_not_judged(self) -> None:
        cards = (ShownCard("a", 0, 0.5, None, 1), ShownCard("b", 1, 0.5, None, 1))
        assert set(read([slate("s", 0, cards=cards)]).policies) == {"ranked", "random"}


def record(db: Database, users: int, share: float, position_effect: float = 0.0, train: bool = True) -> None:
    """Three slates of four cards each to so many users, ordered by lot with the chance `share`; the search had them reversed."""
    draw = random.Random(7)
    events = []
    for user in range(users):
        for number in range(3):
            items, order = [f"p{draw.randrange(1000)}-{place}" for place in range(4)], list(range(4))
            if draw.random() < share:
                draw.shuffle(order)
            stays = 1 - share + share / 4
            cards = [
                {"item_id": item, "slate_id": f"{user}-{number}", "position": order[place], "index": 3 - place, "price": 500,
                 "propensity": stays if order[place] == place else share / 4, "policy_version": "v1"}
                for place, item in enumerate(items)
            ]  # fmt: skip
            at = START + number * HOUR_MS
            base = {"user_id": f"u{user}", "consent": {"train": train}}
            events.append({"event": "recommendation_shown", "timestamp": at, "items": cards, **base})
            for place, item in enumerate(items):
                # The ranking's first is liked most, and what stands first is seen most.
                if draw.random() < (0.5 if place == 0 else 0.1) * (1 - position_effect * order[place] / 3):
                    events.append({"event": "view_item", "timestamp": at + 1, "items": [{"item_id": item}], **base})
    rows = [parse_event({"event_id": f"e{number}", **each}) for number, each in enumerate(events)]
    assert record_events(db, BACKEND, rows).rejected == ()


def verdicts(db: Database) -> dict[str, str]:
    values = evaluate_policy(db, ENGINEER, Consent(), 24, now=NOW).values()
    json.dumps(values, allow_nan=False)
    return {name: each["verdict"] for name, each in values["policies"].items()}


def test_the_reversed_order_is_found_worse(database: Database) -> None:
    record(database, 400, 0.5, position_effect=0.5)
    assert verdicts(database) == {"ranked": "better", "relevance": "worse", "random": "worse"}
    report = evaluate_policy(database, ENGINEER, Consent(), 24, now=NOW)
    assert (report.users, report.log.shown, report.log.versions) == (400, 1200, {"v1": 1200})
    text = report.text()
    assert "relevance (the search's order, without taste, ratings and popularity): worse" in text
    assert "SNIPS" in text


def test_where_places_do_not_matter_nothing_is_concluded(database: Database) -> None:
    record(database, 100, 0.5)
    assert set(verdicts(database).values()) == {"inconclusive"}


def test_a_fixed_order_says_nothing_and_names_the_way_out(database: Database) -> None:
    record(database, 20, 0.0)
    report = evaluate_policy(database, ENGINEER, Consent(), 24, now=NOW)
    assert report.values()["logged"] is None
    assert set(verdicts(database).values()) == {"inconclusive"}
    assert "[exploration] share in shop.toml" in report.text()


def test_an_empty_log_or_one_without_consent_is_an_error_with_the_way_out(database: Database) -> None:
    with pytest.raises(InvalidInput, match="consent"):
        evaluate_policy(database, ENGINEER, Consent(), 24)
    record(database, 5, 0.5, train=False)
    with pytest.raises(InvalidInput, match="consent"):
        evaluate_policy(database, ENGINEER, Consent(), 24)


def test_what_is_too_new_is_waited_for(database: Database) -> None:
    record(database, 5, 0.5)
    report = evaluate_policy(database, ENGINEER, Consent(), 24, now=START + HOUR_MS)
    assert report.log.left_out == {"too_recent": 15}
    assert "wait" in report.text()
