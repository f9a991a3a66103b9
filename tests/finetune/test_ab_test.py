"""The statistics of experiments: published figures, known answers on made-up data, and what cannot be told."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from finetune.ab_test import compare, holm, sample_ratio, users_for_mean, users_for_rate, winsorized

ZERO = np.zeros(200)


class TestSampleRatio:
    def test_a_published_mismatch(self) -> None:
        """Kohavi, Tang, Xu 2020 ("Trustworthy online controlled experiments", 3): 821,588 to 815,482 users; p is 1.8e-6."""
        assert sample_ratio([821_588, 815_482], [0.5, 0.5]) == pytest.approx(1.8e-6, rel=0.02)

    def test_two_arms_are_exact_and_more_are_pearsons(self) -> None:
        assert sample_ratio([0, 10], [0.5, 0.5]) == pytest.approx(2 / 2**10)
        assert sample_ratio([90, 10], [0.9, 0.1]) == pytest.approx(1.0)
        assert sample_ratio([100, 120, 140], [1 / 3] * 3) == pytest.approx(math.exp(-20 / 6), rel=1e-9)  # 2 degrees

    def test_too_few_to_tell(self) -> None:
        assert sample_ratio([0, 0], [0.5, 0.5]) is None
        assert sample_ratio([4, 4, 4], [1 / 3] * 3) is None


class TestCompare:
    def test_without_activity_before_it_is_welchs_test(self) -> None:
        draw = np.random.default_rng(1)
        one, other = draw.normal(1, 1, 200), draw.normal(0, 3, 90)
        found = compare(one, other, ZERO, ZERO[:90])
        peer = stats.ttest_ind(one, other, equal_var=False)
        low, high = peer.confidence_interval(0.95)
        assert found.difference == found.plain
        assert found.p_value == pytest.approx(peer.pvalue)
        assert (found.plain.low, found.plain.high) == pytest.approx((low, high))
        assert found.variance_reduction == 0

    def test_cuped_takes_away_what_activity_before_explains(self) -> None:
        """With the correlation ρ the variance falls to 1 - ρ² (Deng et al. 2013), here to .36, and the effect stays."""
        draw = np.random.default_rng(2)
        before = draw.normal(5, 1, (2, 50_000))
        after = 0.8 * before + 0.6 * draw.normal(0, 1, (2, 50_000))
        after[0] += 0.05
        found = compare(after[0], after[1], before[0], before[1])
        assert found.variance_reduction == pytest.approx(0.64, abs=0.01)
        assert found.difference.value == pytest.approx(0.05, abs=0.015)
        assert found.plain.value is not None
        assert found.p_value is not None
        assert found.p_value < 1e-9

    def test_an_effect_of_the_arm_does_not_leak_into_theta(self) -> None:
        """Outcomes differ by arm alone and activity before by chance alone: pooled over arms θ would not be 0."""
        after = np.repeat([1.0, 0.0], 100) + np.tile([0.0, 0.1], 100)
        before = np.repeat([1.0, 0.0], 100)
        found = compare(after[:100], after[100:], before[:100], before[100:])
        assert found.difference.value == pytest.approx(1.0)

    @pytest.mark.parametrize(("one", "other"), [(np.ones(50), np.ones(60)), (np.ones(1), np.array([0.0, 1.0]))])
    def test_where_nothing_varies_or_an_arm_is_one_user_there_is_no_interval(
        self, one: np.ndarray, other: np.ndarray
    ) -> None:
        found = compare(one, other, np.zeros(len(one)), np.zeros(len(other)))
        assert found.difference.low is None
        assert found.p_value is None
        assert found.difference.holds_zero

    def test_arms_need_users_and_values_belong_together(self) -> None:
        with pytest.raises(ValueError, match="user"):
            compare(ZERO[:0], ZERO, ZERO[:0], ZERO)
        with pytest.raises(ValueError, match="as many"):
            compare(ZERO, ZERO, ZERO[:5], ZERO)


class TestWinsorized:
    def test_a_whale_counts_as_much_as_the_next(self) -> None:
        values, cap, capped = winsorized(np.array([0.0, 0.0, 10.0, 30.0, 20.0, 9_000_000.0]))
        assert values.tolist() == [0, 0, 10, 30, 20, 30]
        assert (cap, capped) == (30.0, 1)

    def test_refunds_are_cut_as_well(self) -> None:
        assert winsorized(np.array([-500.0, 10.0, 10.0]))[0].tolist() == [-10, 10, 10]

    def test_too_few_values_stay(self) -> None:
        assert winsorized(np.array([0.0, 7.0]))[1:] == (None, 0)
        assert winsorized(np.array([]))[1:] == (None, 0)


class TestHolm:
    def test_a_worked_example(self) -> None:
        """.01·4, .02·3, .03·2, .04·1, and never below one before; in the order that they came in."""
        assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])

    @given(st.lists(st.none() | st.floats(0, 1), max_size=6))
    def test_never_smaller_and_in_order(self, p_values: list[float | None]) -> None:
        corrected = holm(p_values)
        pairs = sorted(
            (own, new) for own, new in zip(p_values, corrected, strict=True) if own is not None and new is not None
        )
        assert len(pairs) == sum(each is not None for each in p_values)
        assert all(own <= new <= 1 for own, new in pairs)
        assert [new for _, new in pairs] == sorted(new for _, new in pairs)


class TestSizes:
    def test_published_sizes_for_rates(self) -> None:
        """R's help of power.prop.test: p1 = .50, p2 = .75, power = .90 needs n = 76.7."""
        assert users_for_rate(0.5, 0.5, power=0.9) == 77

    def test_published_sizes_for_means(self) -> None:
        """R's help of power.t.test: delta = 1, power = .90 needs n = 22.02; statsmodels' tt_ind_solve_power(.5) says 63.77."""
        assert users_for_mean(1, 1, power=0.9) == 23
        assert users_for_mean(0.5, 1) == users_for_mean(-5, 10) == 64

    def test_small_effects_and_huge_ones(self) -> None:
        assert users_for_mean(0.0001, 1) == pytest.approx(2 * (1.95996 + 0.84162) ** 2 * 1e8, rel=1e-4)
        assert users_for_mean(100, 1) == 2

    @pytest.mark.parametrize(("rate", "lift"), [(0, 0.1), (1, 0.1), (0.5, 1.5), (0.5, -1), (0.1, 0), (-0.1, 0.1)])
    def test_impossible_rates(self, rate: float, lift: float) -> None:
        with pytest.raises(ValueError, match="between 0 and 1"):
            users_for_rate(rate, lift)

    @pytest.mark.parametrize(("difference", "deviation"), [(0, 1), (1, 0), (1, -1), (math.nan, 1), (1, math.nan)])
    def test_impossible_means(self, difference: float, deviation: float) -> None:
        with pytest.raises(ValueError, match="needed"):
            users_for_mean(difference, deviation)
