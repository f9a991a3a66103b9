"""What is shown and said by the shopper's stage: a range, a table, or what may still hold back who is ready."""

from __future__ import annotations

from bot.cards import Citation
from bot.passages import best_passages, opening
from bot.shelf import Found, availability_of, telling_options
from bot.state import Topic
from bot.steering import WIDE, Course, steer
from bot.tasks.compare import side_by_side
from bot.turn import Answer, Turn
from index.product import Product
from retrieval.profile import traits

ONCE = 1
"""How often a conversation is told of returns, and offered help."""


def lay_out(turn: Turn, topic: Topic, found: Found) -> tuple[Course, Found]:
    """The course for what was found and its hits in that order; as it was found where an order was asked for.

    What a ready shopper is set on is laid out once: who has seen it here and goes on looking compares.
    """
    if topic.sort != "relevance" or topic.bound is not None:
        return WIDE, found
    products = turn.shelf.products(turn.position.chosen)
    chosen = frozenset(product.id for product in products.values()) - turn.state.seen
    return steer(
        turn.position, found, chosen, lambda product: traits(product, turn.profile.levels), not turn.by_relevance
    )


def compared(turn: Turn, answer: Answer, found: Found) -> None:
    """A table of the cards, and how to see the others."""
    products = [found.products[card.product_id] for card in answer.cards]
    sides = [
        (product, product.variant(card.variant_id) if card.variant_id else None)
        for product, card in zip(products, answer.cards, strict=True)
    ]
    if len(sides) > 1:
        answer.say(side_by_side(turn, answer, sides))
    others(turn, answer, found)


def known(turn: Turn, answer: Answer, found: Found) -> None:
    """Of what the shopper is set on: whether it is there, in which options, when it comes, how it goes back."""
    product = found.products[answer.cards[0].product_id]
    voice = turn.voice
    answer.say(voice.say("stage.known", title=product.title))
    # Not how many are left: that would press.
    answer.say(voice.say("stage.there", availability=voice.availability(availability_of(product))))
    for name in telling_options(product) if product.variants else ():
        values = _there(product, name)
        answer.say(
            voice.say("stage.options", attribute=voice.attribute(name), value=voice.joined(map(voice.value, values)))
        )
    delivery = product.delivery
    days = voice.days(delivery.days_min, delivery.days_max) if delivery is not None else ""
    if days:
        answer.say(voice.say("stage.delivery", days=days))
    _returns(turn, answer)
    others(turn, answer, found)


def others(turn: Turn, answer: Answer, found: Found) -> None:
    """That there is more, where there is: it is shown to who asks for it."""
    left = found.total - len(answer.cards)
    if left > 0:
        answer.say(turn.voice.say("stage.others", count=left))


def offer_help(turn: Turn, answer: Answer) -> None:
    """Once, to who took something out of the cart or left it there: what can be looked up about it."""
    if turn.state.said.get("stage.help", 0) >= ONCE or not turn.position.wavers:
        return
    product = next(iter(turn.shelf.products(turn.position.chosen[-1:]).values()), None)
    if product is None:
        return
    answer.know(product)
    answer.say(turn.voice.say("stage.help", title=product.title))


def _there(product: Product, option: str) -> list[str]:
    """The values of an option that can be bought now."""
    able = [variant for variant in product.variants if availability_of(product, variant).orderable]
    return list(dict.fromkeys(variant.options[option] for variant in able if option in variant.options))


def _returns(turn: Turn, answer: Answer) -> None:
    """The first sentence of the shop's own page on returns."""
    question = turn.voice.language.tables["language"]["returns"]
    if turn.state.said.get("stage.returns", 0) >= ONCE:
        return
    found = best_passages(turn.shelf, question, turn.language)
    if not found:
        return
    passage = found[0]
    quote = opening(passage.text)
    answer.ledger.text(passage.text, quote, passage.title)
    answer.citations.append(Citation(kind="document", id=passage.document_id, title=passage.title, quote=quote))
    answer.say(turn.voice.say("stage.returns", quote=quote, title=passage.title))
