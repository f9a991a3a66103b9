"""Trouble and consent: complaints, handing over to a person, a yes and a no to what was proposed."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.references import resolve
from bot.state import Pending
from bot.tasks import cart, order_changes, search
from bot.tasks.staged import offer_help
from bot.turn import Answer, Turn
from storage.redaction import email_in
from storage.tickets import Reason

_REASONS: Mapping[str, Reason] = {"complaint": "complaint", "order": "order", "unanswered": "unanswered"}
"""What a person was offered for, by the pending question's `task`."""
_LEAVING = re.compile(
    r"\b(?:not today|maybe later|another time|just (?:looking|browsing)|think (?:about|it over)|sleep on it)\b"
    r"|不看了|不买了|不逛了|先不买|下次再|改天|再想想|再考虑|考虑考虑|考虑一下",
    re.IGNORECASE,
)
LETTER = 300
"""Characters from which on a message is a letter, in which a model finds many things: a person is fetched if it asks for one."""
_ASKS_PERSON = re.compile(
    r"\b(?:speak|talk|chat|connect|transfer|forward|pass|put|get|need|want|reach|contact|call|escalate)\b.{0,60}"
    r"\b(?:human|person|people|agent|someone|somebody|representative|manager|supervisor|colleague|staff|employee|team|operator)\b"
    r"|人工|真人|客服|专员|经理|主管|转接",
    re.IGNORECASE | re.DOTALL,
)


def complaint(turn: Turn, answer: Answer) -> None:
    """An apology and the offer of a person; the second time it is handed over without asking again."""
    if turn.state.handed_off:
        return handoff(turn, answer)
    if turn.state.complaints:
        answer.say(turn.voice.say("complaint.sorry"))
        return _hand_over(turn, answer, "complaint")
    return answer.ask(turn.voice.say("complaint.first"), Pending(kind="handoff", task="complaint"))


def swearing(turn: Turn, answer: Answer) -> None:
    """A calm word to who only swears, and the way on; what was offered stays open, and a person is offered if it was nothing."""
    answer.say(turn.voice.say("complaint.swearing"))
    if turn.state.handed_off or turn.state.pending is not None:
        answer.pending = turn.state.pending
        return
    answer.ask(turn.voice.say("complaint.person"), Pending(kind="handoff", task="complaint"))


def handoff(turn: Turn, answer: Answer) -> None:
    """Marks the conversation for a person, once; asked again, it says that this is done. Of a long letter it is asked first."""
    pending = turn.decision.pending
    if pending is None and len(turn.message) > LETTER and not _ASKS_PERSON.search(turn.message):
        return answer.ask(turn.voice.say("care.person"), Pending(kind="handoff"))
    offered = pending.task if pending is not None and pending.kind == "handoff" else ""
    return _hand_over(turn, answer, _REASONS.get(offered, "asked"))


def contact(turn: Turn, answer: Answer) -> None:
    """Takes the address at which the customer agreed to be answered."""
    address = email_in(turn.message)
    if address is None:
        return _ask_contact(turn, answer, "handoff.address")
    answer.action, answer.contact = "handoff", address
    answer.ledger.text(address)
    return answer.say(turn.voice.say("handoff.noted", address=address))


def _hand_over(turn: Turn, answer: Answer, reason: Reason) -> None:
    """Says whether somebody is there, and where nobody is, when, and asks where they may answer."""
    answer.hand_over(reason)
    key = "again" if turn.state.handed_off else "done"
    if turn.at_desk():
        return answer.say(turn.voice.say(f"handoff.{key}"))
    answer.say(turn.voice.say(f"handoff.{key}_away"))
    if turn.desk_hours:
        answer.ledger.text(turn.desk_hours)
        answer.say(turn.voice.say("handoff.hours", hours=turn.desk_hours))
    return None if turn.state.handed_off else _ask_contact(turn, answer, "handoff.contact")


def _ask_contact(turn: Turn, answer: Answer, key: str) -> None:
    answer.ask(turn.voice.say(key), Pending(kind="contact"))
    answer.action = "handoff"


def accepted(turn: Turn, answer: Answer) -> None:
    """A yes carries out what was pending; with nothing pending it points at the product talked about."""
    pending = turn.decision.pending
    if pending is not None:
        if pending.kind == "relax" and pending.field:
            return search.relaxed(turn, answer)
        if pending.kind == "handoff":
            return handoff(turn, answer)
        if pending.kind == "contact":
            return contact(turn, answer)
        if pending.kind == "order_change":
            return order_changes.confirmed(turn, answer)
        if pending.kind == "empty_cart":
            return cart.emptied(turn, answer)
        if pending.kind == "add" and pending.items:
            cart.put_all(turn, answer, pending.items, pending.quantity)
            return cart.go_on(turn, answer, pending)
        if pending.options:
            # "Yes" to "red or blue?" is no answer: the question stays.
            return answer.ask(
                turn.voice.say("product.which", options=turn.voice.joined(pending.options, "or")), pending
            )
    items = resolve(turn).items
    product = turn.shelf.product(items[0].product_id) if len(items) == 1 else None
    if product is None:
        return answer.say(turn.voice.say("accept.nothing"))
    answer.know(product)
    answer.focus = items
    return answer.ask(turn.voice.say("accept.offer_add", title=product.title), Pending(kind="add", items=items))


def reject(turn: Turn, answer: Answer) -> None:
    """A no ends what was pending; a no to what is shown asks for the one thing that should change."""
    pending = turn.decision.pending
    if pending is not None and pending.kind == "contact":
        return answer.say(turn.voice.say("handoff.no_contact"))
    if pending is not None and pending.kind not in ("facet", "what"):
        return answer.say(turn.voice.say("reject.pending"))
    if _LEAVING.search(turn.message):
        return answer.say(turn.voice.say("reject.leave"))
    offer_help(turn, answer)
    if turn.state.shown:
        return answer.ask(turn.voice.say("reject.slate"), Pending(kind="what"))
    return answer.say(turn.voice.say("reject.nothing"))
