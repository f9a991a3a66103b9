"""Who looked at whose data: every look of the shop's people, once within a quarter of an hour, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from storage import access_log
from storage.access_log import ERASED, INTERVAL_MS, accesses_of, as_lines, note
from storage.conversations import SUPPORT, conversations_of, read_on, turns_of
from storage.customers import customer_of, find_customer
from storage.database import Database
from storage.desk import notes_of, on_behalf
from storage.erasure import erase_user, erased_name
from storage.errors import Forbidden, NotFound, Unavailable
from storage.labels import turn_to_label, turns_to_label
from storage.orders import orders_of
from storage.personal import export_rows
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import parse_settings
from storage.tables import accesses
from storage.tickets import queue
from tests.storage.people import AGENT, BACKEND, ENGINEER, settle

SUPERVISOR = Principal("dana", Role.SUPERVISOR)
ADMIN = Principal("boss", Role.ADMIN)
CONSENT = parse_settings("").consent


@pytest.fixture
def talk(database: Database) -> str:
    """Alice's conversation, at which nobody has looked yet."""
    made = settle(database, "alice")
    with database.write() as connection:
        connection.execute(accesses.delete())
    return made


def looks(database: Database) -> list[tuple[str, str, str, str, str]]:
    """(who, role, whose, what, for which conversation), the latest first."""
    return [
        (each.by_id, each.by_role, each.whose, each.what, each.conversation_id) for each in accesses_of(database, ADMIN)
    ]


def test_a_look_says_who_at_whose_what_and_why(database: Database, talk: str) -> None:
    before = now_ms()
    on_behalf(database, AGENT, talk)
    assert looks(database) == [("mia", "agent", "alice", "conversation", talk)]
    assert before <= accesses_of(database, ADMIN)[0].at <= now_ms()


@pytest.mark.parametrize(
    ("who", "read", "what"),
    [
        (AGENT, read_on, "conversation"),
        (SUPERVISOR, turns_of, "conversation"),
        (AGENT, notes_of, "conversation"),
        (AGENT, lambda db, who, talk: conversations_of(db, who, "alice"), "conversations"),
        (AGENT, lambda db, who, talk: orders_of(db, who, "alice"), "orders"),
        (SUPERVISOR, lambda db, who, talk: customer_of(db, who, "alice"), "record"),
        (ADMIN, lambda db, who, talk: export_rows(db, who, "alice"), "export"),
        (BACKEND, lambda db, who, talk: export_rows(db, who, "alice"), "export"),
        (ENGINEER, lambda db, who, talk: turns_to_label(db, who, CONSENT), "labelling"),
        (ENGINEER, lambda db, who, talk: turn_to_label(db, who, CONSENT, "t alice"), "labelling"),
    ],
)
def test_every_way_to_look_leaves_one_row(
    database: Database,
    talk: str,
    who: Principal,
    read: Callable[[Database, Principal, str], object],
    what: str,
) -> None:
    assert read(database, who, talk)
    ((by, role, whose, found, why),) = looks(database)
    assert (by, role, whose, found) == (who.id, who.role, "alice", what)
    assert why == (talk if what in ("conversation", "labelling") else "")


def test_the_queue_is_a_look_at_nobody_in_particular(database: Database, talk: str) -> None:
    assert queue(database, AGENT)
    assert looks(database) == [("mia", "agent", "", "queue", "")]


def test_somebody_found_by_name_is_a_look(database: Database, talk: str) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE customers SET email_key = 'a@example.org'")
    assert find_customer(database, AGENT, email="a@example.org").user_id == "alice"
    assert looks(database) == [("mia", "agent", "alice", "record", "")]


def test_own_eyes_the_machine_and_the_shops_programs_leave_nothing(database: Database, talk: str) -> None:
    alice = Principal("alice", Role.CUSTOMER)
    for who in (alice, BACKEND, Principal("desk", Role.SUPERVISOR, machine=True)):
        read_on(database, who, talk)
        orders_of(database, who, "alice")
        note(database, who, "alice", "conversation")
    export_rows(database, alice, "alice")
    assert looks(database) == []


def test_who_finds_nothing_leaves_nothing(database: Database, talk: str) -> None:
    for nobody in ("nobody", ""):
        export_rows(database, ADMIN, nobody)
        orders_of(database, AGENT, nobody)
        customer_of(database, AGENT, nobody)
        conversations_of(database, AGENT, nobody)
    with pytest.raises(NotFound):
        on_behalf(database, Principal("ben", Role.AGENT, "another team"), talk)
    assert looks(database) == []


def test_a_window_that_asks_again_and_again_leaves_four_rows_an_hour(database: Database, talk: str) -> None:
    start = now_ms()
    for minute in range(60):
        with patch.object(access_log, "now_ms", lambda minute=minute: start + 60_000 * minute):
            on_behalf(database, AGENT, talk)
            read_on(database, AGENT, talk)
    assert len(looks(database)) == 3_600_000 // INTERVAL_MS
    on_behalf(database, SUPERVISOR, talk)
    assert len(looks(database)) == 5, "another's look is their own"


def test_what_cannot_be_written_down_is_not_given_out(database: Database, talk: str) -> None:
    with patch.object(Database, "write", side_effect=Unavailable("The disk is full.", "Free some space.")):
        with pytest.raises(Unavailable):
            on_behalf(database, AGENT, talk)
        with pytest.raises(Unavailable):
            read_on(database, AGENT, talk)


def test_it_is_read_by_page_and_by_person(database: Database, talk: str) -> None:
    other = settle(database, "bob")
    for each in (talk, other):
        on_behalf(database, SUPERVISOR, each)
    assert {each.whose for each in accesses_of(database, SUPERVISOR)} == {"alice", "bob"}
    (newest,) = accesses_of(database, SUPERVISOR, limit=1)
    assert all(each.at < newest.at for each in accesses_of(database, SUPERVISOR, before=newest.at))
    mine = accesses_of(database, SUPERVISOR, ["alice"])
    assert {each.whose for each in mine} == {"alice"}
    assert f"supervisor dana  conversation  alice  for {talk}" in as_lines(mine)
    assert as_lines([]) == "Nobody has looked at anything."
    note(database, ADMIN, "", "training")
    assert as_lines(accesses_of(database, ADMIN, [""])).endswith("admin      boss  training  -")


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.ENGINEER, Role.SERVICE])
def test_others_do_not_see_it(database: Database, role: Role) -> None:
    with pytest.raises(Forbidden):
        accesses_of(database, Principal("x", role, SUPPORT))


def test_it_outlives_the_customer_without_their_id(database: Database, talk: str, tmp_path: Path) -> None:
    on_behalf(database, AGENT, talk)
    erase_user(database, ADMIN, tmp_path, "alice")
    name = erased_name(tmp_path, "alice")
    assert name.startswith(ERASED)
    assert looks(database) == [
        ("boss", "admin", name, "erasure", ""),
        ("mia", "agent", name, "conversation", talk),
    ]
    assert accesses_of(database, ADMIN, ["alice", name]) == accesses_of(database, ADMIN)


def test_who_erases_themself_leaves_no_look(database: Database, talk: str, tmp_path: Path) -> None:
    erase_user(database, Principal("alice", Role.CUSTOMER), tmp_path, "alice")
    assert looks(database) == []


def test_the_person_is_told_when_and_what_and_not_by_whom(database: Database, talk: str) -> None:
    on_behalf(database, AGENT, talk)
    (told,) = export_rows(database, Principal("alice", Role.CUSTOMER), "alice")["accesses"]
    assert {**told, "at": 0} == {"at": 0, "by_role": "agent", "what": "conversation", "conversation_id": talk}
