"""Who was shown which arm and what they did: with consent then and now, of the experiment named and of no other."""

from __future__ import annotations

from typing import Any

import pytest

from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Forbidden
from storage.event import parse_event
from storage.events import record_events
from storage.experiments import Act, Subject, arm_in, label_of, subjects, without_arm
from storage.principal import Principal, Role

ENGINEER = Principal("ada", Role.ENGINEER)
BACKEND = Principal("shop", Role.SERVICE)
START = 1_700_000_000_000


def record(db: Database, *rows: dict[str, Any]) -> None:
    base = {"user_id": "u", "consent": {"train": True}}
    events = [parse_event({"event_id": f"e{number}"} | base | row) for number, row in enumerate(rows)]
    assert record_events(db, BACKEND, events).rejected == ()


def shown(at: int, version: str, **more: Any) -> dict[str, Any]:
    cards = [{"item_id": item, "policy_version": version, "index": 0} for item in ("a", "b")]
    return {"event": "recommendation_shown", "timestamp": START + at, "items": cards, **more}


def did(event: str, at: int, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"event": event, "timestamp": START + at, "items": list(items), **more}


def read(db: Database, name: str | None = "order", before: int = 100) -> dict[str, Subject]:
    return {each.user_id: each for each in subjects(db, ENGINEER, START, START + 1000, before, name)}


def test_a_label_is_read_as_it_is_written() -> None:
    version = f"rules-1+lot-0.1+{label_of('card-order', 'plain')}"
    assert arm_in(version, "card-order") == "plain"
    assert arm_in(version, "order") is None
    assert arm_in("rules-1", "card-order") is None
    assert arm_in("rules-1+card-order=", "card-order") is None


def test_the_first_exposure_by_arm_and_what_was_done_around_it(database: Database) -> None:
    record(
        database,
        shown(20, "v+order=a"),
        shown(10, "v+lot-0.1+order=a"),
        shown(30, "v+order=b"),
        shown(5, "v+other=a"),
        shown(-5, "v+order=a"),
        shown(1000, "v+order=a"),
        did("view_item", -50, {"item_id": "x"}),
        did("view_item", -101, {"item_id": "x"}),
        did("purchase", 40, {"item_id": "x"}, {"item_id": "y"}, value=500, currency="EUR"),
        did("purchase", 1000, {"item_id": "x"}),
        did("search", 41, {"item_id": "x"}),
        shown(7, "v+other=a", user_id="elsewhere"),
        shown(8, "v+order=b", user_id="quiet"),
    )
    assert read(database) == {
        "u": Subject(
            "u",
            {"a": START + 10, "b": START + 30},
            (Act("view_item", START - 50, ("x",), None, None), Act("purchase", START + 40, ("x", "y"), 500, "EUR")),
        ),
        "quiet": Subject("quiet", {"b": START + 8}, ()),
    }
    assert read(database, None).keys() == {"u", "elsewhere", "quiet"}
    assert read(database, None)["u"].first_shown == {"": START + 5}


def test_an_underscore_in_a_name_is_no_wildcard(database: Database) -> None:
    record(database, shown(1, "v+card-order=a"))
    assert not read(database, "card_order")


@pytest.mark.parametrize(
    ("items", "more", "amount"),
    [
        ([{"item_id": "x", "price": 300, "quantity": 2}, {"item_id": "y", "price": 100}], {}, 700),
        ([{"item_id": "x", "price": 300}, {"item_id": "y"}], {}, None),
        ([{"item_id": "x", "price": 300, "quantity": 0}], {}, 0),
        ([{"item_id": "x", "price": 300}], {"value": 250}, 250),
        ([], {}, None),
        ([], {"value": 250}, 250),
    ],
)
def test_the_amount_is_the_value_or_the_sum_of_what_is_priced(
    database: Database, items: list[dict[str, Any]], more: dict[str, Any], amount: int | None
) -> None:
    record(database, shown(1, "v+order=a"), did("purchase", 2, *items, currency="USD", **more))
    assert read(database)["u"].acts[0].amount == amount


def test_only_with_consent_then_and_now(database: Database) -> None:
    no = {"consent": {"train": False}}
    record(
        database,
        shown(1, "v+order=a"),
        did("purchase", 2, value=1, **no),
        shown(1, "v+order=a", user_id="never", **no),
        shown(1, "v+order=a", user_id="withdrew"),
    )
    set_consent(database, BACKEND, "withdrew", Consent())
    assert read(database) == {"u": Subject("u", {"a": START + 1}, ())}


def test_only_those_who_may_see_figures_read_it(database: Database) -> None:
    for role in (Role.CUSTOMER, Role.AGENT, Role.SERVICE):
        with pytest.raises(Forbidden):
            list(subjects(database, Principal("x", role), 0, 1, 0, "order"))


def test_a_version_without_the_arm_of_one_experiment() -> None:
    assert without_arm("rules-1+lot-0.1+order=plain", "order") == "rules-1+lot-0.1+order"
    assert without_arm("rules-1+reorder=plain", "order") == "rules-1+reorder=plain"
    assert without_arm("", "order") == ""
