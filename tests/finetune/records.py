"""Records of made-up runs, for tests of what is made from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from finetune.record import (
    Bin,
    Bucket,
    Confusion,
    Curve,
    Doubts,
    Epoch,
    LabelScore,
    Latency,
    Mistake,
    Noise,
    RunRecord,
    Suspect,
)

SMALL = RunRecord(
    metrics={
        "n": 30,
        "accuracy": 0.9,
        "macro_f1": 0.874,
        "micro_f1": 0.9,
        "exact": 0.88,
        "ece": 0.021,
        "oos_auroc": 0.97,
        "oos_fpr95": 0.11,
        "p50_ms": 2.4,
    },
    per_label={"search": LabelScore(0.9, 0.8, 0.847, 10), "greet": LabelScore(0.905, 0.95, 0.927, 20)},
    confusion=Confusion(("search", "greet"), ((8, 2), (1, 19))),
    reliability=tuple(
        Bin(number / 15, (number + 1) / 15, 30 if number == 14 else 0, *((0.92, 0.9) if number == 14 else (None, None)))
        for number in range(15)
    ),
    out_of_scope={"latin": Doubts("probability", 0.4, (0.0, 0.2, 0.4, 0.6, 0.8), (20, 8, 2, 0), (0, 1, 4, 6))},
    errors=(Mistake("d-1", "hi, do you have kettles?", "search", "greet", 0.93),),
    latency=Latency(2.4, 4.1, (Bucket(1, 16, 20, 2.1, 2.6), Bucket(17, 32, 10, 2.9, 4.3))),
    kind="intent",
    labels=("search", "greet"),
    data={
        "rows": 420,
        "rejected": 2,
        "dialogues": 418,
        "turns": 1830,
        "languages": {"en": 400, "zh": 18},
        "labels": {"search": 900, "greet": 500},
        "imbalance": 1.8,
    },
    configuration={"method": "lora", "epochs": 6, "rate": 0.001},
    seeds=(3,),
    size_bytes=34_000_000,
    seconds=95.0,
    noise={"keyboard": Noise(0.87, 0.03), "casing": Noise(0.9, 0.0)},
    curves={
        "latin": Curve(
            losses=tuple((step, 1.5 / step) for step in range(1, 41)),
            epochs=(Epoch(1, 20, 0.88, 40.0), Epoch(2, 40, 0.874, 81.0)),
            kept=2,
        )
    },
    suspects=(Suspect("d-7", "bye now", "greet", "goodbye", 0.62),),
    commit="0123456789abcdef0123456789abcdef01234567",
    versions={"aisle": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
    created_at="2026-01-02T03:04:05Z",
)


def small_record(**changes: Any) -> RunRecord:
    """A run with two labels, with some fields changed."""
    return replace(SMALL, **changes)
