"""What agents say of the intents that Aisle took from a customer's words: the label of a turn, given where the talk is read.

They are rows of `labels`, beside those of people who label files: the last answer counts, whoever gave it, and it goes with its
conversation. Who labels files sees redacted text of consenting people only; an agent sees the conversations of their own team, and
labels in no others. Whether a model may learn from one is asked when it is trained (`storage.labels.training_conversations`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import insert, select, update

from storage.conversations import readable, touch
from storage.database import Database, lock_row
from storage.errors import InvalidInput, NotFound
from storage.labels import Label, label_in, turn_key_of
from storage.principal import Principal
from storage.record import now_ms
from storage.tables import labels, turns
from storage.tickets import DESK

PANEL: Final = "panel"
"""The `source` of a label that was given at the desk."""
MOST_INTENTS: Final = 5
"""One turn has no more; most have one."""
LONGEST_NAME: Final = 100


def correct_intent(
    db: Database, principal: Principal, conversation_id: str, message_id: str, intents: Sequence[str]
) -> Label:
    """Says what a customer meant with a message; in place of what anybody said before, and the same again changes nothing.

    That the served intent was right is said in the same way, by its own name.

    Args:
        db: where to.
        principal: an agent of the conversation's team, or a supervisor.
        conversation_id: of which conversation.
        message_id: of which of the customer's messages in it.
        intents: what it was, the leading intent first. Whether the names are known is for the caller to check.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal, or no such message of the customer's in it.
        InvalidInput: there is no name among `intents`, there are too many, or one is too long.
    """
    principal.require_role(*DESK)
    names = _names(intents)
    key, now = turn_key_of(message_id), now_ms()
    said = {"intents": list(names), "labelled_by": principal.id, "labelled_at": now, "source": PANEL}
    with db.write(durable=True) as connection:
        readable(connection, principal, conversation_id, lock=True)
        theirs = select(turns.c.message_id).where(
            turns.c.message_id == message_id, turns.c.conversation_id == conversation_id, turns.c.role == "user"
        )
        if connection.execute(theirs).one_or_none() is None:
            raise NotFound(
                f"There is no message {message_id[:200]!r} of the customer's here.",
                "Take the id from the conversation.",
            )
        kept = connection.execute(lock_row(connection, select(labels).where(labels.c.turn_key == key))).one_or_none()
        before = label_in(kept) if kept is not None else None
        if before is not None and before.intents == names:
            return before
        if kept is None:
            row = {"turn_key": key, "message_id": message_id, "requested_at": now, **said}
            connection.execute(insert(labels), row)
        else:
            connection.execute(update(labels).where(labels.c.turn_key == key).values(said))
        touch(connection, conversation_id)
    return Label(names, principal.id, now, PANEL)


def corrections_of(db: Database, principal: Principal, conversation_id: str) -> dict[str, Label]:
    """What people said of a conversation's messages, by message id; also where that was in a file of turns to label.

    Raises:
        Forbidden: the role may not work at the desk.
        NotFound: there is no such conversation for this principal.
    """
    principal.require_role(*DESK)
    said = (
        select(labels)
        .join(turns, turns.c.message_id == labels.c.message_id)
        .where(turns.c.conversation_id == conversation_id)
        .order_by(turns.c.number)
    )
    with db.read() as connection:
        readable(connection, principal, conversation_id)
        rows = connection.execute(said).all()
    return {row.message_id: label for row in rows if (label := label_in(row)) is not None}


def _names(intents: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in intents if name.strip()))
    if not names:
        raise InvalidInput("A correction names no intent.", "Say what the customer meant.")
    if len(names) > MOST_INTENTS:
        raise InvalidInput(
            f"{len(names)} intents for one message.", f"Name at most {MOST_INTENTS}, the leading one first."
        )
    longest = max(names, key=len)
    if len(longest) > LONGEST_NAME:
        raise InvalidInput(f"{longest[:40]!r}… is no intent's name.", f"Names have at most {LONGEST_NAME} characters.")
    return names
