"""What a shopper has talked about before: their conversations by their first words, the latest first."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from storage.database import Database
from storage.principal import Principal
from storage.tables import conversations, turns

TITLE_CHARACTERS = 80
MOST_PAST = 50


@dataclass(frozen=True, slots=True)
class PastConversation:
    """A conversation in which something was said; `title` is the start of the first thing that the shopper said.

    Instants are in milliseconds since 1970, UTC; `messages` counts both sides.
    """

    conversation_id: str
    title: str
    created_at: int
    updated_at: int
    messages: int


# The latest first and only then their turns, so that one who has talked a thousand times costs as much as one who has fifty times.
_LATEST = (
    select(conversations)
    .where(
        conversations.c.user_id == bindparam("user_id"),
        select(turns.c.number).where(turns.c.conversation_id == conversations.c.conversation_id).exists(),
    )
    .order_by(conversations.c.updated_at.desc(), conversations.c.conversation_id)
    .limit(bindparam("most"))
    .subquery()
)
_FIRST_WORDS = (
    select(turns.c.content)
    .where(turns.c.conversation_id == _LATEST.c.conversation_id, turns.c.role == "user")
    .order_by(turns.c.number)
    .limit(1)
    .scalar_subquery()
)
_COUNT = (
    select(func.count())
    .where(turns.c.conversation_id == _LATEST.c.conversation_id)
    .correlate(_LATEST)
    .scalar_subquery()
)
_PAST = select(
    _LATEST.c.conversation_id,
    _FIRST_WORDS.label("title"),
    _LATEST.c.created_at,
    _LATEST.c.updated_at,
    _COUNT.label("messages"),
).order_by(_LATEST.c.updated_at.desc(), _LATEST.c.conversation_id)


def past_conversations(
    db: Database, principal: Principal, user_id: str, most: int = MOST_PAST
) -> list[PastConversation]:
    """A shopper's latest `most` conversations in which something was said, the latest first.

    Raises:
        NotFound: they are another's to see.
    """
    principal.require_owner(user_id)
    with db.read() as connection:
        rows = connection.execute(_PAST, {"user_id": user_id, "most": most}).all()
    return [PastConversation(**{**row._mapping, "title": _short(row.title or "")}) for row in rows]


def _short(text: str) -> str:
    """The text on one line, cut at a word where there is one near the limit."""
    line = " ".join(text.split())
    if len(line) <= TITLE_CHARACTERS:
        return line
    cut = line[: TITLE_CHARACTERS - 1]
    space = cut.rfind(" ")
    return f"{cut[:space] if space > TITLE_CHARACTERS // 2 else cut}…"
