"""The built-in intents, in the order of docs/intents.md."""

from __future__ import annotations

LABELS: tuple[str, ...] = (
    "greet",
    "goodbye",
    "thank",
    "search",
    "refine",
    "recommend",
    "compare",
    "ask_product",
    "ask_policy",
    "order_status",
    "cart_add",
    "cart_remove",
    "cart_view",
    "checkout",
    "complaint",
    "handoff",
    "accept",
    "reject",
    "chitchat",
)

OUT_OF_SCOPE = "out_of_scope"
"""Never a class: a threshold on the model's own doubt decides it."""

OUT_OF_SCOPE_NAMES = frozenset({OUT_OF_SCOPE, "oos"})
"""What a dialogue log may call it."""
