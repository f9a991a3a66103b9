from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.keywords import KeywordIndex
from storage.errors import Damaged
from tests.index.catalogs import products_of

CATALOG = products_of(
    {"title": "Running shoes", "description": "For trails."},
    {"title": "Shoe rack", "description": "Holds eight pairs of running shoes, running gear, running everything."},
    {"title": "Wireless earphones WH-1000XM5", "brand": "Sonic", "mpn": "WH1000XM5/B", "categories": ["Audio"]},
    {"title": "蓝牙耳机", "description": "无线运动耳机，续航三十小时", "brand": "声锐"},
    {"title": "手机壳", "attributes": {"颜色": "蓝色"}},
    {"title": "Café crème cup", "variants": [{"id": "v", "options": {"color": "Turquoise"}}]},
)


@pytest.fixture(scope="module", params=["built", "loaded", "merged"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> KeywordIndex:
    folder, merged = tmp_path_factory.mktemp("keywords"), request.param == "merged"
    built = KeywordIndex.build(CATALOG, folder, merged=merged)
    return built if request.param == "built" else KeywordIndex.load(folder, merged=merged)


def found(index: KeywordIndex, text: str, k: int = 10) -> list[int]:
    return [int(row) for row in index.search(text, k)[0]]


def test_title_before_description_and_stems(index: KeywordIndex) -> None:
    assert found(index, "run shoe") == [0, 1]
    assert found(index, "trail") == [0]


def test_scores_fall_and_are_bm25(index: KeywordIndex) -> None:
    rows, scores = index.search("running shoes earphones", 10)
    assert rows.dtype == np.int64
    assert scores.dtype == np.float32
    assert (np.diff(scores) <= 0).all()
    assert (scores > 0).all()
    assert len(index) == len(CATALOG)


@pytest.mark.parametrize(
    ("text", "rows"),
    [("WH-1000XM5", [2]), ("wh1000xm5", [2]), ("sonic", [2]), ("AUDIO", [2]), ("蓝牙耳机", [3]), ("运动耳机", [3]), ("声锐", [3]),
     ("蓝色的手机壳", [4]), ("飞机", []), ("turquoise", [5]), ("cafe creme", [5]), ("ＣＵＰ", [5])],
)  # fmt: skip
def test_what_is_found_by_what(index: KeywordIndex, text: str, rows: list[int]) -> None:
    assert found(index, text) == rows


@pytest.mark.parametrize(
    "text",
    ["", " ", "🎧🎧", "the of and", "AND OR NOT", '"', "(((", "title:", "*", "x:y^9~2", "'; DROP TABLE products; --",
     "<script>alert(1)</script>", "\x00", "\ud800", "+-/\\", "[* TO *]", "row:1"],
)  # fmt: skip
def test_hostile_text_is_just_words(index: KeywordIndex, text: str) -> None:
    rows, scores = index.search(text, 10)
    assert len(rows) == len(scores) == 0


def test_operators_do_not_operate(index: KeywordIndex) -> None:
    assert found(index, 'NOT (shoe) AND title:"rack"') == [1, 0]
    assert found(index, "earphones " * 20_000) == [2]
    assert found(index, "x" * 50_000) == []


def test_allowed_rows_only(index: KeywordIndex) -> None:
    allowed = np.zeros(len(CATALOG), np.bool_)
    allowed[[1, 2]] = True
    assert index.search("running shoes", 10, allowed)[0].tolist() == [1]
    assert index.search("running shoes", 10, np.zeros(len(CATALOG), np.bool_))[0].tolist() == []
    assert index.search("running shoes", 1)[0].tolist() == [0]
    assert index.search("running shoes", 0)[0].tolist() == []


def test_filters_behind_and_inside_the_engine_agree(tmp_path: Path) -> None:
    catalog = products_of(*({"title": f"lamp {'bright ' * (n % 5)}number{n}"} for n in range(5_000)))
    index = KeywordIndex.build(catalog, tmp_path)
    for count in (1, 50, 999, 1_001, 4_999):
        allowed = np.zeros(5_000, np.bool_)
        allowed[np.random.default_rng(count).choice(5_000, count, replace=False)] = True
        rows, scores = index.search("bright lamp", 20, allowed)
        everything, all_scores = index.search("bright lamp", 5_000)
        kept = allowed[everything]
        np.testing.assert_array_equal(rows, everything[kept][:20])
        np.testing.assert_allclose(scores, all_scores[kept][:20], rtol=1e-5)


@pytest.mark.parametrize("merged", [False, True])
def test_other_words_find_beside_the_customers_own(tmp_path: Path, merged: bool) -> None:
    titles = ["Sofa", "Couch", "Night table", "Bedside table", "Bedside lamp", *("Chair" for _ in range(50))]
    index = KeywordIndex.build(products_of(*({"title": title} for title in titles)), tmp_path, merged=merged)
    rows, scores = index.search("couch", 10, phrases=[("sofa", 0.5)])
    assert rows.tolist() == [1, 0]
    assert scores[1] == pytest.approx(0.5 * index.search("sofa", 1)[1][0])
    rows, scores = index.search("night stand", 10, phrases=[("bedside table", 0.8), ("sofa", 0.1)])
    assert rows.tolist() == [2, 3, 0] if merged else set(rows.tolist()) == {0, 2, 3}
    allowed = np.arange(len(titles)) != 3
    assert 3 not in index.search("night stand", 10, allowed, [("bedside table", 0.8)])[0]


def test_a_large_catalog_under_a_filter_gives_the_best_of_what_it_keeps(tmp_path: Path) -> None:
    catalog = products_of(*({"title": f"lamp {'bright ' * (n % 5)}number{n}"} for n in range(9_000)))
    index = KeywordIndex.build(catalog, tmp_path, merged=True)
    everything, all_scores = index.search("bright lamp", 9_000)
    for count in (1, 50, 499, 501, 3_000, 8_999):
        allowed = np.zeros(9_000, np.bool_)
        allowed[np.random.default_rng(count).choice(9_000, count, replace=False)] = True
        rows, scores = index.search("bright lamp", 20, allowed)
        assert min(5, count) <= len(rows) <= 20
        kept = allowed[everything]
        np.testing.assert_array_equal(rows, everything[kept][: len(rows)])
        np.testing.assert_allclose(scores, all_scores[kept][: len(rows)], rtol=1e-5)
    rare = np.isin(np.arange(9_000), everything[-1_000:])  # none among the best 3,000: it does not look on for ever
    assert index.search("bright lamp", 20, rare)[0].tolist() == []
    assert len(index.search("lamp", 6_000)[0]) == 6_000


def test_an_empty_catalog_and_a_damaged_folder(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    assert KeywordIndex.build([], folder).search("shoe", 5)[0].tolist() == []
    with pytest.raises(Damaged):
        KeywordIndex.load(tmp_path / "none")
