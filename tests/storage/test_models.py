"""The registry of runs: what became of each, and who is in it without saying who."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from storage.database import Database
from storage.errors import Forbidden, NotFound
from storage.models import (
    ModelRun,
    Status,
    forget_run,
    list_runs,
    mark_copied,
    mark_failed,
    mark_promoted,
    mark_refused,
    mark_serving,
    mark_trained,
    move_run,
    register_run,
    runs_with_user,
)
from storage.principal import Principal, Role
from storage.tables import model_runs, model_users

ENGINEER = Principal("ada", Role.ENGINEER)
SECRET, OTHER_SECRET = "a" * 64, "b" * 64
PASSED = {"passed": True, "reasons": ["better"]}
REFUSED = {"passed": False, "reasons": ["not better"]}


def register(database: Database, folder: str, *users: str, secret: str = SECRET, **more: Any) -> str:
    values: dict[str, Any] = {"name": "intent", "kind": "intent", "data_hashes": {"log.jsonl": "0" * 64}, **more}
    return register_run(database, ENGINEER, secret, folder=Path(folder), users=users, **values)


def run(database: Database, run_id: str) -> ModelRun:
    return next(each for each in list_runs(database, ENGINEER) if each.run_id == run_id)


def test_a_run_is_known_from_start_to_promotion(database: Database) -> None:
    run_id = register(database, "/runs/one", "maya", parent="v0")
    started = run(database, run_id)
    assert (started.status, started.folder, started.version) == (Status.STARTED, Path("/runs/one"), None)
    assert (started.data_hashes, started.parent, started.promoted_at) == ({"log.jsonl": "0" * 64}, "v0", None)
    mark_trained(database, ENGINEER, run_id, {"macro_f1": 0.9}, {"latin": "f" * 64})
    mark_promoted(database, ENGINEER, run_id, "one", "v1", PASSED)
    promoted = run(database, run_id)
    assert (promoted.status, promoted.version, promoted.parent) == (Status.PROMOTED, "one", "v1")
    assert (promoted.metrics, promoted.base_hashes) == ({"macro_f1": 0.9}, {"latin": "f" * 64})
    assert (promoted.verdict, promoted.forced) == (PASSED, False)
    assert promoted.promoted_at is not None


def test_one_version_of_a_name_serves(database: Database) -> None:
    first, second, other = (register(database, f"/runs/{n}") for n in range(3))
    rank = register(database, "/runs/rank", name="ranker", kind="ranker")
    for run_id in (rank, first):
        mark_promoted(database, ENGINEER, run_id, run_id, None, PASSED)
    mark_promoted(database, ENGINEER, second, "second", "first", None)
    status = {each.run_id: each.status for each in list_runs(database, ENGINEER)}
    assert status == {
        first: Status.RETIRED,
        second: Status.PROMOTED,
        other: Status.STARTED,
        rank: Status.PROMOTED,
    }
    assert run(database, second).forced
    before = run(database, first).promoted_at
    mark_serving(database, ENGINEER, first)
    assert run(database, first).status is Status.PROMOTED
    assert run(database, first).promoted_at == before
    assert run(database, second).status is Status.RETIRED
    assert [each.run_id for each in list_runs(database, ENGINEER, "ranker")] == [rank]


def test_a_refusal_is_kept_and_does_not_unmake_one_that_served(database: Database) -> None:
    new, old = register(database, "/runs/new"), register(database, "/runs/old")
    mark_promoted(database, ENGINEER, old, "old", None, PASSED)
    for run_id in (new, old):
        mark_refused(database, ENGINEER, run_id, REFUSED)
    assert (run(database, new).status, run(database, new).verdict) == (Status.REFUSED, REFUSED)
    assert (run(database, old).status, run(database, old).verdict) == (Status.PROMOTED, REFUSED)
    mark_promoted(database, ENGINEER, new, "new", "old", REFUSED)
    assert run(database, new).forced


def test_a_run_in_the_same_folder_takes_its_place(database: Database) -> None:
    first = register(database, "/runs/one", "maya", "ben")
    mark_promoted(database, ENGINEER, first, "one", None, PASSED)
    assert register(database, "/runs/one", "cleo") == first
    again = run(database, first)
    assert (again.status, again.version, again.verdict) == (Status.STARTED, None, None)
    assert runs_with_user(database, ENGINEER, "maya", SECRET) == []
    assert runs_with_user(database, ENGINEER, "cleo", SECRET) == [again]


def test_what_a_killed_run_left_is_still_of_its_people(database: Database) -> None:
    first = register(database, "/runs/one", "maya")
    again = register(database, "/runs/one", "maya", "cleo")
    assert again == first
    for user in ("maya", "cleo"):
        assert [each.run_id for each in runs_with_user(database, ENGINEER, user, SECRET)] == [first]


def test_what_a_failed_run_left_is_still_of_its_people(database: Database) -> None:
    first = register(database, "/runs/one", "maya")
    mark_failed(database, ENGINEER, first)
    assert run(database, first).status is Status.FAILED
    assert register(database, "/runs/one", "cleo") == first
    assert runs_with_user(database, ENGINEER, "maya", SECRET) == [run(database, first)]


def test_a_copy_is_of_one_run(database: Database) -> None:
    first, second = (register(database, f"/runs/{name}/x") for name in ("one", "two"))
    other = register(database, "/runs/rank/x", name="ranker")
    for run_id in (other, first, second):
        mark_copied(database, ENGINEER, run_id, "x")
    assert [run(database, each).version for each in (first, second, other)] == [None, "x", "x"]


def test_a_run_that_is_moved_takes_in_the_people_of_the_one_that_was_there(database: Database) -> None:
    first, second = register(database, "/runs/one", "maya"), register(database, "/models/one", "cleo")
    move_run(database, ENGINEER, first, Path("/models/one"))
    assert [each.run_id for each in list_runs(database, ENGINEER)] == [first]
    assert run(database, first).folder == Path("/models/one")
    for user in ("maya", "cleo"):
        assert [each.run_id for each in runs_with_user(database, ENGINEER, user, SECRET)] == [first]
    assert register(database, "/runs/one") not in (first, second)


def test_a_model_has_the_people_of_its_base_in_it(database: Database) -> None:
    words = register(database, "/runs/words", "maya", name="language-model", kind="language-model")
    more = register(database, "/runs/more", "ben", name="language-model", bases=[run(database, words)])
    intent = register(database, "/runs/intent", bases=[run(database, more)])
    alone = register(database, "/runs/alone", "zoe")
    found = {each.run_id for each in runs_with_user(database, ENGINEER, "maya", SECRET)}
    assert found == {words, more, intent}
    assert {each.run_id for each in runs_with_user(database, ENGINEER, "ben", SECRET)} == {more, intent}
    assert [each.run_id for each in runs_with_user(database, ENGINEER, "zoe", SECRET)] == [alone]


def test_people_of_a_base_under_a_lost_secret_are_counted_in(database: Database) -> None:
    words = register(database, "/runs/words", "maya", secret=OTHER_SECRET)
    empty = register(database, "/runs/empty", secret=OTHER_SECRET)
    intent = register(database, "/runs/intent", "ben", bases=[run(database, words), run(database, empty)])
    plain = register(database, "/runs/plain", "ben", bases=[run(database, empty)])
    for user in ("maya", "nobody"):
        assert {each.run_id for each in runs_with_user(database, ENGINEER, user, SECRET)} == {words, intent}
    assert {each.run_id for each in runs_with_user(database, ENGINEER, "ben", SECRET)} == {words, intent, plain}


def test_erasure_finds_every_run_with_a_user_and_no_other(database: Database) -> None:
    users = [f"user-{number}" for number in range(12_000)]
    many = register(database, "/runs/many", *users, "maya", "maya")
    few = register(database, "/runs/few", "maya")
    register(database, "/runs/none")
    found = runs_with_user(database, ENGINEER, "maya", SECRET)
    assert {each.run_id for each in found} == {many, few}
    assert [each.run_id for each in runs_with_user(database, ENGINEER, "user-11999", SECRET)] == [many]
    assert runs_with_user(database, ENGINEER, "nobody", SECRET) == []
    forget_run(database, ENGINEER, many)
    assert [each.run_id for each in runs_with_user(database, ENGINEER, "maya", SECRET)] == [few]
    with database.read() as connection:
        assert len(connection.execute(select(model_users)).all()) == 1


def test_the_tables_name_nobody_and_say_nothing_without_the_secret(database: Database) -> None:
    for secret, folder in ((SECRET, "/runs/one"), (OTHER_SECRET, "/runs/two")):
        register(database, folder, "maya", secret=secret)
    with database.read() as connection:
        kept = [row._mapping for table in (model_runs, model_users) for row in connection.execute(select(table))]
        hashes = {row.user_hash for row in connection.execute(select(model_users))}
    assert "maya" not in str(kept)
    assert len(hashes) == 2, "the same user under two secrets"


def test_runs_hashed_with_a_lost_secret_are_counted_in(database: Database) -> None:
    old = register(database, "/runs/old", "ben", secret=OTHER_SECRET)
    register(database, "/runs/empty", secret=OTHER_SECRET)
    new = register(database, "/runs/new", "maya")
    assert {each.run_id for each in runs_with_user(database, ENGINEER, "maya", SECRET)} == {old, new}


def test_who_may_look(database: Database, alice: Principal, backend: Principal, admin: Principal) -> None:
    run_id = register(database, "/runs/one", "alice")
    for principal in (alice, backend, admin):
        assert [each.run_id for each in runs_with_user(database, principal, "alice", SECRET)] == [run_id]
    with pytest.raises(NotFound):
        runs_with_user(database, Principal("mallory", Role.CUSTOMER), "alice", SECRET)
    for stranger in (alice, backend, Principal("a", Role.AGENT, "team"), Principal("s", Role.SUPERVISOR)):
        with pytest.raises(Forbidden):
            list_runs(database, stranger)
        with pytest.raises(Forbidden):
            mark_promoted(database, stranger, run_id, "one", None, PASSED)
        with pytest.raises(Forbidden):
            mark_refused(database, stranger, run_id, REFUSED)
        with pytest.raises(Forbidden):
            forget_run(database, stranger, run_id)
        with pytest.raises(Forbidden):
            mark_copied(database, stranger, run_id, "one")
        with pytest.raises(Forbidden):
            move_run(database, stranger, run_id, Path("/f"))
        with pytest.raises(Forbidden):
            register_run(
                database, stranger, SECRET, name="n", kind="k", folder=Path("/f"), data_hashes={}, users=["alice"]
            )


def test_a_run_that_is_not_there_is_said(database: Database) -> None:
    with pytest.raises(NotFound, match="models list"):
        mark_trained(database, ENGINEER, "nothing", {}, {})
