"""What a person agreed to: answers that use their data, results ordered for them, models that learn from it.

    answer       a reply may use what the shop knows of the person. Without it nothing is known of them where a reply is made: no
                 profile, stage or reminder, and orders only where they ask for them themselves
    personalize  cards and words may be ordered by a profile, and campaigns may look at it
    train        models, past replies and figures over everybody may learn from what they say and do

Without `answer` there is no `personalize`, wherever a consent comes from: the class sees to it, so that no reader has to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from sqlalchemy import Connection, delete, insert, select

from storage.database import Database, lock_row
from storage.models import flag_user
from storage.principal import Principal
from storage.record import Record, now_ms
from storage.secret import load_secret
from storage.tables import answers, consent_records, consents, conversations

Source = Literal["window", "api", "before"]
"""How a choice was given: in the customer's own window, over the API, or before records of it were kept."""


class Consent(Record):
    """One person's choice; its defaults are the shop's where `[consent]` in shop.toml says nothing.

    `Consent(answer=False).personalize` is False: a profile is of no use to answers that may not look at it.
    """

    answer: bool = True
    personalize: bool = Field(default=True, validate_default=True)
    train: bool = False

    @field_validator("personalize")
    @classmethod
    def _only_with_answer(cls, value: bool, info: ValidationInfo) -> bool:
        return value and bool(info.data.get("answer", True))


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One choice as it was given: what, when (milliseconds since 1970, UTC), by whom, and how."""

    answer: bool
    personalize: bool
    train: bool
    given_at: int
    by_id: str
    by_role: str
    source: Source


def set_consent(
    db: Database,
    principal: Principal,
    user_id: str,
    consent: Consent,
    source: Source = "api",
    shop: Path | None = None,
) -> bool:
    """Keeps a person's choice, which counts at once; whether it is another than before.

    The same choice again is no new one and leaves no record. Where `train` is taken back, pairs of question and answer out of their
    talk that nobody has approved go in the same transaction, and models that learnt from them are marked as to be trained again.

    Args:
        db: where to.
        principal: the person, or the shop's backend for them.
        user_id: whose choice.
        consent: all three purposes.
        source: how it was given.
        shop: the shop's folder, with whose secret models know their people; without it there are none.

    Raises:
        NotFound: the person is another.
    """
    principal.require_owner(user_id)
    secret = load_secret(shop) if shop is not None else None
    now, chosen = now_ms(), consent.model_dump()
    with db.write(durable=True) as connection:
        before = _chosen(connection, user_id, hold=True)
        if before == consent:
            return False
        connection.execute(db.upsert(consents, keys=("user_id",)), {"user_id": user_id, **chosen, "updated_at": now})
        given = {"given_at": now, "by_id": principal.id, "by_role": principal.role.value, "source": source}
        connection.execute(insert(consent_records), {"user_id": user_id, **chosen, **given})
        if not consent.train and (before is None or before.train):
            _forget_pairs(connection, user_id)
            if secret is not None:
                flag_user(connection, user_id, secret, now)
    return True


def consent_of(db: Database, principal: Principal, user_id: str, default: Consent) -> Consent:
    """A person's choice, or the shop's default where they made none.

    Raises:
        NotFound: the person is another.
    """
    principal.require_owner(user_id)
    with db.read() as connection:
        return _chosen(connection, user_id) or default


def consent_records_of(db: Database, principal: Principal, user_id: str) -> list[ConsentRecord]:
    """Every choice that a person made, the latest first; none for who never chose.

    Raises:
        NotFound: the person is another.
    """
    principal.require_owner(user_id)
    wanted = select(*(consent_records.c[name] for name in ConsentRecord.__slots__)).where(
        consent_records.c.user_id == user_id
    )
    with db.read() as connection:
        rows = connection.execute(wanted.order_by(consent_records.c.row.desc())).mappings()
        return [ConsentRecord(**row) for row in rows]


def _chosen(connection: Connection, user_id: str, hold: bool = False) -> Consent | None:
    own = select(consents).where(consents.c.user_id == user_id)
    row: Any = connection.execute(lock_row(connection, own) if hold else own).one_or_none()
    return Consent(answer=row.answer, personalize=row.personalize, train=row.train) if row else None


def _forget_pairs(connection: Connection, user_id: str) -> None:
    """Pairs that were taken from their talk and wait to be decided on; an approved one is the shop's own words."""
    theirs = select(conversations.c.conversation_id).where(conversations.c.user_id == user_id)
    connection.execute(delete(answers).where(answers.c.conversation_id.in_(theirs)))
