"""Questions about products: answer with a sentence of a review, or abstain.

    python -m benchmarks.product_questions subjqa ../shared/data/subjqa_electronics [--shop var]
    python -m benchmarks.product_questions demo var [--fit]

`subjqa`: SubjQA's electronics (Bjerva et al., *SubjQA: A Dataset for Subjectivity and Review Comprehension*, EMNLP 2020), one
question with one review a row; a row is unanswerable unless most annotators marked a span. Every method returns the best sentence
of the review or abstains below a threshold. The threshold of each, and the weights of the row "fitted here", come from the train
and dev parts alone: train is scored by models that did not see the product (5 folds), and the threshold is the lowest for which
the share of unanswerable questions that get an answer is below `GOAL` with 95 % certainty (one-sided, Clopper and Pearson 1934),
counted on rows that two or more annotators judged, as all of the test part are. Token F1 is SQuAD's, the best over the annotators'
spans. Nothing that ships is fitted on it.

`demo`: the reader as it ships on the demo shop's generated reviews, with questions that name none of the sentences' words on
purpose; `--fit` prints the weights and thresholds that `bot/evidence.py` ships, fitted on one half of the products and of the
wordings, and measures on the other.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta  # type: ignore[attr-defined]
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from benchmarks.search_peers import Bm25
from bot.evidence import FEATURES, JUDGES, Judge, Mode, cosines_of, features_of, sentences_of
from index.encoders import Encoder, encoder_for, script_of

Floats = NDArray[np.float64]
AIM = 0.04
"""Share of unanswerable questions that a threshold of what ships lets through where it is chosen."""
GOAL = 0.05
GOLD = 0.3
"""A sentence that meets a span with this token F1 counts as right in fitting."""
MISMATCH = -1.0
"""The most that the reader's weight of a missing figure may be in what ships."""
QUESTIONS = Path(__file__).parent / "demo_queries" / "product_questions.toml"
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


@dataclass(frozen=True)
class Case:
    """A question with the sentences that may answer it.

    `worth` is the token F1 of each sentence, or 1 and 0 where right and wrong is all that is known; all 0 where none answers.
    """

    group: str
    answerable: bool
    judges: int
    """How many annotators looked at it."""
    features: Floats
    """(sentences, features)"""
    words: Floats
    """(sentences,) BM25"""
    worth: Floats


def token_f1(text: str, gold: str) -> float:
    """SQuAD's F1: words without case, punctuation and articles."""
    said, meant = (re.sub(r"[^\w\s]", "", _ARTICLE.sub(" ", each.lower())).split() for each in (text, gold))
    common = sum((Counter(said) & Counter(meant)).values())
    return 2 * common / (len(said) + len(meant)) if common else 0.0


def subjqa_cases(path: Path, encoder: Encoder) -> list[Case]:
    """The rows of one part."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    cases = []
    for row in rows:
        sentences = sentences_of(row["context"])
        spans = [answer["text"] for answer in row["answers"]] if row["answerable"] else []
        worth = [max((token_f1(each, span) for span in spans), default=0.0) for each in sentences]
        judges = row["votes"][1]
        cases.append(_case(row["product_id"], row["answerable"], row["question"], sentences, worth, encoder, judges))
    return cases


def _case(
    group: str,
    answerable: bool,
    question: str,
    sentences: Sequence[str],
    worth: Sequence[float],
    encoder: Encoder,
    judges: int = 1,
) -> Case:
    if not sentences:
        return Case(group, answerable, judges, np.empty((0, len(FEATURES))), np.empty(0), np.empty(0))
    features = features_of(question, sentences, cosines_of(encoder, question, sentences))
    try:
        words = Bm25(sentences).scores(question).astype(np.float64)
    except ValueError:  # none of them has a word
        words = np.zeros(len(sentences))
    return Case(group, answerable, judges, features, words, np.array(worth, np.float64))


@dataclass(frozen=True)
class Best:
    """The best sentence of each case by one method: its score and its worth; a case without sentences has −∞ and 0."""

    scores: Floats
    worth: Floats

    @classmethod
    def of(cls, cases: Sequence[Case], scores: Sequence[Floats]) -> Best:
        """By the scores of each case's sentences."""
        places = [int(each.argmax()) if len(each) else -1 for each in scores]
        top = [float(each[place]) if place >= 0 else -np.inf for each, place in zip(scores, places, strict=True)]
        worth = [float(case.worth[place]) if place >= 0 else 0.0 for case, place in zip(cases, places, strict=True)]
        return cls(np.array(top), np.array(worth))


def fitted(cases: Sequence[Case], strength: float = 0.3) -> Floats:
    """Weights of the features by logistic regression over sentences."""
    features = np.vstack([case.features[:, 1:] for case in cases])
    right = np.concatenate([case.worth >= GOLD for case in cases])
    model = LogisticRegression(C=strength, max_iter=1_000).fit(features, right)
    return np.concatenate([model.intercept_, model.coef_[0]])


def threshold(scores: Floats, answerable: NDArray[np.bool_], aim: float = AIM) -> float:
    """The least score above which at most `aim` of the unanswerable questions are."""
    wrong = np.sort(scores[~answerable])[::-1]
    return float(wrong[int(aim * len(wrong))]) if len(wrong) else 0.0


def certain_threshold(scores: Floats, answerable: NDArray[np.bool_], goal: float = GOAL) -> float:
    """The lowest above which, with 95 % certainty, at most `goal` of the unanswerable questions are."""
    wrong = np.sort(scores[~answerable])[::-1]
    passed = [count for count in range(len(wrong)) if beta.ppf(0.95, count + 1, len(wrong) - count) <= goal]
    return float(wrong[max(passed, default=0)])


def report(best: Best, answerable: NDArray[np.bool_], enough: float) -> dict[str, float]:
    """What a method does with a threshold."""
    given = best.scores > enough
    right = best.worth * given
    return {
        "false_answers": float(given[~answerable].mean()),
        "answered": float(given[answerable].mean()),
        "f1_answerable": float(right[answerable].mean()),
        "f1_given": float(right[answerable & given].mean()) if (answerable & given).any() else 0.0,
        "f1_all": float(np.where(answerable, right, ~given).mean()),
        "auroc": float(roc_auc_score(answerable, np.maximum(best.scores, -1e9))),
    }


def subjqa(folder: Path, shop: Path) -> None:
    """Prints the table."""
    encoder = encoder_for("latin", shop / "models" / "encoder")
    train, dev, test = (subjqa_cases(folder / f"{part}.jsonl.gz", encoder) for part in ("train", "dev", "test"))
    chosen = np.array([case.answerable for case in (*train, *dev)])
    known = np.array([case.judges > 1 for case in (*train, *dev)])
    judged = np.array([case.answerable for case in test])
    print(f"train {len(train)}, dev {len(dev)}, test {len(test)} rows, {int(judged.sum())} of test answerable")
    print("method | false answers | answered | F1 answerable | F1 of given | F1 all | AUROC")
    print(f"always abstain | 0 | 0 | 0 | | {float((~judged).mean()):.3f} |")
    weights = fitted(train)
    held_out: list[Floats] = [np.empty(0)] * len(train)
    groups = [case.group for case in train]
    for learnt, left in GroupKFold(5).split(np.zeros(len(train)), groups=groups):
        fold = fitted([train[place] for place in learnt])
        for place in left:
            held_out[place] = train[place].features @ fold
    shipped = np.array(JUDGES["latin"].weights)
    methods = {
        "BM25, best sentence": ([case.words for case in (*train, *dev)], [case.words for case in test]),
        "MiniLM, best sentence": (
            [case.features[:, 1] for case in (*train, *dev)],
            [case.features[:, 1] for case in test],
        ),
        "reader as it ships": (
            [case.features @ shipped for case in (*train, *dev)],
            [case.features @ shipped for case in test],
        ),
        "reader, fitted here": (
            [*held_out, *(case.features @ weights for case in dev)],
            [case.features @ weights for case in test],
        ),
    }
    for name, (before, after) in methods.items():
        enough = certain_threshold(Best.of([*train, *dev], before).scores[known], chosen[known])
        found = report(Best.of(test, after), judged, enough)
        free = report(Best.of(test, after), judged, -np.inf)
        print(
            f"{name} | {found['false_answers']:.1%} | {found['answered']:.1%} | {found['f1_answerable']:.3f} | "
            f"{found['f1_given']:.3f} | {found['f1_all']:.3f} | {found['auroc']:.3f} "
            f"(never abstaining: F1 answerable {free['f1_answerable']:.3f})"
        )


def demo_cases(shop: Path, encoders: Mapping[str, Encoder]) -> dict[tuple[Mode, str], list[Case]]:
    """Cases by mode and part ("fit", "test"), products and wordings of the two apart."""
    with (Path("demo") / "vocabulary" / "reviews.toml").open("rb") as file:
        aspects = tomllib.load(file)["aspects"]
    about = {
        sentence: name
        for name, aspect in aspects.items()
        for tone in ("good", "bad")
        for language in ("en", "zh")
        for sentence in aspect[tone][language]
    }
    questions = tomllib.loads(QUESTIONS.read_text(encoding="utf-8"))
    written: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with (shop / "reviews.jsonl").open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            written[row["product_id"]].append(row)
    draw = np.random.default_rng(0)
    cases: dict[tuple[Mode, str], list[Case]] = defaultdict(list)
    for number, (product_id, rows) in enumerate(sorted(written.items())):
        part = ("fit", "test")[number % 2]
        sentences = list(dict.fromkeys(each for row in rows for each in sentences_of(row["text"])))
        if len(rows) < 3 or not sentences:
            continue
        spoken = {about[each] for each in sentences if each in about}
        for language in ("en", "zh"):
            mode = mode_of(language, sentences)
            if mode == "crossed" and draw.random() > 0.3:
                continue
            encoder = encoders["latin" if mode == "latin" else "han"]
            for name, wordings in questions.items():
                # Of what is not there a few are enough: else they would outweigh the others.
                if name not in spoken and draw.random() > 0.25:
                    continue
                question = str(draw.choice(wordings[part][language]))
                worth = [float(about.get(each) == name) for each in sentences]
                cases[mode, part].append(_case(product_id, name in spoken, question, sentences, worth, encoder))
    return cases


def mode_of(language: str, sentences: Sequence[str]) -> Mode:
    """As `bot.evidence` has it."""
    asked = "han" if language == "zh" else "latin"
    return asked if script_of(sentences[0]) == asked else "crossed"


def demo(shop: Path, fit: bool) -> None:
    """Prints figures for each mode, and with `fit` what ships."""
    encoders = {space: encoder_for(space, shop / "models" / "encoder") for space in ("latin", "han")}
    cases = demo_cases(shop, encoders)
    for mode in JUDGES:
        learnt, test = cases[mode, "fit"], cases[mode, "test"]
        judge = JUDGES[mode]
        if fit and mode != "crossed":
            weights = np.round(fitted(learnt), 2)
            # That a figure must be there where one is asked for is a rule of ours, which generated reviews cannot teach.
            weights[-1] = min(weights[-1], MISMATCH)
            best = Best.of(learnt, [Judge(tuple(weights), 0.5).scores(case.features) for case in learnt])
            enough = round(threshold(best.scores, np.array([case.answerable for case in learnt])), 3)
            judge = Judge(tuple(map(float, weights)), enough)
            print(f'    "{mode}": Judge({judge.weights}, {judge.enough}),')
        answerable = np.array([case.answerable for case in test])
        rivals = {
            "BM25": lambda case: case.words,
            "cosine": lambda case: case.features[:, 1],
            "reader": lambda case: judge.scores(case.features),  # noqa: B023  # used within the round
        }
        for name, score in rivals.items():
            known = Best.of(learnt, [score(case) for case in learnt])
            enough = (
                judge.enough
                if name == "reader"
                else threshold(known.scores, np.array([case.answerable for case in learnt]))
            )
            best = Best.of(test, [score(case) for case in test])
            found = report(best, answerable, enough)
            print(
                f"{mode} | {name} | {len(test)} questions | right {found['f1_answerable']:.1%} | "
                f"wrong sentence {found['answered'] - found['f1_answerable']:.1%} | "
                f"answered though nothing is said {found['false_answers']:.1%} | AUROC {found['auroc']:.3f}"
            )


def main() -> None:
    """Runs one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    real = commands.add_parser("subjqa")
    real.add_argument("folder", type=Path)
    real.add_argument("--shop", type=Path, default=Path("var"))
    own = commands.add_parser("demo")
    own.add_argument("shop", type=Path)
    own.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    if given.command == "subjqa":
        subjqa(given.folder, given.shop)
    else:
        demo(given.shop, given.fit)


if __name__ == "__main__":
    main()
