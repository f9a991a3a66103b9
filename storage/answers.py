"""Answers that people gave to customers, as pairs of question and answer, and the questions that nothing answered.

A pair is proposed from dialogues (`mined`), and a supervisor approves or rejects it. Only what is approved is ever spoken.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, select, update

from storage.conversations import SUPPORT
from storage.database import Database, in_chunks, lock_row
from storage.errors import Conflict, InvalidInput, NotFound
from storage.principal import Principal, Role
from storage.record import now_ms, storable
from storage.redaction import redact
from storage.speakable import problem_of
from storage.tables import answers, conversations, turns, unanswered

Status = Literal["mined", "approved", "rejected"]
READERS = (Role.AGENT, Role.SUPERVISOR, Role.ENGINEER, Role.ADMIN)
PROPOSERS = (Role.SUPERVISOR, Role.ENGINEER, Role.ADMIN)
APPROVERS = (Role.SUPERVISOR, Role.ADMIN)
_LAST_DECISION = select(func.max(answers.c.decided_at))
_APART = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A pair found in dialogues: where, and how often it was asked. `conversation_id` where that dialogue is kept here."""

    question: str
    answer: str
    language: str
    source: str
    asked: int = 1
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A pair as it is kept. Instants are milliseconds since 1970, UTC; the last two are None until somebody decides."""

    answer_id: str
    question: str
    answer: str
    language: str
    source: str
    asked: int
    status: Status
    mined_at: int
    decided_by: str | None
    decided_at: int | None


@dataclass(frozen=True, slots=True)
class Proposed:
    """What became of proposals: new ones, ones that waited already, and ones that somebody has decided on before."""

    added: int
    waiting: int
    decided: int


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that nothing answered, redacted. `kind` is what was asked about; `asked_at` is in milliseconds since 1970, UTC."""

    message_id: str
    question: str
    language: str
    kind: str
    product_id: str | None
    asked_at: int


UnansweredKind = Literal["policy", "product", "other"]


def answer_id_of(question: str, language: str) -> str:
    """The same for questions that differ in case, width, spacing and punctuation alone."""
    plain = _APART.sub(" ", unicodedata.normalize("NFKC", question).casefold()).strip()
    return hashlib.sha256(f"{language}\0{plain}".encode()).hexdigest()[:24]


def propose(db: Database, principal: Principal, pairs: Sequence[Proposal]) -> Proposed:
    """Keeps pairs for somebody to decide on, redacted; the same again changes nothing but the latest wording of what still waits.

    Raises:
        Forbidden: the role may not propose.
    """
    principal.require_role(*PROPOSERS)
    now = now_ms()
    rows: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        row = _row(pair, now)
        rows.setdefault(row["answer_id"], row)
    added = waiting = decided = 0
    with db.write(durable=True) as connection:
        known: dict[str, str] = {}
        gone: set[str | None] = {row["conversation_id"] for row in rows.values() if row["conversation_id"]}
        for ids in in_chunks(list(rows)):
            found = select(answers.c.answer_id, answers.c.status).where(answers.c.answer_id.in_(ids))
            known |= {row.answer_id: row.status for row in connection.execute(found)}
        for ids in in_chunks([id_ for id_ in gone if id_ is not None]):
            # What was erased while it was read is not proposed.
            there = select(conversations.c.conversation_id).where(conversations.c.conversation_id.in_(ids))
            gone -= set(connection.execute(there).scalars())
        for answer_id, row in rows.items():
            if row["conversation_id"] in gone:
                continue
            status = known.get(answer_id)
            added += status is None
            waiting += status == "mined"
            decided += status in ("approved", "rejected")
            if status == "mined":
                changed = {name: value for name, value in row.items() if name not in ("answer_id", "mined_at")}
                connection.execute(update(answers).where(answers.c.answer_id == answer_id).values(changed))
            elif status is None:
                connection.execute(answers.insert(), row)
    return Proposed(added, waiting, decided)


def list_answers(
    db: Database, principal: Principal, status: Status | None = None, limit: int = 100, skip: int = 0
) -> list[StoredAnswer]:
    """Pairs of one status or of all, what was asked most first.

    Raises:
        Forbidden: the role may not read them.
    """
    principal.require_role(*READERS)
    wanted = select(answers).order_by(answers.c.asked.desc(), answers.c.answer_id).limit(limit).offset(skip)
    if status is not None:
        wanted = wanted.where(answers.c.status == status)
    with db.read() as connection:
        return [_stored(row) for row in connection.execute(wanted)]


def decide(
    db: Database,
    principal: Principal,
    answer_id: str,
    status: Literal["approved", "rejected"],
    question: str | None = None,
    answer: str | None = None,
    was: Status | None = None,
) -> StoredAnswer:
    """Approves a pair, in other words where they are given, or rejects it; a later decision replaces an earlier one.

    `was` is the status that whoever decides has seen: where somebody else has decided meanwhile, nothing is replaced.

    Raises:
        Forbidden: only a supervisor or an admin decides.
        NotFound: there is no such pair.
        Conflict: its status is another one than `was`.
        InvalidInput: the words to approve hold what may not be given to others.
    """
    principal.require_role(*APPROVERS)
    with db.write(durable=True) as connection:
        found = select(answers).where(answers.c.answer_id == answer_id)
        row = connection.execute(lock_row(connection, found)).one_or_none()
        if row is None:
            raise NotFound(f"There is no answer {answer_id[:200]!r}.", "Take the id from: launch.py answers list")
        if was is not None and row.status != was:
            by = f" by {row.decided_by[:80]}" if row.decided_by else ""
            raise Conflict(f"This pair was {row.status}{by} meanwhile.", "Look at it again before you decide.")
        asked = redact(storable(question)).strip() if question is not None else row.question
        said = redact(storable(answer)).strip() if answer is not None else row.answer
        changed = {
            "question": asked,
            "answer": said,
            "status": status,
            "decided_by": principal.id,
            # Strictly later than any before, so that whoever remembers the approved ones sees that something changed.
            "decided_at": max(now_ms(), (connection.execute(_LAST_DECISION).scalar_one() or 0) + 1),
        }
        if status == "approved":
            problem = problem_of(asked, said, row.language)
            if problem:
                raise InvalidInput(f"This pair cannot be approved: {problem}.", "Word it for every customer.")
            # From here on these are the shop's own words.
            changed["conversation_id"] = None
        connection.execute(update(answers).where(answers.c.answer_id == answer_id).values(changed))
        return _stored(connection.execute(found).one())


def import_answers(db: Database, principal: Principal, pairs: Sequence[Proposal]) -> int:
    """Keeps pairs as approved, each in place of its earlier words; returns how many.

    Raises:
        Forbidden: only a supervisor or an admin approves.
        InvalidInput: one of them holds what may not be given to others; nothing is kept then.
    """
    principal.require_role(*APPROVERS)
    now = now_ms()
    rows = {}
    for pair in pairs:
        row = _row(pair, now) | {"conversation_id": None}
        problem = problem_of(row["question"], row["answer"], row["language"])
        if problem:
            raise InvalidInput(
                f"{row['question'][:60]!r} cannot be approved: {problem}.", "Word it for every customer."
            )
        rows[row["answer_id"]] = row | {"status": "approved", "decided_by": principal.id, "decided_at": now}
    with db.write(durable=True) as connection:
        if rows:
            last = connection.execute(_LAST_DECISION).scalar_one()
            moment = max(now, (last or 0) + 1)
            connection.execute(
                db.upsert(answers, keys=("answer_id",)), [row | {"decided_at": moment} for row in rows.values()]
            )
    return len(rows)


def approved_mark(db: Database) -> tuple[int, int]:
    """How many pairs are approved and when somebody decided last: another mark means that the approved ones may have changed."""
    approved = func.coalesce(func.sum((answers.c.status == "approved").cast(answers.c.asked.type)), 0)
    with db.read() as connection:
        count, last = connection.execute(select(approved, func.coalesce(func.max(answers.c.decided_at), 0))).one()
    return int(count), int(last)


def approved_answers(db: Database) -> list[StoredAnswer]:
    """Every pair that may be spoken: the shop's own words, for everybody."""
    wanted = select(answers).where(answers.c.status == "approved").order_by(answers.c.answer_id)
    with db.read() as connection:
        return [_stored(row) for row in connection.execute(wanted)]


def note_unanswered(
    db: Database, message_id: str, question: str, language: str, kind: UnansweredKind, product_id: str | None = None
) -> None:
    """Keeps the question of a turn that has been stored, redacted; the same turn again changes nothing."""
    row = {
        "message_id": message_id,
        "question": redact(question),
        "language": language,
        "kind": kind,
        "product_id": product_id,
        "asked_at": now_ms(),
    }
    with db.write() as connection:
        connection.execute(db.insert_new(unanswered), row)


def unanswered_questions(db: Database, principal: Principal, since: int = 0, limit: int = 1_000) -> list[Unanswered]:
    """What nothing answered, the latest first; agents see those of conversations of their own team.

    Raises:
        Forbidden: the role may not read them.
    """
    principal.require_role(*READERS)
    wanted = select(unanswered).where(unanswered.c.asked_at >= since)
    if principal.role is Role.AGENT:
        own = (
            select(turns.c.message_id)
            .join(conversations, conversations.c.conversation_id == turns.c.conversation_id)
            .where(conversations.c.team == (principal.team or SUPPORT))
        )
        wanted = wanted.where(unanswered.c.message_id.in_(own))
    latest = wanted.order_by(unanswered.c.asked_at.desc(), unanswered.c.message_id).limit(limit)
    with db.read() as connection:
        return [Unanswered(**row) for row in connection.execute(latest).mappings()]


def _row(pair: Proposal, now: int) -> dict[str, Any]:
    question, answer = redact(storable(pair.question)).strip(), redact(storable(pair.answer)).strip()
    return {
        "answer_id": answer_id_of(question, pair.language),
        "question": question,
        "answer": answer,
        "language": pair.language,
        "source": pair.source[:200],
        "conversation_id": pair.conversation_id,
        "asked": pair.asked,
        "status": "mined",
        "mined_at": now,
        "decided_by": None,
        "decided_at": None,
    }


def _stored(row: Any) -> StoredAnswer:
    fields = {name: getattr(row, name) for name in StoredAnswer.__slots__}
    return StoredAnswer(**fields)
