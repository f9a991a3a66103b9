"""The reserved place for new products: who gets it, what stands in it, how it is logged, and what it leaves alone."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import pytest

from bot.cards import Card
from bot.exploration import POLICY
from bot.novelty import MOST_A_WEEK
from bot.parts import Parts, foreseeing
from bot.service import Assistant
from finetune.slate_log import read_slates
from index.filters import Filters
from retrieval.newcomers import DAY_MS, FEW_PEOPLE, MOST_NEW, NEW_DAYS, new_reason, newest
from retrieval.reasons import Grounds, problem_of
from retrieval.search import Hit
from retrieval.sequence import Histories, SequenceFacts, SequenceModel, Shape, Transitions
from retrieval.sequence.network import sizes
from storage.consent import Consent, set_consent
from storage.database import Database
from storage.event import EventItem, parse_event
from storage.events import events_of, record_events
from storage.novelty import people_of, slot_outcomes
from storage.offers import Offer, put_offers
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import ShopSettings, parse_settings
from storage.slates import SLOT, is_slot, training_slates
from tests.bot.conftest import Conversation, ToldIntents

SHOP = Principal("shop", Role.SERVICE)
ENGINEER = Principal("eng", Role.ENGINEER)
NEW = ("kettle-2", "tea-1", "head-2")
TRAIN = Consent(train=True)


def arriving(parts: Parts, ids: Collection[str], days_ago: float = 1) -> Parts:
    """The same shop, to which these products came so many days ago, and all others at a time that nobody knows."""
    snapshot = parts.shelf.snapshot
    added = np.zeros(len(snapshot), np.int64)
    for product_id in ids:
        row = snapshot.row_of(product_id)
        assert row is not None
        added[row] = now_ms() - round(days_ago * DAY_MS)
    return replace(parts, shelf=replace(parts.shelf, snapshot=replace(snapshot, added_at=added)))


def shop_of(parts: Parts, database: Database, new_products: float = 0.5, share: float = 0.0) -> Assistant:
    exploration = {"new_products": new_products, "share": share}
    settings = ShopSettings.model_validate({"exploration": exploration, "consent": {"train": True}})
    return Assistant(parts, settings, database)


@pytest.fixture
def exploring(parts: Parts, database: Database) -> Iterator[Assistant]:
    opened = shop_of(arriving(parts, NEW), database)
    yield opened
    opened.close()


def advised(
    assistant: Assistant, intents: ToldIntents, user: str, text: str = "what do you recommend?"
) -> tuple[Card, ...]:
    return Conversation(assistant, intents, Principal(user, Role.CUSTOMER)).say("recommend", text).products


def is_new(card: Card) -> bool:
    return any(evidence.startswith("new:") for reason in card.reasons for evidence in reason.evidence)


def slots(assistant: Assistant, database: Database, user: str) -> list[tuple[EventItem, tuple[EventItem, ...]]]:
    """The slot's card of each slate that has one, and the others."""
    assistant.exposures.flush()
    shown = [each for each in events_of(database, SHOP, user) if each.event == "recommendation_shown"]
    return [
        (item, tuple(each for each in event.items if each is not item))
        for event in shown
        for item in event.items
        if is_slot(item.policy_version)
    ]


def many(assistant: Assistant, intents: ToldIntents, count: int, text: str = "what do you recommend?") -> list[Card]:
    """The new cards among the answers to so many shoppers."""
    cards = []
    for number in range(count):
        slate = advised(assistant, intents, f"shopper-{number}", text)
        fresh = [card for card in slate if is_new(card)]
        assert len(fresh) <= 1
        if fresh:
            assert fresh[0] == slate[-1], "it is the last card"
        cards += fresh
    return cards


def test_a_new_product_gets_the_last_card_and_says_so(
    exploring: Assistant, intents: ToldIntents, database: Database
) -> None:
    cards = many(exploring, intents, 30)
    assert 8 <= len(cards) <= 22
    assert {card.product_id for card in cards} <= set(NEW)
    assert len({card.product_id for card in cards}) > 1
    assert all(card.reasons[0].text in ("New in the shop", "Just came in", "A new arrival") for card in cards)
    logged = [each for number in range(30) for each in slots(exploring, database, f"shopper-{number}")]
    assert len(logged) == len(cards)
    for item, others in logged:
        assert item.policy_version == f"{SLOT}+0.5"
        assert item.propensity is not None
        assert 0 < item.propensity <= 0.5
        assert item.position == len(others)
        assert item.index == 50, "nothing is known of how it fits a stranger"
        assert {each.policy_version for each in others} == {POLICY}


def test_the_logged_chance_is_how_often_it_stands_there(exploring: Assistant) -> None:
    novelty = exploring._novelty
    assert novelty is not None
    novelty._may = lambda principal, user_id: True  # type: ignore[method-assign]
    profile = exploring._profile_of(Principal("ann", Role.CUSTOMER), "ann")
    counts: Counter[str] = Counter()
    said: dict[str, list[float]] = {}
    draws = 600
    for number in range(draws):
        offer = novelty.offer(
            Principal("ann", Role.CUSTOMER), "ann", exploring.parts, profile, Filters(), "en", (), f"m{number}"
        )
        if offer is not None:
            counts[offer.product.id] += 1
            said.setdefault(offer.product.id, []).append(offer.slot.propensity)
    assert set(counts) == set(NEW)
    for product_id, count in counts.items():
        frequency = count / draws
        slack = 4 * math.sqrt(frequency * (1 - frequency) / draws) + 0.03
        assert np.mean(said[product_id]) == pytest.approx(frequency, abs=slack)


def test_off_by_default_and_bounded(parts: Parts, database: Database, intents: ToldIntents) -> None:
    assert ShopSettings().exploration.new_products == 0
    assistant = shop_of(arriving(parts, NEW), database, 0)
    assert many(assistant, intents, 6) == []
    assistant.close()
    for share in ("-0.1", "0.6", "nan", '"often"'):
        with pytest.raises(Exception, match="new_products"):
            parse_settings(f"[exploration]\nnew_products = {share}\n")


def test_one_shopper_sees_one_a_day_and_three_a_week(
    exploring: Assistant, intents: ToldIntents, database: Database
) -> None:
    for _ in range(12):
        advised(exploring, intents, "ann")
    assert len(slots(exploring, database, "ann")) == 1
    for days in (2, 3, 4):
        row = {"event_id": f"old-{days}", "event": "recommendation_shown", "user_id": "ben"}
        item = {"item_id": "tea-1", "policy_version": f"{SLOT}+0.5", "position": 5}
        event = parse_event(row | {"timestamp": now_ms() - days * DAY_MS, "items": [item]})
        record_events(database, SHOP, [event])
    assert MOST_A_WEEK == 3
    for _ in range(8):
        advised(exploring, intents, "ben")
    assert len(slots(exploring, database, "ben")) == MOST_A_WEEK


def test_who_did_not_agree_gets_none(exploring: Assistant, intents: ToldIntents, database: Database) -> None:
    for number in range(8):
        user = f"shopper-{number}"
        set_consent(database, SHOP, user, Consent(personalize=False))
    assert many(exploring, intents, 8) == []
    for number in range(8):
        row = {"event_id": f"e{number}", "event": "view_item", "user_id": f"other-{number}", "timestamp": now_ms()}
        event = parse_event(row | {"items": [{"item_id": "head-1"}], "consent": {"personalize": False}})
        record_events(database, SHOP, [event])
        assert not any(map(is_new, advised(exploring, intents, f"other-{number}")))


def test_none_where_an_order_a_product_or_more_was_asked_for(exploring: Assistant, intents: ToldIntents) -> None:
    assert many(exploring, intents, 8, "recommend kettles") == []
    assert many(exploring, intents, 8, "recommend the cheapest") == []
    for number in range(8):
        talk = Conversation(exploring, intents, Principal(f"late-{number}", Role.CUSTOMER))
        talk.say("search", "kettles")
        assert not any(map(is_new, talk.say("recommend", "what do you recommend?").products))


def test_conditions_hold(parts: Parts, database: Database, intents: ToldIntents) -> None:
    assistant = shop_of(arriving(parts, ("kettle-4", "tea-1", "phone-3", "shoe-2", "shoe-3")), database)
    cards = many(assistant, intents, 24, "what do you recommend under $60?")
    assert cards
    assert all(card.price is not None and card.price.amount <= 6000 for card in cards)
    assert all(any("price.max" in reason.evidence for reason in card.reasons) for card in cards)
    assistant.close()


def test_what_sells_out_is_not_offered(exploring: Assistant, intents: ToldIntents, database: Database) -> None:
    put_offers(database, SHOP, [Offer(product_id=each, availability="out_of_stock") for each in ("tea-1", "head-2")])
    assert {card.product_id for card in many(exploring, intents, 24)} == {"kettle-2"}
    put_offers(database, SHOP, [Offer(product_id="kettle-2", stock=0)])
    assert not any(is_new(card) for number in range(8) for card in advised(exploring, intents, f"x{number}"))


def test_none_for_who_is_ready(exploring: Assistant, intents: ToldIntents, database: Database) -> None:
    for number in range(8):
        rows = [
            {
                "event_id": f"r{number}-{kind}",
                "event": kind,
                "items": [{"item_id": "shoe-1"}],
                "timestamp": now_ms() - ago,
            }
            for kind, ago in (("view_item", 3_000), ("add_to_cart", 2_000), ("begin_checkout", 1_000))
        ]
        record_events(database, SHOP, [parse_event(row | {"user_id": f"ready-{number}"}) for row in rows])
        assert not any(map(is_new, advised(exploring, intents, f"ready-{number}")))


@pytest.mark.parametrize("ids", [(), ("phone-1",)])
def test_with_none_new_or_what_is_special_there_is_none(
    parts: Parts, database: Database, intents: ToldIntents, ids: tuple[str, ...]
) -> None:
    private = replace(arriving(parts, ids), sensitive=("Cordless phones",))
    assistant = shop_of(private, database)
    assert many(assistant, intents, 8) == []
    assistant.close()


def test_all_products_may_be_new(parts: Parts, database: Database, intents: ToldIntents) -> None:
    snapshot = parts.shelf.snapshot
    everything = [snapshot.products.get(row).id for row in range(len(snapshot))]
    assistant = shop_of(arriving(parts, everything), database)
    for number in range(12):
        slate = [card.product_id for card in advised(assistant, intents, f"s{number}")]
        assert len(set(slate)) == len(slate)
    assistant.close()


def test_what_is_known_or_old_is_not_new(parts: Parts, database: Database, intents: ToldIntents) -> None:
    for number in range(FEW_PEOPLE):
        row = {"event_id": f"v{number}", "event": "view_item", "user_id": f"p{number}", "timestamp": now_ms() - 5_000}
        record_events(database, SHOP, [parse_event(row | {"items": [{"item_id": "tea-1"}]})])
    assert people_of(database, ["tea-1", "kettle-2"]) == {"tea-1": FEW_PEOPLE}
    known = shop_of(arriving(parts, ("tea-1",)), database)
    assert many(known, intents, 8) == []
    known.close()
    old = shop_of(arriving(parts, NEW, NEW_DAYS + 1), database)
    assert many(old, intents, 8) == []
    old.close()


def test_a_large_catalog_is_cut_at_the_newest() -> None:
    now = now_ms()
    arrived = now - np.arange(1_000_000, dtype=np.int64)
    rows = newest(np.roll(arrived, 3), now)
    assert len(rows) == MOST_NEW
    assert rows[0] == 3
    assert newest(np.full(5, now + DAY_MS), now).size == 0, "what is to come is not there yet"


def test_it_goes_by_what_the_shopper_looked_at(parts: Parts, database: Database, intents: ToldIntents) -> None:
    fresh = ("kettle-2", "kettle-4", "head-2", "phone-2", "zh-1")
    assistant = shop_of(arriving(parts, fresh), database)
    row = {"event_id": "k", "event": "view_item", "user_id": "ann", "timestamp": now_ms() - 60_000}
    record_events(database, SHOP, [parse_event(row | {"items": [{"item_id": "kettle-3"}]})])
    profile = assistant._profile_of(Principal("ann", Role.CUSTOMER), "ann")
    assert assistant._novelty is not None
    known = assistant._novelty._current(assistant.parts)
    fits = {
        product.id: fit
        for product, fit in zip(
            known.newcomers.products, known.newcomers.fits(profile.recent, known.record), strict=True
        )
    }
    assert min(fits["kettle-2"], fits["kettle-4"]) > max(fits["head-2"], fits["phone-2"])
    assert sorted(fits.values()) == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9]), (
        "each fits better than so many of the others"
    )
    assistant.close()


def featured(parts: Parts, encoders: dict[str, str]) -> SequenceModel:
    shape = Shape(dim=8, layers=1, heads=2, steps=5)
    snapshot = parts.shelf.snapshot
    items = ["kettle-1", "kettle-3"]
    weights = {name: np.zeros(size, np.float32) for name, size in sizes(shape).items()}
    dims = sum(
        store.vectors_of(np.arange(1)).shape[1] for store in snapshot.vectors.values() if store.holds(np.arange(1))[0]
    )
    facts = SequenceFacts(shape, 0.5, refit=True, encoders=encoders)
    chain = Transitions.of(Histories.of([[0, 1]] * 3), 2)
    return SequenceModel(items, np.ones((2, 8), np.float32), weights, chain, facts, np.ones((8, dims), np.float32))


def test_a_model_of_other_encoders_places_nothing(
    parts: Parts, database: Database, intents: ToldIntents, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = arriving(parts, NEW)
    model = featured(fresh, {"latin": "another"})
    assistant = shop_of(replace(fresh, shelf=foreseeing(fresh.shelf, model, ())), database)
    assert many(assistant, intents, 10)
    assert "has not learnt from the encoders of this index" in caplog.text
    assert assistant._novelty is not None
    assert assistant._novelty._current(assistant.parts).newcomers.placed is None
    assistant.close()


def test_lots_and_the_slot_leave_each_other_alone(parts: Parts, database: Database, intents: ToldIntents) -> None:
    assistant = shop_of(arriving(parts, NEW), database, share=0.5)
    for number in range(30):
        advised(assistant, intents, f"shopper-{number}")
    found = [each for number in range(30) for each in slots(assistant, database, f"shopper-{number}")]
    assert found
    for item, others in found:
        count = len(others)
        for own, other in enumerate(others):
            assert other.propensity == pytest.approx(0.5 / count + 0.5 * (other.position == own))
        assert item.position == count
    log = read_slates(training_slates(database, ENGINEER, TRAIN), 0, now_ms() + 1_000)
    assert log.slates is not None
    assert log.left_out == {}
    assert set(log.versions) == {f"{POLICY}+lot-0.5"}
    sizes_ = Counter(np.bincount(log.slates.slate).tolist())
    assert sizes_ == {6: 30 - len(found), 5: len(found)}, "the slot's card is judged with no order"
    assistant.close()


def test_outcomes_come_from_the_log(exploring: Assistant, intents: ToldIntents, database: Database) -> None:
    cards = many(exploring, intents, 30)
    exploring.exposures.flush()
    now = now_ms()
    assert slot_outcomes(database, SHOP, now - DAY_MS, now + 1) == [], "a day has to pass before nothing is a no"
    later = slot_outcomes(database, SHOP, now - DAY_MS, now + 2 * DAY_MS)
    assert len(later) == len(cards)
    assert not any(each.turned_to for each in later)
    user = next(number for number in range(30) if slots(exploring, database, f"shopper-{number}"))
    item = slots(exploring, database, f"shopper-{user}")[0][0].item_id
    row = {"event_id": "click", "event": "select_item", "user_id": f"shopper-{user}", "timestamp": now + 5}
    record_events(database, SHOP, [parse_event(row | {"items": [{"item_id": item}], "consent": {"train": True}})])
    turned_to = [each for each in slot_outcomes(database, SHOP, now - DAY_MS, now + 10) if each.turned_to]
    assert [each.item_id for each in turned_to] == [item]
    set_consent(database, SHOP, f"shopper-{user}", Consent(train=False))
    assert slot_outcomes(database, SHOP, now - DAY_MS, now + 10) == []
    with pytest.raises(Exception, match="role"):
        slot_outcomes(database, Principal("ann", Role.CUSTOMER), 0, now)


def test_what_came_of_it_is_read_anew_behind_a_turn(exploring: Assistant, database: Database) -> None:
    novelty = exploring._novelty
    assert novelty is not None
    first = novelty._current(exploring.parts)
    rows = [
        {
            "event": "recommendation_shown",
            "items": [{"item_id": "tea-1", "policy_version": f"{SLOT}+0.5", "index": 80}],
        },
        {"event": "view_item", "items": [{"item_id": "tea-1"}]},
    ]
    told = {"user_id": "ann", "consent": {"train": True}}
    events = [row | told | {"event_id": f"t{n}", "timestamp": now_ms() - 9_000 + n} for n, row in enumerate(rows)]
    record_events(database, SHOP, [parse_event(event) for event in events])
    assert novelty._current(exploring.parts) is first, "not yet"
    novelty._known = replace(first, until=0.0)
    stale = novelty._current(exploring.parts)
    assert stale.belief.counts == {}, "no turn waits"
    for thread in threading.enumerate():
        if thread.name == "novelty":
            thread.join()
    assert novelty._current(exploring.parts).belief.counts == {"tea-1": (1, 1)}


def test_a_reason_that_is_not_true_is_dropped(exploring: Assistant) -> None:
    product = exploring.parts.shelf.record("tea-1")
    assert product is not None
    now = now_ms()
    hit = Hit(0, "tea-1", None, 0.0)
    reason = new_reason(product, now - DAY_MS)
    fresh = Grounds(arrived={"tea-1": now - DAY_MS}, today=now)
    assert problem_of(reason, product, hit, fresh) is None
    assert problem_of(reason, product, hit, Grounds()) == "not_new"
    assert problem_of(reason, product, hit, replace(fresh, arrived={"tea-1": now - 40 * DAY_MS})) == "not_new"
    assert problem_of(new_reason(product, now - 9 * DAY_MS), product, hit, fresh) == "other_value"
