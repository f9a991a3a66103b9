"""Labels needed for an accuracy: `finetune.labeling.select` beside random choice and the methods that lost to it.

    python -m benchmarks.labeling --data ../shared/data [--methods NAME …] [--seeds 3]

Frozen MiniLM vectors of a pool of BANKING77's and CLINC150's training turns, multinomial logistic regression, 100 random labels
to begin with, then batches of 100; accuracy is on the test turns, the mean over seeds, each with a pool of its own.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from finetune.labeling import margins, select
from index.encoders import Encoder, encoder_for

Floats = NDArray[np.floating]
Method = Callable[[Floats, Floats, Floats, int, np.random.Generator], NDArray[np.intp]]
"""(probabilities (n, labels), vectors (n, dim), vectors of the labelled (m, dim), count, generator) → rows."""

SETS = ("banking77", "clinc150")
POOL, TEST = 5_000, 2_000
BATCH, LAST = 100, 1_500
SHOWN = (200, 300, 500, 700, 1000, 1500)


def chance(probabilities: Floats, _: Floats, __: Floats, count: int, draw: np.random.Generator) -> NDArray[np.intp]:
    """Any."""
    return draw.choice(len(probabilities), count, replace=False)


def margin(probabilities: Floats, _: Floats, __: Floats, count: int, ___: np.random.Generator) -> NDArray[np.intp]:
    """The least margins."""
    return np.argsort(margins(probabilities))[:count]


def entropy(probabilities: Floats, _: Floats, __: Floats, count: int, ___: np.random.Generator) -> NDArray[np.intp]:
    """The highest entropies."""
    return np.argsort((probabilities * np.log(probabilities + 1e-12)).sum(axis=1))[:count]


def core_set(_: Floats, vectors: Floats, labelled: Floats, count: int, __: np.random.Generator) -> NDArray[np.intp]:
    """k-center greedy (Sener and Savarese 2018): each time the one farthest from all that are labelled or picked."""
    nearest = (vectors @ labelled.T).max(axis=1)
    picked: list[int] = []
    for _number in range(count):
        picked.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, vectors @ vectors[picked[-1]])
    return np.array(picked)


def badge(probabilities: Floats, vectors: Floats, _: Floats, count: int, draw: np.random.Generator) -> NDArray[np.intp]:
    """k-means++ on the gradients of the last layer (Ash et al. 2020), which factor into (p - e_y) ⊗ x."""
    errors = probabilities.copy()
    errors[np.arange(len(errors)), errors.argmax(axis=1)] -= 1
    squares = (errors**2).sum(axis=1) * (vectors**2).sum(axis=1)
    picked = [int(squares.argmax())]
    apart = np.full(len(errors), np.inf)
    while len(picked) < count:
        last = picked[-1]
        products = (errors @ errors[last]) * (vectors @ vectors[last])
        apart = np.minimum(apart, np.maximum(squares + squares[last] - 2 * products, 0))
        apart[picked] = 0
        picked.append(int(draw.choice(len(errors), p=apart / apart.sum())))
    return np.array(picked)


def cluster_margin(
    probabilities: Floats, vectors: Floats, _: Floats, count: int, __: np.random.Generator
) -> NDArray[np.intp]:
    """Round robin over the clusters of the least margins, the smallest cluster first (Citovsky et al. 2021)."""
    clusters = AgglomerativeClustering(len(vectors) // 10, linkage="average").fit_predict(vectors)
    sizes = np.bincount(clusters)
    uncertain = np.argsort(margins(probabilities))[: 10 * count]
    queues = [[row for row in uncertain if clusters[row] == cluster] for cluster in np.argsort(sizes, kind="stable")]
    rounds = zip_longest(*queues)
    return np.array([row for queue in rounds for row in queue if row is not None][:count])


def typiclust(_: Floats, vectors: Floats, labelled: Floats, count: int, __: np.random.Generator) -> NDArray[np.intp]:
    """The most typical turn of the largest clusters without a label (Hacohen et al. 2022)."""
    clusters = len(labelled) + count
    means = MiniBatchKMeans(clusters, n_init=1, random_state=0, max_iter=20, batch_size=2048)
    found = means.fit_predict(np.concatenate([labelled, vectors]))
    covered = np.bincount(found[: len(labelled)], minlength=clusters)
    own = found[len(labelled) :]
    picked: list[int] = []
    for cluster in np.lexsort((-np.bincount(own, minlength=clusters), covered)):
        members = np.flatnonzero(own == cluster)
        if len(members) and len(picked) < count:
            cosines = np.sort(vectors[members] @ vectors[members].T, axis=1)[:, -21:]
            picked.append(int(members[cosines.mean(axis=1).argmax()]))
    others = np.setdiff1d(np.arange(len(vectors)), picked)
    return np.array([*picked, *others[: count - len(picked)]])


def ours(probabilities: Floats, vectors: Floats, _: Floats, count: int, draw: np.random.Generator) -> NDArray[np.intp]:
    """What `launch.py label` does."""
    return select(probabilities, vectors, count, int(draw.integers(1 << 31)))


METHODS: Mapping[str, Method] = {
    "random": chance,
    "entropy": entropy,
    "core-set": core_set,
    "margin": margin,
    "BADGE": badge,
    "cluster-margin": cluster_margin,
    "TypiClust": typiclust,
    "Aisle": ours,
}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with banking77 and clinc150")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["random", "margin", "BADGE", "Aisle"])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", UserWarning)  # of 100 labels, more than half are of different classes
    with tempfile.TemporaryDirectory() as cache:
        encoder = encoder_for("latin", Path(cache))
        for name in SETS:
            pool, test = (
                load(options.data / name / f"{part}.jsonl.gz", most, encoder)
                for part, most in (("train", 2 * POOL), ("test", TEST))
            )
            print(f"\n| {name} | {' | '.join(map(str, SHOWN))} | seconds a batch |")
            print(f"| --- |{' --- |' * (len(SHOWN) + 1)}")
            curves = {}
            for method in options.methods:
                curves[method], seconds = curve(METHODS[method], pool, test, options.seeds)
                shown = " | ".join(f"{curves[method][count]:.3f}" for count in SHOWN)
                print(f"| {method} | {shown} | {seconds:.2f} |", flush=True)
            for count in SHOWN[2:]:
                saved = {m: needed(curves[m], curves["random"][count]) for m in options.methods if m != "random"}
                told = ", ".join(f"{m} {labels:.0f}" for m, labels in saved.items())
                print(f"accuracy of {count} random labels with: {told}")


def load(path: Path, most: int, encoder: Encoder) -> tuple[Floats, NDArray[np.str_]]:
    """Vectors and labels of at most so many turns, drawn by a fixed seed."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        turns = [json.loads(line)["messages"][0] for line in lines]
    chosen = np.random.default_rng(0).permutation(len(turns))[:most]
    vectors = encoder.encode_documents([turns[row]["content"] for row in chosen])
    return vectors, np.array([turns[row]["intents"][0] for row in chosen])


def curve(
    method: Method, pool: tuple[Floats, NDArray[np.str_]], test: tuple[Floats, NDArray[np.str_]], seeds: int
) -> tuple[dict[int, float], float]:
    """Mean accuracy by number of labels, and the seconds that a choice took."""
    reached: dict[int, list[float]] = {}
    seconds: list[float] = []
    for seed in range(seeds):
        rows = np.random.default_rng(seed).permutation(len(pool[0]))[:POOL]
        vectors, labels = pool[0][rows], pool[1][rows]
        known = np.arange(BATCH)
        while True:
            learner = LogisticRegression(C=30, max_iter=60, tol=1e-3).fit(vectors[known], labels[known])
            reached.setdefault(len(known), []).append(float((learner.predict(test[0]) == test[1]).mean()))
            if len(known) >= LAST:
                break
            others = np.setdiff1d(np.arange(POOL), known)
            probabilities = learner.predict_proba(vectors[others])
            draw = np.random.default_rng([seed, len(known)])
            started = time.process_time()
            picked = method(probabilities, vectors[others], vectors[known], BATCH, draw)
            seconds.append(time.process_time() - started)
            known = np.concatenate([known, others[picked]])
    return {count: float(np.mean(values)) for count, values in reached.items()}, float(np.mean(seconds))


def needed(reached: Mapping[int, float], accuracy: float) -> float:
    """The labels with which a curve reaches an accuracy, between two points by a straight line."""
    counts: Sequence[int] = sorted(reached)
    for before, after in pairwise(counts):
        if reached[after] >= accuracy:
            share = (accuracy - reached[before]) / (reached[after] - reached[before])
            return before + max(share, 0) * (after - before)
    return float("nan")


if __name__ == "__main__":
    main()
