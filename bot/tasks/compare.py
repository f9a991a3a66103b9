"""Products side by side: a table of what their records say, and the differences that can be said in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.present import card_of, is_numbering
from bot.references import pair, resolve
from bot.reply.voice import Voice
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
    names = attributes_of([product for product, _ in sides])
    answer.show(
        [card_of(product, variant.id if variant else None, names) for product, variant in sides],
        products.values(),
        slate=False,
    )
    rows = side_by_side(turn, answer, sides)
    if rows:
        answer.say(turn.voice.say("compare.intro"), rows)
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
    """Attribute names worth a row: those in which the products differ first, then those they share.

    At least two fill them.
    """
    names = list(dict.fromkeys(name for product in products for name in product.attributes if not is_numbering(name)))
    filled = [name for name in names if sum(name in product.attributes for product in products) > 1]
    differ = [name for name in filled if len({product.attributes.get(name) for product in products}) > 1]
    return (differ + [name for name in filled if name not in differ])[:ROWS]


def table(sides: Sequence[Side], names: Sequence[str], voice: Voice) -> list[list[str]]:
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
    cells += [(voice.attribute(name), lambda side, name=name: _attribute(side, name, voice)) for name in names]  # type: ignore[misc]
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


def _attribute(side: Side, name: str, voice: Voice) -> str:
    product, variant = side
    if variant is not None:
        own = next((value for option, value in variant.options.items() if option.casefold() == name.casefold()), None)
        if own is not None:
            return voice.value(own)
    return _cell(", ".join(map(voice.value, product.attributes.get(name, ()))))


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
