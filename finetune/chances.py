"""How good chances of a yes or no are: AUC with an interval by shopper, Brier score, log loss, calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]

BINS = 15
_EDGE = 1e-9


def auc(truth: Bools, chance: Floats, weight: Floats | None = None) -> float:
    """How often a yes has a higher chance than a no, ties counting half; .5 where there are only yes or only no.

    With `weight` each row counts so many times, (n,).
    """
    counted = np.ones(len(truth)) if weight is None else weight
    _, level = np.unique(chance, return_inverse=True)
    ups = np.bincount(level, counted * truth)
    downs = np.bincount(level, counted * ~truth)
    below = np.cumsum(downs) - downs / 2
    total = float(ups.sum() * downs.sum())
    return float((ups * below).sum() / total) if total else 0.5


def auc_interval(
    truth: Bools, chance: Floats, shopper: Ints, replicates: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the AUC, by a bootstrap of shoppers: the moments of one are alike."""
    draw = np.random.default_rng(seed)
    _, who = np.unique(shopper, return_inverse=True)
    count = int(who.max()) + 1 if len(who) else 0
    found = [
        auc(truth, chance, np.bincount(draw.integers(count, size=count), minlength=count)[who].astype(np.float64))
        for _ in range(replicates if count else 0)
    ]
    low, high = np.quantile(found, (0.025, 0.975)) if found else (0.5, 0.5)
    return float(low), float(high)


def brier(truth: Bools, chance: Floats) -> float:
    """The mean square error of the chance."""
    return float(((chance - truth) ** 2).mean())


def log_losses(truth: Bools, chance: Floats) -> Floats:
    """The log loss of each row, (n,)."""
    sure = np.clip(chance, _EDGE, 1 - _EDGE)
    return -np.where(truth, np.log(sure), np.log1p(-sure))


def log_loss(truth: Bools, chance: Floats) -> float:
    """The mean log loss."""
    return float(log_losses(truth, chance).mean())


def ece(truth: Bools, chance: Floats) -> float:
    """The expected calibration error: over 15 equal bins, how far the mean chance is from how often it came true."""
    bins = np.minimum((chance * BINS).astype(np.intp), BINS - 1)
    size = np.bincount(bins, minlength=BINS)
    off = np.bincount(bins, chance - truth, minlength=BINS)
    return float(np.abs(off[size > 0]).sum() / len(truth))
