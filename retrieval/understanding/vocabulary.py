"""The catalog's own words, ready to be found in a turn: brands, categories and attribute values with what they mean."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from retrieval.understanding.lexicon import AMBIGUOUS, NOT_A_COLOR, ROLE_NAMES, ROLES, TRUE_VALUES, Meaning
from retrieval.understanding.text import CLAIMED, has_han, lower, normalise, word_set

MAX_TOKENS = 6
MAX_VALUES_A_NAME = 5_000


class CatalogWords(Protocol):
    """What the understanding needs to know of a catalog; `index.facets.Facets` has it.

    Each gives spellings with the number of products: `brands()` {"Acme": 12}, `categories()` {"Shoes": 40} for every
    level of the paths, `attributes()` {"color": {"red": 7}} with the options of variants counted in.
    """

    def brands(self) -> Mapping[str, int]:
        """Brand to count."""
        ...

    def categories(self) -> Mapping[str, int]:
        """Category of any level to count."""
        ...

    def attributes(self) -> Mapping[str, Mapping[str, int]]:
        """Attribute name to its values with counts."""
        ...

    def carries(self, category: str, name: str, value: str | None = None) -> bool:
        """Whether a product of the category has the attribute, or that value of it."""
        ...


@dataclass(frozen=True, slots=True)
class Meant:
    """What a found word means: one field of `Filters` and the values there, the nearest spelling first.

    `known` is False for a color or material that no product has: it can be excluded or asked for, but not merely named.
    `kind` is "brand", "category", "color", "size", "material" or "attribute"; `name` is the attribute's name.
    """

    kind: str
    name: str
    values: tuple[str, ...]
    known: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """A word of the catalog in the turn, at `[start, end)`, with every meaning it has."""

    start: int
    end: int
    meant: tuple[Meant, ...]

    def of(self, *kinds: str) -> Meant | None:
        """Its meaning of the first of `kinds` that it has."""
        return next((meant for kind in kinds for meant in self.meant if meant.kind == kind), None)


_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?|[\u3400-\u9fff]|[^\W\d_]+")
_MODEL = re.compile(r"(?<![a-z0-9])(?=[a-z0-9./-]*\d)(?=[a-z0-9./-]*[a-z])[a-z0-9]+(?:[-./][a-z0-9]+)*")
_PARTS = re.compile(r"\s*(?:[/,&+;|、]|\band\b|\d+\s*%)\s*")

_FAUX = re.compile(r"\b(?:faux|vegan|pu|synthetic|imitation|artificial|protein)\b|人造|仿|假|蛋白")
_LACKING = re.compile(r"no |without |non |[无不没免]")
_STOP_VALUES = word_set(
    """
    yes no true false none other others n/a na new one it set all any the not more max min only size color best
    good top it's in us 是 否 有 无 其他 其它 个 的 不 好 新 大 小 款 一 二 三 价 男 女 人
    """
)

# Values of small attributes that are said for other reasons: "fine" takes an offer, it asks for no fine nib.
_EVERYDAY_VALUES = word_set(
    "fine light heavy soft hard plain blank full adult adults medium large small short long thin"
)


def stem(token: str) -> str:
    """Take the English plural off: shoes → shoe, dresses → dress, batteries → battery; glass, bus and gas stay.

    What ends in "ie" meets its plural at "y": hoodie and hoodies are "hoody".
    """
    if len(token) > 4 and token.endswith("ie"):
        return f"{token[:-2]}y"
    if len(token) <= 3 or not token.endswith("s") or token.endswith(("ss", "us", "is")):
        return token
    if token.endswith("ies") and len(token) > 4:
        return f"{token[:-3]}y"
    if token.endswith(("ches", "shes", "sses", "xes", "zes")):
        return token[:-2]
    return "knife" if token == "knives" else token[:-1]


def tokens_of(text: str) -> list[tuple[str, int, int]]:
    """Stemmed tokens with their places; each Chinese character is one, digits and letters are apart ("10cm")."""
    return [(stem(found[0]), found.start(), found.end()) for found in _TOKEN.finditer(text)]


def key_of(text: str) -> str:
    """`key_of("Running  Shoes")` is "running shoe": what two spellings share."""
    return " ".join(token for token, _, _ in tokens_of(lower(normalise(text))))


class Vocabulary:
    """Finds the longest catalog words in a turn, in time linear in the turn and independent of the catalog's size."""

    def __init__(self, words: CatalogWords) -> None:
        self._entries: dict[str, dict[Meant, None]] = defaultdict(dict)
        self._longest: dict[str, int] = {}
        self._plain: list[tuple[str, Meant]] = []
        self.attribute_names: dict[str, str] = {}
        self.role_names: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        brands, categories, attributes = words.brands(), words.categories(), words.attributes()
        for brand in brands:
            self._add(key_of(brand), Meant("brand", "brand", (brand,)))
        for category in categories:
            self._add(key_of(category), Meant("category", "categories", (category,)))
        for name, values in attributes.items():
            self.counts[name] = sum(values.values())
            known = self.attribute_names.get(key_of(name))
            if known is None or self.counts[known] < self.counts[name]:
                self.attribute_names[key_of(name)] = name
        self._read_roles(attributes)
        for name, values in attributes.items():
            if self._role(name) is None:
                self._add_plain(name, values)
        for role in ("color", "material"):
            name = self.role_names.get(role, role)
            for meaning in ROLES[role]:
                for word in meaning.words:
                    if word not in AMBIGUOUS and key_of(word) not in self._entries:
                        self._add(key_of(word), Meant(role, name, (word,), known=False))
        for phrase in NOT_A_COLOR:
            self._add(key_of(phrase), Meant("nothing", "", ()))
        self.filled = frozenset(
            field for field, present in (("brand", brands), ("categories", categories), *attributes.items()) if present
        )
        self._entries = dict(self._entries)

    def _role(self, name: str) -> str | None:
        return next((role for role, names in ROLE_NAMES.items() if lower(normalise(name)) in names), None)

    def _read_roles(self, attributes: Mapping[str, Mapping[str, int]]) -> None:
        """Colors, materials and sizes: the catalog's spellings, their parts, and the other language's words for them.

        Where both "color" and "颜色" exist, a word leads to the name that has its own spelling, else to the fuller one.
        """
        for role, meanings in ROLES.items():
            names = sorted(
                (name for name in attributes if self._role(name) == role), key=lambda name: -self.counts[name]
            )
            if not names:
                continue
            self.role_names[role] = names[0]
            own: set[str] = set()
            translated: list[tuple[str, Meant]] = []
            for name in names:
                spelled, foreign = _spellings(attributes[name], meanings)
                for word, values in spelled.items():
                    if word not in own:
                        self._add(word, Meant(role, name, values))
                own.update(spelled)
                translated.extend((word, Meant(role, name, values)) for word, values in foreign.items())
            for word, meant in translated:
                if word not in own:
                    own.add(word)
                    self._add(word, meant)

    def _add_plain(self, name: str, values: Mapping[str, int]) -> None:
        if len(values) > MAX_VALUES_A_NAME:
            return
        for value in values:
            word = lower(normalise(value)).strip()
            if word in _EVERYDAY_VALUES:
                continue
            self._plain.append((key_of(value), Meant("attribute", name, (value,))))
            if word in TRUE_VALUES:
                self._add(key_of(name), Meant("attribute", name, (value,)))
            elif any(char.isalpha() for char in word) and (len(word) > 2 or (len(word) == 2 and has_han(word))):
                self._add(key_of(value), Meant("attribute", name, (value,)))

    def _add(self, key: str, meant: Meant) -> None:
        length = key.count(" ") + 1
        if not key or length > MAX_TOKENS + 6 or key in _STOP_VALUES:
            return
        if length > MAX_TOKENS and not has_han(key):
            return
        self._entries[key][meant] = None
        first = key.split(" ", 1)[0]
        self._longest[first] = max(self._longest.get(first, 0), length)

    def lookup(self, word: str) -> tuple[Meant, ...]:
        """All meanings of a word or phrase."""
        return tuple(self._entries.get(key_of(word), ()))

    def containing(self, term: str) -> list[Meant]:
        """Values of small attributes that speak of a thing: "stripe" is in "striped" and "blue stripe", not in "no stripes"."""
        key = key_of(term)
        inside = re.compile(re.escape(key) if has_han(key) else rf"\b{re.escape(key)}(?:e?d|y)?\b")
        return [meant for spelled, meant in self._plain if inside.search(spelled) and not _LACKING.match(spelled)]

    def find(self, view: str) -> list[Match]:
        """Longest matches from left to right, none inside a model number and none across a claimed span."""
        tokens = tokens_of(view)
        models = [(found.start(), found.end()) for found in _MODEL.finditer(view)]
        matches: list[Match] = []
        index = 0
        while index < len(tokens):
            longest = self._longest.get(tokens[index][0], 0)
            for length in range(min(longest, len(tokens) - index), 0, -1):
                part = tokens[index : index + length]
                key = " ".join(token for token, _, _ in part)
                if key not in self._entries:
                    continue
                start, end = part[0][1], part[-1][2]
                if CLAIMED in view[start:end] or not _whole(view, start, end, models, length):
                    continue
                meant = tuple(self._entries[key])
                if meant[0].kind != "nothing":
                    matches.append(Match(start, end, meant))
                index += length - 1
                break
            index += 1
        return matches


def _whole(view: str, start: int, end: int, models: Iterable[tuple[int, int]], length: int) -> bool:
    """False where the match is a piece of a longer word or of a model number ("m" of "KX-TG1061M").

    Characters between the tokens of one match may be spaces and hyphens only, and between Chinese characters nothing.
    """
    if any(low < end and start < high and not (start <= low and high <= end) for low, high in models):
        return False
    before, after = view[start - 1 : start], view[end : end + 1]
    if view[start].isascii() and before.isascii() and before.isalnum():
        return False
    if view[end - 1].isascii() and after.isascii() and after.isalnum():
        return False
    return length == 1 or not re.search(r"[^\w\s'&./+%-]", view[start:end])


def _spellings(
    values: Mapping[str, int], meanings: Iterable[Meaning]
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Words that lead to values of one attribute: its own spellings and, apart, words that only a meaning leads by.

    {"Navy Blue": 3, "blue": 9, "Blue/White": 1} gives own {"blue": ("blue", "Blue/White"), "navy blue": ("Navy Blue",),
    "white": ("Blue/White",)} and foreign {"蓝色": ("blue", "Blue/White"), "navy": ("Navy Blue",), …}.
    """
    meaning_of = {key_of(word): meaning for meaning in meanings for word in meaning.words}
    ranked = sorted(values, key=lambda value: -values[value])[:MAX_VALUES_A_NAME]
    own: dict[str, dict[str, None]] = defaultdict(dict)
    by_meaning: dict[Meaning, dict[str, None]] = defaultdict(dict)
    for value in ranked:
        text = lower(normalise(value))
        for part in {text: None} | dict.fromkeys(filter(None, _PARTS.split(text))):
            key = key_of(part)
            if not key or len(key) > 60:
                continue
            own[key][value] = None
            meaning_here = meaning_of.get(key) or _by_head(part, key, meaning_of)
            if meaning_here is not None:
                by_meaning[meaning_here][value] = None
    foreign: dict[str, tuple[str, ...]] = {}
    for meaning, found in by_meaning.items():
        for word in meaning.words:
            key = key_of(word)
            foreign[key] = tuple(dict.fromkeys([*own.get(key, ()), *found]))
    spelled = {
        key: tuple(dict.fromkeys([*found, *(by_meaning.get(meaning_of[key], ()) if key in meaning_of else ())]))
        for key, found in own.items()
    }
    return spelled, {key: found for key, found in foreign.items() if key not in spelled}


def _by_head(part: str, key: str, meaning_of: Mapping[str, Meaning]) -> Meaning | None:
    """The meaning that a longer value has by its last word: "matte black" is black; but faux leather is no leather."""
    if _FAUX.search(part):
        return None
    tokens = key.split(" ")
    for length in range(len(tokens) - 1, 0, -1):
        found = meaning_of.get(" ".join(tokens[-length:]))
        if found is not None:
            return found
    return None
