"""Which of the catalog's words in a turn are conditions, which are wishes, and what must not be shown (rule 8).

| word | merely named in a search | the whole turn of a running topic | with "only", "must be", "in …", "只要" |
| --- | --- | --- | --- |
| brand | ranks, stays in the query | condition | condition ("by Acme", "from Acme" too) |
| category | ranks, stays in the query | new search | condition ("in the shoes department") |
| color, plain size (XL, "size 42", "42码"; "a medium hoodie") | condition where the catalog fills it | condition | condition |
| material, "small", other attributes | ranks, stays in the query | condition | condition |

"Fills" means: the attribute is known for at least `FILLED` of the products; below that the words rank. A size that is
said as a size ("size 55") is a condition even if no product has it, and so is "in purple" where colors are filled: then
nothing matches, and that is the truth. Negations exclude whatever the words mean. Words that the catalog does not know
are excluded as features ("without wheels"). What is told in passing, likened, or merely would be nice is no condition
(`asides.py`); sizes are read by `sizes.py`, limits on quantities by `limits.py`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import ModuleType

from index.filters import Filters
from retrieval.understanding import en, zh
from retrieval.understanding.asides import has_thing, lacks_thing, only_likens, would_be_nice
from retrieval.understanding.kinds import Kinds, Named
from retrieval.understanding.lexicon import SIZES
from retrieval.understanding.text import CLAIMED, Draft, has_han
from retrieval.understanding.vocabulary import Match, Meant, Vocabulary, key_of

FILLED = 0.02
LOOK_BACK = 60
FEATURES = "features"

_BARE_SIZE = re.compile(r"(?:x{1,4}|[2-6]x)[sl]|x-?large|extra large|x-?small|extra small|one size|均码|[大中小]码")
_SIZE_NOUN = re.compile(r"[\s-]*sized?\b")
_ALL_SIZE_WORDS = frozenset(key_of(word) for meaning in SIZES for word in meaning.words)
_SHORT_HAN_AFTER = re.compile(
    r"\s*(?:的|色|质|制|款|系|$|[\x00\s,。?!;]|鞋|衣|裤|裙|衫|包|帽|袜|外套|t恤|手套|围巾|套|服|袋|杯|伞|表|带|衬"
    r"|连衣|毛衣|运动|跑|球|凉|拖|靴|双肩|背|短|长|牛仔|风|卫|西|耳机|手机|沙发|椅|桌|柜|行李|箱|壶|锅|碗|盘|毛巾"
    r"|床|被|枕|窗帘|地毯|键盘|鼠标)"
)
_SHORT_HAN_BEFORE = re.compile(r"(?:^|[\x00\s,。?!;的要买有和或]|不|非|是|一[件双条款个顶只])$")


@dataclass(slots=True)
class Found:
    """Conditions of one turn while they are gathered: field or attribute name to values."""

    brand: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    attributes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, meant: Meant) -> None:
        """Add the values under their field, keeping the order and no value twice."""
        target = {"brand": self.brand, "category": self.categories}.get(meant.kind)
        target = self.attributes[meant.name] if target is None else target
        target.extend(value for value in meant.values if value not in target)


@dataclass(slots=True)
class Conditions:
    """What the words of the catalog in one turn amount to."""

    required: Found = field(default_factory=Found)
    wished: Found = field(default_factory=Found)
    excluded: Found = field(default_factory=Found)
    lifted: list[str] = field(default_factory=list)
    referent: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def ask(self) -> None:
        """Turn what is required into what is asked: "does it come in blue?" narrows nothing."""
        for name, values in self.required.attributes.items():
            self.wished.attributes[name].extend(value for value in values if value not in self.wished.attributes[name])
        self.wished.brand.extend(self.required.brand)
        self.required = Found()

    def take_opposed(self) -> dict[str, tuple[str, ...]]:
        """Take out what is wanted and turned away at once ("a white lamp that isn't white"): field or attribute to values."""
        found: dict[str, tuple[str, ...]] = {}
        wanted, away = self.required, self.excluded
        pairs = [("brand", wanted.brand, away.brand)]
        pairs += [(name, values, away.attributes.get(name, [])) for name, values in wanted.attributes.items()]
        for name, values, unwanted in pairs:
            if both := tuple(value for value in values if value in unwanted):
                found[name] = both
                values[:] = [value for value in values if value not in both]
                unwanted[:] = [value for value in unwanted if value not in both]
        return found

    def turn_away(self, current: Filters, fields: list[str]) -> None:
        """Exclude what the running topic asked for in `fields`."""
        if "brand" in fields:
            self.excluded.brand.extend(current.brand)
        for name, values in current.attributes.items():
            if name in fields:
                self.excluded.attributes[name].extend(values)


def _language_at(draft: Draft, start: int, end: int) -> ModuleType:
    return zh if has_han(draft.view[start:end]) or has_han(draft.view[max(0, start - 2) : start]) else en


class ConditionReader:
    """Turns catalog words and the words around them into conditions, wishes and exclusions."""

    def __init__(self, vocabulary: Vocabulary, products: int, kinds: Kinds) -> None:
        self.vocabulary = vocabulary
        self.kinds = kinds
        least = FILLED * products
        self.firm = {name for name in vocabulary.counts if vocabulary.counts[name] >= max(1.0, least)}
        self.features = vocabulary.attribute_names.get(key_of(FEATURES), FEATURES)

    def read(
        self,
        draft: Draft,
        in_topic: bool,
        only_filler: Callable[[str], bool],
        named: Named,
        sizes: Iterable[tuple[bool, Meant]],
    ) -> Conditions:
        """Read every catalog word; spans that became conditions or exclusions are claimed, wishes stay in the text.

        `named` is the kind of product that is spoken of; `sizes` are those that `SizeReader` has read and claimed, each
        with whether it is excluded.
        """
        found = Conditions()
        for excluded, meant in sizes:
            (found.excluded if excluded else found.required).add(meant)
        matches = [match for match in self.vocabulary.find(draft.view) if self._plausible(draft, match)]
        words = [draft.view[match.start : match.end] for match in matches]
        matches = [
            replace(match, meant=self.kinds.meanings_for(named, word, match.meant))
            for match, word in zip(matches, words, strict=True)
        ]
        alone = in_topic and self._alone(draft, matches, only_filler)
        self._read_referent(draft, matches, found, in_topic)
        required = self._required_behind(draft, matches)
        turned_away = self._excluded_behind(draft, matches)
        polarity: str | None = None
        previous: Match | None = None
        for place, match in enumerate(matches):
            if not draft.free(match.start, match.end):
                polarity, previous = None, None
                continue
            joined = previous is not None and self._joined(draft, previous, match)
            if joined and polarity == "require" and previous is not None:
                joined = self._goes_on(draft, previous, match)
            if joined and polarity == "exclude" and previous is not None:
                joined = self._listed(draft, previous, matches[place:])
            polarity = self._polarity(draft, match, polarity if joined else None, alone)
            polarity = required.get(place, polarity) if polarity in ("name", "require") else polarity
            polarity = "exclude" if place in turned_away else polarity
            if polarity == "exclude" and lacks_thing(draft, match):
                continue  # "without a charging cable" turns no cables away
            self._take(draft, match, polarity, found, named)
            previous = match
        self._read_unknown_exclusions(draft, found)
        return found

    def _excluded_behind(self, draft: Draft, matches: list[Match]) -> set[int]:
        """Places of the values that words behind the last of them exclude: "黑色白色都不要", "红色和黑色不要"."""
        found: set[int] = set()
        for place in range(len(matches) - 1, 0, -1):
            match, before = matches[place], matches[place - 1]
            closed = place in found or zh.EXCLUDE_AFTER.match(draft.view, match.end) is not None
            between = draft.view[before.end : match.start].strip(" 的色")
            adjacent = not between or zh.JOIN.fullmatch(between) is not None
            alike = {each.name for each in match.meant} & {each.name for each in before.meant}
            if closed and adjacent and alike and draft.free(before.start, match.end):
                found.update((place - 1, place))
        return found

    def _required_behind(self, draft: Draft, matches: list[Match]) -> dict[int, str]:
        """What words behind a value make of those before it, by place: "leather or canvas only", "leather wallet only"."""
        found: dict[int, str] = {}
        for place in range(len(matches) - 1, 0, -1):
            match, before = matches[place], matches[place - 1]
            sized = match.of("size") is not None and _SIZE_NOUN.match(draft.view, match.end) is not None
            closed = (
                place in found
                or sized
                or any(language.CONDITION_AFTER.match(draft.view, match.end) for language in (en, zh))
            )
            if not closed or not draft.free(before.start, match.end):
                continue
            if self._joined(draft, before, match) and {each.kind for each in match.meant} & {
                each.kind for each in before.meant
            }:
                found[place - 1] = found[place] = "require"
            elif (
                not draft.view[before.end : match.start].strip(" 的")
                and match.of("category")
                and not before.of("category")
            ):
                found[place - 1], found[place] = "require", "name"
        return found

    def _plausible(self, draft: Draft, match: Match) -> bool:
        """Single Chinese characters ("红") and bare size letters need a neighbour that shows they are meant so."""
        word = draft.view[match.start : match.end]
        if has_han(word) and len(word) == 1:
            after = _SHORT_HAN_AFTER.match(draft.view, match.end)
            before = _SHORT_HAN_BEFORE.search(draft.view[max(0, match.start - 2) : match.start])
            return bool(after and (before or after[0].strip(" ") not in ("",)))
        if key_of(word) in _ALL_SIZE_WORDS or (match.of("size") and len(match.meant) == 1 and word[0].isdigit()):
            return (
                self._size_said(draft, match) or (len(word) > 1 and not word[0].isdigit()) or self._sole(draft, match)
            )
        return True

    def _sole(self, draft: Draft, match: Match) -> bool:
        rest = f"{draft.view[: match.start]} {draft.view[match.end :]}".replace(CLAIMED, " ")
        return not re.sub(r"[\s\W]|\b(?:size|in|please|a|an|the|码|号|的)\b|码|号|的", "", rest)

    def _size_said(self, draft: Draft, match: Match) -> bool:
        language = _language_at(draft, match.start, match.end)
        left = draft.view[max(0, match.start - LOOK_BACK) : match.start]
        return bool(language.SIZE_BEFORE.search(left)) or bool(
            re.match(r"[\s-]*(?:size|sized|码|号)", draft.view[match.end :])
        )

    def _alone(self, draft: Draft, matches: list[Match], only_filler: Callable[[str], bool]) -> bool:
        """True where the turn holds nothing but these values and filler, and no category that could open a topic."""
        if any(
            match.of("category") and not match.of("brand", "color", "size", "material", "attribute")
            for match in matches
        ):
            return False
        rest = list(draft.view)
        for match in matches:
            rest[match.start : match.end] = CLAIMED * (match.end - match.start)
        return only_filler("".join(rest))

    def _joined(self, draft: Draft, previous: Match, match: Match) -> bool:
        between = draft.low[previous.end : match.start]
        return bool(en.JOIN.fullmatch(between) or zh.JOIN.fullmatch(between))

    def _goes_on(self, draft: Draft, previous: Match, match: Match) -> bool:
        """Tell whether a condition goes on: in "in black or white", "must be black and light", not in "in beige, 140 cm wide"."""
        if draft.view[match.start].isdigit() and not draft.view[previous.start].isdigit():
            return False
        between = draft.low[previous.end : match.start].strip(" 的色")
        return between != "," or bool(
            {(each.kind, each.name) for each in match.meant} & {(each.kind, each.name) for each in previous.meant}
        )

    def _listed(self, draft: Draft, previous: Match, rest: list[Match]) -> bool:
        """Tell whether a bare comma goes on with an exclusion: in "not red, blue or green", not in "not red, blue"."""
        between = draft.low[previous.end : rest[0].start].strip(" 的色")
        if between != ",":
            return True
        pairs = pairwise(rest)
        return any(
            draft.low[one.end : other.start].strip(" 的色,") not in ("", ",") and self._joined(draft, one, other)
            for one, other in pairs
        )

    def _polarity(self, draft: Draft, match: Match, inherited: str | None, alone: bool) -> str:
        """One of "exclude", "lift", "require", "wish", "name" ("name": the kind of word decides)."""
        if only_likens(draft, match, self.kinds) or would_be_nice(draft, match.start, match.end):
            return "wish"
        for language in (en, zh):
            left = draft.view[max(0, match.start - LOOK_BACK) : match.start]
            if language.LIFT_VALUE_BEFORE.search(left) or language.LIFT_VALUE_AFTER.match(draft.view, match.end):
                return "lift"
            if language.EXCLUDE_BEFORE.search(left) or language.EXCLUDE_AFTER.match(draft.view, match.end):
                return "exclude"
            if language.CONDITION_BEFORE.search(left) or language.CONDITION_AFTER.match(draft.view, match.end):
                return "require"
            if match.of("brand") and language.FROM_BEFORE.search(left):
                return "require"
            if match.of("material") and language.MADE_BEFORE.search(left):
                return "require"
            if match.of("color", "size") and (language.IN_BEFORE.search(left) or language.SIZE_BEFORE.search(left)):
                return "require"
            if match.of("category") and language.DEPARTMENT.match(draft.view, match.end):
                return "require" if language is zh or en.DEPARTMENT_BEFORE.search(left) else "name"
        if inherited in ("exclude", "require", "lift"):
            return inherited
        return "require" if alone else "name"

    def _take(self, draft: Draft, match: Match, polarity: str, found: Conditions, named: Named) -> None:
        start, end = match.start, match.end
        if polarity == "exclude":
            meant = [each for each in match.meant if each.kind != "category"] or list(match.meant)
            for each in meant:
                found.excluded.add(each)
        elif polarity == "lift":
            meant_one = match.of("brand", "color", "size", "material", "attribute")
            if meant_one is None:
                return
            found.lifted.append("brand" if meant_one.kind == "brand" else meant_one.name)
        else:
            chosen = self._chosen(draft, match, polarity, named) if polarity != "wish" else None
            if chosen is None:
                for each in match.meant:
                    if each.known:
                        found.wished.add(each)
                return
            found.required.add(chosen)
        for language in (en, zh):
            left = draft.view[max(0, start - LOOK_BACK) : start]
            after = polarity == "exclude" and language.EXCLUDE_AFTER.match(draft.view, end)
            after = (
                after or language.CONDITION_AFTER.match(draft.view, end) or language.DEPARTMENT.match(draft.view, end)
            )
            before = self._cue(language, left)
            if before:
                start -= len(before)
            lifted = polarity == "lift" and language.LIFT_VALUE_AFTER.match(draft.view, end)
            end = lifted.end() if lifted else end
            if after and polarity != "name":
                end = after.end()
        sized = match.of("size") and _SIZE_NOUN.match(draft.view, end)
        end = sized.end() if sized else end
        tail = re.compile(r"\s*(?:色|色系|材质|材料|牌子|品牌|质|制|制作|colou?r(?![a-z])\s*)?的?").match(
            draft.view, end
        )
        end = tail.end() if tail and (has_han(tail[0]) or "colo" in tail[0]) else end
        draft.claim(start, end)

    def _cue(self, language: ModuleType, left: str) -> str:
        for pattern in (
            language.LIFT_VALUE_BEFORE, language.EXCLUDE_BEFORE, language.CONDITION_BEFORE, language.FROM_BEFORE,
            language.IN_BEFORE if language is en else language.FROM_BEFORE, language.MADE_BEFORE,
            language.SIZE_BEFORE if language is en else language.FROM_BEFORE,
        ):  # fmt: skip
            cue = pattern.search(left)
            if cue and cue[0].strip():
                return str(cue[0])
        return ""

    def _chosen(self, draft: Draft, match: Match, polarity: str, named: Named) -> Meant | None:
        """The meaning that becomes a condition, or None where the words only rank."""
        left = draft.view[max(0, match.start - LOOK_BACK) : match.start]
        if polarity == "require":
            order = ["color", "size", "material", "brand", "attribute", "category"]
            if has_thing(left):
                order.remove("category")
            if en.FROM_BEFORE.search(left) or zh.FROM_BEFORE.search(left):
                order.insert(0, "brand")
            if (en.MADE_BEFORE.search(left) and not en.IN_BEFORE.search(left)) or zh.MADE_BEFORE.search(left):
                order.insert(0, "material")
            chosen = match.of(*order)
            return chosen if chosen is None or chosen.known or chosen.name in self.firm else None
        color = match.of("color")
        if color is not None and color.known and color.name in self.firm and self._fills(named, color.name):
            return color
        size = match.of("size")
        if size is not None and size.name in self.firm and self._fills(named, size.name):
            word = draft.view[match.start : match.end]
            comes_in = any(self.kinds.carry(named.categories, size.name, value) for value in size.values)
            # "A medium hoodie" is a size and "a large backpack" is none; nor is "a full-size keyboard".
            if _BARE_SIZE.fullmatch(word) or (named.sure and comes_in):
                return size
            if self._size_said(draft, match) and not named.sure:
                return size
        return None

    def _fills(self, named: Named, name: str) -> bool:
        """Whether the kind of product that a turn names is described by an attribute: shampoos have no color."""
        return not named.sure or self.kinds.carry(named.categories, name, None)

    def _read_referent(self, draft: Draft, matches: list[Match], found: Conditions, in_topic: bool) -> None:
        """Read "that blue one": it points at something shown, its values narrow that and are no conditions."""
        if not in_topic:
            return
        for match in matches:
            meant = match.of("color", "size", "material", "brand", "attribute")
            if meant is None or not draft.free(match.start, match.end):
                continue
            for language in (en, zh):
                window = max(0, match.start - 24)
                marked = (
                    f"{draft.view[window : match.start]}{chr(1) * (match.end - match.start)}"
                    f"{draft.view[match.end : match.end + 24]}"
                )
                pointed = language.REFERENT.search(marked)
                if pointed is None or chr(1) not in pointed[0]:
                    continue
                if language is en and (
                    pointed["thing"].endswith("s") or _stands_for_condition(pointed["gap"], marked, pointed)
                ):
                    continue
                left = draft.view[max(0, match.start - LOOK_BACK) : match.start]
                if language.EXCLUDE_BEFORE.search(left.removesuffix(pointed["which"] or "")):
                    continue
                field_name = "brand" if meant.kind == "brand" else meant.name
                found.referent[field_name] = meant.values
                draft.claim(window + pointed.start(), window + pointed.end())
                break

    def _read_unknown_exclusions(self, draft: Draft, found: Conditions) -> None:
        """Read "without wheels" where no product lists wheels as a value: excluded as a feature."""
        for language in (en, zh):
            for match in list(language.WITHOUT.finditer(draft.view)):
                term = next((value for value in match.groups() if value), "")
                words = term.split()
                while words and (
                    words[-1] in language.WITHOUT_ENDS
                    or (
                        len(words) > 1 and self.kinds.named_in(words[-1]).sure and not self.kinds.knows(" ".join(words))
                    )
                ):
                    words.pop()
                if not words or words[0] in language.WITHOUT_STOPS or " ".join(words) in language.WITHOUT_STOPS:
                    continue
                term = " ".join(words)
                found.excluded.add(Meant("attribute", self.features, (term,)))
                for meant in self.vocabulary.containing(term):
                    found.excluded.add(meant)
                inside = draft.view.find(term, match.start())
                draft.claim(match.start(), max(inside + len(term), match.end() if language is zh else 0))


def _stands_for_condition(gap: str, marked: str, pointed: re.Match[str]) -> bool:
    """True for "do you have the blue one", "show me the red one": asks for results, does not point."""
    return pointed["which"] == "the" and bool(
        re.search(r"\b(?:have|show me|only|prefer|is there)\s*$", marked[: pointed.start()])
    )
