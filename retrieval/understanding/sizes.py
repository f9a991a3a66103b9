"""Sizes of shoes and clothes: "EU 42", "US 9.5", "size 8 or 9", "W32 L34", "39码", "XL or larger" become the catalog's own.

Which system a number is of is said ("US 9") or follows from what the catalog lists: where sneakers come in 36 to 45, a "size
9" is American (British in a shop that sells in pounds), and is converted. Systems do not meet exactly: a size that falls
between two is both of them, and a shoe size without "men's" or "women's" is either's. A size that is said as one is a
condition even where no product has it.

The tables are those that shoe and clothes shops print; European numbers are Paris points.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from retrieval.understanding import en_limits, numbers, zh_limits
from retrieval.understanding.kinds import Kinds, Named
from retrieval.understanding.lexicon import SIZES
from retrieval.understanding.text import Draft, lower, normalise
from retrieval.understanding.vocabulary import Meant, Vocabulary, key_of

System = Literal["eu", "us", "uk"]


def _table(first: float, step: float, rows: str) -> dict[float, tuple[str, ...]]:
    """Rows from `first` up, one each `step`: "39 39.5 40-41" → {6: ("39",), 6.5: ("39.5",), 7: ("40", "41")}."""
    return {first + place * step: tuple(row.split("-")) for place, row in enumerate(rows.split())}


# US and UK shoe sizes to the European ones.
_SHOES: dict[tuple[str, str], dict[float, tuple[str, ...]]] = {
    ("us", "men"): _table(
        6, 0.5, "39 39-40 40 40-41 41 41-42 42 42-43 43 43-44 44 44-45 45 45-46 46 46-47 47 47-48 48"
    ),
    ("us", "women"): _table(4, 0.5, "35 35-36 36 36-37 37 37-38 38 38-39 39 39-40 40 40-41 41 41-42 42 42-43 43"),
    ("us", "kids"): _table(5, 0.5, "21 21-22 22 22-23 23 24 25 25 26 26-27 27 27 28 28-29 29-30 30 31 31-32")
    | _table(1, 0.5, "32 32-33 33 34 34-35 35 35-36 36"),
    ("uk", "men"): _table(5, 0.5, "38 38-39 39 39-40 40-41 41-42 42 42-43 43 43-44 44 44-45 45 45-46 46-47"),
    ("uk", "women"): _table(2, 0.5, "35 35-36 36 36-37 37 37-38 38 38-39 39 39-40 40 40-41 41"),
    ("uk", "kids"): _table(
        4, 0.5, "20-21 21 21-22 22 23 23-24 24 25 25-26 26 27 27-28 28 28-29 29 30 30-31 31 31-32 32-33"
    ),
}
# Women's dress sizes and men's chest sizes to letters, by the greatest number of each.
_LETTERS = ("XS", "S", "M", "L", "XL", "XXL")
_CLOTHES: dict[tuple[str, str], tuple[int, tuple[int, ...]]] = {
    ("us", "women"): (0, (2, 6, 10, 14, 18, 20)),
    ("uk", "women"): (4, (6, 10, 14, 18, 20, 22)),
    ("eu", "women"): (32, (34, 38, 42, 46, 48, 50)),
    ("us", "men"): (32, (34, 36, 40, 44, 48, 52)),
    ("uk", "men"): (32, (34, 36, 40, 44, 48, 52)),
    ("eu", "men"): (42, (44, 46, 50, 54, 58, 62)),
}
_NUMBER = re.compile(r"(?:(?P<system>us|uk|eu|eur)\s*)?(?P<number>\d{1,2}(?:\.5)?)")
_LETTER_OF = {key_of(word): place for place, meaning in enumerate(SIZES[:7]) for word in meaning.words}
_LISTED = 400


class _Said(NamedTuple):
    """One phrase of sizes: "US 8 or 9" → (("8", "9"), "us", None, "")."""

    sizes: tuple[str, ...]
    system: System | None
    beyond: bool | None  # True for "or larger", False for "or smaller"
    leg: str

    @classmethod
    def of(cls, match: re.Match[str], systems: Mapping[str, System]) -> _Said:
        groups = {name: text for name, text in match.groupdict().items() if text}
        listed = next(text for name, text in groups.items() if name in _SIZE_GROUPS)
        word = next((text for name, text in groups.items() if name.startswith("system")), "")
        sizes = [_in_digits(size) for part in _JOINTS.split(listed) if (size := part.strip(" 码"))]
        if any(name.startswith("to") for name in groups) and len(sizes) == 2:
            sizes = _between(sizes[0], sizes[1])
        more = any(name.startswith("more") for name in groups)
        less = any(name.startswith("less") for name in groups)
        leg = next((text for name, text in groups.items() if name.startswith("leg")), "")
        return cls(tuple(sizes), systems.get(word.replace(".", "")), more or (False if less else None), leg)

    def pair_in(self, listed: Sequence[str]) -> tuple[str, ...]:
        """The values that name waist and leg both: "W32 L34", "32/34"."""
        return tuple(value for value in listed if re.findall(r"\d{2}", value) == [self.sizes[0], self.leg])

    def all_in(self, listed: Sequence[str]) -> bool:
        """Whether the catalog has every size of the phrase as it stands."""
        if all(any(size == lower(normalise(value)) for value in listed) for size in self.sizes):
            return True
        return bool(self.leg) and bool(self.pair_in(listed))


class SizeReader:
    """Reads sizes that are said as sizes and claims their words."""

    def __init__(
        self, vocabulary: Vocabulary, kinds: Kinds, name: str | None, values: Iterable[str], currency: str
    ) -> None:
        """Take the attribute that holds sizes (None where the catalog fills none) and its values."""
        self.vocabulary = vocabulary
        self.kinds = kinds
        self.name = name
        self.values = tuple(values)
        self.home: System = "uk" if currency == "GBP" else "us"

    def read(
        self, draft: Draft, named: Named, topic: str = "", current: Sequence[str] = ()
    ) -> list[tuple[bool, Meant]]:
        """Each size with whether it is excluded; `named` is the kind of product that comes in it, `topic` the running one.

        `current` are the sizes that hold: "a size up" and "大一号" go on from them.
        """
        found: list[tuple[bool, Meant]] = []
        if self.name is None:
            return found
        if current and (stepped := self._stepped(draft, self._of_kind(named), current)):
            return [(False, Meant("size", self.name, stepped))]
        matches = [
            (match, language) for language in _LANGUAGES for pattern in (language.SIZE, language.BARE_SIZES, language.WAIST_AND_LEG)
            for match in pattern.finditer(draft.view)
        ]  # fmt: skip
        if not matches:
            return found
        listed = self._of_kind(named)
        spoken = f"{draft.low} {lower(normalise(topic))}"  # who wears it may have been said before
        for match, language in matches:
            if not draft.free(match.start(), match.end()):
                continue
            said = _Said.of(match, language.SYSTEMS)
            alone = not (draft.view[: match.start()] + draft.view[match.end() :]).strip(" .?!。")
            if match.re is not language.SIZE and not ((alone or listed is not self.values) and said.all_in(listed)):
                continue
            excluded = language.SIZE_EXCLUDED.search(draft.view[max(0, match.start() - 40) : match.start()])
            draft.claim(match.start() - (len(excluded[0]) if excluded else 0), match.end())
            if values := self._values(said, spoken, listed):
                found.append((excluded is not None, Meant("size", self.name, values)))
        return found

    def _stepped(self, draft: Draft, listed: Sequence[str], current: Sequence[str]) -> tuple[str, ...]:
        """The next size up or down, its words claimed; none where nothing asks for it or there is none."""
        for language in _LANGUAGES:
            step = language.STEP.search(draft.view)
            if step is None:
                continue
            up = (step.lastgroup or "").startswith("larger")
            ranks = [rank for size in current if (rank := _rank(lower(normalise(size))))]
            if not ranks:
                continue
            edge = max(ranks) if up else min(ranks)
            others = {
                rank: value for value in listed if (rank := _rank(lower(normalise(value)))) and rank[0] == edge[0]
            }
            beyond = [rank for rank in others if (rank > edge if up else rank < edge)]
            if beyond:
                draft.claim(step.start(), step.end())
                return (others[min(beyond) if up else max(beyond)],)
        return ()

    def _values(self, said: _Said, spoken: str, listed: Sequence[str]) -> tuple[str, ...]:
        """The catalog's values for all that one phrase lists: "8 or 9", "40-42", "L or larger"."""
        if said.beyond is not None:
            return self._beyond(said.sizes[0], said.beyond, listed) or (said.sizes[0].upper(),)
        if said.leg and (pair := said.pair_in(listed)):
            return pair
        values = [value for size in said.sizes for value in self._value(size, said.system, spoken, listed)]
        ranks = {value: _rank(value) for value in values}
        # Numbers ascend; what has no order stays as it was said.
        return tuple(sorted(ranks, key=lambda value: ranks[value] or (1, 0.0)))

    def _of_kind(self, named: Named) -> tuple[str, ...]:
        """The sizes that the kind of product comes in; all of the catalog's where the turn names none that has any."""
        if not named.sure or self.name is None or len(self.values) > _LISTED:
            return self.values
        own = [value for value in self.values if self.kinds.carry(named.categories, self.name, value)]
        return tuple(own) or self.values

    def _value(self, size: str, system: System | None, spoken: str, listed: Sequence[str]) -> tuple[str, ...]:
        known = next((meant.values for meant in self.vocabulary.lookup(size) if meant.kind == "size"), ())
        own = tuple(value for value in listed if value in known or _same(value, size))
        number = float(size) if size[0].isdigit() else None
        if system is not None and number is not None:
            spelled = _spelled_so(system, number, listed)
            if spelled:
                return spelled
            if own and system == self._system_of(listed):
                return own
            return self._converted(system, number, spoken, listed) or own or (f"{system.upper()} {size}",)
        if own or number is None:
            return own or known or (size.upper(),)
        return self._converted(self.home, number, spoken, listed) or known or (size.upper(),)

    def _system_of(self, listed: Sequence[str]) -> System:
        """The system of plain numbers: a kind that comes in 36 and above is European, one in 6 to 13 the shop's own."""
        numbers = [float(value) for value in listed if re.fullmatch(r"\d{1,2}(?:\.5)?", value)]
        return self.home if numbers and min(numbers) < 16 else "eu"

    def _converted(self, system: System, number: float, spoken: str, listed: Sequence[str]) -> tuple[str, ...]:
        folded = {lower(normalise(value)): value for value in listed}
        european = sorted(float(value) for value in folded if re.fullmatch(r"\d{2}(?:\.5)?", value))
        wearers = [who for who, words in _WEARERS if words.search(spoken)]
        letters = [value for value in listed if key_of(value) in _LETTER_OF]
        shoes = bool(en_limits.SHOES.search(spoken) or zh_limits.SHOES.search(spoken))
        if system != "eu" and european and (shoes or not letters):
            young = "kids" in wearers or european[-1] < 35
            tables = ["kids"] if young else [who for who in ("men", "women") if who in wearers] or ["men", "women"]
            sizes = [size for who in tables for size in _SHOES[system, who].get(number, ())]
            found = tuple(folded[size] for size in sorted(set(sizes), key=float) if size in folded)
            if found or shoes:
                return found
        if letters and not shoes:
            who = "men" if "men" in wearers else "women"
            least, ends = _CLOTHES[system, who]
            place = next((place for place, end in enumerate(ends) if least <= number <= end), None)
            if place is not None:
                return tuple(value for value in letters if _LETTER_OF[key_of(value)] == place)
        return ()

    def _beyond(self, size: str, more: bool, listed: Sequence[str]) -> tuple[str, ...]:
        """The listed sizes from one up or down, of the same form: numbers with numbers, letters with letters."""
        ranked = [(value, _rank(value)) for value in listed]
        end = _rank(size)
        if end is None:
            return ()
        kept = [
            (rank, value)
            for value, rank in ranked
            if rank is not None and rank[0] == end[0] and (rank >= end if more else rank <= end)
        ]
        return tuple(value for _, value in sorted(kept))


_LANGUAGES = (en_limits, zh_limits)
_SIZE_GROUPS = frozenset({"value", "before", "tight", "waist", "waist_of", "waist_in", "code", "letter", "single"})
_JOINTS = re.compile(r"\s*(?:[,/、~-]|\b(?:or|and|to)\b(?:\s+(?:an?|size)\b)?|或者?|和|还是|到|至)\s*")
_WEARERS = (
    ("kids", re.compile(r"\b(?:kids?|child(?:ren)?|toddlers?|youth|boys?|girls?|little kid|big kid|infants?"
    r"|bab(?:y|ies))\b|儿童|童鞋|宝宝|孩子|男童|女童")),
    ("women", re.compile(r"\bwom[ae]n(?:s|'s)?\b|\b(?:ladies|lady|female|her|wife|girlfriend|mom|mother|sister|daughter)\b|女")),
    ("men", re.compile(r"\bm[ae]n(?:s|'s)?\b|\b(?:guys?|male|him|his|husband|boyfriend|dad|father|brother)\b|男")),
)  # fmt: skip


def _same(value: str, size: str) -> bool:
    """Whether a catalog's value is a size in other words: "M码" is "m", "中号" is "m", "24 inch" is "24"."""
    plain = lower(normalise(value)).removesuffix("码").strip()
    if size[0].isdigit():
        return re.fullmatch(rf"{re.escape(size)}\s*(?:inch(?:es)?|in|寸|英寸|\"|cm|厘米)?", plain) is not None
    return plain == size or (_rank(size) is not None and _rank(plain) == _rank(size))


def _in_digits(size: str) -> str:
    """`"四十二"` is "42"; other sizes as they are."""
    value = None if size.isascii() else numbers.chinese(size)
    return size if value is None else str(value)


def _between(first: str, last: str) -> list[str]:
    if not (first[0].isdigit() and last[0].isdigit()):
        return [first, last]
    low, high = float(first), float(last)
    if not 0 < high - low <= 12:
        return [first, last]
    step = 0.5 if low % 1 or high % 1 else 1.0
    return [f"{low + place * step:g}" for place in range(int((high - low) / step) + 1)]


def _rank(size: str) -> tuple[int, float] | None:
    """What sizes of one form are ordered by; None for what has no order."""
    if re.fullmatch(r"\d{1,3}(?:\.5)?", size):
        return 0, float(size)
    place = _LETTER_OF.get(key_of(size.removesuffix("码").removesuffix("号")))
    return None if place is None else (1, float(place))


def _spelled_so(system: System, number: float, listed: Sequence[str]) -> tuple[str, ...]:
    """Values that name their system: "US 9.5", "EUR 42"."""
    found = []
    for value in listed:
        read = _NUMBER.fullmatch(lower(normalise(value)).strip())
        if read and read["system"] and read["system"][:2] == system and float(read["number"]) == number:
            found.append(value)
    return tuple(found)
