"""Where a person's id stands in files: rejected rows, reports, and the logs that models were trained on.

Only whole lines are taken out, of files that are read line by line; what else holds the id is named, for a person to look at.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from storage.disk import writing
from storage.errors import InvalidInput
from storage.rows import open_bytes, unpacking

_LINES: Final = frozenset({".jsonl", ".ndjson", ".txt", ".log"})
_BLOCK: Final = 2**20
SHORTEST: Final = 6
"""Characters of an id that can be looked for in a file that is no list of rows: a shorter one stands there by chance."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A file that held a person's id: how many lines were taken out, and whether it stands there still."""

    path: Path
    lines: int
    left: bool


def remove_traces(files: Iterable[Path], user_id: str) -> list[Trace]:
    """Takes out every line that is of this person, each file replaced as a whole, and says which files held any.

    Raises:
        Unavailable: a file cannot be written; those before it are clean, and it is as it was.
    """
    found = []
    for path in files:
        if not holds(path, user_id):
            continue
        lines = _rewrite(path, user_id) if _is_lines(path) else 0
        left = len(user_id) >= SHORTEST and path.exists() and holds(path, user_id)
        if lines or left:
            found.append(Trace(path, lines, left))
    return found


def holds(path: Path, text: str) -> bool:
    """Whether a file's bytes, unpacked, hold a text; as JSON spells it, too. False for one that cannot be read."""
    wanted = {text.encode("utf-8", errors="replace"), json.dumps(text)[1:-1].encode()}
    longest = max(map(len, wanted))
    try:
        with unpacking(path), open_bytes(path) as stream:
            tail = b""
            while block := stream.read(_BLOCK):
                window = tail + block
                if any(each in window for each in wanted):
                    return True
                tail = window[-longest:]
    except InvalidInput:
        return False
    return False


def _is_lines(path: Path) -> bool:
    return bool(_LINES & {suffix.lower() for suffix in path.suffixes})


def _rewrite(path: Path, user_id: str) -> int:
    """Writes a file anew without the lines of a person; returns how many those were, 0 where it was left as it is."""
    beside = path.with_name(f".tmp-{path.name}-{secrets.token_hex(4)}")
    removed = 0
    try:
        with writing(path), unpacking(path), open_bytes(path) as stream:
            packed = isinstance(stream, gzip.GzipFile)
            with gzip.open(beside, "wb") if packed else beside.open("wb") as out:
                os.chmod(beside, path.stat().st_mode & 0o777)
                for line in stream:
                    if _is_of(line, user_id):
                        removed += 1
                    else:
                        out.write(line)
            if removed:
                _sync(beside)
                beside.replace(path)
                _sync(path.parent)
    except InvalidInput:
        return 0  # it was packed, and breaks off: it is named as left
    finally:
        beside.unlink(missing_ok=True)
    return removed


def _is_of(line: bytes, user_id: str) -> bool:
    """Whether a line is a person's: a JSON object with their `user_id`, however deep, or a text with their id as a word."""
    text = line.decode("utf-8", errors="replace")
    if user_id not in text and json.dumps(user_id)[1:-1] not in text:
        return False
    try:
        return _names(json.loads(text), user_id)
    except (ValueError, RecursionError):
        return _says(text, user_id)


def _names(value: Any, user_id: str) -> bool:
    if isinstance(value, dict):
        return any(_tells(name, inner, user_id) for name, inner in value.items())
    return isinstance(value, list) and any(_names(inner, user_id) for inner in value)


def _tells(name: str, value: Any, user_id: str) -> bool:
    """Whether a field tells that its row is the person's; `row` of a rejected one is its text where it could not be read."""
    if name == "user_id" and isinstance(value, str | int) and not isinstance(value, bool):
        return str(value).strip() == user_id
    if name == "row" and isinstance(value, str):
        return _says(value, user_id)
    return _names(value, user_id)


def _says(text: str, user_id: str) -> bool:
    return bool(re.search(rf"(?<![\w.@-]){re.escape(user_id)}(?![\w@-])", text))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
