"""What a turn tells in passing: past purchases, prices elsewhere, vouchers, what something is like. None of it is a condition.

"My last vacuum cost $300" names no budget and "something like the ones from Acme" asks for no Acme. Such spans are muted:
they stay in the query, and nothing in them becomes a condition.
"""

from __future__ import annotations

from types import ModuleType

from retrieval.understanding import en_asides, zh_asides
from retrieval.understanding.kinds import Kinds
from retrieval.understanding.lexicon import AMBIGUOUS
from retrieval.understanding.text import Draft
from retrieval.understanding.vocabulary import Match

LOOK_BACK = 60
LOOK_AHEAD = 40
_LANGUAGES: tuple[ModuleType, ...] = (en_asides, zh_asides)


def mute_asides(draft: Draft) -> None:
    """Mute every span that is told in passing."""
    for language in _LANGUAGES:
        for pattern in language.ASIDES:
            for match in list(pattern.finditer(draft.view)):
                draft.mute(match.start(), match.end())


def only_likens(draft: Draft, match: Match, kinds: Kinds) -> bool:
    """Whether a word of the catalog only says what something is like, goes with, or is of another thing.

    "Like the ones from Acme", "to match my blue dress", "for red hair", "gold mining game": such words rank.
    """
    left = draft.view[max(0, match.start - LOOK_BACK) : match.start]
    right = draft.view[match.end : match.end + LOOK_AHEAD]
    brand, look = match.of("brand"), match.of("color", "material")
    for language in _LANGUAGES:
        if brand and (language.LIKE_BRAND_BEFORE.search(left) or language.LIKE_BRAND_AFTER.match(right)):
            return True
        if look and language.LIKE_VALUE_BEFORE.search(left):
            return True
        if match.of("color") is None:
            continue
        # "For black hair" is no color of the goods, "a black hair dryer" is.
        if language.OF_THING_AFTER.match(right) and not kinds.compounds(right):
            return True
        if language.SHADE_OF_LIGHT_BEFORE.search(left):
            return True
        if language.PART_BEFORE.search(left) and language.PART_AFTER.match(right):
            return True
    return match.of("color") is not None and _may_be_thing(draft.view[match.start : match.end], left, right, kinds)


def would_be_nice(draft: Draft, start: int, end: int) -> bool:
    """Whether what stands at `[start, end)` is a preference in so many words: "preferably black", "black if possible"."""
    left, right = draft.view[max(0, start - LOOK_BACK) : start], draft.view[end : end + LOOK_AHEAD]
    return any(language.SOFT_BEFORE.search(left) or language.SOFT_AFTER.match(right) for language in _LANGUAGES)


def has_thing(left: str) -> bool:
    """Whether what follows is to come with a product ("must have a cable") and does not say what it is."""
    return any(language.HAVING_BEFORE.search(left) for language in _LANGUAGES)


def lacks_thing(draft: Draft, match: Match) -> bool:
    """Whether a category is what a product should not come with: it is excluded as a feature, if at all."""
    if match.of("brand", "color", "size", "material", "attribute") is not None:
        return False
    left = draft.view[max(0, match.start - LOOK_BACK) : match.start]
    return any(
        language.LACKING_BEFORE.search(left) or language.FREE_AFTER.match(draft.view, match.end)
        for language in _LANGUAGES
    )


def _may_be_thing(word: str, left: str, right: str, kinds: Kinds) -> bool:
    """Whether "gold", "rose", "olive" may be the thing: unless a color is asked for, or a product of the shop follows."""
    if word not in AMBIGUOUS and word not in _THINGS:
        return False
    if en_asides.PLAINLY_COLOR_BEFORE.search(left) or not word.isascii():
        return False
    if kinds.compounds(right):  # "orange garden hoses" are no hoses of an orange garden
        return False
    if en_asides.THING_AFTER.match(right):
        return True
    return not (en_asides.PLAINLY_COLOR_AFTER.match(right) or kinds.begins(right))


# Colors of the lexicon or of catalogs that are things as well, beside `AMBIGUOUS`.
_THINGS = frozenset(
    ("salmon", "coral", "peach", "cherry", "plum", "lemon", "lime", "chocolate", "coffee", "bronze", "copper", "pearl", "ruby",
     "emerald", "amber", "sky", "forest", "charcoal", "turquoise", "violet", "champagne", "chestnut", "wine", "berry")
)  # fmt: skip
