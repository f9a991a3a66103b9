"""Who is asking: JSON web tokens, API keys, the cookie of a signed-in window, and the signed cookie of a visitor."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from pydantic import TypeAdapter, ValidationError

from storage.attempts import Attempts
from storage.database import Database
from storage.errors import AisleError, Unauthenticated, Unavailable
from storage.keys import KEY_MARK, ApiKey, key_by_id, key_of, note_use, redeem_link, today
from storage.principal import Principal, Role
from storage.record import Id, new_id, now_ms
from storage.secret import derive, load_secret
from storage.settings import IdentitySettings

AUDIENCE = "aisle"
VISITOR_MARK = "anon-"
_SESSION_AUDIENCE = "aisle-session"
_LEEWAY_SECONDS = 30
_LONGEST = 8_192
_FORGED = (jwt.DecodeError, jwt.InvalidAlgorithmError)
"""No signature of ours; all else that PyJWT refuses was signed here and is over, or for somebody else."""
_PREFIX = len(KEY_MARK) + 8
_MOST_HELD = 1_000
"""Keys that are remembered for when the database is away."""
_ID = TypeAdapter(Id)
logger = logging.getLogger(__name__)


class Identity:
    """Checks every proof of identity, and makes those that Aisle gives out itself.

    Tokens are signed with the shop's secret as it stands in its file, so that the shop's backend can make them; cookies with keys
    derived from it, so that neither passes for the other.

    Where an `address` is given, what comes from it and does not hold is counted (`storage.attempts`). Keys and links are looked up
    only while not too many have failed, by account (a key's prefix, a link) and by address. What is signed is checked all the same,
    for a signature cannot be guessed, and whoever shares an address with somebody who tries goes on; only what does not hold is
    refused as one attempt too many. A token of ours that is merely over is nobody's guess and counts for nothing.

    While the database is away a key that held before holds on, until it is over by itself: the shop's backend goes on sending
    events, which wait on disk. That it was revoked elsewhere meanwhile is known when the database is back.
    """

    def __init__(
        self, secret: str, settings: IdentitySettings, database: Database, attempts: Attempts | None = None
    ) -> None:
        self._secret = secret
        self._settings = settings
        self._database = database
        self._session_key = derive(secret, "session")
        self._visitor_key = derive(secret, "visitor")
        self._attempts = attempts or Attempts()
        self._used: set[str] = set()
        self._told: dict[str, int] = {}
        self._held: OrderedDict[str, ApiKey] = OrderedDict()

    @classmethod
    def open(cls, shop: Path, settings: IdentitySettings, database: Database) -> Identity:
        """With the secret of a shop's folder, which is made where there is none."""
        return cls(load_secret(shop), settings, database)

    def from_bearer(self, credential: str, address: str | None = None) -> Principal:
        """Who shows this API key, token (claims sub, role, aud="aisle", exp, and team for agents) or visitor's signed id.

        Raises:
            Unauthenticated: it does not hold.
            TooManyAttempts: nor did many before it, from this address or for this account.
        """
        if not credential or len(credential) > _LONGEST:
            raise Unauthenticated("The Authorization header holds no credential.", "Send: Bearer TOKEN_OR_KEY.")
        if credential.startswith(KEY_MARK):
            return self._key(credential, address).principal
        if (visitor := self.from_visitor_cookie(credential)) is not None:  # of a frame whose browser keeps no cookie
            return visitor
        return self.from_token(credential, address)

    def from_token(self, token: str, address: str | None = None) -> Principal:
        """Whom a token names; raises as `from_bearer`, for an API key too."""
        try:
            claims = self._claims(token, self._secret, AUDIENCE) if len(token) <= _LONGEST else None
        except jwt.InvalidTokenError as error:
            if isinstance(error, _FORGED):
                self._attempts.failed(address)
            claims = None
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

    def sign_in(self, credential: str, address: str | None = None) -> str:
        """The session cookie for an API key or for the token of a one-time link, which is spent with that.

        Raises:
            Unauthenticated: it does not hold.
            TooManyAttempts: nor did many before it, from this address or for this account.
        """
        key = self._key(credential.strip(), address)
        return self.session_cookie(key.principal, key.key_id)

    def _key(self, credential: str, address: str | None) -> ApiKey:
        """The record of a key, or of the key of a link, that somebody shows."""
        is_key = credential.startswith(KEY_MARK)
        account = credential[:_PREFIX] if is_key else hashlib.sha256(credential.encode(errors="replace")).hexdigest()
        with self._attempts.attempt(address, account, credential):
            return self._noted(self._key_of(credential) if is_key else redeem_link(self._database, credential))

    def _key_of(self, key: str) -> ApiKey:
        """What the database says of a key, or what it said last where it does not answer."""
        proof = hashlib.sha256(key.encode(errors="replace")).hexdigest()
        try:
            found = key_of(self._database, key)
        except Unauthenticated:
            self._held.pop(proof, None)
            raise
        except Unavailable:
            held = self._held.get(proof)
            if held is None or (held.expires_at is not None and held.expires_at <= now_ms()):
                raise
            return held
        self._held[proof] = found
        if len(self._held) > _MOST_HELD:
            self._held.popitem(last=False)
        return found

    def _noted(self, key: ApiKey) -> ApiKey:
        # Asked for once a day and key, so that a database that takes no writes is not waited for with each request.
        if key.used_at != (day := today()) and self._told.get(key.key_id) != day:
            self._told[key.key_id] = day
            self._used.add(key.key_id)
        return key

    @property
    def has_uses(self) -> bool:
        """Whether a key was used of which it is not written down yet that it was used today."""
        return bool(self._used)

    def note_uses(self) -> None:
        """Writes down which keys were used today: one write a day and key, apart from the check, which only reads.

        Where the database takes no write, that is logged, and the day stays unsaid unless another process says it.
        """
        used, self._used = self._used, set()
        try:
            note_use(self._database, used)
        except AisleError as error:
            logger.warning("That a key was used could not be written down: %s", error)

    def session_cookie(self, principal: Principal, key_id: str | None = None) -> str:
        """The cookie of a window that is signed in; it ends with the key that it was signed in with, if with one."""
        expires = datetime.now(UTC) + timedelta(hours=self._settings.session_hours)
        claims = _claims_of(principal) | {"aud": _SESSION_AUDIENCE, "exp": expires, "key": key_id}
        return jwt.encode(claims, self._session_key, self._settings.algorithm)

    def from_session_cookie(self, cookie: str) -> Principal | None:
        """Whose window it is; None where the cookie does not hold, so that a visitor with an old one is just a visitor."""
        if not 0 < len(cookie) <= _LONGEST:
            return None
        try:
            claims = self._claims(cookie, self._session_key, _SESSION_AUDIENCE)
            if claims.get("key") is not None:
                return self._noted(key_by_id(self._database, str(claims["key"]))).principal
        except (jwt.InvalidTokenError, Unauthenticated):
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

    def _claims(self, token: str, key: str, audience: str) -> dict[str, Any]:
        """What a token says (RFC 7519, checked as RFC 8725 asks); raises `jwt.InvalidTokenError` where it does not hold.

        Headers choose nothing: neither the algorithm nor, by kid, jku, jwk or x5u, the key.
        """
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[self._settings.algorithm],
                audience=audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["sub", "role", "aud", "exp"]},
            )
        except (ValueError, RecursionError):  # of its parts, before anything is checked
            raise jwt.DecodeError("no token") from None
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
