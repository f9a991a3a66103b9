from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from storage.database import Database
from storage.errors import Damaged, InvalidInput, NotFound, Unauthenticated
from storage.identity import Identity
from storage.keys import create_key, key_of, list_keys, redeem_link, revoke_key
from storage.principal import Principal, Role
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

    def test_the_algorithm_is_the_one_set(self, tokens: Identity) -> None:
        other = Identity(SECRET, IdentitySettings(algorithm="HS512"), tokens._database)
        assert other.from_bearer(signed(algorithm="HS512")).id == "alice"
        with pytest.raises(Unauthenticated):
            other.from_bearer(signed())


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
        assert tokens.from_session_cookie(signed(key=key, aud="aisle-session", exp=1)) is None

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
