"""API keys with a role, and the one-time links that sign a window in with one. Only hashes are kept.

A key is rotated by making a second one and letting the first end a little later: whoever uses it has that long to change over.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from storage.database import Database, lock_row
from storage.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from storage.principal import Principal, Role
from storage.record import Id, new_id, now_ms, reasons_of
from storage.scopes import parse_scopes
from storage.tables import api_keys, sign_in_links

KEY_MARK = "aisle_"
GRACE_HOURS = 24
_LINK_MINUTES = 60
_DAY_MS = 86_400_000
_MINUTE = "%Y-%m-%d %H:%M UTC"
_ID = TypeAdapter(Id)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without what makes it secret. `name` is who uses it, and the id of the principal that it stands for.

    Instants are in milliseconds since 1970, UTC; None in `expires_at` means never. `scopes` are sorted, and None where the key
    may all that its role may. `used_at` is the beginning of the day, UTC, on which it was used last.
    """

    key_id: str
    name: str
    prefix: str
    role: Role
    team: str | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    scopes: tuple[str, ...] | None = None
    used_at: int | None = None

    def __str__(self) -> str:
        """One line of `keys list`.

        `3q2-7wEBAgM  aisle_3f9c01ab…  service    price feed  catalog orders:read  until 2026-12-01  used 2026-11-28`
        """
        parts = [f"{self.key_id}  {self.prefix}…  {self.role:<10} {self.name}"]
        if self.scopes is not None:
            parts.append(" ".join(self.scopes))
        if self.revoked_at is not None:
            parts.append("revoked")
        elif self.expires_at is not None:
            parts.append(f"until {_spelled(self.expires_at, _MINUTE)}")
        parts.append("never used" if self.used_at is None else f"used {_spelled(self.used_at)}")
        return "  ".join(parts)

    @property
    def principal(self) -> Principal:
        """Whom it stands for."""
        return Principal(
            self.name, self.role, self.team, scopes=None if self.scopes is None else frozenset(self.scopes)
        )


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is shown once, when a key is made: the key, and the token of a link that signs a window in once."""

    record: ApiKey
    key: str
    link_token: str


def create_key(
    db: Database,
    principal: Principal,
    role: Role,
    name: str,
    team: str | None = None,
    days: int | None = None,
    scopes: Iterable[str] | None = None,
) -> NewKey:
    """Makes a key.

    Args:
        db: where to.
        principal: an admin.
        role: what the key may do.
        name: who uses it; for a customer their user id.
        team: the team of an agent, who sees no conversation without one.
        days: how long it holds; None for ever.
        scopes: what of that it is bound to, as `storage.scopes` names them; None for all of it.

    Raises:
        Forbidden: the principal is no admin.
        InvalidInput: the name is no id, an agent has no team, or a scope is unknown.
    """
    principal.require_role(Role.ADMIN)
    try:
        name, team = _ID.validate_python(name), None if team is None else _ID.validate_python(team)
    except ValidationError as error:
        raise InvalidInput(f"The name or team cannot be used: {reasons_of(error)}.", "Give 1 to 200 letters.") from None
    if role is Role.AGENT and team is None:
        raise InvalidInput("An agent's key needs a team.", "Add --team NAME.")
    bound = None if scopes is None else tuple(sorted(parse_scopes(scopes)))
    now = now_ms()
    new = _new_key(name, role, team, bound, now, None if days is None else now + days * _DAY_MS)
    with db.write(durable=True) as connection:
        _insert(connection, new)
    return new


def rotate_key(db: Database, principal: Principal, key_id: str, grace_hours: int = GRACE_HOURS) -> tuple[NewKey, int]:
    """A new key in the place of one, which holds for so many hours more and then ends with the windows signed in with it.

    Returns:
        The new key, and the instant at which the old one ends, in milliseconds since 1970, UTC.

    The new one has the same name, role, team and scopes, and holds for as long as the old one was to hold from its own beginning.

    Raises:
        Forbidden: the principal is no admin.
        InvalidInput: the grace is negative or longer than 90 days.
        NotFound: there is no such key.
        Conflict: it does not hold any more.
    """
    principal.require_role(Role.ADMIN)
    if not 0 <= grace_hours <= 90 * 24:
        raise InvalidInput(f"A grace of {grace_hours} hours is not possible.", "Give 0 to 2160.")
    now = now_ms()
    with db.write(durable=True) as connection:
        row = connection.execute(lock_row(connection, select(api_keys).where(_named(key_id)))).one_or_none()
        if row is None:
            raise _no_such_key(key_id)
        old = _record(row)
        if not _holds(old, now):
            raise Conflict(f"The key {old.prefix} does not hold any more.", "Make a new one: `launch.py keys create`.")
        expires_at = None if old.expires_at is None else now + old.expires_at - old.created_at
        new = _new_key(old.name, old.role, old.team, old.scopes, now, expires_at)
        _insert(connection, new)
        end = now + grace_hours * 3_600_000
        end = end if old.expires_at is None else min(end, old.expires_at)
        connection.execute(update(api_keys).where(api_keys.c.key_id == old.key_id).values(expires_at=end))
    return new, end


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
    named = _named(key_id)
    with db.write(durable=True) as connection:
        if connection.execute(select(api_keys.c.key_id).where(named)).first() is None:
            raise _no_such_key(key_id)
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


def note_use(db: Database, key_ids: Iterable[str]) -> None:
    """Writes down that keys are used today; what says so already stays."""
    day = today()
    with db.write() as connection:
        stale = api_keys.c.used_at.is_(None) | (api_keys.c.used_at < day)
        for key_id in sorted(key_ids):
            connection.execute(update(api_keys).where(api_keys.c.key_id == key_id, stale).values(used_at=day))


def _spelled(instant: int, form: str = "%Y-%m-%d") -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime(form)


def today() -> int:
    """The beginning of this day, UTC, in milliseconds since 1970."""
    return now_ms() // _DAY_MS * _DAY_MS


def _named(key_id: str) -> ColumnElement[bool]:
    return (api_keys.c.key_id == key_id) | (api_keys.c.prefix == key_id)


def _no_such_key(key_id: str) -> NotFound:
    return NotFound(f"There is no key {key_id[:200]!r}.", "`launch.py keys list` shows them.")


def _new_key(
    name: str, role: Role, team: str | None, scopes: tuple[str, ...] | None, now: int, expires_at: int | None
) -> NewKey:
    prefix = KEY_MARK + secrets.token_hex(4)
    record = ApiKey(new_id(), name, prefix, role, team, now, expires_at, None, scopes)
    return NewKey(record, f"{prefix}_{secrets.token_urlsafe(32)}", secrets.token_urlsafe(32))


def _insert(connection: Connection, new: NewKey) -> None:
    row = asdict(new.record) | {"hash": _hash(new.key), "role": new.record.role.value}
    expires_at = new.record.created_at + _LINK_MINUTES * 60_000
    link = {"hash": _hash(new.link_token), "key_id": new.record.key_id, "expires_at": expires_at, "used_at": None}
    connection.execute(insert(api_keys), row)
    connection.execute(insert(sign_in_links), link)


def _hash(text: str) -> str:
    # The keys are 256 random bits, so a plain hash is enough: there is nothing to guess.
    return hashlib.sha256(text.encode("utf-8", errors="replace")).hexdigest()


def _record(row: Row[tuple[object, ...]]) -> ApiKey:
    values = {name: value for name, value in row._mapping.items() if name != "hash"}
    scopes = values["scopes"]
    return ApiKey(**values | {"role": Role(values["role"]), "scopes": None if scopes is None else tuple(scopes)})


def _holds(key: ApiKey, now: int) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


def _holding(row: Row[tuple[object, ...]] | None) -> ApiKey:
    key = None if row is None else _record(row)
    if key is None or not _holds(key, now_ms()):
        raise Unauthenticated("This key does not hold.", "Ask for a new one: `launch.py keys create`.")
    return key
