from __future__ import annotations

import json
from typing import Any

from bot.state import DialogueState, Effects, Item, Pending, Topic, fold, step
from index.filters import Filters, PriceRange
from storage.conversations import Turn


def user(text: str, task: str = "search", language: str = "en") -> Turn:
    return Turn(role="user", content=text, language=language, data={"task": task})


def assistant(effects: Effects, said: list[str] | None = None) -> Turn:
    data: dict[str, Any] = {"effects": effects.model_dump(mode="json"), "said": said or []}
    return Turn(role="assistant", content="…", data=json.loads(json.dumps(data)))


A, B, C = (Item(product_id=name) for name in "abc")
KETTLES = Topic(query="kettle", filters=Filters(price=PriceRange(max=5000, currency="USD"), brand=("Pip",)))


def test_fold_of_nothing_is_a_fresh_state() -> None:
    assert fold([]) == DialogueState()


def test_fold_survives_json_and_is_the_same_in_steps_and_at_once() -> None:
    turns = [
        user("kettles under 50"),
        assistant(Effects(topic=KETTLES, shown=(A, B), pending=Pending(kind="facet", field="color", options=("red",)))),
        user("你好", "greet", "zh"),
        assistant(Effects(focus=(B,)), ["greet.again"]),
    ]
    state = fold(turns)
    by_step = DialogueState()
    for turn in turns:
        by_step = step(by_step, turn)
    assert state == by_step
    assert state.topic == KETTLES
    assert state.shown == (A, B)
    assert state.focus == (B,)
    assert (state.turns, state.language, state.last_task) == (2, "zh", "greet")
    assert dict(state.said) == {"greet.again": 1}


def test_a_question_lives_one_turn() -> None:
    asked = fold([user("x"), assistant(Effects(pending=Pending(kind="handoff")))])
    assert asked.pending is not None
    assert step(asked, assistant(Effects())).pending is None


def test_an_empty_slate_clears_what_it_means_but_no_slate_keeps_it() -> None:
    shown = fold([assistant(Effects(shown=(A, B), focus=(A,)))])
    assert step(shown, assistant(Effects())).shown == (A, B)
    cleared = step(shown, assistant(Effects(shown=(), focus=())))
    assert cleared.shown == () == cleared.focus
    assert cleared.seen == {"a", "b"}


def test_agents_system_and_imported_turns_change_nothing() -> None:
    before = fold([user("x"), assistant(Effects(shown=(C,)))])
    for role in ("agent", "system", "assistant"):
        assert step(before, Turn(role=role, content="hello")) == before


def test_fields_of_a_newer_version_are_passed_over() -> None:
    data = Effects(shown=(A,)).model_dump(mode="json") | {"mood": "glad"}
    assert fold([Turn(role="assistant", content="", data={"effects": data})]).shown == (A,)


def test_complaints_are_counted_and_a_handover_stays() -> None:
    state = fold(
        [
            user("broken!", "complaint"),
            assistant(Effects(handed_off=True)),
            user("still!", "complaint"),
            assistant(Effects()),
        ]
    )
    assert state.complaints == 2
    assert state.handed_off
