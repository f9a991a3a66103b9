from __future__ import annotations

import base64
import hashlib
import hmac
import json
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jwt
import pytest

from storage.attempts import Attempts, Rate
from storage.database import Database
from storage.errors import (
    Conflict,
    Damaged,
    Forbidden,
    InvalidInput,
    NotFound,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
)
from storage.identity import Identity
from storage.keys import create_key, key_of, list_keys, note_use, redeem_link, revoke_key, rotate_key
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.secret import derive, load_secret
from storage.settings import IdentitySettings
from storage.tables import api_keys, sign_in_links

SECRET = "5a" * 32
AGENT = Principal("ann", Role.AGENT, "sales")


@pytest.fixture
def identity(database: Database) -> Identity:
    return Identity(SECRET, IdentitySettings(), database)


@pytest.fixture(scope="module")
def tokens(sqlite_template: Path) -> Iterator[Identity]:
    """For what never changes a table: one for all tests."""
    database = Database.connect(f"sqlite:///{sqlite_template}")
    yield Identity(SECRET, IdentitySettings(), database)
    database.close()


def signed(key: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    claims = {"sub": "alice", "role": "customer", "aud": "aisle", "exp": int(time.time()) + 600} | changes
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm)


def by_hand(header: dict[str, Any], key: str = SECRET, **changes: Any) -> str:
    """A token as no library makes it: any header at all, over a signature by HMAC-SHA256 that holds."""
    claims = {"sub": "alice", "role": "admin", "aud": "aisle", "exp": int(time.time()) + 600} | changes
    parts = [json.dumps(each).encode() for each in (header, claims)]
    said = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.new(key.encode(), said, hashlib.sha256).digest()
    return (said + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


class TestTokens:
    def test_the_shops_backend_makes_them(self, tokens: Identity) -> None:
        assert tokens.from_bearer(signed()) == Principal("alice", Role.CUSTOMER)
        assert tokens.from_bearer(signed(sub="ann", role="agent", team="sales")) == AGENT
        assert tokens.from_bearer(tokens.token(AGENT)) == AGENT

    @pytest.mark.parametrize(
        "changes",
        [
            {"exp": 1},
            {"exp": None},
            {"aud": "other"},
            {"aud": None},
            {"sub": None},
            {"sub": ""},
            {"sub": "x" * 201},
            {"sub": "a\x00b"},
            {"role": None},
            {"role": "root"},
            {"role": ["admin"]},
            {"team": {"a": 1}},
            {"aud": "aisle-session"},
            {"aud": ["other"]},
            {"aud": []},
            {"exp": "soon"},
            {"exp": 1e400},
            {"exp": [2**33]},
            {"nbf": 2**33},
            {"iat": 2**33},
            {"sub": 7},
        ],
    )
    def test_claims_that_do_not_hold(self, tokens: Identity, changes: dict[str, Any]) -> None:
        with pytest.raises(Unauthenticated) as found:
            tokens.from_bearer(signed(**changes))
        assert found.value.status == 401

    def test_signatures_that_do_not_hold(self, tokens: Identity) -> None:
        none = jwt.encode({"sub": "alice", "role": "admin", "aud": "aisle", "exp": 2**33}, "", "none")
        head, body, mac = signed().split(".")
        wrong = [
            none,
            signed(key="6b" * 32),
            signed(algorithm="HS512"),
            f"{head}.{body}.",
            f"{head}.{body}.{mac[::-1]}",
        ]
        wrong += ["", " ", "a.b.c", "😀", "x" * 10_000, "aisle_", "aisle_00000000_nope"]
        for credential in wrong:
            with pytest.raises(Unauthenticated):
                tokens.from_bearer(credential)

    @pytest.mark.parametrize(
        "header",
        [
            {"alg": "none"},
            {"alg": "None"},
            {"alg": "nOnE", "typ": "JWT"},
            {"alg": ""},
            {"alg": None},
            {"alg": ["HS256"]},
            {"typ": "JWT"},
            {"alg": "HS384"},
            {"alg": "hs256"},
            {"alg": "RS256"},
            {"alg": "ES256"},
            {"alg": "PS256"},
            {"alg": "EdDSA"},
            {"alg": "HS256", "crit": ["exp"]},
            {"alg": "HS256", "crit": ["x"], "x": 1},
            {"alg": "HS256", "b64": False, "crit": ["b64"]},
            {"alg": "HS256", "kid": 7},
        ],
    )
    def test_a_header_cannot_choose_how_it_is_checked(self, tokens: Identity, header: dict[str, Any]) -> None:
        with pytest.raises(Unauthenticated):
            tokens.from_bearer(by_hand(header))

    @pytest.mark.parametrize(
        "header",
        [
            {"kid": "../../dev/null"},
            {"kid": "' UNION SELECT ''--"},
            {"jku": "https://elsewhere.example/keys.json"},
            {"x5u": "https://elsewhere.example/key.pem"},
            {"jwk": {"kty": "oct", "k": "AAAA"}},
        ],
    )
    def test_nor_with_which_key(self, tokens: Identity, header: dict[str, Any]) -> None:
        for key in ("", "\0", "AAAA", "\0\0\0"):
            with pytest.raises(Unauthenticated):
                tokens.from_bearer(by_hand({"alg": "HS256", **header}, key))
        assert tokens.from_bearer(by_hand({"alg": "HS256", **header}, role="customer")).id == "alice", "it is not read"

    def test_the_key_of_another_purpose_signs_nothing(self, tokens: Identity) -> None:
        for purpose in ("session", "visitor", "erasures"):
            with pytest.raises(Unauthenticated):
                tokens.from_bearer(signed(key=derive(SECRET, purpose)))

    @pytest.mark.parametrize("payload", ["[" * 3000, '"x"', "[]", "7", "\ud800"])
    def test_what_is_signed_and_no_claims(self, tokens: Identity, payload: str) -> None:
        said = ".".join(
            base64.urlsafe_b64encode(part.encode(errors="surrogatepass")).decode().rstrip("=")
            for part in ('{"alg":"HS256"}', payload)
        )
        mac = hmac.new(SECRET.encode(), said.encode(), hashlib.sha256).digest()
        for token in (
            f"{said}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}",
            payload,
            f"{payload}.{payload}.x",
        ):
            with pytest.raises(Unauthenticated):
                tokens.from_bearer(token)

    @pytest.mark.parametrize(("seconds", "holds"), [(-25, True), (-35, False)])
    def test_clocks_may_differ_by_half_a_minute(self, tokens: Identity, seconds: int, holds: bool) -> None:
        token = signed(exp=int(time.time()) + seconds)
        if holds:
            assert tokens.from_bearer(token).id == "alice"
        else:
            with pytest.raises(Unauthenticated):
                tokens.from_bearer(token)
        assert tokens.from_bearer(signed(nbf=int(time.time()) + 25, iat=int(time.time()) + 25)).id == "alice"

    def test_one_of_several_audiences_may_be_ours(self, tokens: Identity) -> None:
        assert tokens.from_bearer(signed(aud=["shop", "aisle"])).id == "alice"

    def test_no_token_is_anonymous_or_an_api_key(
        self, identity: Identity, database: Database, admin: Principal
    ) -> None:
        key = create_key(database, admin, Role.CUSTOMER, "maya").key
        for proof in (key, identity.new_visitor()[1], "", "x" * 10_000):
            with pytest.raises(Unauthenticated):
                identity.from_token(proof)
        assert not identity.from_bearer(signed(anonymous=True)).anonymous

    def test_the_algorithm_is_the_one_set(self, tokens: Identity) -> None:
        other = Identity(SECRET, IdentitySettings(algorithm="HS512"), tokens._database)
        assert other.from_bearer(signed(algorithm="HS512")).id == "alice"
        with pytest.raises(Unauthenticated):
            other.from_bearer(signed())


HERE, THERE = "192.0.2.1", "192.0.2.2"


class TestAttempts:
    """What is counted; how, is told by test_attempts.py."""

    @pytest.fixture
    def strict(self, database: Database) -> Identity:
        return Identity(SECRET, IdentitySettings(), database, Attempts(Rate(2, 60.0), Rate(3, 60.0)))

    @pytest.mark.parametrize("way", ["from_bearer", "sign_in"])
    def test_keys_by_their_prefix(self, strict: Identity, database: Database, admin: Principal, way: str) -> None:
        show: Callable[[str, str], object] = getattr(strict, way)
        mine, other = (create_key(database, admin, Role.SUPERVISOR, name) for name in ("di", "ed"))
        for address in (HERE, THERE):
            with pytest.raises(Unauthenticated):
                show(f"{mine.record.prefix}_guessed", address)
        with pytest.raises(TooManyAttempts):
            show(mine.key, "192.0.2.3")
        show(other.key, HERE)

    def test_links_by_themselves_and_all_by_address(
        self, strict: Identity, database: Database, admin: Principal
    ) -> None:
        for _ in range(2):
            with pytest.raises(Unauthenticated):
                strict.sign_in("guessed", HERE)
        with pytest.raises(TooManyAttempts):
            strict.sign_in("guessed", HERE)
        with pytest.raises(Unauthenticated):
            strict.sign_in("guessed otherwise", HERE)
        token = create_key(database, admin, Role.SUPERVISOR, "di").link_token
        with pytest.raises(TooManyAttempts):
            strict.sign_in(token, HERE)
        assert strict.sign_in(token, THERE), "it was not spent"

    def test_signatures_by_address_and_a_good_one_is_never_stopped(self, strict: Identity) -> None:
        forged = [signed(key="6b" * 32), signed(algorithm="HS512"), "nonsense"]
        for token in forged:
            with pytest.raises(Unauthenticated):
                strict.from_bearer(token, HERE)
        for token in forged:
            with pytest.raises(TooManyAttempts):
                strict.from_bearer(token, HERE)
        assert strict.from_bearer(signed(), HERE).id == "alice"
        visitor, cookie = strict.new_visitor()
        assert strict.from_bearer(cookie, HERE) == visitor
        with pytest.raises(Unauthenticated):
            strict.from_bearer("nonsense", THERE)

    def test_what_was_signed_here_and_is_over_is_no_guess(self, strict: Identity) -> None:
        for _ in range(5):
            for changes in ({"exp": 1}, {"aud": "other"}, {"role": "root"}, {"role": None}):
                with pytest.raises(Unauthenticated):
                    strict.from_bearer(signed(**changes), HERE)


class TestCookies:
    def test_a_window_stays_signed_in(self, tokens: Identity) -> None:
        assert tokens.from_session_cookie(tokens.session_cookie(AGENT)) == AGENT

    def test_a_session_is_no_token_and_a_token_no_session(self, tokens: Identity) -> None:
        assert tokens.from_session_cookie(signed(role="admin")) is None
        assert tokens.from_session_cookie(signed(role="admin", aud="aisle-session")) is None
        with pytest.raises(Unauthenticated):
            tokens.from_bearer(tokens.session_cookie(AGENT))

    def test_an_old_session_is_nobodys(self, tokens: Identity) -> None:
        key = derive(SECRET, "session")
        assert tokens.from_session_cookie(signed(key=key, aud="aisle-session")) == Principal("alice", Role.CUSTOMER)
        for cookie in (signed(key=key, aud="aisle-session", exp=1), "", "x" * 10_000, "\ud800"):
            assert tokens.from_session_cookie(cookie) is None

    def test_a_visitor_is_known_again(self, tokens: Identity) -> None:
        visitor, cookie = tokens.new_visitor()
        assert visitor.anonymous
        assert visitor.role is Role.CUSTOMER
        assert tokens.from_visitor_cookie(cookie) == visitor
        assert tokens.new_visitor()[0].id != visitor.id

    def test_a_visitor_cannot_become_another(self, tokens: Identity) -> None:
        visitor, cookie = tokens.new_visitor()
        mac = cookie.rpartition(".")[2]
        forged = [
            f"alice.{mac}",
            f"{visitor.id}x.{mac}",
            f"{visitor.id}.",
            f"{visitor.id}.é",
            f"{visitor.id}.{mac[:-1]}",
        ]
        forged += ["", ".", "anon-.", f"anon-\ud800.{mac}", "anon-" + "x" * 10_000 + "." + mac]
        assert [tokens.from_visitor_cookie(value) for value in forged] == [None] * len(forged)

    def test_another_shops_cookie_is_worth_nothing(self, tokens: Identity) -> None:
        other = Identity("6b" * 32, IdentitySettings(), tokens._database)
        assert tokens.from_visitor_cookie(other.new_visitor()[1]) is None
        assert tokens.from_session_cookie(other.session_cookie(AGENT)) is None


class TestKeys:
    def test_a_key_stands_for_its_role(self, identity: Identity, database: Database, admin: Principal) -> None:
        new = create_key(database, admin, Role.AGENT, "ann", team="sales")
        assert identity.from_bearer(new.key) == AGENT
        assert new.key.startswith(new.record.prefix)
        assert list_keys(database, admin) == [new.record]

    def test_only_hashes_are_kept(self, database: Database, admin: Principal) -> None:
        new = create_key(database, admin, Role.ENGINEER, "eve")
        with database.read() as connection:
            kept = str([connection.execute(table.select()).all() for table in (api_keys, sign_in_links)])
        assert new.key not in kept
        assert new.key.removeprefix(new.record.prefix) not in kept
        assert new.link_token not in kept

    def test_a_key_is_bound_to_scopes_and_so_are_its_windows(
        self, identity: Identity, database: Database, admin: Principal
    ) -> None:
        new = create_key(database, admin, Role.SERVICE, "feed", scopes=["orders:read", "catalog"])
        bound = Principal("feed", Role.SERVICE, scopes=frozenset({"catalog", "orders:read"}))
        assert identity.from_bearer(new.key) == bound
        assert identity.from_session_cookie(identity.sign_in(new.key)) == bound
        assert list_keys(database, admin)[0].scopes == ("catalog", "orders:read")
        with pytest.raises(InvalidInput, match="ordres"):
            create_key(database, admin, Role.SERVICE, "feed", scopes=["ordres"])

    def test_a_rotated_key_holds_on_for_a_while(self, identity: Identity, database: Database, admin: Principal) -> None:
        old = create_key(database, admin, Role.AGENT, "ann", "sales", days=10, scopes=["desk"])
        before = now_ms()
        new, until = rotate_key(database, admin, old.record.prefix, grace_hours=2)
        assert before + 7_200_000 <= until <= now_ms() + 7_200_000
        assert identity.from_bearer(old.key) == identity.from_bearer(new.key)
        assert identity.from_session_cookie(identity.sign_in(new.link_token)) == identity.from_bearer(new.key)
        was, now = list_keys(database, admin)
        assert (was.expires_at, now.expires_at) == (until, now.created_at + 10 * 86_400_000)
        assert (now.name, now.role, now.team, now.scopes) == ("ann", Role.AGENT, "sales", ("desk",))
        cookie = identity.sign_in(old.key)
        with patch("storage.keys.now_ms", lambda: until):
            with pytest.raises(Unauthenticated):
                identity.from_bearer(old.key)
            assert identity.from_session_cookie(cookie) is None
            assert identity.from_bearer(new.key).id == "ann"

    def test_a_rotation_never_lengthens_the_old_key(self, database: Database, admin: Principal) -> None:
        old = create_key(database, admin, Role.ENGINEER, "eve", days=1)
        assert rotate_key(database, admin, old.record.key_id, grace_hours=48)[1] == old.record.expires_at
        new, until = rotate_key(database, admin, create_key(database, admin, Role.ENGINEER, "eve").record.key_id, 0)
        assert until == new.record.created_at
        assert new.record.expires_at is None

    def test_what_cannot_be_rotated(self, database: Database, admin: Principal) -> None:
        gone = create_key(database, admin, Role.ENGINEER, "eve").record
        revoke_key(database, admin, gone.key_id)
        with pytest.raises(Conflict, match=gone.prefix):
            rotate_key(database, admin, gone.key_id)
        with pytest.raises(NotFound, match="nope"):
            rotate_key(database, admin, "nope")
        with pytest.raises(InvalidInput, match="-1"):
            rotate_key(database, admin, gone.key_id, grace_hours=-1)
        with pytest.raises(Forbidden):
            rotate_key(database, Principal("eve", Role.ENGINEER), gone.key_id)
        assert len(list_keys(database, admin)) == 1

    def test_the_day_of_its_last_use_is_written_once(
        self, identity: Identity, database: Database, admin: Principal
    ) -> None:
        new = create_key(database, admin, Role.SUPERVISOR, "di")
        assert not identity.has_uses
        cookie = identity.sign_in(new.link_token)
        assert identity.has_uses
        identity.note_uses()
        today = now_ms() // 86_400_000 * 86_400_000
        assert list_keys(database, admin)[0].used_at == today
        identity.from_bearer(new.key)
        identity.from_session_cookie(cookie)
        assert not identity.has_uses, "it is written down"
        with patch("storage.keys.now_ms", lambda: today + 86_400_000):
            identity.from_session_cookie(cookie)
            identity.note_uses()
        note_use(database, [new.record.key_id])
        assert list_keys(database, admin)[0].used_at == today + 86_400_000, "an earlier day does not come back"

    def test_a_use_that_cannot_be_written_stops_nobody(
        self, identity: Identity, database: Database, admin: Principal, caplog: pytest.LogCaptureFixture
    ) -> None:
        identity.from_bearer(create_key(database, admin, Role.SUPERVISOR, "di").key)
        with patch("storage.identity.note_use", side_effect=Unavailable("The disk is full.")):
            identity.note_uses()
        assert "The disk is full." in caplog.text
        assert list_keys(database, admin)[0].used_at is None

    def test_a_key_that_held_holds_while_the_database_is_away(
        self, identity: Identity, database: Database, admin: Principal
    ) -> None:
        known = create_key(database, admin, Role.SERVICE, "feed", days=1)
        new = create_key(database, admin, Role.SERVICE, "other")
        assert identity.from_bearer(known.key).role is Role.SERVICE
        away = patch("storage.identity.key_of", side_effect=Unavailable("The database does not answer."))
        with away:
            assert identity.from_bearer(known.key).id == "feed"
            with pytest.raises(Unavailable):
                identity.from_bearer(new.key)
            with patch("storage.identity.now_ms", lambda: now_ms() + 2 * 86_400_000), pytest.raises(Unavailable):
                identity.from_bearer(known.key)
        revoke_key(database, admin, known.record.key_id)
        with pytest.raises(Unauthenticated):
            identity.from_bearer(known.key)
        with away, pytest.raises(Unavailable):
            identity.from_bearer(known.key)

    def test_only_so_many_keys_are_remembered(self, identity: Identity, database: Database, admin: Principal) -> None:
        first, second = (create_key(database, admin, Role.SERVICE, name) for name in ("one", "two"))
        with patch("storage.identity._MOST_HELD", 1):
            identity.from_bearer(first.key)
            identity.from_bearer(second.key)
        with patch("storage.identity.key_of", side_effect=Unavailable("away")):
            assert identity.from_bearer(second.key).id == "two"
            with pytest.raises(Unavailable):
                identity.from_bearer(first.key)

    def test_a_line_of_the_list_says_what_an_admin_asks(self, database: Database, admin: Principal) -> None:
        with patch("storage.keys.now_ms", lambda: 1_767_323_045_000):
            bound = create_key(database, admin, Role.SERVICE, "feed", days=1, scopes=["orders:read", "catalog"]).record
            note_use(database, [bound.key_id])
        plain = create_key(database, admin, Role.ENGINEER, "eve").record
        first, second = map(str, list_keys(database, admin))
        assert first == (
            f"{bound.key_id}  {bound.prefix}…  service    feed  catalog orders:read  until 2026-01-03 03:04 UTC"
            "  used 2026-01-02"
        )
        assert second == f"{plain.key_id}  {plain.prefix}…  engineer   eve  never used"
        revoke_key(database, admin, plain.key_id)
        assert "eve  revoked  never used" in str(list_keys(database, admin)[1])

    @pytest.mark.parametrize("by", ["key_id", "prefix"])
    def test_a_revoked_key_ends_and_so_do_its_windows(
        self, identity: Identity, database: Database, admin: Principal, by: str
    ) -> None:
        new, other = (create_key(database, admin, Role.SUPERVISOR, name) for name in ("di", "ed"))
        cookie = identity.sign_in(new.key)
        assert identity.from_session_cookie(cookie) == Principal("di", Role.SUPERVISOR)
        revoke_key(database, admin, getattr(new.record, by))
        revoke_key(database, admin, getattr(new.record, by))
        assert identity.from_session_cookie(cookie) is None
        for attempt in (identity.from_bearer, identity.sign_in):
            with pytest.raises(Unauthenticated):
                attempt(new.key)
        with pytest.raises(Unauthenticated):
            identity.sign_in(new.link_token)
        assert identity.from_bearer(other.key).id == "ed"
        assert [key.revoked_at is None for key in list_keys(database, admin)] == [False, True]

    def test_a_key_that_is_over_holds_no_longer(self, database: Database, admin: Principal) -> None:
        new = create_key(database, admin, Role.ENGINEER, "eve", days=1)
        assert key_of(database, new.key) == new.record
        with database.write() as connection:
            connection.execute(api_keys.update().values(expires_at=1))
        with pytest.raises(Unauthenticated):
            key_of(database, new.key)

    def test_an_unknown_key_cannot_be_revoked(self, database: Database, admin: Principal) -> None:
        with pytest.raises(NotFound, match="nope"):
            revoke_key(database, admin, "nope")

    @pytest.mark.parametrize(
        ("role", "name", "team"), [(Role.AGENT, "ann", None), (Role.ADMIN, "", None), (Role.AGENT, "ann", "a\nb")]
    )
    def test_a_key_needs_a_name_and_an_agent_a_team(
        self, database: Database, admin: Principal, role: Role, name: str, team: str | None
    ) -> None:
        with pytest.raises(InvalidInput):
            create_key(database, admin, role, name, team)


class TestLinks:
    def test_a_link_signs_in_once(self, identity: Identity, database: Database, admin: Principal) -> None:
        new = create_key(database, admin, Role.SUPERVISOR, "di")
        assert identity.from_session_cookie(identity.sign_in(new.link_token)) == Principal("di", Role.SUPERVISOR)
        with pytest.raises(Unauthenticated):
            identity.sign_in(new.link_token)
        assert identity.from_bearer(new.key).id == "di", "the key itself is not spent"

    def test_two_at_once_do_not_both_get_in(self, database: Database, admin: Principal) -> None:
        token = create_key(database, admin, Role.SUPERVISOR, "di").link_token
        outcomes: list[bool] = []

        def redeem() -> None:
            try:
                redeem_link(database, token)
                outcomes.append(True)
            except Unauthenticated:
                outcomes.append(False)

        threads = [threading.Thread(target=redeem) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False] * 5 + [True]

    def test_an_old_link_is_over(self, database: Database, admin: Principal) -> None:
        new = create_key(database, admin, Role.SUPERVISOR, "di")
        with database.write() as connection:
            connection.execute(sign_in_links.update().values(expires_at=1))
        with pytest.raises(Unauthenticated):
            redeem_link(database, new.link_token)

    def test_a_made_up_link_does_nothing(self, identity: Identity) -> None:
        for token in ("", "nope", "\ud800", "x" * 10_000):
            with pytest.raises(Unauthenticated):
                identity.sign_in(token)


class TestSecret:
    def test_a_shops_proofs_are_made_from_its_own(self, tmp_path: Path, tokens: Identity) -> None:
        mine, other = (
            Identity.open(tmp_path / name, IdentitySettings(), tokens._database) for name in ("mine", "other")
        )
        assert mine.from_bearer(mine.token(AGENT)) == AGENT
        with pytest.raises(Unauthenticated):
            other.from_bearer(mine.token(AGENT))

    def test_it_is_made_once_and_only_its_owner_reads_it(self, tmp_path: Path) -> None:
        secret = load_secret(tmp_path / "shop")
        assert load_secret(tmp_path / "shop") == secret
        assert len(secret) == 64
        assert [path.name for path in (tmp_path / "shop").iterdir()] == ["secret"]
        assert (tmp_path / "shop" / "secret").stat().st_mode & 0o777 == 0o600

    def test_a_file_that_others_read_is_closed(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        secret = load_secret(tmp_path)
        (tmp_path / "secret").chmod(0o644)
        assert load_secret(tmp_path) == secret
        assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
        assert "others" in caplog.text
        assert secret not in caplog.text

    @pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b"Z" * 64])
    def test_anything_else_is_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "secret").write_bytes(content)
        with pytest.raises(Damaged) as found:
            load_secret(tmp_path)
        assert "Delete" in found.value.hint

    def test_processes_that_start_at_once_get_the_same(self, tmp_path: Path) -> None:
        with multiprocessing.get_context("fork").Pool(4) as pool:
            assert len(set(pool.map(load_secret, [tmp_path] * 16, chunksize=1))) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["secret"]
