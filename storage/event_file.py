"""Loading a file of events: looked through as a whole first, then written in batches, with a report of how good it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from storage.consent import Consent
from storage.database import Database
from storage.disk import writing
from storage.errors import InvalidInput
from storage.event import Event, read_event
from storage.event_audit import NAMED, Bot, Dwell, EventAudit, Findings, cleaned, date_problem, unknown_share
from storage.events import record_events, writer_of
from storage.principal import Principal
from storage.record import now_ms
from storage.rows import Rejects, RowProblem, read_jsonl, unexpected

BATCH: Final = 5_000
"""Rows a transaction."""
_SPANS: Final = {1: "one minute", 60: "one hour"}
REPEATED: Final = "the same event under another event_id, which came before"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class EventQuality:
    """How good a file of events is. Shares are from 0 to 1 and None where there is nothing to share.

    `dropped` counts optional fields that could not be used, by name ("items.price"); `unknown_items_share` is of the events about
    products whose product the catalog lacks, None without a catalog; `odd_quantities` and `odd_values` are kept as
    they are. `bots` are named by pseudonyms.
    """

    kinds: dict[str, int]
    users: int
    sessions: int
    first: str | None
    last: str | None
    rejected_by_reason: dict[str, int]
    repeated: int
    dropped: dict[str, int]
    without_items_share: float | None
    without_session_share: float | None
    unknown_items_share: float | None
    unknown_items: tuple[str, ...]
    bots: tuple[Bot, ...]
    bot_events: int
    dwell: Dwell
    odd_quantities: int
    odd_values: int

    def text(self) -> str:
        """The report for a person, in lines."""
        dwell = self.dwell
        kinds = ", ".join(f"{name} {count:,}" for name, count in self.kinds.items()) or "none"
        spread = (
            f"; 10 % below {dwell.p10} s, half below {dwell.p50} s, 90 % below {dwell.p90} s" if dwell.known else ""
        )
        missed = f" ({', '.join(self.unknown_items)})" if self.unknown_items else ""
        lines = [
            ("events", kinds),
            ("from, to", f"{self.first or '-'}, {self.last or '-'}"),
            ("by", f"{self.users:,} users in {self.sessions:,} sessions"),
            ("", f"{_share(self.without_session_share)} of the events without a session"),
            ("items", f"{_share(self.without_items_share)} of the events about products name none"),
            ("", f"{_share(self.unknown_items_share)} name one that the catalog lacks{missed}"),
            ("dwell", f"{dwell.known:,} known{spread}"),
            (
                "",
                f"missing in {_share(dwell.missing_share)} of the views; {dwell.impossible:,} impossible and made null",
            ),
            ("repeated", f"{self.repeated:,} events that came before under another id; they were left out"),
            ("bots", f"{len(self.bots):,} users with {self.bot_events:,} events; kept, and count for nothing"),
            *(("", f"{bot.user_id}: {bot.acts:,} acts in {_SPANS[bot.minutes]}") for bot in self.bots[:NAMED]),
            ("odd", f"{self.odd_quantities:,} quantities, {self.odd_values:,} values far above the others; kept"),
            ("rejected", f"{sum(self.rejected_by_reason.values()):,}"),
            *(("", f"{count:,} x {reason}") for reason, count in self.rejected_by_reason.items()),
            ("made null", f"{sum(self.dropped.values()):,} optional fields that could not be used"),
            *(("", f"{count:,} x {name}") for name, count in self.dropped.items()),
        ]
        return "".join(f"{name:<10} {said}\n" for name, said in lines)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a file: counts of rows, where the rejected ones are, and the file's quality, `report_file` for a person."""

    read: int
    accepted: int
    duplicates: int
    rejected: int
    dropped_fields: int
    rejected_file: str | None
    report_file: str
    quality: EventQuality


def load_events(
    db: Database,
    principal: Principal,
    path: Path,
    rejected: Path,
    default: Consent,
    max_rejected: float,
    known: Callable[[str], bool] | None = None,
    progress: Progress = lambda step, done, total: None,
    *,
    pseudonym: Callable[[str], str],
) -> Loaded:
    """Loads a JSONL file of events; loading it again changes nothing.

    The file is read twice, so that nothing of one is loaded of which too much cannot be used, and memory stays small.

    Args:
        db: where to.
        principal: who writes.
        path: the file, also packed with gzip.
        rejected: where rows that are rejected, or left out as repeated, go with their reasons; the report goes beside it.
        default: the consent of events without one, of people who never chose.
        max_rejected: the share of rows that may be rejected; ten always may. Repeated ones do not count.
        known: whether the catalog has an item; None where there is no catalog.
        progress: called with (step, events done, events in all).
        pseudonym: the name by which the report knows a user (`storage.pseudonyms`).

    Raises:
        InvalidInput: the file cannot be read.
        TooManyRejected: too many rows cannot be used; nothing is loaded then.
    """
    now, audit, rejects = now_ms(), EventAudit(), Rejects()
    dropped: Counter[str] = Counter()
    read = good = 0
    for number, row, event, fields in _rows(path, principal, now):
        read += 1
        if isinstance(event, str):
            rejects.add(number, event, row)
            continue
        good += 1
        audit.add(event)
        dropped.update(re.sub(r"\.\d+", "", name) for name in fields)
    found = audit.findings()
    quality = _quality(found, good, rejects, dropped, known, pseudonym)
    report = rejected.with_suffix(".report.txt")
    with writing(report):
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(quality.text(), encoding="utf-8")
    if rejects.count:
        rejects.write(rejected)
    rejects.check(read, max_rejected)

    accepted = duplicates = place = 0
    repeated = Rejects(list(rejects.rows))
    batch: list[Event] = []
    for number, row, event, _ in _rows(path, principal, now):
        if isinstance(event, str) or place == good:  # the file has grown since: the rest is for the next time
            continue
        if found.repeated[place]:
            repeated.add(number, REPEATED, row)
        else:
            batch.append(cleaned(event, bool(found.impossible[place])))
        place += 1
        if len(batch) == BATCH or place == good:
            recorded = record_events(db, principal, batch, default)
            accepted, duplicates = accepted + recorded.accepted, duplicates + recorded.duplicates
            batch = []
            progress("loading events", place, good)
    if repeated.count > rejects.count:
        repeated.write(rejected)
    return Loaded(
        read,
        accepted,
        duplicates,
        rejects.count,
        sum(dropped.values()),
        str(rejected) if repeated.count else None,
        str(report),
        quality,
    )


def _rows(path: Path, principal: Principal, now: int) -> Iterator[tuple[int, Any, Event | str, tuple[str, ...]]]:
    """(line number, row as it stands there, the event or why there is none, optional fields that were dropped)."""
    for number, row in read_jsonl(path):
        if isinstance(row, RowProblem):
            yield number, row.raw, row.reason, ()
            continue
        fields: tuple[str, ...] = ()
        try:
            event, fields = read_event(row)
            writer_of(principal, event)
            problem = date_problem(event.timestamp, now)
        except InvalidInput as error:
            problem = error.message
        except Exception as error:  # what nobody foresaw in one row must not cost the others
            problem = unexpected(number, error, row).reason
        yield number, row, (event if problem is None else problem), fields


def _quality(
    found: Findings,
    good: int,
    rejects: Rejects,
    dropped: Counter[str],
    known: Callable[[str], bool] | None,
    pseudonym: Callable[[str], str],
) -> EventQuality:
    about_items = found.items.total() + found.without_items
    unknown, named = unknown_share(found.items, known) if known is not None else (None, ())
    return EventQuality(
        kinds=found.kinds,
        users=found.users,
        sessions=found.sessions,
        first=_iso(found.first),
        last=_iso(found.last),
        rejected_by_reason=rejects.by_reason,
        repeated=int(found.repeated.sum()),
        dropped=dict(dropped.most_common()),
        without_items_share=found.without_items / about_items if about_items else None,
        without_session_share=found.without_session / good if good else None,
        unknown_items_share=unknown,
        unknown_items=named,
        bots=tuple(replace(bot, user_id=pseudonym(bot.user_id)) for bot in found.bots),
        bot_events=found.bot_events,
        dwell=found.dwell,
        odd_quantities=found.odd_quantities,
        odd_values=found.odd_values,
    )


def _iso(instant: int | None) -> str | None:
    return None if instant is None else datetime.fromtimestamp(instant / 1000, UTC).isoformat(timespec="seconds")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
