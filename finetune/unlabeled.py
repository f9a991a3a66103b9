"""Logs to learn from without labels (`--unlabeled`): dialogues, and texts that stand by themselves.

dialogues                      whatever `finetune.logs` reads; turns that have a label are left to `--logs`
a column or field `text`       .csv .tsv .jsonl .parquet, each row a dialogue of one message; `label` may be there, and empty
anything else                  one customer's message a line, UTF-8
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from finetune.logs import Dialogue, Message, Progress, Reading, read_logs
from finetune.texts import TABLES, lines_of, text_field
from index.readers.files import read_file
from storage.errors import InvalidInput
from storage.publish import sha256_file
from storage.redaction import redact
from storage.rows import RowProblem, open_text

_LONGEST_TEXT = 100_000


def read_unlabeled(paths: Sequence[Path], progress: Progress | None = None) -> Reading:
    """Reads all files; a problem's reason begins with the file's name. `progress` is that of `read_logs`.

    Raises:
        InvalidInput: a file cannot be opened, or is a table without a column `text`.

    """
    plain = {path: rows for path in paths if (rows := _plain_rows(path)) is not None}
    logs = [path for path in paths if path not in plain]
    reading = read_logs(logs, progress)
    if len(logs) == 1:  # of several it has named the file itself
        reading.problems = [
            replace(problem, reason=f"{logs[0].name}: {problem.reason}") for problem in reading.problems
        ]
    for number, (path, rows) in enumerate(plain.items()):
        for line, found in rows:
            reading.rows += 1
            if isinstance(found, RowProblem):
                reading.problems.append(replace(found, reason=f"{path.name}: {found.reason}"))
            else:
                reading.dialogues.append(Dialogue(f"unlabeled {number}:{line}", (found,)))
        reading.hashes[str(path)] = sha256_file(path)
    return reading


def _plain_rows(path: Path) -> Iterator[tuple[int, Message | RowProblem]] | None:
    """The messages of a file in which each stands by itself; None for dialogues."""
    name = path.name.lower().removesuffix(".gz")
    if not name.endswith(TABLES):
        with open_text(path) as stream:
            return None if stream.readline(1_000).lstrip().startswith("{") else _of_lines(path)
    first = next((row for _, row in read_file(path) if not isinstance(row, RowProblem)), {})
    text = None if "messages" in first or "conversations" in first else text_field(first)
    if text is not None:
        label = next((each for each in first if each.strip().lower() == "label"), None)
        return _of_fields(path, text, label)
    if name.endswith((".csv", ".tsv", ".parquet")):
        raise InvalidInput(
            f"{path} has no column text.", "Name the column with the customers' messages text, in UTF-8."
        )
    return None


def _of_lines(path: Path) -> Iterator[tuple[int, Message | RowProblem]]:
    for line, found in lines_of(path):
        if isinstance(found, RowProblem):
            yield line, found
        else:
            for text in found:
                yield line, _message(text)


def _of_fields(path: Path, text: str, label: str | None) -> Iterator[tuple[int, Message | RowProblem]]:
    for line, row in read_file(path):
        if isinstance(row, RowProblem):
            yield line, row
            continue
        said = row.get(text)
        if isinstance(said, str) and said.strip():
            given = str(row.get(label) or "").strip() if label is not None else ""
            yield line, _message(said, (given,) if given else ())
        else:
            yield line, RowProblem(line, f"{text}: missing, empty or no text", row)


def _message(text: str, intents: tuple[str, ...] = ()) -> Message:
    return Message("user", redact(text[:_LONGEST_TEXT]).strip(), intents)
