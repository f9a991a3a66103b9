"""τ²-bench retail spoken to the assistant: the customer's own sentences, signed in as that customer, without a language model.

A scripted customer says the sentences of the task one by one, in the first person, and says yes to a proposal only where it is
one of the task's gold writes that is not made yet, else no. It answers no other question: what the assistant does not
understand of a sentence stays undone.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.tau2 import RULES, Bench, actions_of, request_of
from benchmarks.tau2_world import WRITES, Impossible, Row, World
from bot.embedded import EmbeddedBackend
from bot.intent import KIND as INTENT_KIND
from bot.parts import load_intents, parts_of
from bot.service import Assistant
from bot.state import fold
from bot.tasks.order_changes import request_of as request_of_draft
from index.build import build_index
from index.encoders import encoder_for
from index.snapshot import Snapshot, current_index
from storage.conversations import turns_of
from storage.errors import Unavailable
from storage.order_rules import ChangeRequest, ModifyAddress, ModifyDefaultAddress
from storage.principal import Principal, Role
from storage.publish import Versions
from storage.settings import ShopSettings

SETTINGS = ShopSettings(orders=RULES)
_SECOND = (
    (r"\bYou're\b|\bYou are\b", "I am"),
    (r"\byou're\b|\byou are\b", "I am"),
    (r"\bYou\b|\byou\b", "I"),
    (r"\bYour\b", "My"),
    (r"\byour\b", "my"),
    (r"\byourself\b", "myself"),
    (r"\bI wants\b", "I want"),
)


def sentences(task: Row) -> list[str]:
    """What the customer wants, sentence by sentence, in the first person."""
    text = str(task["user_scenario"]["instructions"]["reason_for_call"])
    for pattern, first in _SECOND:
        text = re.sub(pattern, first, text)
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text) if len(part.strip()) > 3]


class Stage:
    """The domain's shop under an assistant; encoders and intent model are those of the shop `lender`.

    Raises `Unavailable` where it has no model.
    """

    def __init__(self, bench: Bench, work: Path, lender: Path) -> None:
        self.bench = bench
        shop = work / "shop"
        shop.mkdir()
        catalog = work / "catalog.jsonl"
        catalog.write_text("".join(product.model_dump_json() + "\n" for product in bench.products.values()), "utf-8")
        self._encoders = {space: encoder_for(space, lender / "models" / "encoder") for space in ("latin", "han")}
        build_index(catalog, shop, SETTINGS, self._encoders)
        folder, model = current_index(shop), Versions(lender / "models" / "intent", INTENT_KIND).current()
        if folder is None or model is None:
            raise Unavailable(f"{lender} has no intent model.", "Start its server once: it puts the shipped one there.")
        self._snapshot, self._intents = Snapshot.load(folder), load_intents(model)

    @contextmanager
    def assistant(self) -> Iterator[Assistant]:
        """An assistant over a fresh database."""
        with self.bench.fresh() as (database, _):
            backend = EmbeddedBackend(database, RULES, self.bench.product)
            parts = parts_of(self._snapshot, self._encoders, self._intents, SETTINGS, database)
            assistant = Assistant(parts, SETTINGS, database, backend=backend)
            try:
                yield assistant
            finally:
                assistant.close()


def dialogues(bench: Bench, work: Path, lender: Path) -> dict[str, int]:
    """What the conversations of all tasks reach of gold lookups of orders and gold writes, and whether any write is not gold."""
    stage = Stage(bench, work, lender)
    tally: Counter[str] = Counter()
    for task in bench.data.tasks:
        user_id = bench.owner(task["id"])
        if user_id is None:
            continue
        with stage.assistant() as assistant:
            talk(bench, assistant, task, user_id, tally)
    return dict(tally)


def _gold(bench: Bench, task: Row) -> list[tuple[Any, bool]]:
    """The gold writes in our words, and whether the domain's tools make them."""
    world, found = World(bench.data), []
    for action in actions_of(task):
        if action["name"] not in WRITES:
            continue
        try:
            world.write(action["name"], action["arguments"])
            possible = True
        except Impossible:
            possible = False
        found.append((request_of(bench.data, action["name"], action["arguments"]), possible))
    return found


def _core(bench: Bench, request: ChangeRequest) -> dict[str, Any]:
    """What a request comes to: lines in any order, an address as one line, the means of payment that is meant unsaid."""
    core: dict[str, Any] = request.model_dump(mode="json")
    if "payment_method" in core and core["payment_method"] is None:
        core["payment_method"] = bench.data.orders[core["order_id"]]["payment_history"][0]["payment_method_id"]
    for name in ("pieces", "swaps"):
        if name in core:
            core[name] = sorted(core[name], key=lambda each: each["line"])
    for piece in core.get("pieces", ()):
        piece["quantity"] = piece["quantity"] or 1
    if isinstance(request, ModifyAddress | ModifyDefaultAddress):
        core["address"] = re.sub(r"[\s,]+", " ", request.address.line.casefold())
    return core


@dataclass(frozen=True, slots=True)
class Talked:
    """One conversation: how many seconds each turn took, and what is stored of a language model's part in those that had one."""

    seconds: list[float]
    parts: list[dict[str, Any]]


def talk(
    bench: Bench,
    assistant: Assistant,
    task: Row,
    user_id: str,
    tally: Counter[str],
    before: Callable[[], None] = lambda: None,
) -> Talked:
    """Holds the conversation of one task and counts what came of it; `before` is called before each turn."""
    principal = Principal(user_id, Role.CUSTOMER)
    gold = [_core(bench, request) for request, possible in _gold(bench, task) if possible]
    conversation: str | None = None
    told = ""
    seconds: list[float] = []

    def say(text: str) -> None:
        nonlocal conversation, told
        before()
        started = time.perf_counter()
        reply = assistant.reply(principal, text, conversation, language="en")
        seconds.append(time.perf_counter() - started)
        conversation = reply.conversation_id
        told += "\n" + reply.text
        tally["turns"] += 1

    for sentence in sentences(task):
        say(sentence)
        state = fold(turns_of(assistant.database, principal, str(conversation)))
        if state.pending is not None and state.pending.kind == "order_change" and state.pending.draft is not None:
            wanted = _core(bench, request_of_draft(state.pending.draft)) in gold
            tally["proposals"] += 1
            tally["proposals, gold"] += wanted
            say("yes" if wanted else "no")
    orders = {
        action["arguments"]["order_id"]
        for action in actions_of(task)
        if action["arguments"].get("order_id") in bench.data.orders
    }
    tally["orders of gold actions"] += len(orders)
    tally["orders of gold actions, told"] += sum(order_id in told for order_id in orders)
    tally["gold writes"] += len(gold)
    made = assistant.backend.changes(principal, user_id)
    tally["writes made"] += len(made)
    tally["writes made, gold"] += sum(_core(bench, change.request) in gold for change in made)
    turns = turns_of(assistant.database, principal, str(conversation))
    return Talked(seconds, [turn.data["llm"] for turn in turns if "llm" in turn.data])
