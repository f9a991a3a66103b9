from __future__ import annotations

import tomllib

import pytest

from bot.desk.next_action import RULES, next_action_of, next_step
from bot.desk.words import FOLDER, desk_voice
from retrieval.retention import Band, Standing
from storage.database import Database
from storage.principal import Principal, Role
from tests.bot.conftest import Conversation
from tests.bot.desk.cases import adds, asked_a_person, ordered, seen


def test_danger_comes_before_everything(talk: Conversation, database: Database) -> None:
    ordered(database, "A-1001", due_in=-4)
    talk.say("order_status", "where is my order A-1001? I want to kill myself")
    action = next_action_of(asked_a_person(talk, "danger"))
    assert action.action == "reassure"
    assert "emergency" in action.text
    assert action.reasons[0] == "Somebody may be in danger."
    assert "emergency" in next_step(seen(talk)).said(desk_voice("en"))
    care = talk.assistant.settings.care.model_copy(update={"crisis_contact": "call 116 123"})
    talk.assistant.settings = talk.assistant.settings.model_copy(update={"care": care})
    assert "call 116 123" in next_step(seen(talk)).said(desk_voice("zh"))


def test_a_late_order_is_looked_up_with_its_dates(talk: Conversation, database: Database) -> None:
    order = ordered(database, "A-1001", due_in=-4)
    talk.say("order_status", "where is my order? this is ridiculous")
    context = asked_a_person(talk)
    action = next_action_of(context)
    assert action.action == "check_order"
    assert "A-1001" in action.text
    assert order.tracking is not None
    assert "was expected on" in action.reasons[0]
    assert "The last messages sound upset." in action.reasons
    said = next_step(context).said(desk_voice("zh"))
    assert "A-1001" in said
    assert "年" in said


def test_who_is_upset_gets_an_apology_first(talk: Conversation) -> None:
    talk.say("complaint", "the kettle is terrible and it broke")
    context = asked_a_person(talk, "complaint")
    assert next_action_of(context).action == "reassure"
    assert next_action_of(context, "zh").text == "先道歉，再说明接下来怎么处理。"


def test_what_was_asked_before_is_answered(talk: Conversation) -> None:
    talk.say("ask_policy", "do you ship to Norway")
    adds(talk, "user", "so do you ship to Norway", "ask_policy")
    action = next_action_of(asked_a_person(talk))
    assert (action.action, action.reasons[0]) == ("answer", "The customer has asked nearly the same before.")


def test_of_several_orders_it_is_asked_which(talk: Conversation, database: Database) -> None:
    ordered(database, "A-1001")
    ordered(database, "A-1002")
    talk.say("order_status", "where is my order?")
    action = next_action_of(asked_a_person(talk))
    assert (action.action, action.reasons[0]) == ("ask", "There are 2 orders and none was named.")


def test_something_delivered_that_goes_back_is_offered_a_return(talk: Conversation, database: Database) -> None:
    ordered(database, "A-1001", "delivered")
    talk.say("order_status", "I want to return the kettle from order A-1001")
    assert next_action_of(asked_a_person(talk)).action == "offer_return"


def test_who_looks_for_something_is_recommended_it(talk: Conversation) -> None:
    talk.say("search", "kettles")
    assert next_action_of(asked_a_person(talk)).action == "recommend"


def test_the_question_before_the_wish_for_a_person_is_what_counts(talk: Conversation) -> None:
    talk.say("ask_policy", "do you ship to Norway?")
    adds(talk, "user", "a human please", "handoff")
    action = next_action_of(asked_a_person(talk))
    assert (action.action, action.text) == ("answer", "Answer the question.")
    talk.id = None
    talk.say("handoff", "a human please")
    assert next_step(asked_a_person(talk)).say == "ahead.here"


def test_thanks_end_it_unless_something_waits_in_the_cart(talk: Conversation) -> None:
    talk.say("search", "Pip travel kettle")
    asked_a_person(talk)
    adds(talk, "agent", "It is in stock.")
    adds(talk, "user", "thanks!", "thank")
    assert next_action_of(seen(talk)).action == "close"
    talk.assistant.add_to_cart(talk.principal, "kettle-2")
    adds(talk, "agent", "Good.")
    adds(talk, "user", "ok", "accept")
    adds(talk, "agent", "Anything else?")
    action = next_action_of(seen(talk))
    assert action.action == "follow_up"
    assert "Pip travel kettle" in action.text
    assert any("$19.00" in reason for reason in action.reasons)


def test_a_stranger_and_a_talk_without_words_have_one_too(talk: Conversation) -> None:
    talk.principal = Principal("anon-9", Role.CUSTOMER, anonymous=True)
    talk.say("order_status", "where is my order?")
    action = next_action_of(asked_a_person(talk))
    assert action.action == "ask"
    assert "The customer is not signed in." in action.reasons
    context = seen(talk)
    context.turns = []
    assert next_action_of(context).action in ("ask", "close")


def test_rules_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_both_languages_say_the_same_things_with_the_same_facts() -> None:
    english, chinese = (tomllib.loads((FOLDER / f"{code}.toml").read_text(encoding="utf-8")) for code in ("en", "zh"))
    assert {table: list(words) for table, words in english.items()} == {
        table: list(words) for table, words in chinese.items()
    }
    for table, words in english.items():
        for key, said in words.items():
            other = chinese[table][key]
            assert type(said) is type(other)
            if isinstance(said, list):
                assert len(said) >= 3
                assert len(other) >= 3


@pytest.mark.parametrize("code", ["en", "zh", "xx"])
def test_a_language_without_words_of_the_desk_speaks_english(code: str) -> None:
    assert desk_voice(code).word("next", "closing")


@pytest.mark.parametrize(
    ("once", "code", "told"),
    [
        (False, "en", "May not come back: usually buys every 30 days, and last did 90 days ago."),
        (True, "zh", "可能流失：只买过一次，在 90 天前；回头客有一半在 30 天内再买。"),
    ],
)
def test_who_may_not_come_back_is_told_with_the_figures(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch, once: bool, code: str, told: str
) -> None:
    standing = Standing(Band.AT_RISK, 0.2, 60, 0.5, 0.1, 1 if once else 4, 30, 90, own_rhythm=not once)
    monkeypatch.setattr(talk.assistant, "standing", lambda _: standing)
    talk.say("chitchat", "nice weather today")
    action = next_action_of(asked_a_person(talk), code)
    assert action.action == "follow_up"
    assert told in action.reasons
