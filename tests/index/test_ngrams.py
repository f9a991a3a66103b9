from pathlib import Path

import numpy as np
import pytest

from index.clean import fold
from index.ngrams import NgramIndex, TitleNgrams
from index.strings import Strings, StringsWriter

TEXTS = [
    "Northpeak Trail Runner TR-450 blue",
    "Wireless Bluetooth Headphones with microphone",
    "无线蓝牙耳机 主动降噪",
    "Ceramic teapot, 1.2 litres",
    "",
    "😀🎁 \ud800 broken surrogate",
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> NgramIndex:
    return NgramIndex.build(TEXTS, tmp_path_factory.mktemp("ngrams"))


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("blutooth hedphones", 1),
        ("tr450", 0),
        ("TEA POT", 3),
        ("蓝牙耳机", 2),
        ("ｔｅａｐｏｔ", 3),  # full-width letters
    ],
)
def test_the_right_row_is_first_in_spite_of_spelling(index: NgramIndex, query: str, row: int) -> None:
    rows, scores = index.search(query, 3)
    assert rows[0] == row
    assert 0 < scores[0] <= 1.0001
    assert (np.diff(scores) <= 0).all()


def test_a_text_is_its_own_best_match_with_cosine_one(index: NgramIndex) -> None:
    for row in (0, 1, 2, 3):
        assert index.scores(TEXTS[row])[row] == pytest.approx(1, abs=1e-5)


def test_it_computes_the_textbook_cosine(tmp_path: Path) -> None:
    # By hand: "ab" gives " a", "ab", "b ", " ab", "ab ", " ab "; "ac" shares only " a" with it.
    index = NgramIndex.build(["ab", "ac"], tmp_path)
    once, shared = 1 + np.log(3 / 2), 1.0  # idf of an n-gram that one row has, and of one that both have
    expected = shared**2 / (5 * once**2 + shared**2)
    assert index.scores("ab")[1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("query", ["", "   ", "\n\t", "q", "жзк"])
def test_nothing_in_common_finds_nothing(index: NgramIndex, query: str) -> None:
    rows, _ = index.search(query, 5)
    assert 3 not in rows or query == "q"
    assert index.scores(query).max() < 0.2


def test_only_allowed_rows_are_found(index: NgramIndex) -> None:
    allowed = np.ones(len(TEXTS), bool)
    allowed[1] = False
    rows, _ = index.search("bluetooth headphones", 6, allowed)
    assert 1 not in rows


def test_strange_words_lower_the_match(index: NgramIndex) -> None:
    assert index.scores("teapot")[3] > index.scores("teapot zzzzqqqq")[3]


def test_an_empty_catalog_is_searched_without_trouble(tmp_path: Path) -> None:
    rows, scores = NgramIndex.build([], tmp_path).search("teapot", 5)
    assert len(rows) == len(scores) == 0


def test_many_texts_get_the_rows_of_their_places(tmp_path: Path) -> None:
    texts = [f"item {number:05d}" for number in range(4_500)]  # more than one chunk
    index = NgramIndex.build(texts, tmp_path)
    assert [index.search(texts[row], 1)[0][0] for row in (0, 1_999, 2_000, 4_499)] == [0, 1_999, 2_000, 4_499]


def strings(texts: list[str], folder: Path) -> Strings:
    writer = StringsWriter()
    for text in texts:
        writer.add(fold(text))
    writer.save(folder, "titles")
    return Strings.load(folder, "titles")


@pytest.mark.parametrize(
    "query", ["wireless headphone", "tr450 aaa aaa", "蓝牙耳机", "TEA POT teapot", "zzzzqqqq", "", "\ud800"]
)
def test_titles_score_as_the_index_of_all_of_them_does(index: NgramIndex, tmp_path: Path, query: str) -> None:
    titles = TitleNgrams.build(strings([*TEXTS, "aaa aaaa aaa"], tmp_path))
    rows = np.array([6, 1, 0, 4, 2, 3, 5])
    expected = NgramIndex.build([*TEXTS, "aaa aaaa aaa"], tmp_path).scores(query)
    np.testing.assert_allclose(titles.scores_of(query, rows), expected[rows], atol=1e-6)


def test_titles_come_back_and_a_sample_gives_the_rarity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.ngrams._SAMPLE", 20)
    texts = [f"lamp number {number}" for number in range(200)]
    built = TitleNgrams.build(strings(texts, tmp_path))
    built.save(tmp_path)
    loaded = TitleNgrams.load(tmp_path, Strings.load(tmp_path, "titles"))
    rows = np.arange(200)
    scores = loaded.scores_of("lamp 137", rows)
    np.testing.assert_array_equal(scores, built.scores_of("lamp 137", rows))
    assert scores.argmax() == 137
    assert scores.max() <= 1.0001


def test_no_titles_no_scores(tmp_path: Path) -> None:
    titles = TitleNgrams.build(strings([], tmp_path))
    assert titles.scores_of("teapot", np.empty(0, np.int64)).shape == (0,)
