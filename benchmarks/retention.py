"""The retention forecast beside its peers: on splits inside the calibration weeks, by which it was chosen, and on the holdout.

    python -m benchmarks.retention --data ../shared/data/cdnow_sample
    python -m benchmarks.retention --transactions transactions.csv --calibration-weeks 52 --holdout-weeks 26
    python -m benchmarks.retention --made-up 1000000

Every peer learns from the calibration alone. The splits hold out the last weeks of the calibration, from each of several weeks on;
of them the mean Poisson deviance of the purchases and log loss of "comes back" are shown as differences from BG/NBD. The holdout is
scored only with --holdout, so that choosing and judging stay apart. --made-up times a log of so many transactions of
customers who live by the model.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.pareto_nbd import ParetoNBD
from finetune.evaluate_retention import Predict, evaluate_retention, metrics_of, shop_model
from finetune.transactions import Transactions, read_transactions
from retrieval.retention import DAYS_A_WEEK, BetaGeometric, Forecast, PurchaseDays, Summary, corrected
from retrieval.retention.history import Floats

_EDGE = 1e-6
_BACKTEST = 0.5
"""Share of the known days on which the level and the limits of the heuristic are learnt; the others are what they are judged by."""


def nothing(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
    """Nobody buys again."""
    zero = np.zeros(len(summary))
    return Forecast(zero, zero, zero)


def mean_rate(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
    """Everybody buys at the mean rate of all until now, as a Poisson process."""
    each = np.full(len(summary), weeks * float(summary.frequency.sum()) / max(float(summary.age.sum()), _EDGE))
    return Forecast(each, -np.expm1(-each), np.ones(len(summary)))


def lately(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
    """Active is who bought within X weeks: X of least Brier score half-way, and the means of the two groups there."""
    half = round(_BACKTEST * until)
    past, ahead = known.summary(half), until - half
    bought = known.count(past.customer, half, until)
    since = past.age - past.recency

    def groups(limit: float) -> tuple[float, Forecast]:
        chosen = since <= limit
        level, chance = (
            [float(values[rows].mean()) if rows.any() else 0.0 for rows in (~chosen, chosen)]
            for values in (bought, bought > 0)
        )
        error = float(((np.array(chance)[chosen.astype(int)] - (bought > 0)) ** 2).mean())
        now = (summary.age - summary.recency <= limit).astype(int)
        scaled = np.array(level)[now] * weeks * DAYS_A_WEEK / ahead
        return error, Forecast(scaled, np.array(chance)[now], now.astype(float))

    limits = np.arange(1, max(2, half // DAYS_A_WEEK))
    return min((groups(float(limit)) for limit in limits), key=lambda found: found[0])[1]


def bgnbd(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
    """BG/NBD as it comes."""
    return _forecast(BetaGeometric.fit(summary), summary, weeks)


def pareto_nbd(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
    """Pareto/NBD."""
    return _forecast(ParetoNBD.fit(summary), summary, weeks)


def mean_of_two(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
    """The mean of BG/NBD and Pareto/NBD."""
    one, other = (model(known, until, summary, weeks) for model in (bgnbd, pareto_nbd))
    return Forecast(
        (one.purchases + other.purchases) / 2,
        (one.p_purchase + other.p_purchase) / 2,
        (one.p_active + other.p_active) / 2,
    )


def leveled(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
    """BG/NBD times a factor learnt on backtests from every week of the second half, shrunk by 1 - variance / square.

    The variance is that of a jackknife over ten groups of customers.
    """
    forecast = bgnbd(known, until, summary, weeks)
    group = np.random.default_rng(0).integers(10, size=known.customers)

    def log_factor(part: PurchaseDays) -> float:
        expected = bought = 0.0
        for day in range(until // 2, until - DAYS_A_WEEK, DAYS_A_WEEK):
            then = part.summary(day)
            if len(then):
                model = BetaGeometric.fit(then)
                expected += float(model.expected_purchases(then, (until - day) / DAYS_A_WEEK).sum())
                bought += float(part.count(then.customer, day, until).sum())
        return float(np.log(bought / expected)) if expected and bought else 0.0

    level = log_factor(known)
    parts = [group[known.customer] != each for each in range(10)]
    left_out = np.array(
        [log_factor(PurchaseDays(known.customer[rows], known.day[rows], known.customers)) for rows in parts]
    )
    variance = 0.9 * float(((left_out - left_out.mean()) ** 2).sum())
    factor = np.exp(level * max(0.0, 1 - variance / level**2)) if level else 1.0
    chance = 1 - (1 - forecast.p_purchase) ** factor
    return Forecast(forecast.purchases * factor, chance, forecast.p_active)


def always(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
    """Aisle's correction, whether or not it has proved itself on a split."""
    return corrected(known, 0, until, BetaGeometric.fit(summary)).predict(summary, weeks)


MODELS: Mapping[str, Predict] = {
    "nobody buys again": nothing,
    "mean rate of all": mean_rate,
    "bought within X weeks": lately,
    "BG/NBD": bgnbd,
    "Pareto/NBD": pareto_nbd,
    "mean of BG/NBD and Pareto/NBD": mean_of_two,
    "BG/NBD with a factor from backtests": leveled,
    "BG/NBD, always corrected": always,
    "**Aisle**: corrected where that has won": shop_model,
}


def _forecast(model: BetaGeometric | ParetoNBD, summary: Summary, weeks: int) -> Forecast:
    return Forecast(model.expected_purchases(summary, weeks), model.p_purchase(summary, weeks), model.p_active(summary))


def deviance(forecast: Forecast, bought: Floats) -> float:
    """Half the mean Poisson deviance of the purchases, up to a constant."""
    expected = np.maximum(forecast.purchases, _EDGE)
    return float((expected - bought * np.log(expected)).mean())


def log_loss(forecast: Forecast, bought: Floats) -> float:
    """Of "buys again at all"."""
    chance = np.clip(forecast.p_purchase, _EDGE, 1 - _EDGE)
    return float(-np.where(bought > 0, np.log(chance), np.log1p(-chance)).mean())


def splits(transactions: Transactions, weeks: int) -> None:
    """Prints how each peer does on the last weeks of the calibration, from its middle on."""
    known = transactions.purchases.before(weeks * DAYS_A_WEEK)
    scores: dict[str, list[tuple[float, ...]]] = {name: [] for name in MODELS}
    for week in range(weeks // 2, weeks - 4):
        day, ahead = week * DAYS_A_WEEK, weeks - week
        past = known.before(day)
        summary = past.summary(day)
        bought = known.count(summary.customer, day, weeks * DAYS_A_WEEK).astype(np.float64)
        for name, predict in MODELS.items():
            forecast = predict(past, day, summary, ahead)
            found = metrics_of(forecast, bought.astype(np.int64))
            bias = abs(found["aggregate_bias"] or 0.0)
            scores[name].append((week, deviance(forecast, bought), log_loss(forecast, bought), bias))
    print(
        "\n| from week | model | deviance less BG/NBD's | splits won | log loss less BG/NBD's | splits won | "
        "mean error of the level |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    rows = {name: np.array(each) for name, each in scores.items()}
    plain = rows["BG/NBD"]
    for first in (weeks // 2, 2 * weeks // 3 - 1):
        late = plain[:, 0] >= first
        for name, values in rows.items():
            gain = values[late] - plain[late]
            cells = [f"{gain[:, 1].mean():+.4f}", f"{(gain[:, 1] < -_EDGE).sum()} of {late.sum()}"]
            cells += [f"{gain[:, 2].mean():+.4f}", f"{(gain[:, 2] < -_EDGE).sum()} of {late.sum()}"]
            print(f"| {first} | {name} | {' | '.join(cells)} | {values[late, 3].mean():.1%} |", flush=True)


def judged(transactions: Transactions, calibration_weeks: int, holdout_weeks: int) -> None:
    """Prints the contract's metrics of each peer on the holdout."""
    print(
        "\n| model | RMSE | MAE | aggregate bias | Brier | AUC | seconds |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for name, predict in MODELS.items():
        started = time.perf_counter()
        found = evaluate_retention(transactions, calibration_weeks, holdout_weeks, predict)
        seconds = time.perf_counter() - started
        bias = f"{found['aggregate_bias']:+.1%}"
        print(
            f"| {name} | {found['rmse']:.3f} | {found['mae']:.3f} | {bias} | {found['brier']:.4f} | {found['auc']:.3f} | "
            f"{seconds:.1f} |",
            flush=True,
        )


def made_up(transactions: int) -> None:
    """Prints the CPU seconds of reading, fitting and scoring a made-up log of 78 weeks."""
    draw = np.random.default_rng(0)
    customers = transactions  # more than are needed
    rates, leaving = draw.gamma(0.6, 1 / 6, customers), draw.beta(0.8, 2.4, customers)
    who, now = np.arange(customers), draw.uniform(0, 52, customers)
    bought = [np.column_stack([who, now])]
    while len(who):
        now = now + draw.exponential(1 / np.maximum(rates[who], _EDGE))
        kept = now < 78
        who, now = who[kept], now[kept]
        bought.append(np.column_stack([who, now]))
        stays = draw.random(len(who)) >= leaving[who]
        who, now = who[stays], now[stays]
    rows = np.concatenate(bought)
    rows = rows[np.argsort(rows[:, 0], kind="stable")][:transactions]
    seconds = (np.datetime64("2024-01-01T00:00:00") + (rows[:, 1] * 7 * 86_400).astype("timedelta64[s]")).astype(str)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transactions.csv"
        with path.open("w", encoding="utf-8") as out:
            out.write("user_id,timestamp,quantity,amount,currency\n")
            out.writelines(f"c{int(each)},{when}Z,1,1999,EUR\n" for each, when in zip(rows[:, 0], seconds, strict=True))
        started = time.process_time()
        read = read_transactions(path)
        between = time.process_time()
        found = evaluate_retention(read, 39, 39)
    print(
        f"{read.rows:,} transactions of {read.purchases.customers:,} customers: read in {between - started:.1f} s of CPU, "
        f"fitted and scored in {time.process_time() - between:.1f} s; {found}"
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", type=Path, help="the folder of the CDNOW sample")
    source.add_argument("--transactions", type=Path, help="CSV user_id,timestamp,quantity,amount,currency")
    source.add_argument("--made-up", type=int, metavar="N", help="a made-up log of so many transactions, timed")
    parser.add_argument("--calibration-weeks", type=int, default=39)
    parser.add_argument("--holdout-weeks", type=int, default=39)
    parser.add_argument("--holdout", action="store_true", help="score the holdout instead of the splits")
    options = parser.parse_args()
    if options.made_up:
        made_up(options.made_up)
        return
    read = read_transactions(options.transactions or options.data / "transactions.csv.gz")
    if options.holdout:
        judged(read, options.calibration_weeks, options.holdout_weeks)
    else:
        splits(read, options.calibration_weeks)


if __name__ == "__main__":
    main()
