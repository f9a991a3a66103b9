"""Products side by side: a table of what their records say, and the differences that can be said in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from bot.present import card_of, is_numbering
from bot.references import pair, resolve
from bot.reply.voice import Voice, attribute_key
from bot.shelf import availability_of, price_of
from bot.state import Pending
from bot.tasks.positions import off_list
from bot.turn import Answer, Turn
from index.product import Money, Product, Variant

COLUMNS = 4
ROWS = 10
CELL = 80

Side = tuple[Product, Variant | None]


def compare(turn: Turn, answer: Answer) -> None:
    """Sets two to four products against each other."""
    if turn.understanding.ordinals and resolve(turn, assume=False).off_list:
        return off_list(turn, answer)
    items = pair(turn)[:COLUMNS]
    products = turn.shelf.products(item.product_id for item in items)
    sides: list[Side] = []
    for item in items:
        product = products.get(item.product_id)
        if product is not None:
            sides.append((product, product.variant(item.variant_id) if item.variant_id else None))
    if len(sides) < 2:
        return answer.ask(turn.voice.say("compare.need_two"), Pending(kind="what", task="compare"))
    rows = attributes_of([product for product, _ in sides])
    answer.show(
        [card_of(product, variant.id if variant else None, _own(product, rows)) for product, variant in sides],
        products.values(),
        slate=False,
    )
    said = side_by_side(turn, answer, sides)
    if said:
        answer.say(turn.voice.say("compare.intro"), said)
    else:
        answer.say(turn.voice.say("compare.no_facts"))
    answer.say(*_differences(turn, answer, sides))
    return None


def side_by_side(turn: Turn, answer: Answer, sides: Sequence[Side]) -> str:
    """The table of what the records say, ready to be said; empty where they say nothing but titles."""
    rows = table(sides, attributes_of([product for product, _ in sides]), turn.voice)
    if len(rows) == 1:
        return ""
    answer.ledger.text(*(cell for row in rows for cell in row))
    return markdown(rows)


def attributes_of(products: Sequence[Product]) -> list[str]:
    """Attributes worth a row, by their keys: those in which the products differ first, then those they share.

    At least two fill them, each in its own language: a "battery life" stands beside a "续航时间".
    """
    filled = [
        {attribute_key(name): values for name, values in product.attributes.items() if not is_numbering(name)}
        for product in products
    ]
    shared = [key for key in dict.fromkeys(chain(*filled)) if sum(key in each for each in filled) > 1]
    differ = [key for key in shared if len({each.get(key) for each in filled}) > 1]
    return (differ + [key for key in shared if key not in differ])[:ROWS]


def _own(product: Product, keys: Sequence[str]) -> list[str]:
    """The names under which a product has these attributes, in their order."""
    names = {attribute_key(name): name for name in product.attributes}
    return [names[key] for key in keys if key in names]


def table(sides: Sequence[Side], keys: Sequence[str], voice: Voice) -> list[list[str]]:
    """Rows of the table, titles first; a row that no record fills is left out.

    `[["Product", "A", "B"], ["Price", "$10.00", "$12.00"], ["color", "red", "blue, white"]]`
    """
    rows = [[voice.field("title"), *(_cell(product.title) for product, _ in sides)]]
    cells: list[tuple[str, Callable[[Side], str]]] = [
        (voice.field("price"), lambda side: _money(price_of(*side), voice)),
        (voice.field("rating"), lambda side: voice.rating(side[0].rating.value) if side[0].rating else ""),
        (voice.field("brand"), lambda side: side[0].brand),
        (voice.field("delivery"), lambda side: _delivery(side[0], voice)),
    ]
    cells += [(_head(sides, key, voice), lambda side, key=key: _attribute(side, key, voice)) for key in keys]  # type: ignore[misc]
    for label, cell in cells:
        values = [cell(side) for side in sides]
        if any(values):
            rows.append([label, *(value or "–" for value in values)])
    if len(rows) > 1:
        rows.append([voice.field("availability"), *(voice.availability(availability_of(*side)) for side in sides)])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a Markdown table, a block of its own."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n\n" + "\n".join(lines) + "\n\n"


def _money(money: Money | None, voice: Voice) -> str:
    return voice.money(money) if money is not None else ""


def _delivery(product: Product, voice: Voice) -> str:
    if product.delivery is None:
        return ""
    days = voice.days(product.delivery.days_min, product.delivery.days_max)
    return voice.word("field", "days", days=days) if days else ""


def _attribute(side: Side, key: str, voice: Voice) -> str:
    product, variant = side
    if variant is not None:
        own = next((value for option, value in variant.options.items() if attribute_key(option) == key), None)
        if own is not None:
            return voice.value(own)
    return _cell(", ".join(voice.value(value) for name in _own(product, [key]) for value in product.attributes[name]))


def _head(sides: Sequence[Side], key: str, voice: Voice) -> str:
    """An attribute's name as a row begins, by a product's own in the talk's language: beside "Price" stands "Battery life"."""
    names = [name for product, _ in sides for name in _own(product, [key])]
    name = voice.attribute(next(filter(voice.at_home, names), names[0]))
    return name[:1].upper() + name[1:]


def _cell(text: str) -> str:
    """A text that a table can hold; a cut shows."""
    return text if len(text) <= CELL else f"{text[: CELL - 1].rstrip()}…"


def _differences(turn: Turn, answer: Answer, sides: Sequence[Side]) -> list[str]:
    """Two products: which is cheaper and by how much, which is rated higher."""
    if len(sides) != 2:
        return []
    said = []
    one, two = (price_of(*side) for side in sides)
    if one is not None and two is not None and one.currency == two.currency:
        apart = Money(amount=abs(one.amount - two.amount), currency=one.currency)
        answer.ledger.money(apart, one)
        if apart.amount:
            cheaper = sides[0 if one.amount < two.amount else 1][0]
            said.append(turn.voice.say("compare.cheaper", title=cheaper.title, price=turn.voice.money(apart)))
        else:
            said.append(turn.voice.say("compare.same_price", price=turn.voice.money(one)))
    first, second = sides[0][0].rating, sides[1][0].rating
    if first is not None and second is not None and abs(first.value - second.value) >= 0.1:
        better = sides[0 if first.value > second.value else 1][0]
        best = max(first.value, second.value)
        said.append(turn.voice.say("compare.better_rated", title=better.title, rating=turn.voice.rating(best)))
    return said
