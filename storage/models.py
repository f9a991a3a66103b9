"""Runs of fine-tuning: where each wrote, what became of it, and who is in its data.

The registry names nobody: a user is kept as a hash keyed with the shop's secret, so that the table alone can be neither read nor
guessed, and a model folder holds nothing of them at all. Erasure asks `runs_with_user`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from storage.database import Database, in_chunks
from storage.errors import NotFound
from storage.principal import Principal, Role
from storage.record import new_id, now_ms
from storage.secret import derive
from storage.tables import model_runs, model_users

KEEPERS = (Role.ENGINEER, Role.ADMIN)
_PURPOSE = "model-users"
_CHECK_DIGITS = 16


class Status(StrEnum):
    """What became of a run."""

    STARTED = "started"  # it runs, or was killed and left checkpoints beside its folder
    FAILED = "failed"  # it ended without a model, and left checkpoints or rejected rows
    TRAINED = "trained"
    PROMOTED = "promoted"  # it serves
    RETIRED = "retired"  # it served
    REFUSED = "refused"  # the gate did not hold


_UNFINISHED = (Status.STARTED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class ModelRun:
    """One run, named by its folder.

    `name` is what `models` calls it ("intent"), `kind` that of the folder's manifest. A run with a `version` has a copy of the
    folder among the shop's published models. `parent` is the version that it was trained or promoted to replace. `base_hashes`
    are by encoder; of a run that made a base model it is that model's own, by its name. `data_hashes` (sha256) are by log file.
    `verdict` is the gate's last, None where it was not asked; `forced` says that the version was promoted without one that held.
    `retrain_since` is when the first of those in its data was erased or took their consent back; None where nobody did.
    Instants are in milliseconds since 1970, UTC.
    """

    run_id: str
    name: str
    kind: str
    folder: Path
    version: str | None
    status: Status
    parent: str | None
    base_hashes: dict[str, str]
    data_hashes: dict[str, str]
    metrics: dict[str, Any]
    verdict: dict[str, Any] | None
    forced: bool
    created_at: int
    promoted_at: int | None
    retrain_since: int | None = None


def register_run(
    db: Database,
    principal: Principal,
    secret: str,
    *,
    name: str,
    kind: str,
    folder: Path,
    data_hashes: Mapping[str, str],
    users: Iterable[str],
    parent: str | None = None,
    bases: Iterable[ModelRun] = (),
) -> str:
    """Registers a run before it writes its first byte, so that erasure finds what a killed one left; returns its id.

    A run in a folder where another was takes its place and its id. If that one was killed or failed, its people stay in: the
    checkpoints that it left may have learned from them.

    Args:
        db: where to.
        principal: an engineer or admin.
        secret: the shop's, see `storage.secret`.
        name: what `models` calls it.
        kind: the kind that the folder's manifest will have.
        folder: where it writes.
        data_hashes: sha256 by log file.
        users: the ids of everybody in the data.
        parent: the version that serves now.
        bases: the runs that the base model may be of: whoever is in one of them is in this one too.

    Raises:
        Forbidden: the role may not.
    """
    principal.require_role(*KEEPERS)
    key = derive(secret, _PURPOSE)
    values = {
        "name": name,
        "kind": kind,
        "folder": str(folder.absolute()),
        "version": None,
        "status": Status.STARTED.value,
        "parent": parent,
        "base_hashes": {},
        "data_hashes": dict(data_hashes),
        "metrics": {},
        "verdict": None,
        "forced": False,
        "key_check": _check_of(key),
        "created_at": now_ms(),
        "promoted_at": None,
        "retrain_since": None,
    }
    hashes = {_hash(key, user) for user in users}
    with db.write(durable=True) as connection:
        for base in bases:
            if theirs := _users_of(connection, base.run_id):
                hashes |= theirs
                check = _key_check_of(connection, base.run_id)
                if check != values["key_check"]:  # of a secret that is gone: who they are, nobody can tell here either
                    values["key_check"] = check
        there = _at(connection, folder)
        run_id = there.run_id if there else new_id()
        if there:
            connection.execute(update(model_runs).where(_is(run_id)), values)
            if there.status not in _UNFINISHED:
                connection.execute(delete(model_users).where(model_users.c.run_id == run_id))
        else:
            connection.execute(insert(model_runs), {"run_id": run_id, **values})
        _add_users(db, connection, run_id, hashes)
    return run_id


def move_run(db: Database, principal: Principal, run_id: str, folder: Path) -> None:
    """What is left of a run lies elsewhere now; a run that was there before is forgotten, and its people stay in."""
    principal.require_role(*KEEPERS)
    with db.write(durable=True) as connection:
        there = _at(connection, folder)
        if there and there.run_id != run_id:
            _add_users(db, connection, run_id, _users_of(connection, there.run_id))
            connection.execute(delete(model_runs).where(_is(there.run_id)))
        connection.execute(update(model_runs).where(_is(run_id)), {"folder": str(folder.absolute())})


def mark_trained(
    db: Database, principal: Principal, run_id: str, metrics: Mapping[str, Any], base_hashes: Mapping[str, str]
) -> None:
    """The run's folder is complete."""
    values = {"status": Status.TRAINED.value, "metrics": dict(metrics), "base_hashes": dict(base_hashes)}
    _change(db, principal, run_id, values)


def mark_failed(db: Database, principal: Principal, run_id: str) -> None:
    """The run ended without a complete folder."""
    _change(db, principal, run_id, {"status": Status.FAILED.value})


def mark_copied(db: Database, principal: Principal, run_id: str, version: str) -> None:
    """A copy of the run's folder is about to be published as `version`: said first, so that no copy is ever of nobody.

    A run of the same name that had it has no copy any more, or the name would not be free.
    """
    with db.write(durable=True) as connection:
        name = _checked(connection, principal, run_id).name
        had = (model_runs.c.name == name) & (model_runs.c.version == version)
        connection.execute(update(model_runs).where(had), {"version": None})
        connection.execute(update(model_runs).where(_is(run_id)), {"version": version})


def mark_refused(db: Database, principal: Principal, run_id: str, verdict: Mapping[str, Any]) -> None:
    """The gate did not hold; a version that served before stays one that did."""
    principal.require_role(*KEEPERS)
    with db.write() as connection:
        refused = model_runs.c.promoted_at.is_(None)
        connection.execute(update(model_runs).where(_is(run_id)), {"verdict": dict(verdict)})
        connection.execute(update(model_runs).where(_is(run_id), refused), {"status": Status.REFUSED.value})


def mark_promoted(
    db: Database,
    principal: Principal,
    run_id: str,
    version: str,
    parent: str | None,
    verdict: Mapping[str, Any] | None,
) -> None:
    """The run serves as `version` in place of `parent`, which is retired; without a `verdict` that held it was forced."""
    values = {
        "status": Status.PROMOTED.value,
        "version": version,
        "parent": parent,
        "verdict": None if verdict is None else dict(verdict),
        "forced": verdict is None or not verdict["passed"],
        "promoted_at": now_ms(),
    }
    _change(db, principal, run_id, values, retires=True)


def mark_serving(db: Database, principal: Principal, run_id: str) -> None:
    """The run serves again after a rollback; when it was promoted, and by what verdict, stays as it was."""
    _change(db, principal, run_id, {"status": Status.PROMOTED.value}, retires=True)


def list_runs(db: Database, principal: Principal, name: str | None = None) -> list[ModelRun]:
    """All runs, or those of one name, the newest first; raises `Forbidden` for other roles than engineer and admin."""
    principal.require_role(*KEEPERS)
    statement = select(model_runs).order_by(model_runs.c.created_at.desc(), model_runs.c.run_id)
    if name is not None:
        statement = statement.where(model_runs.c.name == name)
    with db.read() as connection:
        return [_run(row) for row in connection.execute(statement)]


def runs_with_user(db: Database, principal: Principal, user_id: str, secret: str) -> list[ModelRun]:
    """The runs in whose data a user is, the newest first; those hashed with a secret that is gone are counted in.

    Raises:
        NotFound: the principal is neither the user, the shop's backend, an engineer nor an admin.
    """
    principal.require_owner(user_id, *KEEPERS)
    statement = select(model_runs).where(_learnt_from(user_id, derive(secret, _PURPOSE)))
    with db.read() as connection:
        newest_first = statement.order_by(model_runs.c.created_at.desc(), model_runs.c.run_id)
        return [_run(row) for row in connection.execute(newest_first)]


def forget_user(connection: Connection, user_id: str, secret: str, at: int) -> None:
    """Marks the runs in whose data a user is as to be trained again, and takes their hash out of the registry.

    It is part of an erasure, which has checked who asks.

    Args:
        connection: a transaction that writes.
        user_id: who is erased.
        secret: the shop's.
        at: when, in milliseconds since 1970, UTC.
    """
    flag_user(connection, user_id, secret, at)
    gone = model_users.c.user_hash == _hash(derive(secret, _PURPOSE), user_id)
    connection.execute(delete(model_users).where(gone))


def flag_user(connection: Connection, user_id: str, secret: str, at: int) -> None:
    """Marks the runs in whose data a user is as to be trained again without them; the registry still finds them there.

    It is part of a withdrawal or an erasure, which have checked who asks; arguments as of `forget_user`.
    """
    first = _learnt_from(user_id, derive(secret, _PURPOSE)) & model_runs.c.retrain_since.is_(None)
    connection.execute(update(model_runs).where(first), {"retrain_since": at})


def _learnt_from(user_id: str, key: str) -> Any:
    """The runs in whose data a user is, or of which nobody can tell any more: erasure must not miss one."""
    named = model_users.c.user_hash == _hash(key, user_id)
    unknown = model_runs.c.key_check != _check_of(key)
    return or_(
        model_runs.c.run_id.in_(select(model_users.c.run_id).where(named)),
        unknown & model_runs.c.run_id.in_(select(model_users.c.run_id)),
    )


def forget_run(db: Database, principal: Principal, run_id: str) -> None:
    """Takes a run whose folder is gone out of the registry, its users with it."""
    principal.require_role(*KEEPERS)
    with db.write(durable=True) as connection:
        connection.execute(delete(model_runs).where(_is(run_id)))


def _change(db: Database, principal: Principal, run_id: str, values: dict[str, Any], *, retires: bool = False) -> None:
    with db.write(durable=True) as connection:
        row = _checked(connection, principal, run_id)
        if retires:
            serving = (model_runs.c.name == row.name) & (model_runs.c.status == Status.PROMOTED.value)
            connection.execute(update(model_runs).where(serving), {"status": Status.RETIRED.value})
        connection.execute(update(model_runs).where(_is(run_id)), values)


def _checked(connection: Connection, principal: Principal, run_id: str) -> Row[Any]:
    """The run, which the principal may change."""
    principal.require_role(*KEEPERS)
    row = connection.execute(select(model_runs).where(_is(run_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no run {run_id!r}.", "See: launch.py models list.")
    return row


def _users_of(connection: Connection, run_id: str) -> set[str]:
    return set(connection.execute(select(model_users.c.user_hash).where(model_users.c.run_id == run_id)).scalars())


def _key_check_of(connection: Connection, run_id: str) -> str:
    return str(connection.execute(select(model_runs.c.key_check).where(_is(run_id))).scalar_one())


def _add_users(db: Database, connection: Connection, run_id: str, hashes: Iterable[str]) -> None:
    for some in in_chunks(sorted(hashes), 5_000):
        connection.execute(db.insert_new(model_users), [{"run_id": run_id, "user_hash": each} for each in some])


def _is(run_id: str) -> Any:
    return model_runs.c.run_id == run_id


def _at(connection: Connection, folder: Path) -> Row[Any] | None:
    return connection.execute(select(model_runs).where(model_runs.c.folder == str(folder.absolute()))).one_or_none()


def _run(row: Row[Any]) -> ModelRun:
    values = dict(row._mapping)
    del values["key_check"]
    return ModelRun(**{**values, "folder": Path(row.folder), "status": Status(row.status)})


def _hash(key: str, user_id: str) -> str:
    return hmac.new(key.encode(), user_id.encode("utf-8", errors="replace"), "sha256").hexdigest()


def _check_of(key: str) -> str:
    """Tells two keys apart without saying anything of either."""
    return hmac.new(key.encode(), b"check", "sha256").hexdigest()[:_CHECK_DIGITS]
