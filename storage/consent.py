"""What a person agreed to: answers that use their data, results ordered for them, models that learn from it."""

from __future__ import annotations

from sqlalchemy import select

from storage.database import Database
from storage.principal import Principal
from storage.record import Record, now_ms
from storage.tables import consents


class Consent(Record):
    """One person's choice; its defaults are the shop's where `[consent]` in shop.toml says nothing."""

    answer: bool = True
    personalize: bool = True
    train: bool = False


def set_consent(db: Database, principal: Principal, user_id: str, consent: Consent) -> None:
    """Keeps a person's choice; the last one counts for everything recorded from then on."""
    principal.require_owner(user_id)
    row = {"user_id": user_id, **consent.model_dump(), "updated_at": now_ms()}
    with db.write(durable=True) as connection:
        connection.execute(db.upsert(consents, keys=("user_id",)), row)


def consent_of(db: Database, principal: Principal, user_id: str, default: Consent) -> Consent:
    """A person's choice, or the shop's default where they made none."""
    principal.require_owner(user_id)
    with db.read() as connection:
        row = connection.execute(select(consents).where(consents.c.user_id == user_id)).one_or_none()
    return Consent(answer=row.answer, personalize=row.personalize, train=row.train) if row else default
