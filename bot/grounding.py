"""The check that a reply passes before it leaves: what no record backs is removed and counted (rule 1 of the design).

A `Ledger` holds the records that a turn read. Every sentence is compared with it: an amount of money, a percentage, a
number of days or a model number that stands in no record takes its sentence out of the reply. Quotes count as
records, for they are copied from one. The check knows nothing of templates, so a wrong template, or a language model,
is caught alike.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.cards import Card, CartView
from bot.reply.voice import languages
from bot.shelf import Found
from index.filters import Filters
from index.money import format_money, parse_money
from index.product import Money, Product
from retrieval.reasons import problem_of

_LOGGER = logging.getLogger(__name__)
_SIGN = r"(?:[A-Z]{1,3}\$|CN¥|JP¥|[$€£¥₩₹₽₫฿₺₪₱₦])"
_CODE = r"(?:USD|EUR|GBP|CNY|JPY|CAD|AUD|CHF|INR|KRW|HKD|TWD|SGD|BRL|MXN|PLN|SEK|NOK|DKK|CZK)"
_NUMBER = r"\d+(?:[.,'’\u00a0\u202f]\d+)*"
_MONEY = re.compile(
    rf"{_SIGN}\s?{_NUMBER}|\b{_CODE}\s?{_NUMBER}|{_NUMBER}\s?(?:{_SIGN}|{_CODE}\b|元|块钱?|美元|欧元|英镑|dollars?\b|euros?\b)"
)
_SHARE = re.compile(r"\d+(?:\.\d+)?\s?[%％]")
_DAYS = re.compile(
    r"\b\d+(?:\s?[–-]\s?\d+)?\s(?:business |working )?days?\b|\d+(?:\s?[–-]\s?\d+)?\s?(?:个工作日|天)", re.IGNORECASE
)
_MODEL = re.compile(r"(?<![\w.-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?![\w-])", re.ASCII)
_DIGITS = re.compile(r"\d+")
_LONG_MODEL = 5


@dataclass
class Ledger:
    """The records behind one reply. `amounts` are (minor units, currency); `texts` are verbatim words of records."""

    currency: str
    amounts: set[tuple[int, str]] = field(default_factory=set)
    days: set[int] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    removed: int = 0

    def money(self, *known: Money | None) -> None:
        """Amounts from a record, or computed from records."""
        self.amounts.update((money.amount, money.currency) for money in known if money is not None)

    def text(self, *words: str) -> None:
        """Words from a record, or the customer's own."""
        self.texts.extend(word for word in words if word)

    def product(self, product: Product) -> None:
        """All of a product's record."""
        self.money(product.price, product.list_price, *(variant.price for variant in product.variants))
        self.text(product.title, product.brand, product.mpn, product.gtin, product.id)
        self.text(*(value for values in product.attributes.values() for value in values))
        self.text(*(value for variant in product.variants for value in (variant.title, *variant.options.values())))
        if product.delivery is not None:
            self.money(product.delivery.price)
            self.days.update(day for day in (product.delivery.days_min, product.delivery.days_max) if day is not None)

    def filters(self, filters: Filters) -> None:
        """The customer's own conditions, which a reply may repeat."""
        if filters.price is not None:
            bounds = (filters.price.min, filters.price.max)
            self.amounts.update((bound, filters.price.currency) for bound in bounds if bound is not None)
        self.text(*filters.brand, *filters.categories, *filters.exclude.brand, *filters.exclude.categories)
        for values in (*filters.attributes.values(), *filters.exclude.attributes.values()):
            self.text(*values)

    def cart(self, cart: CartView) -> None:
        """A cart as it is shown, line totals included."""
        self.money(cart.subtotal)
        self.text(cart.checkout_url, *(line.title for line in cart.lines))
        for line in cart.lines:
            self.money(line.price)

    def backs(self, sentence: str) -> bool:
        """Whether every figure and model number of a sentence stands in a record."""
        words = "\n".join(self.texts)
        rest = _without_quotes(sentence, words)
        for match in _MONEY.finditer(rest):
            if match[0] not in words and not self._knows_money(match[0].strip()):
                return False
        if any(match[0] not in words for match in _SHARE.finditer(rest)):
            return False
        for match in _DAYS.finditer(rest):
            if match[0] not in words and not {int(number) for number in _DIGITS.findall(match[0])} <= self.days:
                return False
        low = words.casefold()
        return all(
            len(match[0]) < _LONG_MODEL or match[0].casefold() in low
            for match in _MODEL.finditer(_MONEY.sub(" ", rest))
        )

    def checked(self, parts: Iterable[str]) -> list[str]:
        """The parts that records back; the others are counted in `removed`."""
        kept = []
        for part in parts:
            if self.backs(part):
                kept.append(part)
            else:
                self.removed += 1
        return kept

    def cards(self, cards: Iterable[Card], products: dict[str, Product]) -> list[Card]:
        """The cards whose product exists and whose price is the record's; the others are counted in `removed`."""
        kept = []
        for card in cards:
            product = products.get(card.product_id)
            prices = [] if product is None else [product.price, *(variant.price for variant in product.variants)]
            if product is not None and (card.price is None or card.price in prices):
                kept.append(card)
            else:
                self.removed += 1
        return kept

    def reasons(self, cards: Iterable[Card], found: Found | None) -> list[Card]:
        """The cards with those of their reasons that have evidence; the others are counted in `removed`.

        `found` is the search whose reasons the cards' are, in the same order; what it does not hold has no evidence.
        """
        ranked = {} if found is None else {each.hit.product_id: each for each in found.hits}
        checked = []
        for card in cards:
            known = ranked.get(card.product_id)
            kept = []
            for place, said in enumerate(card.reasons):
                reason = known.reasons[place] if known is not None and place < len(known.reasons) else None
                if reason is None or found is None or known is None or said.evidence != reason.evidence:
                    problem: str | None = "no_evidence"
                else:
                    problem = problem_of(reason, found.products[card.product_id], known.hit, found.grounds)
                if problem is None:
                    kept.append(said)
                else:
                    self.removed += 1
                    _LOGGER.warning("A reason for %s is not spoken: %s.", card.product_id, problem)
            checked.append(card if len(kept) == len(card.reasons) else card.model_copy(update={"reasons": tuple(kept)}))
        return checked

    def _knows_money(self, text: str) -> bool:
        if any(
            text == format_money(Money(amount=amount, currency=code), language)
            for amount, code in self.amounts
            for language in languages()
        ):
            return True
        money = parse_money(text, self.currency)
        return money is not None and (money.amount, money.currency) in self.amounts


def _without_quotes(sentence: str, words: str) -> str:
    """The sentence without the passages that are verbatim in a record."""
    for quote in re.findall(r"“([^”]{8,})”", sentence):
        if quote.rstrip("… ") in words:
            sentence = sentence.replace(quote, "")
    for text in sorted(words.split("\n"), key=len, reverse=True):
        # Not a bare "100": that would back any price with these digits.
        if len(text) >= 3 and any(char.isalpha() for char in text) and text in sentence:
            sentence = sentence.replace(text, " ")
    return sentence
