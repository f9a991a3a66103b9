"""Whether a text tells of a need ("keep the rain off while cycling") or names a thing ("rain jacket").

Whoever names a thing leaves out articles and pronouns; whoever tells what they do with it cannot. What stands behind "for" or
"with" tells of the thing that was named before ("drum kit for my son"), and so does not count.
"""

from __future__ import annotations

import re
from typing import Final

from index.tokens import words_of

_TELLING: Final = frozenset(
    "i my me we our us you your myself he she his her him they their the a an while when where so that to off".split()
)
_UNNAMED: Final = frozenset("something anything someone somewhere things stuff".split())
_OF_THE_THING: Final = re.compile(r"\b(?:for|with|from|like|under|in|on|as)\b")
_WORD: Final = re.compile(r"[a-z']+")
_FEWEST_WORDS: Final = 2


def tells_need(text: str) -> bool:
    """True for an English text that tells of a need in a clause; False for one that names a thing, and for other languages."""
    named = _WORD.findall(_OF_THE_THING.split(text.casefold(), maxsplit=1)[0])
    if not _UNNAMED.isdisjoint(named):
        return bool(words_of(text))
    return len(words_of(text)) >= _FEWEST_WORDS and not _TELLING.isdisjoint(named)
