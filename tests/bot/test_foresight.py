"""Advice without words goes on from what the shopper turned to: its cards, their reason, and whom it is kept from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bot.parts import Parts, foreseeing
from bot.service import Assistant
from index.filters import Filters
from retrieval.ranking import Reason
from retrieval.reasons import problem_of
from retrieval.sequence import Histories, SequenceFacts, SequenceModel, Shape, Transitions
from retrieval.sequence.network import sizes
from storage.database import Database
from storage.event import parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.record import now_ms
from tests.bot.conftest import Conversation, ToldIntents

BACKEND = Principal("shop", Role.SERVICE)
SHAPE = Shape(dim=8, layers=1, heads=2, steps=5)


def chain_model(parts: Parts, pairs: list[tuple[str, str]]) -> SequenceModel:
    """A model whose chain knows that the second of each pair follows the first."""
    items = [parts.shelf.snapshot.products.get(row).id for row in range(len(parts.shelf.snapshot))]
    place = {item: number for number, item in enumerate(items)}
    chain = Transitions.of(Histories.of([[place[one], place[other]] for one, other in pairs] * 20), len(items))
    weights = {name: np.zeros(shape, np.float32) for name, shape in sizes(SHAPE).items()}
    vectors = np.ones((len(items), SHAPE.dim), np.float32)
    return SequenceModel(items, vectors, weights, chain, SequenceFacts(SHAPE, 1.0, refit=True))


@pytest.fixture
def foreseen(assistant: Assistant) -> Assistant:
    model = chain_model(assistant.parts, [("kettle-2", "tea-1"), ("tea-1", "kettle-1")])
    assistant.parts = replace(assistant.parts, shelf=foreseeing(assistant.parts.shelf, model, ()))
    return assistant


def looked(database: Database, user: str, item: str, personalize: bool = True) -> None:
    row = {"event_id": f"{user}-{item}", "event": "view_item", "user_id": user, "timestamp": now_ms() - 60_000}
    event = parse_event(row | {"items": [{"item_id": item}], "consent": {"personalize": personalize}})
    assert record_events(database, BACKEND, [event]).accepted == 1


def advised(assistant: Assistant, intents: ToldIntents, user: str) -> tuple[list[str], list[str]]:
    """Ids and reasons of the cards that "what do you recommend?" gives."""
    talk = Conversation(assistant, intents, Principal(user, Role.CUSTOMER))
    cards = talk.say("recommend", "what would you recommend?").products
    return [card.product_id for card in cards], [reason.text for card in cards for reason in card.reasons]


def test_advice_goes_on_from_the_last_look(foreseen: Assistant, intents: ToldIntents, database: Database) -> None:
    looked(database, "ann", "kettle-2")
    cards, reasons = advised(foreseen, intents, "ann")
    assert "tea-1" in cards[:3]
    title = foreseen.parts.shelf.record("kettle-2")
    assert title is not None
    assert any(title.title in reason for reason in reasons)
    before, none = advised(foreseen, intents, "stranger")
    assert cards != before
    assert not any(title.title in reason for reason in none)


def test_who_did_not_agree_is_a_stranger(foreseen: Assistant, intents: ToldIntents, database: Database) -> None:
    looked(database, "ben", "kettle-2", personalize=False)
    cards, reasons = advised(foreseen, intents, "ben")
    assert cards == advised(foreseen, intents, "stranger")[0]
    assert not any("kettle" in reason for reason in reasons)


def test_conditions_and_stock_hold(foreseen: Assistant, database: Database) -> None:
    looked(database, "cid", "kettle-2")
    profile = foreseen._profile_of(Principal("cid", Role.CUSTOMER), "cid")
    shelf = foreseen.parts.shelf
    assert shelf.foresight is not None
    everything = np.ones(len(shelf.snapshot), bool)
    (first, *_) = shelf.foresight.next(profile.recent, everything, 5)
    assert first.product_id == "tea-1"
    allowed = everything.copy()
    allowed[first.row] = False
    assert first.row not in [hit.row for hit in shelf.foresight.next(profile.recent, allowed, 5)]
    assert "kettle-2" not in [hit.product_id for hit in shelf.foresight.next(profile.recent, everything, 500)]
    assert shelf.foresight.next(profile.recent, ~everything, 5) == []
    assert shelf.foresight.next([], everything, 5) == []


def test_a_variant_is_a_look_at_its_product(assistant: Assistant, database: Database) -> None:
    model = chain_model(assistant.parts, [("shoe-1", "tea-1")])
    shelf = foreseeing(assistant.parts.shelf, model, ())
    looked(database, "fay", "shoe-1-blue-41")
    profile = assistant._profile_of(Principal("fay", Role.CUSTOMER), "fay")
    assert shelf.foresight is not None
    (first, *_) = shelf.foresight.next(profile.recent, np.ones(len(shelf.snapshot), bool), 5)
    assert first.product_id == "tea-1"
    assert first.links[0].term == "shoe-1"


def test_what_is_special_neither_comes_next_nor_speaks(assistant: Assistant, database: Database) -> None:
    model = chain_model(assistant.parts, [("kettle-2", "tea-1")])
    record = assistant.parts.shelf.record("tea-1")
    assert record is not None
    shelf = foreseeing(assistant.parts.shelf, model, (record.categories[-1],))
    looked(database, "dan", "kettle-2")
    looked(database, "dan", "tea-1")
    profile = assistant._profile_of(Principal("dan", Role.CUSTOMER), "dan")
    assert shelf.foresight is not None
    everything = np.ones(len(shelf.snapshot), bool)
    found = shelf.foresight.next(profile.recent, everything, 500)
    assert "tea-1" not in [hit.product_id for hit in found]
    assert not [link for hit in found for link in hit.links if link.term == "tea-1"]


def test_a_forged_reason_is_dropped(foreseen: Assistant, database: Database) -> None:
    looked(database, "eve", "kettle-2")
    looked(database, "eve", "kettle-1")
    shopper = Principal("eve", Role.CUSTOMER)
    shelf, profile = foreseen.parts.shelf, foreseen._profile_of(shopper, "eve")
    found = shelf.find("", Filters(), profile=profile)
    (hit,) = [each for each in found.hits if each.hit.product_id == "tea-1"]
    (reason,) = [each for each in hit.reasons if each.kind == "next"]
    product = found.products["tea-1"]
    assert problem_of(reason, product, hit.hit, found.grounds) is None
    forged = {
        "unknown_event": ("nothing-of-hers",),
        "other_event": ("eve-kettle-1",),
    }
    for problem, evidence in forged.items():
        link = replace(hit.hit.links[0], evidence=evidence[0])
        other = Reason("next", reason.facts, evidence)
        assert problem_of(other, product, replace(hit.hit, links=(link,)), found.grounds) == problem
    told = Reason("next", {"said": "something else", "term": "kettle-2"}, reason.evidence)
    assert problem_of(told, product, hit.hit, found.grounds) == "other_value"
