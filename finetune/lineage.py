"""What a model has seen: the log files and people in its data, and the dialogues that it can no longer be judged on.

<folder>/training.sha256    one training dialogue a line: the first 16 digits of the hash of what its user says
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.logs import Dialogue
from storage.errors import InvalidInput
from storage.publish import sha256_file
from storage.rows import RowProblem, read_jsonl

SEEN = "training.sha256"
_DIGITS = 16
_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"\d+")


def dialogue_hash(dialogue: Dialogue) -> str:
    """Names a dialogue by what its user says: redacted by the reader, without case, spacing and the values of numbers.

    Ids, labels and answers do not count: a dialogue that was exported again, labelled anew or answered by another bot is the same
    one to a model that has learned from it.
    """
    said = [message.content for message in dialogue.messages if message.role == "user"]
    plain = "\n".join(_NUMBER.sub("0", _SPACE.sub(" ", text).strip().casefold()) for text in said)
    return hashlib.sha256(plain.encode("utf-8", errors="replace")).hexdigest()[:_DIGITS]


def write_seen(folder: Path, training: Iterable[Dialogue]) -> None:
    """Writes `training.sha256`, to be called before the folder's manifest."""
    lines = sorted({dialogue_hash(dialogue) for dialogue in training})
    (folder / SEEN).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def read_seen(folder: Path) -> frozenset[str] | None:
    """The hashes of a model's training dialogues; None where its folder does not say."""
    try:
        return frozenset((folder / SEEN).read_text("ascii", errors="replace").split())
    except FileNotFoundError:
        return None


@dataclass(frozen=True)
class HeldOut:
    """Dialogues that no model has seen, and how many others were left out."""

    dialogues: list[Dialogue]
    left_out: int


def held_out(dialogues: Sequence[Dialogue], seen: Iterable[frozenset[str] | None]) -> HeldOut:
    """Leaves out every dialogue that one of the models was trained on."""
    known = frozenset().union(*(each for each in seen if each is not None))
    kept = [dialogue for dialogue in dialogues if dialogue_hash(dialogue) not in known]
    return HeldOut(kept, len(dialogues) - len(kept))


def data_hashes(logs: Sequence[Path]) -> dict[str, str]:
    """sha256 by path, as it was given; raises `InvalidInput` for a file that cannot be read."""
    try:
        return {str(path): sha256_file(path) for path in logs}
    except OSError as error:
        raise InvalidInput(f"{error.filename} cannot be read: {error.strerror}.", "Check the path.") from None


def users_in(logs: Sequence[Path]) -> set[str]:
    """The ids of everybody in JSONL logs; rows that cannot be read name nobody, and neither does a CSV.

    Raises:
        InvalidInput: a file cannot be opened.
    """
    found = set()
    for path in logs:
        if {".csv", ".tsv"} & {suffix.lower() for suffix in path.suffixes}:
            continue
        for _, row in read_jsonl(path):
            user = None if isinstance(row, RowProblem) else row.get("user_id")
            if isinstance(user, str | int) and not isinstance(user, bool):
                found.add(str(user))
    return found
