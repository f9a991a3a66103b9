from __future__ import annotations

from bot.desk.summary import summary_of
from storage.database import Database
from tests.bot.conftest import Conversation
from tests.bot.desk.cases import adds, asked_a_person, ordered, seen


def test_it_says_what_is_wanted_shown_promised_and_open(talk: Conversation, database: Database) -> None:
    ordered(database, "A-1001", due_in=-3)
    talk.say("search", "trail running shoes under $130")
    talk.say("ask_product", "is the first one waterproof?")
    talk.say("complaint", "my order A-1001 is broken!")
    asked_a_person(talk, "complaint")
    adds(talk, "agent", "Sorry to hear that. I will ask the carrier today.")
    adds(talk, "user", "and when do I get a new one?", "order_status")
    summary = summary_of(seen(talk))
    told = " ".join(summary.sentences)
    assert 3 <= len(summary.sentences) <= 5
    assert "under $130" in told
    assert "A-1001" in told
    assert "it was expected on" in told
    assert "Was shown" in told
    assert "“I will ask the carrier today.”" in told
    assert "“and when do I get a new one?”" in summary.open_issue
    assert not summary.by_model


def test_it_speaks_chinese_with_a_chinese_customer_and_the_agents_language_where_asked(talk: Conversation) -> None:
    talk.say("search", "有没有保温杯")
    context = asked_a_person(talk)
    assert any("保温杯" in sentence and "想找" in sentence for sentence in summary_of(context).sentences)
    english = summary_of(context, "en")
    assert any(sentence.startswith("Looks for") for sentence in english.sentences)
    assert english.open_issue.startswith("Open: “有没有保温杯”")


def test_what_is_open_is_the_question_and_not_the_thanks_after_it(talk: Conversation) -> None:
    talk.say("ask_policy", "do you ship to Norway?")
    asked_a_person(talk)
    adds(talk, "user", "a person please", "handoff")
    assert "Norway" in summary_of(seen(talk)).open_issue
    adds(talk, "agent", "We do.")
    adds(talk, "user", "thank you", "thank")
    assert summary_of(seen(talk)).open_issue == "Nothing is open."


def test_an_empty_talk_says_so(talk: Conversation) -> None:
    talk.say("greet", "hello")
    context = asked_a_person(talk)
    context.turns = []
    assert summary_of(context).sentences == ("Has said nothing yet.",)
    assert summary_of(context).open_issue == "Nothing is open."


def test_a_long_hostile_message_is_quoted_short_and_as_it_is(talk: Conversation) -> None:
    talk.say("complaint", "<script>alert(1)</script> {order_id} " + "this is bad " * 100)
    issue = summary_of(asked_a_person(talk)).open_issue
    assert len(issue) < 220
    assert "{order_id}" in issue
