"""A desk small enough to count by hand: seven conversations, five tickets, six proposals."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import insert

from storage.database import Database
from storage.settings import DAY_MS
from storage.tables import conversations, suggestions, tickets, turns

NOON: Final = 20_000 * DAY_MS + DAY_MS // 2
"""The middle of the day on which it is counted."""
HOUR: Final = 3_600_000
MINUTE: Final = 60_000


def fill(database: Database) -> None:
    """Writes it; the customers are called after their conversations."""
    yesterday, old = NOON - DAY_MS, NOON - 40 * DAY_MS
    talks: dict[str, tuple[int, str | None, list[tuple[str, tuple[str, int] | None]]]] = {
        "c1": (NOON - HOUR, None, [("user", None)]),
        "c2": (yesterday, None, [("user", None), ("agent", ("mia", yesterday + 2 * MINUTE))]),
        "c3": (yesterday, None, [("user", None), ("agent", ("ben", yesterday + 10 * MINUTE))]),
        "c4": (NOON - 2 * HOUR, None, [("user", None)]),
        "c5": (NOON - 2 * DAY_MS, "mia", [("user", None), ("agent", ("mia", NOON - 2 * DAY_MS + MINUTE))]),
        "c6": (old, None, [("user", None), ("agent", ("ben", old + 5 * MINUTE))]),
        "empty": (yesterday, None, []),
    }
    held: list[dict[str, Any]] = [
        _ticket("c2", "asked", yesterday, 2, yesterday + 30 * MINUTE, "mia", "solved", 5),
        _ticket("c3", "complaint", yesterday, 10, yesterday + HOUR, "mia", "refunded", 2),
        _ticket("c4", "asked", NOON - HOUR, None),
        _ticket("c5", "agent", NOON - 2 * DAY_MS, 1),
        _ticket("c6", "order", old, 5, NOON - 3 * DAY_MS, "ben", "returned"),
    ]
    shown = [
        _proposal("c2", "mia", "reply", 1, sent=0),
        _proposal("c2", "mia", "reply", 2),
        _proposal("c2", "mia", "macro", 3, dismissed=True),
        _proposal("c3", "ben", "reply", 1, sent=4),
        _proposal("c3", "ben", "product", 2),
        _proposal("c5", "mia", "reply", 1),
    ]
    heads, said = [], []
    for name, (created, holder, roles) in talks.items():
        head = {"conversation_id": name, "user_id": f"customer-{name}", "team": "support", "holder": holder}
        heads.append(head | {"channel": "window", "created_at": created, "updated_at": NOON})
        for number, (role, agent) in enumerate(roles, 1):
            turn = {"conversation_id": name, "number": number, "message_id": f"{name}-{number}", "role": role}
            text = {"content": "secret words", "language": "en", "created_at": agent[1] if agent else created}
            said.append(turn | text | {"data": {"agent": agent[0]} if agent else {}})
    with database.write() as connection:
        connection.execute(insert(conversations), heads)
        connection.execute(insert(turns), said)
        connection.execute(insert(tickets), held)
        connection.execute(insert(suggestions), shown)


def _ticket(
    conversation: str,
    reason: str,
    opened: int,
    answered_after: int | None,
    closed: int | None = None,
    closed_by: str | None = None,
    code: str | None = None,
    rating: int | None = None,
) -> dict[str, Any]:
    return {
        "ticket_id": f"t-{conversation}",
        "conversation_id": conversation,
        "reason": reason,
        "opened_at": opened,
        "answered_at": None if answered_after is None else opened + answered_after * MINUTE,
        "closed_at": closed,
        "closed_by": closed_by,
        "code": code,
        "rating": rating,
    }


def _proposal(
    conversation: str, agent: str, kind: str, rank: int, sent: int | None = None, dismissed: bool = False
) -> dict[str, Any]:
    at = NOON - DAY_MS
    return {
        "suggestion_id": f"{conversation}-{rank}",
        "conversation_id": conversation,
        "message_id": f"{conversation}-1",
        "agent_id": agent,
        "kind": kind,
        "source": "s",
        "rank": rank,
        "text": "words",
        "shown_at": at,
        "inserted_at": None if sent is None else at,
        "sent_at": None if sent is None else at,
        "dismissed_at": at if dismissed else None,
        "edit_distance": sent,
    }
