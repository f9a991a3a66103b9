from __future__ import annotations

import string
from typing import Any

import pytest

from bot.present import reason_of
from bot.reply.voice import Voice, languages
from index.filters import Exclusions, Filters, PriceRange
from index.product import Availability, Product
from retrieval.ranking import Reason

PLAIN_TABLES = {
    "language",
    "constraint",
    "availability",
    "field",
    "attribute",
    "count",
    "period",
    "band",
    "currency",
    "payment",
}


def wordings() -> list[tuple[str, str, str, list[str]]]:
    return [
        (code, table, key, texts)
        for code, language in languages().items()
        for table, keys in language.tables.items()
        if table not in PLAIN_TABLES
        for key, texts in keys.items()
    ]


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize(("code", "table", "key", "texts"), wordings())
def test_each_fact_has_three_wordings_that_differ(code: str, table: str, key: str, texts: list[str]) -> None:
    assert len(set(texts)) == len(texts) >= 3, f"{code}: {table}.{key}"


def test_languages_say_the_same_things_with_the_same_facts() -> None:
    known: dict[str, dict[str, Any]] = {code: dict(language.tables) for code, language in languages().items()}
    assert set(known) == {"en", "zh"}
    for table, keys in known["en"].items():
        if table in ("attribute",):
            continue
        own = {key for key in keys if not key.endswith("_one")}
        assert own == {key for key in known["zh"][table] if not key.endswith("_one")}, table
        for key in own if table not in PLAIN_TABLES else ():
            english = set().union(*map(fields, keys[key]))
            chinese = set().union(*map(fields, known["zh"][table][key]))
            assert english == chinese, f"{table}.{key}"


@pytest.mark.parametrize(("code", "table", "key", "texts"), wordings())
def test_no_wording_drops_a_price_or_a_count_that_another_tells(
    code: str, table: str, key: str, texts: list[str]
) -> None:
    for fact in ("price", "subtotal", "count", "quantity", "stock", "rating", "order", "url", "value", "quote"):
        told = [fact in fields(text) for text in texts]
        assert all(told) or not any(told) or (table, key, fact) in {("search", "found", "count")}, (
            f"{code}: {table}.{key} {fact}"
        )


def test_the_same_talk_is_worded_the_same_and_a_repeat_differently() -> None:
    first, replay = (Voice.of("en", "talk-1/3") for _ in range(2))
    said = [first.say("cart.empty") for _ in range(3)]
    assert said == [replay.say("cart.empty") for _ in range(3)]
    assert len(set(said)) == 3
    later = Voice.of("en", "talk-1/3", {"cart.empty": 1})
    assert later.say("cart.empty") == said[1]


def test_one_and_many() -> None:
    assert "1" not in Voice.of("en", "x").say("search.unknown_price", count=1)
    assert "7" in Voice.of("en", "x").say("search.unknown_price", count=7)
    assert "一款" in Voice.of("zh", "x").say("search.unknown_price", count=1)
    assert "7 款" in Voice.of("zh", "x").say("search.unknown_price", count=7)


def test_conditions_in_words() -> None:
    filters = Filters(
        price=PriceRange(min=2000, max=5000, currency="USD"),
        brand=("Pip", "Arbor"),
        attributes={"color": ("red",)},
        exclude=Exclusions(attributes={"material": ("leather",)}),
        availability=(Availability.IN_STOCK,),
        rating_min=4,
    )
    english = Voice.of("en").constraints(filters)
    assert list(english) == ["price", "brand", "color", "exclude", "availability", "rating_min"]
    assert english["price"] == "between $20 and $50"
    assert english["brand"] == "from Pip or Arbor"
    assert english["exclude"] == "not leather"
    chinese = Voice.of("zh").constraints(filters)
    assert chinese["price"].endswith("之间")
    assert chinese["color"] == "红色"
    assert chinese["exclude"] == "不要皮革"
    assert Voice.of("en").constraints(Filters()) == {}


def test_a_limits_many_values_are_said_by_their_ends() -> None:
    filters = Filters(attributes={"capacity": ("1 L", "2 L", "3 L", "4 L", "5 L", "6 L"), "power": ("5 W", "9 W")})
    said = Voice.of("en").constraints(filters)
    assert "1 L … 6 L" in said["capacity"]
    assert "3 L" not in said["capacity"]
    assert "5 W or 9 W" in said["power"]


@pytest.mark.parametrize(("code", "word"), [("en", "leather"), ("zh", "皮革"), ("zh", "麂皮")])
def test_what_was_not_wanted_is_said_in_the_customers_language(code: str, word: str) -> None:
    values = ("suede",) if word == "麂皮" else ("leather", "皮革", "nubuck leather")
    reason = Reason("constraint", {"field": "exclude", "name": "material", "values": values}, ("exclude",))
    text = reason_of(reason, Voice.of(code), Product(id="p", title="Bag"), None).text
    assert word in text
    assert not [value for value in values if value != word and value in text]
