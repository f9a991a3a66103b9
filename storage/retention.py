"""How long data is kept: whatever is older than its kind's period goes, a few rows a transaction.

Every table that may hold a person's data has a kind here; a part goes with what it belongs to, or before it where it has a kind of
its own. Nothing is remembered between two runs: what is too old is told from the rows, so that a run that was killed is done over
by the next, and each transaction leaves the database whole. Between two of them others write.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from sqlalchemy import Column, ColumnElement, Connection, Delete, Table, Update, and_, delete, func, select, update

from storage import tables
from storage.database import Database, in_chunks
from storage.disk import writing
from storage.identity import VISITOR_MARK
from storage.personal import OWNED, delete_rows
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.settings import DAY_MS, RetentionSettings

Kind = Literal[
    "conversations", "events", "carts", "desk", "suggestions", "unanswered", "contacts", "orders", "choices", "visitors", "audit",
    "rejected",
]  # fmt: skip
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
KIND_OF: Final[dict[Table, Kind]] = {
    tables.conversations: "conversations",
    tables.turns: "conversations",
    tables.feedback: "conversations",
    tables.labels: "conversations",
    tables.answers: "conversations",
    tables.tickets: "conversations",
    tables.notes: "desk",
    tables.drafts: "desk",
    tables.suggestions: "suggestions",
    tables.unanswered: "unanswered",
    tables.events: "events",
    tables.event_items: "events",
    tables.carts: "carts",
    tables.cart_lines: "carts",
    tables.cart_requests: "carts",
    tables.orders: "orders",
    tables.order_items: "orders",
    tables.order_changes: "orders",
    tables.customers: "orders",
    tables.contacts: "contacts",
    tables.consents: "choices",
    tables.consent_records: "choices",
    tables.hidden_beliefs: "choices",
    tables.accesses: "audit",
}
"""`choices` have no period: as long as anything of a person is kept, what they allow must be known. `visitors` are whole people."""
BATCH: Final = 100
"""Rows of the table that is cleared; those that go with them come on top."""
PAUSE_S: Final = 0.02
"""Between two transactions, for writers that wait."""
MAY_CLEAR: Final = (Role.ADMIN, Role.SERVICE)
VISITORS: Final = 20
"""People a transaction."""
Progress = Callable[[str, int], None]
_OPEN_TICKETS: Final = select(tables.tickets.c.conversation_id).where(tables.tickets.c.closed_at.is_(None))


@dataclass(frozen=True, slots=True)
class Cleared:
    """What became of a run: rows by kind and table (`visitors` by person too), or what would; files by name.

    `compacted` says whether the database's log is emptied, and where that was asked for its file written anew: another process that
    reads keeps them until it is done. None where nothing was to be deleted.
    """

    dry_run: bool
    rows: dict[Kind, dict[str, int]]
    files: tuple[str, ...]
    compacted: bool | None

    @property
    def total(self) -> int:
        """Rows and files in all."""
        return sum(sum(each.values()) for each in self.rows.values()) + len(self.files)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """One table to clear: `which` rows are too old, and `key` names them."""

    kind: Kind
    table: Table
    key: Column[Any]
    which: ColumnElement[bool]


def clear(
    db: Database,
    principal: Principal,
    shop: Path,
    settings: RetentionSettings | None,
    *,
    now: int | None = None,
    dry_run: bool = False,
    compact: bool = False,
    progress: Progress = lambda kind, rows: None,
    stop: Callable[[], bool] = lambda: False,
) -> Cleared:
    """Deletes what is older than its period.

    Args:
        db: where from.
        principal: who clears: the shop itself.
        shop: the shop's folder, whose rejected rows have a period too.
        settings: `[retention]` of shop.toml; without it everything is kept.
        now: the moment by which ages are told, in milliseconds since 1970, UTC.
        dry_run: only counts.
        compact: also writes the database anew without the deleted bytes, for which others wait; without it deleted bytes are
            overwritten with zeros and the log is emptied.
        progress: called with (kind, rows so far).
        stop: asked after each transaction whether the run is to end where it is.

    Raises:
        Forbidden: only the shop's backend and an admin may.
        Unavailable: the database or a file cannot be written; what is left is done by the next run.
    """
    principal.require_role(*MAY_CLEAR)
    if settings is None:
        return Cleared(dry_run, {}, (), None)
    moment = now_ms() if now is None else now
    days = settings.model_dump()
    rows: dict[Kind, dict[str, int]] = {}
    for sweep in _sweeps(days, moment):
        if count := _count(db, sweep) if dry_run else _sweep(db, sweep, progress, stop):
            rows.setdefault(sweep.kind, {})[sweep.table.name] = count
    if days["visitors"] and (gone := _visitors(db, moment - days["visitors"] * DAY_MS, dry_run, progress, stop)):
        rows["visitors"] = gone
    files = _rejected(shop, moment - days["rejected"] * DAY_MS, dry_run) if days["rejected"] else ()
    # The log also where nothing was too old: a run that was killed may have left it full.
    compacted = None if dry_run else db.compact() if compact and rows else db.empty_log()
    return Cleared(dry_run, rows, files, compacted)


def as_lines(cleared: Cleared, settings: RetentionSettings | None) -> str:
    """What became of it, for a person to read."""
    if settings is None:
        return "Everything is kept: shop.toml has no [retention]. docs/privacy.md says which periods there are."
    days = settings.model_dump()
    verb = "would go" if cleared.dry_run else "went"
    lines = [
        f"{kind:<14}after {days[kind]:>5} days  {', '.join(f'{count:,} {name}' for name, count in counts.items())} {verb}"
        for kind, counts in cleared.rows.items()
    ]
    if cleared.files:
        lines.append(f"{'rejected':<14}after {days['rejected']:>5} days  {len(cleared.files):,} files {verb}")
    if cleared.compacted is False:
        lines.append("Another process reads the database: run this again when it has stopped, so that no byte is left.")
    return "\n".join(lines) or "Nothing is older than its period."


def _sweeps(days: dict[str, int], now: int) -> Iterable[_Sweep]:
    """Parts that have a period of their own first, then what they belong to."""

    def older(
        kind: Kind, table: Table, key: str, since: str, also: ColumnElement[bool] | None = None
    ) -> Iterable[_Sweep]:
        if days[kind]:
            old = table.c[since] < now - days[kind] * DAY_MS
            yield _Sweep(kind, table, table.c[key], old if also is None else and_(old, also))

    yield from older("suggestions", tables.suggestions, "suggestion_id", "shown_at")
    yield from older("unanswered", tables.unanswered, "message_id", "asked_at")
    yield from older(
        "desk", tables.notes, "note_id", "created_at", tables.notes.c.conversation_id.not_in(_OPEN_TICKETS)
    )
    yield from older("desk", tables.drafts, "conversation_id", "updated_at")
    # An address that was left to be answered is a note of the desk's; the ticket itself is the conversation's.
    yield from older("desk", tables.tickets, "ticket_id", "closed_at", tables.tickets.c.contact.is_not(None))
    waits = tables.conversations.c.conversation_id.in_(_OPEN_TICKETS)
    yield from older("conversations", tables.conversations, "conversation_id", "updated_at", ~waits)
    yield from older("events", tables.events, "row", "timestamp")
    yield from older("carts", tables.carts, "cart_id", "updated_at")
    yield from older("contacts", tables.contacts, "user_id", "drawn_at")
    yield from older("orders", tables.order_changes, "row", "created_at")
    over = tables.orders.c.status.not_in(("placed", "paid", "shipped"))
    yield from older("orders", tables.orders, "order_id", "placed_at", over)
    stays = ~(over & (tables.orders.c.placed_at < now - days["orders"] * DAY_MS))
    ordered = select(tables.orders.c.user_id).where(stays)
    yield from older("orders", tables.customers, "user_id", "updated_at", tables.customers.c.user_id.not_in(ordered))
    yield from older("audit", tables.accesses, "row", "at")


def _sweep(db: Database, sweep: _Sweep, progress: Progress, stop: Callable[[], bool]) -> int:
    """Deletes the rows of one table along its keys; returns how many.

    They are looked for while others write, and looked at again in the transaction that deletes.
    """
    done, last = 0, None
    while True:
        beyond = sweep.which if last is None else and_(sweep.which, sweep.key > last)
        with db.read() as connection:
            keys = connection.execute(select(sweep.key).where(beyond).order_by(sweep.key).limit(BATCH)).scalars().all()
        if keys:
            with db.write() as connection, _overwriting(connection):
                done += connection.execute(_change(sweep, keys)).rowcount
            last = keys[-1]
            progress(sweep.kind, done)
        if len(keys) < BATCH or stop():
            return done
        time.sleep(PAUSE_S)


def _change(sweep: _Sweep, keys: Sequence[Any]) -> Delete | Update:
    these = and_(sweep.key.in_(keys), sweep.which)
    if sweep.table is tables.tickets:
        return update(sweep.table).where(these).values(contact=None)
    return delete(sweep.table).where(these)


def _count(db: Database, sweep: _Sweep) -> int:
    with db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(sweep.table).where(sweep.which)).scalar_one())


def _visitors(db: Database, until: int, dry_run: bool, progress: Progress, stop: Callable[[], bool]) -> dict[str, int]:
    """Takes out everything of visitors without a name who left no trace since `until`; how many people, and rows by table."""
    gone: Counter[str] = Counter()
    last = VISITOR_MARK
    while True:
        with db.read() as connection:
            page = _next_visitors(connection, last)
            old = sorted(set(page) - _staying(connection, page, until)) if page else []
        if not page or stop():
            return {name: count for name, count in gone.items() if count}
        last = page[-1]
        if dry_run:
            gone["visitors"] += len(old)
            continue
        for some in in_chunks(old, VISITORS):
            with db.write() as connection, _overwriting(connection):
                # Looked at again: they may have come back meanwhile.
                for user in set(some) - _staying(connection, some, until):
                    gone["visitors"] += 1
                    gone.update(delete_rows(connection, user))
            progress("visitors", gone["visitors"])
            time.sleep(PAUSE_S)


def _next_visitors(connection: Connection, last: str) -> list[str]:
    """The next visitors by id; each table is read along its index."""
    beyond = VISITOR_MARK[:-1] + chr(ord(VISITOR_MARK[-1]) + 1)
    found: set[str] = set()
    for owned in OWNED:
        own = select(owned.user).where(owned.user > last, owned.user < beyond).distinct()
        found.update(connection.execute(own.order_by(owned.user).limit(BATCH)).scalars())
    return sorted(found)[:BATCH]


def _staying(connection: Connection, users: Sequence[str], until: int) -> set[str]:
    """Those who left a trace since `until`, ordered something at any time, or wait for a person still."""
    found: set[str] = set()
    for owned in OWNED:
        theirs = owned.user.in_(users)
        lately = theirs if KIND_OF[owned.table] == "orders" else and_(theirs, owned.since >= until)
        found.update(connection.execute(select(owned.user).where(lately).distinct()).scalars())
    talks = tables.conversations
    waiting = select(talks.c.user_id).where(talks.c.user_id.in_(users), talks.c.conversation_id.in_(_OPEN_TICKETS))
    return found | set(connection.execute(waiting).scalars())


def _rejected(shop: Path, until: int, dry_run: bool) -> tuple[str, ...]:
    """The files of rejected rows, and reports beside them, that were written before `until`."""
    folder = shop / "rejected"
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_mtime * 1000 < until]
    for path in [] if dry_run else found:
        with writing(path):
            path.unlink(missing_ok=True)
    return tuple(str(path.relative_to(folder)) for path in found)


@contextmanager
def _overwriting(connection: Connection) -> Iterator[None]:
    """SQLite writes zeros over what is deleted meanwhile."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    yield
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=OFF")
