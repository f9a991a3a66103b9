"""Erasing a person: rows, files, what models know of them, and a ledger by which a restored backup forgets them again.

    ledger: begun → files → rows and registry, one transaction → the database's own remains (WAL, free pages) → ledger: done

The ledger `<shop>/erasures.jsonl` holds keyed hashes and instants, no ids: whether an id that one knows was erased can be told only
with the shop's secret. It is written first, and files are cleaned before the rows go, so that an erasure that was killed is done
over at the next start, for the rows say of whom.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from storage.access_log import ERASED, forget_accessed, note_erased
from storage.database import Database
from storage.disk import writing
from storage.errors import Damaged, Unavailable
from storage.event_spool import replay
from storage.models import ModelRun, Status, forget_user, list_runs, runs_with_user
from storage.personal import MAY_ERASE, delete_rows, has_rows, people
from storage.principal import Principal, Role
from storage.publish import amend_file
from storage.record import now_ms
from storage.secret import derive, load_secret
from storage.traces import Trace, remove_traces

LEDGER: Final = "erasures.jsonl"
REPORT: Final = "report.html"
"""A run's page shows turns that a model got wrong."""
_PURPOSE: Final = "erasures"
_OPERATOR: Final = Principal("erasure", Role.ADMIN, machine=True)
logger = logging.getLogger(__name__)

Later = Callable[[str, int], bool]
"""Takes a hash and an instant of the ledger; whether their remains are overwritten already."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of one person.

    Attributes:
        rows: how many went by table.
        traces: the files that held their id.
        runs: the training runs that learnt from them, which are to be trained again.
        compacted: whether the database's own remains are gone; another process that reads keeps them until it is done, and
            where many are erased they are overwritten together a little later.
    """

    rows: Mapping[str, int]
    traces: tuple[Trace, ...] = ()
    runs: tuple[ModelRun, ...] = ()
    compacted: bool = True


@dataclass(frozen=True)
class Ledger:
    """Who was erased when, by keyed hash; the latest erasure counts, and those in `open` were not finished."""

    path: Path
    key: str
    known: dict[str, int] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, shop: Path) -> Ledger:
        """The ledger of a shop's folder; an empty one where there is none.

        Raises:
            Damaged: a line of it cannot be read. Nothing is passed over: a line that is lost is a person who comes back.
        """
        ledger = cls(shop / LEDGER, derive(load_secret(shop), _PURPOSE))
        try:
            lines = ledger.path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return ledger
        except (OSError, UnicodeDecodeError) as error:
            raise _damaged(ledger.path, str(error)) from None
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                ledger._take(str(row["user"]), int(row["at"]), bool(row["done"]))
            except (ValueError, KeyError, TypeError):
                if number < len(lines):
                    raise _damaged(ledger.path, f"line {number} is no erasure") from None
                # The last one was cut short by a kill, before anything of it was done.
                logger.warning("%s ends in half a line, which is passed over.", ledger.path)
        return ledger

    def add(self, user_id: str, at: int, *, done: bool) -> None:
        """Writes down that the erasure of a person has begun, or is done; for good before it returns."""
        self._write(self.hash_of(user_id), at, done)

    def finish(self, only: Mapping[str, int] | None = None) -> None:
        """Writes down that all erasures are done, or `only` those: their instants by hash. What was begun again since is not."""
        for hashed in sorted(self.open):
            if only is None or only.get(hashed) == self.known[hashed]:
                self._write(hashed, self.known[hashed], done=True)

    def _write(self, hashed: str, at: int, done: bool) -> None:
        with writing(self.path):
            handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # What a kill cut short goes first: behind another line it would be taken for damage. What another is just
                # writing is no such remainder.
                fcntl.flock(handle, fcntl.LOCK_EX)
                said = os.pread(handle, os.fstat(handle).st_size, 0)
                os.ftruncate(handle, said.rfind(b"\n") + 1)
                os.write(handle, (json.dumps({"user": hashed, "at": at, "done": done}) + "\n").encode())
                os.fsync(handle)
            finally:
                os.close(handle)
        self._take(hashed, at, done)

    def _take(self, hashed: str, at: int, done: bool) -> None:
        self.known[hashed] = max(at, self.known.get(hashed, 0))
        (self.open.discard if done else self.open.add)(hashed)

    def is_open(self, user_id: str) -> bool:
        """Whether an erasure of a person was begun and not finished."""
        return self.hash_of(user_id) in self.open

    def erased_at(self, user_id: str) -> int | None:
        """When a person was erased last, in milliseconds since 1970, UTC; None where they never were."""
        return self.known.get(self.hash_of(user_id))

    def hash_of(self, user_id: str) -> str:
        """What stands in the ledger for a person."""
        return hmac.new(self.key.encode(), user_id.encode("utf-8", errors="replace"), "sha256").hexdigest()


def erase_user(db: Database, principal: Principal, shop: Path, user_id: str, later: Later | None = None) -> Erased:
    """Erases a person: every row, every line of the shop's own files, and what says that models learnt from them.

    Who comes back afterwards is a stranger. Somebody of whom nothing is known is erased like anybody else. `later` overwrites the
    database's own remains when it is their time (`storage.compaction`); without it that is done before this returns.

    Raises:
        NotFound: the principal is neither the person, the shop's backend nor an admin.
        Unavailable: the database or a file cannot be written; it is done over by asking again, or at the next start.
    """
    principal.require_owner(user_id, *MAY_ERASE)
    replay(db, shop)  # or what waits would come after
    return _erase(db, shop, Ledger.of(shop), user_id, now_ms(), by=principal, later=later)


def erased_name(shop: Path, user_id: str) -> str:
    """By what the log of who looked at whom knows a person once they are erased; raises what `load_secret` raises."""
    return ERASED + Ledger(shop / LEDGER, derive(load_secret(shop), _PURPOSE)).hash_of(user_id)


def erase_again(db: Database, shop: Path) -> int:
    """Erases those anew who came back with a restored backup or an old file; returns how many.

    What a kill cut short is finished, too. What somebody did after they were erased stays. It costs nothing where nobody ever was.

    Raises:
        Damaged: the ledger cannot be read.
        Unavailable: the database or a file cannot be written.
    """
    ledger = Ledger.of(shop)
    if not ledger.known:
        return 0
    replay(db, shop)  # what waits, in a backup too, may be of somebody erased
    with db.read() as connection:
        known = [(user, at) for user in people(connection) if (at := ledger.erased_at(user)) is not None]
        back = [(user, at) for user, at in known if has_rows(connection, user, at)]
    for user_id, at in back:
        _erase(db, shop, ledger, user_id, at)
    if ledger.open:  # killed when the rows had gone already, or others read: their bytes may be left
        try:
            if db.compact():
                ledger.finish()
        except Unavailable as error:  # no room for it, say: the rows have gone, and a shop must open
            logger.warning("What was erased could not be overwritten yet: %s", error)
    return len(back)


def _erase(
    db: Database,
    shop: Path,
    ledger: Ledger,
    user_id: str,
    at: int,
    by: Principal | None = None,
    later: Later | None = None,
) -> Erased:
    """What a person had at the instant `at`, in milliseconds since 1970, UTC; everything where somebody (`by`) asks for it now."""
    secret, unfinished = load_secret(shop), ledger.is_open(user_id)
    ledger.add(user_id, at, done=False)
    runs = runs_with_user(db, _OPERATOR, user_id, secret)
    traces: list[Trace] = []
    for run in runs:
        _clean_run(shop, run)
    for run in list_runs(db, _OPERATOR):
        for path in sorted(run.folder.glob("*.jsonl")):
            amend_file(run.folder, run.kind, path.name, lambda path: traces.extend(remove_traces([path], user_id)))
    traces += remove_traces(_files(shop, runs), user_id)
    with db.write(durable=True) as connection:
        rows = delete_rows(connection, user_id, at if by is None else None)
        forget_user(connection, user_id, secret, at)
        renamed = forget_accessed(connection, user_id, ledger.hash_of(user_id), at if by is None else None)
        if by is not None:
            note_erased(connection, by, ledger.hash_of(user_id), at)
    # Of somebody who left nothing there is nothing to overwrite: asking again and again must not rewrite the database each time.
    if later is not None and (rows or renamed or unfinished):
        compacted = later(ledger.hash_of(user_id), at)  # which writes down that it is done
    else:
        compacted = db.compact() if rows or renamed or unfinished else True
        if compacted:  # else it is unfinished: asked again, or at the next start, the bytes are overwritten
            ledger.add(user_id, at, done=True)
    return Erased(rows, tuple(traces), tuple(runs), compacted)


def _clean_run(shop: Path, run: ModelRun) -> None:
    """Takes the page with turns out of a run's folder and its published copy, and the checkpoints of one that was killed."""
    copies = [shop / "models" / run.name / run.version] if run.version else []
    for folder in (run.folder, *copies):
        amend_file(folder, run.kind, REPORT, Path.unlink)
    if run.status in (Status.STARTED, Status.FAILED):
        for left in run.folder.parent.glob(f".{run.folder.name}.*"):
            shutil.rmtree(left, ignore_errors=True)


def _files(shop: Path, runs: list[ModelRun]) -> list[Path]:
    """The files in which a person may stand beside model folders: the shop's own, and the logs that their runs learnt from."""
    ours = {path for path in shop.iterdir() if not path.name.startswith(("aisle.db", LEDGER, "secret"))}
    ours |= set((shop / "rejected").rglob("*"))
    ours |= {Path(name) for run in runs for name in run.data_hashes}
    return sorted(path for path in ours if path.is_file() and not path.is_symlink())


def _damaged(path: Path, reason: str) -> Damaged:
    return Damaged(f"{path} cannot be read: {reason}.", "Restore it from a backup: it says who must stay forgotten.")
