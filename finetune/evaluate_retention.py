"""How well purchases to come are foreseen: fitted on a calibration period, judged on the holdout after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from finetune.calibration import auroc
from finetune.transactions import Transactions
from retrieval.retention import DAYS_A_WEEK, Forecast, PurchaseDays, Summary, fit_retention
from storage.errors import InvalidInput

Metrics = dict[str, float | int | None]
Predict = Callable[[PurchaseDays, int, Summary, int], Forecast]
"""(what was bought in the calibration, its days, the customers as it ends, weeks of the holdout) → what is expected in them."""


def evaluate_retention(
    transactions: Transactions, calibration_weeks: int, holdout_weeks: int, predict: Predict | None = None
) -> Metrics:
    """Fits on the first weeks from the file's first day and compares with what was bought in the weeks after them.

    Every customer who bought in the calibration counts. `n` are these customers; `rmse` and `mae` are of days with a purchase in
    the holdout; `aggregate_bias` is Σ predicted / Σ actual - 1, None where nothing was bought; `brier` and `auc` are of the chance
    of at least one purchase, `auc` None where all came back or none.

    Args:
        transactions: the file.
        calibration_weeks: from 1.
        holdout_weeks: from 1.
        predict: what is judged; the shop's own model where left out.

    Raises:
        InvalidInput: the file's days end before the holdout begins, or nobody bought in the calibration.
    """
    until = calibration_weeks * DAYS_A_WEEK
    first, last = transactions.first_day, transactions.last_day
    if (last - first).days < until:
        most = (last - first).days // DAYS_A_WEEK
        raise InvalidInput(
            f"The transactions are of {first} to {last}: nothing lies after {calibration_weeks} weeks of calibration.",
            f"Give at most {most} --calibration-weeks, or a file of more days."
            if most
            else "Give a file of more days.",
        )
    known = transactions.purchases.before(until)
    summary = known.summary(until)
    if not len(summary):
        raise InvalidInput(
            f"Nobody bought in the {calibration_weeks} weeks from {first}.", "Give more --calibration-weeks."
        )
    forecast = (predict or shop_model)(known, until, summary, holdout_weeks)
    bought = transactions.purchases.count(summary.customer, until, until + holdout_weeks * DAYS_A_WEEK)
    return metrics_of(forecast, bought)


def shop_model(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
    """What Aisle's own model expects: `retrieval.retention.fit_retention`."""
    return fit_retention(known, 0, until).predict(summary, weeks)


def metrics_of(forecast: Forecast, bought: NDArray[np.integer]) -> Metrics:
    """The contract's metrics; `bought` (customers,) are the days with a purchase in the holdout."""
    errors = forecast.purchases - bought
    came = bought > 0
    total = int(bought.sum())
    chance = forecast.p_purchase
    return {
        "n": len(bought),
        "rmse": float(np.sqrt((errors**2).mean())),
        "mae": float(np.abs(errors).mean()),
        "aggregate_bias": float(forecast.purchases.sum()) / total - 1 if total else None,
        "brier": float(((chance - came) ** 2).mean()),
        "auc": auroc(chance[~came], chance[came]) if 0 < came.sum() < len(came) else None,
    }


def days_missing(transactions: Transactions, calibration_weeks: int, holdout_weeks: int) -> int:
    """Days from the file's last one to the end of the holdout, 0 where it has them all: on these nothing could be bought."""
    end = transactions.first_day + timedelta(weeks=calibration_weeks + holdout_weeks)
    return max(0, (end - transactions.last_day).days - 1)
