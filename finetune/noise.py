"""Seven kinds of noise that customers' texts have, to measure what each costs a model.

Rates are those that were observed, not those of a stress test, and a text gets one change at least. All kinds take Latin and
Chinese text, leave the placeholders of `storage.redaction` alone, and never make a text empty. A text that offers no place
for a kind (an emoji, Chinese under casing) comes back as it is.

| kind | source of the rate |
| --- | --- |
| keyboard | 2.3 % of characters are mistyped and left so on phones (Palin et al. 2019) |
| ocr | 4 % of characters: average recognition errs in 2 to 10 % (Holley 2009), TextFlint in one sign of each fifth word |
| casing | the whole text, as in TextFlint (Wang et al. 2021) |
| punctuation | added after at most a third of the words (AEDA, Karimi et al. 2021); dropped or doubled throughout |
| missing_words | 10 % of words, α of EDA (Wei and Zou 2019) |
| synonyms | 10 % of words, the same |
| fillers | 6 in 100 words are disfluent in conversation (Bortfeld et al. 2001) |
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from finetune.edits import (
    cut,
    drop_word,
    is_han,
    is_placeholder,
    is_word,
    misreadable,
    pieces,
    recase,
    slip,
    word_count,
)
from finetune.lexicon import homophones, lookalikes, synonyms
from finetune.logs import Dialogue

Noise = Callable[[str, random.Random], str]

MISTYPED = 0.023
MISREAD = 0.04
CHANGED_WORDS = 0.1
DISFLUENT = 0.06

_MARKS = frozenset('.,!?;:…"()。，！？；：、“”（）')
_ADDED, _ADDED_HAN = ".,;:!?", "。，；：！？"
_FILLERS = ("uh", "um", "er", "like", "you know", "I mean", "well")
_FILLERS_HAN = ("嗯，", "呃，", "那个", "就是", "就是说", "这个")
_BREAKS = _MARKS | frozenset("的了我你您是就都也在和跟想把")
"""Behind what Chinese, which has no spaces, can be interrupted: a mark, or a word of one character."""


def keyboard(text: str, rng: random.Random) -> str:
    """Slips of the fingers (Damerau 1964) on a QWERTY board (Belinkov and Bisk 2018), a wrong homophone in Chinese."""
    parts = pieces(text)
    weights = [_keys(piece) for piece in parts]  # longer words are hit more often
    if not any(weights):
        return text
    for place in rng.choices(range(len(parts)), weights, k=_count(MISTYPED, sum(weights))):
        parts[place] = slip(parts[place], rng)
    return "".join(parts)


def ocr(text: str, rng: random.Random) -> str:
    """Characters read as ones that look alike: 0 as o, rn as m, 未 as 末."""
    sites = misreadable(text)
    wanted = _count(MISREAD, len(text) - sum(map(str.isspace, text)))
    for match in sorted(rng.sample(sites, min(wanted, len(sites))), key=re.Match.start, reverse=True):
        text = text[: match.start()] + rng.choice(lookalikes()[match[0]]) + text[match.end() :]
    return text


def casing(text: str, rng: random.Random) -> str:
    """Lower, upper or title case, or each first letter by chance; Chinese has no case."""
    parts = pieces(text)
    recase(parts, rng)
    return "".join(parts)


def punctuation(text: str, rng: random.Random) -> str:
    """All marks dropped, or all of them doubled or tripled, or new ones put in; a mark inside a number stays."""
    parts = pieces(text)
    for style in rng.sample(_PUNCTUATIONS, len(_PUNCTUATIONS)):
        changed = style(list(parts), rng)
        if changed != text and changed.strip():
            return changed
    return text


def missing_words(text: str, rng: random.Random) -> str:
    """Words left out as in a hasty message, function words first, never the last one."""
    parts = pieces(text)
    for _ in range(_count(CHANGED_WORDS, word_count(parts))):
        drop_word(parts, rng)
    return "".join(parts)


def synonym(text: str, rng: random.Random) -> str:
    """Words and phrases changed for others of their set in `synonyms/`."""
    parts = pieces(text)
    known = synonyms()
    sites, place = [], 0
    while place < len(parts):
        for end in range(min(len(parts), place + _longest_synonym()), place, -1):
            if "".join(parts[place:end]).lower() in known:
                sites.append((place, end))
                place = end - 1
                break
        place += 1
    wanted = _count(CHANGED_WORDS, word_count(parts))
    for start, end in sorted(rng.sample(sites, min(wanted, len(sites))), reverse=True):
        old = "".join(parts[start:end])
        new = rng.choice(known[old.lower()])
        parts[start:end] = [new[:1].upper() + new[1:] if old[:1].isupper() else new]
    return "".join(parts)


def fillers(text: str, rng: random.Random) -> str:
    """Fillers ("um", 嗯), repeated words and false starts, as a transcript of speech has them (Shriberg 1994)."""
    parts = pieces(text)
    places = [place for place in range(len(parts)) if _can_be_interrupted(parts, place)]
    wanted = _count(DISFLUENT, word_count(parts))
    for place in sorted(rng.sample(places, min(wanted, len(places))), reverse=True):
        parts.insert(place, _disfluency(parts[place], rng))
    return "".join(parts)


NOISES: Mapping[str, Noise] = {
    "keyboard": keyboard,
    "ocr": ocr,
    "casing": casing,
    "punctuation": punctuation,
    "missing_words": missing_words,
    "synonyms": synonym,
    "fillers": fillers,
}


def noisy(dialogues: Sequence[Dialogue], kind: str, seed: int) -> list[Dialogue]:
    """The dialogues with noise of one kind in all that the user says: who types carelessly does so throughout.

    Other roles and the labels stay. A message's noise depends on seed, kind, dialogue and place alone, so that a sample of
    the dialogues gets the same noise as all of them.

    Raises:
        KeyError: `kind` is not among `NOISES`.

    """
    change = NOISES[kind]
    return [
        replace(
            dialogue,
            messages=tuple(
                replace(message, content=change(message.content, random.Random(f"{seed}/{kind}/{dialogue.id}/{place}")))
                if message.role == "user"
                else message
                for place, message in enumerate(dialogue.messages)
            ),
        )
        for dialogue in dialogues
    ]


def _keys(piece: str) -> int:
    """How many of a piece's characters can be mistyped."""
    if is_placeholder(piece):
        return 0
    return int(piece in homophones()) if is_han(piece) else sum(map(str.isalpha, piece))


def _count(rate: float, size: float) -> int:
    return max(1, round(rate * size))


@cache
def _longest_synonym() -> int:
    return max(len(pieces(word)) for word in synonyms())


def _is_mark(parts: Sequence[str], place: int) -> bool:
    """Whether the piece is punctuation, and not the point in 3.50 or the colon in 10:30."""
    if parts[place] not in _MARKS:
        return False
    return not (0 < place < len(parts) - 1 and parts[place - 1][-1].isdigit() and parts[place + 1][0].isdigit())


def _drop_marks(parts: list[str], rng: random.Random) -> str:
    for place in reversed(range(len(parts))):
        if _is_mark(parts, place):
            _drop_mark(parts, place)
        elif is_word(parts[place]):
            parts[place] = parts[place].replace("'", "").replace("’", "")
    return "".join(parts)


def _drop_mark(parts: list[str], place: int) -> None:
    spaces = place > 0 and parts[place - 1].isspace(), place + 1 < len(parts) and parts[place + 1].isspace()
    if any(spaces) and not all(spaces):
        del parts[place]  # the space keeps its neighbours apart
    else:
        cut(parts, place)


def _double_marks(parts: list[str], rng: random.Random) -> str:
    return "".join(piece * rng.choice((2, 3)) if _is_mark(parts, place) else piece for place, piece in enumerate(parts))


def _add_marks(parts: list[str], rng: random.Random) -> str:
    places = [
        place
        for place, piece in enumerate(parts)
        if is_word(piece) and (place + 1 == len(parts) or parts[place + 1].isspace() or is_han(parts[place + 1]))
    ]
    wanted = rng.randint(1, max(1, word_count(parts) // 3))
    for place in rng.sample(places, min(wanted, len(places))):
        parts[place] += rng.choice(_ADDED_HAN if is_han(parts[place][0]) else _ADDED)
    return "".join(parts)


_PUNCTUATIONS = (_drop_marks, _double_marks, _add_marks)


def _can_be_interrupted(parts: Sequence[str], place: int) -> bool:
    if is_word(parts[place]) or is_placeholder(parts[place]):
        before = parts[place - 1] if place else " "
        return before.isspace() or (is_han(parts[place]) and before in _BREAKS)
    return False


def _disfluency(before: str, rng: random.Random) -> str:
    """What is said before the word, white space included: most often a filler, else the word or its start twice."""
    kind = rng.choices(("filler", "repeat", "false start"), (6, 3, 1))[0]
    han = is_han(before)
    if kind == "filler" or not before.isalpha():
        return rng.choice(_FILLERS_HAN) if han else rng.choice(_FILLERS) + " "
    if kind == "repeat" or len(before) < 2:
        return before if han else before + " "
    return before[: (len(before) + 1) // 2] + "- "
