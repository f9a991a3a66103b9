from pathlib import Path
from typing import Any

import pytest

from benchmarks.conditions import Sentence, read_sentences, report, score, values_of
from benchmarks.needs import Names, read_products
from index.filters import Filters

NAMES = Names(kinds={}, attributes={"color": "color", "颜色": "color", "capacity": "capacity", "material": "material"})
VALUES = {"color": {"red", "black", "红色"}, "capacity": {"1 l", "2 l"}, "material": {"steel", "plastic"}}
DOLLARS = {"currency": "USD"}


def outcome(found: dict[str, Any], *golds: dict[str, Any], about: int | None = None) -> tuple[bool, bool]:
    sentence = Sentence("en-c1", "", tuple(map(Filters.model_validate, golds)), about=about)
    scored = score(sentence, Filters.model_validate(found), VALUES, NAMES)
    return scored.exact, scored.wrong


EXACT, MISSING, WRONG = (True, False), (False, False), (False, True)


@pytest.mark.parametrize(
    ("found", "gold", "result"),
    [
        ({}, {}, EXACT),
        ({"brand": ["acme"]}, {"brand": ["Acme"]}, EXACT),
        ({"brand": ["Acme"]}, {}, WRONG),
        ({}, {"brand": ["Acme"]}, MISSING),
        ({"brand": ["Acme"]}, {"exclude": {"brand": ["Acme"]}}, WRONG),
        ({"price": {"max": 3999} | DOLLARS}, {"price": {"max": 4000} | DOLLARS}, EXACT),
        ({"price": {"max": 3899} | DOLLARS}, {"price": {"max": 4000} | DOLLARS}, WRONG),
        ({"price": {"min": 4000} | DOLLARS}, {"price": {"max": 4000} | DOLLARS}, WRONG),
        ({"price": {"max": 4000} | DOLLARS}, {"price": {"min": 1000, "max": 4000} | DOLLARS}, MISSING),
        ({"price": {"max": 4000, "currency": "EUR"}}, {"price": {"max": 4000} | DOLLARS}, WRONG),
        ({"attributes": {"颜色": ["红色"]}}, {"attributes": {"color": ["红色"]}}, EXACT),
        ({"attributes": {"color": ["red", "blue"]}}, {"attributes": {"color": ["red"]}}, EXACT),
        ({"attributes": {"color": ["red", "black"]}}, {"attributes": {"color": ["red"]}}, WRONG),
        ({"attributes": {"capacity": ["2 L", "9 L"]}}, {"attributes": {"capacity": ["2 L"]}}, EXACT),
        ({"attributes": {"capacity": ["9 L"]}}, {"attributes": {"capacity": ["2 L"]}}, WRONG),
        ({"exclude": {"attributes": {"material": ["leather"]}}}, {}, EXACT),
        ({"exclude": {"attributes": {"material": ["steel"]}}}, {}, WRONG),
        ({"rating_min": 4}, {"rating_min": 4.5}, WRONG),
        ({"availability": ["in_stock"]}, {"availability": ["in_stock"]}, EXACT),
        ({"categories": ["Kettles"]}, {}, WRONG),
    ],
)
def test_what_is_exact_what_is_missing_and_what_is_wrong(
    found: dict[str, Any], gold: dict[str, Any], result: tuple[bool, bool]
) -> None:
    assert outcome(found, gold) == result


def test_another_reading_is_as_good_but_no_mixture_of_two() -> None:
    price = {"price": {"max": 4000, "currency": "EUR"}}
    assert outcome({}, price, {}) == EXACT
    assert outcome({"brand": ["A"]}, {"brand": ["A"], **price}, {}) == MISSING
    assert outcome({"brand": ["A"], "rating_min": 4}, {"brand": ["A"]}, {"rating_min": 4}) == WRONG


@pytest.mark.parametrize(("low", "high", "result"), [(4000, 6000, EXACT), (4500, 5500, EXACT), (1000, 5500, WRONG)])
def test_about_an_amount_takes_any_near_range(low: int, high: int, result: tuple[bool, bool]) -> None:
    gold = {"price": {"min": 4000, "max": 6000} | DOLLARS}
    assert outcome({"price": {"min": low, "max": high} | DOLLARS}, gold, about=5000) == result


def test_the_report_counts_and_lists_what_failed() -> None:
    plain = Sentence("zh-c1", "红茶", (Filters(),))
    outcomes = [
        score(plain, Filters(), VALUES, NAMES),
        score(plain, Filters(brand=("红",)), VALUES, NAMES),
        score(Sentence("en-c1", "only Acme", (Filters(brand=("Acme",)),)), Filters(), VALUES, NAMES),
    ]
    found = report(outcomes)
    assert (found["n"], found["exact"], found["wrong_filter"]) == (3, pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert found["zh"] == found["without_condition"] == {"n": 2, "exact": 0.5, "wrong_filter": 0.5}
    assert [row["text"] for row in found["failures"]] == ["红茶", "only Acme"]


def test_the_sentences_in_the_repository() -> None:
    sentences = read_sentences()
    assert len({sentence.text for sentence in sentences}) == len(sentences)
    assert sum(sentence.language == "en" for sentence in sentences) >= 110
    assert sum(sentence.language == "zh" for sentence in sentences) >= 50
    assert sum(sentence.golds[0].empty for sentence in sentences) >= 40
    kinds = set(Names.read().kinds.values())
    assert all(sentence.kinds <= kinds for sentence in sentences)
    assert all(sentence.kinds or sentence.golds[0].empty for sentence in sentences)


def test_every_gold_value_is_one_of_the_demo_shops(catalog: Path) -> None:
    names, products = Names.read(), list(read_products(catalog))
    brands = {product.brand for product in products}
    for sentence in read_sentences():
        values = values_of(products, sentence.kinds, sentence.language, names)
        for gold in sentence.golds:
            assert {*gold.brand, *gold.exclude.brand} <= brands, sentence.text
            for name, several in (*gold.attributes.items(), *gold.exclude.attributes.items()):
                unknown = {value.casefold() for value in several} - values.get(names.attributes[name], set())
                assert not unknown, (sentence.text, unknown)
