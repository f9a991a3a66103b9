from pathlib import Path

import pytest

from benchmarks.needs import Criterion, Names, Need, read_needs
from index.product import Availability, Money, Product, Variant
from storage.errors import InvalidInput

NAMES = Names(
    kinds={"Kettles": "Kettles", "电热水壶": "Kettles", "Travel Mugs": "Travel Mugs", "Toasters": "Toasters"},
    attributes={"color": "color", "颜色": "color", "capacity": "capacity", "容量": "capacity", "size": "size"},
)
KETTLE = Product(
    id="k",
    title="Fjord Kettle, 1.5 L",
    description="Quiet on the boil.",
    brand="Fjord",
    categories=("Kitchen", "Kettles"),
    price=Money(amount=4999, currency="USD"),
    attributes={"color": ("red", "black"), "capacity": ("1.5 L",)},
    language="en",
)


def holds(text: str, product: Product = KETTLE, orderable: bool = False) -> bool:
    return Criterion.parse(text, NAMES).holds(product, NAMES, orderable)


def need(**parts: list[str]) -> Need:
    criteria = {name: tuple(Criterion.parse(text, NAMES) for text in texts) for name, texts in parts.items()}
    return Need("en-001", "kettle", frozenset({"Kettles"}), frozenset({"Travel Mugs"}), **criteria)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("color = Red", True),
        ("color = blue or black", True),
        ("color = re", False),
        ("color ~ re", True),
        ("not color = red", False),
        ("not color = blue", True),
        ("capacity >= 1500 ml", True),
        ("capacity > 1.5 L", False),
        ("capacity <= 2 L", True),
        ("price < 50", True),
        ("price < 49.99", False),
        ("brand = fjord", True),
        ("words ~ on the boil", True),
        ("words ~ 1.5 l or steel", True),
        ("size = 42", False),
        ("not size = 42", True),
    ],
)
def test_a_criterion_reads_the_record(text: str, met: bool) -> None:
    assert holds(text) is met


def test_a_criterion_reads_every_language_by_the_english_name() -> None:
    chinese = KETTLE.model_copy(update={"attributes": {"颜色": ("红色",), "容量": ("1.5升",)}})
    assert holds("color = red or 红色", chinese)
    assert holds("capacity >= 1.5 L", chinese)
    assert not holds("capacity > 1.5 L", chinese)


def test_an_unknown_price_fails_a_limit() -> None:
    assert not holds("price <= 100", KETTLE.model_copy(update={"price": None}))


def test_a_dimension_counts_by_its_first_number_and_its_unit() -> None:
    desk = KETTLE.model_copy(update={"attributes": {"size": ("1.4 x 0.7 m",)}})
    assert holds("size >= 140 cm", desk)
    assert not holds("size > 140 cm", desk)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("red", "no criterion"), ("colour = red", "no field 'colour'"), ("capacity >= large", "compares with no number")],
)
def test_what_is_no_criterion_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        Criterion.parse(text, NAMES)


def variant(size: str, availability: Availability) -> Variant:
    return Variant(id=size, availability=availability, options={"size": size})


def test_an_option_that_is_a_condition_must_be_to_be_had() -> None:
    sizes = {"attributes": {"size": ("41", "42")}}
    shoe = KETTLE.model_copy(
        update=sizes | {"variants": (variant("41", Availability.IN_STOCK), variant("42", Availability.OUT_OF_STOCK))}
    )
    assert holds("size = 42", shoe)
    assert not holds("size = 42", shoe, orderable=True)
    assert holds("size = 41", shoe, orderable=True)
    assert holds("size = 42", KETTLE.model_copy(update=sizes), orderable=True)


@pytest.mark.parametrize(
    ("parts", "gain"),
    [
        ({}, 3),
        ({"wants": ["color = red"], "nice": ["capacity >= 1 L"]}, 3),
        ({"wants": ["color = red"], "nice": ["capacity >= 2 L"]}, 2),
        ({"wants": ["color = blue"]}, 1),
        ({"wants": ["color = blue", "capacity >= 2 L"]}, 0),
        ({"conditions": ["price <= 49"]}, 0),
        ({"conditions": ["price <= 50"]}, 3),
    ],
)
def test_the_rule_for_a_right_kind(parts: dict[str, list[str]], gain: int) -> None:
    assert need(**parts).gain(KETTLE, NAMES) == gain


def test_the_rule_for_other_kinds_and_languages() -> None:
    mug = KETTLE.model_copy(update={"categories": ("Kitchen", "Travel Mugs")})
    toaster = KETTLE.model_copy(update={"categories": ("Kitchen", "Toasters")})
    chinese = KETTLE.model_copy(update={"categories": ("厨房", "电热水壶"), "language": "zh"})
    assert [need().gain(product, NAMES) for product in (mug, toaster, chinese)] == [1, 0, 2]
    assert need(wants=["color = blue"]).gain(mug, NAMES) == 0
    assert need(conditions=["price < 40"]).gain(mug, NAMES) == 0
    assert need().gain(KETTLE.model_copy(update={"categories": ()}), NAMES) == 0


def test_the_needs_in_the_repository_are_two_hundred_in_two_languages() -> None:
    needs = read_needs(Names.read())
    assert len({one.query_id for one in needs}) == len({one.text for one in needs}) == 200
    assert [sum(one.language == language for one in needs) for language in ("en", "zh")] == [140, 60]


def test_a_need_of_an_unknown_kind_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "needs.jsonl"
    path.write_text('{"query_id": "en-1", "text": "x", "kinds": ["Boats"]}\n', encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"line 1: There is no kind 'Boats'"):
        read_needs(NAMES, path)
