"""The gate: whether a candidate may take the place of the model that serves.

Both answer the same held-out dialogues, turn by turn in alternation, and everything is compared on the same resamples of the
dialogues: a paired bootstrap (Efron & Tibshirani 1993, chapter 16; for two systems on one test set Koehn 2004). Dialogues are
drawn and not turns, because turns of one dialogue go right and wrong together, and turns drawn one by one would promise a
certainty that is not there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.labels import OUT_OF_SCOPE
from bot.parts import Intents
from finetune.logs import Dialogue
from storage.errors import InvalidInput

RESAMPLES = 2_000
CERTAIN = 0.95
"""The share of resamples that must say so before a difference counts."""
FEWEST_TURNS, FEWEST_FIRST = 100, 30
"""Labelled in-scope turns that a comparison needs, and that a shop's first model needs."""
LARGEST_FALL = 0.05
"""By how much the F1 of a label may fall."""
ENOUGH_SUPPORT = 30
"""Held-out turns from which on a label's F1 is taken at its word: one turn then moves it by about three points."""
LARGEST_ECE_RISE = 0.02
FIRST_MACRO_F1 = 0.5
"""What a shop's first model must reach."""
LATENCY_BUDGET_MS = 50.0
"""Median of one turn, tokenizing included: what a shopper does not notice beside the search."""

_BINS = 15
_ENTRIES = 4_000_000  # drawn at a time, to bound memory where dialogues are many


@dataclass(frozen=True)
class Answers:
    """What a model says of `n` labelled in-scope turns.

    `golds` and `labels` are numbers of names, (n,), a turn with several golds counting as the predicted one if it is among them,
    else as the first; `confidences` (n,) in 0 … 1; `p50_ms` the median of one turn.
    """

    golds: NDArray[np.int64]
    labels: NDArray[np.int64]
    confidences: NDArray[np.floating]
    p50_ms: float


@dataclass(frozen=True)
class Trial:
    """Two models on the same turns: `dialogues` (n,) numbers the dialogue of each, `names` (labels,) what the numbers mean.

    `named` (labels,) holds where a label is a gold of some turn: macro-F1 is over these. Where the shop has no model yet, the
    incumbent always says the commonest label.
    """

    names: tuple[str, ...]
    named: NDArray[np.bool_]
    dialogues: NDArray[np.int64]
    candidate: Answers
    incumbent: Answers


@dataclass(frozen=True)
class Bootstrap:
    """Candidate less incumbent: the difference, its 95 % interval, and p, the share of resamples where it is not above 0."""

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class LabelChange:
    """F1 of a label by both models, and the share of resamples in which it falls by more than `LARGEST_FALL`."""

    support: int
    candidate: float
    incumbent: float
    falls: float

    @property
    def fell(self) -> bool:
        """Whether it fell too far: by its value where the support is enough for one, else by nearly every resample."""
        by_value = self.support >= ENOUGH_SUPPORT and self.incumbent - self.candidate > LARGEST_FALL
        return by_value or self.falls >= CERTAIN


@dataclass(frozen=True)
class Verdict:
    """What the gate found. `reasons` are sentences with the figures of both; `first` says that there was no incumbent.

    `labels_judged` of the `labels` had support enough for a fall to count by its value. An incumbent that is none has no figures.
    """

    passed: bool
    first: bool
    reasons: tuple[str, ...]
    turns: int
    dialogues: int
    macro_f1: tuple[float, float | None]
    difference: Bootstrap
    labels: dict[str, LabelChange]
    labels_judged: int
    ece: tuple[float, float | None]
    p50_ms: tuple[float, float | None]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, for the registry."""
        values = asdict(self)
        return {name: list(each) if isinstance(each, tuple) else each for name, each in values.items()}


def gate(
    candidate: Intents,
    incumbent: Intents | None,
    dialogues: Sequence[Dialogue],
    seed: int = 0,
    latency_budget_ms: float = LATENCY_BUDGET_MS,
) -> Verdict:
    """Judges a candidate on dialogues that neither model was trained on.

    With an incumbent the gate holds where all of these do:

    * macro-F1, over all golds of the dialogues, is higher in 95 % of the resamples. The question is one-sided, whether the new
      one is better: a 95 % interval above zero would ask for 97.5 %, and a wrong yes is undone by `models rollback`, while a wrong
      no costs a better model. A resample in which both are equal counts against the candidate: no model is better than itself.
    * no label's F1 falls by more than 5 points. A label with at least `ENOUGH_SUPPORT` turns is taken at its word; one with fewer
      counts only where 95 % of the resamples show such a fall, since two turns can make it.
    * the calibration error is no worse: neither higher in 95 % of the resamples, nor by more than `LARGEST_ECE_RISE`, which
      counts however few the turns. Less than that is noise: a perfectly calibrated model shows .02 on 700 turns.
    * the median turn is within the budget, or no slower than the incumbent's, measured in alternation with it.

    Without an incumbent the candidate must beat the answer that is always the commonest label, reach `FIRST_MACRO_F1`, and be
    within the budget. A label that a model does not know counts as wrong for it.

    Raises:
        InvalidInput: there are too few labelled in-scope turns to judge by.
    """
    fewest = FEWEST_TURNS if incumbent is not None else FEWEST_FIRST
    turns = sum(1 for dialogue in dialogues for _ in _turns(dialogue))
    if turns < fewest:
        raise InvalidInput(
            f"{turns} labelled turns are held out, and the gate needs {fewest} to judge by.",
            "Give it labelled dialogues that neither model was trained on.",
        )
    return judge(_trial(candidate, incumbent, dialogues), incumbent is None, seed, latency_budget_ms)


def judge(
    trial: Trial, first: bool, seed: int = 0, latency_budget_ms: float = LATENCY_BUDGET_MS, resamples: int = RESAMPLES
) -> Verdict:
    """The verdict on answers that are there; `first` says that the incumbent is only the commonest label."""
    new, old = trial.candidate, trial.incumbent
    numbers = np.unique(trial.dialogues, return_inverse=True)[1]
    count = int(numbers.max()) + 1
    tables = [_table(trial, each, numbers, count) for each in (new, old)]
    whole = np.ones((1, count), np.float32)
    f1_new, f1_old = (_f1(whole @ each)[0] for each in tables)  # (labels,)
    macro_new, macro_old = (float(_macro(each[None], trial.named)[0]) for each in (f1_new, f1_old))
    ece_new, ece_old = (float(_ece(whole @ each)[0]) for each in tables)
    macro, ece, falls = [], [], np.zeros(len(trial.names))
    for weights in _resamples(count, resamples, seed):
        drawn_new, drawn_old = (weights @ each for each in tables)  # (resamples, 3 labels + bins + 1)
        labels_new, labels_old = _f1(drawn_new), _f1(drawn_old)
        macro.append(_macro(labels_new, trial.named) - _macro(labels_old, trial.named))
        ece.append(_ece(drawn_new) - _ece(drawn_old))
        falls += (np.nan_to_num(labels_old) - np.nan_to_num(labels_new) > LARGEST_FALL).sum(axis=0)
    difference = _bootstrap(macro_new - macro_old, np.concatenate(macro))
    support = np.bincount(new.golds, minlength=len(trial.names))
    labels = {
        name: LabelChange(int(support[at]), float(f1_new[at]), float(f1_old[at]), float(falls[at]) / resamples)
        for at, name in enumerate(trial.names)
        if trial.named[at] and not np.isnan(f1_new[at]) and not np.isnan(f1_old[at])
    }
    worse = float((np.concatenate(ece) > 0).mean())
    checks = [_better(difference, macro_new, macro_old, first)]
    if first:
        checks.append(
            (macro_new >= FIRST_MACRO_F1, f"macro-F1 {macro_new:.3f}, a first model needs {FIRST_MACRO_F1:.3f}.")
        )
    else:
        checks += [*_falls(labels), _calibrated(ece_new, ece_old, worse)]
    checks.append(_fast(new.p50_ms, None if first else old.p50_ms, latency_budget_ms))
    return Verdict(
        passed=all(holds for holds, _ in checks),
        first=first,
        reasons=tuple(f"{'Holds' if holds else 'Fails'}: {text}" for holds, text in checks),
        turns=len(new.golds),
        dialogues=count,
        macro_f1=(macro_new, None if first else macro_old),
        difference=difference,
        labels=labels,
        labels_judged=sum(each.support >= ENOUGH_SUPPORT for each in labels.values()),
        ece=(ece_new, None if first else ece_old),
        p50_ms=(new.p50_ms, None if first else old.p50_ms),
    )


def _turns(dialogue: Dialogue) -> Iterator[tuple[list[dict[str, object]], tuple[str, ...]]]:
    """Labelled in-scope turns: what was said until then, and the golds."""
    for messages, intents in dialogue.labelled():
        golds = tuple(name for name in intents if name != OUT_OF_SCOPE)
        if golds:
            yield messages, golds


def _trial(candidate: Intents, incumbent: Intents | None, dialogues: Sequence[Dialogue]) -> Trial:
    """Asks both models for every turn, in alternation, so that a busy moment of the machine slows both."""
    models = [candidate] if incumbent is None else [candidate, incumbent]
    numbers: list[int] = []
    golds: list[tuple[str, ...]] = []
    said: list[list[tuple[str, float, float]]] = [[] for _ in models]  # label, confidence, milliseconds
    for number, dialogue in enumerate(dialogues):
        for messages, names in _turns(dialogue):
            numbers.append(number)
            golds.append(names)
            for model, answers in zip(models, said, strict=True):
                started = time.perf_counter()
                prediction = model.predict(messages)
                answers.append((prediction.label, prediction.confidence, 1000 * (time.perf_counter() - started)))
    if incumbent is None:
        first = [names[0] for names in golds]
        commonest = max(sorted(set(first)), key=first.count)
        said.append([(commonest, first.count(commonest) / len(first), 0.0)] * len(golds))
    known = {name for names in golds for name in names}
    names = tuple(sorted(known | {label for answers in said for label, _, _ in answers}))
    place = {name: at for at, name in enumerate(names)}

    def answers_of(answers: list[tuple[str, float, float]]) -> Answers:
        leading = [label if label in gold else gold[0] for gold, (label, _, _) in zip(golds, answers, strict=True)]
        return Answers(
            np.array([place[name] for name in leading]),
            np.array([place[label] for label, _, _ in answers]),
            np.array([confidence for _, confidence, _ in answers]),
            float(np.median([milliseconds for _, _, milliseconds in answers])),
        )

    named = np.array([name in known for name in names])
    return Trial(names, named, np.array(numbers), answers_of(said[0]), answers_of(said[1]))


def _table(trial: Trial, answers: Answers, numbers: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """What a resample adds up, by dialogue: (dialogues, 3 labels + bins + 1).

    Hits, golds and predictions of each label, the sum of confidence less correctness in each bin, and the turns.
    """
    labels = len(trial.names)
    table = np.zeros((count, 3 * labels + _BINS + 1), np.float32)
    hit = answers.golds == answers.labels
    np.add.at(table, (numbers[hit], answers.golds[hit]), 1)
    np.add.at(table, (numbers, labels + answers.golds), 1)
    np.add.at(table, (numbers, 2 * labels + answers.labels), 1)
    bins = np.minimum((answers.confidences * _BINS).astype(int), _BINS - 1)
    np.add.at(table, (numbers, 3 * labels + bins), answers.confidences - hit)
    np.add.at(table, (numbers, np.full_like(numbers, table.shape[1] - 1)), 1)
    return table


def _resamples(count: int, resamples: int, seed: int) -> Iterator[NDArray[np.float32]]:
    """How often each dialogue is drawn, in pieces of (some resamples, dialogues): `count` draws with replacement a resample."""
    random = np.random.default_rng(seed)
    step = max(1, _ENTRIES // count)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        drawn = random.integers(count, size=(rows, count)) + count * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count).astype(np.float32)


def _f1(sums: NDArray[np.float32]) -> NDArray[np.float32]:
    """F1 of each label, (rows, labels); nan where it is neither a gold nor predicted."""
    hits, golds, predicted = np.split(sums[:, : -_BINS - 1], 3, axis=1)
    either = golds + predicted
    found: NDArray[np.float32] = np.divide(2 * hits, either, out=np.full_like(hits, np.nan), where=either > 0)
    return found


def _macro(f1: NDArray[np.float32], named: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Mean F1 over the labels that are golds, (rows,)."""
    return np.asarray(np.nanmean(f1[:, named], axis=1, dtype=np.float64))


def _ece(sums: NDArray[np.float32]) -> NDArray[np.floating]:
    """Expected calibration error, (rows,): the gaps of all bins, weighted by their turns."""
    return np.asarray(np.abs(sums[:, -_BINS - 1 : -1]).sum(axis=1) / sums[:, -1])


def _bootstrap(difference: float, drawn: NDArray[np.floating]) -> Bootstrap:
    low, high = np.quantile(drawn, [0.025, 0.975])
    p = (1 + int((drawn <= 1e-9).sum())) / (1 + len(drawn))
    return Bootstrap(difference, float(low), float(high), p)


def _better(found: Bootstrap, new: float, old: float, first: bool) -> tuple[bool, str]:
    rival = "always the commonest label" if first else "the one that serves"
    return found.p <= 1 - CERTAIN, (
        f"macro-F1 {new:.3f}, {rival} {old:.3f}: {found.difference:+.3f}, "
        f"95 % interval {found.low:+.3f} to {found.high:+.3f}, p {found.p:.3f}, needs p of at most {1 - CERTAIN:.2f}."
    )


def _falls(labels: dict[str, LabelChange]) -> Iterator[tuple[bool, str]]:
    fallen = {name: each for name, each in labels.items() if each.fell}
    for name, each in sorted(fallen.items(), key=lambda item: item[1].candidate - item[1].incumbent):
        yield False, f"{name} falls from F1 {each.incumbent:.3f} to {each.candidate:.3f} ({each.support} turns)."
    if not fallen:
        judged = sum(each.support >= ENOUGH_SUPPORT for each in labels.values())
        yield (
            True,
            (
                f"no label falls by more than {100 * LARGEST_FALL:.0f} points; {judged} of {len(labels)} have the "
                f"{ENOUGH_SUPPORT} turns to be judged by value, the others fall nowhere for sure."
            ),
        )


def _calibrated(new: float, old: float, worse: float) -> tuple[bool, str]:
    holds = new - old <= LARGEST_ECE_RISE and worse < CERTAIN
    return holds, f"calibration error {new:.3f}, before {old:.3f}; higher in {100 * worse:.0f} % of the resamples."


def _fast(new: float, old: float | None, budget: float) -> tuple[bool, str]:
    before = "" if old is None else f", the one that serves {old:.1f} ms"
    return new <= max(budget, old or 0.0), f"median turn {new:.1f} ms{before}, budget {budget:.1f} ms."
