"""The measurement with a model counts what happened, on calls and figures of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from benchmarks.tau2_llm import Call, Limited, Watched, lookups_called, table
from bot.backend import OrderNumber
from bot.llm.model import Request, Tool, Used
from bot.service import Assistant
from storage.settings import LlmSettings


class Calling:
    """A model that calls each tool once."""

    name = "stub"

    def stream(self, request: Request, stopped: Callable[[], bool]) -> Iterator[str | Used]:
        for tool in request.tools:
            yield tool.run(order_id="#W1")


def test_a_watched_models_calls_are_written_down_and_run() -> None:
    ran: list[str] = []

    def look(order_id: str) -> str:
        ran.append(order_id)
        return "paid"

    model = Watched(Calling())
    tool = Tool("get_order", "", OrderNumber, look)
    assert list(model.stream(Request("", (), (tool,)), lambda: False)) == ["paid"]
    assert ran == ["#W1"]
    assert model.calls == [Call("get_order", {"order_id": "#W1"}, "paid")]


def test_a_gold_lookup_is_one_with_the_same_number_whoever_wrote_the_sign_before_it() -> None:
    actions: list[dict[str, Any]] = [
        {"name": "get_order_details", "arguments": {"order_id": "#W1"}},
        {"name": "get_order_details", "arguments": {"order_id": "#W2"}},
        {"name": "get_user_details", "arguments": {"user_id": "ann"}},
        {"name": "cancel_pending_order", "arguments": {"order_id": "#W1", "reason": "x"}},
    ]
    task = {"evaluation_criteria": {"actions": actions}}
    assert lookups_called(task, []) == (3, 0)
    calls = [Call("get_order", {"order_id": "w1"}, ""), Call("cancel_order", {"order_id": "#W2"}, "")]
    assert lookups_called(task, calls) == (3, 1)
    assert lookups_called(task, [*calls, Call("get_user", {}, "")]) == (3, 2)


def test_when_a_tasks_time_is_over_nobody_is_asked() -> None:
    class Holder:
        adviser: Any = None

    holder = Holder()
    settings = LlmSettings(model="stub", timeout_s=5.0)
    Limited(cast(Assistant, holder), Calling(), settings, 100.0)()
    assert holder.adviser.settings.timeout_s == 5.0
    Limited(cast(Assistant, holder), Calling(), settings, 3.0)()
    assert holder.adviser.settings.timeout_s < 3.1
    Limited(cast(Assistant, holder), Calling(), settings, 0.5)()
    assert holder.adviser is None


def test_the_table_names_writes_that_are_not_gold() -> None:
    arm = {"turns": 4, "writes made": 3, "writes made, gold": 1, "gold writes": 2, "turn_s_p50": 0.1}
    asked = {"turns, the model asked": 2, "asked_s_p50": 9.5, "fallback_share": 0.5}
    found = {"tasks": ["1"], "limit_s": 150.0, "without": arm | {"writes made": 1}, "with": arm | asked}
    said = table(found)
    assert "| writes made that are not gold | 0 | 2 |" in said
    assert "| writes made, gold | 1 of 2 | 1 of 2 |" in said
    assert "| of these answered by templates alone | | 50% |" in said
