"""Queries made from the catalog itself, for a shop that has no judged ones: what is told of a product finds the product.

Of each product one query is what somebody remembers of its title (words missing, in another order, with an attribute or the
brand), and one is a stretch of its description, which has to find the product by the rest of its text (inverse cloze task, Lee et
al. 2019).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from finetune.contrastive import Pair
from index.clean import is_cjk
from index.encoders import document_text
from index.product import Product

WEIGHT = 0.5
"""A made query counts half of one that a person judged."""

_FORGOTTEN = 0.3  # share of a title's words that a made query lacks
_MOVED = 0.3  # share of queries whose words come in another order
_TOLD = 0.4  # share of queries that name the brand or an attribute
_STRETCH = (4, 12)  # words of a description's stretch
_HAN = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_PIECE = re.compile(rf"[{_HAN}]{{1,2}}|[^\W{_HAN}](?:[^\W{_HAN}]|[-.'’/&](?=\w))*")


def catalog_pairs(products: Sequence[tuple[int, Product]], seed: int, epoch: int) -> list[Pair]:
    """The pairs of an epoch, one or two a product, the same for the same seed and epoch; `products` are (row, record)."""
    pairs = []
    for row, product in products:
        draw = random.Random(f"{seed}:{epoch}:{product.id}")
        if query := remembered(product, draw):
            pairs.append(Pair(query, row, WEIGHT))
        if stretch := told(product, draw):
            pairs.append(Pair(stretch, row, WEIGHT, rest_of_text(product)))
    return pairs


def rest_of_text(product: Product) -> str:
    """What is embedded of a product, without its description."""
    return document_text(product.model_copy(update={"description": ""}))


def remembered(product: Product, draw: random.Random) -> str:
    """What somebody remembers of a title: most of its words, maybe out of order, maybe with the brand or an attribute."""
    pieces = _PIECE.findall(product.title)
    kept = [piece for piece in pieces if draw.random() >= _FORGOTTEN] or pieces
    if draw.random() < _MOVED:
        draw.shuffle(kept)
    if draw.random() < _TOLD:
        values = [product.brand, *(value for values in product.attributes.values() for value in values)]
        if values := [value for value in values if value and value.casefold() not in product.title.casefold()]:
            kept.insert(draw.randint(0, len(kept)), draw.choice(values))
    return _joined(kept)


def told(product: Product, draw: random.Random) -> str:
    """A stretch of the description, empty where that says no more than the title."""
    pieces = _PIECE.findall(product.description)
    if len(pieces) < _STRETCH[0] or product.description.strip() == product.title.strip():
        return ""
    start = draw.randint(0, max(0, len(pieces) - _STRETCH[1]))
    return _joined(pieces[start : start + draw.randint(*_STRETCH)])


def _joined(pieces: Sequence[str]) -> str:
    """The pieces as a text: Chinese without spaces, all else with them."""
    text = ""
    for piece in pieces:
        apart = text and not (is_cjk(text[-1]) and is_cjk(piece[0]))
        text += f" {piece}" if apart else piece
    return text
