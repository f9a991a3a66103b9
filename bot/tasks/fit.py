"""Whether what was found is what was asked for: words that no page says, goods left out by conditions, names not sold.

A search always finds something near; the reply has to say where that is not it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace

from bot.references import words_of
from bot.shelf import Found
from bot.state import Topic
from bot.turn import SLATE, Answer, Turn
from index.graph.terms import language_of, term_of
from index.product import Product
from retrieval.ranking import RankedHit
from retrieval.search import Hit
from retrieval.understanding.text import has_han

SHORTEST_CODE = 5
CHECKED_WORDS = 2
HAN_NAME = 6
"""A Chinese query of so many characters at most is a bare name."""
_LATIN = re.compile(r"[a-z]+")
_COMPARATIVE = re.compile(r"[a-z]+er|more|less|better|best|[a-z]+est|good|nice|cool|similar|other|different|else")


def other_goods(turn: Turn, topic: Topic, found: Found, plain: Callable[[], Found]) -> bool:
    """Whether conditions left only other goods than are asked for: of "tents under $50" camping stoves.

    Told where the query names a category, in the catalog's own words or in others that the graph knows ("雨衣", of rain jackets),
    and none of the first hits is of those that are found without conditions, which `plain` looks for.
    """
    if topic.filters.empty or not topic.query:
        return False
    named = turn.understander.kinds.named_in(topic.query.casefold())
    first = {name for name in leaves(found, SLATE) if name}
    if named.sure:
        return first.isdisjoint(named.categories) and first.isdisjoint(leaves(plain(), SLATE))
    if any(_called_so(each) for each in found.hits[:SLATE]):
        return False
    plainly = plain()
    called = [_called_so(each) for each in plainly.hits[:SLATE]]
    meant = {name for name, so in zip(leaves(plainly, SLATE), called, strict=True) if so}
    return bool(meant) and first.isdisjoint(meant)


def _called_so(ranked: RankedHit[Hit]) -> bool:
    """Whether a hit is of the goods that the query names."""
    return bool(ranked.hit.sources.get("kind"))


def leaves(found: Found, count: int) -> list[str]:
    """The own categories of the first hits."""
    products = (found.products[each.hit.product_id] for each in found.hits[:count])
    return [product.categories[-1] if product.categories else "" for product in products]


def named_nowhere(turn: Turn, topic: Topic, answer: Answer, found: Found) -> bool:
    """Whether a bare name stands on none of the pages shown, nor any other word for it: "surfboard", of whiteboards."""
    bare = topic.query.isascii() and len(topic.query.split()) == 1 and len(topic.query) > 3 and topic.query.isalpha()
    if not (bare or (len(topic.query) <= HAN_NAME and has_han(topic.query) and not re.search(r"[a-z]", topic.query))):
        return False
    if topic.detail or turn.shelf.names(topic.query):
        return False
    shown = {card.product_id for card in answer.cards}
    hits = [each for each in found.hits if each.hit.product_id in shown]
    if any(each.hit.links for each in hits):
        return False
    texts = [_page(found.products[each.hit.product_id]).casefold() for each in hits]
    if not bare:
        pairs = {topic.query[at : at + 2] for at in range(max(1, len(topic.query) - 1))}
        return not any(pair in text for pair in pairs for text in texts)
    stem = term_of(topic.query)
    return not any(word == stem or word.startswith(stem[:-1]) for text in texts for word in _LATIN.findall(text))


def saying(turn: Turn, topic: Topic, found: Found, categories: Collection[str] = ()) -> tuple[Found, str]:
    """Only the products whose page says what the turn added, and those of its words that no page says.

    `categories` are those that the query names: what "with a laptop sleeve" finds beside backpacks is no backpack.
    """
    words = checked_news(topic)
    if not words:
        return found, ""
    kin = tuple(
        each for each, leaf in zip(found.hits, leaves(found, len(found.hits)), strict=True) if leaf in categories
    )
    if kin and len(kin) < len(found.hits):
        told, unsaid = _told(turn, words, replace(found, hits=kin, total=len(kin)))
        # Where none of them says it, another kind may be called so: "for kids", of sneakers, are "Kids' Sneakers".
        wider = _told(turn, words, found) if unsaid else (told, unsaid)
        return wider if not wider[1] else (told, unsaid)
    return _told(turn, words, found)


def _told(turn: Turn, words: str, found: Found) -> tuple[Found, str]:
    """Those of the products whose page says the words, and the words that none says."""
    pages = {each.hit.product_id: found.products[each.hit.product_id] for each in found.hits}
    parts = words.split() if words.isascii() else [words]
    graph = turn.shelf.snapshot.graph
    others = {
        part: [part, *(each.term for each in graph.meant_by(term_of(part), language_of(part)) if each.sense == "same")]
        for part in parts
    }

    def says(page: Product, part: str) -> bool:
        return any(_says(page, words) for words in others[part])

    there = [part for part in parts if not words_of(part) or any(says(page, part) for page in pages.values())]
    unsaid = " ".join(part for part in parts if part not in there)
    saying = tuple(each for each in found.hits if all(says(pages[each.hit.product_id], part) for part in there))
    if not saying:
        return found, words
    return (replace(found, hits=saying, total=len(saying)) if len(saying) < len(found.hits) else found), unsaid


def news(topic: Topic) -> str:
    """What of the words that a turn added is not in the query or the conditions already: "rain jackets for women" adds "women"."""
    values = [value for own in topic.filters.attributes.values() for value in own]
    known = " ".join([topic.query, *topic.filters.categories, *values]).casefold()
    if not topic.detail.isascii():
        return topic.detail if topic.detail not in known else ""
    stems = {term_of(word) for word in _LATIN.findall(known)}
    told = [word for word in topic.detail.split() if term_of(word) not in stems]
    if len(told) == len(topic.detail.split()):
        return topic.detail
    return " ".join(word for word in told if words_of(word))


def checked_news(topic: Topic) -> str:
    """The same where it is a word or two that a page either says or not, else nothing."""
    words = news(topic)
    return words if words and _checkable(words) else ""


def _checkable(detail: str) -> bool:
    """Whether what a turn added is a word or two that a page either says or not; "bigger" and whole sentences are not."""
    words = words_of(detail)
    return 0 < len(words) <= CHECKED_WORDS and not any(_COMPARATIVE.fullmatch(word) for word in words)


def _says(product: Product, detail: str) -> bool:
    said = set(words_of(_page(product)))
    return all(
        any(each == word or (len(word) > 3 and each.startswith(word)) for each in said) for word in words_of(detail)
    )


def _page(product: Product) -> str:
    """All that a product's page says, as one text."""
    values = [value for own in product.attributes.values() for value in own]
    values += [value for variant in product.variants for value in variant.options.values()]
    return " ".join([product.title, product.brand, product.description, *product.categories, *values])


def exact(topic: Topic, found: Found) -> Found:
    """Only the products whose model number or id the query spells, where there are such: nobody who names one wants others."""
    words = set(topic.query.casefold().split())
    hits = tuple(
        each
        for each in found.hits
        if words
        & {code.casefold() for code in _codes(found.products[each.hit.product_id]) if len(code) >= SHORTEST_CODE}
    )
    return replace(found, hits=hits, total=len(hits)) if hits else found


def _codes(product: Product) -> tuple[str, ...]:
    return (product.mpn, product.gtin, product.id)
