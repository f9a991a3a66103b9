"""Who somebody is: bearer tokens, API keys with one-time sign-in links, and the cookies of the windows.

Tokens are JWT (RFC 7519) of one algorithm, set in shop.toml. Keys are 256 random bits and kept as sha256 only, so that a copy of
the database opens nothing. Cookies carry an HMAC-SHA256 over their content and what they are for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from sqlalchemy import Row, insert, select, update

from storage.database import Database
from storage.errors import InvalidInput, NotFound, Unauthenticated, Unavailable
from storage.principal import Principal, Role
from storage.record import new_id, now_ms
from storage.settings import IdentitySettings
from storage.tables import api_keys, sign_in_links

AUDIENCE = "aisle"
KEY_PREFIX = "aisle_"
LINK_MINUTES = 30
_HOUR = 3_600_000
_VISITOR = "visitor"
_SESSION = "session"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is listed: never the key itself. Instants are milliseconds since 1970, UTC."""

    key_id: str
    name: str
    prefix: str
    role: Role
    team: str | None
    created_at: int
    expires_at: int | None
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """What is shown once when a key is made: the key, and a token that signs a browser in once."""

    key_id: str
    key: str
    sign_in_token: str


def secret_of(shop: Path) -> bytes:
    """The shop's signing secret, made at the first call; only its owner can read the file.

    Raises:
        Unavailable: the file cannot be written or is too short to be one.
    """
    path = shop / "secret"
    with suppress(FileNotFoundError):
        return _checked(path)
    shop.mkdir(parents=True, exist_ok=True)
    fresh = shop / f".secret.{secrets.token_hex(8)}"
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_hex(32).encode())
            out.flush()
            os.fsync(out.fileno())
        # A link and not a rename: of two processes that start at once, both then read the one that came first.
        with suppress(FileExistsError):
            os.link(fresh, path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}.", "Make the shop's folder writable.") from error
    finally:
        fresh.unlink(missing_ok=True)
    return _checked(path)


def _checked(path: Path) -> bytes:
    secret = path.read_bytes().strip()
    if len(secret) < 32:
        raise Unavailable(
            f"{path} is too short to sign with.", "Delete it; a new one is made and people sign in again."
        )
    return secret


class Identity:
    """Checks and makes credentials with one secret and one database."""

    def __init__(self, db: Database, secret: bytes, settings: IdentitySettings | None = None) -> None:
        self.db = db
        self.settings = settings or IdentitySettings()
        self._secret = secret

    def token(self, principal: Principal, hours: float = 1.0) -> str:
        """A JWT for a principal, as the shop's own backend would make it with the same secret."""
        claims: dict[str, Any] = {
            "sub": principal.id,
            "role": principal.role.value,
            "aud": AUDIENCE,
            "exp": (now_ms() + int(hours * _HOUR)) // 1000,
        }
        if principal.team:
            claims["team"] = principal.team
        return jwt.encode(claims, self._secret, algorithm=self.settings.algorithm)

    def from_bearer(self, credential: str) -> Principal:
        """The principal of an `Authorization: Bearer` credential, a JWT or an API key.

        Raises:
            Unauthenticated: it does not hold, is expired, or was revoked.
        """
        return self._from_key(credential) if credential.startswith(KEY_PREFIX) else self._from_token(credential)

    def _from_token(self, token: str) -> Principal:
        required: Any = {"require": ["sub", "role", "aud", "exp"]}
        try:
            claims = jwt.decode(
                token, self._secret, algorithms=[self.settings.algorithm], audience=AUDIENCE, options=required
            )
            team = claims.get("team")
            return Principal(str(claims["sub"]), Role(claims["role"]), str(team) if team else None)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired.", "Sign in again.") from None
        except (jwt.PyJWTError, ValueError):
            raise Unauthenticated("The token does not hold.", "Send a JWT with sub, role, aud and exp.") from None

    def _from_key(self, key: str) -> Principal:
        statement = select(api_keys).where(api_keys.c.hash == _digest(key))
        with self.db.read() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None or not _valid(row):
            raise Unauthenticated("The API key does not hold.", "Make one with: launch.py keys create")
        return _key_principal(row)

    def new_visitor(self) -> tuple[Principal, str]:
        """An anonymous shopper, and the cookie that proves who they are."""
        user_id = f"visitor-{new_id()}"
        return Principal(user_id, Role.CUSTOMER, anonymous=True), self._signed(_VISITOR, {"sub": user_id})

    def from_visitor_cookie(self, cookie: str) -> Principal | None:
        """The shopper of an anonymous cookie; None where it is not one of ours."""
        content = self._opened(_VISITOR, cookie)
        return Principal(content["sub"], Role.CUSTOMER, anonymous=True) if content else None

    def session_cookie(self, principal: Principal) -> str:
        """The cookie of a signed-in window, for the hours set in shop.toml."""
        content = {
            "sub": principal.id,
            "role": principal.role.value,
            "team": principal.team,
            "exp": now_ms() + self.settings.session_hours * _HOUR,
        }
        return self._signed(_SESSION, content)

    def from_session_cookie(self, cookie: str) -> Principal | None:
        """The principal of a signed-in window; None where the cookie is not ours or has expired."""
        content = self._opened(_SESSION, cookie)
        if content is None or content["exp"] < now_ms():
            return None
        return Principal(content["sub"], Role(content["role"]), content["team"])

    def sign_in(self, token: str) -> Principal:
        """Uses up a one-time sign-in link.

        Raises:
            Unauthenticated: it was used, has expired, or its key was revoked.
        """
        refused = Unauthenticated("The sign-in link does not hold.", "Make a new one with: launch.py keys create")
        with self.db.write(durable=True) as connection:
            used = (
                update(sign_in_links)
                .where(
                    sign_in_links.c.hash == _digest(token),
                    sign_in_links.c.used_at.is_(None),
                    sign_in_links.c.expires_at > now_ms(),
                )
                .values(used_at=now_ms())
                .returning(sign_in_links.c.key_id)
            )
            key_id = connection.execute(used).scalar_one_or_none()
            row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one_or_none()
            if row is None or not _valid(row):
                raise refused
        return _key_principal(row)

    def create_key(
        self, principal: Principal, name: str, role: Role, team: str | None = None, days: int | None = None
    ) -> NewKey:
        """Makes a key; what is returned is shown once and kept nowhere.

        Raises:
            Forbidden: only admins and the machine's own operator make keys.
            InvalidInput: an agent's key without a team, or a team for another role.
        """
        principal.require_role(Role.ADMIN, Role.SERVICE)
        if (role is Role.AGENT) != (team is not None):
            raise InvalidInput("A team belongs to the role agent, and to no other.", "Use --role agent --team NAME.")
        key, link, key_id, now = KEY_PREFIX + secrets.token_urlsafe(32), secrets.token_urlsafe(32), new_id(), now_ms()
        row = {
            "key_id": key_id,
            "name": name,
            "prefix": key[: len(KEY_PREFIX) + 6],
            "hash": _digest(key),
            "role": role.value,
            "team": team,
            "created_at": now,
            "expires_at": None if days is None else now + days * 24 * _HOUR,
            "revoked_at": None,
        }
        link_row = {
            "hash": _digest(link),
            "key_id": key_id,
            "expires_at": now + LINK_MINUTES * 60_000,
            "used_at": None,
        }
        with self.db.write(durable=True) as connection:
            connection.execute(insert(api_keys), row)
            connection.execute(insert(sign_in_links), link_row)
        return NewKey(key_id, key, link)

    def keys(self, principal: Principal) -> Sequence[ApiKey]:
        """All keys, the oldest first; raises `Forbidden` for others than admins and the operator."""
        principal.require_role(Role.ADMIN, Role.SERVICE)
        with self.db.read() as connection:
            rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)).all()
        return [
            ApiKey(
                row.key_id,
                row.name,
                row.prefix,
                Role(row.role),
                row.team,
                row.created_at,
                row.expires_at,
                row.revoked_at,
            )
            for row in rows
        ]

    def revoke_key(self, principal: Principal, key_id: str) -> None:
        """Ends a key at once; doing it twice changes nothing. Raises `NotFound` for an unknown one."""
        principal.require_role(Role.ADMIN, Role.SERVICE)
        own = api_keys.c.key_id == key_id
        with self.db.write(durable=True) as connection:
            if connection.execute(select(api_keys.c.key_id).where(own)).one_or_none() is None:
                raise NotFound(f"There is no key {key_id!r}.", "See: launch.py keys list")
            connection.execute(update(api_keys).where(own, api_keys.c.revoked_at.is_(None)).values(revoked_at=now_ms()))

    def _signed(self, purpose: str, content: dict[str, Any]) -> str:
        body = base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")
        return f"{body}.{self._signature(purpose, body)}"

    def _opened(self, purpose: str, cookie: str) -> dict[str, Any] | None:
        body, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(purpose, body).encode()):
            return None
        content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return content

    def _signature(self, purpose: str, body: str) -> str:
        return hmac.new(self._secret, f"{purpose}.{body}".encode(), hashlib.sha256).hexdigest()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _valid(row: Row[Any]) -> bool:
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now_ms())


def _key_principal(row: Row[Any]) -> Principal:
    """A key acts under its own id; a customer's key makes no sense, for a customer is known by the shop's token."""
    return Principal(f"key:{row.key_id}", Role(row.role), row.team)
