"""A person who is erased is nowhere any more, and stays so: a search through all bytes finds nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import select

from storage.database import Database
from storage.erasure import LEDGER, REPORT, Ledger, erase_again, erase_user
from storage.errors import Damaged, NotFound, Unavailable
from storage.models import list_runs, mark_trained, register_run, runs_with_user
from storage.personal import export_rows
from storage.principal import Principal, Role
from storage.publish import read_manifest, write_manifest
from storage.record import now_ms
from storage.secret import load_secret
from storage.tables import model_users
from storage.traces import holds
from tests.storage.people import BACKEND, ENGINEER, settle

ME, SAID = "maya-4711-canary", "my secret wish is a purple accordion"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "rejected").mkdir(parents=True)
    return folder


@pytest.fixture
def kept(shop: Path, sqlite_template: Path) -> Iterator[Database]:
    """The database of the shop's folder, as `serve` has it."""
    shutil.copyfile(sqlite_template, shop / "aisle.db")
    opened = Database.open(f"sqlite:///{shop / 'aisle.db'}")
    yield opened
    opened.close()


def everywhere(folder: Path, text: str) -> list[str]:
    """The files whose bytes hold a text."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and holds(path, text))


def trained(database: Database, shop: Path, folder: Path, log: Path, *users: str) -> str:
    """A run whose folder shows turns that its model got wrong."""
    secret = load_secret(shop)
    run_id = register_run(
        database,
        ENGINEER,
        secret,
        name="intent",
        kind="intent",
        folder=folder,
        data_hashes={str(log): "0"},
        users=users,
    )
    folder.mkdir(parents=True)
    (folder / REPORT).write_text(f"<p>worst errors: {SAID}</p>")
    (folder / "weights.bin").write_bytes(b"\1\2\3")
    (folder / "rejected.jsonl").write_text(json.dumps({"line": 1, "reason": "x", "row": {"user_id": users[0]}}) + "\n")
    write_manifest(folder, "intent", {"labels": ["search"]})
    mark_trained(database, ENGINEER, run_id, {}, {})
    return run_id


def test_no_byte_is_left(kept: Database, shop: Path, tmp_path: Path) -> None:
    settle(kept, ME, SAID)
    settle(kept, "bob", "bob said that")
    rows = [{"user_id": ME, "messages": [{"role": "user", "content": SAID}]}, {"user_id": "bob", "messages": []}]
    log = tmp_path / "logs" / "dialogues.jsonl"
    log.parent.mkdir()
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (shop / "rejected" / "events-1.jsonl").write_text(json.dumps({"line": 1, "reason": "x", "row": {"user_id": ME}}))
    (shop / "rejected" / "events-1.report.txt").write_text(f"bots  1\n      {ME}: 900 acts in one hour\n")
    mine = tmp_path / "runs" / "one"
    trained(kept, shop, mine, log, ME, "bob")
    trained(kept, shop, tmp_path / "runs" / "two", log, "bob")
    assert everywhere(tmp_path, ME), "or nothing is shown"
    bobs = export_rows(kept, Principal("bob", Role.CUSTOMER), "bob")

    done = erase_user(kept, Principal(ME, Role.CUSTOMER), shop, ME)

    assert done.compacted
    assert done.rows["events"] == done.rows["orders"] == 1
    assert {trace.path.name: trace.lines for trace in done.traces if trace.lines} == {
        "dialogues.jsonl": 1,
        "events-1.jsonl": 1,
        "events-1.report.txt": 1,
        "rejected.jsonl": 1,
    }
    assert everywhere(tmp_path, ME) == []
    assert everywhere(tmp_path, SAID) == ["runs/two/report.html"], "that of a run without them stays"
    assert log.read_text() == json.dumps(rows[1]) + "\n"
    assert export_rows(kept, Principal("bob", Role.CUSTOMER), "bob") == bobs


def test_models_that_learnt_from_them_are_named_and_forget_who_they_were(
    kept: Database, shop: Path, tmp_path: Path
) -> None:
    settle(kept, ME)
    mine = trained(kept, shop, tmp_path / "runs" / "one", tmp_path / "log.jsonl", ME, "bob")
    other = trained(kept, shop, tmp_path / "runs" / "two", tmp_path / "log.jsonl", "bob")
    assert [run.run_id for run in erase_user(kept, BACKEND, shop, ME).runs] == [mine]
    since = {run.run_id: run.retrain_since for run in list_runs(kept, ENGINEER)}
    assert since[mine] is not None
    assert since[other] is None
    assert runs_with_user(kept, ENGINEER, ME, load_secret(shop)) == []
    with kept.read() as connection:
        assert len(connection.execute(select(model_users)).all()) == 2, "bob is in both still"
    folder = tmp_path / "runs" / "one"
    assert set(read_manifest(folder, "intent").files) == {"weights.bin", "rejected.jsonl"}, (
        "the model is whole and serves"
    )


@pytest.mark.parametrize("ended", [True, False])
def test_what_a_run_that_was_killed_left_goes_and_what_one_that_ended_left_stays(
    kept: Database, shop: Path, tmp_path: Path, ended: bool
) -> None:
    folder = tmp_path / "runs" / "one"
    secret = load_secret(shop)
    run_id = register_run(
        kept, ENGINEER, secret, name="intent", kind="intent", folder=folder, data_hashes={}, users=[ME]
    )
    (checkpoint := folder.parent / ".one.checkpoint").mkdir(parents=True)
    (checkpoint / "rows.jsonl").write_text(SAID)
    folder.mkdir()
    write_manifest(folder, "intent", {})
    if ended:
        mark_trained(kept, ENGINEER, run_id, {}, {})
    erase_user(kept, BACKEND, shop, ME)
    assert checkpoint.exists() is ended


def test_a_folder_that_is_damaged_does_not_stop_it(kept: Database, shop: Path, tmp_path: Path) -> None:
    trained(kept, shop, tmp_path / "one", tmp_path / "log.jsonl", ME)
    (tmp_path / "one" / "manifest.json").write_text("{")
    erase_user(kept, BACKEND, shop, ME)
    assert not (tmp_path / "one" / REPORT).exists()


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ENGINEER])
def test_others_erase_nobody(kept: Database, shop: Path, role: Role) -> None:
    settle(kept, ME)
    with pytest.raises(NotFound):
        erase_user(kept, Principal("mallory", role, team="support"), shop, ME)
    assert all(export_rows(kept, BACKEND, ME).values())
    assert not (shop / LEDGER).exists()


def test_who_is_unknown_is_erased_like_anybody(kept: Database, shop: Path) -> None:
    with patch.object(Database, "compact", side_effect=AssertionError("there is nothing to overwrite")):
        assert erase_user(kept, Principal("boss", Role.ADMIN), shop, "nobody").rows == {}


def test_on_either_database(database: Database, shop: Path) -> None:
    settle(database, ME)
    settle(database, "bob")
    assert erase_user(database, BACKEND, shop, ME).rows["conversations"] == 1
    assert not any(export_rows(database, BACKEND, ME).values())
    assert all(export_rows(database, BACKEND, "bob").values())


class TestComingBack:
    def test_a_restored_backup_forgets_again(self, kept: Database, shop: Path, tmp_path: Path) -> None:
        settle(kept, ME, SAID)
        settle(kept, "bob")
        kept.compact()
        backup = shutil.copyfile(shop / "aisle.db", tmp_path / "backup.db")
        erase_user(kept, BACKEND, shop, ME)
        kept.close()
        for left in shop.glob("aisle.db-*"):
            left.unlink()
        shutil.copyfile(backup, shop / "aisle.db")
        backup.unlink()
        restored = Database.open(f"sqlite:///{shop / 'aisle.db'}")
        assert export_rows(restored, Principal(ME, Role.CUSTOMER), ME)["turns"]
        assert erase_again(restored, shop) == 1
        assert erase_again(restored, shop) == 0
        assert not any(export_rows(restored, BACKEND, ME).values())
        assert all(export_rows(restored, BACKEND, "bob").values())
        restored.close()
        assert everywhere(tmp_path, SAID) == everywhere(tmp_path, ME) == []

    def test_a_stranger_of_the_same_id_is_left_alone(self, kept: Database, shop: Path) -> None:
        settle(kept, ME)
        erase_user(kept, BACKEND, shop, ME)
        with patch("tests.storage.people.now_ms", lambda: now_ms() + 1000):
            settle(kept, ME, "I am new here")
        me = Principal(ME, Role.CUSTOMER)
        before = export_rows(kept, me, ME)
        with patch("storage.erasure._erase", side_effect=AssertionError("nobody is to be erased")):
            assert erase_again(kept, shop) == 0
        assert export_rows(kept, me, ME) == before

    def test_without_an_erasure_it_reads_nothing(self, kept: Database, shop: Path) -> None:
        settle(kept, ME)
        with patch("storage.erasure.people", side_effect=AssertionError("everybody is read")):
            assert erase_again(kept, shop) == 0


class TestKilled:
    def test_before_the_rows_went_it_is_done_over(self, kept: Database, shop: Path) -> None:
        settle(kept, ME, SAID)
        with (
            patch("storage.erasure.delete_rows", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            erase_user(kept, BACKEND, shop, ME)
        assert export_rows(kept, Principal(ME, Role.CUSTOMER), ME)["turns"]
        assert erase_again(kept, shop) == 1
        assert everywhere(shop, SAID) == []

    def test_after_the_rows_went_their_bytes_are_taken_at_the_next_start(self, kept: Database, shop: Path) -> None:
        settle(kept, ME, SAID)
        with patch.object(Database, "compact", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            erase_user(kept, BACKEND, shop, ME)
        assert everywhere(shop, SAID), "or nothing is shown"
        assert Ledger.of(shop).open
        assert erase_again(kept, shop) == 0
        assert everywhere(shop, SAID) == []
        assert not Ledger.of(shop).open

    def test_a_line_that_was_cut_short_costs_nothing(self, kept: Database, shop: Path) -> None:
        erase_user(kept, BACKEND, shop, "first")
        with (shop / LEDGER).open("a") as out:
            out.write('{"user": "ab')
        assert Ledger.of(shop).erased_at("first") is not None
        erase_user(kept, BACKEND, shop, "second")
        ledger = Ledger.of(shop)
        assert ledger.erased_at("first") is not None
        assert ledger.erased_at("second") is not None
        assert not ledger.open

    def test_asked_again_by_hand_it_is_finished(self, kept: Database, shop: Path) -> None:
        settle(kept, ME, SAID)
        with patch.object(Database, "compact", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            erase_user(kept, BACKEND, shop, ME)
        erase_user(kept, BACKEND, shop, ME)
        assert everywhere(shop, SAID) == []


class TestLedger:
    def test_it_names_nobody_and_is_closed_to_others(self, kept: Database, shop: Path) -> None:
        erase_user(kept, BACKEND, shop, ME)
        assert ME not in (shop / LEDGER).read_text()
        assert (shop / LEDGER).stat().st_mode & 0o077 == 0

    def test_one_that_is_damaged_is_refused(self, kept: Database, shop: Path) -> None:
        erase_user(kept, BACKEND, shop, ME)
        (shop / LEDGER).write_text("nonsense\n" + (shop / LEDGER).read_text())
        with pytest.raises(Damaged, match="line 1"):
            erase_again(kept, shop)

    def test_one_that_cannot_be_written_stops_before_anything_is_done(self, kept: Database, shop: Path) -> None:
        settle(kept, ME)
        (shop / LEDGER).mkdir()
        with pytest.raises((Unavailable, Damaged)):
            erase_user(kept, BACKEND, shop, ME)
        assert all(export_rows(kept, BACKEND, ME).values())


def test_a_reader_that_stays_keeps_the_log_and_that_is_said(kept: Database, shop: Path) -> None:
    settle(kept, ME)
    other = Database.connect(f"sqlite:///{shop / 'aisle.db'}")
    with other.read() as connection:
        connection.execute(select(model_users)).all()
        assert not erase_user(kept, BACKEND, shop, ME).compacted
    other.close()
    with patch.object(Database, "compact", return_value=False):
        assert not erase_user(kept, BACKEND, shop, ME).compacted, "it is still to be done, though no row is left"
        assert erase_again(kept, shop) == 0
        assert Ledger.of(shop).open
    with patch.object(Database, "compact", side_effect=Unavailable("The disk is full.", "Free some space.")):
        assert erase_again(kept, shop) == 0, "a shop opens without room for it"
    assert erase_user(kept, BACKEND, shop, ME).compacted
    assert not Ledger.of(shop).open
