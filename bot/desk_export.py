"""The desk's figures as tables for a spreadsheet: plain column names, durations in seconds, shares from 0 to 1."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, Literal, get_args

from bot.desk_figures import Period, Spread, SupportFigures, Unmet, acceptance
from retrieval.audience.files import safe_cell
from storage.desk_figures import Use
from storage.principal import Principal

TableName = Literal[
    "volumes", "automation", "reasons", "times", "agents", "proposals", "satisfaction", "codes", "unanswered"
]
TABLES: Final[tuple[TableName, ...]] = get_args(TableName)
Cell = str | int | float | None
Row = Sequence[Cell]
_USE: Final = (
    "shown",
    "inserted",
    "sent",
    "unchanged",
    "mean_edit_distance",
    "dismissed",
    "messages",
    "taken",
    "acceptance",
)
_ISO_EPOCH: Final = date(1970, 1, 1).toordinal()


def day_of(day: int) -> str:
    """A day of so many since 1970, as ISO 8601."""
    return date.fromordinal(_ISO_EPOCH + day).isoformat()


def mean_distance(use: Use) -> float | None:
    """Characters that agents changed in what they sent, on average; None where nothing was sent."""
    return use.distance / use.sent if use.sent else None


def exported(figures: SupportFigures, principal: Principal, name: TableName, days: Period) -> str:
    """One table as CSV, the head first; no cell is taken for a formula.

    Raises:
        Forbidden: the role may not see the desk's figures.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    for row in _table(figures, principal, name, days):
        writer.writerow([safe_cell(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def _table(figures: SupportFigures, principal: Principal, name: TableName, days: Period) -> Iterable[Row]:
    if name == "unanswered":
        return _unanswered(figures.unmet(principal, days))
    found = figures.support(principal, days)
    match name:
        case "volumes":
            rows = [(day_of(each.day), each.begun, each.handed, each.closed) for each in found.volumes]
            return [("day", "conversations", "handed_over", "closed"), *rows]
        case "automation":
            each = found.automation
            return [
                ("conversations", "without_agent", "of_those_handed_over", "rate"),
                (each.all, each.alone, each.unanswered, each.rate),
            ]
        case "reasons":
            return [("reason", "tickets"), *found.reasons.items()]
        case "codes":
            return [("code", "tickets"), *found.codes.items()]
        case "times":
            times = (("first_response", found.first_response), ("resolution", found.resolution))
            return [("time", *_SPREAD), *((kind, *_spread(spread)) for kind, spread in times)]
        case "satisfaction":
            return [("rating", "tickets"), *found.satisfaction.counts.items()]
        case "proposals":
            return [("kind", *_USE), *((use.name, *_use(use)) for use in found.kinds)]
        case "agents":
            head = ("agent", "closed", *(f"first_response_{each}" for each in _SPREAD), *_USE)
            rows_of = [
                (each.agent, each.closed, *_spread(each.first_response), *_use(each.use)) for each in found.agents
            ]
            return [head, *rows_of]


_SPREAD: Final = ("count", "median_s", "p90_s")


def _spread(spread: Spread) -> Row:
    return (spread.count, *(None if each is None else round(each / 1000, 1) for each in (spread.median, spread.p90)))


def _use(use: Use | None) -> Row:
    if use is None:
        return [None] * len(_USE)
    counts = (use.shown, use.inserted, use.sent, use.unchanged, mean_distance(use), use.dismissed, use.messages)
    return (*counts, use.taken, acceptance(use))


def _unanswered(found: Iterable[Unmet]) -> Iterable[Row]:
    yield ("question", "language", "asked", "wordings", "answered_now", "kinds", "trend", "examples")
    for each in found:
        cluster = each.cluster
        yield (
            cluster.question,
            cluster.language,
            cluster.asked,
            cluster.wordings,
            "yes" if each.answered else "no",
            " ".join(cluster.kinds),
            " ".join(map(str, cluster.trend)),
            " | ".join(cluster.examples),
        )
