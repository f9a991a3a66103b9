"""From a row with our field names, however dirty, to a validated `Product`.

A row without a usable id or title raises `UnusableRowError`; any other field that cannot be read is null and counted.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from index.clean import clean_text, fold
from index.money import parse_money
from index.product import Availability, Delivery, Money, Product, Rating, Variant
from storage.record import to_ms

_NOTHING: Final = frozenset(
    {"", "-", "--", "n/a", "na", "nan", "none", "null", "nil", "undefined", "无", "暂无", "未知"}
)
LONGEST_ID, _LONGEST_TITLE, _LONGEST_NAME, _LONGEST_VALUE, _MOST_VALUES = 200, 2_000, 100, 500, 300
# No control characters and no half characters (lone surrogates): neither can be sent.
_IN_LINK: Final = r"[^\s\x00-\x1f\x7f\ud800-\udfff]"
_LINK: Final = re.compile(rf"(?:https?://|/){_IN_LINK}+|(?!\w+:)[\w.%~-]+(?:/{_IN_LINK}*)?", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*", re.IGNORECASE)
# Without the blanks around: a pattern that also takes those needs hours for a cell of a thousand blanks.
_PATH: Final = re.compile(r"[>›»|]")
_NEXT_PAIR: Final = re.compile(r"[;|]")
_IS: Final = re.compile(r"[:=]")

# Compared without case, blanks, "_" and the schema.org prefix.
_AVAILABILITY: Final[dict[str, Availability]] = {
    **dict.fromkeys(
        "instock limitedstock limitedavailability lowstock available onlineonly yes true 1 有货 现货 在售".split(),
        Availability.IN_STOCK,
    ),
    **dict.fromkeys("backorder backordered madetoorder onorder 缺货可订".split(), Availability.BACKORDER),
    **dict.fromkeys("preorder presale comingsoon 预售 预订".split(), Availability.PREORDER),
    **dict.fromkeys(
        "outofstock soldout unavailable notavailable reserved no false 0 缺货 无货 售罄 已售完".split(),
        Availability.OUT_OF_STOCK,
    ),
    **dict.fromkeys("discontinued endoflife 停产 下架 已下架".split(), Availability.DISCONTINUED),
}


class UnusableRowError(ValueError):
    """The row has no usable id or title; the message is the reason."""


@dataclass(slots=True)
class Notes:
    """What was odd in a catalog without costing a row: bad optional values by field, and columns that nothing reads.

    `rows` are those that were read, good and bad: several may make one product.
    """

    bad: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)
    rows: int = 0


def to_product(row: dict[str, Any], currency: str, notes: Notes) -> Product:
    """Validates one row whose keys are `Product`'s field names.

    `{"id": 7, "title": "<b>Kettle</b>", "price": "$12.99", "attributes": {"cordless": True}}` becomes
    `Product(id="7", title="Kettle", price=Money(1299, "USD"), attributes={"cordless": ("yes",)})`.

    Args:
        row: the row; values may be of any JSON type.
        currency: of prices that name none.
        notes: collects the optional fields that could not be read.

    Raises:
        UnusableRowError: there is no usable id or title.
    """
    return _Row(row, currency, notes).product()


@dataclass(frozen=True, slots=True)
class _Row:
    raw: dict[str, Any]
    currency: str
    notes: Notes

    def product(self) -> Product:
        id_ = identifier(self.raw.get("id"))
        if not id_:
            raise UnusableRowError("id is missing")
        if len(id_) > LONGEST_ID:
            raise UnusableRowError(f"id is longer than {LONGEST_ID} characters")
        title = clean_title(self.raw.get("title"))
        if not title:
            raise UnusableRowError("title is missing")
        stock = self.field("stock", _count)
        price: Money | None = self.field("price", self.money)
        availability = self.availability(self.raw, stock)
        variants = self.variants(price, availability)
        if variants:
            price = price or lowest_price(variants, self.currency)
            availability = availability or best_availability(variants)
        return Product(
            id=id_,
            title=title,
            description=self.field("description", _description) or "",
            brand=self.field("brand", _short) or "",
            categories=self.field("categories", categories) or (),
            price=price,
            list_price=self.field("list_price", self.money),
            availability=availability or Availability.IN_STOCK,
            stock=stock,
            attributes=self.attributes(self.raw.get("attributes"), "attributes"),
            variants=variants,
            gtin=self.field("gtin", _code) or "",
            mpn=self.field("mpn", _code) or "",
            rating=self.field("rating", _rating),
            delivery=self.field("delivery", self.delivery),
            published_at=self.field("published_at", _instant),
            image_url=self.field("image_url", _link) or "",
            url=self.field("url", _link) or "",
            language=self.field("language", _language) or "",
        )

    def field(self, name: str, read: Callable[[Any], Any], row: dict[str, Any] | None = None, label: str = "") -> Any:
        """The value that `read` makes of a field; None where there is none, or it is bad, which is counted."""
        value = (self.raw if row is None else row).get(name)
        if nothing(value):
            return None
        result = read(value)
        if result is None:
            self.notes.bad[label or name] += 1
        return result

    def money(self, value: Any) -> Money | None:
        return parse_money(value, self.currency)

    def availability(self, row: dict[str, Any], stock: int | None, label: str = "") -> Availability | None:
        stated: Availability | None = self.field("availability", _availability, row, label)
        # A count of zero is newer knowledge than a word in most feeds, and a sold-out product must not be offered.
        if stock == 0 and stated in (None, Availability.IN_STOCK):
            return Availability.OUT_OF_STOCK
        return stated

    def attributes(self, value: Any, label: str) -> dict[str, tuple[str, ...]]:
        """{name: value or list} or [{"name": …, "value": …}], also as JSON or "name: value; name: value" text."""
        found: dict[str, tuple[str, ...]] = {}
        if nothing(value):
            return found
        pairs = pairs_of(value)
        if pairs is None:
            self.notes.bad[label] += 1
            return found
        for name, raw in pairs:
            key = clean_text(str(name), _LONGEST_NAME)
            if not key or nothing(raw):
                continue
            values = _values(raw)
            if values is None or len(found) >= _MOST_VALUES:
                self.notes.bad[label] += 1
            elif values:
                found[key] = values
        return found

    def variants(self, price: Money | None, availability: Availability | None) -> tuple[Variant, ...]:
        value = _decoded(self.raw.get("variants"))
        if nothing(value):
            return ()
        if not isinstance(value, list):
            self.notes.bad["variants"] += 1
            return ()
        found: dict[str, Variant] = {}
        for row in value:
            id_ = identifier(row.get("id")) if isinstance(row, dict) else ""
            if not id_ or len(id_) > LONGEST_ID or id_ in found:
                self.notes.bad["variants"] += 1
                if id_ not in found:
                    continue
            stock = self.field("stock", _count, row, "variants.stock")
            options = self.attributes(row.get("options"), "variants.options")
            found[id_] = Variant(
                id=id_,
                title=clean_text(_text(row.get("title")) or "", _LONGEST_TITLE),
                price=self.field("price", self.money, row, "variants.price") or price,
                availability=self.availability(row, stock, "variants.availability")
                or availability
                or Availability.IN_STOCK,
                stock=stock,
                options={name: ", ".join(values) for name, values in options.items()},
            )
        return tuple(found.values())

    def delivery(self, value: Any) -> Delivery | None:
        value = _decoded(value)
        if not isinstance(value, dict):
            return None
        low, high = _count(value.get("days_min")), _count(value.get("days_max"))
        if low is not None and high is not None and low > high:
            return None
        price = None if nothing(value.get("price")) else self.money(value["price"])
        return Delivery(days_min=low, days_max=high, price=price) if (low, high, price) != (None,) * 3 else None


def identifier(value: Any) -> str:
    """An id as text: 7 and 7.0 are "7"; empty where there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return clean_text(value, LONGEST_ID + 1) if isinstance(value, str) else ""


def clean_title(value: Any) -> str:
    """A title as plain text; empty where there is none, or only a word for nothing."""
    title = clean_text(_text(value) or "", _LONGEST_TITLE)
    return "" if fold(title) in _NOTHING else title


def categories(value: Any) -> tuple[str, ...] | None:
    """A category path, root first, from a list, "A > B" or [{"name": "A"}]; of several paths the first."""
    value = _decoded(value)
    if isinstance(value, str):
        parts: list[Any] = list(_PATH.split(value))
    elif isinstance(value, list | tuple):
        parts = list(value)
    elif isinstance(value, dict):
        parts = [value]
    else:
        return None
    if parts and isinstance(parts[0], list | tuple):
        parts = list(parts[0])
    names = [part.get("name") or part.get("value") if isinstance(part, dict) else part for part in parts]
    if any(isinstance(name, bool) or not isinstance(name, str | int) for name in names if not nothing(name)):
        return None
    if len(names) == 1:
        names = list(_PATH.split(str(names[0])))
    cleaned = (clean_text(str(name), _LONGEST_NAME) for name in names if not nothing(name))
    return tuple(dict.fromkeys(name for name in cleaned if name))


def nothing(value: Any) -> bool:
    """Whether a value says nothing: null, blank, "N/A", an empty list, NaN."""
    if value is None or value == [] or value == {} or value == ():
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return isinstance(value, str) and len(value) <= 12 and value.strip().casefold() in _NOTHING


def _decoded(value: Any) -> Any:
    """JSON inside a text cell ('["Shoes", "Trail"]') as what it says; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _text(value: Any) -> str | None:
    """Text of a text or number; None of anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        if not math.isfinite(value):
            return None
    except (OverflowError, ValueError):  # a whole number of hundreds of digits, a signaling NaN
        return None
    return str(int(value)) if value == int(value) else str(value)


def _short(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("name")
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    text = _text(value)
    return None if text is None else clean_text(text, _LONGEST_NAME)


def _code(value: Any) -> str | None:
    if isinstance(value, list):
        value = value[0]
    text = _text(value)
    return None if text is None or len(text) > _LONGEST_NAME else clean_text(text)


def _description(value: Any) -> str | None:
    if isinstance(value, dict):  # ACP: {"plain", "html", "markdown"}
        value = value.get("plain") or value.get("html") or value.get("markdown")
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = " ".join(value)
    text = _text(value)
    return None if text is None else clean_text(text)


def _count(value: Any) -> int | None:
    try:
        number = Decimal(str(value).replace(",", "").strip())
    except ArithmeticError:
        return None
    # The range comes first: writing out "1e2000000" as a whole number takes minutes.
    if isinstance(value, bool) or not number.is_finite() or not 0 <= number < 2**31 or number != int(number):
        return None
    return int(number)


def _availability(value: Any) -> Availability | None:
    if isinstance(value, dict):  # ACP: {"available": true, "status": "in_stock"}
        value = value["status"] if value.get("status") else value.get("available")
    text = re.sub(r"[\s_-]", "", fold(str(value))).rsplit("/", 1)[-1]
    return _AVAILABILITY.get(text)


def _rating(value: Any) -> Rating | None:
    value = _decoded(value)
    number, count = (value.get("value"), value.get("count")) if isinstance(value, dict) else (value, 0)
    try:
        stars = float(str(number))
    except ValueError:
        return None
    reviews = 0 if nothing(count) else _count(count)
    if isinstance(number, bool) or not 0 <= stars <= 5 or reviews is None:  # also refuses nan
        return None
    return Rating(value=stars, count=reviews)


def _instant(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(to_ms(value) / 1000, UTC)
    except ValueError:
        return None


def _link(value: Any) -> str | None:
    """A web address or a path; "javascript:", "data:" and the like are refused, because a window will show it."""
    if isinstance(value, list | tuple):
        value = value[0]
    if isinstance(value, dict):
        value = value.get("url")
    text = value.strip() if isinstance(value, str) else ""
    return text if len(text) <= 2_000 and _LINK.fullmatch(text) else None


def _language(value: Any) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    return text.replace("_", "-") if _LANGUAGE.fullmatch(text) else None


def pairs_of(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """(name, value) of attributes in any shape: an object, [{"name", "value"}], pairs, or "name: value; name: value" text.

    None where it is none of these.
    """
    value = _decoded(value)
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list | tuple):
        named = [item for item in value if isinstance(item, dict) and "name" in item and "value" in item]
        pairs = [item for item in value if isinstance(item, list | tuple) and len(item) == 2]  # Parquet maps
        if len(named) == len(value):
            return [(item["name"], item["value"]) for item in named]
        return [(item[0], item[1]) for item in pairs] if len(pairs) == len(value) else None
    if isinstance(value, str):
        parts = [_IS.split(part, maxsplit=1) for part in _NEXT_PAIR.split(value) if part.strip()]
        found = [(part[0].strip(), part[1].strip()) for part in parts if len(part) == 2]
        return found if found and len(found) == len(parts) and all(map(all, found)) else None
    return None


def _values(value: Any) -> tuple[str, ...] | None:
    """One value or a list of them as texts; None for what is nested deeper."""
    texts = []
    for item in value if isinstance(value, list | tuple) else (value,):
        if nothing(item):
            continue
        text = ("yes" if item else "no") if isinstance(item, bool) else _text(item)
        if text is None:
            return None
        if cleaned := clean_text(text, _LONGEST_VALUE):
            texts.append(cleaned)
    return tuple(dict.fromkeys(texts))


def lowest_price(variants: tuple[Variant, ...], currency: str) -> Money | None:
    """The "from" price of a product that states none: of what can be ordered, else of all.

    In `currency` where any of these prices is, else in that of the first.
    """
    orderable = [variant for variant in variants if variant.availability.orderable] or list(variants)
    prices = [variant.price for variant in orderable if variant.price is not None]
    own = [price for price in prices if price.currency == currency]
    own = own or [price for price in prices if price.currency == prices[0].currency]
    return min(own, key=lambda price: price.amount, default=None)


def best_availability(variants: tuple[Variant, ...]) -> Availability:
    """That of the variant which is most available."""
    order = list(Availability)
    return min((variant.availability for variant in variants), key=order.index)
