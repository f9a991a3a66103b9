from pathlib import Path

import numpy as np
import pytest

from index.postings import Postings
from storage.errors import Damaged


def made() -> Postings:
    """Keys 7 and 9 over 4 rows; (7, row 2) comes twice."""
    keys = np.array([9, 7, 7, 7], np.uint64)
    return Postings.build(keys, np.array([3, 2, 0, 2]), np.array([1, 2, 4, 8], np.float32), 4)


def test_triplets_in_any_order_become_sorted_postings() -> None:
    postings = made()
    assert postings.keys.tolist() == [7, 9]
    assert postings.starts.tolist() == [0, 2, 3]
    assert postings.rows.tolist() == [0, 2, 3]
    assert postings.weights.tolist() == [4, 10, 1]
    assert postings.counts.tolist() == [2, 1]


def test_the_maximum_is_kept_where_it_is_asked_for() -> None:
    postings = Postings.build(
        np.array([7, 7], np.uint64), np.array([0, 0]), np.array([2, 5], np.float32), 1, keep="max"
    )
    assert postings.weights.tolist() == [5]


def test_accumulate_weighs_each_key_and_ignores_unknown_ones() -> None:
    postings = made()
    places = postings.places(np.array([9, 8, 7, 10], np.uint64))
    assert places.tolist() == [1, -1, 0, -1]
    total = postings.accumulate(places, np.array([10, 99, 1, 99], np.float32))
    assert total.tolist() == [4, 0, 10, 10]


def test_an_empty_catalog_has_no_keys_and_no_scores() -> None:
    postings = Postings.build(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.float32), 0)
    assert postings.places(np.array([1], np.uint64)).tolist() == [-1]
    assert postings.accumulate(np.array([-1]), np.array([1], np.float32)).shape == (0,)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    made().save(tmp_path, "words")
    loaded = Postings.load(tmp_path, "words")
    assert loaded.size == 4
    assert loaded.accumulate(np.array([0, 1]), np.array([1, 1], np.float32)).tolist() == [4, 0, 10, 1]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    made().save(tmp_path, "words")
    (tmp_path / "words.rows.npy").unlink()
    with pytest.raises(Damaged, match=r"words\.rows\.npy"):
        Postings.load(tmp_path, "words")
