"""The reading of transactions, dirt included, and the metrics of a forecast by their protocol."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from finetune.evaluate_retention import days_missing, evaluate_retention, metrics_of
from finetune.transactions import Transactions, read_transactions
from retrieval.retention import BetaGeometric, Forecast, PurchaseDays, Summary
from storage.errors import InvalidInput

CDNOW = Path(__file__).parents[3] / "shared" / "data" / "cdnow_sample" / "transactions.csv.gz"
HEADER = "user_id,timestamp,quantity,amount,currency\n"
TODAY = date(2026, 6, 1)


def read(folder: Path, rows: str, header: str = HEADER) -> Transactions:
    path = folder / "transactions.csv"
    path.write_text(header + rows, encoding="utf-8")
    return read_transactions(path, TODAY)


def test_rows_of_a_customer_on_one_day_are_one_purchase(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "ann,2026-01-05,1,500,USD\n"
        "ann,2026-01-05T23:59:59Z,2,900,USD\n"
        "ann,2026-01-05,1,500,USD\n"  # the same row twice
        "ann,2026-01-06,1,500,EUR\n"  # another currency is a purchase as well
        "bob,1767744000000,1,100,JPY\n",  # milliseconds, 2026-01-07
    )
    assert found.first_day == date(2026, 1, 5)
    assert found.last_day == date(2026, 1, 7)
    assert list(zip(found.purchases.customer.tolist(), found.purchases.day.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 2),
    ]
    assert not found.problems


def test_refunds_are_no_purchases(tmp_path: Path) -> None:
    found = read(
        tmp_path, "ann,2026-01-05,1,500,USD\nann,2026-01-09,-1,-500,USD\nann,2026-01-10,1,-500,\nann,2026-01-11,0,,\n"
    )
    assert found.refunds == 3
    assert found.purchases.day.tolist() == [0]
    assert found.last_day == date(2026, 1, 11), "the file's days go on"


def test_rows_that_cannot_be_used_are_kept_with_line_and_reason(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "ann,2026-01-05,1,500,USD\n"
        ",2026-01-05,1,500,USD\n"
        "ann,,1,500,USD\n"
        "ann,soon,1,500,USD\n"
        "ann,2031-01-01,1,500,USD\n"
        "ann,1970-01-01,1,500,USD\n"
        "ann,2026-01-06,1,500,USD,more,cells\n"
        "ann,2026-01-07,two,a lot,\n",
    )
    assert [(problem.line, problem.reason.split(":")[0]) for problem in found.problems] == [
        (3, "user_id"),
        (4, "timestamp"),
        (5, "timestamp"),
        (6, "timestamp"),
        (7, "timestamp"),
        (8, "7 cells under 5 column names"),
    ]
    assert "future" in found.problems[3].reason
    assert "1970" in found.problems[4].reason
    assert found.first_day == date(2026, 1, 5)
    assert found.dropped_fields == 2, "a purchase all the same"
    assert found.purchases.day.tolist() == [0, 2]


def test_columns_may_stand_in_any_order_and_be_more(tmp_path: Path) -> None:
    found = read(tmp_path, "2026-01-05;x;ann\n", "timestamp;store;user_id\n")
    assert found.purchases.day.tolist() == [0]


def test_a_packed_file_is_read_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "transactions.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "ann,2026-01-05,1,1,USD\n").encode()))
    assert read_transactions(path, TODAY).purchases.customers == 1
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(InvalidInput, match="packed, and broken"):
        read_transactions(path, TODAY)


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        ("customer,timestamp\n", "ann,2026-01-05\n", "no column user_id"),
        (HEADER, "", "no purchase in 0 rows"),
        (HEADER, "ann,2026-01-05,-1,-5,USD\n", "no purchase in 1 rows"),
        ("", "", "no header"),
    ],
)
def test_a_file_without_what_is_needed_says_so(tmp_path: Path, header: str, rows: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read(tmp_path, rows, header)


def test_golden_metrics() -> None:
    forecast = Forecast(np.array([1.0, 0.5, 3.0, 0.0]), np.array([0.8, 0.4, 0.9, 0.4]), np.ones(4))
    found = metrics_of(forecast, np.array([2, 0, 3, 0]))
    assert found == {
        "n": 4,
        "rmse": pytest.approx(np.sqrt((1 + 0.25) / 4)),
        "mae": pytest.approx(1.5 / 4),
        "aggregate_bias": pytest.approx(4.5 / 5 - 1),
        "brier": pytest.approx((0.04 + 0.16 + 0.01 + 0.16) / 4),
        "auc": 1.0,
    }


@pytest.mark.parametrize("bought", [[0, 0], [1, 4]])
def test_metrics_that_are_not_defined_are_null(bought: list[int]) -> None:
    found = metrics_of(Forecast(np.ones(2), np.full(2, 0.5), np.ones(2)), np.array(bought))
    assert found["auc"] is None
    assert (found["aggregate_bias"] is None) == (sum(bought) == 0)


def test_calibration_and_holdout_are_cut_by_whole_weeks_from_the_first_day(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "ann,2026-01-01,1,1,USD\n"
        "ann,2026-01-14,1,1,USD\n"  # the last day of two weeks of calibration
        "ann,2026-01-15,1,1,USD\n"  # the first of the holdout
        "ann,2026-01-21,1,1,USD\n"  # its last
        "ann,2026-01-22,1,1,USD\n"  # after it
        "bob,2026-01-15,1,1,USD\n",  # first seen in the holdout: not scored
    )
    seen: dict[str, list[int]] = {}

    def predict(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
        seen.update(days=known.day.tolist(), customers=summary.customer.tolist(), frequency=summary.frequency.tolist())
        return Forecast(np.array([2.0]), np.array([1.0]), np.array([1.0]))

    metrics = evaluate_retention(found, 2, 1, predict)
    assert seen == {"days": [0, 13], "customers": [0], "frequency": [1]}
    assert metrics["n"] == 1
    assert metrics["rmse"] == 0
    assert days_missing(found, 2, 1) == 0
    assert days_missing(found, 2, 3) == 13


def test_a_file_that_ends_before_the_holdout_says_what_would_fit(tmp_path: Path) -> None:
    found = read(tmp_path, "ann,2026-01-01,1,1,USD\nann,2026-02-01,1,1,USD\n")
    with pytest.raises(InvalidInput, match="at most 4 --calibration-weeks"):
        evaluate_retention(found, 39, 39)
    with pytest.raises(InvalidInput, match=r"Give a file of more days\.$"):
        evaluate_retention(read(tmp_path, "ann,2026-01-01,1,1,USD\n"), 1, 1)


def test_nobody_who_bought_in_the_calibration_is_an_error(tmp_path: Path) -> None:
    found = read(tmp_path, "ann,2026-01-01,-1,-1,USD\nann,2026-02-01,1,1,USD\n")
    with pytest.raises(InvalidInput, match="Nobody bought in the 1 weeks from 2026-01-01"):
        evaluate_retention(found, 1, 1)


@pytest.mark.skipif(not CDNOW.is_file(), reason="../shared/data/cdnow_sample is missing")
def test_the_cdnow_sample_is_foreseen_as_well_as_published() -> None:
    found = evaluate_retention(read_transactions(CDNOW), 39, 39)
    assert found["n"] == 2357
    values = {name: value for name, value in found.items() if value is not None}
    assert values["rmse"] <= 1.61
    assert values["brier"] <= 0.160
    assert abs(values["aggregate_bias"]) <= 0.08
    assert values["auc"] >= 0.757


@pytest.mark.skipif(not CDNOW.is_file(), reason="../shared/data/cdnow_sample is missing")
def test_bgnbd_as_it_comes_has_the_reference_figures() -> None:
    def bgnbd(known: PurchaseDays, until: int, summary: Summary, weeks: int) -> Forecast:
        model = BetaGeometric.fit(summary)
        return Forecast(
            model.expected_purchases(summary, weeks), model.p_purchase(summary, weeks), model.p_active(summary)
        )

    found = evaluate_retention(read_transactions(CDNOW), 39, 39, bgnbd)
    expected = {"n": 2357, "rmse": 1.608, "mae": 0.786, "aggregate_bias": -0.121, "brier": 0.161, "auc": 0.757}
    assert found == {name: pytest.approx(value, abs=1.2e-3) for name, value in expected.items()}
