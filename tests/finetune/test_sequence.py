"""Training of sequence models: the torch network is the one that serves, learning reaches its floor, and nothing later leaks in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune.evaluate_sequence import evaluate_sequence, metrics_of, ranks, ranks_in
from finetune.interactions import Interactions, interactions_of
from finetune.loop import Step
from finetune.sequence import finetune_sequence, refit_sequence
from finetune.sequence_network import TrainedNetwork, first_vectors
from finetune.sequence_trainer import Recipe, batches
from retrieval.sequence import Histories, Shape, load_sequence
from retrieval.sequence.network import SequenceNetwork
from storage.errors import Conflict, InvalidInput
from storage.publish import read_manifest

SMALL = Recipe(epochs=6, shape=Shape(dim=16, layers=1, heads=2, steps=10))
ITEMS = 60


def walk(seed: int = 0, shoppers: int = 300) -> Interactions:
    """Shoppers who go from item n to 7n + 3 or 7n + 4."""
    draw = np.random.default_rng(seed)
    rows = []
    for user in range(shoppers):
        item = int(draw.integers(ITEMS))
        for moment in range(int(draw.integers(3, 9))):
            rows.append((f"u{user}", f"i{item}", moment))
            item = (7 * item + 3 + int(draw.integers(2))) % ITEMS
    return interactions_of(rows)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finetune_sequence(walk(), tmp_path_factory.mktemp("runs") / "walk", recipe=SMALL, epochs=6).model_dir


@pytest.mark.parametrize("features", [None, 5])
def test_the_network_that_serves_is_the_one_that_was_trained(features: int | None) -> None:
    torch.manual_seed(0)
    given = None if features is None else torch.randn(9, features)
    shape = Shape(dim=8, layers=2, heads=2, steps=7)
    trained = TrainedNetwork(torch.randn(9, 8), shape, 0.5, given).eval()
    for parameter in trained.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    vectors, weights, projection = trained.exported()
    histories = Histories.of([[1, 2, 3, 8], [4], [0, 5, 5, 6, 7, 1, 2]])
    places, lengths = histories.padded()
    served = SequenceNetwork(weights, shape).states(vectors[places], lengths)
    with torch.inference_mode():
        states = trained.states(trained.vectors(), torch.from_numpy(places)).numpy()
    np.testing.assert_allclose(served, states[np.arange(3), lengths - 1], atol=1e-5)
    assert (projection is None) == (features is None)


def test_items_that_are_seen_together_begin_near() -> None:
    draw = np.random.default_rng(0)
    rows = [draw.permutation(10)[:6] + 10 * group for group in (0, 1) for _ in range(200)]  # two worlds of ten items
    vectors = first_vectors(Histories.of(rows), 21, 2, seed=0)
    unit = torch.nn.functional.normalize(vectors[:20], dim=1)
    likeness = (unit @ unit.T).reshape(2, 10, 2, 10).mean(dim=(1, 3))  # (world, world)
    assert likeness[0, 0] > 0.7
    assert likeness[1, 1] > 0.7
    assert likeness[0, 1] < 0.3
    assert torch.isfinite(first_vectors(Histories.of([[0]]), 1, 4, seed=0)).all(), "one item alone"


def test_batches_hold_all_histories_and_are_as_many_in_every_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 500)
    first, second = (batches(lengths, 256, seed=3, epoch=epoch) for epoch in (0, 1))
    assert sorted(number for batch in first for number in batch) == list(range(500))
    assert len(first) == len(second)
    assert first != second
    assert first == batches(lengths, 256, seed=3, epoch=0)
    assert all(len(batch) * lengths[batch].max() <= 256 for batch in first)


def test_ranks_leave_the_history_out_and_ties_get_their_mean() -> None:
    scores = np.array([[0.5, 0.4, 0.3, 0.3, 0.3], [0.1, 0.1, 0.1, 0.1, 0.1], [0.9, 0.1, 0.0, 0.0, 0.0]], np.float32)
    histories = Histories.of([[0], [], [0]])
    assert ranks_in(scores.copy(), histories, np.array([3, 0, 0])).tolist() == [3.0, 3.0, np.inf]
    assert ranks_in(scores.copy(), histories, np.array([1, -1, 1])).tolist() == [1.0, np.inf, 1.0]
    unknown = np.array([[0.5, -np.inf, -np.inf, 0.2]], np.float32)
    assert ranks_in(unknown, Histories.of([[0]]), np.array([2])).tolist() == [2.5], "what is not known ties at the end"


def test_metrics_are_those_of_the_contract() -> None:
    found = metrics_of(np.array([1.0, 2.0, 10.0, 10.5, np.inf]))
    assert found["n"] == 5
    assert found["hr@10"] == pytest.approx(3 / 5)
    assert found["ndcg@10"] == pytest.approx((1 + 1 / np.log2(3) + 1 / np.log2(11)) / 5)


def test_batched_ranks_are_those_of_one_at_a_time() -> None:
    draw = np.random.default_rng(0)
    table = draw.random((20, 20)).astype(np.float32)
    histories = Histories.of([draw.integers(20, size=length) for length in draw.integers(1, 6, 700)])
    targets = draw.integers(20, size=700)

    def chances(some: Histories) -> np.ndarray:
        return table[some.at_end(1)]

    found = ranks(chances, histories, targets)
    for user in range(0, 700, 37):
        one = histories.take(np.array([user]))
        assert found[user] == ranks_in(chances(one), one, targets[[user]])[0]


def test_it_learns(run: Path) -> None:
    metrics = read_manifest(run, "sequence").meta["metrics"]
    assert metrics["hr@10"] > 0.8
    assert metrics["ndcg@10"] > 0.6, "two items can come next, so .82 is the best there is"
    assert read_manifest(run, "sequence").meta["gate"]["passed"]


def test_evaluating_the_folder_gives_what_the_run_said(run: Path) -> None:
    metrics = read_manifest(run, "sequence").meta["metrics"]
    assert evaluate_sequence(load_sequence(run), walk()) == {name: metrics[name] for name in ("n", "hr@10", "ndcg@10")}


def test_the_last_two_items_of_a_shopper_are_not_learnt_from(tmp_path: Path, run: Path) -> None:
    whole = walk()
    changed = whole.histories.items.copy()
    changed[whole.histories.from_end < 2] = 0
    other = replace(whole, histories=Histories(changed, whole.histories.starts))
    again = finetune_sequence(other, tmp_path / "other", recipe=SMALL, epochs=6).model_dir
    before, after = load_sequence(run), load_sequence(again)
    np.testing.assert_array_equal(before.chain.counts.toarray(), after.chain.counts.toarray())
    # The second last chooses the epoch and the share, as the protocol allows, and nothing else.
    if read_manifest(run, "sequence").meta["recipe"] == read_manifest(again, "sequence").meta["recipe"]:
        np.testing.assert_array_equal(before.vectors, after.vectors)
    assert before.items == after.items


def test_items_that_only_come_last_are_unknown(tmp_path: Path) -> None:
    rows = [(f"u{user}", f"i{place}", place) for user in range(120) for place in range(4)]
    rows += [(f"u{user}", f"last{user}", 9) for user in range(120)]
    run = finetune_sequence(interactions_of(rows), tmp_path / "run", recipe=SMALL, epochs=1)
    assert not [item for item in load_sequence(run.model_dir).items if item.startswith("last")]
    assert run.metrics["hr@10"] == 0


def test_refitting_learns_from_everything_and_is_not_scored(tmp_path: Path, run: Path) -> None:
    done = refit_sequence(walk(), run, tmp_path / "refit")
    model = load_sequence(done.model_dir)
    assert model.facts.refit
    assert model.chain.popularity.sum() == len(walk().histories.items)
    assert read_manifest(done.model_dir, "sequence").meta["gate"]["passed"], "the verdict goes along"
    with pytest.raises(InvalidInput, match="refit"):
        evaluate_sequence(model, walk())
    with pytest.raises(Conflict, match="already"):
        refit_sequence(walk(), done.model_dir, tmp_path / "again")


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.checkpoint.Checkpoint.due", property(lambda self: True))

    class Killed(Exception):
        pass

    def kill_at(step: int) -> Callable[[Step], None]:
        def progress(each: Step) -> None:
            if each.done == step:
                raise Killed

        return progress

    for step in (3, 11):
        with pytest.raises(Killed):
            finetune_sequence(walk(), tmp_path / "run", recipe=SMALL, epochs=6, progress=kill_at(step))
        assert not (tmp_path / "run").exists()
    resumed = load_sequence(finetune_sequence(walk(), tmp_path / "run", recipe=SMALL, epochs=6).model_dir)
    np.testing.assert_array_equal(resumed.vectors, load_sequence(run).vectors)
    assert not list(tmp_path.glob(".run*")), "nothing is left behind"


def test_too_few_shoppers_are_refused(tmp_path: Path) -> None:
    for interactions in (walk(shoppers=15), interactions_of([])):
        with pytest.raises(InvalidInput, match="needs 20"):
            finetune_sequence(interactions, tmp_path / "run")
    with pytest.raises(InvalidInput, match="epochs"):
        finetune_sequence(walk(), tmp_path / "run", epochs=0)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(Conflict):
        finetune_sequence(walk(), tmp_path / "run", recipe=SMALL, epochs=1)
    assert (tmp_path / "run" / "mine.txt").read_text() == "mine"


def test_a_large_catalog_compares_with_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.sequence_trainer._MOST_COMPARED", 20)
    found = finetune_sequence(walk(), tmp_path / "run", recipe=SMALL, epochs=6)
    assert float(found.metrics["ndcg@10"]) > 0.5


def test_what_a_run_writes_is_json_and_tensors(run: Path) -> None:
    assert sorted(path.name for path in run.iterdir()) == ["items.json", "manifest.json", "sequence.safetensors"]
    assert len(json.loads((run / "items.json").read_text())) == ITEMS
