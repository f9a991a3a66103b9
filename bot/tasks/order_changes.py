"""Changes to orders by talk: what is missing is asked for one by one, what would happen is stated from records, a yes does it.

Nothing is written before the customer agreed to the very proposal that was stated: the write carries its stamp, and an id that
comes from the turn that stated it, so that a yes that is sent twice, or again after a crash, is carried out once.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot import order_wishes
from bot.state import Draft, Pending
from bot.tasks import orders
from bot.tasks.order_words import Words
from bot.turn import Answer, Turn
from bot.variants import meets
from index.attributes import canonical
from index.clean import fold
from index.product import Product, Variant
from retrieval.variants import Said
from storage.customers import Customer, PaymentMethod
from storage.errors import Conflict, NotFound, Unavailable
from storage.order_rules import (
    CancelOrder,
    ChangeRequest,
    ExchangeItems,
    ModifyAddress,
    ModifyDefaultAddress,
    ModifyItems,
    ModifyPayment,
    Piece,
    Refused,
    ReturnItems,
    Swap,
    until,
)
from storage.orders import OPEN, Address, Order
from storage.record import now_ms
from storage.settings import ChangeKind

LISTED = 5
"""Orders that a question names."""
OPTIONS = 8
"""Variants that a question names."""
_ABOUT_ITEMS = ("return", "exchange", "items")
_NO_VARIANT = "-"
_BY_STATE = frozenset(
    {"not_offered", "not_open", "not_delivered", "too_late", "already_changed", "already_cancelled", "no_such_line"}
)
"""Reasons that no further answer of the customer can mend."""


def begin(turn: Turn, answer: Answer) -> None:
    """Starts a change, or goes on with the one that was begun where the turn asks for the same kind of one."""
    kind = order_wishes.wanted(turn.message, order_wishes.in_talk(turn.state, "order_status"))
    if turn.principal.anonymous:
        return answer.say(turn.voice.say("orders.sign_in"))
    if kind is None or not _offered(turn, kind):
        return orders.status(turn, answer, change=True)
    pending = turn.decision.pending
    before = pending.draft if pending is not None else None
    draft = before if before is not None and _alike(before.kind, kind) else Draft(kind=kind)
    return _Flow(turn, answer).go_on(draft)


def answered(turn: Turn, answer: Answer) -> None:
    """What was asked for is said, or what was proposed is amended: "only the kettle"."""
    pending = turn.decision.pending
    if pending is None or pending.draft is None:
        return begin(turn, answer)
    return _Flow(turn, answer, asked=pending.field, choice=turn.decision.choice).go_on(pending.draft)


def confirmed(turn: Turn, answer: Answer) -> None:
    """The customer agreed to what was stated: it is done once, and reported as it happened."""
    pending = turn.decision.pending
    draft = pending.draft if pending is not None else None
    if pending is None or draft is None:
        return answer.say(turn.voice.say("accept.nothing"))
    flow = _Flow(turn, answer)
    try:
        made = turn.backend.change(turn.principal, turn.user_id, request_of(draft), draft.request_id, draft.stamp)
        answer.changed = True
    except Refused as refused:
        return flow.refuse(refused, draft)
    except Unavailable:
        # It may have been done, or not: the same id makes the same yes safe to say again.
        return answer.ask(turn.voice.say("change.unsure"), pending)
    except NotFound:
        answer.ledger.text(draft.order_id)
        return answer.say(turn.voice.say("orders.unknown", order=draft.order_id))
    except Conflict:
        answer.say(turn.voice.say("change.moved"))
        return flow.go_on(_with(draft, stamp="", request_id=""))
    return flow.words.done(made)


def offered(turn: Turn, answer: Answer, request: ChangeRequest) -> None:
    """States what a request comes to that another than the customer made, and asks for their yes as for any other."""
    _Flow(turn, answer).offer(draft_of(request))


def _with(draft: Draft, **values: object) -> Draft:
    """The draft with other values."""
    return draft.model_copy(update=values)


def _offered(turn: Turn, kind: ChangeKind) -> bool:
    """Whether customers may do this by themselves; whether items are exchanged or changed is known with the order."""
    kinds = {"exchange", "items"} if kind in ("exchange", "items") else {kind}
    return bool(kinds & set(turn.backend.rules.self_service))


def _alike(one: ChangeKind, other: ChangeKind) -> bool:
    return one == other or {one, other} == {"exchange", "items"}


class _Flow:
    """One step of a change: fills the draft from the turn, then asks for what it lacks or states what it comes to."""

    def __init__(self, turn: Turn, answer: Answer, asked: str = "", choice: int | None = None) -> None:
        self.turn, self.answer, self.asked, self.choice = turn, answer, asked, choice
        self.words = Words(turn, answer)

    def go_on(self, draft: Draft) -> None:
        """Asks the next question, proposes, or says why not."""
        if draft.kind == "default_address":
            if not (address := self._address(draft)):
                return self._ask("change.default_address", "address", draft)
            return self._propose(_with(draft, address=address))
        found = self._order(draft)
        if found is None:
            return None
        order, draft = found
        self.answer.order_id = order.order_id
        refused = self._state(draft, order)
        if refused is not None:
            return self.refuse(refused, draft)
        return self._details(draft, order)

    def _details(self, draft: Draft, order: Order) -> None:
        """What the order's number does not say."""
        if draft.kind in _ABOUT_ITEMS:
            filled = self._lines(draft, order)
            if filled is None:
                return self._ask_lines(draft, order)
            draft = filled
            if draft.kind != "return":
                chosen = self._variants(draft, order)
                if chosen is None:
                    return None
                draft = chosen
        if draft.kind == "address":
            if not (address := self._address(draft)):
                return self._ask("change.address", "address", draft, order=order.order_id)
            draft = _with(draft, address=address)
        if draft.kind == "cancel" and (reasons := self.turn.backend.rules.cancel_reasons):
            reason = self._picked(reasons, "reason") or draft.reason
            if not reason:
                return self._ask_reason(draft, reasons)
            draft = _with(draft, reason=reason)
        method = self._method(draft, order)
        if method is None and draft.kind == "payment":
            return self._ask_method(draft, order)
        return self._propose(_with(draft, method=method.id if method else draft.method))

    def offer(self, draft: Draft) -> None:
        """Proposes what is complete but for a reason; the order becomes the one that the talk is about."""
        self.answer.order_id = draft.order_id or None
        reasons = self.turn.backend.rules.cancel_reasons
        if draft.kind == "cancel" and reasons and draft.reason not in reasons:
            return self._ask_reason(draft, reasons)
        return self._propose(draft)

    def refuse(self, refused: Refused, draft: Draft) -> None:
        """Why not, and a person who may decide otherwise."""
        self.words.refused(refused, draft)
        self.answer.ask(self.turn.voice.say("change.person"), Pending(kind="handoff", task="order"))

    def _propose(self, draft: Draft) -> None:
        try:
            proposal = self.turn.backend.propose(self.turn.principal, self.turn.user_id, request_of(draft))
        except Refused as refused:
            return self.refuse(refused, draft)
        except NotFound:
            self.answer.ledger.text(draft.order_id)
            return self.answer.say(self.turn.voice.say("orders.unknown", order=draft.order_id))
        self.words.proposal(proposal)
        agreed = _with(draft, stamp=proposal.stamp, request_id=self.turn.message_id)
        return self.answer.ask(self.turn.voice.say("change.confirm"), Pending(kind="order_change", draft=agreed))

    def _ask_reason(self, draft: Draft, reasons: Sequence[str]) -> None:
        self.answer.ledger.text(*reasons)
        spelled = self.turn.voice.joined(reasons, "or")
        return self._ask("change.reason", "reason", draft, reasons, reasons=spelled)

    def _ask(self, key: str, field: str, draft: Draft, named: Sequence[str] = (), **facts: object) -> None:
        """Asks for what `field` lacks; `named` are the answers that the question names."""
        self.answer.ledger.text(draft.order_id)
        pending = Pending(kind="order_slot", field=field, options=tuple(named), draft=draft)
        self.answer.ask(self.turn.voice.say(key, **facts), pending)

    # The order.

    def _order(self, draft: Draft) -> tuple[Order, Draft] | None:
        """The order that is meant and the draft with it; None where it was asked for, or there is none."""
        turn = self.turn
        known = sorted(
            turn.backend.orders(turn.principal, turn.user_id), key=lambda order: order.placed_at, reverse=True
        )
        if not known:
            self.answer.say(turn.voice.say("orders.none"))
            return None
        by_id = {order.order_id: order for order in known}
        named = order_wishes.named_order(turn.message, list(by_id))
        if self.asked == "order" and self.choice is not None and turn.decision.pending is not None:
            named = turn.decision.pending.options[self.choice]
        number = order_wishes.unknown_number(turn.message) if named is None and self.asked in ("", "order") else None
        if number is not None and not (draft.order_id or draft.kind == "address"):
            self.answer.ledger.text(number)
            self.answer.say(turn.voice.say("orders.unknown", order=number))
            return None
        if named is not None and draft.order_id not in ("", named):
            draft = Draft(kind=draft.kind)  # another order, other lines
        found = by_id.get(named or draft.order_id)
        if found is None:
            found = self._told(draft, known)
        if found is None:
            return None
        kind: ChangeKind = draft.kind
        if kind in ("exchange", "items"):
            kind = "items" if found.status in OPEN else "exchange"
        return found, _with(draft, order_id=found.order_id, kind=kind)

    def _told(self, draft: Draft, known: Sequence[Order]) -> Order | None:
        """The order that words other than its number tell, else the only one that can be meant; asks where several can."""
        turn = self.turn
        if order_wishes.latest(turn.message):
            return known[0]
        changed = {each.order_id for each in turn.backend.changes(turn.principal, turn.user_id)}
        fitting = [order for order in known if self._fits(draft.kind, order, changed)]
        if draft.kind in _ABOUT_ITEMS:
            with_it = [order for order in fitting if order_wishes.named(turn.message, self.words.titles(order))]
            if len(with_it) == 1:
                return with_it[0]
            fitting = with_it or fitting
        spoken = next((order for order in known if order.order_id == turn.state.order_id), None)
        if spoken is not None and turn.state.last_task in order_wishes.ABOUT_ORDERS:
            return spoken
        if len(fitting) == 1:
            return fitting[0]
        if not fitting:
            return known[0]  # the rules say of the latest why not
        listed = fitting[:LISTED]
        spelled = turn.voice.joined([self.words.short(order) for order in listed], "or")
        self._ask("change.which_order", "order", draft, [order.order_id for order in listed], orders=spelled)
        return None

    def _fits(self, kind: ChangeKind, order: Order, changed: set[str | None]) -> bool:
        """Whether the order's state allows the kind; the rules decide in the end."""
        if order.order_id in changed and kind in _ABOUT_ITEMS:
            return False
        back = order.status == "delivered" and now_ms() <= until(order, self.turn.backend.rules)
        if kind == "return":
            return back
        return order.status in OPEN or (back and kind in ("exchange", "items"))

    def _state(self, draft: Draft, order: Order) -> Refused | None:
        """Why the order as it stands cannot be changed so, before anything more is asked; None where it can."""
        probe = _with(
            draft,
            lines=draft.lines or (0,),
            variants=(_NO_VARIANT,) * max(len(draft.lines), 1),
            address=draft.address or _NO_VARIANT,
            method=draft.method or (_NO_VARIANT if draft.kind == "payment" else ""),
            counts=(),
        )
        try:
            self.turn.backend.propose(self.turn.principal, self.turn.user_id, request_of(probe))
        except Refused as refused:
            return refused if refused.reason in _BY_STATE else None
        return None

    # The items.

    def _lines(self, draft: Draft, order: Order) -> Draft | None:
        """The draft with the lines meant, and how many pieces of a single one; None where they have to be asked for."""
        titles = self.words.titles(order)
        picked = tuple(range(len(titles))) if len(titles) == 1 else order_wishes.named_lines(self.turn.message, titles)
        if not picked:
            placed = [each - 1 if each > 0 else len(titles) + each for each in self.turn.understanding.ordinals]
            picked = tuple(sorted({each for each in placed if 0 <= each < len(titles)}))
        # An answer about a size may name a color that a title has too: it changes no lines.
        if self.asked not in ("", "lines", "order") and draft.lines:
            picked = ()
        if picked and draft.lines and order_wishes.adds(self.turn.message):
            picked = tuple(sorted({*draft.lines, *picked}))
        lines = picked or draft.lines
        if not lines:
            return None
        before = dict(zip(draft.lines, draft.counts, strict=False))
        if draft.kind == "return" and len(picked or lines) == 1 and self.asked != "order":
            line, said = (picked or lines)[0], order_wishes.pieces(self.turn.message)
            if said is not None and said < order.items[line].quantity:
                before[line] = said
        chosen = dict(zip(draft.lines, draft.variants, strict=False))
        return _with(
            draft,
            lines=lines,
            counts=tuple(before.get(line, 0) for line in lines),
            variants=tuple(chosen.get(line, "") for line in lines),
        )

    def _ask_lines(self, draft: Draft, order: Order) -> None:
        titles = self.words.titles(order)
        listed = self.turn.voice.joined(self.words.counted(order), "and")
        self._ask("change.which_items", "lines", draft, titles, order=order.order_id, items=listed)

    def _variants(self, draft: Draft, order: Order) -> Draft | None:
        """The draft with what takes the lines' place; None where it was asked for or there is nothing."""
        chosen = list(draft.variants)
        picked = self._picked_id("variant")
        for place, line in enumerate(draft.lines):
            if chosen[place] and not (self.asked == "" and len(draft.lines) == 1):
                continue
            item = order.items[line]
            product = self.words.product(item.product_id)
            able = self.words.orderable(product)
            others = [variant for variant in able if variant.id != item.variant_id]
            if product is None or not others:
                self.answer.say(self.turn.voice.say("change.no_variant", title=self.words.titles(order)[line]))
                self.answer.ask(self.turn.voice.say("change.person"), Pending(kind="handoff", task="order"))
                return None
            if draft.kind == "exchange" and order_wishes.wants_same(self.turn.message) and len(others) < len(able):
                chosen[place] = str(item.variant_id)
                continue
            wished = self._wished(product, others, draft, place, order)
            if picked is None and len(wished) != 1:
                if chosen[place]:
                    continue
                self._ask_variant(_with(draft, variants=tuple(chosen)), order, line, product, wished or others)
                return None
            chosen[place] = picked or wished[0].id
            picked = None
        return _with(draft, variants=tuple(chosen))

    def _wished(
        self, product: Product, others: Sequence[Variant], draft: Draft, place: int, order: Order
    ) -> list[Variant]:
        """Of `others` those that have what the words name, and of them those most like the variant of now."""
        items = [order.items[line] for line in draft.lines]
        names = [self.words.name(item.product_id) for item in items]
        now = product.variant(items[place].variant_id or "")
        said = Said(order_wishes.wish(self.turn.message, names, place))
        values: dict[str, set[str]] = {}
        for variant in product.variants:
            for name, value in variant.options.items():
                if said.names(value):
                    values.setdefault(canonical(name), set()).add(fold(value))
        left = [variant for variant in others if values and meets(variant, values)]
        if now is not None and left:
            alike = [len(variant.options.items() & now.options.items()) for variant in left]
            left = [variant for variant, shared in zip(left, alike, strict=True) if shared == max(alike)]
        return left

    def _ask_variant(self, draft: Draft, order: Order, line: int, product: Product, others: Sequence[Variant]) -> None:
        listed = others[:OPTIONS]
        spelled = self.words.apart(product, listed)
        self.answer.know(product)
        options = self.turn.voice.joined(spelled, "or")
        title = self.words.titles(order)[line]
        self._ask("change.which_variant", "variant", draft, spelled, title=title, options=options)
        if self.answer.pending is not None:
            ids = tuple(variant.id for variant in listed)
            self.answer.pending = self.answer.pending.model_copy(update={"fields": ids})

    # Where to, why, and with what.

    def _address(self, draft: Draft) -> str:
        return order_wishes.address_in(self.turn.message, self.asked == "address") or draft.address

    def _method(self, draft: Draft, order: Order) -> PaymentMethod | None:
        """The means of payment that the turn names, else the one said before; None where none was said."""
        customer = self._customer()
        picked = self._picked_id("method")
        named = [
            method
            for method in customer.payment_methods
            if method.id == picked or (picked is None and self.words.names(method, self.turn.message))
        ]
        other = [method for method in named if draft.kind != "payment" or method.id != order.payment_method]
        return other[0] if len(other) == 1 else customer.method(draft.method)

    def _ask_method(self, draft: Draft, order: Order) -> None:
        others = [method for method in self._customer().payment_methods if method.id != order.payment_method]
        labels = [label for method in others if (label := self.words.label(method))]
        if not labels or len(labels) < len(others):
            return self.answer.ask(self.turn.voice.say("change.no_method"), Pending(kind="handoff", task="order"))
        spelled = self.turn.voice.joined(labels, "or")
        self._ask("change.method", "method", draft, labels, order=order.order_id, methods=spelled)
        if self.answer.pending is not None:
            ids = tuple(method.id for method in others)
            self.answer.pending = self.answer.pending.model_copy(update={"fields": ids})
        return None

    def _customer(self) -> Customer:
        return self.turn.backend.user(self.turn.principal, self.turn.user_id)

    def _picked(self, options: Sequence[str], field: str) -> str | None:
        if self.asked == field and self.choice is not None and self.choice < len(options):
            return options[self.choice]
        low = self.turn.message.casefold()
        return next((option for option in options if option.casefold() in low), None)

    def _picked_id(self, field: str) -> str | None:
        """The id behind the option that the turn chose, where `field` was asked for."""
        pending = self.turn.decision.pending
        if self.asked != field or self.choice is None or pending is None or self.choice >= len(pending.fields):
            return None
        return pending.fields[self.choice]


def request_of(draft: Draft) -> ChangeRequest:
    """The request that a complete draft stands for."""
    method = draft.method or None
    match draft.kind:
        case "cancel":
            return CancelOrder(order_id=draft.order_id, reason=draft.reason)
        case "return":
            counts = draft.counts or (0,) * len(draft.lines)
            pieces = tuple(Piece(line=line, quantity=n or None) for line, n in zip(draft.lines, counts, strict=True))
            return ReturnItems(order_id=draft.order_id, pieces=pieces, payment_method=method)
        case "exchange":
            return ExchangeItems(order_id=draft.order_id, swaps=_swaps(draft), payment_method=method)
        case "items":
            return ModifyItems(order_id=draft.order_id, swaps=_swaps(draft), payment_method=method)
        case "address":
            return ModifyAddress(order_id=draft.order_id, address=Address(address1=draft.address))
        case "payment":
            return ModifyPayment(order_id=draft.order_id, payment_method=draft.method)
        case "default_address":
            return ModifyDefaultAddress(address=Address(address1=draft.address))


def draft_of(request: ChangeRequest) -> Draft:
    """The complete draft that stands for a request; an address in it becomes one line."""
    match request:
        case CancelOrder():
            return Draft(kind="cancel", order_id=request.order_id, reason=request.reason)
        case ReturnItems():
            return Draft(
                kind="return",
                order_id=request.order_id,
                lines=tuple(piece.line for piece in request.pieces),
                counts=tuple(piece.quantity or 0 for piece in request.pieces),
                method=request.payment_method or "",
            )
        case ExchangeItems() | ModifyItems():
            return Draft(
                kind=request.kind,
                order_id=request.order_id,
                lines=tuple(swap.line for swap in request.swaps),
                variants=tuple(swap.variant_id for swap in request.swaps),
                method=request.payment_method or "",
            )
        case ModifyAddress():
            return Draft(kind="address", order_id=request.order_id, address=request.address.line)
        case ModifyPayment():
            return Draft(kind="payment", order_id=request.order_id, method=request.payment_method)
        case ModifyDefaultAddress():
            return Draft(kind="default_address", address=request.address.line)


def _swaps(draft: Draft) -> tuple[Swap, ...]:
    return tuple(Swap(line=line, variant_id=to) for line, to in zip(draft.lines, draft.variants, strict=True))
