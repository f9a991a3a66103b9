"""Plain JSON objects as markup: what a run knows of its data and its configuration, whatever fields that has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.markup import Content, Markup, bar, folded, joined, label, quoted, table, tag

SHOWN_LABELS = 25
"""Rows that are seen at once; the others fold open."""


def facts(values: Mapping[str, Any]) -> Markup:
    """A plain JSON object: single values as a list of names and values, after them counts by name and tables of figures."""
    tables = {name: each for name, each in values.items() if _is_table(each)}
    listed = {name: lines for name, each in values.items() if (lines := _lines(each))}
    counted = {
        name: each
        for name, each in values.items()
        if isinstance(each, dict) and each and all(isinstance(count, int | float) for count in each.values())
    }
    single = [
        tag("div", tag("dt", _named(name)), tag("dd", _value(each)))
        for name, each in values.items()
        if name not in counted | tables | listed
    ]
    return joined(
        [
            tag("dl", *single) if single else None,
            *(
                joined([tag("h3", _named(name)), tag("ul", *[tag("li", _value(one)) for one in each])])
                for name, each in listed.items()
            ),
            tag("div", *[_counts(name, each) for name, each in counted.items()], class_="counts") if counted else None,
            *(_figures_by_name(name, each) for name, each in tables.items()),
        ]
    )


def _lines(value: Any) -> list[Any]:
    """The items of a list, or the names of an object of texts with their values; none of another value."""
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
        return [f"{name}: {each}" for name, each in value.items()]
    return []


def _is_table(value: Any) -> bool:
    """Whether a value is an object of objects that all have the same fields."""
    if not isinstance(value, dict) or not value or not all(isinstance(each, dict) and each for each in value.values()):
        return False
    return len({tuple(each) for each in value.values()}) == 1


def _figures_by_name(name: str, values: Mapping[str, Mapping[str, Any]]) -> Markup:
    columns = [_named(each) for each in next(iter(values.values()))]
    rows = [(label(row), *[_value(each) for each in figures.values()]) for row, figures in values.items()]
    head = table((_named(name), *columns), rows[:SHOWN_LABELS], numbers=len(columns))
    rest = rows[SHOWN_LABELS:]
    more = folded(f"{len(rest)} more", table((_named(name), *columns), rest, numbers=len(columns))) if rest else None
    return tag("div", head, more)


def _counts(name: str, counts: Mapping[str, float]) -> Markup:
    most = max([*counts.values(), 1e-9])
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    def rows(part: Sequence[tuple[str, float]]) -> Markup:
        return table(
            (_named(name), "", ""),
            [(label(each), bar(count / most), _value(count)) for each, count in part],
            numbers=1,
            class_="labels",
        )

    rest = ordered[SHOWN_LABELS:]
    return tag("div", rows(ordered[:SHOWN_LABELS]), folded(f"{len(rest)} more", rows(rest)) if rest else None)


def _named(key: str) -> str:
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]


def _value(value: Any) -> Content:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.4g}"
        case str():
            return quoted(value, 400)
        case dict() | list() | tuple() if not value:
            return "none"
        case _:
            return quoted(json.dumps(value, ensure_ascii=False), 400)
