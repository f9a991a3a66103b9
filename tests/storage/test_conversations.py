from __future__ import annotations

import threading

import pytest

from storage.conversations import Turn, append, begun_with, conversation, conversations_of, start, turns_of
from storage.database import Database
from storage.errors import Conflict, NotFound
from storage.principal import Principal


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


def test_conversations_are_found_by_what_began_them(
    database: Database, alice: Principal, mallory: Principal, backend: Principal
) -> None:
    started = [start(database, alice) for _ in range(4)]
    for conversation_id, words in zip(started, ["kettles", "shoes", "kettles", "kettles"], strict=True):
        append(database, alice, conversation_id, [Turn(role="user", content=words), Turn(role="user", content="more")])
    append(database, mallory, start(database, mallory), [Turn(role="user", content="kettles")])
    append(database, alice, started[3], [Turn(role="assistant", content="here")])  # the latest
    found = begun_with(database, alice, "alice", "kettles")
    assert found[0] == started[3]
    assert set(found) == {started[0], started[2], started[3]}
    assert begun_with(database, backend, "alice", "kettles", most=1) == found[:1]
    assert begun_with(database, alice, "alice", "kettles", latest=1) == found[:1]
    assert begun_with(database, alice, "alice", "more") == []
    with pytest.raises(NotFound):
        begun_with(database, mallory, "alice", "kettles")
