"""Cards and reasons, worded for the turn's language from what search and ranking found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from bot.cards import BeliefView, Card, CardReason
from bot.reply.voice import Voice
from bot.shelf import Found, availability_of, price_of, telling_options, title_of
from index.filters import Filters, PriceRange
from index.product import Product, Variant
from retrieval.links import LinkKind
from retrieval.profile import Belief
from retrieval.ranking import Reason

SHOWN_ATTRIBUTES = 4
_NUMBERING = re.compile(
    r".*\b(?:sku|asin|upc|ean|gtin|mpn|isbn|barcode|qr ?code|id|url|image|thumbnail|stock|rating|price|quantity)\b.*"
)


def card_of(
    product: Product,
    variant_id: str | None = None,
    attributes: Iterable[str] = (),
    reasons: Iterable[CardReason] = (),
) -> Card:
    """The card of a product at today's price; `attributes` names those to show, in their order, behind the options.

    The title of a variant's card has its options, "Trail shoe (blue, 42)".
    """
    variant = product.variant(variant_id) if variant_id else None
    price = price_of(product, variant)
    list_price = product.list_price
    reduced = (
        list_price is not None
        and price is not None
        and list_price.currency == price.currency
        and list_price.amount > price.amount
    )
    return Card(
        product_id=product.id,
        variant_id=variant.id if variant else None,
        title=title_of(product, variant),
        brand=product.brand,
        price=price,
        list_price=list_price if reduced else None,
        rating=product.rating,
        image_url=product.image_url,
        url=product.url,
        availability=availability_of(product, variant),
        attributes=_shown(product, variant, attributes),
        reasons=tuple(reasons),
    )


def slate_of(found: Found, filters: Filters, voice: Voice, limit: int, asked: Iterable[str] = ()) -> list[Card]:
    """The first `limit` hits as cards, with the attributes that mattered.

    Asked for, filtered by, or telling them apart.
    """
    hits = found.hits[:limit]
    shown = [found.products[each.hit.product_id] for each in hits]
    # Attributes have names in the language of their product, so those of each language are told apart among themselves.
    languages = dict.fromkeys(product.language for product in shown)
    names = [*asked, *filters.attributes]
    for language in languages:
        names += telling([product for product in shown if product.language == language])
    cards = []
    for ranked in hits:
        product = found.products[ranked.hit.product_id]
        reasons = [reason_of(reason, voice, product, ranked.hit.variant_id) for reason in ranked.reasons]
        cards.append(card_of(product, ranked.hit.variant_id, names, reasons))
    return cards


def is_numbering(name: str) -> bool:
    """Whether an attribute numbers a product or repeats a field of its record, and so tells a customer nothing."""
    return bool(_NUMBERING.fullmatch(name.casefold().replace("_", " ")))


def telling(products: Sequence[Product]) -> list[str]:
    """Names of attributes that at least half of the products fill and in which they differ, the best filled first."""
    filled: dict[str, set[tuple[str, ...]]] = {}
    counts: dict[str, int] = {}
    for product in products:
        for name, values in product.attributes.items():
            if is_numbering(name):
                continue
            filled.setdefault(name, set()).add(values)
            counts[name] = counts.get(name, 0) + 1
    apart = [
        name for name in filled if 2 * counts[name] >= len(products) and (len(filled[name]) > 1 or len(products) == 1)
    ]
    return sorted(apart, key=lambda name: -counts[name])


def facts_of(product: Product, variant: Variant | None) -> dict[str, tuple[str, ...]]:
    """The options first, then the other attributes: the variant's own, or of no variant all that can be chosen."""
    own = {name.casefold(): (name, values) for name, values in product.attributes.items()}
    options: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name in telling_options(product):
        choice = [variant] if variant else product.variants
        values = tuple(dict.fromkeys(each.options[name] for each in choice if name in each.options))
        spelled, listed = own.get(name.casefold(), (name, ()))
        options[name.casefold()] = (spelled, values or listed)
    return dict((options | {key: fact for key, fact in own.items() if key not in options}).values())


def _shown(product: Product, variant: Variant | None, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    own = {name.casefold(): (name, values) for name, values in facts_of(product, variant).items()}
    shown: dict[str, tuple[str, ...]] = {}
    for name in (*telling_options(product), *names):
        if name.casefold() in own and len(shown) < SHOWN_ATTRIBUTES:
            spelled, values = own[name.casefold()]
            shown[spelled] = values
    return shown


def reason_of(reason: Reason, voice: Voice, product: Product, variant_id: str | None) -> CardReason:
    """A reason as a sentence; its evidence names events or constraints."""
    facts = dict(reason.facts)
    return CardReason(text=_reason_text(reason.kind, facts, voice, product, variant_id), evidence=reason.evidence)


def _reason_text(kind: str, facts: Mapping[str, object], voice: Voice, product: Product, variant_id: str | None) -> str:
    if kind == "constraint":
        phrase = _constraint(facts, voice)
        price = price_of(product, product.variant(variant_id) if variant_id else None)
        if facts["field"] == "price" and price is not None:
            return voice.say("reason.constraint_price", constraint=phrase, price=voice.money(price))
        if facts["field"] == "exclude":
            return voice.say("reason.excluded", value=phrase)
        return voice.say("reason.constraint", constraint=phrase)
    if kind == "rating":
        return voice.say("reason.rating", rating=voice.rating(float(str(facts["value"]))), count=facts["count"])
    if kind in get_args(LinkKind):
        return voice.say(f"reason.{kind}", said=facts["said"], term=facts["term"])
    if kind in ("popular", "new"):
        return voice.say(f"reason.{kind}")
    period = voice.period(int(str(facts["days"])))
    named = {name: value for name, value in facts.items() if name in ("category", "brand", "value", "items")}
    if kind == "liked_attribute":
        named |= {"name": voice.attribute(str(facts["name"])), "value": voice.value(str(facts["value"]))}
    if kind == "price_band":
        named["band"] = voice.language.label("band", str(facts["band"]))
    return voice.say(f"reason.{kind}", period=period, count=facts["items"], **named)


def _constraint(facts: Mapping[str, object], voice: Voice) -> str:
    """The condition that a reason says is met, in the words in which conditions are repeated."""
    field, value = facts["field"], str(facts.get("value", ""))
    if field == "price":
        price = PriceRange.model_validate({name: facts[name] for name in ("min", "max", "currency")})
        return voice.constraints(Filters(price=price))["price"]
    if field == "attribute":
        name = str(facts["name"])
        return voice.constraints(Filters(attributes={name: (value,)}))[name]
    table = voice.language.tables["constraint"]
    if field == "availability":
        return voice.language.label("availability", value)
    if isinstance(excluded := facts.get("values"), tuple):  # words of both languages for the same
        return voice.own(excluded)[0]
    key = "rating_min" if field == "rating_min" else "brand"
    return str(table[key]).format(value=facts.get("min", value))


def belief_of(belief: Belief, voice: Voice) -> BeliefView:
    """A belief as a sentence with what it rests on: "Likes Acme: 3 views this week"."""
    facts = belief.facts
    counted = [
        voice.word("count", name, count=int(facts[name]))
        for name in ("views", "carts", "purchases")
        if int(facts.get(name, 0)) > 0
    ]
    named: dict[str, object] = {belief.kind: belief.value}
    if belief.kind == "attribute":
        named = {"name": voice.attribute(str(facts["name"])), "value": voice.value(str(facts["value"]))}
    if belief.kind == "price_band":
        named = {"band": voice.language.label("band", belief.value)}
    text = voice.say(
        f"belief.{belief.kind}", events=voice.joined(counted), period=voice.period(int(facts["days"])), **named
    )
    return BeliefView(
        kind=belief.kind, value=belief.value, text=text, weight=round(belief.weight, 4), evidence=belief.evidence
    )
