"""One module a task; `run` finds the one that a decision names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from bot.changes import tell_changes
from bot.policy import Task
from bot.tasks import (
    bundle,
    care,
    cart,
    compare,
    gifts,
    order_changes,
    orders,
    policies,
    product,
    recommend,
    reorder,
    search,
    small,
    support,
)
from bot.turn import Answer, Turn
from storage.errors import Unavailable

Run = Callable[[Turn, Answer], None]

_TASKS: Mapping[Task, Run] = {
    "greet": small.greet,
    "goodbye": small.goodbye,
    "thank": small.thank,
    "chitchat": small.chitchat,
    "out_of_scope": small.out_of_scope,
    "search": search.new,
    "refine": search.refine,
    "correct": search.correct,
    "more": search.more,
    "show_again": search.show_again,
    "recommend": recommend.recommend,
    "companions": recommend.companions,
    "compare": compare.compare,
    "ask_product": product.ask,
    "ask_policy": policies.ask,
    "order_status": orders.status,
    "order_change": order_changes.begin,
    "cart_add": cart.add,
    "cart_remove": cart.remove,
    "cart_view": cart.view,
    "checkout": cart.checkout,
    "complaint": support.complaint,
    "handoff": support.handoff,
    "reject": support.reject,
    "swearing": support.swearing,
    "care": care.care,
    "return_to": search.return_to,
    "reorder": reorder.again,
    "bundle": bundle.everything_for,
    "bundle_change": bundle.changed,
}
READS: frozenset[Task] = frozenset(
    {
        "greet",
        "goodbye",
        "thank",
        "search",
        "refine",
        "correct",
        "more",
        "show_again",
        "recommend",
        "companions",
        "compare",
        "ask_product",
        "ask_policy",
        "order_status",
        "cart_view",
        "checkout",
        "reject",
        "return_to",
        "bundle",
        "bundle_change",
    }
)
"""Tasks that write nothing anywhere and hand nothing over, whatever the turn says."""
READS_RESOLVED = frozenset({"budget", "facet", "gift", "relax"})
"""Kinds of questions whose answers do so neither."""
_TAKES_CONDITIONS = ("search", "refine", "correct", "recommend", "bundle", "return_to")


def run(turn: Turn, answer: Answer) -> None:
    """Answers the turn: fills the answer with what the decided task says, shows and changes."""
    task, pending = turn.decision.task, turn.decision.pending
    if turn.understanding.clash is not None and task in _TAKES_CONDITIONS:
        search.ask_which_limit(turn, answer)
    elif turn.understanding.opposed and task in _TAKES_CONDITIONS:
        search.ask_which_value(turn, answer)
    elif task == "accepted":
        support.accepted(turn, answer)
    elif task == "resolved" and pending is not None:
        _RESOLVED[pending.kind](turn, answer)
    else:
        _TASKS[task](turn, answer)
    tell_changes(turn, answer)


def rehearse(turn: Turn, answer: Answer) -> None:
    """Answers the turn as `run` would where that only reads; else, or where the shop's system is silent, the answer stays empty."""
    task, pending = turn.decision.task, turn.decision.pending
    kind = pending.kind if pending is not None else None
    if task in READS or (task == "resolved" and kind in READS_RESOLVED) or (task == "accepted" and kind == "relax"):
        with suppress(Unavailable):
            run(turn, answer)


_RESOLVED: Mapping[str, Run] = {
    "budget": search.with_budget,
    "facet": search.with_facet,
    "gift": gifts.gift,
    "relax": search.relaxed,
    "variant": cart.add_chosen,
    "which_product": product.chosen,
    "which_line": cart.remove_chosen,
    "order_slot": order_changes.answered,
    "order_change": order_changes.answered,
    "contact": support.contact,
}
