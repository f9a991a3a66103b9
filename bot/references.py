"""Which products a turn speaks of: "the second one", "it", "the blue one", "the one you showed first", a name.

Where a turn may as well mean another product, all of them are returned and `either` is set: a write then asks.
"""

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
from index.graph.terms import term_of
from index.product import Product
from retrieval.expansion import goods_named, related
from retrieval.understanding.questions import ASKED

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
LISTS = 20
"""So many of the lists that were shown last are looked through for what was shown before."""
_PAIR = re.compile(
    r"\b(?:the|these|those|of) two\b|\bboth\b|\beither\b|\bof them\b|两[个款件双台]|俩|二者", re.IGNORECASE
)
_CHEAPER = re.compile(
    r"便宜(?:一?[点些])?的?(?:那|这)|哪[个款件]?(?:更|比较)?便宜|更便宜的|\bless expensive\b", re.IGNORECASE
)
_PRICIER = re.compile(r"(?<!便宜的)贵(?:一?[点些])?的?(?:那|这)[个款件]|\bmore expensive\b", re.IGNORECASE)
_BETTER = re.compile(
    r"\b(?:better|higher)[ -](?:rated|rating|reviewed|reviews)\b|(?:评分|评价|口碑|星级)(?:比较|更)?[高好]",
    re.IGNORECASE,
)
_SEVERAL = re.compile(
    r"\b(?:them|these|those|both|all|each|two|three|four|and)\b|都|它们|这些|那些|两|俩|三|四|全|和|跟|与|、",
    re.IGNORECASE,
)
_ENOUGH = 0.6
"""Share of the words of a name that a title must hold to be the product named."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The items meant.

    `off_list` where a position was named that the list does not have, `named` the words that found none, `either` where one of the
    items is meant and the turn does not tell which.
    """

    items: tuple[Item, ...] = ()
    off_list: bool = False
    named: str = ""
    either: bool = False


def means_several(message: str) -> bool:
    """Whether a message speaks of more than one: "add them", "都要"; "it" and "那个" are one."""
    return bool(_SEVERAL.search(message))


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
    understanding = turn.understanding
    running = turn.state.shown if shown is None else tuple(shown)
    lists = _lists(turn, running)
    listed = lists[0]
    traits = _traits(turn)
    if understanding.ordinals or (understanding.recalled == "first" and not traits):
        return _by_position(turn, lists)
    known = turn.shelf.products(item.product_id for item in _candidates(turn, listed))
    if traits:
        # "The blue one" is one that was shown; "it in blue" is a variant of the one talked about.
        varies = any(_is_chosen_by(known.get(item.product_id), traits) for item in turn.state.focus)
        if not understanding.referent and varies:
            return Reference(turn.state.focus)
        fitting = _fitting(lists[0], known, traits)
        if not fitting and understanding.referent:
            earlier = (_fitting(each, known, traits) for each in (*lists[1:], *_earlier(turn), running))
            fitting = next(filter(None, earlier), ())
        if len(fitting) == 1:
            return Reference(fitting)
        if understanding.referent:
            talked_about = tuple(item for item in fitting if item in turn.state.focus)
            if len(talked_about) == 1:
                return Reference(talked_about)
            if fitting or not varies:
                return Reference(fitting, either=True)
        elif len(fitting) > 1 and understanding.deixis and not turn.state.focus:
            return Reference(fitting)
    order = _order(turn)
    if order is not None:
        pool = turn.state.compared or (listed if understanding.sort or len(listed) == 2 else ())
        pool = listed if understanding.sort and not _PAIR.search(turn.message) else pool
        if pool:
            return Reference(_extreme(order, pool, known))
    name = name_in(turn)
    named = _named(name, _candidates(turn, listed), known)
    if named:
        return Reference(named)
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


def likeliest(turn: Turn, reference: Reference) -> tuple[Item, ...]:
    """What to speak of where nothing is written: of several lists that may be meant the likeliest alone."""
    return reference.items[:1] if reference.either and turn.understanding.recalled else reference.items


def _lists(turn: Turn, running: tuple[Item, ...]) -> tuple[tuple[Item, ...], ...]:
    """The lists in which positions and traits may count, the likeliest first; nearly always the last slate alone.

    "The second tent" counts in the last list of tents; "the first one from before" in the lists before the last, newest first;
    "the one you showed first" in the very first, or in the first of the running topic.
    """
    understanding, state = turn.understanding, turn.state
    if understanding.recalled is None and not understanding.ordinals:
        return (running,)
    slates = [
        slate
        for slate, subject in zip(state.slates, state.subjects, strict=True)
        if _is_about(subject, understanding.query)
    ]
    if slates and understanding.recalled != "earlier" and not (running in slates and understanding.recalled is None):
        return (slates[0 if understanding.recalled == "first" else -1],)
    if understanding.recalled == "first" and state.slates:
        topic = state.topic.query if state.topic is not None else ""
        own = next(
            (slate for slate, subject in zip(state.slates, state.subjects, strict=True) if subject == topic), running
        )
        return tuple(dict.fromkeys((state.slates[0], own)))
    if understanding.recalled == "earlier":
        return _earlier(turn) or (running,)
    return (running,)


def _is_about(subject: str, words: str) -> bool:
    """Whether a list of `subject` shows what some words name: "camping tents" shows "how much is the tent"."""
    own, said = term_of(subject), term_of(words)
    if not own or not said:
        return False
    heads = {own, own.split()[-1]}
    return any(head in said.split() or (not head.isascii() and head in said) for head in heads) or any(
        related(own, term) for term in goods_named(words)
    )


def _earlier(turn: Turn) -> tuple[tuple[Item, ...], ...]:
    """The lists before the last, newest first, each once."""
    return tuple(dict.fromkeys(reversed(turn.state.slates[-LISTS:-1])))


def _by_position(turn: Turn, lists: Sequence[tuple[Item, ...]]) -> Reference:
    """The items at the positions said, in the likeliest list; where other lists have others there, one of each."""
    positions = turn.understanding.ordinals or (1,)
    if positions == (1, 2) and len(turn.state.focus) == 2 and _PAIR.search(turn.message):
        lists = (turn.state.focus,)  # "both" of those that were compared
    picked = [_at(lists[0], position) for position in positions]
    if any(item is None for item in picked):
        return Reference(off_list=True)
    items = tuple(item for item in picked if item is not None)
    order = _order(turn)
    if len(items) > 1 and order is not None and turn.understanding.attribute_asked is None:
        return Reference(_extreme(order, items, turn.shelf.products(item.product_id for item in items)))
    if len(positions) == 1 and len(lists) > 1:
        others = {item.product_id: item for each in lists if (item := _at(each, positions[0])) is not None}
        return Reference(tuple(others.values()), either=len(others) > 1)
    return Reference(items)


def _order(turn: Turn) -> str | None:
    """By what one of several is picked out: the cheaper, the dearest, the best rated."""
    sort, relative = turn.understanding.sort, turn.understanding.relative
    if sort in ("price_asc", "price_desc", "rating"):
        return sort
    if relative is not None:
        return "price_asc" if relative == "cheaper" else "price_desc"
    words = ((_CHEAPER, "price_asc"), (_PRICIER, "price_desc"), (_BETTER, "rating"))
    return next((order for pattern, order in words if pattern.search(turn.message)), None)


def _fitting(listed: Sequence[Item], known: dict[str, Product], traits: dict[str, tuple[str, ...]]) -> tuple[Item, ...]:
    """Those of a list that have all traits; only those that can be bought so, where any can."""
    fitting = tuple(item for item in listed if item.product_id in known and _has(known[item.product_id], traits))
    return tuple(item for item in fitting if _has(known[item.product_id], traits, orderable=True)) or fitting


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
    earlier = (item for slate in reversed(turn.state.slates[-LISTS:]) for item in slate)
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
