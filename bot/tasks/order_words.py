"""What is said of a change to an order: from the order's record, the catalog and the customer's means of payment alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from bot.shelf import availability_of, telling_options, title_of
from bot.state import Draft
from bot.tasks.orders import date_of
from bot.turn import Answer, Turn
from index.product import Money, Product, Variant
from storage.customers import PaymentMethod
from storage.order_changes import OrderChange
from storage.order_rules import Affected, Proposal, Refused
from storage.orders import Order

_REFUSED: Mapping[str, str] = {
    "not_open": "change.not_open",
    "not_delivered": "change.not_delivered",
    "too_late": "change.too_late",
    "already_changed": "change.already_changed",
    "already_cancelled": "change.already_cancelled",
    "unavailable": "change.unavailable",
    "same": "change.same",
    "balance": "change.balance",
    "payment_not_original": "change.payment_not_original",
    "payment_unknown": "change.payment_not_original",
}
_SOURCES: Mapping[str, str] = {
    "gift_card": r"gift ?card|礼品卡|礼金卡",
    "paypal": r"pay ?pal|贝宝",
    "credit_card": r"credit ?card|信用卡",
}


class Words:
    """Says it in the turn's language, and enters in the ledger what it says."""

    def __init__(self, turn: Turn, answer: Answer) -> None:
        self.turn, self.answer = turn, answer
        self.product = cache(turn.backend.product)
        """A product as it is offered now, looked up once a turn."""

    def titles(self, order: Order) -> list[str]:
        """The title of each line, with its variant's options; the id where the catalog has the product no longer."""
        return [self._title(item.product_id, item.variant_id) for item in order.items]

    def name(self, product_id: str) -> str:
        """A product's title without options; the id where the catalog has it no longer."""
        product = self.product(product_id)
        return product_id if product is None else product.title

    def counted(self, order: Order) -> list[str]:
        """The same with how many: "2 × Red mug"."""
        return [self._pieces(item.quantity, title) for item, title in zip(order.items, self.titles(order), strict=True)]

    def short(self, order: Order) -> str:
        """An order in a few words: "A-17 (3 May 2026: Red mug)"."""
        date = date_of(order.placed_at, self.turn.language)
        self.answer.ledger.text(order.order_id, date)
        items = self.turn.voice.joined(self.titles(order)[:2], "and")
        return f"{order.order_id} ({date}{self.turn.voice.language.tables['language']['colon']}{items})"

    def orderable(self, product: Product | None) -> list[Variant]:
        """The variants that can be had now."""
        variants = product.variants if product is not None else ()
        return [variant for variant in variants if product and availability_of(product, variant).orderable]

    def apart(self, product: Product, variants: Sequence[Variant]) -> list[str]:
        """Each variant by the options that tell it from the others."""
        names = telling_options(product)
        spelled = [
            " / ".join(variant.options[name] for name in names if name in variant.options) for variant in variants
        ]
        return [text or variant.title or variant.id for text, variant in zip(spelled, variants, strict=True)]

    def names(self, method: PaymentMethod, message: str) -> bool:
        """Whether the message names this means of payment: its kind, its brand or its last digits."""
        words = [_SOURCES.get(method.source, ""), re.escape(method.brand), re.escape(method.last_four)]
        return any(re.search(rf"(?<![a-z0-9])(?:{word})(?![a-z0-9])", message, re.IGNORECASE) for word in words if word)

    def label(self, method: PaymentMethod | None) -> str:
        """The means of payment in words; empty where the record says nothing that a customer would know it by."""
        if method is None or method.source == "other":
            return ""
        table = self.turn.voice.language.tables["payment"]
        known = method.source == "credit_card" and method.brand and method.last_four
        spelled = str(table["card"] if known else table[method.source])
        label = spelled.format(brand=method.brand.title(), last_four=method.last_four)
        self.answer.ledger.text(label)
        return label

    def proposal(self, proposal: Proposal) -> None:
        """What would happen: the items, where to, and what is refunded or due."""
        request, order = proposal.request, proposal.order
        if order is not None:
            self.answer.ledger.text(order.order_id)
        match request.kind:
            case "cancel":
                self._say("change.cancel", order=request.order_id, items=self._listed(proposal.lines))
            case "return":
                self._say("change.return", order=request.order_id, items=self._listed(proposal.lines))
            case "exchange" | "items":
                key = "change.exchange" if request.kind == "exchange" else "change.modify"
                self._say(key, order=request.order_id, items=self._swapped(proposal.lines))
            case "address":
                self.answer.ledger.text(request.address.line)
                self._say("change.move", order=request.order_id, address=request.address.line)
            case "default_address":
                self.answer.ledger.text(request.address.line)
                self._say("change.default", address=request.address.line)
            case "payment":
                method = self.label(proposal.method) or request.payment_method
                self.answer.ledger.text(method)
                total = Money(amount=order.total or 0, currency=order.currency or self.turn.currency) if order else None
                self.answer.ledger.money(total)
                price = self.turn.voice.money(total) if total else ""
                self._say("change.pay", order=request.order_id, price=price, method=method)
        if request.kind in ("address", "default_address", "payment"):
            return
        self._money(proposal.amount, proposal.currency, self.label(proposal.method))

    def done(self, made: OrderChange) -> None:
        """What was done, from the record of it."""
        order = made.order_id or ""
        self.answer.ledger.text(order)
        self.answer.order_id = made.order_id
        request = made.request
        if request.kind in ("address", "default_address"):
            self.answer.ledger.text(request.address.line)
            self._say(f"change.done_{request.kind}", order=order, address=request.address.line)
        else:
            self._say(f"change.done_{request.kind}", order=order)
        if made.amount is not None and made.currency is not None and request.kind != "payment":
            self._money(made.amount, made.currency, self._method_label(made.payment_method))

    def refused(self, refused: Refused, draft: Draft) -> None:
        """Why not."""
        days = self.turn.backend.rules.return_days
        self.answer.ledger.days.add(days)
        self.answer.ledger.text(draft.order_id)
        key = _REFUSED.get(refused.reason, "change.refused")
        facts = {"count": days} if key == "change.too_late" else {}
        self._say(key, order=draft.order_id, **facts)

    def _say(self, key: str, **facts: object) -> None:
        self.answer.say(self.turn.voice.say(key, **facts))

    def _money(self, amount: int | None, currency: str | None, method: str) -> None:
        if amount is None or currency is None:
            return self._say("change.unpriced")
        money = Money(amount=abs(amount), currency=currency)
        self.answer.ledger.money(money)
        if amount == 0:
            return self._say("change.even")
        key = "change.refund" if amount > 0 else "change.due"
        facts: dict[str, object] = {"price": self.turn.voice.money(money)}
        return self._say(key, method=method, **facts) if method else self._say(f"{key}_plain", **facts)

    def _method_label(self, method_id: str | None) -> str:
        customer = self.turn.backend.user(self.turn.principal, self.turn.user_id)
        return self.label(customer.method(method_id))

    def _listed(self, lines: Sequence[Affected]) -> str:
        spelled = [self._pieces(line.quantity, self._title(line.product_id, line.variant_id)) for line in lines]
        return self.turn.voice.joined(spelled, "and")

    def _swapped(self, lines: Sequence[Affected]) -> str:
        return self.turn.voice.joined(
            [
                self._pieces(line.quantity, self._title(line.product_id, line.variant_id))
                + " → "
                + self._title(line.product_id, line.to_variant_id)
                for line in lines
            ],
            "and",
        )

    def _pieces(self, quantity: int, title: str) -> str:
        return f"{quantity} × {title}"

    def _title(self, product_id: str, variant_id: str | None) -> str:
        product = self.product(product_id)
        if product is None:
            self.answer.ledger.text(product_id)
            return product_id
        self.answer.know(product)
        title = title_of(product, product.variant(variant_id) if variant_id else None)
        self.answer.ledger.text(title)
        return title
