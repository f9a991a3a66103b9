"""What a reply model learns from: conversations, and as a template the reply that each of them got."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.desk.replies import PastDialogue, PastMessage, answered, template_in
from bot.desk.reply_encoder import ReplyEncoder
from bot.history import window_of
from finetune.logs import Dialogue, Message
from finetune.split import near_duplicates
from storage.consent import Consent
from storage.database import Database
from storage.principal import Principal
from storage.resolved import resolved_conversations

HELD_OUT, VALIDATION = 0.15, 0.1
"""Shares of the dialogues that the gate judges by and that epochs are chosen by, where the log marks none."""
_PARTS = ("train", "validation", "test")

Records = Callable[[str], Mapping[str, str]]
"""Slot by value of a user's own records, as `bot.desk.templates.known_of` gives them."""


@dataclass(frozen=True)
class ReplyPair:
    """What was said, {"role", "content"} oldest first and a customer's turn at the end, and the template of what was answered."""

    said: tuple[dict[str, object], ...]
    template: str
    dialogue_id: str

    @property
    def key(self) -> str:
        """The same for replies that differ in capitals only."""
        return self.template.casefold()


@dataclass(frozen=True)
class ReplyPairs:
    """The pairs of one script by part."""

    training: list[ReplyPair]
    validation: list[ReplyPair]
    held_out: list[ReplyPair]


@dataclass(frozen=True)
class ReplyData:
    """Pairs by space; the dialogues in training, how many replies made no template, and what names the data.

    `users` are in any part of it: all of them decide which epoch is kept, or whether the model may serve.
    """

    spaces: dict[str, ReplyPairs]
    dialogues: list[Dialogue]
    users: set[str]
    left_out: int
    sha256: str


def resolved_dialogues(database: Database, principal: Principal, consent: Consent) -> Iterator[Dialogue]:
    """The database's conversations that an agent answered and closed, of people who let models learn from them.

    Raises:
        Forbidden: the role may not read them.
    """
    for each in resolved_conversations(database, principal, consent):
        messages = tuple(Message(turn.role, turn.content) for turn in each.turns)
        yield Dialogue(each.conversation_id, messages, user_id=each.user_id)


def no_records(_: str) -> Mapping[str, str]:
    """Where nobody's records are known: what a dialogue names itself still becomes a slot."""
    return {}


def reply_data(dialogues: Iterable[Dialogue], seed: int, records: Records = no_records) -> ReplyData:
    """Splits dialogues that have replies and sorts their pairs by script.

    Whole dialogues are split, near-duplicates by what the customer says together, so that none is held out that training nearly
    repeats. What a log marks "validation" or "test" is taken at its word.
    """
    found = []
    left_out = 0
    for dialogue in dialogues:
        pairs, failed = pairs_of(dialogue, records)
        left_out += failed
        if pairs:
            found.append((dialogue, pairs))
    parts = split_replies([dialogue for dialogue, _ in found], seed)
    spaces: dict[str, dict[str, list[ReplyPair]]] = defaultdict(lambda: {part: [] for part in _PARTS})
    digest = hashlib.sha256()
    for (dialogue, pairs), part in zip(found, parts, strict=True):
        digest.update(repr((part, dialogue.messages)).encode("utf-8", "replace"))
        for pair in pairs:
            spaces[ReplyEncoder.space_of(pair.said)][part].append(pair)
    return ReplyData(
        {space: ReplyPairs(own["train"], own["validation"], own["test"]) for space, own in sorted(spaces.items())},
        [dialogue for (dialogue, _), part in zip(found, parts, strict=True) if part == "train"],
        {dialogue.user_id for dialogue, _ in found if dialogue.user_id},
        left_out,
        digest.hexdigest(),
    )


def pairs_of(dialogue: Dialogue, records: Records = no_records) -> tuple[list[ReplyPair], int]:
    """The pairs of a dialogue, and how many replies made no template."""
    messages = [PastMessage(each.role, each.content, each.feedback) for each in dialogue.messages]
    known = records(dialogue.user_id) if dialogue.user_id else {}
    made = template_in(PastDialogue(dialogue.id, messages, known))
    pairs, failed = [], 0
    for place in answered(messages):
        said = tuple[dict[str, object], ...]({"role": each.role, "content": each.content} for each in messages[:place])
        template = made(messages[place].content)
        if template is None:
            failed += 1
        elif window_of(said).turn:
            pairs.append(ReplyPair(said, template, dialogue.id))
    return pairs, failed


def split_replies(dialogues: Sequence[Dialogue], seed: int) -> list[str]:
    """The part of each dialogue, "train", "validation" or "test"; near-duplicates share one, the strictest of their marks."""
    groups = near_duplicates(dialogues)
    marks: dict[int, int] = defaultdict(int)
    for dialogue, group in zip(dialogues, groups, strict=True):
        marks[group] = max(marks[group], _PARTS.index(dialogue.split) if dialogue.split in _PARTS else 0)
    free = sorted({group for group in groups if not marks[group]})
    random.Random(seed).shuffle(free)
    for part, share in ((2, HELD_OUT), (1, VALIDATION)):
        if part not in marks.values():
            wanted = max(1, round(share * len(marks))) if len(free) > 1 else 0
            for group in free[:wanted]:
                marks[group] = part
            free = free[wanted:]
    return [_PARTS[marks[group]] for group in groups]


def ranks_of(
    pairs: Sequence[ReplyPair],
    conversations: NDArray[np.float32],
    replies: NDArray[np.float32],
    row_of: Mapping[str, int],
) -> NDArray[np.float64]:
    """The rank of each pair's own reply among all `replies`, (pairs,), 1 the best; ties count half.

    Args:
        pairs: whose replies are looked for.
        conversations: (pairs, dim).
        replies: (replies, dim), of different templates.
        row_of: the row of each template by its key.
    """
    scores = conversations @ replies.T  # (pairs, replies)
    own = np.take_along_axis(scores, np.array([[row_of[pair.key]] for pair in pairs]), axis=1)
    ranks: NDArray[np.float64] = 0.5 + (scores > own).sum(axis=1) + 0.5 * (scores == own).sum(axis=1)
    return ranks


def templates_in(pairs: Sequence[ReplyPair]) -> dict[str, str]:
    """The different templates of pairs by key, in order."""
    return {pair.key: pair.template for pair in pairs}
