"""The one question that narrows a long list: by the property that splits what was found best and was not said."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from bot.present import is_numbering
from bot.shelf import Found
from bot.state import Pending, Topic
from bot.turn import Answer, Turn
from index.product import Product
from retrieval.understanding.text import has_han


def narrow(turn: Turn, answer: Answer, topic: Topic, found: Found) -> None:
    """Asks once a topic, beside what is shown, where a property splits the matches well and was not said."""
    split = splitting([found.products[each.hit.product_id] for each in found.hits], topic)
    if split is None:
        return
    field, options = split
    answer.topic = topic.model_copy(update={"narrowed": True})
    answer.ledger.text(*options)
    question = turn.voice.say("search.ask_facet", options=turn.voice.joined(map(turn.voice.value, options), "or"))
    answer.say(question)
    answer.pending = Pending(kind="facet", field=field, options=tuple(options))


def splitting(products: Sequence[Product], topic: Topic) -> tuple[str, list[str]] | None:
    """The property that splits the matches best: two to four values that cover four fifths, none above two thirds.

    Returns its field as `Filters` spells it ("categories", or an attribute's name) and the values, the most
    frequent first.
    """
    columns: dict[str, list[str]] = {}
    if not topic.filters.categories:
        columns["categories"] = [product.categories[-1] for product in products if product.categories]
    known = {name.casefold() for name in topic.filters.attributes}
    for product in products:
        for name, own in product.attributes.items():
            if len(own) == 1 and not is_numbering(name) and name.casefold() not in known:
                columns.setdefault(name, []).append(own[0])
    best: tuple[float, str, list[str]] | None = None
    said = f"{topic.query} {topic.detail}".casefold()
    for field, values in columns.items():
        counts = Counter(values)
        top = counts.most_common(4)
        covered = sum(count for _, count in top)
        fits = 2 <= len(counts) <= 8 and 5 * covered >= 4 * len(products) and 3 * top[0][1] <= 2 * len(products)
        if (
            not fits
            or any(value.casefold() in said for value, _ in top)
            or any(char.isdigit() for value, _ in top for char in value)
            or len({has_han(value) for value, _ in top}) > 1
        ):
            continue
        entropy = -sum(count / covered * math.log(count / covered) for _, count in top)
        if best is None or entropy > best[0]:
            best = (entropy, field, [value for value, _ in top])
    return (best[1], best[2]) if best is not None else None
