"""The contract's metrics of an intent model on labelled dialogues."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from bot.intent import IntentModel, Prediction
from bot.labels import OUT_OF_SCOPE
from finetune.calibration import auroc, expected_calibration_error, false_positives_at_95
from finetune.logs import Dialogue
from storage.errors import InvalidInput

Metrics = dict[str, float | int | None]


def evaluate_intent(model: IntentModel, dialogues: Sequence[Dialogue]) -> Metrics:
    """Scores every labelled user turn, one at a time.

    n, accuracy, macro_f1, micro_f1, exact and ece are over in-scope turns without the threshold; oos_auroc and oos_fpr95
    (share of in-scope turns lost where 95 % of the others are found) are None where the dialogues have no such turns.

    Raises:
        InvalidInput: there is no labelled in-scope turn, or the model knows none of the labels.

    """
    inside: list[tuple[tuple[str, ...], Prediction]] = []
    outside: list[Prediction] = []
    milliseconds: list[float] = []
    for dialogue in dialogues:
        for messages, intents in dialogue.labelled():
            started = time.perf_counter()
            prediction = model.predict(messages)
            milliseconds.append(1000 * (time.perf_counter() - started))
            golds = tuple(name for name in intents if name != OUT_OF_SCOPE)
            if golds:
                inside.append((golds, prediction))
            else:
                outside.append(prediction)
    known = {name for golds, _ in inside for name in golds}
    if not inside:
        raise InvalidInput("The logs have no labelled in-scope turn.", "User turns need `intents`.")
    if not known & set(model.labels):
        raise InvalidInput(
            f"The model knows none of the labels {', '.join(sorted(known)[:5])}.",
            f"It knows {', '.join(model.labels)}.",
        )
    pairs = leading_pairs(inside)
    correct = np.array([gold == predicted for gold, predicted in pairs])
    confidence = np.array([prediction.confidence for _, prediction in inside])
    margins = np.array([prediction.margin for _, prediction in inside])
    away = np.array([prediction.margin for prediction in outside])
    sets = [(set(golds), set(prediction.labels)) for golds, prediction in inside]
    shared = sum(len(golds & predicted) for golds, predicted in sets)
    return {
        "n": len(inside),
        "accuracy": float(correct.mean()),
        "macro_f1": macro_f1(pairs, known),
        "micro_f1": 2 * shared / sum(len(golds) + len(predicted) for golds, predicted in sets),
        "exact": sum(golds == predicted for golds, predicted in sets) / len(sets),
        "ece": expected_calibration_error(confidence, correct),
        "oos_auroc": auroc(margins, away) if outside else None,
        "oos_fpr95": false_positives_at_95(margins, away) if outside else None,
        "p50_ms": float(np.median(milliseconds)),
    }


def leading_pairs(turns: Sequence[tuple[tuple[str, ...], Prediction]]) -> list[tuple[str, str]]:
    """(gold, predicted) of each turn; a turn with several golds counts as the predicted one if it is among them, else the first."""
    return [
        (prediction.label if prediction.label in golds else golds[0], prediction.label) for golds, prediction in turns
    ]


def label_scores(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """F1 of each label that is a gold or a prediction."""
    scores = {}
    for label in {name for pair in pairs for name in pair}:
        right = sum(gold == label == predicted for gold, predicted in pairs)
        wrong = sum((gold == label) != (predicted == label) for gold, predicted in pairs)
        scores[label] = 2 * right / (2 * right + wrong)
    return scores


def macro_f1(pairs: Sequence[tuple[str, str]], labels: set[str]) -> float:
    """Mean F1 over `labels`; one that is neither gold nor predicted anywhere (always a second gold) has none."""
    scores = [score for label, score in label_scores(pairs).items() if label in labels]
    return sum(scores) / len(scores)
