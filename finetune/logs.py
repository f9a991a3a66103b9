"""Dialogue logs of any supported form, read into one record.

    Aisle      {"dialogue_id", "messages": [{"role", "content", "intents"?}], "split"?}
    OpenAI     {"messages": [{"role", "content"}]}, content a string or a list of parts
    ShareGPT   {"conversations": [{"from": "human"|"gpt"|"system", "value"}]}
    CSV        text,label[,split]: each row a dialogue of one message; semicolons and tabs are read too

Structured personal data is replaced on the way in, so nothing behind this module sees it.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.labels import OUT_OF_SCOPE, OUT_OF_SCOPE_NAMES
from storage.errors import InvalidInput
from storage.redaction import redact
from storage.rows import BROKEN_PACK, RowProblem, not_utf8, open_text, read_jsonl, shown, unexpected

ROLES: Mapping[str, str] = {
    "user": "user",
    "human": "user",
    "customer": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "agent": "agent",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}

SPLITS: Mapping[str, str] = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}

_LONGEST_MESSAGE = 100_000
_LONGEST_LABEL = 100
_LONGEST_HEADER = 2**16
_LONGEST_LANGUAGE = 35  # RFC 5646, section 4.4.1
_REPEATED_TEXTS = 2**16
"""So many messages are remembered while reading: assistants say much again, and then neither redaction nor memory is paid twice."""

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# Half of a character outside the basic plane, which JSON can spell and UTF-8 cannot: what cutting an emoji in two leaves.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Progress = Callable[[int, int], None]
"""Called while reading with the bytes read and the bytes that there are in all files, both as they lie on disk."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `intents` are its gold labels, the leading one first, empty where nobody labelled it.

    `products` are the ids of those it shows, and `feedback` is the thumb that it got, "up", "down" or "".
    """

    role: str
    content: str
    intents: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    feedback: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One conversation; `split` is "train", "validation", "test" or "" where the log does not say.

    `user_id` and `language` are as the log has them or "". The first is what erasure goes by; it never gets into a model folder.
    """

    id: str
    messages: tuple[Message, ...]
    split: str = ""
    user_id: str = ""
    language: str = ""

    def labelled(self) -> Iterator[tuple[list[dict[str, object]], tuple[str, ...]]]:
        """Each user turn with gold labels: the messages up to and with it, and the labels."""
        said: list[dict[str, object]] = []
        for message in self.messages:
            said.append({"role": message.role, "content": message.content})
            if message.role == "user" and message.intents:
                yield said.copy(), message.intents

    def golds(self) -> Iterator[tuple[str, ...]]:
        """The labels of each labelled user turn, for those who need not know what was said."""
        return (message.intents for message in self.messages if message.role == "user" and message.intents)


@dataclass
class Reading:
    """What came out of the logs: dialogues, rows that could not be used, and optional fields that were dropped.

    `hashes` has the sha256 of each file by its path. A problem's `raw` is redacted text, and where there are several files its
    reason begins with the file's name.
    """

    dialogues: list[Dialogue] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    dropped_fields: int = 0
    rows: int = 0
    hashes: dict[str, str] = field(default_factory=dict)


def read_logs(paths: Sequence[Path], progress: Progress | None = None) -> Reading:
    """Reads all files. Of dialogues with one id the last wins; the others are problems of their lines.

    Raises:
        InvalidInput: a file cannot be opened, is packed and breaks off, is in UTF-16, or is a CSV without columns `text` and
            `label`.

    """
    reading = Reading()
    parser = _Parser()
    kept: dict[str, tuple[Path, int, Dialogue]] = {}

    def set_aside(path: Path, problem: RowProblem) -> None:
        reason = problem.reason if len(paths) == 1 else f"{path.name}: {problem.reason}"
        reading.problems.append(RowProblem(problem.line, reason, _raw_text(problem.raw)))

    total = sum(path.stat().st_size for path in paths if path.is_file())
    before = 0
    for number, path in enumerate(paths):
        meter = _Meter(path, before, total, progress)
        for line, found in _rows(path, meter, parser):
            reading.rows += 1
            if isinstance(found, RowProblem):
                set_aside(path, found)
                continue
            # A log without ids gets one from its place, which another file's line must not share.
            dialogue = found if found.id else replace(found, id=f"{number}:{line}")
            if dialogue.id in kept:
                file, earlier, _ = kept.pop(dialogue.id)
                set_aside(file, RowProblem(earlier, "dialogue_id: used again further on", dialogue.id))
            kept[dialogue.id] = (path, line, dialogue)
        before += meter.size
        reading.hashes[str(path)] = meter.sha256
    reading.dialogues = [dialogue for _, _, dialogue in kept.values()]
    reading.dropped_fields = parser.dropped
    return reading


class _Meter:
    """Sees a file go by: its sha256, its size, and how far the reading has come."""

    def __init__(self, path: Path, before: int, total: int, progress: Progress | None) -> None:
        self._path, self._before, self._total, self._progress = path, before, total, progress
        self._digest = hashlib.sha256()
        self.size = 0

    def __call__(self, piece: memoryview) -> None:
        if self.size == 0 and bytes(piece[:2]) in _UTF16:
            raise InvalidInput(f"{self._path} is in UTF-16.", "Save it as UTF-8.")
        self._digest.update(piece)
        self.size += len(piece)
        if self._progress and piece:
            self._progress(self._before + self.size, self._total)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _raw_text(raw: Any) -> str:
    """A row that is set aside, for a person to look at: redacted like all that is kept."""
    if isinstance(raw, str):
        return redact(raw)
    try:
        return redact(json.dumps(raw, ensure_ascii=False, default=str))
    except (RecursionError, TypeError, ValueError) as error:
        return f"not shown: {type(error).__name__}"


def _rows(path: Path, meter: _Meter, parser: _Parser) -> Iterator[tuple[int, Dialogue | RowProblem]]:
    if {".csv", ".tsv"} & {suffix.lower() for suffix in path.suffixes}:
        yield from _csv_rows(path, meter, parser)
        return
    for line, row in read_jsonl(path, meter):
        if isinstance(row, RowProblem):
            if row.reason.startswith(BROKEN_PACK):  # not a row is missing, but nobody knows how many
                raise InvalidInput(f"{path} breaks off at line {line}.", "Copy the whole file again, or pack it again.")
            yield line, row
            continue
        try:
            yield line, parser.dialogue(row)
        except ValueError as error:
            yield line, RowProblem(line, str(error), row)
        except Exception as error:  # what nobody foresaw in one row must not cost the others
            yield line, unexpected(line, error, row)


def _csv_rows(path: Path, meter: _Meter, parser: _Parser) -> Iterator[tuple[int, Dialogue | RowProblem]]:
    with open_text(path, meter) as stream:
        head = stream.readline(_LONGEST_HEADER)
        # Spreadsheets write semicolons where the comma is the decimal sign. The header tells; sniffing the text would guess.
        for delimiter in ",;\t":
            header = [name.strip().lower() for name in next(csv.reader([head], delimiter=delimiter), [])]
            if {"text", "label"} <= set(header):
                break
        else:
            columns = " ".join(shown(", ".join(next(csv.reader([head]), []))).split())
            raise InvalidInput(
                f"{path} has the columns {columns or 'none'}.",
                "A CSV log needs the columns text and label, in UTF-8.",
            )
        reader = csv.reader(stream, delimiter=delimiter)
        while True:
            first = reader.line_num + 2  # the header is the first line, and this row begins after the last
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                found: Dialogue | RowProblem = RowProblem(reader.line_num + 1, f"not CSV: {error}", None)
            else:
                if not cells:
                    continue
                found = _csv_row(header, cells, reader.line_num + 1, parser)
            last = reader.line_num + 1
            if isinstance(found, RowProblem):
                # A quote that is never closed swallows lines; each of them is a row that is lost.
                for line in range(first, last):
                    yield line, RowProblem(line, f"in a row with line {last}: {found.reason}", None)
            yield last, found


def _csv_row(header: Sequence[str], cells: Sequence[str], line: int, parser: _Parser) -> Dialogue | RowProblem:
    if any(map(not_utf8, cells)):
        return RowProblem(line, "not UTF-8", [shown(cell) for cell in cells])
    if len(cells) > len(header):  # a comma in a text that nobody quoted: what stands under `label` is then no label
        return RowProblem(line, "more cells than columns", cells)
    row = dict(zip(header, cells, strict=False))
    text, label = row.get("text", "").strip(), row.get("label", "").strip()
    if not text or not label or len(label) > _LONGEST_LABEL:
        return RowProblem(line, "text: empty" if not text else "label: empty or too long", row)
    message = Message("user", parser.text(text), parser.intents(label))
    return Dialogue("", (message,), parser.split(row.get("split") or None))


class _Parser:
    """Rows into dialogues; counts the optional fields that it drops, and lets equal texts and labels share their memory."""

    def __init__(self) -> None:
        self.dropped = 0
        self._redact = lru_cache(_REPEATED_TEXTS)(redact)
        self._label_sets: dict[tuple[str, ...], tuple[str, ...]] = {}

    def dialogue(self, row: dict[str, Any]) -> Dialogue:
        """One JSON row; raises ValueError with the reason where a required field is missing."""
        raw = row.get("messages", row.get("conversations"))
        if not isinstance(raw, list) or not raw:
            raise ValueError("messages: missing or empty")
        messages = tuple(self._message(item, index) for index, item in enumerate(raw))
        number, user = self._name(row.get("dialogue_id", row.get("id"))), self._name(row.get("user_id"))
        return Dialogue(number, messages, self.split(row.get("split")), user, self._language(row.get("language")))

    def split(self, value: Any) -> str:
        """The split under its one name, or "" where it is missing or unknown."""
        known = SPLITS.get(value.strip().lower(), "") if isinstance(value, str) else ""
        self.dropped += value is not None and not known
        return known

    def intents(self, value: Any) -> tuple[str, ...]:
        """One label or a list of them, without those that are none."""
        if value is None:
            return ()
        values = [value] if isinstance(value, str) else value if isinstance(value, list) else [None]
        good = [_whole(each).strip() for each in values if isinstance(each, str)]
        good = [each for each in good if 0 < len(each) <= _LONGEST_LABEL]
        self.dropped += len(good) < len(values)
        labels = tuple(dict.fromkeys(OUT_OF_SCOPE if each.lower() in OUT_OF_SCOPE_NAMES else each for each in good))
        return self._label_sets.setdefault(labels, labels)

    def text(self, content: str) -> str:
        """What is kept of a message."""
        return self._redact(_whole(content[:_LONGEST_MESSAGE]))

    def _message(self, item: Any, index: int) -> Message:
        if not isinstance(item, dict):
            raise ValueError(f"messages[{index}]: not an object")
        role = ROLES.get(str(item.get("role", item.get("from"))).strip().lower())
        if role is None:
            raise ValueError(f"messages[{index}].role: unknown")
        content = item.get("content", item.get("value"))
        if isinstance(content, list):  # OpenAI's parts; pictures and sounds have no text
            texts = [part.get("text") for part in content if isinstance(part, dict)]
            content = " ".join(text for text in texts if isinstance(text, str)).strip()
        if content is None and role in ("assistant", "tool"):  # a tool call has no text
            content = ""
        if not isinstance(content, str):
            raise ValueError(f"messages[{index}].content: not a text")
        return Message(
            role,
            self.text(content),
            self.intents(item.get("intents")),
            self._products(item.get("products")),
            self._feedback(item.get("feedback")),
        )

    def _products(self, value: Any) -> tuple[str, ...]:
        if value is None:
            return ()
        good = isinstance(value, list) and all(isinstance(each, str | int) for each in value)
        self.dropped += not good
        return tuple(_whole(str(each)) for each in value) if good else ()

    def _feedback(self, value: Any) -> str:
        self.dropped += value not in (None, "up", "down")
        return value if value in ("up", "down") else ""

    def _name(self, value: Any) -> str:
        good = isinstance(value, str | int) and not isinstance(value, bool)
        self.dropped += value is not None and not good
        return _whole(str(value)) if good else ""

    def _language(self, value: Any) -> str:
        good = isinstance(value, str) and len(value) <= _LONGEST_LANGUAGE
        self.dropped += value is not None and not good
        return sys.intern(_whole(value).strip()) if good else ""


def _whole(text: str) -> str:
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)
