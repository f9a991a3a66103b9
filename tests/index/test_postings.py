import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from index.postings import Kept, Postings, PostingsWriter
from storage.errors import Damaged


def made(folder: Path) -> Postings:
    """Keys 7 and 9 over 4 rows."""
    writer = PostingsWriter(folder, "words")
    writer.add(0, [7], 4)
    writer.add(2, [7], 10)
    writer.add(3, [9], 1)
    writer.close(4)
    return Postings.load(folder, "words")


def test_rows_become_sorted_postings(tmp_path: Path) -> None:
    postings = made(tmp_path)
    assert postings.keys.tolist() == [7, 9]
    assert postings.starts.tolist() == [0, 2, 3]
    assert postings.rows.tolist() == [0, 2, 3]
    assert postings.weights.tolist() == [4, 10, 1]
    assert postings.counts.tolist() == [2, 1]
    assert postings.size == 4


def test_accumulate_weighs_each_key_and_ignores_unknown_ones(tmp_path: Path) -> None:
    postings = made(tmp_path)
    places = postings.places(np.array([9, 8, 7, 10], np.uint64))
    assert places.tolist() == [1, -1, 0, -1]
    factors = np.array([10, 99, 1, 99], np.float32)
    assert postings.accumulate(places, factors).tolist() == [4, 0, 10, 10]
    squares = np.arange(256, dtype=np.float32) ** 2
    assert postings.accumulate(places, factors, squares).tolist() == [16, 0, 100, 10]


def test_an_empty_catalog_has_no_keys_and_no_scores(tmp_path: Path) -> None:
    PostingsWriter(tmp_path, "words").close(0)
    postings = Postings.load(tmp_path, "words")
    assert postings.places(np.array([1], np.uint64)).tolist() == [-1]
    assert postings.accumulate(np.array([-1]), np.array([1], np.float32)).shape == (0,)


@pytest.mark.parametrize("chunk", [2, 50, 10**6])
def test_what_is_taken_over_and_what_is_added_are_as_if_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr("index.postings._CHUNK", chunk)
    chance = random.Random(chunk)
    said = {row: {key: chance.randrange(256) for key in chance.sample(range(40), 6)} for row in range(60)}

    def written(name: str, rows: Iterable[int], size: int, kept: Kept | None = None) -> Postings:
        writer = PostingsWriter(tmp_path, name)
        for row in rows:
            for key, weight in said[row].items():
                writer.add(row, [key], weight)
        writer.close(size, kept)
        return Postings.load(tmp_path, name)

    before = written("before", range(50), 50)
    changed = sorted(chance.sample(range(45), 9))
    for row in changed:
        said[row] = {key: chance.randrange(256) for key in chance.sample(range(20, 60), 6)}
    moved = np.arange(50, dtype=np.int32)
    moved[[*changed, 48, 49]] = -1
    # Rows 48 and 49 are gone; 50 to 59 move down to where they are dense again.
    said = {row if row < 48 else row - 2: keys for row, keys in said.items() if row not in (48, 49)}
    now = written("now", [*changed, *range(48, 58)], 58, Kept(before, moved))
    expected = written("expected", range(58), 58)
    for part in ("keys", "starts", "rows", "weights", "size"):
        np.testing.assert_array_equal(getattr(now, part), getattr(expected, part), part)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "words.rows.npy").unlink()
    with pytest.raises(Damaged, match=r"words\.rows\.npy"):
        Postings.load(tmp_path, "words")
