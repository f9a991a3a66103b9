"""The file that a person fills: written so that a spreadsheet shows it as it is, read as spreadsheets write it back.

    id,conversation,turn,suggested_label,confidence,second_suggestion,label,note
    t3f…,"customer: hi
    assistant: Hello!",a kettle,search,0.41,refine,,

`label` is for the person: one of the labels, several with ";" between them, or 1 or 2 for the first or second suggestion. The
labels stand in a file beside it. `note` says why a turn was picked where there is more to say; what is written there is not read.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.labels import OUT_OF_SCOPE, OUT_OF_SCOPE_NAMES
from finetune.candidates import Pick
from finetune.logs import Message
from storage.disk import new_file, writing
from storage.errors import InvalidInput
from storage.record import storable
from storage.rows import RowProblem, not_utf8, open_bytes, read_jsonl, shown

COLUMNS = ("id", "conversation", "turn", "suggested_label", "confidence", "second_suggestion", "label", "note")

LONGEST_FILE = 64 * 2**20
_LONGEST_LABEL = 100
_MESSAGES = 6  # of the conversation before the turn
_MESSAGE_CHARACTERS = 500
_TURN_CHARACTERS = 5_000  # a spreadsheet's cell holds 32,767
_SPEAKERS = {"user": "customer"}
_DELIMITERS = (",", ";", "\t")

_SPACE = re.compile(r"\s+")
# Control characters, and those that turn the direction of the text around them (Trojan Source, CVE-2021-42574).
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# What makes a cell a formula (OWASP, "CSV injection"), the full-width signs of Chinese and Japanese spreadsheets too; also
# after a ";" or tab, where a spreadsheet of another country begins a new cell.
_FORMULA = re.compile(r"(^|[;\t])([\s\"']*)(?=[=+\-@＝＋－＠])")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # xlsx and ods; xls


@dataclass
class Answers:
    """What a filled file says: labels by turn, how many rows were left empty, and rows that cannot be used.

    A row's line is its number in a spreadsheet, where the header is 1.
    """

    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: int = 0
    empty: int = 0
    problems: list[RowProblem] = field(default_factory=list)


def write_label_file(path: Path, picks: Sequence[Pick], labels: Sequence[str]) -> Path:
    """Writes the file to fill, JSONL where its name ends so, else CSV, and beside it the labels; returns the latter.

    Raises:
        Conflict: the file is there already: it may hold somebody's work.
        Unavailable: one of the two cannot be written; then neither is there.
    """
    beside = path.with_name(f"{path.stem}.labels.txt")
    rows = [_row(pick) for pick in picks]
    with new_file(path, "utf-8" if _is_jsonl(path) else "utf-8-sig") as out:
        if _is_jsonl(path):
            out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            writer = csv.DictWriter(out, COLUMNS)
            writer.writeheader()
            writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
        with writing(beside):
            beside.write_text("".join(f"{name}\n" for name in (*labels, OUT_OF_SCOPE)), encoding="utf-8-sig")
    return beside


def read_answers(path: Path, turns: Collection[str], labels: Collection[str], new_labels: bool = False) -> Answers:
    """Reads a filled file: CSV with commas, semicolons or tabs, in UTF-8 or UTF-16, or JSONL; rows and columns in any order.

    Args:
        path: the file.
        turns: the keys that were handed out.
        labels: the known labels.
        new_labels: take unknown labels as they are written.

    Raises:
        InvalidInput: it is no such file, or has no columns `id` and `label`.
    """
    answers, lines = Answers(), dict[str, int]()
    names = _Names(labels, new_labels)
    conflicting: set[str] = set()
    for line, row in _json_rows(path) if _is_jsonl(path) else _csv_rows(path):
        answers.rows += 1
        if isinstance(row, RowProblem):
            answers.problems.append(row)
            continue
        key, said = row["id"].strip(), _plain(row["label"])
        if not said:
            answers.empty += 1
            continue
        try:
            if key not in turns:
                raise ValueError(f"no turn {key[:40]!r} was handed out")
            intents = names.read(said, row)
            if answers.labels.setdefault(key, intents) != intents:
                conflicting.add(key)
                raise ValueError(f"another label than in row {lines[key]}, so neither is taken")
            lines.setdefault(key, line)
        except ValueError as error:
            answers.problems.append(RowProblem(line, str(error), {name: shown(cell) for name, cell in row.items()}))
    for key in conflicting:
        del answers.labels[key]
    return answers


class _Names:
    """Reads what people write for labels."""

    def __init__(self, labels: Collection[str], new_labels: bool) -> None:
        self._exact = {*labels, OUT_OF_SCOPE}
        self._alike = {_alike(name): name for name in sorted(self._exact)}
        self._alike |= {_alike(name): OUT_OF_SCOPE for name in OUT_OF_SCOPE_NAMES}
        self._new = new_labels

    def read(self, said: str, row: dict[str, str]) -> tuple[str, ...]:
        """The labels in a cell; raises ValueError where it cannot be read."""
        if not_utf8(said):
            raise ValueError('the label is not in UTF-8: save the file as "CSV UTF-8"')
        words = [word.strip() for word in unicodedata.normalize("NFKC", said).split(";")]
        found = tuple(dict.fromkeys(self._one(word, row) for word in words if word))
        if not found:
            raise ValueError(f"no label in {said[:40]!r}")
        if OUT_OF_SCOPE in found and len(found) > 1:
            raise ValueError(f"{OUT_OF_SCOPE} stands beside another label")
        return found

    def _one(self, word: str, row: dict[str, str]) -> str:
        if word in self._exact:
            return word
        if word in ("1", "2"):
            word = _plain(row.get("suggested_label" if word == "1" else "second_suggestion", ""))
            if not word:
                raise ValueError("the row has no such suggestion")
        known = self._alike.get(_alike(word))
        if known:
            return known
        if not self._new:
            near = difflib.get_close_matches(_alike(word), self._alike, n=1)
            raise ValueError(
                f"the label {word[:60]!r} is unknown" + (f": is it {self._alike[near[0]]!r}?" if near else "")
            )
        if not 0 < len(word) <= _LONGEST_LABEL:
            raise ValueError(f"the label is empty or longer than {_LONGEST_LABEL} characters")
        return self._alike.setdefault(_alike(word), word)


def _alike(word: str) -> str:
    """The form in which spellings of one label agree: "Ask Policy" is ask_policy."""
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFKC", _UNSEEN.sub("", word)).casefold().strip())


def _is_jsonl(path: Path) -> bool:
    return path.suffix.lower() == ".jsonl"


def _row(pick: Pick) -> dict[str, object]:
    *before, turn = pick.candidate.messages
    return {
        "id": pick.candidate.key,
        "conversation": "\n".join(_said(message) for message in before[-_MESSAGES:]),
        "turn": _seen(turn.content, _TURN_CHARACTERS),
        "suggested_label": pick.suggested,
        "confidence": None if pick.confidence is None else round(pick.confidence, 2),
        "second_suggestion": pick.second,
        "label": "",
        "note": "perhaps out of scope" if pick.suggested == OUT_OF_SCOPE else "",
    }


def _said(message: Message) -> str:
    return f"{_SPEAKERS.get(message.role, message.role)}: {_seen(message.content, _MESSAGE_CHARACTERS)}"


def _seen(text: str, most: int) -> str:
    """Text on one line without what cannot be seen, cut where it is long."""
    plain = _SPACE.sub(" ", _UNSEEN.sub("", storable(text))).strip()
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: it shows the text behind an apostrophe."""
    return "" if value is None else _FORMULA.sub(r"\1\2'", _UNSEEN.sub("", str(value)))


def _plain(cell: str) -> str:
    """What a person meant: without the apostrophe of `_cell`."""
    return _UNSEEN.sub("", cell).strip().removeprefix("'").strip()


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | RowProblem]]:
    text = _text(path)
    first = text.lstrip().split("\n", 1)[0].strip()
    if first.lower().startswith("sep="):  # a line by which Excel is told of the delimiter
        text = text.lstrip().split("\n", 1)[-1]
    for delimiter in _DELIMITERS:
        records = _records(path, text, delimiter)
        names = {_alike(name): place for place, name in enumerate(next(records, []))}
        if {"id", "label"} <= names.keys():
            break
    else:
        raise InvalidInput(
            f"{path} has no columns id and label.", "Give a file that launch.py label wrote, saved as CSV."
        )
    for line, cells in enumerate(records, start=2):
        if any(cell.strip() for cell in cells):
            yield line, {name: cells[place] if place < len(cells) else "" for name, place in names.items()}


def _records(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise InvalidInput(f"{path} is not CSV: {error}.", 'Save it again as "CSV UTF-8".') from None


def _text(path: Path) -> str:
    """The file's text; bytes that are not UTF-8 become lone surrogates, for only labels must be readable."""
    with open_bytes(path) as stream:
        raw = stream.read(LONGEST_FILE + 1)
    if len(raw) > LONGEST_FILE:
        raise InvalidInput(f"{path} is larger than {LONGEST_FILE >> 20} MiB.", "Is it the right file?")
    if raw.startswith(_WORKBOOKS):
        raise InvalidInput(f"{path} is a workbook.", 'Save it as "CSV UTF-8" and import that.')
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="surrogateescape").replace("\x00", "")


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | RowProblem]]:
    for line, row in read_jsonl(path):
        if isinstance(row, RowProblem):
            yield line, row
            continue
        label = row.get("label")
        said = ";".join(map(str, label)) if isinstance(label, list) else label
        yield line, {name: str(value or "") for name, value in {**row, "label": said, "id": row.get("id")}.items()}
