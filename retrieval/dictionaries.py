"""Whether a word is one, and how common: dictionaries of English and Chinese with frequencies, out of packages."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np

LONGEST_CHINESE: Final = 4  # characters of the Chinese words that are kept


class Dictionary:
    """Words by their hashes: 5 MB where a set would take 50. Two words of one hash are as likely as nothing."""

    def __init__(self, words: Iterable[tuple[str, int]]) -> None:
        """Take each word with how often its corpus has it."""
        table = np.array([(hash(word), count) for word, count in words], np.int64).reshape(-1, 2)
        table = table[np.argsort(table[:, 0])]
        self._hashes, self._counts = np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])

    def times(self, word: str) -> int:
        """How often the corpus has a word, 0 for what is none."""
        place = int(np.searchsorted(self._hashes, hash(word)))
        known = place < len(self._hashes) and self._hashes[place] == hash(word)
        return int(self._counts[place]) if known else 0


@cache
def chinese() -> Dictionary:
    """The 350,000 words of jieba that have up to four characters."""
    lines = (_folder("jieba") / "dict.txt").read_text(encoding="utf-8").splitlines()
    fields = (line.split(" ", 2) for line in lines)
    return Dictionary((word, int(count)) for word, count, _ in fields if len(word) <= LONGEST_CHINESE)


@cache
def english() -> Dictionary:
    """The 160,000 words of pyspellchecker, in lower case."""
    packed = (_folder("spellchecker") / "resources" / "en.json.gz").read_bytes()
    return Dictionary(json.loads(gzip.decompress(packed)).items())


def _folder(package: str) -> Path:
    """Where a package lies; it is not imported, for its loggers and caches are not wanted."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    return Path(spec.origin).parent
