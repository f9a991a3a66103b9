from __future__ import annotations

import pytest

from storage import tickets
from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import Forbidden
from storage.personal import delete_rows
from storage.principal import Principal, Role
from storage.resolved import resolved_conversations

MIA = Principal("mia", Role.AGENT, "support")
ENGINEER = Principal("eve", Role.ENGINEER)
YES = Consent(train=True)


def helped(database: Database, user_id: str, code: str | None = "solved") -> str:
    """A conversation that an agent answered, and closed where there is a code."""
    who = Principal(user_id, Role.CUSTOMER)
    append(database, who, talk := start(database, who), [Turn(role="user", content="write to alice@example.com")])
    tickets.hand_to_team(database, who, talk)
    tickets.claim(database, MIA, talk)
    tickets.answer(database, MIA, talk, Turn(role="agent", content=f"Hello {user_id}."))
    if code is not None:
        tickets.close(database, MIA, talk, code)
    return talk


def found(database: Database, default: Consent = YES) -> list[list[tuple[str, str]]]:
    return [
        [(turn.role, turn.content) for turn in each.turns if turn.role != "system"]
        for each in resolved_conversations(database, ENGINEER, default)
    ]


def test_only_what_an_agent_answered_and_closed_redacted(database: Database) -> None:
    helped(database, "alice")
    helped(database, "bob", code=None)
    silent = start(database, Principal("cy", Role.CUSTOMER))
    tickets.hand_to_team(database, Principal("cy", Role.CUSTOMER), silent)
    tickets.claim(database, MIA, silent)
    tickets.close(database, MIA, silent, "no_answer")
    assert found(database) == [[("user", "write to REDACTED_EMAIL"), ("agent", "Hello alice.")]]


def test_who_never_agreed_withdrew_or_was_erased_is_not_in_it(database: Database) -> None:
    for user_id in ("alice", "bob"):
        helped(database, user_id)
    set_consent(database, Principal("alice", Role.CUSTOMER), "alice", YES)
    assert [talk[1][1] for talk in found(database, Consent(train=False))] == ["Hello alice."]
    set_consent(database, Principal("alice", Role.CUSTOMER), "alice", Consent(train=False))
    assert [talk[1][1] for talk in found(database)] == ["Hello bob."]
    with database.write() as connection:
        delete_rows(connection, "bob")
    assert found(database) == []


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SERVICE])
def test_others_may_not_read_them(database: Database, role: Role) -> None:
    with pytest.raises(Forbidden):
        next(resolved_conversations(database, Principal("alice", role, "support"), YES))
