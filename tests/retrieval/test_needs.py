from __future__ import annotations

import pytest

from retrieval.needs import tells_need


@pytest.mark.parametrize(
    "text",
    ["keep the rain off while cycling", "something for my back", "stop the dog from pulling", "My feet get cold at night",
     "charge my phone on a hike", "I sit all day"],
)  # fmt: skip
def test_a_clause_tells_of_a_need(text: str) -> None:
    assert tells_need(text)


@pytest.mark.parametrize(
    "text",
    ["rain jacket", "drum kit for my son", "mattress with a warranty", "sofa in the same color", "boat motor 50 hp", "the", "",
     "下雨天骑车用的", "RX-V663BL"],
)  # fmt: skip
def test_a_name_does_not(text: str) -> None:
    assert not tells_need(text)
