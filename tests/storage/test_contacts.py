"""Who is contacted and who is left alone: the same each time, nobody twice, and nobody who says no."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from storage.consent import Consent, set_consent
from storage.contacts import Drawn, contacts_of, draw_contacts, in_control
from storage.database import Database
from storage.errors import Conflict, Forbidden, NotFound
from storage.principal import Principal, Role
from storage.tables import contacts, orders

SHOP = Principal("shop", Role.SERVICE)
DAY = 86_400_000
NOW = 20_000 * DAY
SECRET = "0" * 64


def known(db: Database, users: Sequence[str]) -> list[str]:
    """Customers of the shop: whom it does not know it does not write to."""
    rows = [{"order_id": f"o-{user}", "user_id": user, "status": "paid", "placed_at": NOW} for user in users]
    with db.write() as connection:
        connection.execute(insert(orders), rows)
    return list(users)


def people(db: Database, count: int) -> list[str]:
    return known(db, [f"u{number:04}" for number in range(count)])


def draw(db: Database, users: Sequence[str], campaign: str = "spring", **said: Any) -> Drawn:
    options: dict[str, Any] = {
        "secret": SECRET,
        "share": 0.3,
        "rest_days": 30,
        "default": Consent(),
        "now": NOW,
        "deliver": lambda drawn: None,
    }
    return draw_contacts(db, said.pop("who", SHOP), campaign, said.pop("band", "at-risk"), users, **(options | said))


def test_groups_are_as_large_as_asked_and_different_for_each_campaign_and_shop() -> None:
    users = [f"u{number}" for number in range(10_000)]
    held = {user for user in users if in_control(SECRET, "spring", user, 0.1)}
    assert 900 < len(held) < 1100
    autumn = {user for user in users if in_control(SECRET, "autumn", user, 0.1)}
    elsewhere = {user for user in users if in_control("1" * 64, "spring", user, 0.1)}
    for other in (autumn, elsewhere):
        assert len(held & other) < 200, "about one in ten of one in ten"
    assert {user for user in users if in_control(SECRET, "spring", user, 0.2)} > held
    assert not any(in_control(SECRET, "spring", user, 0.0) for user in users)
    assert all(in_control(SECRET, "spring", user, 1.0) for user in users)


class TestDrawing:
    def test_again_the_same_groups_whatever_the_share_is_now(self, database: Database) -> None:
        users = people(database, 60)
        first = draw(database, users[:40])
        assert {*first.contacted, *first.control} == {*users[:40]}
        assert first.control
        again = draw(database, users, share=0.0, now=NOW + DAY)
        assert {*first.contacted} < {*again.contacted}
        assert again.control == first.control
        found = contacts_of(database, SHOP, "spring", Consent())
        assert {each.user_id for each in found if each.control} == {*first.control}
        assert {each.drawn_at for each in found} == {NOW, NOW + DAY}

    @pytest.mark.parametrize(("share", "contacted", "control"), [(0.0, 20, 0), (1.0, 0, 20)])
    def test_no_control_and_control_alone(self, database: Database, share: float, contacted: int, control: int) -> None:
        drawn = draw(database, people(database, 20), share=share)
        assert (len(drawn.contacted), len(drawn.control)) == (contacted, control)

    def test_nobody_is_drawn_again_within_the_rest_in_whichever_group(self, database: Database) -> None:
        users = people(database, 40)
        draw(database, users[:30])
        second = draw(database, users, "summer", now=NOW + 29 * DAY)
        assert second.capped == 30
        assert {*second.contacted, *second.control} == {*users[30:]}
        third = draw(database, users, "autumn", now=NOW + 30 * DAY)
        assert third.capped == 10
        assert draw(database, users, "winter", rest_days=0, now=NOW + 60 * DAY).capped == 0

    def test_who_says_no_and_who_is_not_known_any_more(self, database: Database) -> None:
        users = people(database, 10)
        set_consent(database, SHOP, "u0003", Consent(personalize=False))
        with database.write() as connection:
            connection.execute(delete(orders).where(orders.c.user_id == "u0004"))
        drawn = draw(database, [*users, "never-seen"])
        assert drawn.refused == 3
        assert not {"u0003", "u0004", "never-seen"} & {*drawn.contacted, *drawn.control}
        closed = Consent(personalize=False)
        set_consent(database, SHOP, "u0005", Consent())
        assert draw(database, users, "other", default=closed, share=0, rest_days=0).contacted == ("u0005",)

    def test_who_withdraws_is_not_in_the_next_file_of_the_same_campaign(self, database: Database) -> None:
        users = people(database, 5)
        draw(database, users, share=0)
        set_consent(database, SHOP, "u0001", Consent(personalize=False))
        assert "u0001" not in draw(database, users, share=0).contacted
        assert not next(
            each for each in contacts_of(database, SHOP, "spring", Consent()) if each.user_id == "u0001"
        ).agrees

    def test_a_file_that_fails_leaves_nothing_behind(self, database: Database) -> None:
        def full(_: Drawn) -> None:
            raise OSError("no space left")

        users = people(database, 5)
        with pytest.raises(OSError, match="no space"):
            draw(database, users, deliver=full)
        with pytest.raises(NotFound):
            contacts_of(database, SHOP, "spring", Consent())

    def test_without_a_file_it_only_counts(self, database: Database) -> None:
        drawn = draw(database, people(database, 5), share=0, deliver=None)
        assert len(drawn.contacted) == 5
        with database.read() as connection:
            assert not connection.execute(select(contacts)).all()

    def test_a_campaign_has_one_band(self, database: Database) -> None:
        draw(database, people(database, 5))
        with pytest.raises(Conflict, match="at-risk"):
            draw(database, ["u0001"], band="reorder-due")

    def test_two_at_once_never_take_the_same_person(self, database: Database) -> None:
        users = people(database, 200)
        taken: dict[str, Drawn] = {}
        start = threading.Barrier(2)

        def run(campaign: str) -> None:
            start.wait()
            taken[campaign] = draw(database, users, campaign)

        threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(len(each.contacted) + len(each.control) for each in taken.values()) == [0, 200]

    def test_the_same_campaign_twice_at_once_gives_the_same_groups(self, database: Database) -> None:
        users = people(database, 100)
        taken: list[Drawn] = []
        start = threading.Barrier(2)

        def run() -> None:
            start.wait()
            taken.append(draw(database, users))

        threads = [threading.Thread(target=run) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert taken[0] == taken[1]


def test_nobody_to_draw(database: Database) -> None:
    assert draw(database, []) == Drawn((), (), 0, 0)


def test_an_unknown_campaign_names_those_there_are(database: Database) -> None:
    with pytest.raises(NotFound, match="None was exported"):
        contacts_of(database, SHOP, "spring", Consent())
    draw(database, people(database, 1), "summer")
    with pytest.raises(NotFound, match="summer"):
        contacts_of(database, SHOP, "spring", Consent())


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ENGINEER])
def test_only_the_shop_may(database: Database, role: Role) -> None:
    who = Principal("u0001", role)
    users = people(database, 3)
    with pytest.raises(Forbidden):
        draw(database, users, who=who)
    draw(database, users)
    with pytest.raises(Forbidden):
        contacts_of(database, who, "spring", Consent())
