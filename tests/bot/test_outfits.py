"""What a turn changes in a set, and what only sounds so."""

from __future__ import annotations

import pytest

from bot.outfits import Change, change_in
from bot.state import Outfit
from index.filters import Filters, PriceRange
from retrieval.understanding import Understanding

OUTFIT = Outfit(
    occasion="camping",
    currency="USD",
    names=(("tent", "camping tents", "帐篷"), ("sleeping bag", "睡袋"), ("camping stove", "炉具", "露营炉具")),
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("swap the tent for a cheaper one", Change("exchange", (0,))),
        ("another sleeping bag please", Change("exchange", (1,))),
        ("swap the tent and the stove for cheaper ones", Change("exchange", (0, 2))),
        ("帐篷换个便宜点的", Change("exchange", (0,))),
        ("帐篷不要这个，换一款", Change("exchange", (0,))),
        ("I don't want this tent, show me another", Change("exchange", (0,))),
        ("leave out the stove", Change("strike", (2,))),
        ("睡袋不要了，我有", Change("strike", (1,))),
        ("make it 200 in total", Change("budget", budget=20_000)),
        ("under $80 all together", Change("budget", budget=8_000)),
        ("总共200以内", Change("budget", budget=20_000)),
        ("控制在50块以内", Change("budget", budget=5_000)),
        ("everything for 90 in total", Change("budget", budget=9_000)),
    ],
)
def test_what_is_a_change(message: str, expected: Change) -> None:
    assert change_in(OUTFIT, Understanding(query="things"), message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "make it 2",
        "all 5 please",
        "for 4",
        "ok, 2",
        "就要2",
        "都要3",
        "控制在50欧元以内",
        "does the tent come in a different color?",
        "can I return the tent if I change my mind?",
        "do you also have the boots in another size",
        "which tent is better",
        "is the tent better than the other one",
        "remove the tent from my cart",
        "帐篷哪个更好",
        "换个手机",
        "show me better headphones",
        "thanks",
        "",
    ],
)
def test_what_is_none(message: str) -> None:
    assert change_in(OUTFIT, Understanding(query="things"), message) is None


def test_a_place_or_a_price_may_say_it() -> None:
    assert change_in(OUTFIT, Understanding(query="", ordinals=(-1,)), "换掉最后一个") == Change("exchange", (2,))
    assert change_in(OUTFIT, Understanding(query="", ordinals=(9,)), "swap the ninth") is None
    limit = Understanding(query="", filters=Filters(price=PriceRange(max=9_900, currency="USD")))
    assert change_in(OUTFIT, limit, "not over 99") == Change("budget", budget=9_900)
    assert change_in(OUTFIT.model_copy(update={"names": ()}), Understanding(query="x"), "swap the tent") is None
