from __future__ import annotations

import threading

import pytest

from storage.consent import Consent, set_consent
from storage.conversations import (
    Turn,
    append,
    conversation,
    conversations_of,
    start,
    texts_to_learn_from,
    turns_of,
)
from storage.database import Database
from storage.errors import Conflict, Forbidden, NotFound
from storage.principal import Principal, Role


def test_turns_come_back_as_they_were_added(database: Database, alice: Principal) -> None:
    talking = start(database, alice)
    said = [
        Turn(role="user", content="有没有三百以内的跑步鞋？👟", language="zh"),
        Turn(
            role="assistant",
            content="<b>yes</b>'; DROP TABLE turns;--",
            data={"products": ["p1"], "价格": {"max": 30000}},
        ),
        Turn(role="system", content="x" * 50_000),
        Turn(role="user", content=""),
    ]
    append(database, alice, talking, said[:2])
    append(database, alice, talking, said[2:])
    assert turns_of(database, alice, talking) == said


def test_what_no_database_keeps_is_cleaned(database: Database, alice: Principal) -> None:
    talking = start(database, alice)
    append(database, alice, talking, [Turn(role="user", content="a\x00b\ud83d", data={"\x00k": ["\ud800", 1, None]})])
    [turn] = turns_of(database, alice, talking)
    assert (turn.content, turn.data) == ("ab?", {"k": ["?", 1, None]})


def test_a_retry_adds_nothing_twice(database: Database, alice: Principal) -> None:
    talking = start(database, alice)
    first, second = Turn(role="user", content="hello"), Turn(role="assistant", content="hi")
    append(database, alice, talking, [first])
    append(database, alice, talking, [first, second, second])
    assert turns_of(database, alice, talking) == [first, second]


def test_a_message_id_belongs_to_one_conversation(database: Database, alice: Principal, mallory: Principal) -> None:
    turn = Turn(role="user", content="hello")
    append(database, alice, start(database, alice), [turn])
    other = start(database, mallory)
    with pytest.raises(Conflict):
        append(database, mallory, other, [Turn(role="user", content="new"), turn])
    assert turns_of(database, mallory, other) == []


def test_the_latest_conversation_comes_first(database: Database, alice: Principal, backend: Principal) -> None:
    one, two = start(database, alice), start(database, backend, "alice")
    append(database, alice, one, [Turn(role="user", content="again", created_at=5)])
    found = conversations_of(database, alice, "alice")
    assert {item.conversation_id for item in found} == {one, two}
    assert [item.updated_at for item in found] == sorted((item.updated_at for item in found), reverse=True)
    assert conversation(database, alice, two).user_id == "alice"


def test_writers_at_once_leave_no_gap_and_lose_nothing(database: Database, alice: Principal) -> None:
    talking = start(database, alice)
    trouble: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(10):
                append(database, alice, talking, [Turn(role="user", content=f"{worker}-{number}")])
        except BaseException as error:
            trouble.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    said = [turn.content for turn in turns_of(database, alice, talking)]
    assert len(said) == 40
    for worker in range(4):
        assert [text for text in said if text.startswith(f"{worker}-")] == [f"{worker}-{n}" for n in range(10)]


@pytest.mark.parametrize("strange", ["", "nope", "a" * 5000, "' OR 1=1 --", "😀"])
def test_an_unknown_conversation_is_not_found(database: Database, alice: Principal, strange: str) -> None:
    with pytest.raises(NotFound):
        turns_of(database, alice, strange)


def test_only_who_agreed_is_learned_from(database: Database, alice: Principal, mallory: Principal) -> None:
    for who in (alice, mallory):
        said = [
            Turn(role="user", content=f"i am {who.id}, mail {who.id}@example.org"),
            Turn(role="assistant", content=f"hello {who.id}"),
            Turn(role="system", content="handed over"),
        ]
        append(database, who, start(database, who), said)
    service = Principal("backend", Role.SERVICE)

    def learned(train_by_default: bool) -> list[str]:
        return list(texts_to_learn_from(database, service, Consent(train=train_by_default)))

    assert learned(False) == []
    assert len(learned(True)) == 4
    set_consent(database, alice, alice.id, Consent(train=True))
    expected = ["i am alice, mail REDACTED_EMAIL", "hello alice"]
    assert learned(False) == expected
    set_consent(database, mallory, mallory.id, Consent(train=False))
    assert learned(True) == expected
    set_consent(database, alice, alice.id, Consent(train=False))
    assert learned(True) == [], "the last choice counts for what was said before, too"


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ADMIN])
def test_others_may_not_read_what_models_learn_from(database: Database, role: Role) -> None:
    with pytest.raises(Forbidden):
        texts_to_learn_from(database, Principal("someone", role, team="support"), Consent(train=True))
