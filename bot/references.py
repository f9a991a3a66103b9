"""Which products a turn speaks of: "the second one", "it", "the blue one", "the cheapest", or a name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.shelf import availability_of, price_of
from bot.state import Item
from bot.turn import Turn
from index.attributes import canonical, parts_of
from index.clean import fold
from index.filters import Filters
from index.product import Product
from retrieval.understanding.lexicon import ASKED

_WORD = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*|[\u3400-\u9fff]")
_SPLIT = re.compile(r"\b(?:vs\.?|versus|and|or|with|to|against|than)\b|[,，、;；]|和|跟|与|还是|同", re.IGNORECASE)
_NOISE = frozenset(
    "a an the of for in on at is are was its it this that these those one ones two three four five six seven eight nine ten and or "
    "with to from do does did can could would will you what which who how much many long when where why about please there any i "
    "me my we us want need have has had get got put add cart basket bag order buy take give remove delete drop compare between "
    "difference better out tell know say said go let lets just also more last take takes weigh cost costs come comes".split()
) | frozenset("的了吗呢把个款件我要加入购物车买删掉去这那和跟对比哪更好区别有是多少怎么能会不几来给您你它")
_MODEL = re.compile(
    r"\b[A-Z][\w-]+ [A-Za-z]{0,3}\d{2,}\w*\b|\b(?=[A-Za-z-]*[A-Z])(?=[\w-]*\d)[A-Za-z][\w-]{4,}\b", re.ASCII
)
MOST_TOGETHER = 4
"""So many products "them" may mean when they are compared; of a longer slate it means the first two."""
_ENOUGH = 0.6
"""Share of the words of a name that a title must hold to be the product named."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The items meant.

    `off_list` where a position was named that the list does not have, `named` the words that found none.
    """

    items: tuple[Item, ...] = ()
    off_list: bool = False
    named: str = ""


def words_of(text: str) -> list[str]:
    """Lower-case words and single Chinese characters, without the words that carry no name."""
    return [word for word in _WORD.findall(text.casefold()) if word not in _NOISE]


def resolve(turn: Turn, shown: Sequence[Item] | None = None, assume: bool = True) -> Reference:
    """The products that the turn means, most explicit sign first: position, name, trait, order, then "it".

    Args:
        turn: the turn; its understanding holds the signs.
        shown: what positions count in, by default the last slate.
        assume: take what the talk is about where the turn names nothing.

    """
    listed = turn.state.shown if shown is None else tuple(shown)
    understanding = turn.understanding
    if understanding.ordinals:
        picked = [_at(listed, position) for position in understanding.ordinals]
        if any(item is None for item in picked):
            return Reference(off_list=True)
        return Reference(tuple(item for item in picked if item is not None))
    known = turn.shelf.products(item.product_id for item in _candidates(turn, listed))
    traits = _traits(turn)
    if traits:
        # "The blue one" is one that was shown; "it in blue" is a variant of the one talked about.
        fitting = tuple(item for item in listed if item.product_id in known and _has(known[item.product_id], traits))
        buyable = tuple(item for item in fitting if _has(known[item.product_id], traits, orderable=True))
        fitting = buyable or fitting
        if not understanding.referent and any(
            _is_chosen_by(known.get(item.product_id), traits) for item in turn.state.focus
        ):
            return Reference(turn.state.focus)
        if len(fitting) == 1:
            return Reference(fitting)
        if len(fitting) > 1 and understanding.deixis and not turn.state.focus:
            return Reference(fitting)
    name = name_in(turn)
    named = _named(name, _candidates(turn, listed), known)
    if named:
        return Reference(named)
    if understanding.sort in ("price_asc", "price_desc", "rating") and listed:
        return Reference(_extreme(understanding.sort, listed, known))
    if words_of(name) and not understanding.deixis:
        found = lookup(turn, name)
        if found:
            return Reference((found,))
        if not assume or _names_another(turn):
            return Reference(named=name)
    if not assume and not understanding.deixis:
        return Reference()
    if turn.state.focus:
        return Reference(turn.state.focus)
    return Reference(listed if len(listed) == 1 else ())


def _names_another(turn: Turn) -> bool:
    """Whether the message spells a model ("Zorblax 9000", "KX-TG8232B") that is none of those talked about."""
    records = turn.shelf.products(item.product_id for item in turn.state.focus).values()
    known = " ".join(f"{each.title} {each.brand} {each.mpn} {each.description}" for each in records).casefold()
    return any(found[0].casefold() not in known for found in _MODEL.finditer(turn.message))


def name_in(turn: Turn) -> str:
    """The words of the turn that may name a product: without those that say what is asked about it.

    "battery life of the Northtone Pro" is "of the Northtone Pro".
    """
    query, asked = turn.understanding.query, turn.understanding.attribute_asked
    if asked is None:
        return query
    for concept, names, english, chinese in ASKED:
        if asked == concept or asked.casefold() in names:
            query = re.sub(f"{english}|{chinese}", " ", query, flags=re.IGNORECASE)
    return re.sub(re.escape(asked), " ", query, flags=re.IGNORECASE).strip()


def pair(turn: Turn) -> tuple[Item, ...]:
    """The products to set against each other.

    Positions, names on both sides of an "and", else the first of those shown.
    """
    reference = resolve(turn, assume=False)
    if len(reference.items) > 1:
        return reference.items
    parts = [part for part in _SPLIT.split(turn.understanding.query) if words_of(part)]
    if len(parts) > 1:
        candidates = _candidates(turn, turn.state.shown)
        known = turn.shelf.products(item.product_id for item in candidates)
        found = [_named(part, candidates, known)[:1] or tuple(filter(None, [lookup(turn, part)])) for part in parts]
        items = tuple(dict.fromkeys(item for some in found for item in some))
        if len(items) > 1:
            return items
    if len(reference.items) == 1:
        other = next((item for item in (*turn.state.focus, *turn.state.shown) if item != reference.items[0]), None)
        return (reference.items[0], other) if other else ()
    if len(turn.state.focus) > 1:
        return turn.state.focus
    together = turn.understanding.deixis and len(turn.state.shown) <= MOST_TOGETHER
    return (
        turn.state.shown
        if together and len(turn.state.shown) > 1
        else turn.state.shown[:2]
        if len(turn.state.shown) > 1
        else ()
    )


def lookup(turn: Turn, name: str) -> Item | None:
    """The catalog's product of that name or model number, where a title holds most of the words."""
    record = turn.shelf.record(name.strip())
    if record is not None:
        variant = record.variant(name.strip())
        return Item(product_id=record.id, variant_id=variant.id if variant else None, chosen=variant is not None)
    found = turn.shelf.find(name, Filters(), limit=5)
    for ranked in found.hits[:3]:
        if _share(name, found.products[ranked.hit.product_id]) >= _ENOUGH:
            return Item(product_id=ranked.hit.product_id, variant_id=ranked.hit.variant_id)
    return None


def _at(listed: Sequence[Item], position: int) -> Item | None:
    index = position - 1 if position > 0 else len(listed) + position
    return listed[index] if 0 <= index < len(listed) else None


def _candidates(turn: Turn, listed: Iterable[Item]) -> tuple[Item, ...]:
    """Everything this conversation showed, the current slate first, then the latest."""
    earlier = (item for slate in reversed(turn.state.slates[-10:]) for item in slate)
    return tuple({item.product_id: item for item in reversed((*listed, *turn.state.focus, *earlier))}.values())[::-1]


def _traits(turn: Turn) -> dict[str, tuple[str, ...]]:
    understanding = turn.understanding
    if not (understanding.referent or understanding.deixis):
        return {}
    wished = {} if understanding.referent else understanding.wishes.attributes
    return {**wished, **understanding.filters.attributes, **understanding.referent}


def _is_chosen_by(product: Product | None, traits: dict[str, tuple[str, ...]]) -> bool:
    """Whether the variants of a product differ in what is said: "it in green" then asks for its green one, be there any or none."""
    variants = product.variants if product is not None else ()
    options = {canonical(name) for variant in variants for name in variant.options}
    return any(canonical(name) in options for name in traits)


def _has(product: Product, traits: dict[str, tuple[str, ...]], orderable: bool = False) -> bool:
    """Whether a product, or one of its variants, has all traits; with `orderable` one that can be bought."""
    title = product.title.casefold()
    own = {canonical(name): {fold(value) for value in values} for name, values in product.attributes.items()}
    own["brand"] = {fold(product.brand)}
    said = {canonical(name): [*map(fold, values)] for name, values in traits.items()}
    choices: list[dict[str, set[str]]] = [
        {canonical(name): parts_of(value) for name, value in variant.options.items()}
        for variant in product.variants
        if not orderable or availability_of(product, variant).orderable
    ]
    if not product.variants:
        choices = [{}] if not orderable or availability_of(product).orderable else []
    return any(
        all(
            any(
                value in choice.get(name, own.get(name, ())) or (name not in choice and value in title)
                for value in values
            )
            for name, values in said.items()
        )
        for choice in choices
    )


def _share(name: str, product: Product) -> float:
    wanted = words_of(name)
    have = set(words_of(f"{product.title} {product.brand} {product.mpn} {product.gtin} {product.id}"))
    return sum(word in have for word in wanted) / len(wanted) if wanted else 0.0


def _named(name: str, candidates: Sequence[Item], known: dict[str, Product]) -> tuple[Item, ...]:
    """The one candidate whose title holds the name best; none where several do equally, or none does."""
    shares = [(_share(name, known[item.product_id]), item) for item in candidates if item.product_id in known]
    best = max((share for share, _ in shares), default=0.0)
    if best < _ENOUGH:
        return ()
    top = [item for share, item in shares if share == best]
    return (top[0],) if len(top) == 1 else ()


def _extreme(sort: str, listed: Sequence[Item], known: dict[str, Product]) -> tuple[Item, ...]:
    def key(item: Item) -> float:
        product = known[item.product_id]
        if sort == "rating":
            return -(product.rating.value if product.rating else -1.0)
        price = price_of(product, product.variant(item.variant_id) if item.variant_id else None)
        return (1 if sort == "price_asc" else -1) * float(price.amount) if price else float("inf")

    there = [item for item in listed if item.product_id in known]
    # Of what can be bought, where anything can: "the cheapest" is not one that is sold out.
    priced = [item for item in there if availability_of(known[item.product_id]).orderable] or there
    return (min(priced, key=key),) if priced else ()
