"""Estimates by hand, what they must refuse to conclude, and the shapes that a log may have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from finetune.off_policy import Estimate, Floats, Slates, effective_users, evaluate


def log_of(users: int = 300, share: float = 0.5, effect: float = 0.3, seed: int = 0, per_user: int = 4) -> Slates:
    """Slates of two cards; card 0 is the ranking's first, and earns more at the first place by `effect`."""
    draw = np.random.default_rng(seed)
    count = users * per_user
    swapped = draw.random(count) < share / 2
    place = np.column_stack([swapped, ~swapped]).astype(np.int64).ravel()
    ranked = np.tile([0, 1], count)
    propensity = np.where(place == ranked, 1 - share / 2, share / 2)
    chance = 0.3 + effect * (place == 0) * (ranked == 0)
    return Slates(
        slate=np.repeat(np.arange(count), 2),
        user=np.repeat(np.arange(users), per_user),
        place=place,
        propensity=propensity,
        reward=(draw.random(2 * count) < chance).astype(np.float64),
        features=(1.0 - ranked)[:, None],
    )


def ranked(slates: Slates) -> Floats:
    return slates.in_order(np.tile([0, 1], len(slates.user)))


def swapped(slates: Slates) -> Floats:
    return slates.in_order(np.tile([1, 0], len(slates.user)))


def only(slates: Slates, policy: Floats) -> Estimate:
    return evaluate(slates, {"it": policy})[1]["it"]


def test_values_by_hand() -> None:
    # Three users with a slate each: as ranked, swapped, as ranked. Swapping has a chance of 1/4.
    slates = Slates(
        slate=np.array([0, 0, 1, 1, 2, 2]),
        user=np.array([0, 1, 2]),
        place=np.array([0, 1, 1, 0, 0, 1]),
        propensity=np.array([0.75, 0.75, 0.25, 0.25, 0.75, 0.75]),
        reward=np.array([1.0, 0.0, 2.0, 3.0, 0.0, 1.0]),
        features=np.zeros((6, 1)),
    )
    logged, found = evaluate(
        slates, {"ranked": ranked(slates), "swapped": swapped(slates), "random": slates.at_random()}
    )
    assert logged.value == pytest.approx(7 / 3)
    assert found["ranked"].values["ips"].value == pytest.approx((2 / 0.75) / 3)
    assert found["ranked"].values["snips"].value == pytest.approx((2 / 0.75) / (4 / 0.75) * 2)
    assert found["swapped"].values["ips"].value == pytest.approx(5 / 0.25 / 3)
    assert found["swapped"].values["snips"].value == pytest.approx(5 / 2 * 2)
    assert found["random"].values["ips"].value == pytest.approx((2 * 0.5 / 0.75 + 5 * 0.5 / 0.25) / 3)
    assert found["ranked"].effective_cards == pytest.approx(4)
    assert found["swapped"].max_weight == 4.0
    assert found["ranked"].differences["ips"].value == pytest.approx((2 / 0.75) / 3 - 7 / 3)


def test_a_reward_model_that_sees_everything_leaves_nothing_to_the_weights() -> None:
    """Rewards that are a function of features and place: DR's is then the mean of what they are at the policy's places."""
    slates = log_of(users=500)
    exact = replace(slates, reward=1.0 + 2.0 * slates.features[:, 0] + (slates.place == 0))
    found = only(exact, swapped(exact)).values["dr"]
    assert found.value == pytest.approx(5.0, abs=0.01)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low < 0.02


def test_a_worse_order_is_found_worse_and_a_better_one_better() -> None:
    slates = log_of(users=400, effect=0.4)
    _, found = evaluate(slates, {"swapped": swapped(slates), "ranked": ranked(slates)})
    assert (found["swapped"].verdict, found["ranked"].verdict) == ("worse", "better")
    assert found["swapped"].reasons == ()


def test_no_effect_is_inconclusive() -> None:
    slates = log_of(effect=0.0)
    found = only(slates, swapped(slates))
    assert found.verdict == "inconclusive"
    assert found.reasons == ("the interval of the difference holds zero",)


def test_one_user_with_all_the_traffic_is_inconclusive() -> None:
    slates = log_of(users=300, effect=0.6)
    assert only(slates, swapped(slates)).verdict == "worse"
    heavy = replace(slates, user=np.where(np.arange(len(slates.user)) < 1100, 0, slates.user))
    heavy = replace(heavy, user=np.unique(heavy.user, return_inverse=True)[1])
    assert effective_users(heavy) < 2
    found = only(heavy, swapped(heavy))
    assert found.verdict == "inconclusive"
    assert any("too few users" in reason for reason in found.reasons)
    alone = only(replace(slates, user=np.zeros_like(slates.user)), swapped(slates))
    assert alone.verdict == "inconclusive"
    assert alone.differences["dr"].low is None, "nobody can be resampled"


def test_an_order_that_was_never_shown_is_inconclusive() -> None:
    slates = log_of()
    never = replace(slates, place=np.tile([0, 1], len(slates.user)), propensity=np.full(len(slates.slate), 0.75))
    found = only(never, swapped(never))
    assert found.reasons == ("no overlap: the order that it gives was never shown",)
    assert found.values["snips"].value is None
    assert found.verdict == "inconclusive"


def test_wrong_propensities_are_noticed() -> None:
    slates = log_of(users=400, effect=0.6)
    wrong = replace(slates, propensity=np.full(len(slates.slate), 0.5))
    found = only(wrong, swapped(wrong))
    assert any("wrong propensities" in reason for reason in found.reasons)


def test_few_cards_with_large_weights_are_inconclusive() -> None:
    slates = log_of(users=300, share=0.02, effect=0.6, per_user=2)
    found = only(slates, swapped(slates))
    assert found.verdict == "inconclusive"
    text = " ".join(found.reasons)
    assert "too small a sample" in text
    assert "too large a weight" in text
    assert "too few rewards" in text


def test_no_rewards_have_no_interval() -> None:
    slates = log_of()
    found = only(replace(slates, reward=np.zeros(len(slates.slate))), swapped(slates))
    assert found.values["ips"].value == 0.0
    assert found.values["ips"].low is None
    assert found.verdict == "inconclusive"


def test_the_same_seed_gives_the_same_intervals() -> None:
    slates = log_of()
    one, same = only(slates, swapped(slates)), only(slates, swapped(slates))
    assert one == same
    other = evaluate(slates, {"it": swapped(slates)}, seed=1)[1]["it"]
    assert other.values["ips"].value == one.values["ips"].value
    assert other.values["ips"].low != one.values["ips"].low


def test_users_not_slates_are_resampled() -> None:
    """The same slates, of people who see many alike: the interval is as wide as fewer of them make it."""
    slates = log_of(users=600, per_user=1)
    copies = Slates(
        slate=np.repeat(np.arange(6 * 600), 2),
        user=np.tile(slates.user, 6),
        place=np.tile(slates.place, 6),
        propensity=np.tile(slates.propensity, 6),
        reward=np.tile(slates.reward, 6),
        features=np.tile(slates.features, (6, 1)),
    )
    once, often = only(slates, swapped(slates)).values["ips"], only(copies, swapped(copies)).values["ips"]
    assert (often.value, often.low, often.high) == pytest.approx((once.value, once.low, once.high))


def test_slates_that_do_not_fit_together_are_refused() -> None:
    slates = log_of(users=3)
    for change in (
        {"propensity": np.zeros(len(slates.slate))},
        {"propensity": np.full(len(slates.slate), 1.5)},
        {"propensity": np.full(len(slates.slate), np.nan)},
        {"reward": np.full(len(slates.slate), np.nan)},
        {"reward": slates.reward[1:]},
        {"user": slates.user[1:]},
        {"place": slates.place - 1},
    ):
        with pytest.raises(ValueError, match=r"slate|propensity"):
            replace(slates, **change)
