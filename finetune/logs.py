"""Dialogue logs of any supported form, read into one record.

    Aisle      {"dialogue_id", "messages": [{"role", "content", "intents"?}], "split"?}
    OpenAI     {"messages": [{"role", "content"}]}, content a string or a list of parts
    ShareGPT   {"conversations": [{"from": "human"|"gpt"|"system", "value"}]}
    CSV        text,label[,split]: each row a dialogue of one message

Structured personal data is replaced on the way in, so nothing behind this module sees it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.labels import OUT_OF_SCOPE, OUT_OF_SCOPE_NAMES
from storage.errors import InvalidInput
from storage.redaction import redact
from storage.rows import RowProblem, not_utf8, open_text, read_jsonl, shown, unexpected

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


@dataclass(frozen=True)
class Message:
    """One message; `intents` are its gold labels, the leading one first, empty where nobody labelled it."""

    role: str
    content: str
    intents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dialogue:
    """One conversation; `split` is "train", "validation", "test" or "" where the log does not say."""

    id: str
    messages: tuple[Message, ...]
    split: str = ""

    def labelled(self) -> Iterator[tuple[list[dict[str, object]], tuple[str, ...]]]:
        """Each user turn with gold labels: the messages up to and with it, and the labels."""
        for index, message in enumerate(self.messages):
            if message.role == "user" and message.intents:
                before = self.messages[: index + 1]
                yield [{"role": each.role, "content": each.content} for each in before], message.intents


@dataclass
class Reading:
    """What came out of the logs: dialogues, rows that could not be used, and optional fields that were dropped."""

    dialogues: list[Dialogue] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    dropped_fields: int = 0
    rows: int = 0


def read_logs(paths: Sequence[Path]) -> Reading:
    """Reads all files. Of dialogues with one id the last wins; the others are problems of their lines.

    Raises:
        InvalidInput: a file cannot be opened, or a CSV has no columns `text` and `label`.

    """
    reading = Reading()
    kept: dict[str, tuple[int, Dialogue]] = {}
    for number, path in enumerate(paths):
        for line, found in _rows(path, reading):
            reading.rows += 1
            if isinstance(found, RowProblem):
                reading.problems.append(found)
                continue
            # A log without ids gets one from its place, which another file's line must not share.
            dialogue = found if found.id else Dialogue(f"{number}:{line}", found.messages, found.split)
            if dialogue.id in kept:
                before, _ = kept.pop(dialogue.id)
                reading.problems.append(RowProblem(before, "dialogue_id: used again further on", dialogue.id))
            kept[dialogue.id] = (line, dialogue)
    reading.dialogues = [dialogue for _, dialogue in kept.values()]
    return reading


def _rows(path: Path, reading: Reading) -> Iterator[tuple[int, Dialogue | RowProblem]]:
    if ".csv" in [suffix.lower() for suffix in path.suffixes]:
        yield from _csv_rows(path)
        return
    for line, row in read_jsonl(path):
        if isinstance(row, RowProblem):
            yield line, row
            continue
        try:
            yield line, _dialogue(row, reading)
        except ValueError as error:
            yield line, RowProblem(line, str(error), row)
        except Exception as error:  # what nobody foresaw in one row must not cost the others
            yield line, unexpected(line, error, row)


def _csv_rows(path: Path) -> Iterator[tuple[int, Dialogue | RowProblem]]:
    with open_text(path) as stream:
        reader = csv.DictReader(stream)
        names = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
        if "text" not in names or "label" not in names:
            raise InvalidInput(
                f"{path} has the columns {shown(', '.join(names)) or 'none'}.",
                "A CSV log needs the columns text and label, in UTF-8.",
            )
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, RowProblem(reader.line_num, f"not CSV: {error}", None)
                continue
            if any(not_utf8(cell) for cell in row.values() if isinstance(cell, str)):
                raw = {name: shown(cell) for name, cell in row.items() if isinstance(cell, str)}
                yield reader.line_num, RowProblem(reader.line_num, "not UTF-8", raw)
                continue
            text, label = (row.get(names["text"]) or "").strip(), (row.get(names["label"]) or "").strip()
            if not text or not label or len(label) > _LONGEST_LABEL:
                reason = "text: empty" if not text else "label: empty or too long"
                yield reader.line_num, RowProblem(reader.line_num, reason, dict(row))
                continue
            split = SPLITS.get((row.get(names.get("split", "")) or "").strip().lower(), "")
            message = Message("user", redact(text[:_LONGEST_MESSAGE]), (_label(label),))
            yield reader.line_num, Dialogue("", (message,), split)


def _dialogue(row: dict[str, Any], reading: Reading) -> Dialogue:
    """One JSON row; raises ValueError with the reason where a required field is missing."""
    raw = row.get("messages", row.get("conversations"))
    if not isinstance(raw, list) or not raw:
        raise ValueError("messages: missing or empty")
    messages = tuple(_message(item, index, reading) for index, item in enumerate(raw))
    number = row.get("dialogue_id", row.get("id"))
    if number is not None and not isinstance(number, str | int):
        number = None
        reading.dropped_fields += 1
    split = row.get("split")
    known = SPLITS.get(split.strip().lower(), "") if isinstance(split, str) else ""
    reading.dropped_fields += split is not None and not known
    return Dialogue("" if number is None else str(number), messages, known)


def _message(item: Any, index: int, reading: Reading) -> Message:
    if not isinstance(item, dict):
        raise ValueError(f"messages[{index}]: not an object")
    role = ROLES.get(str(item.get("role", item.get("from"))).strip().lower())
    if role is None:
        raise ValueError(f"messages[{index}].role: unknown")
    content = item.get("content", item.get("value"))
    if isinstance(content, list):  # OpenAI's parts; pictures and sounds have no text
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict)).strip()
    if content is None and role in ("assistant", "tool"):  # a tool call has no text
        content = ""
    if not isinstance(content, str):
        raise ValueError(f"messages[{index}].content: not a text")
    return Message(role, redact(content[:_LONGEST_MESSAGE]), _intents(item.get("intents"), reading))


def _intents(value: Any, reading: Reading) -> tuple[str, ...]:
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else [None]
    good = [each.strip() for each in values if isinstance(each, str) and 0 < len(each.strip()) <= _LONGEST_LABEL]
    reading.dropped_fields += len(good) < len(values)
    return tuple(dict.fromkeys(_label(each) for each in good))


def _label(name: str) -> str:
    return OUT_OF_SCOPE if name.lower() in OUT_OF_SCOPE_NAMES else name
