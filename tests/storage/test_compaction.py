"""Erasures one after the other cost one rewrite of the database, and leave no byte all the same."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from storage.compaction import Compactor
from storage.database import Database
from storage.erasure import Ledger, erase_again, erase_user
from storage.errors import Unavailable
from tests.storage.people import BACKEND, settle
from tests.storage.test_erasure import everywhere

SAID = "my secret wish is a purple accordion"


@pytest.fixture
def kept(tmp_path: Path, sqlite_template: Path) -> Iterator[Database]:
    shutil.copyfile(sqlite_template, tmp_path / "aisle.db")
    opened = Database.open(f"sqlite:///{tmp_path / 'aisle.db'}")
    yield opened
    opened.close()


class Rewriting:
    """The database's own rewriting, counted; `outcomes` come first: a refusal, or an error."""

    def __init__(self) -> None:
        self.times = 0
        self.done = threading.Event()
        self.outcomes: list[bool | Exception] = []
        self._rewrite = Database.compact

    def __call__(self, database: Database) -> bool:
        self.times += 1
        outcome = self.outcomes.pop(0) if self.outcomes else self._rewrite(database)
        if isinstance(outcome, Exception):
            raise outcome
        self.done.set()
        return outcome


@pytest.fixture
def rewriting() -> Iterator[Rewriting]:
    counted = Rewriting()
    with patch.object(Database, "compact", lambda database: counted(database)):  # noqa: PLW0108 (it has to become a method)
        yield counted


def erase(database: Database, shop: Path, compactor: Compactor, user: str) -> bool:
    settle(database, user, SAID)
    return erase_user(database, BACKEND, shop, user, compactor.ask).compacted


def test_the_first_is_overwritten_at_once_and_the_next_together(
    kept: Database, tmp_path: Path, rewriting: Rewriting
) -> None:
    compactor = Compactor(kept, tmp_path)
    assert erase(kept, tmp_path, compactor, "first-4711")
    assert everywhere(tmp_path, SAID) == []
    assert not Ledger.of(tmp_path).open
    for number in range(5):
        assert not erase(kept, tmp_path, compactor, f"next-4711-{number}")
    assert everywhere(tmp_path, "next-4711-0"), "or nothing is shown"
    assert len(Ledger.of(tmp_path).open) == 5
    assert rewriting.times == 1
    compactor.close()
    assert rewriting.times == 2
    assert everywhere(tmp_path, SAID) == everywhere(tmp_path, "next-4711") == []
    assert not Ledger.of(tmp_path).open


def test_they_are_overwritten_when_their_time_has_come(kept: Database, tmp_path: Path, rewriting: Rewriting) -> None:
    compactor = Compactor(kept, tmp_path, interval=1.0)
    erase(kept, tmp_path, compactor, "first-4711")
    rewriting.done.clear()
    erase(kept, tmp_path, compactor, "second-4711")
    assert rewriting.done.wait(60)
    compactor.close()
    assert everywhere(tmp_path, SAID) == []
    assert not Ledger.of(tmp_path).open


def test_after_the_interval_it_is_at_once_again(kept: Database, tmp_path: Path) -> None:
    now = [0.0]
    compactor = Compactor(kept, tmp_path, 600, lambda: now[0])
    assert erase(kept, tmp_path, compactor, "first-4711")
    now[0] = 600.0
    assert erase(kept, tmp_path, compactor, "second-4711")
    assert everywhere(tmp_path, SAID) == []


def test_a_kill_before_it_costs_nothing(kept: Database, tmp_path: Path) -> None:
    compactor = Compactor(kept, tmp_path)
    for user in ("first-4711", "second-4711"):
        erase(kept, tmp_path, compactor, user)
    assert everywhere(tmp_path, "second-4711")
    assert erase_again(kept, tmp_path) == 0, "their rows are gone; the bytes are what is left to do"
    assert everywhere(tmp_path, SAID) == []
    assert not Ledger.of(tmp_path).open


def test_what_cannot_be_overwritten_now_is_tried_again(kept: Database, tmp_path: Path, rewriting: Rewriting) -> None:
    compactor = Compactor(kept, tmp_path)
    rewriting.outcomes = [Unavailable("The disk is full."), False]  # false: somebody reads
    assert not erase(kept, tmp_path, compactor, "first-4711")
    assert len(Ledger.of(tmp_path).open) == 1
    assert not compactor.run()
    assert compactor.run()
    assert rewriting.times == 3
    compactor.close()
    assert rewriting.times == 3, "nothing waits any more"
    assert everywhere(tmp_path, SAID) == []
    assert not Ledger.of(tmp_path).open


def test_one_that_was_begun_again_meanwhile_is_not_done(kept: Database, tmp_path: Path) -> None:
    compactor = Compactor(kept, tmp_path)
    ledger = Ledger.of(tmp_path)
    ledger.add("maya", 1, done=False)
    ledger.add("maya", 2, done=False)
    assert compactor.ask(ledger.hash_of("maya"), 1)
    assert Ledger.of(tmp_path).is_open("maya")
    compactor.close()


def test_two_who_write_at_once_lose_no_line(kept: Database, tmp_path: Path) -> None:
    Ledger.of(tmp_path)  # makes the secret
    ledgers = [Ledger.of(tmp_path) for _ in range(8)]

    def write(number: int) -> None:
        for at in range(20):
            ledgers[number].add(f"user {number} {at}", at, done=False)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Ledger.of(tmp_path).open) == 160
