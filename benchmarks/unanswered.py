"""Grouping unanswered questions by meaning: how well groups agree with what was asked, at which threshold.

    python -m benchmarks.unanswered [--shop var] [--fit]

`benchmarks/demo_queries/answers.toml` has wordings of the same questions, and questions that stand alone beside them. The threshold
is chosen on half of the topics by the F1 of B-cubed (Amigó et al. 2009, Information Retrieval 12), and the table is over the other
half. Beside the shipped grouping is connected components (single linkage) at its own best threshold, and each question alone.
`--fit` prints what `bot/question_clusters.py` ships.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from benchmarks.answers import FILE
from bot.question_clusters import ALIKE, grouped
from index.encoders import Script, Vectors, encoder_for

Groups = Sequence[Sequence[int]]
Grouping = Callable[[Vectors, float], Groups]


def wordings(body: dict[str, Any], part: str, language: str) -> tuple[list[str], list[int]]:
    """Questions of half of the topics in a language, and the topic of each: a question without a pair has its own.

    Topics are dealt in turns, so that both halves have the same mix and no topic is in both.
    """
    texts, topics = [], []
    for topic, pair in enumerate(body[language]):
        if topic % 2 == (part == "test"):
            asked = [pair["question"], *pair["fit"], *pair["test"]]
            texts += asked
            topics += [topic] * len(asked)
    alone = [text for kind in ("near", "far") for text in body[kind][part][language]]
    return texts + alone, topics + list(range(10_000, 10_000 + len(alone)))


def b_cubed(groups: Groups, topics: Sequence[int]) -> tuple[float, float, float]:
    """Precision (share of a question's group that asks the same), recall (share of those that do, in its group), and their F1."""
    golds = np.array(topics)
    precisions, recalls = [], []
    for group in groups:
        own = golds[list(group)]
        for topic in own:
            same = np.sum(own == topic)
            precisions.append(same / len(own))
            recalls.append(same / np.sum(golds == topic))
    precision, recall = float(np.mean(precisions)), float(np.mean(recalls))
    return precision, recall, 2 * precision * recall / (precision + recall)


def chained(cosines: Vectors, alike: float) -> Groups:
    """Connected components of the pairs above a threshold."""
    distances = np.clip(1.0 - cosines, 0.0, 2.0).astype(np.float64)
    np.fill_diagonal(distances, 0.0)
    found = fcluster(linkage(squareform(distances, checks=False), "single"), 1.0 - alike, "distance")
    return [np.flatnonzero(found == group).tolist() for group in np.unique(found)]


def best(grouping: Grouping, cosines: Vectors, topics: Sequence[int]) -> float:
    """The threshold of the highest F1: of several, the middle one."""
    steps = np.arange(0.2, 0.99, 0.01)
    scores = np.array([b_cubed(grouping(cosines, float(step)), topics)[2] for step in steps])
    highest = steps[scores >= scores.max() - 1e-9]
    return round(float(highest[len(highest) // 2]), 2)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("var"))
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    body = tomllib.loads(FILE.read_text(encoding="utf-8"))
    print("language | grouping | threshold | questions | topics | groups | precision | recall | F1")
    spaces: tuple[tuple[str, Script], ...] = (("en", "latin"), ("zh", "han"))
    for language, space in spaces:
        encoder = encoder_for(space, given.shop / "models" / "encoder")
        fit_texts, fit_topics = wordings(body, "fit", language)
        texts, topics = wordings(body, "test", language)
        fit, test = (own @ own.T for own in map(encoder.encode_queries, (fit_texts, texts)))
        if given.fit:
            print(f'    "{space}": {best(grouped, fit, fit_topics)},')
        methods: tuple[tuple[str, Grouping, float], ...] = (
            ("average linkage", grouped, ALIKE[space]),
            ("single linkage", chained, best(chained, fit, fit_topics)),
            ("each alone", lambda cosines, _: [[place] for place in range(len(cosines))], 1.0),
        )
        for name, grouping, alike in methods:
            groups = grouping(test, alike)
            precision, recall, f1 = b_cubed(groups, topics)
            counts = f"{len(texts)} | {len(set(topics))} | {len(groups)}"
            print(f"{language} | {name} | {alike} | {counts} | {precision:.3f} | {recall:.3f} | {f1:.3f}")


if __name__ == "__main__":
    main()
