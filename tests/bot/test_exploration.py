"""Orders drawn by lot: the same cards, propensities exactly right, conditions and sold-out cards untouched, off by default."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from bot.exploration import POLICY, draw_order
from bot.parts import Parts
from bot.service import Assistant
from retrieval.ranking import RankedHit
from retrieval.search import Hit
from storage.database import Database
from storage.event import Event
from storage.events import events_of
from storage.offers import Offer, put_offers
from storage.principal import Principal, Role
from storage.settings import ShopSettings, parse_settings
from tests.bot.conftest import SETTINGS, Conversation, ToldIntents

DRAWS = 6_000
SHOP = Principal("shop", Role.SERVICE)


def hits(*scores: float) -> list[RankedHit[Hit]]:
    return [RankedHit(Hit(place, f"p{place}", None, score), 1.0 - place / 10) for place, score in enumerate(scores)]


def drawn(share: float, movable: list[bool]) -> list[tuple[tuple[str, ...], dict[str, float]]]:
    found = []
    for number in range(DRAWS):
        shown, ordering = draw_order(hits(*[1.0] * len(movable)), movable, share, f"message-{number}")
        assert tuple(each.hit.product_id for each in shown) == ordering.shown
        assert sorted(ordering.shown) == list(ordering.ranked) == sorted(ordering.propensity)
        found.append((ordering.shown, dict(ordering.propensity)))
    return found


@pytest.mark.parametrize("movable", [[True] * 3, [True, True, False, True], [False, True, True]])
def test_a_card_stands_where_it_does_as_often_as_is_written_down(movable: list[bool]) -> None:
    """Of each card and place the frequency is the propensity that was logged there, within four standard errors."""
    counts: Counter[tuple[str, int]] = Counter()
    said: dict[tuple[str, int], set[float]] = {}
    for shown, propensity in drawn(0.4, movable):
        for place, card in enumerate(shown):
            counts[card, place] += 1
            said.setdefault((card, place), set()).add(propensity[card])
    free = sum(movable)
    for (card, place), count in counts.items():
        (chance,) = said[card, place]
        assert count / DRAWS == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / DRAWS))
        own = card == f"p{place}"
        assert chance == pytest.approx(1.0 if not movable[place] else 0.4 / free + 0.6 * own)
    assert len(counts) == free**2 + len(movable) - free, "every place that is possible was seen, and no other"
    for card in {card for card, _ in counts}:
        assert sum(min(said[each]) for each in said if each[0] == card) == pytest.approx(1.0)


def test_all_orders_of_a_lot_come_alike() -> None:
    orders = Counter(shown for shown, _ in drawn(1.0, [True] * 3))
    assert len(orders) == 6
    assert all(count == pytest.approx(DRAWS / 6, rel=0.15) for count in orders.values())


@pytest.mark.parametrize(
    ("share", "movable"), [(0.0, [True, True]), (0.5, [True, False]), (0.5, [False, False]), (0.5, [])]
)
def test_where_nothing_can_move_the_order_is_certain(share: float, movable: list[bool]) -> None:
    shown, ordering = draw_order(hits(*[1.0] * len(movable)), movable, share, "m")
    assert [each.hit.product_id for each in shown] == list(ordering.ranked)
    assert set(ordering.propensity.values()) <= {1.0}
    assert ordering.policy == POLICY


def test_the_searchs_own_places_are_kept() -> None:
    _, ordering = draw_order(hits(0.2, 0.9, 0.2, 0.5), [True] * 4, 0.5, "m")
    assert ordering.relevance == {"p1": 0, "p3": 1, "p0": 2, "p2": 3}
    assert ordering.policy == f"{POLICY}+lot-0.5"


def shown_to(database: Database, shopper: Principal) -> list[Event]:
    return [event for event in events_of(database, shopper, shopper.id) if event.event == "recommendation_shown"]


@pytest.fixture
def exploring(parts: Parts, database: Database) -> Assistant:
    settings = ShopSettings.model_validate({"exploration": {"share": 0.5}})
    return Assistant(parts, settings, database)


def test_without_the_setting_the_order_is_the_rankings(talk: Conversation, database: Database) -> None:
    assert SETTINGS.exploration.share == 0
    talk.say("search", "kettles")
    talk.assistant.exposures.flush()
    (event,) = shown_to(database, talk.principal)
    assert [item.propensity for item in event.items] == [1.0] * 4
    assert sorted(item.index for item in event.items if item.index is not None) == [0, 1, 2, 3]
    assert {item.policy_version for item in event.items} == {POLICY}


def test_first_slates_are_drawn_and_written_down(
    exploring: Assistant, intents: ToldIntents, database: Database, shopper: Principal
) -> None:
    """Twenty conversations: some in the ranking's order, some not, the same cards in all; the log says how likely each was."""
    orders = set()
    for _ in range(20):
        reply = Conversation(exploring, intents, shopper).say("search", "kettles under $60")
        orders.add(tuple(card.product_id for card in reply.products))
    exploring.close()
    assert len(orders) > 1
    assert len({frozenset(order) for order in orders}) == 1
    events = shown_to(database, shopper)
    assert len(events) == 20
    assert len({tuple(item.item_id for item in event.items) for event in events}) == 1, "the ranking's own order"
    count = len(events[0].items)
    for event in events:
        assert sorted(item.position for item in event.items if item.position is not None) == list(range(count))
        for own, item in enumerate(event.items):
            stays = item.position == own
            assert item.propensity == pytest.approx(0.5 / count + 0.5 * stays)
            assert item.policy_version == f"{POLICY}+lot-0.5"
    assert {tuple(sorted(event.items, key=lambda item: item.position or 0)) for event in events}
    logged = {
        tuple(item.item_id for item in sorted(event.items, key=lambda each: each.position or 0)) for event in events
    }
    assert logged == orders, "positions are those that were shown"


def test_the_second_of_the_slate_is_the_second_that_was_shown(
    exploring: Assistant, intents: ToldIntents, shopper: Principal
) -> None:
    for _ in range(8):
        talk = Conversation(exploring, intents, shopper)
        second = talk.say("search", "kettles").products[1]
        assert [card.product_id for card in talk.say("product_question", "tell me about the second one").products] == [
            second.product_id
        ]
    exploring.close()


def test_later_slates_and_sorted_ones_are_never_drawn(
    exploring: Assistant, intents: ToldIntents, database: Database, shopper: Principal
) -> None:
    for _ in range(6):
        talk = Conversation(exploring, intents, shopper)
        talk.say("search", "kettles")
        talk.say("refine", "under $60")
    for _ in range(6):
        talk = Conversation(exploring, intents, shopper)
        prices = [card.price.amount for card in talk.say("search", "cheapest kettles").products if card.price]
        assert prices == sorted(prices)
    exploring.close()
    events = shown_to(database, shopper)
    certain = [event for event in events if {item.propensity for item in event.items} == {1.0}]
    assert len(certain) == 12
    assert len(events) == 18


def test_what_cannot_be_bought_stays_last(
    exploring: Assistant, intents: ToldIntents, database: Database, shopper: Principal
) -> None:
    first = Conversation(exploring, intents, shopper).say("search", "kettles").products[0].product_id
    put_offers(database, SHOP, [Offer(product_id=first, availability="out_of_stock")])
    for _ in range(8):
        cards = Conversation(exploring, intents, shopper).say("search", "kettles").products
        assert cards[-1].product_id == first
    exploring.close()
    for event in shown_to(database, shopper)[1:]:
        assert {item.item_id: item.propensity for item in event.items}[first] == 1.0


def test_the_share_is_bounded() -> None:
    assert parse_settings("[exploration]\nshare = 0.1\n").exploration.share == 0.1
    for share in ("-0.1", "0.6", "nan", '"often"'):
        with pytest.raises(Exception, match="share"):
            parse_settings(f"[exploration]\nshare = {share}\n")
