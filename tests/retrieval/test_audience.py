"""From orders to a file of people to contact, and what came of it: on both databases, with real files."""

from __future__ import annotations

import csv
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from retrieval.audience import Audience, Exported, export_audience, outcome_of
from retrieval.audience.outcome import Group, difference
from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from storage.event import parse_event
from storage.events import record_events
from storage.offers import Offer, put_offers
from storage.principal import Principal, Role
from storage.settings import ShopSettings
from storage.tables import contacts, events, order_items, orders
from tests.retrieval.shoppers import DAY, DAYS, GOODS, NOW, START, fill, goods, place

SHOP = Principal("shop", Role.SERVICE)


def export(db: Database, shop: Path, band: str, output: str | None = "out.csv", **said: Any) -> Exported:
    options: dict[str, Any] = {"control_share": 0.0, "now": NOW}
    settings = said.pop("settings", ShopSettings())
    path = None if output is None else shop / output
    who = said.pop("who", SHOP)
    return export_audience(db, who, shop, settings, Audience(band), goods, output=path, **(options | said))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def look(db: Database, user: str, item: str, day: float, name: str = "add_to_cart", **more: Any) -> None:
    at = int((START + day) * DAY)
    row = {"event_id": f"{user}-{item}-{at}-{name}", "event": name, "user_id": user, "timestamp": at}
    record_events(db, SHOP, [parse_event({**row, "items": [{"item_id": item}], **more})])


def offer(db: Database, item: str, day: int, stock: int) -> None:
    put_offers(db, SHOP, [Offer(product_id=item, stock=stock, updated_at=(START + day) * DAY)])


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Path:
    fill(database)
    place(database, "steady", "coffee-1", 180, 210, 240, 270)
    return tmp_path


class TestBands:
    def test_at_risk_names_late_ones_with_the_facts(self, database: Database, shop: Path) -> None:
        report = export(database, shop, "at-risk")
        rows = rows_of(shop / "out.csv")
        assert report.contacted == len(rows) == report.named > 5
        assert {row["band"] for row in rows} == {"at-risk"}
        assert {row["campaign"] for row in rows} == {report.campaign} == {f"at-risk-{_date(NOW)}"}
        for row in rows:
            assert int(row["current_days"]) > int(row["usual_days"])
            assert row["current_days"] in row["reason"]
        assert "steady" not in {row["user_id"] for row in rows}

    def test_reorder_due_names_the_product_and_the_day(self, database: Database, shop: Path) -> None:
        export(database, shop, "reorder-due")
        row = next(row for row in rows_of(shop / "out.csv") if row["user_id"] == "steady")
        assert (row["product_id"], row["title"], row["category"]) == ("coffee-1", "Morning roast", "Coffee")
        assert row["reason"].startswith(f"buys Coffee usually every {row['usual_days']} days")
        assert row["due_on"] in row["reason"]
        assert row["current_days"] == "29"

    def test_what_cannot_be_ordered_is_no_reason_to_write(self, database: Database, shop: Path) -> None:
        place(database, "unlucky", "coffee-3", 180, 210, 240, 270)
        export(database, shop, "reorder-due")
        assert "unlucky" not in {row["user_id"] for row in rows_of(shop / "out.csv")}

    def test_jsonl_has_all_reasons(self, database: Database, shop: Path) -> None:
        export(database, shop, "reorder-due", "out.jsonl")
        lines = [json.loads(line) for line in (shop / "out.jsonl").read_text("utf-8").splitlines()]
        [own] = [line for line in lines if line["user_id"] == "steady"]
        assert set(own) == {"user_id", "campaign", "band", "reasons"}
        assert own["reasons"][0]["due_from"] < own["reasons"][0]["due_on"] < own["reasons"][0]["due_to"]

    def test_nothing_says_a_price(self, database: Database, shop: Path) -> None:
        for band in Audience:
            export(database, shop, band, f"{band}.jsonl", rest_days=0)
            text = (shop / f"{band}.jsonl").read_text("utf-8")
            assert "price" not in text
            assert "amount" not in text


class TestBackInStock:
    @pytest.fixture(autouse=True)
    def out(self, database: Database, shop: Path) -> None:
        """The evening roast could not be ordered on days 240 to 250."""
        offer(database, "coffee-2", 240, 0)
        look(database, "carter", "coffee-2", 245)
        look(database, "looker", "coffee-2", 246, "view_item", dwell_ms=40_000)
        look(database, "glancer", "coffee-2", 246, "view_item", dwell_ms=4_000)
        look(database, "early", "coffee-2", 239)
        offer(database, "coffee-2", 250, 5)
        look(database, "after", "coffee-2", 251)

    def named(self, db: Database, shop: Path) -> dict[str, str]:
        export(db, shop, "back-in-stock", "out.csv")
        return {row["user_id"]: row["reason"] for row in rows_of(shop / "out.csv")}

    def test_who_wanted_it_while_it_was_out(self, database: Database, shop: Path) -> None:
        found = self.named(database, shop)
        assert set(found) == {"carter", "looker"}
        assert found["carter"] == (
            f"put into the cart =Evening roast on {_date((START + 245) * DAY)} when it was out of stock; "
            f"it can be ordered now, again since {_date((START + 250) * DAY)}"
        )
        assert found["looker"].startswith("looked at =Evening roast on ")

    def test_not_who_has_bought_it_since(self, database: Database, shop: Path) -> None:
        place(database, "carter", "coffee-2", 260)
        place(database, "looker", "coffee-2", 230)
        assert set(self.named(database, shop)) == {"looker"}

    def test_not_what_is_out_again(self, database: Database, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(GOODS, "coffee-2", replace(GOODS["coffee-2"], orderable=False))
        assert self.named(database, shop) == {}

    def test_not_a_wish_of_long_ago(self, database: Database, shop: Path) -> None:
        assert export(database, shop, "back-in-stock", None, now=NOW + 60 * DAY).named == 0

    def test_a_title_is_no_formula(self, database: Database, shop: Path) -> None:
        self.named(database, shop)
        assert {row["title"] for row in rows_of(shop / "out.csv")} == {"'=Evening roast"}


class TestWhom:
    def test_who_says_no_is_not_in_it_and_the_shops_default_holds_for_who_never_chose(
        self, database: Database, shop: Path
    ) -> None:
        set_consent(database, SHOP, "steady", Consent(personalize=False))
        assert export(database, shop, "reorder-due").named > 0
        assert "steady" not in {row["user_id"] for row in rows_of(shop / "out.csv")}
        closed = ShopSettings(consent=Consent(personalize=False))
        with pytest.raises(InvalidInput, match="0 customers"):
            export(database, shop, "reorder-due", "none.csv", settings=closed)
        assert not (shop / "none.csv").exists()

    def test_an_erased_one_is_not_in_it(self, database: Database, shop: Path) -> None:
        with database.write() as connection:
            own = select(orders.c.order_id).where(orders.c.user_id == "steady")
            connection.execute(delete(order_items).where(order_items.c.order_id.in_(own)))
            connection.execute(delete(orders).where(orders.c.user_id == "steady"))
            connection.execute(delete(events).where(events.c.user_id == "steady"))
        export(database, shop, "reorder-due")
        assert "steady" not in {row["user_id"] for row in rows_of(shop / "out.csv")}

    def test_a_visitor_has_no_address(self, database: Database, shop: Path) -> None:
        place(database, "anon-123", "coffee-1", 180, 210, 240, 270)
        report = export(database, shop, "reorder-due")
        assert report.visitors == 1
        assert "anon-123" not in {row["user_id"] for row in rows_of(shop / "out.csv")}

    @pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ENGINEER])
    def test_only_the_shop_may(self, database: Database, shop: Path, role: Role) -> None:
        for band in Audience:
            with pytest.raises(Forbidden):
                export(database, shop, band, who=Principal("x", role))
        assert not (shop / "out.csv").exists()


class TestControl:
    def test_it_is_held_out_recorded_and_the_same_again(self, database: Database, shop: Path) -> None:
        first = export(database, shop, "reorder-due", "one.csv", control_share=0.3)
        again = export(database, shop, "reorder-due", "two.csv", control_share=0.3)
        assert first.control > 0
        assert (shop / "one.csv").read_bytes() == (shop / "two.csv").read_bytes()
        assert replace(again, output=first.output) == first
        with database.read() as connection:
            kept = connection.execute(select(contacts)).all()
        named = {row["user_id"] for row in rows_of(shop / "one.csv")}
        assert {row.user_id for row in kept if not row.control} == named
        assert sum(row.control for row in kept) == first.control
        assert {(row.campaign, row.band, row.drawn_at) for row in kept} == {(first.campaign, "reorder-due", NOW)}

    @pytest.mark.parametrize("share", [0.0, 1.0])
    def test_of_nobody_or_everybody(self, database: Database, shop: Path, share: float) -> None:
        report = export(database, shop, "reorder-due", control_share=share)
        assert report.control == (report.named if share else 0)
        assert len(rows_of(shop / "out.csv")) == report.contacted == report.named - report.control

    def test_shop_toml_says_how_many_and_how_long(self, database: Database, shop: Path) -> None:
        settings = ShopSettings.model_validate({"audience": {"control_share": 1, "rest_days": 7}})
        report = export(database, shop, "reorder-due", settings=settings, control_share=None)
        assert (report.control_share, report.rest_days, report.contacted) == (1, 7, 0)

    def test_who_was_drawn_lately_is_left_out_and_counted(self, database: Database, shop: Path) -> None:
        first = export(database, shop, "reorder-due", "one.csv", control_share=0.3)
        second = export(database, shop, "reorder-due", "two.csv", campaign="again")
        assert second.capped == first.contacted + first.control
        assert second.contacted == 0
        third = export(database, shop, "reorder-due", "three.csv", campaign="free", rest_days=0)
        assert third.capped == 0


class TestFiles:
    def test_without_one_nothing_is_kept(self, database: Database, shop: Path) -> None:
        report = export(database, shop, "reorder-due", None)
        assert report.contacted > 0
        assert not report.recorded
        with database.read() as connection:
            assert not connection.execute(select(contacts)).all()

    def test_one_that_is_there_stays(self, database: Database, shop: Path) -> None:
        (shop / "out.csv").write_text("somebody's work", "utf-8")
        with pytest.raises(Conflict):
            export(database, shop, "reorder-due")
        assert (shop / "out.csv").read_text("utf-8") == "somebody's work"
        with database.read() as connection:
            assert not connection.execute(select(contacts)).all()

    def test_one_that_cannot_be_written(self, database: Database, shop: Path) -> None:
        with pytest.raises(Unavailable, match="cannot be written"):
            export(database, shop, "reorder-due", "no/such/folder/out.csv")
        with database.read() as connection:
            assert not connection.execute(select(contacts)).all()

    def test_one_of_no_kind(self, database: Database, shop: Path) -> None:
        with pytest.raises(InvalidInput, match=r"\.csv or \.jsonl"):
            export(database, shop, "reorder-due", "out.xlsx")

    @pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 201])
    def test_a_name_that_names_no_campaign(self, database: Database, shop: Path, name: str) -> None:
        with pytest.raises(InvalidInput, match="campaign"):
            export(database, shop, "reorder-due", campaign=name)

    def test_two_exports_at_once_write_to_nobody_twice(self, database: Database, shop: Path) -> None:
        failed: list[BaseException] = []
        start = threading.Barrier(2)

        def run(name: str) -> None:
            try:
                start.wait()
                export(database, shop, "reorder-due", f"{name}.csv", campaign=name)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert not failed
        one, two = ({row["user_id"] for row in rows_of(shop / f"{name}.csv")} for name in ("one", "two"))
        assert one | two
        assert not one & two


class TestEmpty:
    def test_no_orders_at_all(self, database: Database, tmp_path: Path) -> None:
        for band in ("at-risk", "reorder-due"):
            with pytest.raises(InvalidInput, match="too few"):
                export(database, tmp_path, band)
        assert export(database, tmp_path, "back-in-stock").named == 0
        assert rows_of(tmp_path / "out.csv") == []

    def test_orders_of_the_future_are_none_yet(self, database: Database, shop: Path) -> None:
        before = export(database, shop, "at-risk", None)
        for number in range(50):
            place(database, f"l{number:03}", "lamp", DAYS + 5)
        assert export(database, shop, "at-risk", None) == before


class TestOutcome:
    def drawn(self, db: Database, shop: Path, share: float = 0.5) -> tuple[set[str], set[str]]:
        """Contacted and control of a campaign of lamp buyers who are all named, by a wide window."""
        export(db, shop, "at-risk", campaign="spring", control_share=share)
        with db.read() as connection:
            rows = connection.execute(select(contacts.c.user_id, contacts.c.control)).all()
        return {row.user_id for row in rows if not row.control}, {row.user_id for row in rows if row.control}

    def test_it_counts_who_bought_since_and_kept_it(self, database: Database, shop: Path) -> None:
        contacted, control = (sorted(each) for each in self.drawn(database, shop))
        place(database, contacted[0], "lamp", DAYS + 1)
        place(database, contacted[1], "lamp", DAYS + 1, status="cancelled")
        place(database, contacted[2], "lamp", DAYS + 1, status="returned")
        place(database, control[0], "lamp", DAYS + 400)
        found = outcome_of(database, SHOP, "spring", Consent(), NOW + 30 * DAY)
        assert found.contacted == Group(len(contacted), 1)
        assert found.control == Group(len(control), 0)
        assert (found.band, found.first, found.last) == ("at-risk", _date(NOW), _date(NOW))
        assert found.verdict == "inconclusive"
        assert "holds zero" in found.reasons[-1]

    def test_a_plain_difference_is_told(self, database: Database, tmp_path: Path) -> None:
        fill(database, coffee=60, lamps=700)
        contacted, control = self.drawn(database, tmp_path)
        assert min(len(contacted), len(control)) >= 20
        for user in contacted:
            place(database, user, "lamp", DAYS + 2)
        found = outcome_of(database, SHOP, "spring", Consent(), NOW + 30 * DAY)
        assert found.verdict == "more"
        assert found.reasons == ()
        assert found.low is not None
        assert found.low > 0.5
        assert "more" in found.text()
        assert found.values()["contacted"]["share"] == 1

    def test_without_a_control_nothing_follows(self, database: Database, shop: Path) -> None:
        self.drawn(database, shop, share=0.0)
        found = outcome_of(database, SHOP, "spring", Consent(), NOW + DAY)
        assert (found.difference, found.low, found.verdict) == (None, None, "inconclusive")
        assert "control: 0 people" in found.reasons[0] + found.reasons[-1]

    def test_who_withdraws_counts_in_neither(self, database: Database, shop: Path) -> None:
        contacted, control = self.drawn(database, shop)
        for user in (min(contacted), min(control)):
            set_consent(database, SHOP, user, Consent(personalize=False))
        found = outcome_of(database, SHOP, "spring", Consent(), NOW + DAY)
        assert found.refused == 2
        assert (found.contacted.people, found.control.people) == (len(contacted) - 1, len(control) - 1)

    def test_an_unknown_campaign_and_a_stranger(self, database: Database, shop: Path) -> None:
        with pytest.raises(NotFound):
            outcome_of(database, SHOP, "spring", Consent())
        with pytest.raises(Forbidden):
            outcome_of(database, Principal("x", Role.ENGINEER), "spring", Consent())


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        # Newcombe (1998), table II, method 10.
        (Group(70, 56), Group(80, 48), 0.0524, 0.3339),
        (Group(10, 9), Group(10, 3), 0.1705, 0.8090),
        (Group(56, 5), Group(29, 0), -0.0381, 0.1926),
        (Group(10, 10), Group(10, 0), 0.6075, 1.0),
    ],
)
def test_the_interval_is_newcombes(one: Group, other: Group, low: float, high: float) -> None:
    assert difference(one, other) == pytest.approx((low, high), abs=1e-4)


def _date(instant: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(instant / 1000, UTC).date().isoformat()
