"""The public intent sets as logs to train on and dialogues to score, by their protocols."""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]

FOLDS = 5
FEW_SHOT_VALIDATION = 1_540
"""Turns that BANKING77's few-shot protocol leaves for validation (Zhang et al., "DNNC", 2020)."""


class Parts(NamedTuple):
    """The log to train on, the test dialogues, and the training turns that a few-shot protocol leaves without labels."""

    training: list[Row]
    test: list[Row]
    unlabeled: Sequence[Row] = ()


@dataclass(frozen=True)
class IntentSet:
    """A set of the quality table.

    `rows` gives the parts of a seed, which is the fold of a set in folds; `measure` is the metric
    that has the `aim`, where there is one; `published` are figures of others on the same test part; `history` says that turns
    have messages before them, `few` that there are turns without labels to learn from.
    """

    rows: Callable[[Path, int], Parts]
    measure: str
    aim: float | None
    published: Mapping[str, float]
    history: bool = False
    multi_label: bool = False
    few: bool = False


def read(path: Path, split: str = "") -> list[Row]:
    """The dialogues of a file, marked with the split that they are for."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) | ({"split": split} if split else {}) for line in lines]


def write(rows: Sequence[Row], path: Path) -> Path:
    """The dialogues as a log."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def _simmc2(data: Path, _: int) -> Parts:
    lines = (data / "simmc2/folds.tsv").read_text(encoding="utf-8").splitlines()
    folds = dict(line.split("\t") for line in lines if line)
    rows = read(data / "simmc2/dialogues.jsonl.gz")
    held = [folds[row["dialogue_id"]].strip() == "0" for row in rows]
    return Parts(
        [row for row, out in zip(rows, held, strict=True) if not out],
        [row for row, out in zip(rows, held, strict=True) if out],
    )


def _crosswoz(data: Path, fold: int) -> Parts:
    rows = read(data / "crosswoz_val/dialogues.jsonl.gz")
    random.Random(0).shuffle(rows)
    return Parts([row for at, row in enumerate(rows) if at % FOLDS != fold], rows[fold::FOLDS])


def _multidogo(data: Path, _: int) -> Parts:
    folder = data / "multidogo"
    training = read(folder / "train.jsonl.gz", "train") + read(folder / "dev.jsonl.gz", "validation")
    return Parts(training, read(folder / "test.jsonl.gz"))


def _clinc150(data: Path, _: int) -> Parts:
    folder = data / "clinc150"
    parts = [
        read(folder / f"{name}.jsonl.gz", split)
        for split, names in (("train", ("train", "oos_train")), ("validation", ("val", "oos_val")))
        for name in names
    ]
    test = read(folder / "test.jsonl.gz") + read(folder / "oos_test.jsonl.gz")
    return Parts([row for part in parts for row in part], test)


def _banking77(data: Path, _: int) -> Parts:
    return Parts(read(data / "banking77/train.jsonl.gz"), read(data / "banking77/test.jsonl.gz"))


def _few_banking77(shots: int) -> Callable[[Path, int], Parts]:
    def rows(data: Path, seed: int) -> Parts:
        whole = _banking77(data, seed)
        few, rest = _few(whole.training, shots, seed)
        held, others = rest[:FEW_SHOT_VALIDATION], rest[FEW_SHOT_VALIDATION:]
        return Parts(few + _marked(held, "validation"), whole.test, _bare(others))

    return rows


def _few_clinc150(shots: int) -> Callable[[Path, int], Parts]:
    def rows(data: Path, seed: int) -> Parts:
        folder = data / "clinc150"
        few, rest = _few(read(folder / "train.jsonl.gz"), shots, seed)
        return Parts(few + read(folder / "val.jsonl.gz", "validation"), read(folder / "test.jsonl.gz"), _bare(rest))

    return rows


def _few(rows: Sequence[Row], shots: int, seed: int) -> tuple[list[Row], list[Row]]:
    """So many rows of each label, and the others, shuffled."""
    order = list(rows)
    random.Random(seed).shuffle(order)
    have: dict[str, int] = defaultdict(int)
    few: list[Row] = []
    rest: list[Row] = []
    for row in order:
        (label,) = row["messages"][0]["intents"]
        have[label] += 1
        (few if have[label] <= shots else rest).append(row)
    return _marked(few, "train"), rest


def _marked(rows: Sequence[Row], split: str) -> list[Row]:
    return [row | {"split": split} for row in rows]


def _bare(rows: Sequence[Row]) -> list[Row]:
    """The dialogues without their labels."""
    return [row | {"messages": [each | {"intents": []} for each in row["messages"]]} for row in rows]


SETS: Mapping[str, IntentSet] = {
    "simmc2": IntentSet(_simmc2, "macro_f1", 0.965, {}, history=True),
    "clinc150": IntentSet(_clinc150, "accuracy", 0.970, {"BERT, Larson et al. 2019": 0.969}),
    "banking77": IntentSet(_banking77, "accuracy", 0.945, {"ConvFiT, Vulić et al. 2021": 0.9416}),
    "banking77, 10 a label": IntentSet(
        _few_banking77(10), "accuracy", 0.872, {"CPFT with RoBERTa-base, Zhang et al. 2021": 0.872}, few=True
    ),
    "clinc150, 10 a label": IntentSet(
        _few_clinc150(10), "accuracy", 0.942, {"CPFT with RoBERTa-base, Zhang et al. 2021": 0.942}, few=True
    ),
    "banking77, 5 a label": IntentSet(_few_banking77(5), "accuracy", None, {}, few=True),
    "clinc150, 5 a label": IntentSet(_few_clinc150(5), "accuracy", None, {}, few=True),
    "multidogo": IntentSet(_multidogo, "macro_f1", 0.72, {}, history=True),
    "crosswoz_val": IntentSet(_crosswoz, "micro_f1", 0.978, {}, history=True, multi_label=True),
}
