"""Texts without labels, to train a language model on: products, what was said in dialogues, plain lines.

    .csv .tsv .jsonl .ndjson .json .jsonld .parquet    by the first row that can be read: dialogues (`finetune.logs`), a column
                                                       or field `text`, or a catalog (`index.readers`)
    anything else                                      one text a line, UTF-8

Each may be packed (`.gz`). Structured personal data is replaced on the way in, so nothing behind this module sees it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from finetune.logs import read_logs
from index.encoders import Script, document_text, script_of
from index.products import ProductStore
from index.readers import Notes, read_rows
from index.readers.files import read_file
from index.snapshot import Layout, current_index
from storage.consent import Consent
from storage.database import Database
from storage.errors import InvalidInput
from storage.labels import training_conversations
from storage.principal import Principal
from storage.publish import sha256_file
from storage.redaction import redact
from storage.rows import RowProblem, not_utf8, open_text, shown

MOST_TEXTS = 200_000
"""So many texts of a script are kept; of more, a seeded sample. A run within 15 minutes gets no further than a tenth of them."""

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".jsonld", ".parquet")
"""How the names of files end that have rows with named fields."""
_SPOKEN = frozenset({"user", "assistant", "agent"})
_LONGEST_TEXT = 4_000  # characters; what is longer is cut, but only once personal data is gone, which a cut would hide
_LONGEST_LINE = 100_000


@dataclass
class TextReading:
    """What came out of the sources: distinct redacted texts by script, and what became of the rest.

    `found` counts the distinct texts of each script before any sampling, `hashes` has the sha256 of each file by its name,
    `users` are the ids of those whose conversations were read from the database; they never get into a model folder.
    """

    texts: dict[Script, list[str]] = field(default_factory=lambda: {"latin": [], "han": []})
    found: dict[Script, int] = field(default_factory=lambda: {"latin": 0, "han": 0})
    duplicates: int = 0
    rows: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)


class TextCollector:
    """Takes texts one at a time and keeps the distinct ones, at most `most` of a script (reservoir sampling, Vitter 1985)."""

    def __init__(self, seed: int = 0, most: int = MOST_TEXTS) -> None:
        self.reading = TextReading()
        self._draw = random.Random(seed)
        self._most = most
        self._seen: set[bytes] = set()  # 8 bytes a text, so that a million of them take 80 MB

    def add(self, text: str) -> None:
        """Keeps a text, redacted and with single spaces, unless it is empty or was there before."""
        clean = " ".join(redact(text[:_LONGEST_LINE])[:_LONGEST_TEXT].split())
        if not clean:
            return
        digest = blake2b(clean.encode("utf-8", "replace"), digest_size=8).digest()
        if digest in self._seen:
            self.reading.duplicates += 1
            return
        self._seen.add(digest)
        script = script_of(clean)
        kept = self.reading.texts[script]
        self.reading.found[script] += 1
        if len(kept) < self._most:
            kept.append(clean)
        elif (place := self._draw.randrange(self.reading.found[script])) < self._most:
            kept[place] = clean

    def add_row(self, line: int, found: Iterable[str] | RowProblem) -> None:
        """Counts a row and keeps its texts, or the row itself where it cannot be used."""
        self.reading.rows += 1
        if isinstance(found, RowProblem):
            self.reading.problems.append(found)
            return
        for text in found:
            self.add(text)


def read_texts(paths: Sequence[Path], seed: int = 0, most: int = MOST_TEXTS) -> TextReading:
    """Reads all files.

    Raises:
        InvalidInput: a file cannot be opened, or no row of it has a text.

    """
    collector = TextCollector(seed, most)
    for path in paths:
        before = collector.reading.rows, len(collector.reading.problems)
        for line, found in _rows(path):
            collector.add_row(line, found)
        rows, problems = collector.reading.rows - before[0], collector.reading.problems[before[1] :]
        if rows == len(problems):
            why = f": {problems[0].reason}" if problems else ""
            raise InvalidInput(
                f"{path} has no text that can be read{why}.",
                "Give plain UTF-8 lines, a column or field `text`, dialogues with `messages`, or a catalog.",
            )
        collector.reading.hashes[path.name] = sha256_file(path)
    return collector.reading


def shop_texts(
    shop: Path, database: Database, principal: Principal, default: Consent, seed: int = 0, most: int = MOST_TEXTS
) -> TextReading:
    """The texts of the published index, and of conversations whose customers let models learn from them.

    Args:
        shop: the shop's folder.
        database: where its conversations are.
        principal: who trains.
        default: what counts for customers who never chose, `[consent]` in shop.toml.
        seed: of the sample, where there are more than `most` texts of a script.
        most: of a script.

    Raises:
        InvalidInput: the shop has neither.
        Forbidden: the principal may not see what models learn from.
        Damaged: no version of the index is whole.

    """
    collector = TextCollector(seed, most)
    index = current_index(shop)
    for line, product in enumerate(ProductStore(Layout(index).products) if index else (), start=1):
        collector.add_row(line, [document_text(product)])
    for number, each in enumerate(training_conversations(database, principal, default), start=1):
        collector.add_row(number, [turn.content for turn in each.turns if turn.role in _SPOKEN])
        collector.reading.users.add(each.user_id)
    if not collector.reading.rows:
        raise InvalidInput(
            f"{shop} has no products and no conversations that may be learned from.",
            "Build its index first (launch.py index CATALOG), or give --texts FILE.",
        )
    return collector.reading


def _rows(path: Path) -> Iterator[tuple[int, Iterable[str] | RowProblem]]:
    if not path.name.lower().removesuffix(".gz").endswith(TABLES):
        return lines_of(path)
    first = next((row for _, row in read_file(path) if not isinstance(row, RowProblem)), {})
    if "messages" in first or "conversations" in first:
        return _dialogues(path)
    if (name := text_field(first)) is not None:
        return _fields(path, name)
    return _products(path)


def text_field(row: Mapping[str, Any]) -> str | None:
    """The name under which a row has its text, in whatever case; None for a product, which has a title."""
    names = {name.strip().lower(): name for name in row}
    return None if "title" in names else names.get("text")


def lines_of(path: Path) -> Iterator[tuple[int, Iterable[str] | RowProblem]]:
    """Lines of plain text; one without end is a problem, and never in memory as a whole."""
    with open_text(path) as stream:
        number = 0
        while line := stream.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE and not line.endswith("\n"):
                yield number, RowProblem(number, f"the line is longer than {_LONGEST_LINE} characters", shown(line))
                while line and not line.endswith("\n"):
                    line = stream.readline(_LONGEST_LINE)
            elif not_utf8(line):
                yield number, RowProblem(number, "not UTF-8", shown(line))
            elif line.strip():
                yield number, [line]


def _dialogues(path: Path) -> Iterator[tuple[int, Iterable[str] | RowProblem]]:
    reading = read_logs([path])
    for problem in reading.problems:
        yield problem.line, problem
    for number, dialogue in enumerate(reading.dialogues, start=1):
        yield number, [message.content for message in dialogue.messages if message.role in _SPOKEN]


def _fields(path: Path, name: str) -> Iterator[tuple[int, Iterable[str] | RowProblem]]:
    for line, row in read_file(path):
        if isinstance(row, RowProblem):
            yield line, row
        elif isinstance(text := row.get(name), str) and text.strip():
            yield line, [text]
        else:
            yield line, RowProblem(line, f"{name}: missing, empty or no text", row)


def _products(path: Path) -> Iterator[tuple[int, Iterable[str] | RowProblem]]:
    for line, product in read_rows(path, None, "USD", Notes()):  # prices are no part of the text
        if product is not None:
            yield line, product if isinstance(product, RowProblem) else [document_text(product)]
