"""A new shopper: what is popular in context before the first click, their own interests from the first click on."""

from __future__ import annotations

from collections.abc import Mapping

from bot.cards import Card
from bot.parts import parts_of
from bot.service import Assistant
from index.encoders import Encoder
from index.filters import Filters
from index.snapshot import Snapshot
from storage.database import Database
from storage.event import parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.record import now_ms
from tests.bot.conftest import SETTINGS, Conversation, ToldIntents

SHOP = Principal("shop", Role.SERVICE)


def clicked(database: Database, user: str, item: str) -> None:
    row = {"event_id": f"{user}-{item}", "event": "select_item", "user_id": user, "timestamp": now_ms() - 2_000}
    assert record_events(database, SHOP, [parse_event(row | {"items": [{"item_id": item}]})]).accepted == 1


def advised(assistant: Assistant, intents: ToldIntents, user: str) -> tuple[Card, ...]:
    talk = Conversation(assistant, intents, Principal(user, Role.CUSTOMER))
    return talk.say("recommend", "what do you recommend?").products


def test_one_click_changes_the_slate_and_says_why(
    assistant: Assistant, intents: ToldIntents, database: Database
) -> None:
    before = advised(assistant, intents, "ann")
    clicked(database, "ann", "kettle-3")
    after = advised(assistant, intents, "ann")
    assert [card.product_id for card in after] != [card.product_id for card in before]

    def kettles(cards: tuple[Card, ...]) -> int:
        return sum(card.product_id.startswith("kettle") for card in cards)

    assert kettles(after) > kettles(before)
    reasons = [(card, reason) for card in after for reason in card.reasons if "ann-kettle-3" in reason.evidence]
    assert reasons, "the click is named as the reason"
    assert any("Kettles" in reason.text for _, reason in reasons)
    assert not any("ann-kettle-3" in reason.evidence for card in before for reason in card.reasons)
    assert [card.product_id for card in advised(assistant, intents, "ben")] == [card.product_id for card in before]


def test_before_the_first_click_it_is_what_is_popular_in_context(
    bot_snapshot: Snapshot,
    encoders_by_space: Mapping[str, Encoder],
    intents: ToldIntents,
    database: Database,
) -> None:
    for number in range(5):
        clicked(database, f"crowd-{number}", "phone-1")
        row = {
            "event_id": f"v{number}",
            "event": "view_item",
            "user_id": f"crowd-{number}",
            "timestamp": now_ms() - 3_000,
        }
        items = [{"item_id": "head-2"}] + ([{"item_id": "kettle-4"}, {"item_id": "kettle-2"}] if number < 3 else [])
        record_events(database, SHOP, [parse_event(row | {"items": items[:1]})])
        for item in items[1:]:
            other = row | {"event_id": f"{item['item_id']}-{number}", "items": [item]}
            record_events(database, SHOP, [parse_event(other)])
    assistant = Assistant(parts_of(bot_snapshot, encoders_by_space, intents, SETTINGS, database), SETTINGS, database)
    shelf = assistant.parts.shelf
    plain = [each.hit.product_id for each in shelf.find("", Filters()).hits]
    about = [each.hit.product_id for each in shelf.find("", Filters(), about=("Kettles",)).hits]
    assert set(about[:2]) == {"kettle-4", "kettle-2"}, "the popular ones of these goods come first"
    assert set(about) >= set(plain[:10]), "the best of the others come behind"
    named = shelf.find("", Filters(categories=("Kettles",)), about=("Headphones",)).hits
    assert {each.hit.product_id for each in named[:2]} == {"kettle-4", "kettle-2"}
    assert all(each.hit.product_id.startswith("kettle") for each in named), (
        "conditions hold, whatever the talk was about"
    )
    assert [each.hit.product_id for each in shelf.find("", Filters(), about=("No such goods",)).hits] == plain
    assistant.close()
