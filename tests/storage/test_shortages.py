"""What ran out and came back, from offers and catalogs, and who wanted it then."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Forbidden
from storage.event import parse_event
from storage.events import record_events
from storage.offers import Offer, put_offers
from storage.principal import Principal, Role
from storage.shortages import LONG_LOOK_MS, note_catalog, wanted_while_out
from storage.tables import shortages

SHOP = Principal("shop", Role.SERVICE)
AGREED = Consent()


def offer(db: Database, at: int, product: str = "p", variant: str | None = None, **said: Any) -> None:
    put_offers(db, SHOP, [Offer(product_id=product, variant_id=variant, updated_at=at, **said)])


def known(db: Database) -> list[tuple[str, str, int, int | None]]:
    with db.read() as connection:
        rows = connection.execute(select(shortages).order_by(shortages.c.product_id, shortages.c.since))
        return [(row.product_id, row.variant_id, row.since, row.until) for row in rows]


def event(db: Database, at: int, item: str = "p", name: str = "add_to_cart", user: str = "alice", **more: Any) -> None:
    row = {"event_id": f"{user}-{at}", "event": name, "user_id": user, "timestamp": at, "items": [{"item_id": item}]}
    record_events(db, SHOP, [parse_event(row | more)])


DAY = 86_400_000
T = 20_000 * DAY


class TestOffers:
    def test_out_and_back_and_out_again(self, database: Database) -> None:
        offer(database, T, availability="out_of_stock")
        offer(database, T + 1, stock=0)
        offer(database, T + 5, availability="in_stock", stock=3)
        offer(database, T + 6, price={"amount": 1, "currency": "USD"})
        assert known(database) == [("p", "", T, T + 5)]
        offer(database, T + 9, stock=0)
        assert known(database) == [("p", "", T, T + 5), ("p", "", T + 9, None)]

    def test_what_can_be_ordered_all_the_time_is_not_written_down(self, database: Database) -> None:
        offer(database, T, stock=4)
        offer(database, T + 1, availability="backorder", stock=0)
        offer(database, T + 2, availability="preorder")
        assert known(database) == []

    def test_a_late_report_changes_nothing(self, database: Database) -> None:
        offer(database, T + 5, stock=0)
        offer(database, T + 1, stock=7)
        assert known(database) == [("p", "", T + 5, None)]
        offer(database, T + 9, stock=7)
        offer(database, T + 3, stock=0)
        assert known(database) == [("p", "", T + 5, T + 9)]

    def test_variants_are_things_of_their_own(self, database: Database) -> None:
        offer(database, T, variant="p-m", stock=0)
        offer(database, T + 1, variant="p-l", stock=0)
        offer(database, T + 2, variant="p-m", stock=1)
        assert known(database) == [("p", "p-m", T, T + 2), ("p", "p-l", T + 1, None)]


class TestCatalog:
    def test_it_opens_and_closes(self, database: Database) -> None:
        note_catalog(database, SHOP, {("p", ""): T, ("q", "q-1"): T, ("gone", ""): T}, {"p": T, "q": T}.get)
        again = {"p": T + 9, "q": T + 9}
        note_catalog(database, SHOP, {("q", "q-1"): T + 9}, again.get)
        assert known(database) == [
            ("gone", "", T, None),
            ("p", "", T, T + 9),
            ("q", "q-1", T, None),
        ], "what the catalog has no more is not back"

    def test_a_newer_offer_goes_before_it(self, database: Database) -> None:
        offer(database, T + 5, stock=3)
        note_catalog(database, SHOP, {("p", ""): T}, {"p": T}.get)
        assert known(database) == [("p", "", T, T + 5)]
        offer(database, T + 7, stock=0)
        note_catalog(database, SHOP, {}, {"p": T + 6}.get)
        assert known(database)[-1] == ("p", "", T + 7, None)


class TestWanted:
    def wanted(
        self, db: Database, since: int = 0, default: Consent = AGREED
    ) -> list[tuple[str, int, bool, int | None]]:
        return [(each.user_id, each.at, each.carted, each.until) for each in wanted_while_out(db, SHOP, default, since)]

    def test_a_cart_and_a_long_look_while_it_was_out(self, database: Database) -> None:
        offer(database, T + 10, stock=0)
        event(database, T + 9)
        event(database, T + 11)
        event(database, T + 12, name="view_item", dwell_ms=LONG_LOOK_MS)
        event(database, T + 13, name="view_item", dwell_ms=LONG_LOOK_MS - 1)
        event(database, T + 14, name="view_item")
        event(database, T + 15, item="q")
        offer(database, T + 20, stock=1)
        event(database, T + 20)
        assert self.wanted(database) == [("alice", T + 11, True, T + 20), ("alice", T + 12, False, T + 20)]
        assert self.wanted(database, since=T + 12) == [("alice", T + 12, False, T + 20)]

    def test_by_the_variants_id(self, database: Database) -> None:
        offer(database, T, variant="p-m", stock=0)
        event(database, T + 1, item="p-m")
        event(database, T + 2, item="p")
        assert self.wanted(database) == [("alice", T + 1, True, None)]

    def test_only_of_those_who_agree(self, database: Database) -> None:
        offer(database, T, stock=0)
        for user in ("alice", "bob"):
            event(database, T + 1, user=user)
        event(database, T + 1, user="carol", consent={"personalize": False})
        set_consent(database, SHOP, "bob", Consent(personalize=False))
        assert [each[0] for each in self.wanted(database)] == ["alice"]
        assert self.wanted(database, default=Consent(personalize=False)) == []

    def test_only_the_shop_may(self, database: Database) -> None:
        for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ENGINEER):
            with pytest.raises(Forbidden):
                list(wanted_while_out(database, Principal("x", role), AGREED, 0))
            with pytest.raises(Forbidden):
                note_catalog(database, Principal("x", role), {}, lambda _: None)
