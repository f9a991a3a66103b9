"""What comes next on a public log: the sequence model beside chains and popularity, all in one run.

`run` ranks each shopper's last item among all, by the protocol of `evaluate sequence`: nothing is learnt from s[-2:]. `cold` holds
a tenth of the items out of all training and ranks those that shoppers turned to last among themselves, by what is known of items.
"""

from __future__ import annotations

import csv
import gzip
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from finetune.evaluate_sequence import AT_ONCE, Metrics, gains, metrics_of, ranks
from finetune.interactions import Interactions, read_interactions
from finetune.loop import Step
from finetune.sequence import finetune_sequence, interval
from finetune.sequence_trainer import Recipe, train
from retrieval.sequence import Histories, SequenceFacts, SequenceModel, Transitions, load_sequence
from retrieval.sequence.fresh import LIKENESS_FADE, LIKENESS_RECENT, fresh_chances
from retrieval.sequence.network import unit
from retrieval.sequence.transitions import Floats, pair_counts

INTERACTIONS, ATTRIBUTES = "interactions.csv.gz", "item_attributes.csv.gz"
HELD_OUT = 0.1
DIMS = 256
COLD_EPOCHS = 5
Chances = Callable[[Histories], Floats]


def run(data: Path, seed: int) -> None:
    """Prints the table of all methods, with the seconds of training."""
    interactions = read_interactions(data / INTERACTIONS)
    with tempfile.TemporaryDirectory() as place:
        trained = finetune_sequence(interactions, Path(place) / "run", seed=seed, progress=_show)
        model = load_sequence(trained.model_dir)
    numbers = np.array([model.places.get(item, -1) for item in interactions.items])
    histories = interactions.histories
    everything = Histories(numbers[histories.items], histories.starts)
    learnt, before, wanted = everything.without_last(2), everything.without_last(1), everything.at_end(1)
    before = before.kept(before.items >= 0)
    items = len(model.items)
    peers: dict[str, Chances] = {
        "popularity": lambda some: np.tile(model.chain.popularity, (len(some), 1)),
        "Markov chain, last item": markov(learnt, items, reach=1, last=1),
        "Markov chain, last three items, decay .5": markov(learnt, items, reach=3, last=3),
        "Aisle's chain alone": model.chain.next,
        "Aisle's network alone": model.network_chances,
        "**Aisle**": model.chances,
    }
    print(f"seed {seed}: {trained.seconds:.0f} s, {trained.metrics}")
    print("| | HR@10 | NDCG@10 | NDCG@10 less Aisle's, 95 % |\n| --- | --- | --- | --- |")
    found = {name: ranks(chances, before, wanted) for name, chances in peers.items()}
    for name, each in found.items():
        low, high = interval(gains(each) - gains(found["**Aisle**"]), np.random.default_rng(0))
        print(_line(name, metrics_of(each), f"{low:+.4f} to {high:+.4f}" if name != "**Aisle**" else ""))


def markov(histories: Histories, items: int, reach: int, last: int, decay: float = 0.5) -> Chances:
    """The chance of what followed, by counts up to `reach` steps apart, after each of the `last` items, decaying."""
    counts = pair_counts(histories, items, reach, decay)
    totals = np.asarray(counts.sum(axis=1)).ravel()
    rows = sparse.csr_matrix(sparse.diags_array(1 / np.maximum(totals, 1e-9)) @ counts)

    def chances(some: Histories) -> Floats:
        recent = some.latest(last)
        weights = (decay**recent.from_end).astype(np.float32)
        said = sparse.csr_matrix((weights, recent.items, recent.starts), shape=(len(some), items))
        return np.asarray((said @ rows).todense(), np.float32)

    return chances


def cold(data: Path, seed: int) -> None:
    """Prints how well items that were held out of training are ranked among themselves."""
    interactions = read_interactions(data / INTERACTIONS)
    histories, items = interactions.histories, len(interactions.items)
    features = _attributes(data / ATTRIBUTES, interactions)
    hidden = np.zeros(items, bool)
    hidden[np.random.default_rng(seed).permutation(items)[: int(HELD_OUT * items)]] = True
    learnt = histories.without_last(2)
    learnt = learnt.kept(~hidden[learnt.items])
    recipe = Recipe(epochs=COLD_EPOCHS, seed=seed)
    started = time.monotonic()
    network, _ = train("cold", learnt, items, recipe, features=features, progress=_show)
    seconds = time.monotonic() - started
    vectors, weights, projection = network.exported()
    assert projection is not None
    fresh = np.flatnonzero(hidden)
    vectors[fresh] = features[fresh] @ projection.T
    chain = Transitions.of(learnt, items)
    model = SequenceModel(
        interactions.items, vectors, weights, chain, SequenceFacts(recipe.shape, 0.0, refit=False), projection
    )
    asked, wanted = _asked(histories, hidden)
    column = np.full(items, -1)
    column[fresh] = np.arange(len(fresh))
    peers: dict[str, Chances] = {
        "attribute neighbours, recent first": lambda some: likeness(some, features, fresh),
        "Aisle's network alone": lambda some: model.network_chances(some)[:, fresh],
        "**Aisle**": lambda some: fresh_chances(model, some, features, fresh),
    }
    print(f"seed {seed}: {len(fresh)} items held out, {len(wanted)} shoppers turned to one last; {seconds:.0f} s")
    print("| | HR@10 | NDCG@10 | NDCG@10 less Aisle's, 95 % |\n| --- | --- | --- | --- |")
    found = {name: _ranks_among(chances, asked, column[wanted]) for name, chances in peers.items()}
    for name, each in found.items():
        low, high = interval(gains(each) - gains(found["**Aisle**"]), np.random.default_rng(0))
        print(_line(name, metrics_of(each), f"{low:+.4f} to {high:+.4f}" if name != "**Aisle**" else ""))


def likeness(histories: Histories, features: Floats, fresh: NDArray[np.int64]) -> Floats:
    """The cosine of each fresh item with the mean of what was turned to, the latest first."""
    recent = histories.latest(LIKENESS_RECENT)
    taste = np.zeros((len(histories), features.shape[1]), np.float32)
    weights = (LIKENESS_FADE**recent.from_end).astype(np.float32)
    np.add.at(taste, recent.users, weights[:, None] * features[recent.items])
    return taste @ unit(features[fresh]).T


def _asked(histories: Histories, hidden: NDArray[np.bool_]) -> tuple[Histories, NDArray[np.int64]]:
    """What those knew who turned to a hidden item last, and which one it was."""
    wanted = histories.at_end(1)
    before = histories.without_last(1)
    before = before.kept(~hidden[before.items])
    users = np.flatnonzero((histories.lengths > 1) & hidden[np.maximum(wanted, 0)] & (before.lengths > 0))
    return before.take(users), wanted[users]


def _ranks_among(chances: Chances, asked: Histories, wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    found = []
    for start in range(0, len(asked), AT_ONCE):
        users = np.arange(start, min(start + AT_ONCE, len(asked)))
        scores = chances(asked.take(users))
        own = scores[np.arange(len(users)), wanted[users]][:, None]
        found.append(1 + (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2)
    return np.concatenate(found)


def _attributes(path: Path, interactions: Interactions) -> Floats:
    """Rare attributes count more; (items, DIMS) factors of about length 1."""
    number = {item: place for place, item in enumerate(interactions.items)}
    names: dict[str, int] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        pairs = [
            (number[row["item_id"]], names.setdefault(row["attribute_id"], len(names)))
            for row in csv.DictReader(lines)
            if row["item_id"] in number
        ]
    row, column = np.array(pairs).T
    has = sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(number), len(names)))
    rarity = np.log(len(number) / np.maximum(np.asarray(has.sum(axis=0)).ravel(), 1)).astype(np.float32)
    weighted = sparse.csr_matrix(has @ sparse.diags_array(rarity))
    length = np.sqrt(np.asarray(weighted.multiply(weighted).sum(axis=1)).ravel())
    weighted = sparse.csr_matrix(sparse.diags_array(1 / np.maximum(length, 1e-9)) @ weighted, dtype=np.float32)
    left, values, _ = svds(weighted, min(DIMS, len(names) - 1), random_state=0)
    return np.ascontiguousarray(left * values, np.float32)


def _line(name: str, metrics: Metrics, note: str) -> str:
    return f"| {name} | {metrics['hr@10']:.4f} | {metrics['ndcg@10']:.4f} | {note} |"


def _show(step: Step) -> None:
    if step.done % 100 == 0:
        width = shutil.get_terminal_size().columns
        print(f"\r{step.phase} {step.done}/{step.total}, loss {step.loss:.3f}"[:width], end="", file=sys.stderr)
