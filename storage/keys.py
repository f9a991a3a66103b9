"""API keys with a role, and the one-time links that sign a window in with one. Only hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Row, insert, select, update

from storage.database import Database
from storage.errors import InvalidInput, NotFound, Unauthenticated
from storage.principal import Principal, Role
from storage.record import Id, new_id, now_ms, reasons_of
from storage.tables import api_keys, sign_in_links

KEY_MARK = "aisle_"
_LINK_MINUTES = 60
_ID = TypeAdapter(Id)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without what makes it secret. `name` is who uses it, and the id of the principal that it stands for.

    Instants are in milliseconds since 1970, UTC; None in `expires_at` means never.
    """

    key_id: str
    name: str
    prefix: str
    role: Role
    team: str | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None

    @property
    def principal(self) -> Principal:
        """Whom it stands for."""
        return Principal(self.name, self.role, self.team)


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is shown once, when a key is made: the key, and the token of a link that signs a window in once."""

    record: ApiKey
    key: str
    link_token: str


def create_key(
    db: Database, principal: Principal, role: Role, name: str, team: str | None = None, days: int | None = None
) -> NewKey:
    """Makes a key.

    Args:
        db: where to.
        principal: an admin.
        role: what the key may do.
        name: who uses it; for a customer their user id.
        team: the team of an agent, who sees no conversation without one.
        days: how long it holds; None for ever.

    Raises:
        Forbidden: the principal is no admin.
        InvalidInput: the name is no id, or an agent has no team.
    """
    principal.require_role(Role.ADMIN)
    try:
        name, team = _ID.validate_python(name), None if team is None else _ID.validate_python(team)
    except ValidationError as error:
        raise InvalidInput(f"The name or team cannot be used: {reasons_of(error)}.", "Give 1 to 200 letters.") from None
    if role is Role.AGENT and team is None:
        raise InvalidInput("An agent's key needs a team.", "Add --team NAME.")
    now = now_ms()
    prefix = KEY_MARK + secrets.token_hex(4)
    key = f"{prefix}_{secrets.token_urlsafe(32)}"
    expires_at = None if days is None else now + days * 86_400_000
    record = ApiKey(new_id(), name, prefix, role, team, now, expires_at, None)
    row = {
        "key_id": record.key_id,
        "name": name,
        "prefix": prefix,
        "hash": _hash(key),
        "role": role.value,
        "team": team,
        "created_at": now,
        "expires_at": expires_at,
        "revoked_at": None,
    }
    token = secrets.token_urlsafe(32)
    link = {"hash": _hash(token), "key_id": record.key_id, "expires_at": now + _LINK_MINUTES * 60_000, "used_at": None}
    with db.write(durable=True) as connection:
        connection.execute(insert(api_keys), row)
        connection.execute(insert(sign_in_links), link)
    return NewKey(record, key, token)


def list_keys(db: Database, principal: Principal) -> list[ApiKey]:
    """All keys, the oldest first, revoked ones too.

    Raises:
        Forbidden: the principal is no admin.
    """
    principal.require_role(Role.ADMIN)
    with db.read() as connection:
        return [_record(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.created_at))]


def revoke_key(db: Database, principal: Principal, key_id: str) -> None:
    """Ends a key, named by its id or by the prefix that `keys list` shows, and the windows signed in with it.

    Raises:
        Forbidden: the principal is no admin.
        NotFound: there is no such key; one that was revoked before stays so.
    """
    principal.require_role(Role.ADMIN)
    named = (api_keys.c.key_id == key_id) | (api_keys.c.prefix == key_id)
    with db.write(durable=True) as connection:
        if connection.execute(select(api_keys.c.key_id).where(named)).first() is None:
            raise NotFound(f"There is no key {key_id[:200]!r}.", "`launch.py keys list` shows them.")
        connection.execute(update(api_keys).where(named, api_keys.c.revoked_at.is_(None)).values(revoked_at=now_ms()))


def key_of(db: Database, key: str) -> ApiKey:
    """The record of a key that somebody shows.

    Raises:
        Unauthenticated: there is no such key, or it holds no longer.
    """
    with db.read() as connection:
        row = connection.execute(select(api_keys).where(api_keys.c.hash == _hash(key))).one_or_none()
    return _holding(row)


def key_by_id(db: Database, key_id: str) -> ApiKey:
    """The record of a key that a window was signed in with; raises as `key_of`."""
    with db.read() as connection:
        row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
    return _holding(row)


def redeem_link(db: Database, token: str) -> ApiKey:
    """The key of a one-time link; the link is spent with that, even where two redeem it at once.

    Raises:
        Unauthenticated: there is no such link, it was used or is too old, or its key holds no longer.
    """
    now = now_ms()
    fresh = (
        (sign_in_links.c.hash == _hash(token)) & sign_in_links.c.used_at.is_(None) & (sign_in_links.c.expires_at > now)
    )
    with db.write(durable=True) as connection:
        spent = update(sign_in_links).where(fresh).values(used_at=now).returning(sign_in_links.c.key_id)
        key_id = connection.execute(spent).scalar_one_or_none()
        if key_id is None:
            raise Unauthenticated("This sign-in link does not hold (any more).", "Ask for a new one, or use the key.")
        row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
    return _holding(row)


def _hash(text: str) -> str:
    # The keys are 256 random bits, so a plain hash is enough: there is nothing to guess.
    return hashlib.sha256(text.encode("utf-8", errors="replace")).hexdigest()


def _record(row: Row[tuple[object, ...]]) -> ApiKey:
    values = {name: value for name, value in row._mapping.items() if name != "hash"}
    return ApiKey(**values | {"role": Role(values["role"])})


def _holding(row: Row[tuple[object, ...]] | None) -> ApiKey:
    key = None if row is None else _record(row)
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now_ms()):
        raise Unauthenticated("This key does not hold.", "Ask for a new one: `launch.py keys create`.")
    return key
