import math

import pytest

from benchmarks.search_peers import Bm25, CharacterNgrams, fused, terms_of, text_of
from index.product import Product

TEXTS = ["red kettle", "red kettle with a red lid", "blue toaster", "蓝色水壶"]


def test_terms_are_words_and_pairs_of_chinese_characters() -> None:
    assert terms_of("USB-C线 红色的, 2 m") == ["usb", "c", "线", "红色", "色的", "2", "m"]


def test_bm25_by_hand() -> None:
    # "toaster" is in one of two texts of two words each: idf ln 2, and tf 1 at the mean length weighs 1.
    bm25 = Bm25(["red kettle", "blue toaster"])
    weights = bm25._weights @ bm25._counter.transform(["toaster"]).toarray().ravel()
    assert weights.tolist() == pytest.approx([0, math.log(2)])


def test_bm25_finds_by_words_and_only_by_words() -> None:
    bm25 = Bm25(TEXTS)
    assert bm25.search("red kettle", 10).tolist() in ([0, 1], [1, 0])
    assert bm25.search("水壶", 10).tolist() == [3]
    assert bm25.search("ketle", 10).tolist() == []


def test_ngrams_survive_a_typo() -> None:
    assert CharacterNgrams(TEXTS).search("toastr", 2).tolist()[0] == 2


def test_fusion_takes_what_both_have_before_what_one_has_first() -> None:
    # 1/61 + 1/62 for 2, 1/61 for 1, 1/63 for 3.
    assert fused([[1, 2], [2, 4, 3]]) == [2, 1, 4, 3]


def test_a_products_text_has_all_that_its_record_says() -> None:
    product = Product(
        id="1", title="Kettle", brand="Fjord", mpn="F-1", attributes={"color": ("red",)}, description="Hot."
    )
    assert text_of(product) == "Kettle Fjord F-1 red Hot."
