from pathlib import Path

import pytest

from index.codes import codes_of, stems_of
from index.product import Product, Variant
from index.tokens import edit_distance, words_of
from index.words import Alternative, Concept, WordIndex

PRODUCTS = [
    Product(
        id="a", title="Northpeak PS-LX350H Turntable", description="Plays records. Fits shelf HX-77.", mpn="0042-17"
    ),
    Product(
        id="b",
        title="Bluetooth Headphones",
        brand="Sonderbach",
        categories=("Audio", "Headphones"),
        gtin="4006381333931",
    ),
    Product(id="c", title="无线蓝牙耳机", attributes={"颜色": ("红色",)}),
    Product(
        id="SKU-9931",
        title="Running Shoes",
        attributes={"color": ("red",)},
        variants=(Variant(id="v", options={"size": "42", "color": "crème"}),),
    ),
    Product(id="e", title="Glass bowl", description="Its glass is red."),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> WordIndex:
    return WordIndex.build(PRODUCTS, tmp_path_factory.mktemp("words"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Do you have BLUE Shoes?", ["blue", "shoe"]),
        ("蓝牙耳机", ["蓝牙", "牙耳", "耳机"]),
        ("请问有没有红色的耳机吗", ["红色", "耳机"]),
        ("Crème brûlée dishes", ["creme", "brulee", "dish"]),
        ("iPhone15手机", ["iphone15", "手机"]),
        ("batteries glasses lens bus", ["battery", "glass", "len", "bus"]),
        ("1.7 L kettle", ["1.7", "l", "kettle"]),
        ("😀 ... ---", []),
        ("", []),
    ],
)
def test_words_are_folded_the_same_way_for_products_and_queries(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_coverage_is_one_for_all_words_and_less_for_some(index: WordIndex) -> None:
    both = index.coverage(words_of("bluetooth headphones"))
    assert both[1] == pytest.approx(1)
    assert both[[0, 2, 3, 4]].max() == 0
    assert 0 < index.coverage(words_of("red headphones"))[3] < 0.6


def test_a_word_of_the_description_counts_half(index: WordIndex) -> None:
    red = index.coverage(["red"])
    assert red[3] == pytest.approx(1)
    assert red[4] == pytest.approx(0.5)


def test_an_unknown_word_outweighs_a_common_one(index: WordIndex) -> None:
    assert index.coverage(words_of("red helicopter")).max() < 0.5


def test_chinese_is_covered_by_pairs(index: WordIndex) -> None:
    assert index.coverage(words_of("红色蓝牙耳机"))[2] > 0.7  # all pairs but 色蓝
    assert index.coverage(words_of("浴缸")).max() == 0


def test_options_of_variants_are_words_of_the_product(index: WordIndex) -> None:
    assert index.coverage(words_of("creme"))[3] == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "row"),
    [("pslx350h", 0), ("PS-LX350H", 0), ("004217", 0), ("4006381333931", 1), ("sku9931", 3), ("HX77", 0)],
)
def test_identifiers_are_found_however_they_are_spelled(index: WordIndex, text: str, row: int) -> None:
    named = index.identified(codes_of(text))
    assert named.argmax() == row
    assert named[row] > 0.15


def test_no_code_names_nothing(index: WordIndex) -> None:
    assert index.identified([]).tolist() == [0] * len(PRODUCTS)
    assert index.identified(["xyz999"]).max() == 0


@pytest.mark.parametrize("text", ["PS-LX350", "pslx350bk", "PSLX350/XAA", "turntable ps lx350h"])
def test_a_code_of_another_ending_is_found_by_its_stem(index: WordIndex, text: str) -> None:
    assert index.stemmed(stems_of(text)).argmax() == 0
    assert index.stemmed(stems_of(text))[0] > 0.5


def test_the_best_stem_counts_and_none_names_nothing(index: WordIndex) -> None:
    assert index.stemmed(["pslx350h", "pslx350"]).tolist() == index.stemmed(["pslx350h"]).tolist()
    assert index.stemmed([]).tolist() == [0] * len(PRODUCTS)
    assert index.stemmed(["xyz999"]).max() == 0


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("blutooth", "bluetooth"),
        ("hedphones", "headphones"),
        ("turntabel", "turntable"),
        ("helicopter", None),
        ("asdfgh", None),
        ("runnign", "running"),
        ("rubbing", None),
    ],
)
def test_typos_are_corrected_to_words_of_the_catalog(index: WordIndex, word: str, meant: str | None) -> None:
    assert not index.knows(word)
    assert index.correct(word) == meant


@pytest.mark.parametrize(
    ("one", "other", "edits"), [("ab", "ba", 1), ("kitten", "sitting", 3), ("", "abc", 3), ("same", "same", 0)]
)
def test_edit_distance(one: str, other: str, edits: int) -> None:
    assert edit_distance(one, other) == edits


def test_other_words_count_by_their_weight_where_a_row_has_all_of_them(index: WordIndex) -> None:
    concept = Concept(("sneaker",), (Alternative(("running", "shoe"), 0.8), Alternative(("glass", "shoe"), 1.0)))
    assert index.coverage(["sneaker"], [concept]).tolist() == pytest.approx([0, 0, 0, 0.8, 0])
    told = Concept(("scarlet",), (Alternative(("red",), 0.8),))
    assert index.coverage(["scarlet"], [told]).tolist() == pytest.approx([0, 0, 0, 0.8, 0.4]), "a description says half"


def test_other_words_never_count_beside_the_own(index: WordIndex) -> None:
    said = Concept(("shoe",), (Alternative(("running",), 0.8), Alternative(("red",), 0.9)))
    assert index.coverage(["shoe"], [said])[3] == pytest.approx(1)
    assert index.coverage(["red", "shoe"], [said])[3] == pytest.approx(1)


def test_a_row_has_all_words_or_not(index: WordIndex) -> None:
    assert index.has(3, ["running", "shoe"])
    assert not index.has(4, ["glass", "shoe"])
    assert not index.has(3, ["running", "helicopter"])
    assert not index.has(3, [])
    assert [index.count_of(words) for words in (["red"], ["glass", "red"], ["helicopter"], [])] == [2, 1, 0, 0]


def test_an_empty_catalog_covers_nothing(tmp_path: Path) -> None:
    index = WordIndex.build([], tmp_path)
    assert index.coverage(["red"]).shape == (0,)
    assert index.correct("hedphones") is None


def test_many_chunks_give_the_same_postings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    for folder, chunk in ((one, 10_000), (many, 3)):
        folder.mkdir()
        monkeypatch.setattr("index.postings._CHUNK", chunk)
        WordIndex.build(PRODUCTS * 5, folder)
    assert {path.name: path.read_bytes() for path in one.glob("*.npy")} == {
        path.name: path.read_bytes() for path in many.glob("*.npy")
    }
    assert {path.suffix for path in many.iterdir()} == {"", ".npy"}, "the temporary files are gone"


def test_the_rarest_spellings_are_known_but_no_correction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.words._MOST_SPELLED", 2)
    often = [Product(id=f"o{n}", title="Kettle lantern") for n in range(3)]
    index = WordIndex.build([*often, Product(id="r", title="Zymurgy")], tmp_path)
    assert index.knows("zymurgy")
    assert index.correct("zymurgi") is None
    assert index.correct("kettel") == "kettle"
