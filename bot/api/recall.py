"""Finds the conversation that a stateless client goes on with: such clients send their whole history with each message.

What counts is what was stored here, never what the client says was said. Its history is only compared with the stored turns of the
same person, to find out where in which conversation they are; what is not known here never happened here, so that no invented turn
("as agreed, it costs $1") becomes a fact, a product that was shown, or a yes.

    client                     stored                       the message goes
    U1 A1                      U1 A1                        on in that conversation
    U1 A1                      U1 A1 U2 A2                  into a new one, which begins with a copy of U1 A1
    U1 A1, then U2             U1 A1 U2 A2, within a day    nowhere: it is a repeat, and gets A2 once more
    U1 A1 Ux Ax                U1 A1                        on in that conversation: Ux Ax are not known
    Ux Ax                      nothing of it                into a new one
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from bot.cards import Card, Citation, IntentView, Reply
from bot.markdown import unlinked
from bot.state import fold
from bot.talk import LONGEST
from index.money import format_money
from storage.conversations import SUPPORT, Turn, append, begun_with, start, turns_of
from storage.database import Database
from storage.principal import Principal
from storage.record import new_id, now_ms, storable
from storage.tickets import hand_to_team

REPEATED_MS: Final = 86_400_000
"""For so long the same message after the same history is a repeat: clients send again what was answered too slowly."""


class Said(NamedTuple):
    """One message of a client's history; `role` is user or assistant."""

    role: str
    text: str


class Recalled(NamedTuple):
    """Where a message goes.

    `conversation_id` is None for a new conversation, `known` counts the messages of the history that were said here, and
    `answer` is the reply that the message got already.
    """

    conversation_id: str | None
    known: int = 0
    answer: Reply | None = None


def recall(
    database: Database,
    principal: Principal,
    user_id: str,
    history: Sequence[Said],
    message: str,
    conversation_id: str | None = None,
    retried: bool = False,
) -> Recalled:
    """Where a message with this history before it goes; a conversation is begun where one must branch off.

    Args:
        database: holds the conversations.
        principal: who asks.
        user_id: whose conversations they are.
        history: what the client says was said before, oldest first, users and assistants in turn.
        message: what the user says now.
        conversation_id: where the client names it, its history counts for nothing.
        retried: the client says that it sends the message again.

    Raises:
        NotFound: the conversation or the user is another's.
    """
    if conversation_id is not None:
        turns = _spoken(turns_of(database, principal, conversation_id))
        answer = _answer(conversation_id, turns[-2:], message) if retried else None
        return Recalled(conversation_id, len(turns) - 2 * (answer is not None), answer)
    opening = next((place for place, said in enumerate(history) if said.role == "user"), len(history))
    said = history[opening:]  # a greeting before it is the client's own
    if not said and not retried:
        return Recalled(None)
    best, longest, at = 0, "", list[Turn]()
    for candidate in begun_with(database, principal, user_id, _kept(said[0].text if said else message)):
        turns = _spoken(turns_of(database, principal, candidate))
        known = _known(turns, said)
        if known == len(said):
            answer = _answer(candidate, turns[known : known + 2], message)
            if answer is not None and len(turns) == known + 2:
                return Recalled(candidate, known, answer)
            if said and len(turns) == known:
                return Recalled(candidate, known)
        if known > best:
            best, longest, at = known, candidate, turns
    if not best:
        return Recalled(None)
    return Recalled(longest if len(at) == best else _branch(database, principal, user_id, at[:best]), best)


def listed(text: str, cards: Sequence[Card]) -> str:
    """A reply for who shows text alone: the sentences, then the cards, `1. Trail shoe (blue, 42), $89.00`.

    Such clients take it for Markdown, so nothing that a page, a review or a feed says becomes a link or a picture in it.
    """
    return unlinked(text) + "".join(listing(cards))


def listing(cards: Sequence[Card]) -> list[str]:
    """The lines for the cards, each with the line break before it; a blank line parts them from the text."""
    lines = [f"\n{number}. {unlinked(card.title)}{_priced(card)}" for number, card in enumerate(cards, 1)]
    return [f"\n{lines[0]}", *lines[1:]] if lines else []


def _priced(card: Card) -> str:
    return "" if card.price is None else f", {format_money(card.price)}"


def _spoken(turns: Sequence[Turn]) -> list[Turn]:
    """What such a client has seen: notes of the system and words of agents never went there."""
    return [turn for turn in turns if turn.role in ("user", "assistant")]


def _known(turns: Sequence[Turn], said: Sequence[Said]) -> int:
    """How many messages both have in common from the start on, up to an answer."""
    known = 0
    for place, (turn, message) in enumerate(zip(turns, said, strict=False), 1):
        if turn.role != message.role or not _same(_seen(turn), message):
            break
        if turn.role == "assistant":
            known = place
    return known


def _seen(turn: Turn) -> str:
    return turn.content if turn.role == "user" else listed(turn.content, _cards(turn))


def _same(stored: str, message: Said) -> bool:
    """Compared without spaces at the ends and runs of them, which clients change."""
    text = _kept(message.text) if message.role == "user" else message.text
    return stored.split() == text.split()


def _kept(message: str) -> str:
    """A user's message as a turn stores it."""
    text: str = storable(message[:LONGEST])
    return text


def _cards(turn: Turn) -> list[Card]:
    return [Card.model_validate(card) for card in turn.data.get("products", ())]


def _answer(conversation_id: str, exchange: Sequence[Turn], message: str) -> Reply | None:
    """The reply of an exchange that was about this very message, not long ago; None where it was not."""
    if len(exchange) < 2 or [turn.role for turn in exchange] != ["user", "assistant"]:
        return None
    asked, told = exchange
    if "intent" not in asked.data or "action" not in told.data:  # from a log, not from a turn that was answered here
        return None
    if not _same(asked.content, Said("user", message)) or now_ms() - told.created_at > REPEATED_MS:
        return None
    return Reply(
        conversation_id=conversation_id,
        message_id=told.message_id,
        text=told.content,
        language=asked.language,
        intent=IntentView.model_validate(asked.data["intent"]),
        action=told.data["action"],
        products=tuple(_cards(told)),
        citations=tuple(Citation.model_validate(each) for each in told.data.get("citations", ())),
    )


def _branch(database: Database, principal: Principal, user_id: str, turns: Sequence[Turn]) -> str:
    """A new conversation that begins with copies of turns; their effects come with them, so its state is theirs."""
    conversation_id = start(database, principal, user_id, "api")
    copies = [turn.model_copy(update={"message_id": new_id()}) for turn in turns]
    append(database, principal, conversation_id, copies)
    if fold(copies).handed_off:
        hand_to_team(database, principal, conversation_id, SUPPORT)
    return conversation_id
