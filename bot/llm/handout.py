"""The records that a model is given in one turn, under short names: products `p1`, …, passages of the shop's pages `d1`, ….

A model speaks of a record by its name in braces, and the server writes what the record says:

    "{p1} suits a small kitchen, for {price:p1}."   →   "Pip travel kettle 0.5 L suits a small kitchen, for $19.00."

So a figure in a reply is a record's or it is the model's own invention, which `bot/llm/check.py` finds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.cards import Card
from bot.llm.words import lexicons
from bot.reply.voice import Voice
from index.documents import Passage
from index.product import Product

DESCRIPTION = 600
"""Characters of a description that a model is given."""
PLAIN_NUMBER = 6
"""From so many figures on an order's number is told from any other."""
_NAMED = re.compile(
    r"[{\[(]\s*(?:(?P<field>[a-z]+)\s*:\s*)?(?P<name>[pd]\d+)\s*[}\])]|(?<![\w:.-])(?P<bare>[pd]\d+)(?![\w:.-])",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")


@dataclass(frozen=True, slots=True)
class Filled:
    """A sentence with its records filled in; `own` is what is left of it without them: the model's own words.

    `products` and `passages` are the names of the records in it, in the order in which they come; `fields` what was filled in;
    `orders` the numbers of the customer's orders that it names.
    """

    text: str
    own: str
    fields: frozenset[str]
    products: tuple[str, ...]
    passages: tuple[str, ...]
    orders: tuple[str, ...] = ()


@dataclass
class Handout:
    """What one turn's model has been given. Cards carry the prices of now; names are dealt in the order of asking.

    Tools add to it in threads of their own while its sentences are judged; nothing is ever taken out.

    `mentioned` are titles that it has read without a name, in the customer's cart or orders; `orders` the numbers of the latter.
    """

    voice: Voice
    cards: dict[str, Card] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)
    passages: dict[str, Passage] = field(default_factory=dict)
    mentioned: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)

    def product(self, product: Product, card: Card) -> str:
        """The name of a product, the same for each time that it is handed out."""
        known = next((name for name, each in self.products.items() if each.id == product.id), None)
        name = known or f"p{len(self.products) + 1}"
        self.cards[name], self.products[name] = card, product  # in this order: a sentence may be judged meanwhile
        return name

    def passage(self, passage: Passage) -> str:
        """The name of a passage."""
        known = next((name for name, each in self.passages.items() if each == passage), None)
        name = known or f"d{len(self.passages) + 1}"
        self.passages[name] = passage
        return name

    def facts(self, name: str, whole: bool = False) -> dict[str, object]:
        """A product as a model reads it; with its description and all options where it is asked for as a `whole`."""
        card, product, voice = self.cards[name], self.products[name], self.voice
        found: dict[str, object] = {"name": name, "title": card.title}
        if card.brand:
            found["brand"] = card.brand
        if card.price is not None:
            found["price"] = voice.money(card.price)
        if card.rating is not None:
            found["rating"] = f"{voice.rating(card.rating.value)} ({card.rating.count})"
        found["availability"] = voice.availability(card.availability)
        attributes = product.attributes if whole else card.attributes
        found |= {key: ", ".join(values) for key, values in attributes.items() if key not in found}
        if whole:
            found["category"] = " > ".join(product.categories)
            found["description"] = quiet(product.description)[:DESCRIPTION]
        return found

    def words(self, name: str) -> str:
        """All that the record of a product says, case-folded: what may be said of it."""
        product, card = self.products[name], self.cards[name]
        values = [value for own in product.attributes.values() for value in own]
        values += [value for variant in product.variants for value in (variant.title, *variant.options.values())]
        texts = [product.title, card.title, product.brand, *product.categories, *product.attributes, *values]
        return "\n".join([*texts, quiet(product.description)]).casefold()

    def filled(self, sentence: str) -> Filled | None:
        """The sentence with records in the place of their names; None where it names one that was not handed out."""
        products: dict[str, None] = {}
        passages: dict[str, None] = {}
        fields: set[str] = set()
        strange = False

        def put(match: re.Match[str]) -> str:
            nonlocal strange
            kind, name = (match["field"] or "").lower(), (match["name"] or match["bare"]).lower()
            if name in self.products and kind in _FIELDS:
                products[name] = None
                fields.add(kind)
                said = _FIELDS[kind](self, name)
            elif name in self.passages and kind in ("", "quote"):
                passages[name] = None
                said = f"“{self.passages[name].text}”"
            else:
                said = ""
            strange = strange or not said
            return said

        text = _NAMED.sub(put, sentence)
        if strange or "{" in text or "}" in text:
            return None
        own = _NAMED.sub("\u2003", sentence)
        # A title that was written out names its product just as well.
        for name, product in tuple(self.products.items()):
            for title in {self.cards[name].title, product.title}:
                if title.casefold() in own.casefold():
                    products[name] = None
                    own = re.sub(re.escape(title), "\u2003", own, flags=re.IGNORECASE)
        orders = []
        for number in sorted(self.orders, key=len, reverse=True):
            bare = number.lstrip("#")
            # "20" may be any figure, "#20" and "A-20" are none.
            sign = "#" if bare.isdigit() and len(bare) < PLAIN_NUMBER else "#?"
            spelled = rf"{sign}(?<![\w-]){re.escape(bare)}(?![\w-])"
            if re.search(spelled, own):
                orders.append(number)
                own = re.sub(spelled, "\u2003", own)
        return Filled(text, own, frozenset(fields), tuple(products), tuple(passages), tuple(orders))


def quiet(text: str) -> str:
    """A record's text without the sentences that speak to a model instead of a customer, or carry an address."""
    kept = []
    for sentence in _SENTENCE.split(text):
        commands = any(lexicon.commands.search(sentence) for lexicon in lexicons().values())
        if not commands and "://" not in sentence and "<" not in sentence:
            kept.append(sentence)
    return " ".join(kept).strip()


def enclosed(records: object) -> str:
    """Records as JSON between marks that no record can write."""
    spelled = json.dumps(records, ensure_ascii=False)
    for sign in "<>&":
        spelled = spelled.replace(sign, f"\\u{ord(sign):04x}")
    return f"<records>{spelled}</records>"


def _price(handout: Handout, name: str) -> str:
    price = handout.cards[name].price
    return handout.voice.money(price) if price is not None else ""


def _rating(handout: Handout, name: str) -> str:
    rating = handout.cards[name].rating
    return handout.voice.rating(rating.value) if rating is not None else ""


def _delivery(handout: Handout, name: str) -> str:
    delivery = handout.products[name].delivery
    days = handout.voice.days(delivery.days_min, delivery.days_max) if delivery is not None else ""
    return handout.voice.word("field", "days", days=days) if days else ""


_FIELDS: Mapping[str, Callable[[Handout, str], str]] = {
    "": lambda handout, name: handout.cards[name].title,
    "title": lambda handout, name: handout.cards[name].title,
    "price": _price,
    "rating": _rating,
    "stock": lambda handout, name: handout.voice.availability(handout.cards[name].availability),
    "delivery": _delivery,
}
"""What a model may have written of a product; an empty text where the record does not say it."""
