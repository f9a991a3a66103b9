from __future__ import annotations

from bot.desk.slots import SLOTS, facts_of, fill, order_meant
from bot.desk.words import desk_voice
from storage.database import Database
from tests.bot.conftest import Conversation
from tests.bot.desk.cases import adds, asked_a_person, named, ordered, seen


def test_a_slot_that_nothing_fills_stays_and_is_named() -> None:
    assert fill("Hi {first_name}: {tracking}, {tracking}", {"first_name": "Mia"}) == (
        "Hi Mia: {tracking}, {tracking}",
        ("tracking",),
    )
    assert fill("Hi {first_name}", {"first_name": "{order_id} {0.__class__}", "order_id": "A-1"})[0] == (
        "Hi {order_id} {0.__class__}"
    )
    assert fill("100 % {}, {0}, {A}", {}) == ("100 % {}, {0}, {A}", ())


def test_records_are_written_as_the_customers_language_writes_them(talk: Conversation, database: Database) -> None:
    named(database)
    ordered(database, "A-1001")
    talk.say("cart_add", "add the Hearthway gooseneck kettle to my cart")
    context = asked_a_person(talk)
    english, chinese = (facts_of(context, desk_voice(code)) for code in ("en", "zh"))
    assert (english["first_name"], english["order_id"], english["order_status"]) == ("Mia", "A-1001", "shipped")
    assert (english["tracking"], english["carrier"], english["amount"]) == ("PO99012345", "ParcelOne", "$52.00")
    assert chinese["order_status"] == "已发货"
    assert "年" in chinese["expected_at"]
    assert "cart_total" in english
    assert "Hearthway" in english["product"]
    assert set(english) <= set(SLOTS)
    named_elsewhere = {"last_name", "email", "address", "placed_at", "delivered_at", "tracking_url", "price"}
    assert set(SLOTS) - set(english) <= named_elsewhere, "nothing is offered that no record fills"


def test_of_several_orders_only_the_one_that_was_named_counts(talk: Conversation, database: Database) -> None:
    ordered(database, "A-1001")
    ordered(database, "A-1002")
    talk.say("complaint", "my parcel is broken")
    context = asked_a_person(talk)
    assert order_meant(context) is None
    assert "order_id" not in facts_of(context, desk_voice("en"))
    adds(talk, "user", "it is a-1001, not A-10011")
    order = order_meant(seen(talk))
    assert order is not None
    assert order.order_id == "A-1001"


def test_the_only_order_under_way_is_meant(talk: Conversation, database: Database) -> None:
    ordered(database, "A-1001", "delivered")
    ordered(database, "A-1002")
    talk.say("complaint", "where is it")
    order = order_meant(asked_a_person(talk))
    assert order is not None
    assert order.order_id == "A-1002"
