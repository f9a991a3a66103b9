"""Who is asking: JSON web tokens, API keys, the cookie of a signed-in window, and the signed cookie of a visitor."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from pydantic import TypeAdapter, ValidationError

from storage.database import Database
from storage.errors import Unauthenticated
from storage.keys import KEY_MARK, key_by_id, key_of, redeem_link
from storage.principal import Principal, Role
from storage.record import Id, new_id
from storage.secret import derive, load_secret
from storage.settings import IdentitySettings

AUDIENCE = "aisle"
VISITOR_MARK = "anon-"
_SESSION_AUDIENCE = "aisle-session"
_LEEWAY_SECONDS = 30
_LONGEST = 8_192
_ID = TypeAdapter(Id)


class Identity:
    """Checks every proof of identity, and makes those that Aisle gives out itself.

    Tokens are signed with the shop's secret as it stands in its file, so that the shop's backend can make them; cookies with keys
    derived from it, so that neither passes for the other.
    """

    def __init__(self, secret: str, settings: IdentitySettings, database: Database) -> None:
        self._secret = secret
        self._settings = settings
        self._database = database
        self._session_key = derive(secret, "session")
        self._visitor_key = derive(secret, "visitor")

    @classmethod
    def open(cls, shop: Path, settings: IdentitySettings, database: Database) -> Identity:
        """With the secret of a shop's folder, which is made where there is none."""
        return cls(load_secret(shop), settings, database)

    def from_bearer(self, credential: str) -> Principal:
        """Who shows this API key, token (claims sub, role, aud="aisle", exp, and team for agents) or visitor's signed id.

        Raises:
            Unauthenticated: it does not hold.
        """
        if not credential or len(credential) > _LONGEST:
            raise Unauthenticated("The Authorization header holds no credential.", "Send: Bearer TOKEN_OR_KEY.")
        if credential.startswith(KEY_MARK):
            return key_of(self._database, credential).principal
        if (visitor := self.from_visitor_cookie(credential)) is not None:  # of a frame whose browser keeps no cookie
            return visitor
        claims = self._claims(credential, self._secret, AUDIENCE)
        if claims is None:
            raise Unauthenticated(
                "The token does not hold.",
                f'Sign sub, role, aud "{AUDIENCE}" and exp with {self._settings.algorithm} and the shop\'s secret.',
            )
        principal = _principal(claims)
        if principal is None:
            raise Unauthenticated("The token names nobody.", f"sub is an id, role one of: {', '.join(Role)}.")
        return principal

    def token(self, principal: Principal, minutes: int = 60) -> str:
        """A token as the shop's backend makes them."""
        claims = _claims_of(principal) | {"aud": AUDIENCE, "exp": datetime.now(UTC) + timedelta(minutes=minutes)}
        return jwt.encode(claims, self._secret, self._settings.algorithm)

    def sign_in(self, credential: str) -> str:
        """The session cookie for an API key or for the token of a one-time link, which is spent with that.

        Raises:
            Unauthenticated: it does not hold.
        """
        text = credential.strip()
        key = key_of(self._database, text) if text.startswith(KEY_MARK) else redeem_link(self._database, text)
        return self.session_cookie(key.principal, key.key_id)

    def session_cookie(self, principal: Principal, key_id: str | None = None) -> str:
        """The cookie of a window that is signed in; it ends with the key that it was signed in with, if with one."""
        expires = datetime.now(UTC) + timedelta(hours=self._settings.session_hours)
        claims = _claims_of(principal) | {"aud": _SESSION_AUDIENCE, "exp": expires, "key": key_id}
        return jwt.encode(claims, self._session_key, self._settings.algorithm)

    def from_session_cookie(self, cookie: str) -> Principal | None:
        """Whose window it is; None where the cookie does not hold, so that a visitor with an old one is just a visitor."""
        claims = self._claims(cookie, self._session_key, _SESSION_AUDIENCE) if 0 < len(cookie) <= _LONGEST else None
        if claims is None:
            return None
        if claims.get("key") is not None:
            try:
                return key_by_id(self._database, str(claims["key"])).principal
            except Unauthenticated:
                return None
        return _principal(claims)

    def new_visitor(self) -> tuple[Principal, str]:
        """A visitor nobody knows yet, and the cookie that will know them again."""
        visitor = VISITOR_MARK + new_id()
        return _visitor(visitor), f"{visitor}.{self._mac(visitor)}"

    def from_visitor_cookie(self, cookie: str) -> Principal | None:
        """The visitor of a cookie that this shop signed, else None."""
        visitor, _, mac = cookie.rpartition(".")
        holds = visitor.startswith(VISITOR_MARK) and len(cookie) <= _LONGEST and mac.isascii()
        return _visitor(visitor) if holds and hmac.compare_digest(mac, self._mac(visitor)) else None

    def _mac(self, text: str) -> str:
        return hmac.new(self._visitor_key.encode(), text.encode("utf-8", errors="replace"), "sha256").hexdigest()

    def _claims(self, token: str, key: str, audience: str) -> dict[str, Any] | None:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[self._settings.algorithm],  # one, so that a token cannot choose how it is checked
                audience=audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["sub", "role", "aud", "exp"]},
            )
        except (jwt.InvalidTokenError, ValueError):
            return None
        return claims


def _visitor(visitor: str) -> Principal:
    return Principal(visitor, Role.CUSTOMER, anonymous=True)


def _claims_of(principal: Principal) -> dict[str, Any]:
    return {"sub": principal.id, "role": principal.role.value, "team": principal.team}


def _principal(claims: dict[str, Any]) -> Principal | None:
    """Whom the claims name, or None where they name nobody."""
    try:
        subject = _ID.validate_python(claims["sub"])
        team = None if claims.get("team") is None else _ID.validate_python(claims["team"])
        return Principal(subject, Role(claims["role"]), team)
    except (ValidationError, ValueError, TypeError):
        return None
