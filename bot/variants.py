"""Which variants of a product a turn can mean: "the blue one in L", "do you have it in blue?", "add it in 42"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.shelf import availability_of, price_of, telling_options
from bot.turn import Turn
from index.attributes import canonical, parts_of
from index.clean import fold
from index.product import Product, Variant
from retrieval.understanding import Understander
from retrieval.variants import Said


@dataclass(frozen=True, slots=True)
class Meant:
    """The variants that can be meant, in the product's order; `named` where words of the customer chose among them."""

    variants: tuple[Variant, ...]
    named: bool

    def best(self, product: Product, like: Variant | None = None) -> Variant | None:
        """One to speak of: to be had before sold out, then most like the one talked about, then the cheapest."""

        def order(variant: Variant) -> tuple[bool, int, int]:
            shared = len(variant.options.items() & like.options.items()) if like else 0
            price = price_of(product, variant)
            return not availability_of(product, variant).orderable, -shared, price.amount if price else 0

        return min(self.variants, key=order, default=None)

    def title(self, product: Product) -> str:
        """The product's title with the options that all of them share: "Heavy tee (navy)" of navy ones in five sizes."""
        names = telling_options(product)
        shared = [
            values.pop()
            for name in names
            if len(values := {variant.options.get(name, "") for variant in self.variants}) == 1 and values != {""}
        ]
        return f"{product.title} ({', '.join(shared)})" if shared else product.title


def meant(turn: Turn, product: Product, running: bool = True) -> Meant:
    """The variants that the turn can mean; `running` counts in what the topic asks for. None where no variant is as asked."""
    understanding = turn.understanding
    asked = {**understanding.wishes.attributes, **understanding.filters.attributes, **understanding.referent}
    text = turn.message
    if running:
        asked = {**turn.topic.filters.attributes, **asked}
        text = f"{turn.topic.query} . {text}"
    said = {canonical(name): {*map(fold, values)} for name, values in asked.items()}
    own = said.keys() & {canonical(name) for variant in product.variants for name in variant.options}
    left = tuple(variant for variant in product.variants if meets(variant, said))
    # "In blue 42": a number or a letter that was not read as a size may stand for one of these.
    counts = dict(zip((each.id for each in product.variants), Said(text).fit(product)[:, 0].tolist(), strict=True))
    most = max((counts[variant.id] for variant in left), default=0)
    if most:
        left = tuple(variant for variant in left if counts[variant.id] == most)
    return Meant(left, bool(own) or most > 0)


def meets(variant: Variant, said: Mapping[str, set[str]]) -> bool:
    """Whether each option has one of the values that were said of it; `said` maps canonical names to folded values."""
    return all(
        not (values := said.get(canonical(name))) or bool(parts_of(option) & values)
        for name, option in variant.options.items()
    )


def asked_of(turn: Turn, names: Sequence[str]) -> str:
    """The values that the turn asks for, for a sentence that says there is none: "blue / L"."""
    understanding = turn.understanding
    asked = {**understanding.wishes.attributes, **understanding.filters.attributes, **understanding.referent}
    known = {canonical(name) for name in names}
    return " / ".join(values[0] for name, values in asked.items() if canonical(name) in known and values)


def open_choices(
    understander: Understander, product: Product, variant_id: str | None, messages: Sequence[str]
) -> list[Variant]:
    """The variants that can be ordered and agree with a shown one in all options that `messages` of the customer name."""
    shown = product.variant(variant_id) if variant_id else None
    able = [variant for variant in product.variants if availability_of(product, variant).orderable]
    if shown is None:
        return able
    read = [understander.read(message) for message in messages]
    spoken = [said for each in read for said in (each.filters.attributes, each.wishes.attributes, each.referent)]
    named = {fold(value) for said in spoken for values in said.values() for value in values}
    texts = [Said(message) for message in messages]
    fixed = {
        name: value
        for name, value in shown.options.items()
        if parts_of(value) & named or any(text.names(value) for text in texts)
    }
    return [variant for variant in able if fixed.items() <= variant.options.items()]
