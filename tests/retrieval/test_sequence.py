"""Histories in two arrays, the chain's counts, the network in numpy, and a model's folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.sequence import Histories, SequenceFacts, SequenceModel, Shape, Transitions, load_sequence
from retrieval.sequence.network import SequenceNetwork, sizes
from retrieval.sequence.transitions import pair_counts
from storage.errors import Damaged, InvalidInput, NotFound
from storage.publish import write_manifest

SHAPE = Shape(dim=8, layers=2, heads=2, steps=6)
ITEMS = ("a", "b", "c", "d", "e")


def lists(histories: Histories) -> list[list[int]]:
    return [histories[user].tolist() for user in range(len(histories))]


def weights(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    draw = np.random.default_rng(seed)
    return {name: draw.normal(scale=0.3, size=shape).astype(np.float32) for name, shape in sizes(SHAPE).items()}


def model(share: float = 0.5, projection: NDArray[np.float32] | None = None, refit: bool = False) -> SequenceModel:
    vectors = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    chain = Transitions.of(Histories.of([[0, 1, 2], [0, 1, 3], [1, 2]]), 5)
    return SequenceModel(ITEMS, vectors, weights(), chain, SequenceFacts(SHAPE, share, refit), projection)


def saved(folder: Path, of: SequenceModel) -> Path:
    folder.mkdir()
    write_manifest(folder, "sequence", of.save(folder))
    return folder


def test_histories_are_cut_taken_and_padded() -> None:
    histories = Histories.of([[3, 1, 4], [], [1], [5, 9]])
    assert histories.lengths.tolist() == [3, 0, 1, 2]
    assert lists(histories.without_last(1)) == [[3, 1], [], [], [5]]
    assert lists(histories.without_last(np.array([2, 0, 0, 5]))) == [[3], [], [1], []]
    assert lists(histories.latest(2)) == [[1, 4], [], [1], [5, 9]]
    assert lists(histories.take(np.array([3, 0, 3]))) == [[5, 9], [3, 1, 4], [5, 9]]
    assert histories.at_end(1).tolist() == [4, -1, 1, 9]
    assert histories.at_end(3).tolist() == [3, -1, -1, -1]
    places, lengths = histories.padded()
    assert places.tolist() == [[3, 1, 4], [0, 0, 0], [1, 0, 0], [5, 9, 0]]
    assert lengths.tolist() == [3, 0, 1, 2]
    assert lists(Histories.of([])) == []


def test_pairs_fade_with_the_steps_between() -> None:
    counts = pair_counts(Histories.of([[0, 1, 2], [0, 1]]), 3, reach=2, fade=0.5).toarray()
    assert counts.tolist() == [[0, 2, 0.5], [0, 0, 1], [0, 0, 0]]
    assert pair_counts(Histories.of([[0, 1, 2]]), 3, reach=1, fade=0.5).toarray()[0, 2] == 0


def test_the_chain_offers_what_followed() -> None:
    chain = Transitions.of(Histories.of([[0, 1, 2]] * 3 + [[0, 3]]), 4)
    (after_one, after_nothing) = chain.next(Histories.of([[0, 1], []]))
    assert after_one.argmax() == 2
    assert after_nothing.argmax() == 0, "popularity, where nothing is known"
    assert after_one.sum() == pytest.approx(1, abs=1e-5)
    assert (after_one > 0).all(), "what was never seen has an order too"


def test_a_state_does_not_depend_on_what_stands_behind_or_beside() -> None:
    network = SequenceNetwork(weights(), SHAPE)
    vectors = np.random.default_rng(2).normal(size=(2, 5, 8)).astype(np.float32)
    both = network.states(vectors, np.array([3, 5]))
    alone = network.states(vectors[:1, :3], np.array([3]))
    np.testing.assert_allclose(both[0], alone[0], atol=1e-5)
    changed = vectors.copy()
    changed[0, 1] *= -1
    assert np.abs(network.states(changed, np.array([3, 5]))[0] - both[0]).max() > 1e-3


def test_the_network_refuses_weights_that_do_not_fit() -> None:
    for spoil in ("missing", "shape", "nan"):
        found = weights()
        if spoil == "missing":
            del found["blocks.1.mix.bias"]
        elif spoil == "shape":
            found["blocks.1.mix.bias"] = np.zeros(9, np.float32)
        else:
            found["blocks.1.mix.bias"][0] = np.nan
        with pytest.raises(Damaged, match=r"blocks\.1\.mix\.bias"):
            SequenceNetwork(found, SHAPE)


def test_chances_are_a_mixture_and_one_batch_is_as_many_alone() -> None:
    whole = model(share=0.25)
    asked = Histories.of([[0, 1], [], [4], [0, 1, 2, 3, 4, 0, 1]])
    found = whole.chances(asked)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    for user in range(len(asked)):
        np.testing.assert_allclose(whole.chances(asked.take(np.array([user])))[0], found[user], atol=1e-5)
    expected = 0.75 * whole.network_chances(asked.take(np.array([0]))) + 0.25 * whole.chain.next(asked)[:1]
    np.testing.assert_allclose(found[:1], expected, atol=1e-6)
    np.testing.assert_allclose(found[1], whole.chain.next(asked)[1], atol=1e-6)


def test_a_saved_model_says_the_same(tmp_path: Path) -> None:
    projection = np.random.default_rng(3).normal(size=(8, 4)).astype(np.float32)
    before = model(projection=projection)
    after = load_sequence(saved(tmp_path / "m", before))
    asked = Histories.of([[0, 1], [2]])
    np.testing.assert_array_equal(after.chances(asked), before.chances(asked))
    assert after.items == ITEMS
    assert after.version == "m"
    assert after.facts == before.facts


@pytest.mark.parametrize("spoil", ["weights", "items", "bytes", "share", "shape", "kind"])
def test_a_damaged_folder_is_refused(tmp_path: Path, spoil: str) -> None:
    folder = saved(tmp_path / "m", model())
    manifest = json.loads((folder / "manifest.json").read_text())
    meta, kind = manifest["meta"], "sequence"
    if spoil == "bytes":
        content = bytearray((folder / "sequence.safetensors").read_bytes())
        content[-1] ^= 1
        (folder / "sequence.safetensors").write_bytes(content)
    else:
        if spoil == "weights":
            (folder / "sequence.safetensors").write_bytes(b"no tensors")
        elif spoil == "items":
            (folder / "items.json").write_text('["a"]')
        elif spoil == "share":
            meta["share"] = 2
        elif spoil == "shape":
            meta["shape"]["heads"] = 3
        else:
            kind = "reranker"
        (folder / "manifest.json").unlink()
        write_manifest(folder, kind, meta)
    with pytest.raises(Damaged):
        load_sequence(folder)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_sequence(tmp_path / "no")


def test_why_names_what_speaks_for_an_item_by_leaving_it_out() -> None:
    chain = Transitions.of(Histories.of([[0, 2]] * 5 + [[3, 4]] * 5), 5)
    only_chain = SequenceModel(
        ITEMS, np.ones((5, 8), np.float32), weights(), chain, SequenceFacts(SHAPE, 1.0, refit=False)
    )
    (found, other) = only_chain.why(["d", "a", "unknown"], ["c", "e"])
    assert [item for item, _ in found] == ["a"]
    assert found[0][1] > 10
    assert [item for item, _ in other] == ["d"]
    assert only_chain.why(["unknown"], ["c"]) == [[]]
    assert only_chain.why(["a"], []) == []


def test_new_items_are_placed_by_their_features() -> None:
    projection = np.random.default_rng(3).normal(size=(8, 4)).astype(np.float32)
    before = model(share=0.0, projection=projection)
    features = np.random.default_rng(4).normal(size=(3, 4)).astype(np.float32)
    after = before.grown(["a", "new", "newer"], features)
    assert after.items == (*ITEMS, "new", "newer")
    np.testing.assert_allclose(after.vectors[5], features[1] @ projection.T, atol=1e-6)
    assert after.chances(Histories.of([[0]])).shape == (1, 7)
    assert after.chances(after.history(["new"])).shape == (1, 7), "a history may hold them"
    assert model().grown(["new"], features[:1]).items == ITEMS, "without features there is no place for them"


def test_a_refit_model_cannot_be_scored() -> None:
    model().require_scorable()
    with pytest.raises(InvalidInput, match="refit"):
        model(refit=True).require_scorable()
