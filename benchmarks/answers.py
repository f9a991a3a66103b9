"""Answers from past dialogues on wordings that were held out: found, not given, or wrong.

    python -m benchmarks.answers [--shop var] [--fit]

`benchmarks/demo_queries/answers.toml` has pairs in English and Chinese, paraphrases of their questions, and questions that no pair
answers: near ones, which speak of the same things, and far ones. The book that ships is beside BM25 and the plain encoder's cosine
(MiniLM for English, multilingual e5 for Chinese), each with the threshold that lets at most `AIM` of the near questions of the
`fit` part through. `--fit` prints what `bot/answer_book.py` ships.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.search_peers import Bm25
from bot.answer_book import JUDGES, Looks, features_of, looks_of, scores_of
from bot.evidence import Judge
from index.encoders import Encoder, Script, encoder_for

Floats = NDArray[np.float64]
FILE = Path(__file__).parent / "demo_queries" / "answers.toml"
AIM = 0.1
"""Share of the near questions that a threshold lets through where it is chosen; far ones are easier, and there are more of them."""


@dataclass(frozen=True)
class Asked:
    """A question: the pair that answers it, None where none does, and what the methods see: (pairs, features), (pairs,)."""

    text: str
    gold: int | None
    near: bool
    features: Floats
    words: Floats
    looks: Looks


def asked(part: str, language: str, body: dict[str, Any], encoder: Encoder) -> list[Asked]:
    """All questions of a part ("fit", "test") in a language."""
    pairs = body[language]
    questions = [pair["question"] for pair in pairs]
    looks = looks_of([(pair["question"], pair["answer"]) for pair in pairs], encoder)
    ranker = Bm25(questions)
    rows: list[tuple[int | None, bool, str]] = [
        (number, False, text) for number, pair in enumerate(pairs) for text in pair[part]
    ]
    rows += [(None, kind == "near", text) for kind in ("near", "far") for text in body[kind][part][language]]
    return [
        Asked(text, gold, near, features_of(text, looks, encoder), ranker.scores(text).astype(np.float64), looks)
        for gold, near, text in rows
    ]


def fitted(questions: Sequence[Asked]) -> Floats:
    """Weights by logistic regression over (question, pair)."""
    features = np.vstack([each.features[:, 1:] for each in questions])
    right = np.concatenate([np.arange(len(each.features)) == each.gold for each in questions])
    model = LogisticRegression(C=10, max_iter=2_000, class_weight="balanced").fit(features, right)
    return np.concatenate([model.intercept_, model.coef_[0]])


def threshold(questions: Sequence[Asked], score: Callable[[Asked], Floats]) -> float:
    """Above it are at most `AIM` of the near questions."""
    wrong = np.sort([score(each).max() for each in questions if each.near])[::-1]
    return float(wrong[int(AIM * len(wrong))])


def report(questions: Sequence[Asked], score: Callable[[Asked], Floats], enough: float) -> str:
    """A row of the table."""
    scores = [score(each) for each in questions]
    golds = [each.gold for each in questions]
    given = [bool(each.max() > enough) for each in scores]
    best = [int(each.argmax()) for each in scores]
    known = [place for place, gold in enumerate(golds) if gold is not None]
    unknown = [place for place, gold in enumerate(golds) if gold is None]
    recall = np.mean([best[place] == golds[place] for place in known])
    right = np.mean([given[place] and best[place] == golds[place] for place in known])
    wrong = np.mean([given[place] and best[place] != golds[place] for place in known])
    near = [place for place in unknown if questions[place].near]
    far = [place for place in unknown if not questions[place].near]
    false = [np.mean([given[place] for place in places]) for places in (unknown, near, far)]
    return (
        f"{len(known)} | {recall:.1%} | {right:.1%} | {wrong:.1%} | {len(unknown)} | {false[0]:.1%} | "
        f"{false[1]:.1%} | {false[2]:.1%}"
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, default=Path("var"))
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    body = tomllib.loads(FILE.read_text(encoding="utf-8"))
    print(
        "language | method | answerable | recall@1 | given and right | given and wrong | unanswerable | answered | near | far"
    )
    spaces: tuple[tuple[str, Script], ...] = (("en", "latin"), ("zh", "han"))
    for language, space in spaces:
        encoder = encoder_for(space, given.shop / "models" / "encoder")
        fit, test = (asked(part, language, body, encoder) for part in ("fit", "test"))
        judge = JUDGES[space]
        if given.fit:
            weights = tuple(float(each) for each in np.round(fitted(fit), 2))
            enough = threshold(fit, lambda each: Judge(weights, 0.5).scores(each.features))  # noqa: B023
            judge = Judge(weights, round(enough, 3))
            print(f'    "{space}": Judge({judge.weights}, {judge.enough}),')
        methods: dict[str, Callable[[Asked], Floats]] = {
            "BM25": lambda each: each.words,
            "cosine": lambda each: each.features[:, 1],
        }
        for name, score in methods.items():
            print(f"{language} | {name} | {report(test, score, threshold(fit, score))}")

        def book(each: Asked, judge: Judge = judge) -> Floats:
            return scores_of(each.text, each.looks, each.features, judge)

        print(f"{language} | book | {report(test, book, judge.enough)}")


if __name__ == "__main__":
    main()
