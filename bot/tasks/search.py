"""Finding products: a new topic, changes to the running one, more of it, and what to say when nothing fits.

A condition is never dropped silently: where nothing meets all of them, the reply names one that could go and asks.
"""

from __future__ import annotations

from dataclasses import replace

from bot.corrections import audience_in, for_others, plain_audience
from bot.exploration import Ordering, draw_order
from bot.novelty import Newcomer
from bot.present import card_of, slate_of
from bot.references import likeliest, resolve
from bot.shelf import Found, price_of
from bot.state import Item, Pending, Topic
from bot.steering import WIDE, Course
from bot.tasks.fit import checked_news, exact, leaves, named_nowhere, other_goods, saying
from bot.tasks.narrowing import narrow
from bot.tasks.positions import off_list
from bot.tasks.staged import compared, known, lay_out
from bot.turn import SLATE, Answer, Turn
from index.filters import Filters, PriceRange
from index.money import minor_digits, parse_money
from index.product import Money
from retrieval.expansion import goods_named
from retrieval.understanding import Understanding, merge
from retrieval.understanding.text import has_han
from storage.record import now_ms

MANY = 12
"""Above this many matches a narrowing question may help."""
PAGES = 5
MOST = 100


def new(turn: Turn, answer: Answer) -> None:
    """A new topic: what was asked before no longer holds."""
    understanding = turn.understanding
    topic = Topic(
        query=understanding.query,
        # "Not black" came before the product was named: it holds for what is named now.
        filters=merge(Filters() if turn.topic.query else turn.topic.filters, understanding),
        sort=understanding.sort or "relevance",
    )
    if understanding.foreign_budget is not None:
        return ask_budget(turn, answer, topic)
    if not topic.query and not _names_products(topic.filters):
        answer.topic = topic
        return answer.ask(turn.voice.say("search.topic"), Pending(kind="what"))
    return present(turn, answer, topic)


def refine(turn: Turn, answer: Answer) -> None:
    """The running topic with what this turn adds, changes or lifts."""
    understanding, before = _asked_for(turn.understanding), turn.topic
    topic = before.model_copy(
        update={
            "filters": merge(before.filters, understanding),
            "sort": understanding.sort or before.sort,
            "bound": None if understanding.filters.price or "price" in understanding.dropped else before.bound,
            "detail": understanding.query
            if understanding.query.casefold() not in before.query.casefold()
            else before.detail,
        }
    )
    if understanding.foreign_budget is not None:
        return ask_budget(turn, answer, topic)
    if understanding.relative is not None:
        return _relative(turn, answer, topic, understanding)
    return present(turn, answer, topic)


def correct(turn: Turn, answer: Answer) -> None:
    """The running topic with what was meant in the place of what was understood.

    Other goods take the place of the goods and of what was said of their kind, other people that of whom it was for. The budget,
    the stock and the rating asked for stay: they were not what went wrong.
    """
    understanding, before = turn.understanding, turn.topic
    if goods_named(understanding.query) or understanding.wishes.categories or understanding.filters.categories:
        kept = before.filters.model_copy(
            update={"categories": (), "brand": (), "attributes": {}, "exclude": Filters().exclude}
        )
        named = understanding.query or " ".join(turn.voice.own(understanding.filters.categories))
        topic = Topic(query=named, filters=merge(kept, understanding), sort=understanding.sort or before.sort)
        return present(turn, answer, topic)
    filters, query, detail = merge(before.filters, understanding), before.query, understanding.query
    if audience_in(detail):
        query = for_others(before.query)
        attributes = {name: values for name, values in filters.attributes.items() if not audience_in(" ".join(values))}
        filters = filters.model_copy(update={"attributes": attributes})
        detail = plain_audience(detail)
    return present(turn, answer, before.model_copy(update={"filters": filters, "query": query, "detail": detail}))


def _asked_for(understanding: Understanding) -> Understanding:
    """What a question asks of no product in particular ("do you have it in blue?", of a list) as the condition that it is."""
    wished = understanding.wishes.attributes
    if understanding.attribute_asked is None or not wished or not understanding.filters.empty:
        return understanding
    return replace(understanding, filters=Filters(attributes=wished))


def _names_products(filters: Filters) -> bool:
    """Whether conditions alone say what is looked for: a brand, a category or a property, not a budget or a "not"."""
    return bool(filters.brand or filters.categories or filters.attributes)


def relaxed(turn: Turn, answer: Answer) -> None:
    """The condition that the customer agreed to drop is dropped."""
    pending, choice = turn.decision.pending, turn.decision.choice
    if pending is None:
        return refine(turn, answer)
    field = pending.field if choice is None else pending.fields[choice]
    answer.say(turn.voice.say("search.relaxed"))
    return present(turn, answer, _lifted(turn.topic, field))


def with_budget(turn: Turn, answer: Answer) -> None:
    """The limit in the shop's currency, asked for after one in another."""
    filters = merge(turn.topic.filters, turn.understanding)
    if turn.understanding.filters.price is None:
        money = parse_money(turn.message, turn.currency)
        if money is None or money.currency != turn.currency:
            return refine(turn, answer)
        filters = filters.model_copy(update={"price": PriceRange(max=money.amount, currency=turn.currency)})
    return present(turn, answer, turn.topic.model_copy(update={"filters": filters}))


def with_facet(turn: Turn, answer: Answer) -> None:
    """The answer to a narrowing question becomes a condition."""
    pending, choice = turn.decision.pending, turn.decision.choice
    if pending is None or choice is None:
        return refine(turn, answer)
    value = pending.options[choice]
    added = (
        Filters(categories=(value,)) if pending.field == "categories" else Filters(attributes={pending.field: (value,)})
    )
    filters = merge(merge(turn.topic.filters, Understanding(query="", filters=added)), turn.understanding)
    # "Rain jackets for women" answers the question and says more.
    topic = turn.topic.model_copy(update={"filters": filters})
    said = topic.model_copy(update={"detail": turn.understanding.query})
    return present(turn, answer, said if checked_news(said) else topic)


def more(turn: Turn, answer: Answer) -> None:
    """The next of the running topic that were not shown in it yet."""
    topic = turn.topic
    seen = turn.state.seen
    found, _ = saying(
        turn, topic, found_for(turn, topic, limit=min(MOST, len(seen) + PAGES * SLATE)), _kinds(turn, topic)
    )
    rest = tuple(each for each in found.hits if each.hit.product_id not in seen)
    if not rest:
        return answer.say(turn.voice.say("search.no_more"))
    show(turn, answer, topic, replace(found, hits=rest))
    return answer.say(turn.voice.say("search.more", shown=len(answer.cards), count=len(answer.cards)))


def return_to(turn: Turn, answer: Answer) -> None:
    """An earlier topic again, with the conditions that it had and those that this turn adds."""
    topic = turn.decision.topic or turn.topic
    return present(turn, answer, topic.model_copy(update={"filters": merge(topic.filters, turn.understanding)}))


def ask_which_limit(turn: Turn, answer: Answer) -> None:
    """No price is both under 50 and over 100: which of the two holds is asked, and nothing is shown meanwhile."""
    low, high = turn.understanding.clash or (None, None)
    assert low is not None  # the caller has looked
    assert high is not None
    said = turn.understanding
    running = turn.topic if said.refining else Topic(query=said.query)
    answer.topic = running.model_copy(
        update={"filters": merge(running.filters, replace(said, filters=_unpriced(said)))}
    )
    answer.ledger.money(low, high)
    question = turn.voice.say("budget.clash", low=turn.voice.money(low), high=turn.voice.money(high))
    return answer.ask(question, Pending(kind="budget"))


def ask_which_value(turn: Turn, answer: Answer) -> None:
    """Nothing is both white and not white: which of the two holds is asked, and nothing is shown meanwhile."""
    said = turn.understanding
    running = turn.topic if said.refining else Topic(query=said.query)
    answer.topic = running.model_copy(update={"filters": merge(running.filters, said)})
    # Spellings of one value stand beside each other, that of the turn's language is the one to say.
    values = next(iter(said.opposed.values()))
    value = next((each for each in values if has_han(each) == (turn.language == "zh")), values[0])
    return answer.ask(turn.voice.say("search.opposed", value=value), Pending(kind="what"))


def _unpriced(understanding: Understanding) -> Filters:
    return understanding.filters.model_copy(update={"price": None})


def show_again(turn: Turn, answer: Answer) -> None:
    """Products that were shown, picked out again."""
    reference = resolve(turn)
    if reference.off_list:
        return off_list(turn, answer)
    meant_ones = likeliest(turn, reference)
    products = turn.shelf.products(item.product_id for item in meant_ones)
    items = [item for item in meant_ones if item.product_id in products]
    if not items:
        return answer.ask(
            turn.voice.say("search.none_of_them" if turn.state.shown else "search.nothing_shown"), Pending(kind="what")
        )
    cards = [
        card_of(products[item.product_id], item.variant_id, products[item.product_id].attributes) for item in items
    ]
    answer.show(cards, products.values(), slate=False)
    if len(cards) > 1:
        return answer.say(turn.voice.say("search.again_many"))
    if cards[0].price is None:
        return answer.say(turn.voice.say("search.again_unpriced", title=cards[0].title))
    return answer.say(turn.voice.say("search.again", title=cards[0].title, price=turn.voice.money(cards[0].price)))


def present(turn: Turn, answer: Answer, topic: Topic) -> None:
    """Searches the topic and shows what fits, or says what stands in the way."""
    detail = topic.detail
    found, unsaid = saying(
        turn, topic, exact(topic, found_for(turn, topic, MOST if detail else PAGES * SLATE)), _kinds(turn, topic)
    )
    if not found.hits and detail:
        topic = topic.model_copy(update={"detail": ""})
        found = found_for(turn, topic)
    if not found.hits or other_goods(turn, topic, found, lambda: found_for(turn, _unconditioned(topic), SLATE)):
        return nothing_fits(turn, answer, topic)
    course, found = lay_out(turn, topic, found)
    show(turn, answer, topic, found, course)
    if unsaid:
        answer.ledger.text(unsaid)
        answer.say(turn.voice.say("search.unsaid", words=unsaid))
        answer.topic = topic.model_copy(update={"detail": ""})
    elif named_nowhere(turn, topic, answer, found):
        answer.say(turn.voice.say("search.nearest", what=_quoted(turn, topic.query[:80])))
    elif not course.chosen:
        _introduce(turn, answer, topic, found)
    tell_unknown(turn, answer, topic, found)
    if course.chosen:
        known(turn, answer, found)
    elif course.stage != "browsing":
        compared(turn, answer, found)
    elif not topic.narrowed and found.total > MANY and topic.sort == "relevance":
        narrow(turn, answer, answer.topic or topic, found)
    return None


def found_for(turn: Turn, topic: Topic, limit: int = PAGES * SLATE) -> Found:
    """What keeps the topic's conditions and, within them, what "cheaper" came to; what cannot be bought comes last."""
    filters, price, bound = topic.filters, topic.filters.price, topic.bound
    if bound is not None:
        both = bound if price is None or price.currency != bound.currency else _overlap(price, bound)
        if both is None:
            return Found((), 0, 0)
        filters = filters.model_copy(update={"price": both})
    return turn.find(f"{topic.query} {topic.detail}".strip(), filters, topic.sort, limit, topic.filters, topic.advice)


def _kinds(turn: Turn, topic: Topic) -> tuple[str, ...]:
    """The categories that the query names, none where it only has a word of theirs."""
    named = turn.understander.kinds.named_in(topic.query.casefold())
    return named.categories if named.sure else ()


def _unconditioned(topic: Topic) -> Topic:
    return topic.model_copy(update={"filters": Filters(), "bound": None})


def _overlap(one: PriceRange, other: PriceRange) -> PriceRange | None:
    low = max((limit for limit in (one.min, other.min) if limit is not None), default=None)
    high = min((limit for limit in (one.max, other.max) if limit is not None), default=None)
    return (
        None
        if low is not None and high is not None and low > high
        else PriceRange(min=low, max=high, currency=one.currency)
    )


def _quoted(turn: Turn, words: str) -> str:
    marks = turn.voice.language.tables["language"]
    return f"{marks['open']}{turn.voice.written(words)}{marks['close']}"


def show(
    turn: Turn, answer: Answer, topic: Topic, found: Found, course: Course = WIDE, newcomer: Newcomer | None = None
) -> None:
    """The first hits as cards, as many as the course says; they become the slate, and the topic the running one.

    A `newcomer` is the last of them, and takes no part in a lot about their order.
    """
    answer.ledger.filters(topic.filters)
    answer.ledger.text(topic.query, topic.detail)
    answer.topic = topic
    ordering = None
    if topic.sort == "relevance":
        found, ordering = _drawn(turn, found, course.cards if newcomer is None else course.cards - 1)
    if newcomer is not None and ordering is not None:
        found = found.with_newcomer(newcomer.row, newcomer.product, newcomer.arrived, course.cards - 1, now_ms())
        ordering = replace(ordering, slot=newcomer.slot)
    products = [found.products[each.hit.product_id] for each in found.hits[: course.cards]]
    answer.know(*products)
    answer.show(slate_of(found, topic.filters, turn.voice, course.cards), products, found=found)
    answer.ordering = ordering
    answer.stage = course.stage
    if topic.sort != "relevance":
        # "The cheapest one" is then what "it" means.
        answer.focus = (Item(product_id=answer.cards[0].product_id, variant_id=answer.cards[0].variant_id),)


def _drawn(turn: Turn, found: Found, cards: int) -> tuple[Found, Ordering]:
    """The first hits as they are shown: in their order or, now and then in a conversation's first slate, in one drawn by lot."""
    first = found.hits[:cards]
    share = 0.0 if turn.state.slates else turn.exploration
    movable = [found.orderable(each) for each in first]
    ranked = sorted(first, key=lambda each: (not found.orderable(each), -each.score)) if turn.by_relevance else first
    names = [f"ranker-{turn.shelf.ranker.model.version}"] if turn.shelf.ranker is not None else []
    label = "+".join([*names, turn.assigned.label] if turn.assigned is not None else names)
    shown, ordering = draw_order(first, movable, share, turn.message_id, ranked, label)
    return replace(found, hits=(*shown, *found.hits[cards:])), ordering


def _introduce(turn: Turn, answer: Answer, topic: Topic, found: Found) -> None:
    voice, first = turn.voice, answer.cards[0]
    conditions = voice.constraints(topic.filters)
    if topic.query:
        for_what = _quoted(turn, voice.joined(filter(None, (topic.query, checked_news(topic)))))
    else:
        meeting = voice.language.tables["language"]["meeting"]
        for_what = meeting.format(conditions=voice.joined(conditions.values()))
    key = "search.found" if found.total > len(answer.cards) else "search.found_all"
    reordered = turn.decision.task == "refine" and turn.understanding.sort and topic.sort != "relevance"
    if not reordered:
        answer.say(voice.say(key, count=found.total, shown=len(answer.cards), for_what=for_what))
    if conditions and topic.query and not reordered:
        answer.say(voice.say("search.within", constraints=voice.joined(conditions.values()), count=found.total))
    if topic.sort == "price_asc" and first.price is not None:
        answer.say(voice.say("search.cheapest", title=first.title, price=voice.money(first.price)))
    elif topic.sort == "price_desc" and first.price is not None:
        answer.say(voice.say("search.dearest", title=first.title, price=voice.money(first.price)))
    elif topic.sort == "rating" and first.rating is not None:
        answer.say(voice.say("search.top_rated", title=first.title, rating=voice.rating(first.rating.value)))
    elif topic.sort == "newest":
        answer.say(voice.say("search.newest", title=first.title))


def tell_unknown(turn: Turn, answer: Answer, topic: Topic, found: Found) -> None:
    """How many a price limit left out because their price is not known."""
    if topic.filters.price is None or not found.unknown_price:
        return
    # The search counts them in the whole catalog; the customer cares about those that fit the words.
    anyhow = found_for(turn, _lifted(topic, "price"), limit=MOST)
    count = sum(price_of(product) is None for product in anyhow.products.values())
    if count:
        answer.say(turn.voice.say("search.unknown_price", count=count))


def _relative(turn: Turn, answer: Answer, topic: Topic, understanding: Understanding) -> None:
    """Cheaper or dearer than what it is said of: the one product talked about, else the middle of the slate."""
    before = _reference_price(turn)
    cheaper = understanding.relative == "cheaper"
    if understanding.filters.price is not None:
        # "Cheaper, under 50" says how much cheaper.
        return present(turn, answer, topic)
    topic = topic.model_copy(update={"sort": "price_asc"})
    if before is None:
        return present(turn, answer, topic)
    # What the customer named stands: the bound only narrows it, and a later "pricier" replaces an earlier "cheaper".
    ends = {"max": max(0, before.amount - 1)} if cheaper else {"min": before.amount + 1}
    changed = topic.model_copy(update={"bound": PriceRange(currency=before.currency, **ends)})
    found = found_for(turn, changed)
    if found.hits:
        show(turn, answer, changed, found)
        price = answer.cards[0].price
        answer.say(turn.voice.say(f"search.{understanding.relative}", price=turn.voice.money(price) if price else ""))
        return tell_unknown(turn, answer, changed, found)
    end = found_for(turn, topic.model_copy(update={"bound": None, "sort": "price_asc" if cheaper else "price_desc"}))
    priced = [each for each in end.hits if price_of(end.products[each.hit.product_id]) is not None]
    if not priced:
        return nothing_fits(turn, answer, changed)
    product = end.products[priced[0].hit.product_id]
    answer.show([card_of(product, priced[0].hit.variant_id)], [product], slate=False)
    price = answer.cards[0].price
    key = "search.nothing_cheaper" if cheaper else "search.nothing_pricier"
    return answer.say(turn.voice.say(key, title=product.title, price=turn.voice.money(price) if price else ""))


def _reference_price(turn: Turn) -> Money | None:
    items = turn.state.focus if len(turn.state.focus) == 1 else turn.state.shown
    products = turn.shelf.products(item.product_id for item in items)
    prices = []
    for item in items:
        product = products.get(item.product_id)
        price = price_of(product, product.variant(item.variant_id) if item.variant_id else None) if product else None
        if price is not None and price.currency == turn.currency:
            prices.append(price)
    prices.sort(key=lambda price: price.amount)
    return prices[len(prices) // 2] if prices else None


def ask_budget(turn: Turn, answer: Answer, topic: Topic) -> None:
    """A limit in another currency is asked about, never converted."""
    budget = turn.understanding.foreign_budget
    answer.topic = topic
    answer.ledger.money(budget)
    answer.ledger.text(turn.message)
    amount = turn.voice.limit(budget.amount, budget.currency) if budget else ""
    answer.ask(
        turn.voice.say("budget.foreign", currency=turn.voice.currency(turn.currency), amount=amount),
        Pending(kind="budget"),
    )


def nothing_fits(turn: Turn, answer: Answer, topic: Topic) -> None:
    """Nothing fits: is it one condition, several, or do we not sell it at all?"""
    voice = turn.voice
    answer.topic = topic
    answer.ledger.filters(topic.filters)
    answer.ledger.text(topic.query, turn.message)
    conditions = voice.constraints(topic.filters)
    if conditions:
        without = {field: found_for(turn, _lifted(topic, field), limit=SLATE) for field in conditions}
        best = max(without, key=lambda field: (min(without[field].total, SLATE), field != "price"))
        if without[best].total:
            return _offer(turn, answer, topic, best, without[best], conditions)
        if found_for(turn, topic.model_copy(update={"filters": Filters()}), limit=1).total:
            phrases = voice.joined(conditions.values())
            fields = tuple(conditions)
            options = tuple(voice.condition(field, conditions[field]) for field in fields)
            return answer.ask(
                voice.say("search.conflict", constraints=phrases), Pending(kind="relax", fields=fields, options=options)
            )
    if topic.query:
        quoted = (
            voice.language.tables["language"]["open"]
            + voice.written(topic.query[:80])
            + voice.language.tables["language"]["close"]
        )
        answer.say(voice.say("search.not_carried", what=quoted))
    else:
        answer.say(voice.say("search.not_carried_plain"))
    departments = departments_of(turn)
    if departments:
        answer.ledger.text(*departments)
        answer.say(voice.say("search.departments", departments=voice.joined(departments, "and")))
    # What is not sold must not linger as the topic that the next turn refines.
    answer.topic = Topic()
    # What was shown before stays in sight, so that positions still count in it; nothing of it is "it" any more.
    answer.focus = ()
    return None


def _offer(turn: Turn, answer: Answer, topic: Topic, field: str, found: Found, conditions: dict[str, str]) -> None:
    voice, pending = turn.voice, Pending(kind="relax", field=field)
    if field == "price":
        cheapest = found_for(turn, _lifted(topic, "price").model_copy(update={"sort": "price_asc"}), limit=SLATE)
        # Of the goods asked for: the cheapest that has anything to do with the words is often another thing.
        goods, products = set(leaves(found, SLATE)), {**found.products, **cheapest.products}
        called = [products[each.hit.product_id] for each in cheapest.hits if each.hit.sources.get("kind")]
        kin = called or [
            each for each in products.values() if (each.categories[-1] if each.categories else "") in goods
        ]
        prices = sorted(
            (price for each in kin if (price := price_of(each)) is not None), key=lambda price: price.amount
        )
        limit = topic.filters.price
        if prices and limit is not None and limit.max is not None and prices[0].amount > limit.max:
            answer.know(*products.values())
            tell_unknown(turn, answer, topic, found)
            return answer.ask(
                voice.say("search.relax_price", constraint=conditions["price"], price=voice.money(prices[0])), pending
            )
    key = "search.relax" if len(conditions) > 1 else "search.relax_single"
    phrases = voice.joined(conditions.values())
    return answer.ask(voice.say(key, constraints=phrases, constraint=conditions[field], count=found.total), pending)


def _lifted(topic: Topic, field: str) -> Topic:
    if field == "exclude":
        filters = topic.filters.model_copy(update={"exclude": Filters().exclude})
    else:
        filters = merge(topic.filters, Understanding(query="", dropped=(field,)))
    return topic.model_copy(update={"filters": filters, "bound": None if field == "price" else topic.bound})


def departments_of(turn: Turn, limit: int = 8) -> list[str]:
    """The largest root categories of the catalog, in the turn's language where the catalog has such."""
    roots = turn.shelf.departments
    own = [name for name in roots if has_han(name) == (turn.language == "zh")]
    return (own or list(roots))[:limit]


def round_price(amount: int, currency: str) -> int:
    """A price limit as people say it, from one of the catalog: 8,734 minor units become 9,000 ($90)."""
    unit = int(10 ** minor_digits(currency))
    major = max(1, amount // unit)
    step = int(10 ** max(0, len(str(major)) - 1))
    return (major // step + 1) * step * unit
