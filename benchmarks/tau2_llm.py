"""τ²-bench retail with a language model, on a sample of its train tasks under a time limit, the same tasks without it beside.

    python -m benchmarks.tau2_llm --shop var --local-llm ../shared/tools/local-llm [--tasks 8] [--limit 150] [--json]

A sample of eight says what happens, not how often: its figures are no figures of the benchmark. The customer is the scripted one
of `benchmarks/tau2_dialogue.py`, signed in; docs/benchmarks.md has the protocol.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.llm import local, local_llm
from benchmarks.tau2 import OURS, Bench, actions_of
from benchmarks.tau2_dialogue import SETTINGS, Stage, Talked, talk
from benchmarks.tau2_world import Data, Row
from bot.backend import OPERATIONS
from bot.llm.advise import Adviser
from bot.llm.model import Model, Request, Tool, Used
from bot.llm.order_tools import DONE, NOT_ASKED, ONE
from bot.service import Assistant
from launch import adviser_of
from storage.principal import Principal, Role
from storage.settings import LlmSettings, LlmUse

SEED = 7
"""Its tasks were not looked at while the model's part was written."""
TASKS = 8
LIMIT_S = 150.0
"""Seconds of one task in which the model may be asked; after them the templates go on alone."""
TURN_S = 75.0
"""Seconds of one turn, where so many of the task are left."""
WARM_S = 200.0
MAY: tuple[LlmUse, ...] = ("orders", "order_changes")
_READS = ("get_user", "get_order", "get_product", "calculate")


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool, as the model made it, and what it read."""

    name: str
    given: Mapping[str, Any]
    read: str


class Watched:
    """A model whose calls are written down, from the first to the last."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.calls: list[Call] = []
        self._model = model

    def stream(self, request: Request, stopped: Callable[[], bool]) -> Iterator[str | Used]:
        """As `Model.stream`."""
        yield from self._model.stream(replace(request, tools=tuple(map(self._watched, request.tools))), stopped)

    def _watched(self, tool: Tool) -> Tool:
        def run(**given: Any) -> str:
            read = tool.run(**given)
            self.calls.append(Call(tool.name, given, read))
            return read

        return replace(tool, run=run)


class Limited:
    """Asks a model in an assistant's turns as long as a task's time lasts."""

    def __init__(self, assistant: Assistant, model: Model, settings: LlmSettings, limit_s: float) -> None:
        self._assistant, self._model, self._settings = assistant, model, settings
        self._until = time.monotonic() + limit_s

    def __call__(self) -> None:
        """Before each turn: what is left of the time is what the turn may take."""
        left = min(self._settings.timeout_s, self._until - time.monotonic())
        settings = self._settings.model_copy(update={"timeout_s": left})
        self._assistant.adviser = Adviser(self._model, settings) if left > 1 else None


def sample(bench: Bench, size: int, seed: int) -> list[Row]:
    """Tasks drawn by the seed among those whose customer is in the data, in the order of the file."""
    known = [task for task in bench.data.tasks if bench.owner(task["id"]) is not None]
    drawn = random.Random(seed).sample(range(len(known)), size)
    return [known[number] for number in sorted(drawn)]


def lookups_called(task: Row, calls: Sequence[Call]) -> tuple[int, int]:
    """How many of a task's gold lookups there are, and how many of them the model called with the same id or sum."""
    gold, called = 0, 0
    made = [(call.name, _keys(call.given)) for call in calls]
    for action in actions_of(task):
        name = OURS.get(action["name"])
        if name not in _READS:
            continue
        gold += 1
        wanted = {value for key, value in _keys(action["arguments"]).items() if key != "user_id"}
        called += any(each == name and wanted <= set(given.values()) for each, given in made)
    return gold, called


def _keys(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lstrip("#").casefold() for name, value in arguments.items()}


def measure(stage: Stage, tasks: Sequence[Row], settings: LlmSettings, limit_s: float, show: bool) -> dict[str, Any]:
    """Both arms over the same tasks, each conversation on a database of its own."""
    adviser = adviser_of(SETTINGS.model_copy(update={"llm": settings}))
    if adviser is None:
        sys.exit("There is no model.")
    found: dict[str, Any] = {"tasks": [task["id"] for task in tasks], "model": settings.model, "limit_s": limit_s}
    _warm(stage, tasks[0], adviser)
    for arm in ("without", "with"):
        tally: Counter[str] = Counter()
        seconds: list[float] = []
        parts: list[dict[str, Any]] = []
        for task in tasks:
            user_id = str(stage.bench.owner(task["id"]))
            model = Watched(adviser.model)
            with stage.assistant() as assistant:
                before = Limited(assistant, model, settings, limit_s) if arm == "with" else None
                talked = talk(stage.bench, assistant, task, user_id, tally, before or _nothing)
            seconds += talked.seconds
            parts += talked.parts
            if arm == "with":
                _count(task, model.calls, tally)
            if show:
                _show(arm, task, talked, model.calls)
        found[arm] = {**tally, **_turns(seconds, parts)}
    return found


def _warm(stage: Stage, task: Row, adviser: Adviser) -> None:
    """One question that is not counted: a server reads the rules and the tools once, and then knows the beginning."""
    with stage.assistant() as assistant:
        assistant.adviser = Adviser(adviser.model, adviser.settings.model_copy(update={"timeout_s": WARM_S}))
        assistant.reply(Principal(str(stage.bench.owner(task["id"])), Role.CUSTOMER), "Where are my orders?")


def _nothing() -> None: ...


def _count(task: Row, calls: Sequence[Call], tally: Counter[str]) -> None:
    gold, called = lookups_called(task, calls)
    tally["gold lookups"] += gold
    tally["gold lookups, called by the model"] += called
    for call in calls:
        tally["tools called"] += 1
        if call.name in OPERATIONS and OPERATIONS[call.name].write:
            tally["writes called"] += 1
            tally["writes called, nobody had asked"] += call.read in (NOT_ASKED, ONE)
            tally["writes called, proposed"] += call.read == DONE


def _turns(seconds: Sequence[float], parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How long turns took, and how often the model that was asked had no part in the answer."""
    found: dict[str, Any] = {
        "turn_s_p50": round(float(np.percentile(seconds, 50)), 3),
        "turn_s_most": round(max(seconds), 3),
    }
    if parts:
        asked_s = [part["ms"] / 1000 for part in parts]
        found |= {
            "turns, the model asked": len(parts),
            "asked_s_p50": round(float(np.percentile(asked_s, 50)), 1),
            "fallback_share": round(sum(part["path"] == "templates" for part in parts) / len(parts), 3),
            "reasons": dict(Counter(part["reason"] for part in parts)),
            "sentences_kept": sum(part["sentences"] for part in parts),
            "sentences_removed": dict(sum((Counter(part["removed"]) for part in parts), Counter())),
            "tokens": [sum(part["tokens"][side] for part in parts) for side in (0, 1)],
        }
    return found


def _show(arm: str, task: Row, talked: Talked, calls: Sequence[Call]) -> None:
    print(f"\n{arm} task {task['id']}: {[round(each, 1) for each in talked.seconds]}", flush=True)
    for part in talked.parts:
        print(f"  {part['path']} {part['reason']} {part['ms']} ms {part['tools']} {part['removed']}")
    for call in calls:
        print(f"  {call.name} {dict(call.given)} -> {call.read[:160]}", flush=True)


def table(found: Mapping[str, Any]) -> str:
    """The figures of both arms as a table in Markdown."""
    without, with_ = found["without"], found["with"]
    rows = (
        ("orders of gold actions, told", "orders of gold actions"),
        ("writes made, gold", "gold writes"),
        ("proposals, gold", "proposals"),
    )
    lines = [f"| {len(found['tasks'])} tasks, {found['limit_s']:g} s each | without | with |", "| --- | --- | --- |"]
    for name, whole in rows:
        figures = [f"{arm.get(name, 0)} of {arm.get(whole, 0)}" for arm in (without, with_)]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    forbidden = [str(arm.get("writes made", 0) - arm.get("writes made, gold", 0)) for arm in (without, with_)]
    lines.append(f"| writes made that are not gold | {' | '.join(forbidden)} |")
    called = f"{with_.get('gold lookups, called by the model', 0)} of {with_.get('gold lookups', 0)}"
    lines.append(f"| gold lookups that the model called | | {called} |")
    whole = with_.get("writes called", 0)
    proposed, unasked = with_.get("writes called, proposed", 0), with_.get("writes called, nobody had asked", 0)
    refused = whole - proposed - unasked
    lines.append(f"| changes that it called: proposed, refused, not asked for | | {proposed}, {refused}, {unasked} |")
    lines.append(f"| seconds a turn, p50 | {without['turn_s_p50']} | {with_['turn_s_p50']} |")
    if "asked_s_p50" in with_:
        asked = f"{with_['turns, the model asked']} of {with_['turns']}"
        lines.append(f"| turns in which the model was asked | | {asked}, p50 {with_['asked_s_p50']} s |")
        lines.append(f"| of these answered by templates alone | | {with_['fallback_share']:.0%} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tau2_retail"))
    parser.add_argument("--shop", type=Path, default=Path("var"), help="a shop that lends encoders and intent model")
    parser.add_argument("--local-llm", type=Path, help="a script that serves a model on the port it is given")
    parser.add_argument("--base-url", default="http://127.0.0.1:8123/v1", help="a server that runs already")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds of a task in which the model is asked")
    parser.add_argument("--timeout", type=float, default=TURN_S, help="seconds of a turn")
    parser.add_argument("--show", action="store_true", help="print each conversation's turns and calls")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args(arguments)
    serving = local_llm(options.local_llm, options.port) if options.local_llm else nullcontext(local(options.base_url))
    with tempfile.TemporaryDirectory(prefix="aisle-tau2-") as folder, serving as settings:
        settings = settings.model_copy(update={"timeout_s": options.timeout, "may": MAY})
        bench = Bench(Data.read(options.data), Path(folder))
        stage = Stage(bench, Path(folder), options.shop)
        tasks = sample(bench, options.tasks, options.seed)
        found = measure(stage, tasks, settings, options.limit, options.show and not options.json)
    if options.json:
        print(json.dumps(found))
        return
    print(table(found))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
