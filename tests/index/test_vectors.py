"""The contract of `VectorStore`, once; a backend is a class of three lines that runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.vectors import EXACT_UP_TO, FILE, WIDTHS, ExactStore, HnswStore, Rows, Scores, VectorStore, store_for
from storage.errors import Damaged


def unit(rows: int, dim: int = 16, seed: int = 5) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    lengths: NDArray[np.float32] = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / lengths).astype(np.float32)


class VectorStoreContract:
    """What every backend must do; subclasses set `store`, and how far its cosines may be off."""

    store: type[VectorStore]
    tolerance: float

    def check(self, found: tuple[Rows, Scores], vectors: NDArray[np.float32], query: NDArray[np.float32]) -> None:
        """The rows found are the nearest, of equally near ones any."""
        rows, scores = found
        cosines = vectors @ query
        np.testing.assert_allclose(cosines[rows], -np.sort(-cosines)[: len(rows)], atol=self.tolerance)
        np.testing.assert_allclose(scores, cosines[rows], atol=self.tolerance)
        assert (np.diff(scores) <= 0).all()
        assert len(set(rows.tolist())) == len(rows)

    def test_the_nearest_come_first_with_their_cosines(self) -> None:
        vectors = unit(200)
        store = self.store.build(vectors)
        query = unit(1, seed=9)[0]
        rows, scores = store.search(query, 10)
        assert (len(rows), len(store)) == (10, 200)
        self.check((rows, scores), vectors, query)

    def test_a_vector_finds_itself(self) -> None:
        vectors = unit(50)
        rows, scores = self.store.build(vectors).search(vectors[17], 1)
        assert rows.tolist() == [17]
        assert scores[0] == pytest.approx(1, abs=self.tolerance)

    @pytest.mark.parametrize("share", [0.5, 0.02])
    def test_the_mask_filters_before_the_cut(self, share: float) -> None:
        vectors = unit(300)
        store = self.store.build(vectors)
        allowed = np.random.default_rng(1).random(300) < share
        query = unit(1, seed=3)[0]
        rows, scores = store.search(query, 20, allowed)
        assert len(rows) == min(20, allowed.sum())
        assert allowed[rows].all()
        self.check((rows, scores), np.where(allowed[:, None], vectors, -query), query)

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
            store.similarity(vectors[3], np.array([42, 7, 10])), [1, 0, vectors[0] @ vectors[3]], atol=self.tolerance
        )
        np.testing.assert_allclose(store.vectors_of(np.array([3])), vectors[[1]], atol=self.tolerance)
        assert store.holds(np.array([3, 7, 42, -1, 10_000])).tolist() == [True, False, True, False, False]
        with pytest.raises(KeyError, match="7"):
            store.vectors_of(np.array([3, 7]))

    def test_what_is_saved_comes_back(self, tmp_path: Path) -> None:
        vectors = unit(60)
        self.store.build(vectors).save(tmp_path)
        store = self.store.load(tmp_path)
        np.testing.assert_allclose(store.vectors_of(np.arange(60)), vectors, atol=self.tolerance)
        assert store.search(vectors[8], 1)[0].tolist() == [8]
        assert len(store) == 60

    def test_vectors_that_do_not_fit_their_rows_are_refused(self) -> None:
        with pytest.raises(ValueError, match="3 rows"):
            self.store.build(unit(4), np.arange(3))

    def test_a_missing_or_pickled_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(Damaged, match=r"vectors\.npy"):
            self.store.load(tmp_path)
        np.save(tmp_path / "vectors.npy", np.array([{"a": 1}], object), allow_pickle=True)
        np.save(tmp_path / "rows.npy", np.arange(1))
        with pytest.raises(Damaged, match="Build the index again"):
            self.store.load(tmp_path)


class TestExactStore(VectorStoreContract):
    store = ExactStore
    tolerance = 1e-5


class TestHnswStore(VectorStoreContract):
    store = HnswStore
    tolerance = 0.01

    @pytest.fixture(scope="class")
    def many(self) -> HnswStore:
        return self.store.build(unit(10_000))

    @pytest.mark.parametrize("few", [0, 10_000])
    @pytest.mark.parametrize("share", [0.3, 0.001])
    def test_a_filter_leaves_the_true_ten_nearest(
        self, share: float, few: int, many: HnswStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whether they are compared one by one or met on the walk."""
        monkeypatch.setattr("index.vectors.FEW", few)
        vectors, store = unit(10_000), many
        allowed = np.random.default_rng(2).random(10_000) < share
        for query in unit(5, seed=4):
            rows, scores = store.search(query, 10, allowed)
            assert allowed[rows].all()
            self.check((rows, scores), np.where(allowed[:, None], vectors, -query), query)

    def test_the_width_is_fitted_and_said(self, tmp_path: Path) -> None:
        store = self.store.build(unit(3_000, 32))
        store.save(tmp_path)
        told = json.loads((tmp_path / "fitted.json").read_text())
        assert told["recall"] >= 0.98
        assert told["width"] in WIDTHS
        assert str(told["width"]) in store.reason()
        assert self.store.load(tmp_path).reason() == store.reason()

    def test_equal_vectors_are_no_trouble(self) -> None:
        vectors = np.repeat(unit(3), 200, axis=0)
        rows, _ = self.store.build(vectors).search(vectors[0], 10)
        assert set((rows // 200).tolist()) == {0}

    def test_places_that_are_given_up_are_never_found_and_new_ones_are(self, tmp_path: Path) -> None:
        vectors, now = unit(1_000), unit(1_100)
        before, folder = tmp_path / "before", tmp_path / "now"
        before.mkdir()
        folder.mkdir()
        self.store.build(vectors).save(before)
        gone, added = np.arange(5, 1_000, 10), np.concatenate([np.arange(5, 1_000, 20), np.arange(1_000, 1_100)])
        moved = np.arange(1_000)
        moved[gone] = -1
        store = self.store.load(before).extended(before, folder, moved, now[added], added)
        store.save(folder)
        held = np.ones(1_100, np.bool_)
        held[np.setdiff1d(gone, added)] = False
        current = np.where(np.isin(np.arange(1_100), added)[:, None], now, np.concatenate([vectors, now[1_000:]]))
        for loaded in (store, self.store.load(folder)):
            assert len(loaded) == np.count_nonzero(held)
            np.testing.assert_array_equal(loaded.holds(np.arange(1_100)), held)
            np.testing.assert_allclose(loaded.vectors_of(np.flatnonzero(held)), current[held], atol=1e-3)
            for query in unit(5, seed=4):
                self.check(loaded.search(query, 10), np.where(held[:, None], current, -query), query)
                allowed = np.random.default_rng(3).random(1_100) < 0.3
                found = loaded.search(query, 10, allowed)
                self.check(found, np.where((held & allowed)[:, None], current, -query), query)
        with pytest.raises(KeyError):
            store.vectors_of(np.array([15]))

    def test_vectors_mapped_from_their_own_file_are_not_written_again(self, tmp_path: Path) -> None:
        mapped = np.lib.format.open_memmap(tmp_path / FILE, "w+", dtype=np.float16, shape=(50, 16))
        mapped[:] = unit(50)
        before = (tmp_path / FILE).stat().st_ino
        self.store.build(mapped).save(tmp_path)
        assert (tmp_path / FILE).stat().st_ino == before
        np.testing.assert_array_equal(self.store.load(tmp_path).vectors_of(np.arange(50)), mapped.astype(np.float32))

    @pytest.mark.parametrize("content", [b"", b"IxFI", b"\x80\x04pickle"])
    def test_a_graph_that_is_none_is_refused(self, tmp_path: Path, content: bytes) -> None:
        self.store.build(unit(50)).save(tmp_path)
        (tmp_path / "hnsw.faiss").write_bytes(content)
        with pytest.raises(Damaged, match="no graph"):
            self.store.load(tmp_path)

    def test_a_graph_of_other_vectors_is_refused(self, tmp_path: Path) -> None:
        self.store.build(unit(50)).save(tmp_path)
        np.save(tmp_path / FILE, unit(49).astype(np.float16))
        np.save(tmp_path / "rows.npy", np.arange(49))
        with pytest.raises(Damaged, match="does not fit"):
            self.store.load(tmp_path)


@pytest.mark.parametrize(
    ("count", "kind"), [(0, ExactStore), (EXACT_UP_TO, ExactStore), (EXACT_UP_TO + 1, HnswStore), (10**6, HnswStore)]
)
def test_the_kind_follows_the_size(count: int, kind: type[VectorStore]) -> None:
    assert store_for(count) is kind
