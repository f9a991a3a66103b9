"""What a misspelled text most likely says, in the catalog's own words: by letters in English, by sound in Chinese.

"wireles hedphones" is read as "wireless headphones", "无线耳几" as "无线耳机". What is a word already is never corrected, however
near it comes to one of the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

from index.encoders import Encoder
from index.snapshot import Snapshot
from index.tokens import edit_distance, singular, spelled
from retrieval.dictionaries import chinese, english
from retrieval.sounds import Sounds
from retrieval.understanding.lexicon import COLORS, MATERIALS

SHORTEST_PART: Final = 3  # letters of a word that may be written together with another
SURE: Final = 5  # letters from which on one edit tells a slip from another word
RARE: Final = (
    3_000  # times in the dictionary's corpus, of 120,000,000 words: what is met less may be a slip where a limit is due
)

_CAPITALS = re.compile(r"\b[A-Z]{4,}\b")
_LATIN = re.compile(r"(?<![\w@.])[A-Za-z]{3,}(?!\w|@|\.\w)")
_SUM = re.compile(r"\s*(?:[$€£¥]\s?\d|\d[\d,.]*\s?(?:dollars?|bucks|usd|eur|euros?|gbp|pounds?)\b)", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[$€£¥]?\s?\d")
_THAN = re.compile(r"\s+than\b", re.IGNORECASE)
_LIMITS: Final = frozenset(
    "under below over above less more than least most max maximum minimum between about around within only without dollars".split()
)
_BEFORE_SUM: Final = frozenset(
    "under below over above than max maximum minimum between about around within least most".split()
)


class Spelling:
    """The words that one catalog is searched by. Built once a snapshot; threads can share it."""

    def __init__(self, snapshot: Snapshot, encoders: Mapping[str, Encoder]) -> None:
        """Take the encoders by their spaces."""
        self._snapshot = snapshot
        self._encoders = encoders
        english(), chinese()  # half a second, which no turn should wait for
        facets = snapshot.facets
        ends = (
            name[start:] for name in facets.categories() for start in range(len(name) - 1)
        )  # "游戏耳机" is a "耳机"
        values = (value for values in facets.attributes().values() for value in values)
        looks = (*COLORS, *MATERIALS)
        self._sounds = Sounds((*ends, *values, *(word for meaning in looks for word in meaning.words)))
        self._looks = frozenset(
            word for meaning in looks for word in meaning.english if word.isalpha() and len(word) > 3
        )

    def corrected(self, text: str) -> str:
        """The text for the search: every misspelled word is replaced by the catalog's own.

        A word that some encoder knows whole is no slip, and one in capitals among others is a code or a maker's name.
        """
        words = self._snapshot.words
        named = set() if text.isupper() else {*map(str.casefold, _CAPITALS.findall(text))}
        for word in dict.fromkeys(spelled(text)):
            known = words.knows(word) or self._snapshot.graph.knows(singular(word))
            if word in named or known or self._is_word(word):
                continue
            if (meant := words.correct(word) or self._apart(word)) is not None:
                # Not in an address: "maya@packhartly.com" means what it says.
                text = re.sub(rf"(?<![\w@.]){re.escape(word)}(?!\w|@|\.\w)", meant, text, flags=re.IGNORECASE)
        return self._sounds.heard(text)

    def heard(self, text: str) -> str:
        """The text for the understanding: only words that become conditions are righted, and only by dictionaries.

        In a search a word too many does no harm; here a "gravy boat" that became a gray one would be a condition that nobody made.
        So English words become colors, materials and limits alone: "veige" is "beige", "uner $60" is "under $60".
        """
        text = self._sounds.heard(text)
        found = list(_LATIN.finditer(text))
        strange = {match.start() for match in found if not self._in_dictionary(match[0].casefold())}
        if 2 * len(strange) > len(found) + 1:
            return text  # another language than English
        for match in reversed(found):
            meant = self._condition_word(match[0].casefold(), text, match.end(), match.start() in strange)
            if meant is not None:
                text = f"{text[: match.start()]}{meant}{text[match.end() :]}"
        return text

    def _condition_word(self, word: str, text: str, end: int, strange: bool) -> str | None:
        """The color, material or limit that a word was meant to be; None where it is meant as it is."""
        if word in _LIMITS or word in self._looks:
            return None
        rare = english().times(word) < RARE and not self._snapshot.words.knows(word)
        # A word of the dictionary, "rover 90", is a slip before money alone.
        if (
            rare
            and (_NUMBER if strange else _SUM).match(text, end)
            and (meant := _nearest(word, _BEFORE_SUM)) is not None
        ):
            return meant
        if rare and _THAN.match(text, end) and (meant := _nearest(word, ("less", "more"))) is not None:
            return meant
        if not strange:
            return None
        meant = _nearest(word, self._looks | _LIMITS)
        return meant if meant is not None and (len(word) >= SURE or _only_mixed(word, meant)) else None

    def _in_dictionary(self, word: str) -> bool:
        return bool(english().times(word)) or self._snapshot.words.knows(word)

    def is_english(self, text: str) -> bool:
        """Whether the English encoder or the catalog knows every word of a text."""
        latin = self._encoders.get("latin")
        return latin is not None and all(
            self._snapshot.words.knows(word) or latin.is_word(word) or latin.is_word(singular(word))
            for word in spelled(text)
        )

    def _apart(self, word: str) -> str | None:
        """Two of the catalog's words that are written as one: "airfryer" is "air fryer"."""
        cuts = range(SHORTEST_PART, len(word) - SHORTEST_PART + 1)
        parts = ((word[:cut], word[cut:]) for cut in cuts)
        known = self._snapshot.words.knows
        return next((f"{one} {other}" for one, other in parts if known(one) and known(singular(other))), None)

    def _is_word(self, word: str) -> bool:
        return any(encoder.is_word(form) for encoder in self._encoders.values() for form in (word, singular(word)))


def _only_mixed(word: str, meant: str) -> bool:
    """Whether a short word has the other's letters, all but a vowel, or of five or more all but one: "anvy", "pnk", "blak"."""
    left_out = meant if len(meant) > SURE - 1 else "aeiou"
    return sorted(word) in (sorted(meant), *(sorted(meant.replace(each, "", 1)) for each in left_out if each in meant))


def _nearest(word: str, words: Collection[str]) -> str | None:
    """The one of some words that is an edit away (insert, delete, replace, swap), two from nine letters on; None for several."""
    most = 1 + (len(word) >= 9)
    near = [each for each in words if abs(len(each) - len(word)) <= most and edit_distance(word, each) <= most]
    return near[0] if len(near) == 1 else None
