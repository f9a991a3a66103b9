"""A shop's folder copied while it serves, and put back: database, published versions, settings, secret, ledger of erasures.

    database, as of one moment → files, pointers before the versions that they name → ledger of erasures, last

In that order, whoever is erased meanwhile stands in the ledger of the same backup. Whoever is erased afterwards stands in a later
ledger only, which is why `restore` takes one beside the backup (`storage/erasure.py`).
A PostgreSQL is not in it: `pg_dump` copies that, and has to run first.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url

from storage.database import Database
from storage.disk import disk_trouble
from storage.erasure import LEDGER, Ledger, erase_again
from storage.errors import AisleError, Conflict, Damaged, InvalidInput, NotFound
from storage.migrate import current_revision
from storage.publish import MANIFEST, POINTER, read_manifest, write_manifest

KIND: Final = "backup"
DATABASE: Final = "aisle.db"
_FOLDER: Final = "shop"
"""Where the shop's files stand in a backup; the database stands beside it."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written or put back: `folder` holds `files` of `bytes` in all; `erased` people were forgotten again."""

    folder: Path
    database: str
    files: int
    bytes: int
    erased: int = 0


def back_up(shop: Path, url: str, target: Path) -> Backup:
    """Copies a shop to `target`, a folder that is not there yet, while servers go on writing; it appears whole or not at all.

    It holds the secret and all that is known of everybody, so it is its owner's alone (mode 0700).

    Raises:
        NotFound: there is no such shop, or its database was not made yet.
        InvalidInput: the backup would lie in the shop's own folder.
        Conflict: the target is there already, or a version was replaced while it was copied.
        Unavailable: the database does not answer, or the disk is full.
    """
    if not shop.is_dir():
        raise NotFound(f"There is no folder {shop}.", "Give --shop DIR.")
    if target.absolute().resolve().is_relative_to(shop.resolve()):
        raise InvalidInput(f"{target} lies in the shop's own folder.", "Back up to another place, best another disk.")
    if target.exists():
        raise Conflict(f"{target} is there already.", "Give a new name, such as backups/2026-11-28.")
    own = _sqlite_file(url)
    if own is not None and not own.is_file():
        raise NotFound(f"There is no database {own}.", "The first `launch.py serve` or `ingest` makes it.")
    beside = target.with_name(f".tmp-{target.name}-{secrets.token_hex(4)}")
    with disk_trouble(target.parent):
        try:
            beside.mkdir(mode=0o700, parents=True)
            meta = {"database": "postgresql" if own is None else "sqlite", "revision": None}
            if own is not None:
                meta["revision"] = _copy_database(url, beside / DATABASE)
            _copy_files(shop, beside / _FOLDER, own)
            if (shop / LEDGER).is_file():
                shutil.copy2(shop / LEDGER, beside / LEDGER)
            write_manifest(beside, KIND, meta)
            beside.rename(target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return _told(target, str(meta["database"]))


def restore(backup: Path, shop: Path, url: str, erasures: Path | None = None) -> Backup:
    """Puts a backup into an empty folder, every hash checked before, brings its tables up to date and forgets the erased again.

    Args:
        backup: what `back_up` wrote.
        shop: a folder that is empty or not there.
        url: the database. SQLite's file must not be there; a PostgreSQL must hold the dump that was made with the backup.
        erasures: a ledger that is later than the backup's own, such as that of the folder which was lost.

    Raises:
        NotFound, Damaged: the backup is not there or not whole, or a ledger cannot be read.
        Conflict: the folder or the database holds something.
        InvalidInput: the database is of another kind than the backup's.
        Unavailable: the database does not answer, or the disk is full.
    """
    meta = read_manifest(backup, KIND).meta
    own, kind = _sqlite_file(url), meta["database"]
    if (kind == "sqlite") != (own is not None):
        hint = "Name one in AISLE_DATABASE_URL, which goes before [database] url of the backup's shop.toml."
        raise InvalidInput(f"The backup is of a shop on {kind}, and the database named is none.", hint)
    left = [path.name for path in shop.iterdir() if path.name != "lost+found"] if shop.is_dir() else []
    if left or (own is not None and own.exists()):
        what = f"{shop} holds {sorted(left)[0]} already" if left else f"{own} is there already"
        hint = "Move it away and restore into an empty folder, with --erasures and its erasures.jsonl."
        raise Conflict(f"{what}.", hint)
    if own is None:
        _require_dump(url)
    ledgers = [backup / LEDGER] if (backup / LEDGER).exists() else []
    lines = _ledger_lines([*ledgers, erasures] if erasures is not None else ledgers)
    with disk_trouble(shop):
        shutil.copytree(backup / _FOLDER, shop, dirs_exist_ok=True)
        if lines:
            (shop / LEDGER).touch(mode=0o600)
            (shop / LEDGER).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            Ledger.of(shop)  # it must be readable before the database is there to be served
        if own is not None:
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(backup / DATABASE, own)
    database = Database.open(url)
    try:
        erased = erase_again(database, shop)
    finally:
        database.close()
    return _told(shop, kind, erased)


def settings_in(backup: Path) -> bytes:
    """The shop.toml in a backup; empty where the shop had none."""
    path = backup / _FOLDER / "shop.toml"
    return path.read_bytes() if path.is_file() else b""


def _sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None for a PostgreSQL."""
    return Path(make_url(url).database or "") if url.startswith("sqlite") else None


def _copy_database(url: str, target: Path) -> str | None:
    """The database as of one moment, without what was deleted from it; returns its revision. Tables stay as they are."""
    database = Database.connect(url)
    try:
        database.copy_to(target)
    finally:
        database.close()
    copied = Database.connect(f"sqlite:///{target}")
    try:
        with copied.read() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
            revision = current_revision(connection)
    finally:
        copied.close()
    for left in ("-wal", "-shm"):
        target.with_name(target.name + left).unlink(missing_ok=True)
    if found != "ok":
        raise Damaged(f"The database {url} is damaged: {found}.", "Restore an earlier backup.")
    return revision


def _copy_files(shop: Path, target: Path, database: Path | None) -> None:
    """All of the shop's files but the database, the ledger, links, and what is hidden: locks, and what is being written.

    In a published folder nothing is passed over: what its manifest names may be hidden, too.
    """
    target.mkdir(mode=0o700)
    published: set[Path] = set()
    for folder, names, files in os.walk(shop):
        here = Path(folder)
        if MANIFEST in files or here.parent in published:
            published.add(here)
        else:
            names[:] = [name for name in names if not name.startswith(".")]
            files = [name for name in files if not name.startswith(".")]
        there = target / here.relative_to(shop)
        there.mkdir(exist_ok=True)
        # Before the folders below it: the version that a pointer names is there for as long as it takes to copy it.
        for path in (here / name for name in files):
            ours = database is not None and path.absolute() in _sqlite_parts(database)
            later = here == shop and path.name == LEDGER
            if not ours and not later and path.is_file() and not path.is_symlink():
                _copy(path, there / path.name)
    for pointer in target.rglob(POINTER):
        _keep_whole(pointer)


def _sqlite_parts(database: Path) -> set[Path]:
    whole = database.absolute()
    return {whole, *(whole.with_name(whole.name + end) for end in ("-wal", "-shm", "-journal"))}


def _copy(path: Path, target: Path) -> None:
    try:
        shutil.copy2(path, target)
    except FileNotFoundError:
        target.unlink(missing_ok=True)  # of a version that was swept meanwhile: `_keep_whole` looks


def _keep_whole(pointer: Path) -> None:
    """Drops versions that vanished while they were copied; the current one must be whole."""
    current = pointer.read_text("ascii", errors="replace").strip()
    for folder in (path for path in pointer.parent.iterdir() if path.is_dir()):
        try:
            read_manifest(folder, json.loads((folder / MANIFEST).read_bytes())["kind"])
        except (AisleError, OSError, ValueError, KeyError, TypeError) as error:
            if folder.name == current:
                raise Conflict(
                    f"The version {folder.name} cannot be copied whole: {error}",
                    "Run `launch.py doctor`, then try again.",
                ) from None
            shutil.rmtree(folder)


def _require_dump(url: str) -> None:
    database = Database.connect(url)
    try:
        with database.read() as connection:
            if current_revision(connection) is None:
                raise Conflict("The database has no tables.", "Put the dump back first: pg_restore --dbname=URL FILE.")
    finally:
        database.close()


def _ledger_lines(ledgers: list[Path]) -> list[str]:
    """The lines of all ledgers, each once; what a kill cut short at the end of one says nothing of an erasure that was done."""
    lines: dict[str, None] = {}
    for path in ledgers:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise NotFound(f"The ledger {path} cannot be read: {error}.", "Give an erasures.jsonl.") from None
        lines |= dict.fromkeys(text[: text.rfind("\n") + 1].splitlines())
    return list(lines)


def _told(folder: Path, database: str, erased: int = 0) -> Backup:
    sizes = [path.stat().st_size for path in _files(folder)]
    return Backup(folder, database, len(sizes), sum(sizes), erased)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def as_values(done: Backup) -> dict[str, Any]:
    """`{"folder", "database", "files", "bytes", "erased_again"}`."""
    told = {"folder": str(done.folder), "database": done.database, "files": done.files, "bytes": done.bytes}
    return {**told, "erased_again": done.erased}
