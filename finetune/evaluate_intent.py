"""The contract's metrics of an intent model on labelled dialogues.

One pass, `predictions`, asks the model; the metrics and all that a report shows are computed from what it returns.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.intent import IntentModel
from bot.labels import OUT_OF_SCOPE
from finetune.calibration import auroc, expected_calibration_error, false_positives_at_95
from finetune.logs import Dialogue
from finetune.record import LabelScore
from storage.errors import InvalidInput

Metrics = dict[str, float | int | None]


@dataclass(frozen=True, slots=True)
class Scored:
    """A labelled user turn and what the model made of it.

    `text` is what the user says; `golds` are its labels, empty where it is out of scope. The encoder of `space` took it with
    its history as so many `tokens`. `label` is the likeliest and `labels` all that the model names; `confidence` and `margin`
    are as in `bot.intent.Prediction`.
    """

    dialogue_id: str
    text: str
    golds: tuple[str, ...]
    space: str
    tokens: int
    label: str
    labels: tuple[str, ...]
    confidence: float
    margin: float
    milliseconds: float

    @property
    def gold(self) -> str:
        """The gold it counts as: of several the predicted one if it is among them, else the first; `OUT_OF_SCOPE` of none."""
        if self.label in self.golds:
            return self.label
        return self.golds[0] if self.golds else OUT_OF_SCOPE


def predictions(model: IntentModel, dialogues: Sequence[Dialogue]) -> list[Scored]:
    """Asks the model for every labelled user turn, one at a time and timed, tokenizing included.

    Raises:
        InvalidInput: there is no labelled in-scope turn, or the model knows none of the labels.

    """
    known = {
        name for dialogue in dialogues for _, intents in dialogue.labelled() for name in intents if name != OUT_OF_SCOPE
    }
    if not known:
        raise InvalidInput("The logs have no labelled in-scope turn.", "User turns need `intents`.")
    if not known & set(model.labels):
        raise InvalidInput(
            f"The model knows none of the labels {', '.join(sorted(known)[:5])}.",
            f"It knows {', '.join(model.labels)}.",
        )
    scored = []
    for dialogue in dialogues:
        for messages, intents in dialogue.labelled():
            started = time.perf_counter()
            prediction = model.predict(messages)
            milliseconds = 1000 * (time.perf_counter() - started)
            golds = tuple(name for name in intents if name != OUT_OF_SCOPE)
            _, space, tokens = model.read(messages)
            scored.append(
                Scored(
                    dialogue_id=dialogue.id,
                    text=str(messages[-1]["content"]),
                    golds=golds,
                    space=space,
                    tokens=len(tokens.ids),
                    label=prediction.label,
                    labels=prediction.labels,
                    confidence=prediction.confidence,
                    margin=prediction.margin,
                    milliseconds=milliseconds,
                )
            )
    return scored


def unknown_labels(model: IntentModel, dialogues: Sequence[Dialogue]) -> dict[str, int]:
    """Labels that the model does not have and in how many turns each stands, the commonest first: it can only miss them."""
    found = Counter(name for dialogue in dialogues for golds in dialogue.golds() for name in golds)
    return {name: count for name, count in found.most_common() if name not in model.labels and name != OUT_OF_SCOPE}


def evaluate_intent(model: IntentModel, dialogues: Sequence[Dialogue]) -> Metrics:
    """The metrics of a model on every labelled user turn; raises what `predictions` raises."""
    return metrics_of(predictions(model, dialogues))


def metrics_of(scored: Sequence[Scored]) -> Metrics:
    """The contract's metrics of turns of which at least one is in scope.

    n, accuracy, macro_f1, micro_f1, exact and ece are over in-scope turns without the threshold; oos_auroc and oos_fpr95
    (share of in-scope turns lost where 95 % of the others are found) are None where there are no out-of-scope turns.
    """
    inside = [each for each in scored if each.golds]
    correct = np.array([each.gold == each.label for each in inside])
    confidence = np.array([each.confidence for each in inside])
    margins = np.array([each.margin for each in inside])
    away = np.array([each.margin for each in scored if not each.golds])
    sets = [(set(each.golds), set(each.labels)) for each in inside]
    shared = sum(len(golds & predicted) for golds, predicted in sets)
    scores = label_scores([(each.gold, each.label) for each in inside])
    known = {name for each in inside for name in each.golds}
    # A label that is neither gold nor predicted anywhere (always a second gold) has no score.
    f1 = [score.f1 for label, score in scores.items() if label in known]
    return {
        "n": len(inside),
        "accuracy": float(correct.mean()),
        "macro_f1": sum(f1) / len(f1),
        "micro_f1": 2 * shared / sum(len(golds) + len(predicted) for golds, predicted in sets),
        "exact": sum(golds == predicted for golds, predicted in sets) / len(sets),
        "ece": expected_calibration_error(confidence, correct),
        "oos_auroc": auroc(margins, away) if len(away) else None,
        "oos_fpr95": false_positives_at_95(margins, away) if len(away) else None,
        "p50_ms": float(np.median([each.milliseconds for each in scored])),
    }


def label_scores(pairs: Sequence[tuple[str, str]]) -> dict[str, LabelScore]:
    """Scores of each label that is a gold or a prediction, from (gold, predicted) pairs."""
    golds = Counter(gold for gold, _ in pairs)
    predicted = Counter(label for _, label in pairs)
    right = Counter(gold for gold, label in pairs if gold == label)
    return {
        label: LabelScore(
            precision=right[label] / max(1, predicted[label]),
            recall=right[label] / max(1, golds[label]),
            f1=2 * right[label] / (golds[label] + predicted[label]),
            support=golds[label],
        )
        for label in sorted(golds | predicted)
    }
