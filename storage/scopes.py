"""What a key may be bound to: families of the API, each whole or for reading alone.

    orders          reads and changes
    orders:read     reads only

A scope takes away and never gives: the role still decides what may be done at all.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from storage.errors import InvalidInput

FAMILIES: Final = {
    "chat": "conversations, carts, ratings, the window, /v1 and /mcp",
    "catalog": "search and products; newer prices and stock",
    "events": "what shoppers did",
    "orders": "what customers changed about orders",
    "users": "profiles, export and erasure",
    "desk": "the agents' desk",
    "figures": "/ops and /metrics",
    "review": "/review",
}
READ: Final = ":read"


def parse_scopes(names: Iterable[str]) -> frozenset[str]:
    """Scopes as somebody wrote them.

    Raises:
        InvalidInput: one is unknown, or there is none.
    """
    scopes = frozenset(names)
    if not scopes:
        raise InvalidInput("A key that is bound to nothing can do nothing.", f"Known scopes: {_known()}.")
    for name in sorted(scopes):
        family = name.removesuffix(READ)
        if family not in FAMILIES:
            near = difflib.get_close_matches(family, FAMILIES, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {_known()}."
            raise InvalidInput(f"There is no scope {name[:100]!r}.", hint)
    return scopes


def covers(scopes: frozenset[str] | None, family: str, *, reads: bool) -> bool:
    """Whether scopes reach a family of the API; None reaches all."""
    return scopes is None or family in scopes or (reads and family + READ in scopes)


def _known() -> str:
    return ", ".join(FAMILIES) + f"; with {READ!r} behind it for reading alone"
