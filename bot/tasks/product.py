"""Questions about a product.

From its record, else a sentence of its page quoted as it stands, else what its reviews say, else what a person answered to the same
question before, else "the page does not say".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.cards import Citation
from bot.evidence import without_title
from bot.present import card_of
from bot.references import Reference, likeliest, resolve, words_of
from bot.reply.voice import Voice, attribute_key
from bot.shelf import availability_of, price_of, stock_of, telling_options, title_of
from bot.state import Item, Pending
from bot.tasks import cart, reviews
from bot.tasks.answers import from_book
from bot.tasks.positions import off_list
from bot.turn import Answer, Open, Turn
from bot.variants import asked_of, meant
from index.product import Product, Variant
from retrieval.understanding.questions import topic_of

QUOTE = 300
OPTIONS = 6
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")
_FIELDS = frozenset({"price", "availability", "rating", "delivery", "brand", "reviews"})


def ask(turn: Turn, answer: Answer) -> None:
    """Answers a question about one product, or about each of several."""
    reference = resolve(turn)
    if reference.off_list:
        return off_list(turn, answer)
    if not reference.items:
        return _which(turn, answer, reference)
    return about(turn, answer, likeliest(turn, reference), turn.understanding.attribute_asked, turn.message)


def chosen(turn: Turn, answer: Answer) -> None:
    """The product was asked back for and is named now: the task goes on with it."""
    pending, choice = turn.decision.pending, turn.decision.choice
    if pending is None or choice is None or choice >= len(pending.items):
        return ask(turn, answer)
    item = pending.items[choice]
    if pending.task == "cart_add":
        return cart.put(turn, answer, item, pending.quantity)
    return about(turn, answer, [item], pending.field or None, pending.text)


def about(turn: Turn, answer: Answer, items: Iterable[Item], asked: str | None, question: str) -> None:
    """What the records say on `asked` (an attribute or a field), or on the words of the question."""
    items = list(items)[:OPTIONS]
    products = turn.shelf.products(item.product_id for item in items)
    present = [item for item in items if item.product_id in products]
    if not present:
        return answer.say(turn.voice.say("product.gone", title=items[0].product_id))
    answer.know(*products.values())
    cards = []
    for item in present:
        product = products[item.product_id]
        variant = product.variant(item.variant_id) if item.variant_id else None
        title = title_of(product, variant)
        found = meant(turn, product, running=False)
        if found.named and not found.variants:
            answer.say(*_none_such(turn, product))
        elif found.named:
            variant, title = found.best(product, variant), found.title(product)
            answer.ledger.text(title)
            answer.say(*_named(turn, answer, product, variant, title, asked, question))
        else:
            open_ = variant is not None and not item.chosen and bool(_named_so(turn, asked, telling_options(product)))
            answer.say(*_facts(turn, answer, product, None if open_ else variant, title, asked, question))
        shown = _named_so(turn, asked, product.attributes) or product.attributes
        cards.append(card_of(product, variant.id if variant else None, shown))
    answer.show(cards, products.values(), slate=False)
    return None


def _which(turn: Turn, answer: Answer, reference: Reference) -> None:
    if reference.named:
        return answer.ask(turn.voice.say("product.name_it"), Pending(kind="what"))
    shown = turn.state.shown[:OPTIONS]
    products = turn.shelf.products(item.product_id for item in shown)
    items = tuple(item for item in shown if item.product_id in products)
    if not items:
        return answer.ask(turn.voice.say("product.name_it"), Pending(kind="what"))
    titles = tuple(products[item.product_id].title for item in items)
    answer.know(*products.values())
    pending = Pending(
        kind="which_product", options=titles, items=items, task="ask_product",
        field=turn.understanding.attribute_asked or "", text=turn.message,
    )  # fmt: skip
    return answer.ask(turn.voice.say("product.which", options=turn.voice.joined(titles, "or")), pending)


def _named(
    turn: Turn, answer: Answer, product: Product, variant: Variant | None, title: str, asked: str | None, question: str
) -> list[str]:
    """The facts of the variants that the question names; "does it come in blue?" asks what that costs and whether it is there."""
    if asked in _FIELDS or (asked is not None and not _named_so(turn, asked, telling_options(product))):
        return _facts(turn, answer, product, variant, title, asked, question)
    voice, price = turn.voice, price_of(product, variant)
    facts = [voice.money(price)] if price is not None else []
    facts.append(voice.availability(availability_of(product, variant)))
    return [voice.say("product.summary", title=title, facts=voice.joined(facts))]


def _none_such(turn: Turn, product: Product) -> list[str]:
    """That no variant is as the question asks, and what there is."""
    voice, names = turn.voice, telling_options(product)
    values = [
        voice.joined(
            voice.value(each)
            for each in dict.fromkeys(variant.options[name] for variant in product.variants if name in variant.options)
        )
        for name in names
    ]
    said = [voice.say("product.no_such", title=product.title, wanted=asked_of(turn, names))]
    return said + [
        voice.say("product.quote_option", title=product.title, attribute=voice.attribute(name), value=value)
        for name, value in zip(names, values, strict=True)
    ]


def _facts(
    turn: Turn, answer: Answer, product: Product, variant: Variant | None, title: str, asked: str | None, question: str
) -> list[str]:
    voice = turn.voice
    if asked in _FIELDS:
        said = _field(voice, product, variant, title, asked)
        return [*said, *reviews.digest(turn, answer, product, title)] if asked == "reviews" else said
    for name in _named_so(turn, asked, (*product.attributes, *telling_options(product))):
        options = list(dict.fromkeys(each.options[name] for each in product.variants if name in each.options))
        if len(options) > 1 and variant is None:
            return [
                voice.say(
                    "product.quote_option",
                    title=product.title,
                    attribute=voice.attribute(name),
                    value=voice.joined(map(voice.value, options)),
                )
            ]
        values = [variant.options[name]] if variant and name in variant.options else product.attributes.get(name, ())
        if values:
            return [
                voice.say(
                    "product.attribute",
                    title=title,
                    attribute=voice.attribute(name),
                    value=voice.joined(map(voice.value, values)),
                )
            ]
    quote = passage(product.description, asked, question, product.title)
    if quote:
        return [_quoted(turn, answer, product, title, quote)]
    named = None if asked else _attribute_named(product, without_title(question, product.title))
    if named:
        return [
            voice.say(
                "product.attribute",
                title=title,
                attribute=voice.attribute(named),
                value=voice.joined(map(voice.value, product.attributes[named])),
            )
        ]
    if not asked and _wants_summary(question):
        return [voice.say("product.summary", title=title, facts=summary(voice, product, variant))]
    return _evidence(turn, answer, product, title, asked, question)


def _named_so(turn: Turn, asked: str | None, names: Iterable[str]) -> list[str]:
    """Of a product's own names of attributes those by which what is asked about goes, the catalog's usual one first."""
    usual = list(map(attribute_key, turn.understander.names_for(asked))) if asked else []
    found = [name for name in dict.fromkeys(names) if attribute_key(name) in usual]
    return sorted(found, key=lambda name: usual.index(attribute_key(name)))


def _quoted(turn: Turn, answer: Answer, product: Product, title: str, quote: str) -> str:
    """A sentence of the page, entered in the ledger and cited."""
    answer.ledger.text(quote)
    answer.citations.append(Citation(kind="product", id=product.id, title=product.title, quote=quote, url=product.url))
    return turn.voice.say("product.quote", title=title, quote=quote)


def _evidence(turn: Turn, answer: Answer, product: Product, title: str, asked: str | None, question: str) -> list[str]:
    """What is read out of sentences: the page's, the reviews', an answer given before; or that nothing says it."""
    topic = topic_of(asked) if asked else None
    about = re.compile("|".join(filter(None, (topic.english, topic.chinese))), re.IGNORECASE) if topic else None
    quote = reviews.from_page(turn, product, question, about)
    if quote:
        return [_quoted(turn, answer, product, title, quote)]
    said = reviews.from_reviews(turn, answer, product, title, question, about) or from_book(turn, answer)
    if said:
        return said
    answer.unanswered = Open("product", product.id)
    if asked:
        return [turn.voice.say("product.not_said", title=title, attribute=_concept(turn.voice, asked))]
    return [turn.voice.say("product.not_said_plain", title=title)]


def _concept(voice: Voice, asked: str) -> str:
    """The name of what was asked in the turn's language, whatever the catalog calls it: "续航" is "battery life"."""
    topic = topic_of(asked)
    return voice.attribute(topic.name if topic else asked)


def _field(voice: Voice, product: Product, variant: Variant | None, title: str, asked: str) -> list[str]:
    if asked == "price":
        price = price_of(product, variant)
        if price is None:
            return [voice.say("product.price_unknown", title=title)]
        old = product.list_price
        if old is not None and old.currency == price.currency and old.amount > price.amount:
            return [voice.say("product.price_list", title=title, price=voice.money(price), list_price=voice.money(old))]
        return [voice.say("product.price", title=title, price=voice.money(price))]
    if asked == "availability":
        availability, stock = availability_of(product, variant), stock_of(product, variant)
        if stock and availability.value == "in_stock":
            return [voice.say("product.stock", title=title, count=stock)]
        return [voice.say("product.stock_some", title=title, availability=voice.availability(availability))]
    if asked in ("rating", "reviews"):
        if product.rating is None:
            return [voice.say("product.no_rating", title=title)]
        rating = voice.rating(product.rating.value)
        return [voice.say("product.rating", title=title, rating=rating, count=product.rating.count)]
    if asked == "brand":
        if not product.brand:
            return [voice.say("product.not_said", title=title, attribute=voice.field("brand"))]
        return [voice.say("product.attribute", title=title, attribute=voice.field("brand"), value=product.brand)]
    delivery = product.delivery
    days = voice.days(delivery.days_min, delivery.days_max) if delivery is not None else ""
    if delivery is None or not (days or delivery.price):
        return [voice.say("product.not_said", title=title, attribute=voice.field("delivery"))]
    said = [voice.say("product.delivery", title=title, days=days)] if days else []
    if delivery.price is not None:
        free = delivery.price.amount == 0
        said.append(
            voice.say("product.delivery_free")
            if free
            else voice.say("product.delivery_cost", price=voice.money(delivery.price))
        )
    return said


def summary(voice: Voice, product: Product, variant: Variant | None) -> str:
    """The record in short: price, rating, availability and the first attributes."""
    facts = []
    price = price_of(product, variant)
    if price is not None:
        facts.append(voice.money(price))
    if product.rating is not None:
        facts.append(f"{voice.field('rating')} {voice.rating(product.rating.value)}")
    facts.append(voice.availability(availability_of(product, variant)))
    facts += [
        f"{voice.attribute(name)} {'/'.join(map(voice.value, values))}"
        for name, values in list(product.attributes.items())[:5]
    ]
    return voice.joined(facts)


def passage(description: str, asked: str | None, question: str, title: str) -> str:
    """The sentence of a description that speaks of what was asked, verbatim; empty where none does.

    With `asked` known its names in both languages are looked for; else half of the question's own words must
    stand in one sentence, and at least one of them outside the title.
    """
    sentences = [part.strip() for part in _SENTENCE.split(description[:20_000]) if part and part.strip()]
    if asked:
        concept = topic_of(asked)
        pattern = re.compile(
            "|".join(filter(None, (concept.english, concept.chinese))) if concept else re.escape(asked), re.IGNORECASE
        )
        names = [re.escape(name) for name in (concept.attributes if concept else (asked,))]
        spelled = re.compile("|".join(rf"(?<![a-z]){name}(?![a-z])" for name in names), re.IGNORECASE)
        hits = [each for each in sentences if spelled.search(each) or pattern.search(each)]
        # Of several sentences the one with a figure says most.
        best = max(hits, key=lambda each: (bool(re.search(r"\d", each)), -len(each)), default="")
        return best[:QUOTE]
    known = set(words_of(title))
    wanted = [word for word in dict.fromkeys(words_of(question)) if word not in known and not _QUESTION.fullmatch(word)]
    if not wanted:
        return ""
    scored = [(sum(_same(word, have) for word in wanted), each) for each in sentences if (have := set(words_of(each)))]
    most, best = max(scored, key=lambda pair: pair[0], default=(0, ""))
    return best[:QUOTE] if 2 * most > len(wanted) else ""


def _same(word: str, have: set[str]) -> bool:
    return word in have or any(
        len(word) > 3 and (other.startswith(word) or word.startswith(other)) for other in have if len(other) > 3
    )


_QUESTION = re.compile(
    r"(?:what|which|how|when|where|who|why|many|much|long|big|have|has|had|you|there|any|will|would|could|should|about|tell|know|"
    r"second|first|third|last|product|item|thing|多|少|几|怎|么|样|能|不|会|吗|问|请|下|知|道|第|一|二|三|款)"
)
_SUMMARY = re.compile(
    r"tell me (?:more )?about|what(?:'?s| is| are)\b.{1,24}\blike\b|"
    r"more (?:info|details?|information)|describe|details|介绍|说说|详细|怎么样|讲讲",
    re.IGNORECASE,
)


def _wants_summary(question: str) -> bool:
    return bool(_SUMMARY.search(question)) or not [word for word in words_of(question) if not _QUESTION.fullmatch(word)]


def _attribute_named(product: Product, question: str) -> str | None:
    """An attribute whose name or value stands in the question: "is it hypoallergenic" finds {"features".

    "hypoallergenic"}.
    """
    low = question.casefold()
    for name, values in product.attributes.items():
        if any(len(word) > 2 and word.casefold() in low for word in (name, *values)):
            return name
    return None
