"""Labels that people give to user turns: which turns were handed out, what was answered, and the text they stand for.

Who labels works with redacted text of people who let models learn from them, and sees nothing else. Whose it is goes with it, so
that a log made of it, and the models trained on that, can be found when the person is erased. Agents label elsewhere, in the talks
that they see anyway (`storage.corrections`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select, true, update

from storage.access_log import look, note, write_down
from storage.consent import Consent
from storage.conversations import Turn
from storage.database import Database, in_chunks, lock_row
from storage.errors import NotFound
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.redaction import redact
from storage.tables import consents, conversations, labels, turns

CONTEXT_TURNS: Final = 6
"""Turns before the one to label that are shown with it."""
_SPEAKERS = ("user", "assistant", "agent")
LABELLERS = (Role.ENGINEER, Role.SUPERVISOR, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Label:
    """What a person said of a turn: its intents, the leading one first; `labelled_at` is in milliseconds since 1970, UTC.

    `source` is where the answer came in, such as a file's name.
    """

    intents: tuple[str, ...]
    labelled_by: str
    labelled_at: int
    source: str


@dataclass(frozen=True, slots=True)
class TrainingConversation:
    """A conversation that models may learn from: its turns, redacted and without their data, and whose it is."""

    conversation_id: str
    user_id: str
    turns: list[Turn]


@dataclass(frozen=True, slots=True)
class TurnToLabel:
    """A user turn that was handed out, redacted, and what was said before it, as (role, text), oldest first."""

    turn_key: str
    text: str
    language: str
    before: tuple[tuple[str, str], ...]
    label: Label | None


@dataclass(frozen=True, slots=True)
class ToLabel:
    """Turns to label, in the order of handing out: how many, the first of them, and how many more only their files have."""

    turns: int
    first: list[TurnToLabel]
    in_files: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of answers: how many are new, how many were there already, and by turn the label that one replaced."""

    added: int
    unchanged: int
    replaced: dict[str, Label]


def turn_key_of(message_id: str) -> str:
    """The key of a turn that the database keeps: a hash, which a spreadsheet takes neither for a number nor for a formula."""
    return short_key(hashlib.sha256(f"message {message_id}".encode()))


def short_key(said: hashlib._Hash) -> str:
    """The form of all turn keys."""
    return "t" + said.hexdigest()[:32]


def training_conversations(
    db: Database, principal: Principal, default: Consent, among: ColumnElement[bool] | None = None
) -> Iterator[TrainingConversation]:
    """The conversations of everybody whose consent says `train`, oldest first.

    A consent that is withdrawn meanwhile counts at once.

    Args:
        db: where from.
        principal: who reads.
        default: the consent of people who never chose; the shop's `[consent]`.
        among: what else holds of the rows of `conversations`.

    Raises:
        Forbidden: the role may not label.
    """
    principal.require_role(*LABELLERS)
    note(db, principal, "", "training")
    joined = conversations.outerjoin(consents, consents.c.user_id == conversations.c.user_id)
    consented = func.coalesce(consents.c.train, default.train).is_(True)
    oldest_first = (
        select(conversations.c.conversation_id)
        .select_from(joined)
        .where(consented, true() if among is None else among)
        .order_by(conversations.c.created_at, conversations.c.conversation_id)
    )
    with db.read() as connection:
        ids = connection.execute(oldest_first).scalars().all()
    for some in in_chunks(ids):
        place = {conversation_id: number for number, conversation_id in enumerate(some)}
        said = (
            select(turns, conversations.c.user_id)
            .select_from(joined.join(turns, turns.c.conversation_id == conversations.c.conversation_id))
            .where(consented, turns.c.conversation_id.in_(some))
            .order_by(turns.c.conversation_id, turns.c.number)
        )
        with db.read() as connection:
            rows = connection.execute(said).all()
        rows = sorted(rows, key=lambda row: place[row.conversation_id])  # stable: the turns keep their order
        for (conversation_id, user_id), group in groupby(rows, key=attrgetter("conversation_id", "user_id")):
            yield TrainingConversation(conversation_id, user_id, [_redacted(row) for row in group])


def turns_to_label(db: Database, principal: Principal, default: Consent, limit: int = 1) -> ToLabel:
    """The turns that were handed out and have no label, of people whose consent says `train` now.

    Raises:
        Forbidden: the role may not label.
    """
    principal.require_role(*LABELLERS)
    waiting = _handed_out(default).where(labels.c.intents.is_(None))
    in_files = select(func.count()).where(labels.c.intents.is_(None), labels.c.message_id.is_(None))
    in_order = waiting.order_by(labels.c.requested_at, labels.c.turn_key).limit(limit)
    with db.read() as connection:
        count = connection.execute(select(func.count()).select_from(waiting.subquery())).scalar_one()
        rows = connection.execute(in_order).all()
        talks = {row.conversation_id: row.user_id for row in rows}
        seen = [look(connection, principal, user_id, "labelling", talk) for talk, user_id in talks.items()]
        found = ToLabel(count, [_to_label(connection, row) for row in rows], connection.execute(in_files).scalar_one())
    write_down(db, seen)
    return found


def turn_to_label(db: Database, principal: Principal, default: Consent, turn_key: str) -> TurnToLabel:
    """One turn that was handed out, labelled or not.

    Raises:
        Forbidden: the role may not label.
        NotFound: it was never handed out, has been erased since, or its person no longer lets models learn from it.
    """
    principal.require_role(*LABELLERS)
    with db.read() as connection:
        row = connection.execute(_handed_out(default).where(labels.c.turn_key == turn_key)).one_or_none()
        if row is None:
            raise NotFound(f"No turn {turn_key[:200]!r} is to be labelled here.", "Go on with the next one.")
        seen = look(connection, principal, row.user_id, "labelling", row.conversation_id)
        found = _to_label(connection, row)
    write_down(db, (seen,))
    return found


def request_labels(db: Database, principal: Principal, wanted: Mapping[str, str | None]) -> None:
    """Notes turns as handed out, so that their answers are known and they are not handed out twice.

    Args:
        db: where to.
        principal: who hands them out.
        wanted: turn key → id of the message, or None where the turn is of a file; a message erased meanwhile is left out.

    Raises:
        Forbidden: the role may not label.
    """
    principal.require_role(*LABELLERS)
    now = now_ms()
    with db.write(durable=True) as connection:
        kept: set[str | None] = {None}
        for some in in_chunks([message_id for message_id in wanted.values() if message_id is not None]):
            kept.update(connection.execute(select(turns.c.message_id).where(turns.c.message_id.in_(some))).scalars())
        rows = [
            {"turn_key": key, "message_id": message_id, "requested_at": now}
            for key, message_id in wanted.items()
            if message_id in kept
        ]
        if rows:
            connection.execute(db.insert_new(labels), rows)


def put_labels(db: Database, principal: Principal, answers: Mapping[str, Sequence[str]], source: str) -> Answered:
    """Keeps answers, all or none; a later answer replaces an earlier one, and the same again changes nothing.

    Args:
        db: where to.
        principal: who answers.
        answers: turn key → intents, the leading one first.
        source: where they came in.

    Raises:
        Forbidden: the role may not label.
        NotFound: a turn was never handed out, or has been erased since.
    """
    principal.require_role(*LABELLERS)
    now, added, unchanged = now_ms(), 0, 0
    replaced: dict[str, Label] = {}
    changed = []
    with db.write(durable=True) as connection:
        found: dict[str, Any] = {}
        for some in in_chunks(list(answers)):
            wanted = select(labels).where(labels.c.turn_key.in_(some))
            found |= {row.turn_key: row for row in connection.execute(lock_row(connection, wanted))}
        for key, intents in answers.items():
            if key not in found:
                raise NotFound(f"No turn {key[:200]!r} was handed out.", "Give the file that was written here.")
            before = label_in(found[key])
            if before is not None and before.intents == tuple(intents):
                unchanged += 1
                continue
            if before is None:
                added += 1
            else:
                replaced[key] = before
            said = {"intents": list(intents), "labelled_by": principal.id, "labelled_at": now, "source": source}
            changed.append({"key": key, **said})
        if changed:
            connection.execute(update(labels).where(labels.c.turn_key == bindparam("key")), changed)
    return Answered(added, unchanged, replaced)


def labels_by_turn(db: Database, principal: Principal) -> dict[str, Label | None]:
    """Every turn that was handed out, by key in the order of handing out, with its label, or None where nobody answered.

    Raises:
        Forbidden: the role may not label.
    """
    principal.require_role(*LABELLERS)
    in_order = select(labels).order_by(labels.c.requested_at, labels.c.turn_key)
    with db.read() as connection:
        return {row.turn_key: label_in(row) for row in connection.execute(in_order)}


def _handed_out(default: Consent) -> Select[Any]:
    """Turns that are kept here, with what is known of their labels."""
    joined = (
        labels.join(turns, turns.c.message_id == labels.c.message_id)
        .join(conversations, conversations.c.conversation_id == turns.c.conversation_id)
        .outerjoin(consents, consents.c.user_id == conversations.c.user_id)
    )
    said = (turns.c.conversation_id, turns.c.number, turns.c.content, turns.c.language, conversations.c.user_id)
    consented = func.coalesce(consents.c.train, default.train).is_(True)
    return select(labels, *said).select_from(joined).where(consented)


def _to_label(connection: Connection, row: Any) -> TurnToLabel:
    earlier = (
        select(turns.c.role, turns.c.content)
        .where(turns.c.conversation_id == row.conversation_id, turns.c.number < row.number, turns.c.role.in_(_SPEAKERS))
        .order_by(turns.c.number.desc())
        .limit(CONTEXT_TURNS)
    )
    before = [(role, redact(content)) for role, content in connection.execute(earlier)]
    return TurnToLabel(row.turn_key, redact(row.content), row.language, tuple(reversed(before)), label_in(row))


def label_in(row: Any) -> Label | None:
    """The label in a row of `labels`, None where nobody answered."""
    if row.intents is None:
        return None
    return Label(tuple(row.intents), row.labelled_by, row.labelled_at, row.source)


def _redacted(row: Any) -> Turn:
    return Turn.model_construct(
        message_id=row.message_id,
        role=row.role,
        content=redact(row.content),
        language=row.language,
        created_at=row.created_at,
        data={},
    )
