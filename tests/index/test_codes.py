import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.codes import codes_of, identifiers, stems_of, weight_of


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Sony PS-LX350H turntable", ["pslx350h"]),
        ("ps lx350h", ["lx350h"]),
        ("model DMC/FX36.K", ["dmcfx36k"]),
        ("4006381333931", ["4006381333931"]),
        ("size 42, 2024, 1080p", ["1080p"]),
        ("under 120 dollars", []),
        ("耳机WH-1000XM5", ["耳机wh1000xm5"]),
    ],
)
def test_codes_have_one_spelling(text: str, codes: list[str]) -> None:
    assert codes_of(text) == codes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Yamaha RX-V663BL", "Yamaha receiver RXV663BK"),
        ("HTZ410T", "HT-Z410/XAA"),
        ("Lumo MDR EX55/WHI", "MDREX55WH"),
        ("Coolpix P6000 camera", "COOLPIXP6000BK"),
        ("IH9B6R", "IH9BR2 IH9B6"),
        ("iPhone 15 case", "case for iphone15"),
    ],
)
def test_spellings_of_one_article_share_a_stem(one: str, other: str) -> None:
    assert {*stems_of(one)} & {*stems_of(other)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("RX-V663BL", "RX-V863BL"),
        ("120 dollars", "120 euros"),
        ("pack of 6", "bag of 6"),
        ("4006381333931", "4006381333948"),
        ("", "RX-V663"),
    ],
)
def test_other_articles_share_none(one: str, other: str) -> None:
    assert not {*stems_of(one)} & {*stems_of(other)}


def test_what_a_shop_calls_a_code_is_one_whatever_its_shape() -> None:
    assert list(identifiers(["0042-17", "SKU 9931", "", "abc", "12"])) == ["004217", "sku9931"]


def test_a_short_stem_says_less() -> None:
    assert weight_of("ih9b") < weight_of("ystfsw") == weight_of("ystfsw150") == 1


@given(st.text(max_size=200))
def test_any_text_has_stems_with_a_letter_and_a_digit(text: str) -> None:
    for stem in stems_of(text):
        assert any(map(str.isdigit, stem))
        assert not stem.isdigit()
        assert len(stem) >= 4
