from __future__ import annotations

import pytest

from index.clean import fold
from index.hanzi import _SIMPLIFIED, simplified
from index.tokens import words_of


@pytest.mark.parametrize(
    ("traditional", "plain"),
    [
        ("不要皮的雙肩包", "不要皮的双肩包"),
        ("後面的頭髮", "后面的头发"),
        ("plain", "plain"),
        ("", ""),
        ("著名", "著名"),
        ("🎧耳機", "🎧耳机"),
    ],
)
def test_traditional_becomes_simplified_of_the_same_length(traditional: str, plain: str) -> None:
    assert simplified(traditional) == plain
    assert len(simplified(traditional)) == len(traditional)
    assert simplified(plain) == plain


def test_every_pair_leads_from_one_character_to_another_that_is_none_of_the_first() -> None:
    assert len(_SIMPLIFIED) > 1_500
    assert all(len(plain) == 1 and ord(plain) not in _SIMPLIFIED for plain in _SIMPLIFIED.values())


def test_names_and_words_compare_in_either_script() -> None:
    assert fold("藍牙耳機") == fold("蓝牙耳机")
    assert words_of("藍牙耳機") == words_of("蓝牙耳机")
