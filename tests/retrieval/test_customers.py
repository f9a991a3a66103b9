"""What is learnt of a shop's customers from its own database: fitted, kept, asked for all and for one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from retrieval.goods import no_goods
from retrieval.retention import Band, CustomerModel, band_of
from retrieval.retention.customers import FILE, customer_versions, purchase_days
from storage.consent import Consent, set_consent
from storage.database import Database
from storage.errors import Damaged, InvalidInput, NotFound
from storage.principal import Principal, Role
from storage.purchases import Buyer, Purchase, buyers
from tests.retrieval.shoppers import DAY, DAYS, NOW, START, fill, goods, place

SHOP = Principal("shop", Role.SERVICE)


def everybody(db: Database) -> list[Buyer]:
    return list(buyers(db, SHOP, Consent(), NOW))


@pytest.fixture
def people(database: Database) -> list[Buyer]:
    fill(database)
    place(database, "steady", "coffee-1", 180, 210, 240, 270)
    place(database, "late", "coffee-1", 0, 30, 60, 90, 120)
    place(database, "fresh", "lamp", 299)
    return everybody(database)


def test_coffee_has_a_rhythm_and_lamps_have_none(people: list[Buyer]) -> None:
    model = CustomerModel.fit(people, goods, NOW)
    assert set(model.categories) == set(model.products) == {"Food > Coffee"}
    assert np.exp(model.categories["Food > Coffee"].mu) == pytest.approx(30, rel=0.1)
    assert model.customers == len(people)


def test_standings_tell_steady_late_and_new_apart(people: list[Buyer]) -> None:
    model = CustomerModel.fit(people, goods, NOW)
    found = dict(zip([each.user_id for each in people], model.standings(people, NOW), strict=True))
    assert found["steady"].band is Band.ACTIVE
    assert found["steady"].current_days == 29
    assert found["late"].band in (Band.AT_RISK, Band.GONE)
    assert found["late"].current_days == 179
    assert found["fresh"].band is Band.NEW
    assert found["steady"].p_active > found["late"].p_active
    assert found["steady"].expected > found["late"].expected
    assert model.standings([], NOW) == []


def test_what_is_due(people: list[Buyer]) -> None:
    model = CustomerModel.fit(people, goods, NOW)
    due = model.dues(people, goods, NOW, 14)
    [coffee] = due["steady"]
    today = START + DAYS - 1
    assert coffee.good.product_id == "coffee-1"
    assert coffee.usual_days == pytest.approx(30, abs=2)
    assert coffee.product_days == pytest.approx(30, abs=2)
    assert coffee.last == START + 270
    assert abs(coffee.due - today) <= 3
    assert coffee.early < coffee.due < coffee.late
    assert coffee.chance > 0.4
    assert "late" not in due, "half a year overdue is not due"
    assert "fresh" not in due
    assert model.dues([], goods, NOW, 14) == {}
    assert model.dues(people, no_goods, NOW, 14) == {}


def test_returned_goods_and_things_without_a_category_are_not_used_up(database: Database) -> None:
    fill(database)
    place(database, "returner", "coffee-1", 180, 210, 240, 270, status="returned")
    place(database, "odd", "odd", *range(0, 300, 30))
    place(database, "unknown", "not-in-the-catalog", *range(0, 300, 30))
    people = everybody(database)
    model = CustomerModel.fit(people, goods, NOW)
    assert not {"returner", "odd", "unknown"} & model.dues(people, goods, NOW, 14).keys()


class TestTooFew:
    def test_nobody(self) -> None:
        with pytest.raises(InvalidInput, match="0 customers"):
            CustomerModel.fit([], goods, NOW)

    def test_one_customer(self, database: Database) -> None:
        place(database, "alice", "coffee-1", *range(0, 300, 30))
        with pytest.raises(InvalidInput, match=r"launch\.py ingest orders"):
            CustomerModel.fit(everybody(database), goods, NOW)

    def test_many_of_whom_hardly_one_came_back(self) -> None:
        once = [Buyer(f"u{n}", (Purchase((START + n % 50) * DAY, ("lamp",)),)) for n in range(500)]
        with pytest.raises(InvalidInput, match="0 came back"):
            CustomerModel.fit(once, goods, NOW)

    def test_just_enough(self) -> None:
        days = [(n % 40, n % 40 + 20) if n < 10 else (n % 40,) for n in range(50)]
        few = [
            Buyer(f"u{n}", tuple(Purchase((START + day) * DAY, ("lamp",)) for day in each))
            for n, each in enumerate(days)
        ]
        model = CustomerModel.fit(few, goods, NOW)
        assert model.categories == {}
        for each in model.standings(few, NOW):
            assert 0 <= each.chance <= 1
            assert np.isfinite(each.expected)


def test_all_on_one_day(database: Database) -> None:
    same = [Buyer(f"u{n}", (Purchase(START * DAY, ("lamp",)), Purchase((START + 1) * DAY, ()))) for n in range(60)]
    model = CustomerModel.fit(same, goods, (START + 1) * DAY)
    assert {each.current_days for each in model.standings(same, (START + 1) * DAY)} == {0}


def test_ten_thousand_orders_of_one_shopper(people: list[Buyer]) -> None:
    busy = Buyer(
        "busy", tuple(Purchase(START * DAY + n * (DAY * DAYS // 10_000), ("coffee-1",)) for n in range(10_000))
    )
    model = CustomerModel.fit([*people, busy], goods, NOW)
    [standing] = model.standings([busy], NOW)
    assert standing.purchases == DAYS
    assert standing.band is Band.ACTIVE
    assert np.isfinite(standing.expected)
    assert standing.usual_days == 1


class TestKeeping:
    def test_what_is_loaded_says_the_same(self, people: list[Buyer], tmp_path: Path) -> None:
        assert CustomerModel.load(tmp_path) is None
        model = CustomerModel.fit(people, goods, NOW)
        folder = model.save(tmp_path)
        assert folder is not None
        loaded = CustomerModel.load(tmp_path)
        assert loaded is not None
        assert loaded.standings(people, NOW) == model.standings(people, NOW)
        assert loaded.dues(people, goods, NOW, 14) == model.dues(people, goods, NOW, 14)
        text = (folder / FILE).read_text("utf-8")
        assert not any(each.user_id in text for each in people), "nobody is named"

    def test_a_turned_bit_is_found_and_the_one_before_serves(self, people: list[Buyer], tmp_path: Path) -> None:
        model = CustomerModel.fit(people, goods, NOW)
        first, second = model.save(tmp_path), model.save(tmp_path)
        assert first is not None
        assert second is not None
        (second / FILE).write_text((second / FILE).read_text("utf-8").replace("0.", "1.", 1), "utf-8")
        loaded = CustomerModel.load(tmp_path)
        assert loaded is not None
        assert loaded.rhythm == model.rhythm
        shutil.rmtree(first)
        with pytest.raises(Damaged):
            CustomerModel.load(tmp_path)

    def test_while_another_process_publishes_its_own(self, people: list[Buyer], tmp_path: Path) -> None:
        model = CustomerModel.fit(people, goods, NOW)
        with customer_versions(tmp_path).lock():
            assert model.save(tmp_path) is None
        assert model.save(tmp_path) is not None

    def test_one_of_another_aisle(self, people: list[Buyer], tmp_path: Path) -> None:
        versions = customer_versions(tmp_path)
        with versions.stage() as staged:
            (staged / FILE).write_text("{}", "utf-8")
            versions.publish(staged, {"format": 99, "customers": 1, "fitted_at": 1})
        with pytest.raises(Damaged, match="another version"):
            CustomerModel.load(tmp_path)


class TestBandOf:
    def test_it_is_the_standing_among_all(self, database: Database, people: list[Buyer]) -> None:
        model = CustomerModel.fit(people, goods, NOW)
        among = dict(zip([each.user_id for each in people], model.standings(people, NOW), strict=True))
        for user in ("steady", "late", "fresh"):
            own = band_of(database, Principal(user, Role.CUSTOMER), user, model, Consent(), NOW)
            assert own is not None
            assert own.band is among[user].band
            assert own.chance == pytest.approx(among[user].chance)
            assert own.reason == among[user].reason

    def test_who_never_bought_or_does_not_want_it_has_none(self, database: Database, people: list[Buyer]) -> None:
        model = CustomerModel.fit(people, goods, NOW)
        assert band_of(database, SHOP, "stranger", model, Consent(), NOW) is None
        set_consent(database, SHOP, "late", Consent(personalize=False))
        assert band_of(database, SHOP, "late", model, Consent(), NOW) is None

    def test_it_is_nobody_elses(self, database: Database, people: list[Buyer]) -> None:
        model = CustomerModel.fit(people, goods, NOW)
        for who in (Principal("mallory", Role.CUSTOMER), Principal("steady", Role.ENGINEER)):
            with pytest.raises(NotFound):
                band_of(database, who, "steady", model, Consent(), NOW)


def test_days_are_those_of_utc() -> None:
    late = Buyer("a", (Purchase((START + 1) * DAY - 1, ()), Purchase((START + 1) * DAY, ())))
    assert purchase_days([late]).day.tolist() == [START, START + 1]
