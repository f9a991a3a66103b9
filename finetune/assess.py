"""Everything about a model that its predictions tell, from one pass over held-out dialogues, one turn at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bot.intent import EncoderSettings, IntentModel
from finetune.evaluate_intent import Scored, label_scores, metrics_of, predictions
from finetune.logs import Dialogue
from finetune.record import MOST_ERRORS, Assessment, Bin, Bucket, Confusion, Doubts, Latency, Mistake
from storage.redaction import redact

BINS = 15
TOKEN_BUCKETS = (16, 32, 64, 128)
"""The longest turn, in tokens, of each bucket of latency; one more takes longer ones, where the history is."""

_HISTOGRAM_BINS = 40


def assess(model: IntentModel, dialogues: Sequence[Dialogue]) -> Assessment:
    """Predicts every labelled user turn once and computes the metrics and all that a report shows of them.

    Raises:
        InvalidInput: there is no labelled in-scope turn, or the model knows none of the labels.
    """
    scored = predictions(model, dialogues)
    inside = [each for each in scored if each.golds]
    pairs = [(each.gold, each.label) for each in inside]
    return Assessment(
        metrics=metrics_of(scored),
        per_label=label_scores(pairs),
        confusion=confusion_of(pairs, model.labels),
        reliability=reliability_of(inside),
        out_of_scope={
            space: doubts_of(model.settings.encoders[space], [each for each in scored if each.space == space])
            for space in sorted({each.space for each in scored})
        },
        errors=errors_of(scored),
        latency=latency_of(scored, model.settings.history.budget),
    )


def confusion_of(pairs: Sequence[tuple[str, str]], order: Sequence[str]) -> Confusion:
    """Counts of (gold, predicted) over the labels that occur, in `order`, those that it does not have after them."""
    occur = {name for pair in pairs for name in pair}
    labels = tuple([name for name in order if name in occur] + sorted(occur - set(order)))
    counts = Counter(pairs)
    return Confusion(labels, tuple(tuple(counts[gold, predicted] for predicted in labels) for gold in labels))


def reliability_of(scored: Sequence[Scored], bins: int = BINS) -> tuple[Bin, ...]:
    """The equal bins that the calibration error is summed over (Guo et al. 2017), those without a turn too."""
    held: dict[int, list[Scored]] = defaultdict(list)
    for each in scored:
        held[min(int(each.confidence * bins), bins - 1)].append(each)
    return tuple(
        Bin(
            low=number / bins,
            high=(number + 1) / bins,
            n=len(held[number]),
            confidence=float(np.mean([each.confidence for each in held[number]])) if held[number] else None,
            accuracy=float(np.mean([each.gold == each.label for each in held[number]])) if held[number] else None,
        )
        for number in range(bins)
    )


def doubts_of(settings: EncoderSettings, scored: Sequence[Scored]) -> Doubts:
    """The histogram of one encoder's doubts, with an edge at its threshold."""
    margins = np.array([each.margin for each in scored])
    inside = np.array([bool(each.golds) for each in scored])
    width = max(float(np.ptp([*margins, 0])) / _HISTOGRAM_BINS, 1e-6)
    # Bins are (low, high], so that a doubt that equals the threshold lies below it, where the model still answers.
    number = np.ceil(margins / width).astype(int) - 1
    first, last = min(number.min(), -1), max(number.max(), 0)

    def counts(chosen: NDArray[np.bool_]) -> tuple[int, ...]:
        return tuple(np.bincount(number[chosen] - first, minlength=last - first + 1).tolist())

    edges = settings.threshold + width * np.arange(first, last + 2)
    return Doubts(settings.score, settings.threshold, tuple(edges.tolist()), counts(inside), counts(~inside))


def errors_of(scored: Sequence[Scored], most: int = MOST_ERRORS) -> tuple[Mistake, ...]:
    """What the model was surest of and wrong: labels without the threshold, and out-of-scope turns that it would answer."""
    wrong = [each for each in scored if (each.gold != each.label if each.golds else each.margin <= 0)]
    wrong.sort(key=lambda each: -each.confidence)
    return tuple(
        Mistake(each.dialogue_id, redact(each.text), each.gold, each.label, each.confidence) for each in wrong[:most]
    )


def latency_of(scored: Sequence[Scored], budget: int = TOKEN_BUCKETS[-1]) -> Latency:
    """Median and 95th percentile of all turns, and of those of like length."""

    def percentiles(turns: Sequence[Scored]) -> tuple[float, float]:
        p50, p95 = np.percentile([each.milliseconds for each in turns], [50, 95])
        return float(p50), float(p95)

    buckets, low = [], 1
    for high in (*TOKEN_BUCKETS, *([budget] if budget > TOKEN_BUCKETS[-1] else [])):
        held = [each for each in scored if low <= each.tokens <= high]
        if held:
            buckets.append(Bucket(low, high, len(held), *percentiles(held)))
        low = high + 1
    return Latency(*percentiles(scored), tuple(buckets))
