"""Plays journeys: sets the scene, says the turns of one wording, judges each reply, and puts the shop back as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import delete

from bot.present import card_of
from bot.service import Assistant
from bot.shelf import availability_of
from bot.turn import SLATE
from finetune.dialogue.checks import failures, fits, violations, wrong_writes
from finetune.dialogue.claims import unbacked_claims
from finetune.dialogue.journeys import Journey, JourneyTurn, Place, Placed, language_of_wording
from finetune.dialogue.scene import Known, Scene, Seen, Speak, repeats
from index.filters import Filters
from index.product import Product, Variant
from storage.errors import InvalidInput
from storage.offers import Offer, Price, put_offers
from storage.orders import Order, OrderItem, Tracking, put_orders
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.tables import order_changes

SHOP = Principal("shop", Role.SERVICE)
DAY_MS = 86_400_000
MOST = 100
"""So many products of a category are looked at."""
POSITIONS = {
    "en": ("first", "second", "third", "fourth", "fifth", "sixth"),
    "zh": ("第一个", "第二个", "第三个", "第四个", "第五个", "第六个"),
}
IN_TRANSIT = 2
"""Days from now on which a parcel on its way is expected."""


Change = Callable[[JourneyTurn], None]


@dataclass
class Outcome:
    """One wording of a journey: what failed, and what was counted; `passed` needs every expectation to hold."""

    name: str
    group: str
    wording: str
    failures: list[str] = field(default_factory=list)
    violated: int = 0
    unbacked: int = 0
    wrong_writes: int = 0
    needless: int = 0
    repeats: int = 0
    turns: int = 0
    ms: list[float] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)
    skipped: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    @property
    def language(self) -> str:
        """`"en"`, `"zh"` or `"mixed"`."""
        return language_of_wording(self.wording)


def play(assistant: Assistant, speak: Speak, journey: Journey, wording: str, shopper: str) -> Outcome:
    """One wording of a journey with a shopper of their own; offers that it changes are put back.

    Raises:
        InvalidInput: the catalog has no product for an order that the journey needs.
    """
    outcome = Outcome(journey.name, journey.group, wording)
    principal = Principal(shopper, Role.CUSTOMER, anonymous=journey.anonymous)
    scene = Scene(assistant, speak, principal)
    kept = dict(_ordered_before(assistant, journey.order, shopper))
    bought = frozenset(known.record.id for known in kept.values())
    with _as_offered(assistant, kept) as change:
        for number, turn in enumerate(journey.turn, 1):
            change(turn)
            shown = frozenset(scene.shown)
            seen = scene.say(pointed(turn.wordings[wording], kept, wording))
            complete = keep(kept, turn, seen)
            broken = violations(turn, seen)
            unbacked = unbacked_claims(scene, seen)
            known = shown | frozenset(seen.records) | bought | _named_in(assistant, seen)
            written = wrong_writes(seen, known)
            others = failures(turn, seen, kept, shown, language_of_wording(wording), possible(assistant, turn))
            outcome.failures += [f"turn {number}: {each}" for each in (*others, *broken, *unbacked, *written)]
            outcome.violated += len(broken)
            outcome.unbacked += len(unbacked)
            outcome.wrong_writes += len(written)
            outcome.needless += needless(seen, scene.seen[:-1])
            outcome.ms.append(seen.ms)
            if not complete:
                # The catalog has no such card to go on with: no fault of the assistant, and no success either.
                outcome.skipped = outcome.passed
                break
    outcome.turns, outcome.repeats, outcome.transcript = len(scene.seen), repeats(scene.seen), scene.transcript
    return outcome


def possible(assistant: Assistant, turn: JourneyTurn) -> int:
    """How many products there are that a turn may show: no reply can show more, whatever its floor."""
    if not turn.kinds:
        return SLATE
    shelf = assistant.parts.shelf
    found = [shelf.find("", Filters(categories=(kind,)), limit=MOST).products.values() for kind in turn.kinds]
    return sum(fits(turn, record) for records in found for record in records)


def keep(kept: dict[str, Known], turn: JourneyTurn, seen: Seen) -> bool:
    """Names the cards that later turns speak of; False where none of the cards is of the kind that is looked for."""
    cards = [
        Known(card, seen.records[card.product_id], place)
        for place, card in enumerate(seen.reply.products, 1)
        if card.product_id in seen.records
    ]
    complete = True
    for name, rule in turn.keep.items():
        known = next((each for each in cards if each.place == rule or _is(rule, each.record)), None)
        if known is not None:
            kept[name] = known
        elif isinstance(rule, str):
            complete = False
    return complete


def _is(rule: Place, record: Product) -> bool:
    orderable = [variant for variant in record.variants if availability_of(record, variant).orderable]
    if rule == "plain":
        return not record.variants and availability_of(record).orderable
    return rule == "options" and len(orderable) > 1


def pointed(text: str, kept: dict[str, Known], wording: str) -> str:
    """What is said, with `{name}` as the position of that card: "third", "第三个"."""
    words = POSITIONS["en" if language_of_wording(wording) == "en" else "zh"]
    for name, known in kept.items():
        text = text.replace(f"{{{name}}}", words[known.place - 1])
    return text


def needless(seen: Seen, before: Sequence[Seen]) -> bool:
    """Whether the turn asks for what is a condition already, or for what all the cards have alike."""
    pending = seen.pending
    if pending is None or pending.kind not in ("facet", "budget"):
        return False
    if pending.kind == "budget":
        return bool(before) and "price" in before[-1].conditions
    values = {values for record in seen.products if (values := record.attributes.get(pending.field))}
    alike = len(seen.products) > 1 and len(values) == 1 and pending.field != "categories"
    return pending.field in seen.conditions or alike


def _named_in(assistant: Assistant, seen: Seen) -> frozenset[str]:
    """Products whose title the shopper spelled out."""
    hits = assistant.parts.shelf.find(seen.message, Filters(), limit=3)
    words = seen.message.casefold()
    return frozenset(each.id for each in hits.products.values() if each.title.casefold() in words)


def _ordered_before(assistant: Assistant, placed: Iterable[Placed], shopper: str) -> Iterator[tuple[str, Known]]:
    """Writes the orders of a journey, and names what was bought."""
    for each in placed:
        record = _product_of(assistant, each.kinds)
        owner = f"{shopper}-neighbour" if each.foreign else shopper
        at = now_ms()
        order = Order(
            order_id=each.id,
            user_id=owner,
            status=each.status,
            placed_at=at - each.days_ago * DAY_MS,
            currency=assistant.settings.currency,
            items=(
                OrderItem(
                    product_id=record.id, quantity=each.quantity, price=record.price.amount if record.price else None
                ),
            ),
            tracking=Tracking(carrier=each.carrier, number=each.tracking, expected_at=at + IN_TRANSIT * DAY_MS)
            if each.tracking
            else None,
        )
        with assistant.database.write() as connection:  # another wording may have changed the order of that number
            connection.execute(delete(order_changes).where(order_changes.c.order_id == each.id))
        put_orders(assistant.database, SHOP, [order])
        if not each.foreign:
            yield each.name, Known(card_of(record), record)


def _product_of(assistant: Assistant, kinds: Sequence[str]) -> Product:
    """The first product of these categories that can be ordered without a choice."""
    shelf = assistant.parts.shelf
    for kind in kinds:
        found = shelf.find("", Filters(categories=(kind,)), limit=50)
        for product in sorted(found.products.values(), key=lambda product: product.id):
            if not product.variants and availability_of(product).orderable and (product.stock or 0) > 1:
                return product
    raise InvalidInput(
        f"The catalog has nothing of {' or '.join(kinds)} that a journey's order could be of.", "Use the demo shop."
    )


@contextmanager
def _as_offered(assistant: Assistant, kept: dict[str, Known]) -> Iterator[Change]:
    """Yields what makes a turn's changes of price and stock; afterwards everything is offered as before."""
    changed: dict[str, Product] = {}

    def change(turn: JourneyTurn) -> None:
        for name in turn.sold_out:
            if name in kept:
                record = kept[name].record
                changed.setdefault(record.id, record)
                _offer(assistant, record, availability="out_of_stock", stock=0)
        for name, factor in turn.repriced.items():
            if name in kept and (price := kept[name].record.price) is not None:
                record = kept[name].record
                changed.setdefault(record.id, record)
                _offer(assistant, record, price=Price(amount=round(price.amount * factor), currency=price.currency))
                now = assistant.product_record(record.id)
                kept[name] = Known(card_of(now, kept[name].card.variant_id), now, kept[name].place)

    try:
        yield change
    finally:
        for record in changed.values():
            _offer_as_recorded(assistant, record)


def _offer(assistant: Assistant, record: Product, **news: object) -> None:
    ids: list[str | None] = [None, *(variant.id for variant in record.variants)]
    offers = [Offer.model_validate({"product_id": record.id, "variant_id": each, **news}) for each in ids]
    put_offers(assistant.database, SHOP, offers)


def _offer_as_recorded(assistant: Assistant, record: Product) -> None:
    offers = [_offer_of(record.id, None, record)]
    offers += [_offer_of(record.id, variant.id, variant) for variant in record.variants]
    put_offers(assistant.database, SHOP, offers)


def _offer_of(product_id: str, variant_id: str | None, sold: Product | Variant) -> Offer:
    price = Price(amount=sold.price.amount, currency=sold.price.currency) if sold.price is not None else None
    return Offer(
        product_id=product_id,
        variant_id=variant_id,
        price=price,
        availability=sold.availability.value if sold.availability is not None else None,
        stock=sold.stock,
    )
