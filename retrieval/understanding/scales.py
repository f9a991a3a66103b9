"""The catalog's quantities, read once: which attributes measure what, and which of their values keep a limit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from retrieval.understanding.lexicon import ROLE_NAMES
from retrieval.understanding.quantities import Quantity, noun_of, quantity_of, side_of, sides_in, unit_named
from retrieval.understanding.text import has_han, lower, normalise

# An attribute is of a kind where that share of what products say in it is: "3.5 mm jack" makes no length of "connectivity".
SHARE = 0.6
# Converted units are rounded on labels (16 oz: "470 ml"), and a terabyte has 1,000 or 1,024 gigabytes.
ROUNDED = 0.01
ROUNDED_DATA = 0.025
_EXACT = 1e-6


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a limit in base units of its kind; `strict` leaves the number itself out."""

    quantity: float
    lower: bool
    strict: bool
    system: str = "metric"


class Scale:
    """One attribute's values as quantities of one kind, in ascending order.

    A range counts whole ("4-6 qt" is not known to hold 5), but what a number counts may be any of it: a game for "2-6"
    players is one for at least 5.
    """

    def __init__(self, name: str, kind: str, read: Iterable[tuple[str, Quantity]], share: float) -> None:
        self.name = name
        self.kind = kind
        self.share = share
        ordered = sorted(read, key=lambda each: (each[1].low, each[1].high, each[0]))
        self.values = tuple(value for value, _ in ordered)
        self.lows = np.array([quantity.low for _, quantity in ordered])  # (values,)
        self.highs = np.array([quantity.high for _, quantity in ordered])  # (values,)
        self.metric = np.array([quantity.system == "metric" for _, quantity in ordered])  # (values,)

    @property
    def comparable(self) -> bool:
        """Whether there is anything to compare: one quantity alone is no scale."""
        return len(set(zip(self.lows.tolist(), self.highs.tolist(), strict=True))) > 1

    def within(self, bounds: Iterable[Bound]) -> tuple[str, ...]:
        """The values that keep every bound, ascending."""
        kept = np.ones(len(self.values), np.bool_)
        for bound in bounds:
            end = (
                (self.highs if self._counts else self.lows)
                if bound.lower
                else (self.lows if self._counts else self.highs)
            )
            slack = np.abs(bound.quantity) * self._slack(bound)
            if bound.lower:
                kept &= end > bound.quantity + slack if bound.strict else end >= bound.quantity - slack
            else:
                kept &= end < bound.quantity - slack if bound.strict else end <= bound.quantity + slack
        return tuple(self.values[place] for place in np.flatnonzero(kept))

    def has(self, quantity: Quantity) -> bool:
        """Whether a value is that very range."""
        return bool(np.any(np.isclose(self.lows, quantity.low) & np.isclose(self.highs, quantity.high)))

    @property
    def _counts(self) -> bool:
        return self.kind.startswith("count of ")

    def _slack(self, bound: Bound) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        if bound.strict:
            return np.full(len(self.values), _EXACT)
        if self.kind == "data":
            return np.full(len(self.values), ROUNDED_DATA)
        return np.where(self.metric == (bound.system == "metric"), _EXACT, ROUNDED)


class Scales:
    """Every scale of a catalog, by kind. Built once a snapshot; reading 100,000 values takes about a second."""

    def __init__(self, attributes: Mapping[str, Mapping[str, int]]) -> None:
        self.by_kind: dict[str, list[Scale]] = defaultdict(list)
        for name, values in attributes.items():
            for scale in _scales_of(name, values):
                if scale.comparable:
                    self.by_kind[scale.kind].append(scale)
        self.by_kind = dict(self.by_kind)
        self.nouns = frozenset(kind for kind in self.by_kind if kind.startswith(("count of ", "mark ")))


def _scales_of(name: str, values: Mapping[str, int]) -> list[Scale]:
    """The scales of one attribute; several where its unit is of two kinds ("oz") or its name orders sides ("W x D x H")."""
    role = next((role for role, names in ROLE_NAMES.items() if lower(normalise(name)) in names), None)
    if role in ("color", "material"):
        return []
    total = sum(values.values())
    unit, sides = unit_named(name), side_of(name)
    found: dict[str, list[tuple[str, Quantity]]] = defaultdict(list)
    for value in values:
        for quantity in quantity_of(value, unit):
            kind = quantity.kind or _counted_by(name)
            # A plain number is a size of its own system ("42") under such a name, never a count.
            if kind and not (role == "size" and kind.startswith(("count of ", "mark "))):
                found[kind].append((value, quantity))
        for side, quantity in zip(sides, sides_in(value) if sides else (), strict=False):
            found[f"{quantity.kind} {side}"].append((value, quantity))
    shares = {kind: sum(values[value] for value, _ in read) / total for kind, read in found.items()}
    # Sizes are of many kinds of goods; which of them a category has is asked when a limit is read.
    enough = {kind for kind, share in shares.items() if share >= SHARE or role == "size"}
    if "data" in enough and "mass" in enough and not _of_data(name):
        enough.discard("data")  # "290 g"
    elif "data" in enough and "mass" in enough:
        enough.discard("mass")  # "16G"
    return [Scale(name, kind, found[kind], shares[kind]) for kind in sorted(enough)]


def _of_data(name: str) -> bool:
    return any(word in lower(name) for word in ("memory", "ram", "storage", "内存", "存储", "运存"))


def _counted_by(name: str) -> str:
    """What a bare number counts, by the attribute's name: "Number of ports" → "count of port"; "" where it does not say."""
    words = lower(normalise(name)).split()
    if not words:
        return ""
    return (
        noun_of(words[-1].removesuffix("数量").removesuffix("数") or words[-1]) if has_han(name) else noun_of(words[-1])
    )
