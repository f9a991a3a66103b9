"""User turns that people label, each with a key by which its answer finds it again, and dialogues with the answers in them.

A turn of the database is known by its message; a turn of a log file by all that was said up to it, since files have no better name
for it. Both are hashed into the same form, which a spreadsheet takes neither for a number nor for a formula.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from finetune.logs import Dialogue, Message, read_logs
from storage.consent import Consent
from storage.database import Database
from storage.labels import Label, short_key, training_conversations, turn_key_of
from storage.principal import Principal
from storage.rows import Rejects


@dataclass(frozen=True)
class KeyedDialogue:
    """A dialogue, its user turns' keys by place, and their messages' ids where the database keeps them."""

    dialogue: Dialogue
    keys: Mapping[int, str]
    message_ids: Mapping[int, str] = field(default_factory=dict)


def keyed(dialogue: Dialogue) -> KeyedDialogue:
    """A dialogue of a log file: a turn's key is the hash of roles and texts up to and with it, in order."""
    said = hashlib.sha256()
    keys = {}
    for place, message in enumerate(dialogue.messages):
        said.update(json.dumps([message.role, message.content]).encode() + b"\n")
        if message.role == "user":
            keys[place] = short_key(said.copy())
    return KeyedDialogue(dialogue, keys)


def keyed_logs(paths: Sequence[Path], rejected: Path, max_rejected: float = 0.01) -> list[KeyedDialogue]:
    """The dialogues of log files.

    Args:
        paths: files that `finetune.logs` reads.
        rejected: where rows that cannot be used go.
        max_rejected: the share of rows that may be rejected.

    Raises:
        InvalidInput: a file cannot be read.
        TooManyRejected: more rows were rejected than `max_rejected` allows.
        Unavailable: `rejected` cannot be written.
    """
    reading = read_logs(paths)
    rejects = Rejects(reading.problems)
    if rejects.count:
        rejects.write(rejected)
    rejects.check(reading.rows, max_rejected)
    return [keyed(dialogue) for dialogue in reading.dialogues]


def keyed_conversations(database: Database, principal: Principal, default: Consent) -> Iterator[KeyedDialogue]:
    """The database's conversations of people who let models learn from them, redacted.

    Raises:
        Forbidden: the role may not label.
    """
    for each in training_conversations(database, principal, default):
        ids = {place: turn.message_id for place, turn in enumerate(each.turns) if turn.role == "user"}
        keys = {place: turn_key_of(name) for place, name in ids.items()}
        messages = tuple(Message(turn.role, turn.content) for turn in each.turns)
        languages = Counter(turn.language for turn in each.turns if turn.role == "user")
        language = next((name for name, _ in languages.most_common(1)), "")
        dialogue = Dialogue(each.conversation_id, messages, user_id=each.user_id, language=language)
        yield KeyedDialogue(dialogue, keys, ids)


def with_labels(dialogue: KeyedDialogue, labels: Mapping[str, Label | None]) -> Dialogue:
    """The dialogue with the answers to its turns."""
    messages = list(dialogue.dialogue.messages)
    for place, key in dialogue.keys.items():
        label = labels.get(key)
        if label is not None:
            messages[place] = replace(messages[place], intents=label.intents)
    return replace(dialogue.dialogue, messages=tuple(messages))


def log_lines(dialogues: Iterable[Dialogue]) -> Iterator[str]:
    """Aisle's dialogue log: a line for each dialogue that has a labelled turn; `finetune.logs` reads it back."""
    return (log_line(each) for each in dialogues if any(message.intents for message in each.messages))


def log_line(dialogue: Dialogue) -> str:
    """A dialogue as a line of Aisle's log.

    Whose it is stands in it, because a model that learns from the log is found by that when the person is erased.
    """
    head = {"dialogue_id": dialogue.id, "user_id": dialogue.user_id, "language": dialogue.language}
    row = {**head, "messages": [_row(each) for each in dialogue.messages], "split": dialogue.split}
    return json.dumps({name: value for name, value in row.items() if value}, ensure_ascii=False)


def _row(message: Message) -> dict[str, object]:
    row: dict[str, object] = {"role": message.role, "content": message.content}
    return row | {"intents": list(message.intents)} if message.intents else row
