"""A language model's summary for an agent: only what the talk and the records hold, and nobody's address on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.desk.summary import summary_of
from tests.bot.desk.cases import asked_a_person
from tests.bot.llm.conftest import Advised
from tests.bot.llm.server import Say

Begin = Callable[..., Advised]


def spoken(begin: Begin, text: str, **changes: Any) -> Advised:
    told = begin(lambda _: Say(text), **changes)
    told.say("search", "trail running shoes under $130")
    told.say("complaint", "my mail is mia@example.org, the shoes never came")
    return told


def test_a_model_may_word_it_but_not_add_to_it(advised: Begin) -> None:
    text = (
        "The customer looks for trail running shoes under $130. They were promised $50 back by Henry. "
        "They wait since 9 May. They complain that the shoes never came."
    )
    talk = spoken(advised, text, may=("summary",))
    summary = summary_of(asked_a_person(talk))
    assert summary.by_model
    assert summary.sentences == (
        "The customer looks for trail running shoes under $130.",
        "They complain that the shoes never came.",
    )
    assert "REDACTED_EMAIL" in str(talk.server.bodies)
    assert "mia@example.org" not in str(talk.server.bodies)


def test_a_model_that_is_not_asked_for_it_or_says_nothing_true_leaves_the_sentences(advised: Begin) -> None:
    talk = spoken(advised, "They were promised $500 by Henry.", may=("summary",))
    assert not summary_of(asked_a_person(talk)).by_model
    unasked = spoken(advised, "The customer looks for trail running shoes under $130.", may=("phrase",))
    assert not summary_of(asked_a_person(unasked)).by_model
