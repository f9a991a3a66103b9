"""Training data out of the shop's own conversations (`finetune intent --from-feedback`): what agents and labellers said of them.

Only the conversations of people whose consent says `train`, redacted, and read into memory alone: they never lie in a file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from finetune.logs import Dialogue, Reading
from finetune.turn_keys import keyed_conversations, log_line, with_labels
from storage.consent import Consent
from storage.corrections import PANEL
from storage.database import Database
from storage.errors import InvalidInput
from storage.labels import labels_by_turn
from storage.principal import Principal

NAME = "conversations"
"""What stands in place of a file's name where a run lists its data."""


@dataclass(frozen=True)
class Feedback:
    """Conversations that may be learnt from.

    `labelled` are those of which a turn has a label, with all labels, of `turns` turns in sum; agents gave `by_agents` of these.
    """

    conversations: Sequence[Dialogue]
    labelled: Sequence[Dialogue]
    turns: int
    by_agents: int

    @property
    def users(self) -> set[str]:
        """Whose they are."""
        return {each.user_id for each in self.conversations}

    @property
    def sha256(self) -> str:
        """Of the labelled conversations, as lines of a log."""
        return hashlib.sha256("".join(f"{log_line(each)}\n" for each in self.labelled).encode()).hexdigest()

    @property
    def line(self) -> str:
        """For a person."""
        return (
            f"{len(self.conversations):,} conversations may be learnt from: {self.turns:,} labelled turns in "
            f"{len(self.labelled):,} of them, {self.by_agents:,} by agents"
        )

    def added_to(self, reading: Reading) -> Reading:
        """The labelled conversations beside what logs gave, in place of those that an export of labels put into one."""
        known = {each.id for each in self.labelled}
        others = [each for each in reading.dialogues if each.id not in known]
        return replace(
            reading,
            dialogues=[*others, *self.labelled],
            rows=reading.rows + len(self.labelled),
            hashes={**reading.hashes, NAME: self.sha256},
        )


def read_feedback(db: Database, principal: Principal, default: Consent) -> Feedback:
    """The conversations of everybody whose consent says `train`, with the labels that people gave.

    Args:
        db: where from.
        principal: who trains.
        default: the consent of people who never chose; the shop's `[consent]`.

    Raises:
        Forbidden: the role may not label.
        InvalidInput: nobody lets models learn from their conversations, or no turn of these has a label.
    """
    labels = labels_by_turn(db, principal)
    conversations: list[Dialogue] = []
    labelled: list[Dialogue] = []
    sources: Counter[str] = Counter()
    for each in keyed_conversations(db, principal, default):
        given = [label for key in each.keys.values() if (label := labels.get(key)) is not None]
        sources.update(label.source for label in given)
        dialogue = with_labels(each, labels)
        conversations.append(dialogue)
        if given:
            labelled.append(dialogue)
    if not conversations:
        raise InvalidInput(
            "Nobody here lets models learn from their conversations.",
            "Ask customers for their consent (`train`), or give dialogues of a log: --logs FILE.",
        )
    if not labelled:
        raise InvalidInput(
            f"No turn of the {len(conversations):,} conversations that may be learnt from has a label.",
            "Agents correct intents in their panel (/agent), others label a file: launch.py label --output FILE.",
        )
    return Feedback(conversations, labelled, sources.total(), sources[PANEL])
