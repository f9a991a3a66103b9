from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from storage.conversations import Turn, append, conversation, start, turns_of
from storage.database import Database
from storage.desk import (
    Macro,
    add_note,
    be_present,
    draft_of,
    keep_draft,
    macros_of,
    notes_of,
    on_behalf,
    present,
    put_macro,
    remove_macro,
)
from storage.errors import AisleError, Conflict, Forbidden, InvalidInput, NotFound
from storage.principal import Principal, Role
from storage.suggestions import Proposal, mark, mark_sent, show
from storage.tables import presence, suggestions
from storage.tickets import (
    ABSENT_MS,
    answer,
    assign,
    changes,
    claim,
    close,
    free_absent,
    hand_to_team,
    leave_absent,
    leave_contact,
    queue,
    rate,
    release,
    tickets_of,
)

ALICE = Principal("alice", Role.CUSTOMER)
MIA = Principal("mia", Role.AGENT, "support")
BEN = Principal("ben", Role.AGENT, "support")
OTHER = Principal("ole", Role.AGENT, "repairs")
DI = Principal("di", Role.SUPERVISOR)


@pytest.fixture
def talk(database: Database) -> str:
    """A conversation of Alice's that was handed to the agents."""
    talking = start(database, ALICE)
    append(database, ALICE, talking, [said("user", "My kettle broke."), said("assistant", "I am sorry.")])
    hand_to_team(database, ALICE, talking, reason="complaint")
    return talking


def said(role: str, text: str, at: int | None = None) -> Turn:
    return Turn.model_validate({"role": role, "content": text} | ({"created_at": at} if at else {}))


def events(database: Database, talk: str) -> list[str]:
    return [turn.data["event"] for turn in turns_of(database, ALICE, talk) if turn.role == "system"]


def test_it_waits_is_taken_answered_and_closed(database: Database, talk: str) -> None:
    (waiting,) = queue(database, MIA)
    assert waiting.ticket is not None
    assert waiting.ticket.reason == "complaint"
    assert waiting.waiting_since == waiting.ticket.opened_at
    assert waiting.holder is None
    claim(database, MIA, talk)
    claim(database, MIA, talk)
    assert conversation(database, ALICE, talk).holder == "mia"
    answer(database, MIA, talk, said("agent", "I will send a new one."))
    (held,) = queue(database, MIA)
    assert held.waiting_since is None
    assert held.recent[-1].content == "I will send a new one."
    close(database, MIA, talk, "solved")
    assert queue(database, MIA) == []
    assert conversation(database, ALICE, talk).holder is None
    (ticket,) = tickets_of(database, MIA, talk)
    assert (ticket.code, ticket.closed_by) == ("solved", "mia")
    assert ticket.opened_at <= ticket.claimed_at <= ticket.answered_at <= ticket.closed_at  # type: ignore[operator]
    assert events(database, talk) == ["joined", "closed"]
    rate(database, ALICE, talk, 5)
    assert tickets_of(database, MIA, talk)[0].rating == 5


def test_aisle_is_silent_while_an_agent_holds_it(database: Database, talk: str) -> None:
    both = [said("user", "Hello?"), said("assistant", "Hi!")]
    assert append(database, ALICE, talk, both, unless_held=True)
    claim(database, MIA, talk)
    both = [said("user", "Are you there?"), said("assistant", "I am!")]
    assert not append(database, ALICE, talk, both, unless_held=True)
    assert [turn.content for turn in turns_of(database, ALICE, talk)][-1] == "Are you there?"
    release(database, MIA, talk, "aisle")
    assert append(database, ALICE, talk, [said("user", "And now?"), said("assistant", "Yes.")], unless_held=True)
    assert tickets_of(database, MIA, talk)[0].code == "returned"


def test_of_many_who_take_it_at_once_one_gets_it_and_the_others_are_told_who(database: Database, talk: str) -> None:
    told: list[str] = []
    ready = threading.Barrier(8)

    def take(number: int) -> None:
        ready.wait()
        try:
            claim(database, Principal(f"agent-{number}", Role.AGENT, "support"), talk)
        except Conflict as error:
            told.append(error.message)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    holder = conversation(database, ALICE, talk).holder
    assert told == [f"{holder} has this conversation."] * 7
    assert events(database, talk) == ["joined"]


def test_nobody_else_writes_in_it_or_lets_it_go(database: Database, talk: str) -> None:
    claim(database, MIA, talk)
    acts: list[Callable[[Principal], None]] = [
        lambda who: answer(database, who, talk, said("agent", "Hi")),
        lambda who: release(database, who, talk),
        lambda who: close(database, who, talk, "solved"),
        lambda who: claim(database, who, talk),
        lambda who: assign(database, who, talk, "cy"),
    ]
    for act in acts:
        with pytest.raises(Conflict, match="mia has this"):
            act(BEN)
        with pytest.raises(NotFound):
            act(OTHER)
        with pytest.raises(Forbidden):
            act(ALICE)
    assert conversation(database, ALICE, talk).holder == "mia"
    assert [turn.role for turn in turns_of(database, ALICE, talk)] == ["user", "assistant", "system"]


def test_a_supervisor_gives_it_to_somebody_else(database: Database, talk: str) -> None:
    claim(database, MIA, talk)
    with pytest.raises(NotFound, match="not at the desk"):
        assign(database, DI, talk, "ben")
    for agent in (MIA, BEN):
        be_present(database, agent)
    assign(database, DI, talk, "ben")
    assert conversation(database, ALICE, talk).holder == "ben"
    with pytest.raises(Conflict):
        answer(database, MIA, talk, said("agent", "I was writing …"))
    assign(database, BEN, talk, "mia")
    release(database, MIA, talk)
    (waiting,) = queue(database, BEN)
    assert waiting.holder is None
    assert waiting.ticket is not None
    assert events(database, talk) == ["joined", "joined", "joined", "left"]
    with pytest.raises(Conflict, match="Nobody holds"):
        release(database, MIA, talk)


def test_an_agent_who_left_without_a_word_holds_nothing(database: Database, talk: str) -> None:
    be_present(database, MIA)
    claim(database, MIA, talk)
    assert not leave_absent(database, ALICE, talk)
    with database.write() as connection:
        connection.execute(update(presence).values(seen_at=presence.c.seen_at - ABSENT_MS - 1))
    with pytest.raises(NotFound):
        leave_absent(database, Principal("mallory", Role.CUSTOMER), talk)
    assert leave_absent(database, ALICE, talk)
    (waiting,) = queue(database, BEN)
    assert waiting.holder is None
    assert events(database, talk) == ["joined", "left"]
    assert not leave_absent(database, ALICE, talk)


def test_a_message_sent_again_is_said_once_whoever_holds_it_by_then(database: Database, talk: str) -> None:
    claim(database, MIA, talk)
    message = Turn(role="agent", content="Hi", data={"agent": "mia"})
    answer(database, MIA, talk, message)
    close(database, MIA, talk, "solved")
    answer(database, MIA, talk, message)
    assert [turn.content for turn in turns_of(database, ALICE, talk) if turn.role == "agent"] == ["Hi"]
    with pytest.raises(Conflict):
        answer(database, BEN, talk, message)


def test_what_agents_left_behind_waits_again_once_the_queue_is_read(database: Database, talk: str) -> None:
    be_present(database, MIA)
    claim(database, MIA, talk)
    free_absent(database, BEN)
    assert conversation(database, ALICE, talk).holder == "mia"
    with database.write() as connection:
        connection.execute(update(presence).values(seen_at=presence.c.seen_at - ABSENT_MS - 1))
    free_absent(database, OTHER)
    assert conversation(database, ALICE, talk).holder == "mia"  # another team sees to its own
    free_absent(database, BEN)
    assert conversation(database, ALICE, talk).holder is None


def test_it_is_assigned_within_the_team_alone(database: Database, talk: str) -> None:
    claim(database, MIA, talk)
    be_present(database, OTHER)
    for who in (MIA, DI):
        with pytest.raises(NotFound, match="not at the desk"):
            assign(database, who, talk, "ole")


def test_who_has_waited_longest_comes_first(database: Database) -> None:
    talks = []
    for minute in (3, 1, 2):
        talking = start(database, ALICE)
        append(database, ALICE, talking, [said("user", "x")])
        hand_to_team(database, ALICE, talking)
        claim(database, MIA, talking)
        answer(database, MIA, talking, said("agent", "y", at=10_000_000_000_000))
        append(database, ALICE, talking, [said("user", "z", at=10_000_000_000_000 + 60_000 * minute)])
        talks.append(talking)
    assert [each.conversation_id for each in queue(database, BEN)] == [talks[1], talks[2], talks[0]]
    assert [each.conversation_id for each in queue(database, DI, [talks[2]])] == [talks[2]]
    assert queue(database, OTHER) == []
    assert queue(database, OTHER, talks) == []


def test_every_change_is_found_once_also_within_a_millisecond(database: Database, talk: str) -> None:
    before = changes(database, 0)[-1].updated_at
    for _ in range(20):
        append(database, ALICE, talk, [said("user", "x")])
        (change,) = changes(database, before + 1)
        assert change.updated_at > before
        assert change.open
        assert change.team == "support"
        before = change.updated_at
    claim(database, MIA, talk)
    close(database, MIA, talk, "solved")
    (change,) = changes(database, before + 1)
    assert not change.open
    assert change.holder is None


def test_it_is_handed_over_anew_after_it_was_closed(database: Database, talk: str) -> None:
    hand_to_team(database, ALICE, talk, reason="asked")
    claim(database, MIA, talk)
    close(database, MIA, talk, "solved")
    hand_to_team(database, ALICE, talk, reason="order")
    assert [each.reason for each in tickets_of(database, MIA, talk)] == ["order", "complaint"]


def test_where_to_answer_is_taken_only_as_an_address(database: Database, talk: str) -> None:
    with pytest.raises(InvalidInput):
        leave_contact(database, ALICE, talk, "call me")
    leave_contact(database, ALICE, talk, "write to alice@shop.example please")
    assert tickets_of(database, ALICE, talk)[0].contact == "alice@shop.example"
    with pytest.raises(NotFound):
        leave_contact(database, ALICE, start(database, ALICE), "alice@shop.example")


@pytest.mark.parametrize("rating", [0, 6, True, "5", 4.5])
def test_a_rating_is_one_to_five_by_the_customer_who_was_helped(database: Database, talk: str, rating: object) -> None:
    with pytest.raises(NotFound):
        rate(database, ALICE, talk, 4)  # nobody has helped yet
    claim(database, MIA, talk)
    answer(database, MIA, talk, said("agent", "Done."))
    close(database, MIA, talk, "solved")
    with pytest.raises(InvalidInput):
        rate(database, ALICE, talk, rating)  # type: ignore[arg-type]
    for stranger in (Principal("mallory", Role.CUSTOMER), MIA, DI):
        with pytest.raises(NotFound):
            rate(database, stranger, talk, 1)


def test_notes_and_drafts_are_the_agents(database: Database, talk: str) -> None:
    add_note(database, MIA, talk, "Has called, too. <b>\x00")
    keep_draft(database, MIA, talk, "Dear Al")
    keep_draft(database, BEN, talk, "Hello")
    keep_draft(database, BEN, talk, " ")
    assert [note.text for note in notes_of(database, DI, talk)] == ["Has called, too. <b>"]
    assert (draft_of(database, MIA, talk), draft_of(database, BEN, talk)) == ("Dear Al", "")
    reads: list[Callable[[Principal], object]] = [
        lambda who: notes_of(database, who, talk),
        lambda who: draft_of(database, who, talk),
        lambda who: add_note(database, who, talk, "x"),
        lambda who: keep_draft(database, who, talk, "x"),
        lambda who: on_behalf(database, who, talk),
    ]
    for read in reads:
        for stranger in (OTHER, ALICE, Principal("eve", Role.ENGINEER)):
            with pytest.raises(AisleError) as refused:
                read(stranger)
            assert refused.value.status == (404 if stranger is OTHER else 403)
    assert on_behalf(database, MIA, talk) == ALICE


def test_who_sits_at_the_desk(database: Database) -> None:
    assert present(database) == []
    for agent in (MIA, BEN, OTHER):
        be_present(database, agent)
    assert present(database) == ["ben", "mia"]
    with pytest.raises(Forbidden):
        be_present(database, ALICE)


def test_replies_at_hand_are_kept_by_supervisors(database: Database) -> None:
    macro = Macro(title="Return", text="You can send {product} back.")
    with pytest.raises(Forbidden):
        put_macro(database, MIA, macro)
    put_macro(database, DI, macro)
    put_macro(database, DI, macro.model_copy(update={"title": "Returns"}))
    assert [each.title for each in macros_of(database, MIA)] == ["Returns"]
    remove_macro(database, DI, macro.macro_id)
    with pytest.raises(NotFound):
        remove_macro(database, DI, macro.macro_id)


def test_what_became_of_a_suggestion(database: Database, talk: str) -> None:
    message_id = turns_of(database, ALICE, talk)[0].message_id
    proposals = [Proposal("reply", "d1", "I am sorry."), Proposal("product", "p1", "This one?", "p1")]
    first, second = show(database, MIA, talk, message_id, proposals)
    again = show(database, MIA, talk, message_id, [Proposal("ask", "order", "Which order?"), *proposals])
    assert again[1:] == [first, second]  # noted once, however often they are shown
    assert mark(database, MIA, talk, first.suggestion_id, "inserted").inserted_at is not None
    assert mark_sent(database, MIA, talk, first.suggestion_id, "I am so sorry!").edit_distance == 4
    assert mark(database, MIA, talk, second.suggestion_id, "dismissed").dismissed_at is not None
    with pytest.raises(NotFound):
        mark(database, BEN, talk, first.suggestion_id, "inserted")
    with pytest.raises(NotFound):
        show(database, MIA, talk, "another", proposals)
    with pytest.raises(NotFound):
        show(database, OTHER, talk, message_id, proposals)
    with database.read() as connection:
        assert len(connection.execute(select(suggestions)).all()) == 3
