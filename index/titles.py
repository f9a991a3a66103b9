"""The folded titles of a catalog: by row, and which of them have some words in this order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from index.base import Base
from index.clean import fold, has_cjk, is_cjk
from index.postings import Kept, Postings, PostingsWriter, key_of
from index.strings import Strings, StringsWriter

_RUN: Final = re.compile(r"[^\W_]+")


class Titles:
    """Titles without case and width. A word is a run of letters and digits; Chinese, which has no spaces, goes by characters."""

    def __init__(self, texts: Strings, words: Postings) -> None:
        self.texts = texts
        self._words = words

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `TitleWriter` wrote, memory-mapped; the caller has checked the hashes. Raises `Damaged` where a file is missing."""
        return cls(Strings.load(folder, "titles"), Postings.load(folder, "title_words"))

    def __len__(self) -> int:
        """How many titles there are."""
        return len(self.texts)

    def having(self, words: str) -> NDArray[np.int32]:
        """The rows, ascending, whose title has the folded words as whole words; Chinese anywhere. Signs alone are in none."""
        tokens = _words(words)
        postings = sorted((self._words.rows_of(key_of(token)) for token in dict.fromkeys(tokens)), key=len)
        if not postings or not len(postings[0]):
            return np.empty(0, np.int32)
        rows = postings[0]
        for others in postings[1:]:
            places = np.minimum(np.searchsorted(others, rows), len(others) - 1)
            rows = rows[others[places] == rows]
        if tokens == [words]:  # the posting of a word says all
            return rows
        return rows[[_stands_in(words, title) for title in self.texts.many(rows)]] if len(rows) else rows


class TitleWriter:
    """Writes titles one by one, by ascending row; with `base` those of the other rows are taken over."""

    def __init__(self, folder: Path, base: Base | None = None) -> None:
        self._folder = folder
        self._base = base
        self._before = Titles.load(base.folder) if base else None
        self._texts = StringsWriter()
        self._words = PostingsWriter(folder, "title_words")

    def add(self, row: int, title: str) -> None:
        """Adds the title of a row."""
        folded = fold(title)
        self._take(row)
        self._words.add(row, {key_of(word) for word in _words(folded)}, 1)
        self._texts.add(folded)

    def close(self, size: int) -> None:
        """Completes the files of a catalog of `size` rows."""
        self._take(size)
        self._texts.save(self._folder, "titles")
        kept = Kept(self._before._words, self._base.moved) if self._before and self._base else None
        self._words.close(size, kept)

    def _take(self, row: int) -> None:
        """Takes over what stands before a row and was not added."""
        if self._before is not None and len(self._texts) < row:
            self._texts.take(self._before.texts, len(self._texts), row)


def _words(text: str) -> list[str]:
    """`"led灯 x-2"` → `["led", "灯", "x", "2"]`."""
    found: list[str] = []
    for match in _RUN.finditer(text):
        run = match.group()
        if not has_cjk(run):
            found.append(run)
            continue
        spaced = "".join(f" {character} " if is_cjk(character) else character for character in run)
        found += spaced.split()
    return found


def _stands_in(words: str, title: str) -> bool:
    """Whether a title has the words, and no letter continues them on either side."""
    place = title.find(words)
    while place >= 0:
        end = place + len(words)
        before, after = title[place - 1 : place], title[end : end + 1]
        if not (_joins(before, words[0]) or _joins(words[-1], after)):
            return True
        place = title.find(words, place + 1)
    return False


def _joins(one: str, other: str) -> bool:
    """Whether two neighbouring characters, of which one may be missing, belong to one word."""
    return one.isalnum() and other.isalnum() and not (is_cjk(one) or is_cjk(other))
