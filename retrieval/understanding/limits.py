"""Limits on quantities: "at least 20 L", "under 2 kg", "27英寸以上" become the catalog's own values that keep them.

`Filters.attributes` knows values only, so a limit is the list of them. Which attribute it limits follows from the unit's
kind, from the words beside it ("screen", "weighs", "容量"), and from what products of the category that the turn names are
described by. Where two attributes fit and nothing tells them apart, the limit is a wish: its words stay in the query. Where
no value keeps it, the condition is the limit itself ("≥ 90 L"), a value that no product has: nothing matches, and that is
the truth.

A quantity that is merely named ("a 20 L backpack") or circled ("about 20 L") ranks; "exactly 20 L" and "must be 20 L" are
conditions.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

from retrieval.understanding import en_limits, zh_limits
from retrieval.understanding.asides import would_be_nice
from retrieval.understanding.kinds import Kinds, Named
from retrieval.understanding.quantities import Quantity, Said, noun_of, said_in
from retrieval.understanding.scales import Bound, Scale, Scales
from retrieval.understanding.text import Draft, has_han, lower, normalise
from retrieval.understanding.vocabulary import CatalogWords, key_of

LOOK_BACK = 64
LOOK_AHEAD = 40
BESIDE = 32
_CLAUSE = re.compile(r"[,.;!?。,;!?\x00\x02]")
_SIGNS = {(True, False): "≥", (True, True): ">", (False, False): "≤", (False, True): "<"}


class _Limit(NamedTuple):
    """A comparison at `spans`: its kind ("least", "over", …) and the words beside it."""

    said: Said
    kind: str
    spans: tuple[tuple[int, int], ...]
    beside: str


@dataclass(slots=True)
class Limits:
    """What the limits of one turn amount to: attribute name to values."""

    required: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wished: dict[str, tuple[str, ...]] = field(default_factory=dict)
    excluded: dict[str, tuple[str, ...]] = field(default_factory=dict)


class LimitReader:
    """Finds limits in a turn and claims their words."""

    def __init__(self, words: CatalogWords, kinds: Kinds) -> None:
        self.scales = Scales(words.attributes())
        self.kinds = kinds

    def read(self, draft: Draft, spoken_chinese: bool, named: Named) -> Limits:
        """Read and claim every limit; `named` is the kind of product that it is a limit for."""
        bounds: dict[str, list[Bound]] = defaultdict(list)
        scales: dict[str, Scale] = {}
        found = Limits()
        written: dict[str, list[str]] = defaultdict(list)
        for said in list(said_in(draft.view, self.scales.nouns)):
            limit = self._limit(draft, said)
            if limit is None:
                continue
            chosen = self._scale(limit, named, spoken_chinese)
            if chosen is None:
                continue
            scale, quantity = chosen
            said_bounds = _bounds(limit.kind, quantity)
            if limit.kind == "span" and scale.has(quantity):
                continue  # "24-70 mm lens": the range is a value of its own
            if limit.kind in ("about", "named", "not"):
                values = scale.within(said_bounds)
                if values:
                    target = found.excluded if limit.kind == "not" else found.wished
                    target[scale.name] = (*target.get(scale.name, ()), *values)
                if limit.kind != "not":
                    continue
            else:
                scales[scale.name] = scale
                bounds[scale.name].extend(said_bounds)
                written[scale.name].append(_written(limit, draft))
            for start, end in limit.spans:
                draft.claim(start, end)
        for name, each in bounds.items():
            found.required[name] = scales[name].within(each) or (" ".join(written[name]),)
        return found

    def _limit(self, draft: Draft, said: Said) -> _Limit | None:
        """The comparison around a quantity; None where it belongs to something that is not for sale."""
        left = draft.view[max(0, said.start - LOOK_BACK) : said.start]
        right = draft.view[said.end : said.end + LOOK_AHEAD]
        for language in (en_limits, zh_limits):
            if language.OTHERS_AFTER.match(right):
                return None
            before, after = language.LIMIT_BEFORE.search(left), language.LIMIT_AFTER.match(right)
            if said.ranged:
                between, closing = language.RANGE_BEFORE.search(left), language.RANGE_AFTER.match(right)
                cue = left[: between.start()] if between else left
                if self._of_others(language, cue):
                    return None
                if language is en_limits and not between and has_han(right[:1]):
                    continue
                start, end = (
                    said.start - (len(between[0]) if between else 0),
                    said.end + (len(closing[0]) if closing else 0),
                )
                return _Limit(
                    said, "range" if between or closing else "span", ((start, end),), _beside(draft, start, end)
                )
            if "+" in draft.view[said.start : said.end]:
                return self._unless_others(draft, said, language, "least", said.start, said.end, ())
            if not (before or after):
                continue
            kind = before.lastgroup if before else None
            # "Max load 120 kg or more": what stands behind the number is what is meant.
            if after and after.lastgroup != "thing" and kind in (None, "about", "exact", "most", "least"):
                kind = after.lastgroup
            start = said.start - (len(before[0]) if before else 0)
            if before and kind == "most" and language.CARRIES_BEFORE.search(left[: before.start()]):
                kind = "least"
            spans: tuple[tuple[int, int], ...] = ()
            end = said.end
            if after and after.lastgroup != "thing":
                thing = said.end + len(after["thing"])
                if after["thing"].strip():
                    spans = ((thing, said.end + after.end()),)
                else:
                    end = said.end + after.end()
            elif kind == "than":
                than = zh_limits.THAN_AFTER.match(right)
                if than is None:
                    return None
                kind, end = than.lastgroup, end + len(than[0])
            return self._unless_others(draft, said, language, kind or "named", start, end, spans)
        for language in (en_limits, zh_limits):
            if excluded := language.LIMIT_EXCLUDED.search(left):
                start = said.start - len(excluded[0])
                return _Limit(said, "not", ((start, said.end),), _beside(draft, start, said.end))
        return _Limit(said, "named", (), _beside(draft, said.start, said.end))

    def _unless_others(
        self,
        draft: Draft,
        said: Said,
        language: ModuleType,
        kind: str,
        start: int,
        end: int,
        spans: tuple[tuple[int, int], ...],
    ) -> _Limit | None:
        cue = draft.view[max(0, start - LOOK_BACK) : start]
        if self._of_others(language, cue):
            if kind in ("named", "about", "exact") or not language.SERVES_BEFORE.search(cue):
                return None
            kind = "serves"
        elif kind == "most" and language.SERVES_BEFORE.search(cue):
            kind = "serves"  # "for up to 4 people"
        if would_be_nice(draft, start, end):
            kind = "about"
        beside = _beside(draft, start, max((end, *(each[1] for each in spans))))
        lead, trail = language.LEAD_BEFORE.search(cue), language.TRAIL_AFTER.match(draft.view, end)
        start, end = start - (len(lead[0]) if lead else 0), trail.end() if trail else end
        return _Limit(said, kind, ((start, end), *spans), beside)

    def _of_others(self, language: ModuleType, cue: str) -> bool:
        """Whether what has the quantity is no product: "for rooms up to 30 m²", "delivered within 3 days"."""
        if language.OTHERS_BEFORE.search(cue):
            return True
        phrase = language.FOR_WHAT.search(cue)
        return phrase is not None and not self.kinds.named_in(phrase["what"]).sure

    def _scale(self, limit: _Limit, named: Named, spoken_chinese: bool) -> tuple[Scale, Quantity] | None:
        """The attribute that is limited and the reading of the quantity that it has; None where nothing tells."""
        language = zh_limits if has_han(limit.beside) or spoken_chinese else en_limits
        fitting = [
            (scale, reading)
            for reading in limit.said.readings
            for scale in self._of_kind(reading.kind, limit.beside)
            if not en_limits.NOT_AGE.search(lower(scale.name)) and not zh_limits.NOT_AGE.search(scale.name)
        ]
        known = [each for each in fitting if self.kinds.described(named.categories, each[0])]
        if named.sure and not known:
            return None
        fitting = known or [each for each in fitting if each[0].share >= 0.5]
        if limit.kind == "serves":
            fitting = [each for each in fitting if _serves(each[0])]
        own = [each for each in fitting if has_han(each[0].name) == spoken_chinese]
        fitting = own or fitting
        # Years and months are mostly ages, "4k" is mostly money: the words beside them have to say what of.
        vague = limit.said.unit in _VAGUE and not (limit.said.unit in _MONEY_TOO and named.sure)
        scored = [(self._evidence(scale, limit.beside, language), scale, reading) for scale, reading in fitting]
        best = max((score for score, _, _ in scored), default=0)
        if best > 0:
            fitting = [(scale, reading) for score, scale, reading in scored if score == best]
            return fitting[0] if len({scale.name for scale, _ in fitting}) == 1 else None
        if vague or any(score < 0 for score, _, _ in scored):
            return None  # the words beside it name something that the catalog does not measure
        plain = [each for each in fitting if each[0].kind != "mass" or _plain_weight(each[0].name)]
        if limit.kind in ("under", "most"):  # what is said to be light is so as a whole: "weight" before "net weight"
            plain = [each for each in plain if key_of(each[0].name) in _WEIGHT] or plain
        return plain[0] if len({scale.name for scale, _ in plain}) == 1 else None

    def _of_kind(self, kind: str, beside: str) -> list[Scale]:
        scales = list(self.scales.by_kind.get(kind, ()))
        if kind == "length":
            for words, sides in _SIDE_WORDS:
                if words.search(beside):
                    scales += [scale for side in sides for scale in self.scales.by_kind.get(f"length {side}", ())]
        return scales

    def _evidence(self, scale: Scale, beside: str, language: ModuleType) -> int:
        """How much the words beside a limit speak for an attribute; below 0 where they speak of something else."""
        name = lower(normalise(scale.name))
        key = f" {key_of(beside)} "
        if f" {key_of(name)} " in key or (has_han(name) and name in beside):
            return 8
        score = 2 * sum(f" {token} " in key for token in key_of(name).split() if len(token) > 3 and not has_han(token))
        if " " in scale.kind and scale.kind.startswith("length "):
            return score + 3
        spoken = [names for words, names in language.EVIDENCE.get(scale.kind, ()) if words.search(beside)]
        for place, names in enumerate(spoken):
            if any(part in name for part in names):
                return score + 4 - min(place, 2)
        return score or (-1 if spoken else 0)


def _serves(scale: Scale) -> bool:
    """Whether a greater value does for all that a smaller one does for: an area covered, a load, a number of people."""
    return scale.kind in ("area", "count of person", "count of player") or (
        scale.kind == "mass" and not _plain_weight(scale.name)
    )


_MONEY_TOO = ("k", noun_of("块"))
_VAGUE = frozenset(("year", "years", "yr", "yrs", "month", "months", "年", "个月", *_MONEY_TOO))
_WEIGHT = frozenset(map(key_of, ("weight", "重量")))
_SIDE_WORDS = (
    (re.compile(r"\blong|\blength|长"), ("l", "length", "长")),
    (re.compile(r"\bwide|\bwidth|宽"), ("w", "width", "宽")),
    (re.compile(r"\btall|\bhigh|\bheight|高"), ("h", "height", "高")),
    (re.compile(r"\bdeep|\bdepth|深"), ("d", "depth", "深")),
)


def _plain_weight(name: str) -> bool:
    return any(
        language.PLAIN_WEIGHT.search(lower(name)) and not language.NOT_PLAIN_WEIGHT.search(lower(name))
        for language in (en_limits, zh_limits)
    )


def _beside(draft: Draft, start: int, end: int) -> str:
    """The words of the clause around `[start, end)`, the limit's own among them."""
    left = _CLAUSE.split(draft.low[max(0, start - BESIDE) : start])[-1]
    return f"{left}{draft.low[start:end]}{_CLAUSE.split(draft.low[end : end + BESIDE])[0]}"


def _bounds(kind: str, quantity: Quantity) -> list[Bound]:
    low, high, system = quantity.low, quantity.high, quantity.system
    if kind in ("least", "over", "serves"):
        return [Bound(low, True, kind == "over", system)]
    if kind in ("most", "under"):
        return [Bound(high, False, kind == "under", system)]
    return [Bound(low, True, False, system), Bound(high, False, False, system)]


def _written(limit: _Limit, draft: Draft) -> str:
    """The limit as a value that no product has: "≥ 90 L"."""
    text = draft.text[limit.said.start : limit.said.end]
    if limit.kind in ("range", "span", "exact"):
        return text
    return f"{_SIGNS[limit.kind in ('least', 'over', 'serves'), limit.kind in ('over', 'under')]} {text}"
