"""What a turn of a journey had to be, against what it was: one line for each expectation that does not hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from bot.cards import Card
from bot.present import card_of
from bot.reply.values import spoken_value
from bot.reply.voice import WHOLE
from bot.shelf import availability_of
from finetune.dialogue.journeys import JourneyTurn
from finetune.dialogue.scene import Known, Seen, pieces_of
from index.attributes import canonical
from index.clean import fold
from index.money import minor_digits
from index.product import Product
from retrieval.search import PRIOR_COUNT, PRIOR_RATING
from retrieval.understanding.lexicon import COLORS, MATERIALS

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
Kept = Mapping[str, Known]


def violations(turn: JourneyTurn, seen: Seen) -> list[str]:
    """Cards that break a condition which the shopper has stated."""
    return [
        problem
        for card, record in zip(seen.reply.products, seen.products, strict=False)
        for problem in _broken(turn, card, record)
    ]


def fits(turn: JourneyTurn, record: Product) -> bool:
    """Whether a product can be ordered and meets the conditions of a turn."""
    card = card_of(record)
    variants = [variant for variant in record.variants if availability_of(record, variant).orderable]
    cards = [card_of(record, variant.id) for variant in variants] if record.variants else [card]
    return availability_of(record).orderable and any(not list(_broken(turn, card, record)) for card in cards)


def failures(
    turn: JourneyTurn, seen: Seen, kept: Kept, shown: frozenset[str], language: str, possible: int
) -> list[str]:
    """The expectations that do not hold, without `violations`.

    `shown` are the products of earlier turns; `possible` is how many products the catalog has that fit, which no floor exceeds.
    """
    return [
        *_card_failures(turn, seen, kept, shown, min(turn.cards[0], possible)),
        *_text_failures(turn, seen, kept),
        *_cart_failures(turn, seen, kept),
        *_language_failures(turn, seen, language),
    ]


def _language_failures(turn: JourneyTurn, seen: Seen, language: str) -> Iterator[str]:
    if turn.language is None and language != "mixed" and seen.reply.language != language:
        yield f"answers in {seen.reply.language!r}"


def _card_failures(turn: JourneyTurn, seen: Seen, kept: Kept, shown: frozenset[str], low: int) -> Iterator[str]:
    cards, records = seen.reply.products, seen.products
    ids = [card.product_id for card in cards]
    high = turn.cards[1]
    if not low <= len(cards) <= high:
        yield f"shows {len(cards)} cards instead of {low} to {high}"
    leaves = [record.categories[-1] if record.categories else "" for record in records]
    if turn.kinds:
        yield from _kind_failures(turn, cards, leaves, low)
    if len(set(leaves)) < turn.spread:
        yield f"shows {len(set(leaves))} kinds of goods instead of {turn.spread}"
    amounts = [card.price.amount for card in cards if card.price is not None]
    digits = minor_digits(cards[0].price.currency) if amounts and cards[0].price is not None else 2
    if turn.total_max is not None and sum(amounts) > turn.total_max * 10**digits:
        yield f"costs {sum(amounts) / 10**digits:.2f} together"
    if turn.available and any(not card.availability.orderable for card in cards):
        yield "shows what cannot be ordered"
    if turn.order and not _ordered(turn.order, cards):
        yield f"is not in the order {turn.order}"
    for name, sign in ((turn.cheaper_than, 1), (turn.dearer_than, -1)):
        other = kept[name].card.price if name is not None and name in kept else None
        if name is not None and (other is None or any(sign * (other.amount - amount) <= 0 for amount in amounts)):
            yield f"is not {'cheaper' if sign > 0 else 'dearer'} than {name}"
    if turn.shows and sorted(ids) != sorted(_ids(turn.shows, kept)):
        yield f"does not show {', '.join(turn.shows)} alone"
    if missing := [name for name in turn.includes if _id(name, kept) not in ids]:
        yield f"does not show {missing[0]}"
    if found := [name for name in turn.hides if _id(name, kept) in ids]:
        yield f"shows {found[0]}"
    if turn.fresh and (again := shown & set(ids)):
        yield f"shows {len(again)} cards again"
    if (most := max((place for place in turn.keep.values() if isinstance(place, int)), default=0)) > len(cards):
        yield f"has no card {most} to go on with"


def _kind_failures(turn: JourneyTurn, cards: Sequence[Card], leaves: Sequence[str], low: int) -> Iterator[str]:
    meant = [leaf in turn.kinds for leaf in leaves]
    if sum(meant) < low:
        yield f"shows {sum(meant)} of {turn.kinds[0]!r} instead of {low}"
    if leaves and not any(meant):
        yield f"shows {leaves[0]!r} instead of {turn.kinds[0]!r}"
        return
    able = [(leaf, fits) for leaf, fits, card in zip(leaves, meant, cards, strict=False) if card.availability.orderable]
    strange = next((place for place, (_, fits) in enumerate(able) if not fits), len(able))
    if any(fits for _, fits in able[strange:]) or (turn.order and strange < len(able)):
        yield f"shows {able[strange][0]!r} before {turn.kinds[0]!r}"


def _text_failures(turn: JourneyTurn, seen: Seen, kept: Kept) -> Iterator[str]:
    reply = seen.reply
    if turn.actions and reply.action not in turn.actions:
        yield f"is an {reply.action!r} instead of {' or '.join(turn.actions)}"
    text = fold(reply.text)
    numbers = {each.replace(",", "") for each in _NUMBER.findall(reply.text)}
    for said in turn.says:
        if not any(fold(each) in text for each in said.split("|")):
            yield f"does not say {said!r}"
    for unsaid in turn.says_not:
        if any(fold(each) in text for each in unsaid.split("|")):
            yield f"says {unsaid!r}"
    for name, facts in turn.tells.items():
        known = kept.get(name)
        for fact in facts:
            told = known is not None and (
                any(fold(each) in text for each in _told(fact, known))
                or (fact == "price" and not numbers.isdisjoint(_amounts(known.card)))
            )
            if not told:
                yield f"does not tell the {fact} of {name}"
    kinds = {citation.kind for citation in reply.citations}
    if turn.cites == "none" and kinds:
        yield f"cites a {min(kinds)}"
    elif turn.cites not in (None, "none") and turn.cites not in kinds:
        yield f"cites no {turn.cites}"
    if turn.cites_page is not None and not any(
        each.id.startswith(tuple(turn.cites_page.split("|"))) for each in reply.citations
    ):
        yield f"does not cite the page {turn.cites_page!r}"
    if turn.table and "| ---" not in reply.text and "|---" not in reply.text:
        yield "has no table"


def _cart_failures(turn: JourneyTurn, seen: Seen, kept: Kept) -> Iterator[str]:
    before, after = pieces_of(seen.before), pieces_of(seen.after)
    if turn.cart is None:
        if after != before:
            yield "changes the cart, which nobody asked for"
    else:
        wanted = {_id(name, kept): count for name, count in turn.cart.items()}
        if after != wanted:
            yield f"leaves {sum(after.values())} pieces in the cart instead of {', '.join(turn.cart) or 'none'}"
    if turn.link and (not seen.after.checkout_url or seen.after.checkout_url not in seen.reply.text):
        yield "hands over no checkout link"


def wrong_writes(seen: Seen, known: frozenset[str]) -> list[str]:
    """Whether what is reported of the cart is what happened, and what happened may have been meant.

    `known` are the products that were shown or named in this conversation, or bought before.
    """
    before, after = pieces_of(seen.before), pieces_of(seen.after)
    more = {key for key in after if after[key] > before.get(key, 0)}
    fewer = {key for key in before if before[key] > after.get(key, 0)}
    problems = []
    if "added" in seen.written and not more:
        problems.append("says that something was added, and nothing was")
    if seen.written & {"removed", "emptied"} and not fewer:
        problems.append("says that something was removed, and nothing was")
    if more and not seen.written & {"added", "changed"}:
        problems.append("adds without saying so")
    if fewer and not seen.written & {"removed", "changed", "emptied"}:
        problems.append("removes without saying so")
    if strange := more - known:
        problems.append(f"adds {min(strange)}, which was neither shown nor named")
    if seen.reply.cart is not None and pieces_of(seen.reply.cart) != after:
        problems.append("shows another cart than the stored one")
    return problems


def is_of(record: Product, variant_id: str | None, name: str, values: Sequence[str], whole: bool = False) -> bool:
    """Whether a product is of one of these values of an attribute, `|` between the names that it may have.

    A variant that was picked decides where it has that option; of a product without one a choice that can be had is enough,
    or, with `whole`, each of its choices has to be of these values.
    """
    names = {canonical(each) for each in name.split("|")}
    wanted = {fold(value) for value in values}
    variant = record.variant(variant_id) if variant_id else None
    chosen = [variant] if variant is not None else list(record.variants)
    options = [{fold(value) for own, value in each.options.items() if canonical(own) in names} for each in chosen]
    if options and any(options):
        matches = [bool(option & wanted) for option in options]
        return all(matches) if whole else any(matches)
    own = {fold(value) for key, found in record.attributes.items() if canonical(key) in names for value in found}
    if own:
        return own <= wanted if whole else bool(own & wanted)
    return not whole and any(value in fold(record.title) for value in wanted)


def _broken(turn: JourneyTurn, card: Card, record: Product) -> Iterator[str]:
    amount = card.price.amount / 10 ** minor_digits(card.price.currency) if card.price is not None else None
    if turn.price_max is not None and (amount is None or amount > turn.price_max):
        yield f"{card.title} costs {amount}, above {turn.price_max:g}"
    if turn.price_min is not None and (amount is None or amount < turn.price_min):
        yield f"{card.title} costs {amount}, below {turn.price_min:g}"
    if turn.rating_min is not None and (card.rating is None or card.rating.value < turn.rating_min):
        yield f"{card.title} is not rated {turn.rating_min:g}"
    for name, values in turn.has.items():
        if not is_of(record, card.variant_id, name, values):
            yield f"{card.title} is not {' or '.join(values)}"
    for name, values in turn.lacks.items():
        if is_of(record, card.variant_id, name, values, whole=True):
            yield f"{card.title} is {' or '.join(values)}"
    for name, least in turn.at_least.items():
        measured = _measure(record, name)
        if measured is None or measured < least:
            yield f"{card.title} has {measured} of {name}, not {least:g}"


def _measure(record: Product, name: str) -> float | None:
    """The largest number of an attribute, `|` between its names; of options the largest that can be chosen."""
    names = {canonical(each) for each in name.split("|")}
    values = [value for key, found in record.attributes.items() if canonical(key) in names for value in found]
    values += [value for each in record.variants for key, value in each.options.items() if canonical(key) in names]
    numbers = [float(match[0].replace(",", "")) for value in values for match in _NUMBER.finditer(value)]
    return max(numbers, default=None)


def _amounts(card: Card) -> set[str]:
    """The price of a card as a number, with what stands behind its point and, where that is nothing, without."""
    if card.price is None:
        return set()
    digits = minor_digits(card.price.currency)
    whole, rest = divmod(card.price.amount, 10**digits)
    return {f"{whole}.{rest:0{digits}d}" if digits else str(whole), *([str(whole)] if not rest else [])}


def _told(fact: str, known: Known) -> list[str]:
    """The ways in which a fact of a product may stand in a text; none where its record does not have it."""
    card = known.card
    if fact == "rating":
        return [] if card.rating is None else [f"{card.rating.value:g}"]
    if fact == "title":
        return [card.title]
    if fact == "delivery":
        delivery = known.record.delivery
        days = () if delivery is None else tuple(dict.fromkeys((delivery.days_min, delivery.days_max)))
        return [mark.join(map(str, days)) for mark in ("–", "-", " to ", "到", "至")] if days else []
    names = {canonical(each) for each in fact.split("|")}
    own = [value for name, values in known.record.attributes.items() if canonical(name) in names for value in values]
    return [spelled for value in own for spelled in spellings(value)]


def spellings(value: str) -> list[str]:
    """A value of a record as it may be said: as it stands, or a color, a material or a measure in the words of another language."""
    meanings = [each for each in (*COLORS, *MATERIALS) if fold(value) in each.words]
    measures = [spoken_value(value, language) for language in WHOLE]
    return list(dict.fromkeys((value, *measures, *(word for each in meanings for word in each.words))))


def _ordered(order: str, cards: Sequence[Card]) -> bool:
    if order == "rating_desc":
        keys = [-_rated(card) for card in cards if card.availability.orderable]
    else:
        sign = 1 if order == "price_asc" else -1
        keys = [sign * card.price.amount for card in cards if card.price is not None and card.availability.orderable]
    return all(one <= other for one, other in pairwise(keys))


def _rated(card: Card) -> float:
    """A rating of few counts little, as everywhere in the search: the mean is drawn to a prior."""
    value, count = (card.rating.value, card.rating.count) if card.rating is not None else (0.0, 0)
    return (value * count + PRIOR_RATING * PRIOR_COUNT) / (count + PRIOR_COUNT)


def _id(name: str, kept: Kept) -> str:
    return kept[name].record.id if name in kept else f"no {name}"


def _ids(names: Sequence[str], kept: Kept) -> list[str]:
    return [_id(name, kept) for name in names]
