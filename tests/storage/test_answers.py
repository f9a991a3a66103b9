"""Answers that people gave, from proposal to approval, and questions that nothing answered; on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete

from storage.answers import (
    Proposal,
    answer_id_of,
    approved_answers,
    approved_mark,
    decide,
    import_answers,
    list_answers,
    note_unanswered,
    propose,
    unanswered_questions,
)
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.errors import Conflict, Forbidden, InvalidInput, NotFound
from storage.principal import Principal, Role
from storage.tables import conversations
from storage.tickets import hand_to_team

SUPERVISOR = Principal("sue", Role.SUPERVISOR)
ENGINEER = Principal("eve", Role.ENGINEER)
PARKING = Proposal("Is there parking at the shop?", "There are spaces behind the building.", "en", "d1", asked=3)
WRAPPING = Proposal("可以礼品包装吗？", "可以，在购物车里选礼品包装。", "zh", "d2")


def test_a_pair_is_spoken_only_once_a_supervisor_approved_it(database: Database) -> None:
    done = propose(database, ENGINEER, [PARKING, WRAPPING])
    assert (done.added, done.waiting, done.decided) == (2, 0, 0)
    assert [each.question for each in list_answers(database, ENGINEER, "mined")] == [
        PARKING.question,
        WRAPPING.question,
    ]
    assert approved_answers(database) == []
    before = approved_mark(database)
    pair = decide(database, SUPERVISOR, answer_id_of(PARKING.question, "en"), "approved")
    assert (pair.status, pair.decided_by, pair.source) == ("approved", "sue", "d1")
    assert approved_answers(database) == [pair]
    assert approved_mark(database) != before
    assert list_answers(database, SUPERVISOR, "approved") == [pair]
    assert list_answers(database, SUPERVISOR, limit=1, skip=1)[0].question == WRAPPING.question


def test_proposing_again_changes_no_decision(database: Database) -> None:
    propose(database, SUPERVISOR, [PARKING, WRAPPING])
    decide(database, SUPERVISOR, answer_id_of(WRAPPING.question, "zh"), "rejected")
    again = propose(
        database, SUPERVISOR, [replace(PARKING, question="is there PARKING, at the shop", asked=9), WRAPPING]
    )
    assert (again.added, again.waiting, again.decided) == (0, 1, 1)
    first, second = list_answers(database, SUPERVISOR)
    assert (first.asked, first.status) == (9, "mined")
    assert second.status == "rejected"


def test_a_decision_meanwhile_is_not_replaced_unseen(database: Database) -> None:
    propose(database, ENGINEER, [PARKING])
    pair = answer_id_of(PARKING.question, "en")
    decide(database, SUPERVISOR, pair, "rejected", was="mined")
    with pytest.raises(Conflict, match="rejected by sue"):
        decide(database, Principal("boss", Role.ADMIN), pair, "approved", was="mined")
    assert list_answers(database, SUPERVISOR)[0].status == "rejected"
    assert decide(database, SUPERVISOR, pair, "approved", was="rejected").status == "approved"


def test_each_decision_leaves_another_mark(database: Database) -> None:
    propose(database, SUPERVISOR, [PARKING])
    name = answer_id_of(PARKING.question, "en")
    marks = {approved_mark(database)}
    for status in ("approved", "approved", "rejected", "approved"):
        decide(database, SUPERVISOR, name, status, answer=f"There are spaces, {status}.")
        marks.add(approved_mark(database))
    assert len(marks) == 5


def test_the_words_of_an_approval_are_redacted_and_checked(database: Database) -> None:
    propose(database, SUPERVISOR, [PARKING])
    name = answer_id_of(PARKING.question, "en")
    for answer in ("Mail bob@shop.example for a space.", "It costs $5 an hour.", "See www.parking.example for that."):
        with pytest.raises(InvalidInput, match="cannot be approved"):
            decide(database, SUPERVISOR, name, "approved", answer=answer)
    assert approved_answers(database) == []
    with pytest.raises(NotFound, match="answers list"):
        decide(database, SUPERVISOR, "none", "approved")


def test_roles(database: Database) -> None:
    for role in (Role.CUSTOMER, Role.AGENT, Role.SERVICE):
        with pytest.raises(Forbidden):
            propose(database, Principal("x", role, "support"), [PARKING])
    for role in (Role.CUSTOMER, Role.AGENT, Role.SERVICE, Role.ENGINEER):
        with pytest.raises(Forbidden):
            decide(database, Principal("x", role, "support"), "id", "approved")
        with pytest.raises(Forbidden):
            import_answers(database, Principal("x", role, "support"), [PARKING])
    for role in (Role.CUSTOMER, Role.SERVICE):
        with pytest.raises(Forbidden):
            list_answers(database, Principal("x", role))
        with pytest.raises(Forbidden):
            unanswered_questions(database, Principal("x", role))


def test_an_import_is_approved_whole_or_not_at_all(database: Database) -> None:
    with pytest.raises(InvalidInput, match="a price"):
        import_answers(database, SUPERVISOR, [PARKING, replace(WRAPPING, answer="可以，加收5元包装费。")])
    assert approved_answers(database) == []
    assert import_answers(database, SUPERVISOR, [PARKING, WRAPPING, PARKING]) == 2
    assert import_answers(database, SUPERVISOR, [PARKING]) == 1
    assert [each.status for each in list_answers(database, SUPERVISOR)] == ["approved", "approved"]


def test_what_nobody_approved_is_erased_with_its_conversation(database: Database, alice: Principal) -> None:
    talks = [start(database, alice) for _ in range(2)]
    pairs = [
        replace(PARKING, conversation_id=talks[0], source=talks[0]),
        replace(WRAPPING, conversation_id=talks[1], source=talks[1]),
        replace(PARKING, question="Do you repair shoes here?", conversation_id="gone"),
    ]
    assert propose(database, SUPERVISOR, pairs).added == 2
    decide(database, SUPERVISOR, answer_id_of(WRAPPING.question, "zh"), "approved")
    with database.write() as connection:
        connection.execute(delete(conversations))
    (left,) = list_answers(database, SUPERVISOR)
    assert (left.question, left.status) == (WRAPPING.question, "approved")


def test_unanswered_questions_are_redacted_and_shown_to_who_may_see_the_talk(
    database: Database, alice: Principal
) -> None:
    for number, question in enumerate(("Do you sell boats? a.b@c.example", "卖船吗？")):
        talk = start(database, alice)
        append(database, alice, talk, [Turn(message_id=f"m{number}", role="assistant", content="…")])
        note_unanswered(database, f"m{number}", question, "en", "policy", "p1" if number else None)
        note_unanswered(database, f"m{number}", question, "en", "policy")
        if number:
            hand_to_team(database, alice, talk, "support")
    found = unanswered_questions(database, SUPERVISOR)
    assert {(each.question, each.product_id) for each in found} == {
        ("Do you sell boats? REDACTED_EMAIL", None),
        ("卖船吗？", "p1"),
    }
    assert [each.message_id for each in unanswered_questions(database, Principal("al", Role.AGENT, "support"))] == [
        "m1"
    ]
    assert unanswered_questions(database, Principal("al", Role.AGENT, "sales")) == []
    assert unanswered_questions(database, SUPERVISOR, since=found[0].asked_at + 1_000_000) == []
