"""Whether what a reply claims stands in the records, checked from the outside.

`bot.grounding` checks a reply before it leaves, with the records that the turn itself collected. This check shares nothing
with it: it reads the finished reply as a customer does, gathers what may be known from catalog, documents, orders, cart and
the shopper's own words, and compares every figure. Bare counts ("12 kettles") cannot be checked so and pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from bot.cards import Card, Citation
from bot.service import Assistant
from bot.shelf import availability_of
from finetune.dialogue.checks import spellings
from finetune.dialogue.scene import Scene, Seen
from index.money import minor_digits
from index.product import Money, Product
from storage.orders import orders_of

_FIGURE = re.compile(
    r"(?P<sign>[A-Z]{0,3}[$€£¥₩₹])?\s?(?P<number>\d+(?:[.,]\d+)*)\s?(?P<after>%|％|°|[A-Za-z²/]+|[\u3400-\u9fff]{1,2})?"
)
_CURRENCIES = ("usd", "eur", "gbp", "cny", "dollar", "euro", "元", "块", "美元", "美金", "欧元")
_UNITS = frozenset(
    "% ％ ° h hours hour days day minutes min months weeks years g kg mg ml l m cm mm km inches inch in w kw mah gb tb mb hz db "
    "lm v nm bar dpi spf stars working business 天 小时 分钟 个月 周 年 克 千克 毫升 升 米 厘米 毫米 英寸 瓦 毫安 流明 分贝 伏 巴 "
    "分 工作".split()
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NEAR = 3
"""So many hits of a sentence may be the product that it names."""


@dataclass
class Evidence:
    """What a reply may claim: amounts of money in minor units, and the words in which other figures stand."""

    digits: int
    amounts: set[int] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)

    def money(self, *known: Money | None) -> None:
        """Amounts of records."""
        self.amounts.update(each.amount for each in known if each is not None)

    def words(self, *texts: str) -> None:
        """Texts of records, or the shopper's own; what is money in them counts as money, too."""
        for text in texts:
            for match in _NUMBER.finditer(text):
                self.numbers.add(_normal(match[0]))
                if (amount := self._minor(match[0])) is not None:
                    self.amounts.add(amount)

    def product(self, product: Product) -> None:
        """All that a record says."""
        self.money(product.price, product.list_price, *(variant.price for variant in product.variants))
        values = [value for own in product.attributes.values() for value in own]
        values += [value for variant in product.variants for value in (variant.title, *variant.options.values())]
        self.words(product.title, product.description, product.mpn, product.gtin, product.id, *values)
        stocks = [product.stock, *(variant.stock for variant in product.variants)]
        self.words(*(str(stock) for stock in stocks if stock is not None))
        if product.rating is not None:
            self.words(
                f"{product.rating.value:.1f} {product.rating.value} {product.rating.count} {product.rating.count:,} 5"
            )
        if product.delivery is not None:
            self.money(product.delivery.price)
            self.words(f"{product.delivery.days_min} {product.delivery.days_max}")

    def unbacked(self, text: str) -> Iterator[str]:
        """The figures of a text that nothing here backs."""
        for match in _FIGURE.finditer(text):
            number, after = match["number"], (match["after"] or "").casefold()
            if match["sign"] or after.startswith(_CURRENCIES):
                if self._minor(number) not in self.amounts:
                    yield match[0].strip()
            elif ("." in number or after in _UNITS or (after[:1] > "z" and after[:1] in _UNITS)) and _normal(
                number
            ) not in self.numbers:
                yield match[0].strip()

    def _minor(self, number: str) -> int | None:
        try:
            return int(Decimal(number.replace(",", "")).scaleb(self.digits))
        except InvalidOperation:
            return None


def unbacked_claims(scene: Scene, seen: Seen) -> list[str]:
    """What the last turn of a scene claims without a record, in words."""
    assistant, reply = scene.assistant, seen.reply
    problems = [
        problem for card in reply.products for problem in _card_problems(card, seen.records.get(card.product_id))
    ]
    problems += [f"no record says “{each.quote}”" for each in reply.citations if not _is_quoted(assistant, each)]
    evidence = _evidence(scene, seen)
    said = [reply.text, *(reason.text for card in reply.products for reason in card.reasons)]
    figures = [figure for text in said for figure in evidence.unbacked(text)]
    if figures:
        for product in _unshown(scene, seen).values():
            evidence.product(product)
        figures = [figure for text in said for figure in evidence.unbacked(text)]
    return problems + [f"no record backs {figure!r}" for figure in figures]


def _evidence(scene: Scene, seen: Seen) -> Evidence:
    assistant = scene.assistant
    evidence = Evidence(minor_digits(assistant.settings.currency))
    shelf = assistant.parts.shelf
    products = {**scene.shown, **shelf.products(line.product_id for line in (*seen.after.lines, *seen.before.lines))}
    orders = [] if scene.principal.anonymous else orders_of(assistant.database, scene.principal, scene.principal.id)
    products |= shelf.products(item.product_id for order in orders for item in order.items)
    cited = [each.id for each in seen.reply.citations if each.kind == "product"]
    for product in (products | shelf.products(cited)).values():
        evidence.product(product)
    # What a card said earlier in this conversation may be told as what it was.
    evidence.money(*(card.price for each in scene.seen for card in each.reply.products))
    prices = [card.price.amount for card in seen.reply.products if card.price is not None]
    evidence.amounts |= {abs(one - other) for one in prices for other in prices}
    evidence.amounts.add(sum(prices))
    for cart in (seen.before, seen.after):
        evidence.money(cart.subtotal, *(line.price for line in cart.lines))
        evidence.amounts |= {line.price.amount * line.quantity for line in cart.lines if line.price is not None}
        evidence.words(cart.checkout_url, *(f"{line.quantity} {line.title}" for line in cart.lines))
    for order in orders:
        instants = [order.placed_at, order.tracking.expected_at if order.tracking else None]
        days = [datetime.fromtimestamp(at / 1000, tz=UTC) for at in instants if at is not None]
        evidence.words(order.order_id, *(f"{day.year} {day.month} {day.day}" for day in days))
        evidence.words(*filter(None, (order.tracking.carrier, order.tracking.number)) if order.tracking else ())
    evidence.words(*(each.message for each in scene.seen), *(citation.quote for citation in seen.reply.citations))
    return evidence


def _unshown(scene: Scene, seen: Seen) -> dict[str, Product]:
    """Products that a reply may speak of without a card: named by their whole title, or what there is of the goods asked for."""
    shelf, understander = scene.assistant.parts.shelf, scene.assistant.parts.understander
    sentences = [sentence for sentence in re.split(r"[.!?。！？\n]", seen.reply.text) if sentence.strip()]
    hits = [hit.product_id for sentence in sentences for hit in shelf.engine.search(sentence, limit=NEAR).hits]
    named = {key: product for key, product in shelf.products(hits).items() if product.title in seen.reply.text}
    queries = {query for each in scene.seen if (query := understander.read(each.message).query)}
    asked = [
        hit.product_id for query in queries for hit in shelf.engine.search(query, sort="price_asc", limit=NEAR).hits
    ]
    return named | shelf.products(asked)


def _card_problems(card: Card, record: Product | None) -> Iterator[str]:
    if record is None:
        yield f"there is no product {card.product_id}"
        return
    variant = record.variant(card.variant_id) if card.variant_id else None
    prices = (
        [record.price, *(each.price for each in record.variants)]
        if variant is None
        else [variant.price or record.price]
    )
    if card.price is not None and card.price not in prices:
        yield f"{card.title} does not cost {card.price}"
    if not card.title.startswith(record.title):
        yield f"{card.product_id} is not called {card.title!r}"
    if card.rating != record.rating:
        yield f"{card.title} is not rated {card.rating}"
    if card.availability != availability_of(record, variant):
        yield f"{card.title} is not {card.availability}"
    own = {value for values in record.attributes.values() for value in values}
    own |= {value for each in record.variants for value in each.options.values()}
    for name, values in card.attributes.items():
        if any(own.isdisjoint(spellings(value)) for value in values):
            yield f"{card.title} has no {name} {', '.join(values)}"


def _is_quoted(assistant: Assistant, citation: Citation) -> bool:
    quote = " ".join(citation.quote.split()).rstrip("… ")
    if citation.kind == "document":
        document = assistant.parts.shelf.snapshot.documents.get(citation.id)
        return document is not None and any(quote in " ".join(each.text.split()) for each in document.passages)
    if citation.kind == "product":
        record = assistant.parts.shelf.product(citation.id)
        values = [] if record is None else [value for own in record.attributes.values() for value in own]
        return record is not None and quote in " ".join(" ".join([record.title, record.description, *values]).split())
    return bool(quote)  # of reviews and dialogues the reply's own reader keeps the record


def _normal(number: str) -> str:
    plain = number.replace(",", "")
    return f"{Decimal(plain).normalize():f}" if plain.count(".") <= 1 else plain
