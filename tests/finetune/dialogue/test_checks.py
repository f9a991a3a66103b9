"""The checks on replies made by hand: what is right passes, and each way of being wrong is found."""

from __future__ import annotations

from typing import Any

import pytest

from bot.cards import CartLineView, CartView, Citation, IntentView, Reply
from bot.present import card_of
from finetune.dialogue.checks import failures, fits, is_of, spellings, violations, wrong_writes
from finetune.dialogue.claims import Evidence
from finetune.dialogue.journeys import JourneyTurn
from finetune.dialogue.scene import Known, Seen, repeats
from index.product import Availability, Money, Product, Rating, Variant


def product(key: str, cents: int, **fields: Any) -> Product:
    return Product.model_validate(
        {
            "id": key,
            "title": f"Kettle {key}",
            "categories": ("Kitchen", "Kettles"),
            "price": Money(amount=cents, currency="USD"),
            "stock": 5,
            "attributes": {"color": ("black",), "capacity": ("1.5 L",)},
            **fields,
        }
    )


CHEAP, DEAR = product("a", 2_000, rating=Rating(value=4.5, count=200)), product("b", 9_000)
SHIRT = product(
    "s",
    1_500,
    categories=("Clothing", "Shirts"),
    variants=(
        Variant(id="s-1", options={"color": "black"}, stock=2),
        Variant(id="s-2", options={"color": "white"}, stock=0, availability=Availability("out_of_stock")),
    ),
)


def cart(**lines: int) -> CartView:
    views = tuple(CartLineView(line_id=key, product_id=key, title=key, quantity=count) for key, count in lines.items())
    return CartView(cart_id="c", version=1, lines=views)


def seen(
    *records: Product,
    text: str = "Here they are.",
    before: CartView | None = None,
    after: CartView | None = None,
    message: str = "kettles",
    written: frozenset[str] = frozenset(),
    **fields: Any,
) -> Seen:
    reply = Reply(
        conversation_id="c", message_id="m", text=text, language=fields.pop("language", "en"),
        intent=IntentView(label="search", confidence=1.0), action=fields.pop("action", "answer"),
        products=tuple(card_of(record) for record in records), **fields,
    )  # fmt: skip
    nothing = cart()
    return Seen(
        message=message, reply=reply, before=before or nothing, after=after or before or nothing,
        records={record.id: record for record in records}, ms=1.0, written=written,
    )  # fmt: skip


def turn(**fields: Any) -> JourneyTurn:
    return JourneyTurn.model_validate({"en": "kettles", "cards": (0, 6), "action": "answer", **fields})


def failed(expected: JourneyTurn, found: Seen, **kept: Product) -> list[str]:
    known = {name: Known(card_of(record), record, place) for place, (name, record) in enumerate(kept.items(), 1)}
    return [*failures(expected, found, known, frozenset({"b"}), "en", 6), *violations(expected, found)]


@pytest.mark.parametrize(
    ("expected", "found", "says"),
    [
        (turn(cards=(1, 6)), seen(), "shows 0 cards instead of 1 to 6"),
        (turn(cards=(0, 1)), seen(CHEAP, DEAR), "shows 2 cards"),
        (turn(kinds=("Toasters",)), seen(CHEAP, DEAR), "instead of 'Toasters'"),
        (turn(price_max=50), seen(CHEAP, DEAR), "costs 90.0, above 50"),
        (turn(price_min=50), seen(CHEAP, DEAR), "below 50"),
        (turn(total_max=100), seen(CHEAP, DEAR), "110.00 together"),
        (turn(rating_min=4), seen(CHEAP, DEAR), "not rated 4"),
        (turn(order="price_asc"), seen(DEAR, CHEAP), "not in the order"),
        (turn(order="rating_desc"), seen(DEAR, CHEAP), "not in the order"),
        (turn(has={"color|颜色": ("white",)}), seen(CHEAP), "is not white"),
        (turn(lacks={"color": ("black",)}), seen(CHEAP), "is black"),
        (turn(at_least={"capacity": 2}), seen(CHEAP), "1.5 of capacity"),
        (turn(spread=2), seen(CHEAP, DEAR), "1 kinds"),
        (turn(shows=("one",)), seen(CHEAP, DEAR), "alone"),
        (turn(includes=("two",)), seen(CHEAP), "does not show two"),
        (turn(hides=("one",)), seen(CHEAP), "shows one"),
        (turn(fresh=True), seen(DEAR), "1 cards again"),
        (turn(cheaper_than="one"), seen(CHEAP), "not cheaper"),
        (turn(tells={"one": ("price",)}), seen(text="$21.00"), "does not tell the price"),
        (turn(tells={"two": ("rating",)}), seen(text="5 of 5"), "does not tell the rating"),
        (turn(tells={"one": ("capacity|容量",)}), seen(text="2 L"), "does not tell"),
        (turn(says=("30|thirty",)), seen(), "does not say"),
        (turn(says_not=("HERE",)), seen(), "says 'HERE'"),
        (turn(cites="document"), seen(), "cites no document"),
        (turn(table=True), seen(), "no table"),
        (turn(action="ask"), seen(), "instead of ask"),
        (turn(), seen(after=cart(a=1)), "nobody asked for"),
        (turn(cart={"one": 2}), seen(after=cart(a=1)), "instead of one"),
        (turn(link=True), seen(), "no checkout link"),
        (turn(), seen(language="zh"), "answers in 'zh'"),
    ],
)  # fmt: skip
def test_each_way_of_being_wrong_is_found(expected: JourneyTurn, found: Seen, says: str) -> None:
    assert any(says in each for each in failed(expected, found, one=CHEAP, two=DEAR))


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        (turn(cards=(2, 2), kinds=("Kettles",), price_max=90, order="price_asc", available=True), seen(CHEAP, DEAR)),
        (turn(has={"color|颜色": ("black",)}, lacks={"color": ("white",)}), seen(CHEAP, SHIRT)),
        (turn(cart={"one": 1}, cards=(1, 1), shows=("one",)), seen(CHEAP, after=cart(a=1))),
        (turn(tells={"one": ("price", "rating", "capacity|容量", "title")}), seen(text="Kettle a: $20.00, 1.5 L, 4.5")),
        (turn(tells={"one": ("color",)}), seen(text="它是黑色的，20美元")),
        (
            turn(cites="document", cites_page="returns", says=("30 days",)),
            seen(text="30 days", citations=(Citation(kind="document", id="returns.en.md", title="Returns", quote="30"),)),
        ),
        (turn(order="rating_desc"), seen(CHEAP, DEAR)),
    ],
)  # fmt: skip
def test_what_is_right_passes(expected: JourneyTurn, found: Seen) -> None:
    assert failed(expected, found, one=CHEAP, two=DEAR) == []


def test_no_floor_exceeds_what_there_is() -> None:
    assert failures(turn(cards=(3, 6), kinds=("Kettles",)), seen(CHEAP), {}, frozenset(), "en", 1) == []
    assert fits(turn(has={"color": ("black",)}), SHIRT)
    assert not fits(turn(has={"color": ("white",)}), SHIRT), "that one is sold out"


def test_a_variant_that_was_picked_decides() -> None:
    assert is_of(SHIRT, "s-1", "color", ("black",))
    assert not is_of(SHIRT, "s-1", "color", ("white",))
    assert is_of(SHIRT, None, "color", ("white",))
    assert not is_of(SHIRT, None, "color", ("white",), whole=True)
    assert "黑色" in spellings("black")
    assert spellings("1.5 L") == ["1.5 L", "1.5升"]


def test_what_is_reported_of_the_cart_has_to_have_happened() -> None:
    added = frozenset({"added"})
    known = frozenset({"a"})
    assert wrong_writes(seen(after=cart(a=1), written=added), known) == []
    assert "nothing was" in wrong_writes(seen(written=added), known)[0]
    assert "without saying so" in wrong_writes(seen(after=cart(a=1)), known)[0]
    assert "neither shown nor named" in wrong_writes(seen(after=cart(x=1), written=added), known)[0]
    assert "nothing was" in wrong_writes(seen(written=frozenset({"removed"})), known)[0]
    assert "another cart" in wrong_writes(seen(cart=cart(a=1)), known)[0]
    taken = seen(before=cart(a=2), after=cart(a=1), written=frozenset({"changed"}))
    assert wrong_writes(taken, known) == []


def test_figures_are_compared_with_records_and_counts_pass() -> None:
    evidence = Evidence(2)
    evidence.product(product("a", 2_000, rating=Rating(value=4.5, count=200)))
    evidence.words("within 30 days")
    backed = "12 match; it costs $20.00, holds 1.5 L, rated 4.5 of 5, back within 30 days. 共12款，20.00美元，30天。"
    assert list(evidence.unbacked(backed)) == []
    assert list(evidence.unbacked("$21.00")) == ["$21.00"]
    assert list(evidence.unbacked("¥20.50，2 L，14天，10%")) == ["¥20.50", "2 L", "14天", "10%"]


def test_a_turn_that_says_the_same_is_a_repeat() -> None:
    one, other = seen(CHEAP, DEAR), seen(CHEAP, DEAR, text="Again.", message="cheaper")
    assert repeats([one, other]) == 1
    assert repeats([one, one]) == 0, "who asks the same may be answered the same"
    assert repeats([one, seen(DEAR, CHEAP, text="Others.", message="cheaper")]) == 0
