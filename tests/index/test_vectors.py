"""The contract of `VectorStore`, once; a backend is a class of three lines that runs it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.vectors import FaissStore, VectorStore
from storage.errors import Damaged


def unit(rows: int, dim: int = 16, seed: int = 5) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


class VectorStoreContract:
    """What every backend must do; subclasses set `store`."""

    store: type[VectorStore]

    def test_the_nearest_come_first_with_their_cosines(self) -> None:
        vectors = unit(200)
        store = self.store.build(vectors)
        query = unit(1, seed=9)[0]
        rows, scores = store.search(query, 10)
        expected = np.argsort(-(vectors @ query))[:10]
        assert rows.tolist() == expected.tolist()
        np.testing.assert_allclose(scores, (vectors @ query)[expected], atol=1e-5)
        assert len(store) == 200

    def test_a_vector_finds_itself(self) -> None:
        vectors = unit(50)
        rows, scores = self.store.build(vectors).search(vectors[17], 1)
        assert rows.tolist() == [17]
        assert scores[0] == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize("share", [0.5, 0.02])
    def test_the_mask_filters_before_the_cut(self, share: float) -> None:
        vectors = unit(300)
        store = self.store.build(vectors)
        allowed = np.random.default_rng(1).random(300) < share
        query = unit(1, seed=3)[0]
        rows, _ = store.search(query, 20, allowed)
        expected = [row for row in np.argsort(-(vectors @ query)) if allowed[row]][:20]
        assert rows.tolist() == expected

    def test_fewer_allowed_than_asked_for(self) -> None:
        store = self.store.build(unit(30))
        allowed = np.zeros(30, bool)
        allowed[[4, 29]] = True
        rows, scores = store.search(unit(1)[0], 10, allowed)
        assert sorted(rows.tolist()) == [4, 29]
        assert len(scores) == 2

    def test_nothing_allowed_and_nothing_asked_for(self) -> None:
        store = self.store.build(unit(30))
        for k, allowed in ((5, np.zeros(30, bool)), (0, None)):
            rows, scores = store.search(unit(1)[0], k, allowed)
            assert len(rows) == len(scores) == 0

    def test_an_empty_store(self, tmp_path: Path) -> None:
        self.store.build(np.empty((0, 16), np.float32)).save(tmp_path)
        store = self.store.load(tmp_path)
        assert len(store) == 0
        assert len(store.search(unit(1)[0], 5)[0]) == 0

    def test_a_store_of_some_rows_names_catalog_rows(self, tmp_path: Path) -> None:
        vectors = unit(4)
        self.store.build(vectors, np.array([10, 3, 99, 42])).save(tmp_path)
        store = self.store.load(tmp_path)
        assert store.search(vectors[2], 1)[0].tolist() == [99]
        allowed = np.ones(100, bool)
        allowed[99] = False
        assert 99 not in store.search(vectors[2], 4, allowed)[0]
        np.testing.assert_allclose(
            store.similarity(vectors[3], np.array([42, 7, 10])), [1, 0, vectors[0] @ vectors[3]], atol=1e-5
        )
        np.testing.assert_allclose(store.vectors_of(np.array([3])), vectors[[1]], atol=1e-6)
        with pytest.raises(KeyError, match="7"):
            store.vectors_of(np.array([3, 7]))

    def test_what_is_saved_comes_back(self, tmp_path: Path) -> None:
        vectors = unit(60)
        self.store.build(vectors).save(tmp_path)
        store = self.store.load(tmp_path)
        np.testing.assert_allclose(store.vectors_of(np.arange(60)), vectors, atol=1e-6)
        assert store.search(vectors[8], 1)[0].tolist() == [8]


class TestFaissStore(VectorStoreContract):
    store = FaissStore

    def test_vectors_that_do_not_fit_their_rows_are_refused(self) -> None:
        with pytest.raises(ValueError, match="3 rows"):
            FaissStore.build(unit(4), np.arange(3))

    def test_a_missing_or_pickled_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(Damaged, match="holds no vectors"):
            FaissStore.load(tmp_path)
        np.save(tmp_path / "vectors.npy", np.array([{"a": 1}], object), allow_pickle=True)
        np.save(tmp_path / "rows.npy", np.arange(1))
        with pytest.raises(Damaged, match="Build the index again"):
            FaissStore.load(tmp_path)
