"""The conversations that `make soak` holds with a real model, held here with a recorded one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from benchmarks.llm import CONVERSATIONS, Timed, converse, figures
from bot.intent import Prediction
from bot.parts import Parts
from bot.policy import ACTIONS
from bot.service import Assistant
from storage.database import Database
from tests.bot.conftest import SETTINGS, ToldIntents
from tests.bot.llm.conftest import Advised
from tests.bot.llm.server import Say, recorded

VAGUE = ("my father", "爸爸", "how do I send", "what do you think", "Ignore")


class Guessed(ToldIntents):
    """Takes vague needs and small talk for out of scope, as a model of intents does, and all else for a search."""

    def predict(self, messages: Sequence[Mapping[str, object]]) -> Prediction:
        text = str(messages[-1]["content"])
        self.label = "out_of_scope" if text.startswith(VAGUE) else "cart_add" if "my cart" in text else "search"
        self.out_of_scope = self.label == "out_of_scope"
        assert self.label in ACTIONS
        return super().predict(messages)


def held(assistant: Assistant, parts: Parts) -> list[Timed]:
    assistant.parts = replace(parts, intents=Guessed())
    return converse(assistant, CONVERSATIONS)


def test_eight_conversations_with_a_recorded_model(advised: Callable[..., Advised], parts: Parts) -> None:
    timed = held(advised(recorded).assistant, parts)
    found = figures(timed)
    assert found["turns"] == sum(map(len, CONVERSATIONS))
    assert found["asked"] >= 8
    assert found["sentences_kept"] >= 8
    assert found["reasons"]["complete"] >= 5
    assert found["tools"]["search_products"] == 2
    assert all(each.text for each in timed)
    assert all(each.cards_ms <= each.words_ms <= each.whole_ms for each in timed)


def test_with_a_model_that_always_fails_each_turn_reads_as_without(
    advised: Callable[..., Advised], parts: Parts, database: Database
) -> None:
    failing = held(advised(lambda body: Say(status=500)).assistant, parts)
    plain = Assistant(parts, SETTINGS, database)
    alone = held(plain, parts)
    plain.close()
    assert figures(failing)["templates_alone"] == 1.0
    assert figures(alone) == {"turns": len(alone), "asked": 0}
    # Wordings vary by conversation, so what is compared is whether the same was known.
    assert [bool(each.text) for each in failing] == [bool(each.text) for each in alone]
