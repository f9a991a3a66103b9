"""How often `evaluate experiment` is wrong, on made-up experiments whose truth is known.

    python -m benchmarks.experiments --logs 2000
    python -m benchmarks.experiments --events events.jsonl

Shoppers differ in how much they do: the same rate drives what they do before the experiment and in it, and what they pay varies by
a factor of several. Arms are dealt by the shop's own keyed hash. Printed are: how often two arms that are the same are found
different (A/A), with CUPED, without, with uneven shares, and where somebody looks every day; how often the sample ratio raises a
false alarm; how often intervals hold a true effect; how often an experiment of the size that `experiment power` names finds the
effect that it was sized for; and what CUPED takes away. --events reads the last from a file of real or generated behavior instead.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from bot.experiments import Experiments
from finetune.ab_test import compare, holm, sample_ratio, winsorized
from finetune.experiment_log import PURCHASE, REVENUE, REWARD, read_log
from finetune.off_policy import Floats, Interval, Ints
from finetune.power import Baseline, plan
from storage.event import Event, read_event
from storage.experiments import ACTS, Act, Subject
from storage.rows import read_jsonl
from storage.settings import DAY_MS, ExperimentSettings

FIGURES = (PURCHASE, REWARD, REVENUE)
WINDOWS = (7, 14, 28)
_BEFORE = 4  # how much longer than the window the time before it is
_RATE, _SPREAD = 0.25, 1.0  # median purchases a window, and the deviation of the rate's logarithm
_CLICKS = 6.0  # a purchase
_PAID = 9.0  # logarithm of the median amount in minor units


@dataclass(frozen=True)
class MadeUp:
    """One experiment: the arm of each user, (users,), and by figure what they did after and before, (users,) each."""

    arm: Ints
    figures: Mapping[str, tuple[Floats, Floats]]


def made_up(users: int, lift: float, seed: int, shares: tuple[float, ...] = (0.5, 0.5)) -> MadeUp:
    """An experiment whose last arm makes shoppers buy `lift` times more."""
    draw = np.random.default_rng(seed)
    arm = draw.choice(len(shares), users, p=shares)
    rate = _RATE * np.exp(_SPREAD * draw.normal(size=users))
    after = rate * (1 + lift * (arm == len(shares) - 1))
    sides = [_lived(draw, each, worth) for worth in [draw.normal(size=users)] for each in (after, rate * _BEFORE)]
    return MadeUp(arm, {name: (sides[0][name], sides[1][name]) for name in FIGURES})


def _lived(draw: Generator, rate: Floats, worth: Floats) -> dict[str, Floats]:
    """The figures of users who buy at a rate, in orders of a size of their own; one in a hundred is a wholesaler's."""
    bought = draw.poisson(rate)
    size = np.exp(_PAID + 0.5 * worth + 0.8 * draw.normal(size=len(rate)))
    size = np.where(draw.random(len(rate)) < 0.01, 20 * size, size)
    clicked = draw.poisson(_CLICKS * rate)
    return {PURCHASE: (bought > 0).astype(float), REWARD: clicked + 6.0 * bought, REVENUE: bought * size}


def truth(lift: float, users: int = 4_000_000) -> dict[str, float]:
    """The true differences that a lift makes, from the rates of many users; revenue as it is, not cut."""
    draw = np.random.default_rng(10_000_000)
    rate = _RATE * np.exp(_SPREAD * draw.normal(size=users))
    paid = np.exp(_PAID + 0.5**2 / 2 + 0.8**2 / 2) * (1 + 0.01 * 19)
    return {
        PURCHASE: float((np.exp(-rate) - np.exp(-rate * (1 + lift))).mean()),
        REWARD: float(rate.mean() * lift * (_CLICKS + 6.0)),
        REVENUE: float(rate.mean() * lift * paid),
    }


def compared(log: MadeUp, figure: str, arm: int = 1, cut: bool = True) -> tuple[Interval, Interval, float, float]:
    """With CUPED and without, the p value, and the variance that CUPED took away; `cut` as the shop's figures are."""
    after, before = log.figures[figure]
    if cut and figure != PURCHASE:
        after, before = winsorized(after)[0], winsorized(before)[0]
    one, other = log.arm == arm, log.arm == 0
    found = compare(after[one], after[other], before[one], before[other])
    return found.difference, found.plain, 1.0 if found.p_value is None else found.p_value, found.variance_reduction


def a_a(logs: int, users: int, shares: tuple[float, ...] = (0.5, 0.5)) -> dict[tuple[str, str], float]:
    """How often two arms that are the same are found different, by figure and "CUPED" or "plain", and the mean reduction."""
    wrong: Counter[tuple[str, str]] = Counter()
    for seed in range(logs):
        log = made_up(users, 0.0, seed, shares)
        for figure in FIGURES:
            difference, plain, _, reduction = compared(log, figure)
            wrong[figure, "CUPED"] += not difference.holds_zero
            wrong[figure, "plain"] += not plain.holds_zero
            wrong[figure, "reduction"] += reduction  # type: ignore[assignment]
    return {key: count / logs for key, count in wrong.items()}


def coverage(logs: int, users: int, lift: float) -> dict[tuple[str, str], float]:
    """How often intervals hold the true difference, by figure and "CUPED" or "plain"; revenue also "not cut"."""
    true = truth(lift)
    held: Counter[tuple[str, str]] = Counter()
    for seed in range(logs):
        log = made_up(users, lift, seed)
        for figure in FIGURES:
            difference, plain, _, _ = compared(log, figure)
            held[figure, "CUPED"] += _holds(difference, true[figure])
            held[figure, "plain"] += _holds(plain, true[figure])
        held[REVENUE, "not cut"] += _holds(compared(log, REVENUE, cut=False)[0], true[REVENUE])
    return {key: count / logs for key, count in held.items()}


def family(logs: int, users: int, arms: int = 4) -> tuple[float, float]:
    """How often one of several arms that are all the same is found different from the control: by Holm, and uncorrected."""
    found = [0, 0]
    for seed in range(logs):
        log = made_up(users, 0.0, seed, (1 / arms,) * arms)
        p_values = [compared(log, PURCHASE, arm)[2] for arm in range(1, arms)]
        found[0] += any(each is not None and each < 0.05 for each in holm(p_values))
        found[1] += min(p_values) < 0.05
    return found[0] / logs, found[1] / logs


def looked_daily(logs: int, users: int, days: int = 28) -> float:
    """How often somebody who looks after every day at arms that are the same sees a difference on one of them."""
    seen = 0
    for seed in range(logs):
        log = made_up(users, 0.0, seed)
        after, before = log.figures[PURCHASE]
        for day in range(1, days + 1):
            until = users * day // days
            part = MadeUp(log.arm[:until], {PURCHASE: (after[:until], before[:until])})
            if not compared(part, PURCHASE)[0].holds_zero:
                seen += 1
                break
    return seen / logs


def false_alarms(experiments: int, users: int) -> float:
    """How often the sample ratio of arms dealt by the keyed hash is below .001."""
    settings = ExperimentSettings.model_validate(
        {"start": 0, "days": 28, "control": "a", "arms": {"a": {"share": 0.5}, "b": {"share": 0.5}}}
    )
    alarms = 0
    for number in range(experiments):
        dealt = Experiments({f"aa-{number}": settings}, "secret")
        second = sum(dealt.arm_of(f"aa-{number}", f"user-{each}") == "b" for each in range(users))
        alarms += (sample_ratio([users - second, second], [0.5, 0.5]) or 0.0) < 0.001
    return alarms / experiments


def true_alarms(experiments: int, users: int, lost: float) -> float:
    """How often it is where one arm loses that share of its users."""
    draw = np.random.default_rng(0)
    first = draw.binomial(users, 0.5, experiments)
    second = draw.binomial(users - first, 1 - lost)
    ratios = [
        sample_ratio(list(counts), [0.5, 0.5]) or 0.0 for counts in zip(first.tolist(), second.tolist(), strict=True)
    ]
    return float(np.mean(np.array(ratios) < 0.001))


def found_as_sized(logs: int, lift: float) -> dict[str, tuple[int, float]]:
    """By figure, the users an arm that the effect was sized to need, and how often so many find it (80 % is meant)."""
    base = made_up(1_000_000, 0.0, 20_000_000)
    true = truth(lift)
    bought, rewards = base.figures[PURCHASE][0], base.figures[REWARD]
    rate, mean, deviation = float(bought.mean()), float(rewards[0].mean()), float(rewards[0].std())
    explained = float(np.corrcoef(*rewards)[0, 1] ** 2)
    plans = {
        "purchase, plain": plan(Baseline(rate, 0.0, is_rate=True), true[PURCHASE] / rate, 2, 7, None),
        "reward, plain": plan(Baseline(mean, deviation, is_rate=False), lift, 2, 7, None),
        "reward, CUPED": plan(Baseline(mean, deviation, is_rate=False, explained=explained), lift, 2, 7, None),
    }
    found = {}
    for name, planned in plans.items():
        figure, way = name.split(", ")
        size, hits = planned.users_per_arm, 0
        for seed in range(logs):
            difference, undone, _, _ = compared(made_up(2 * size, lift, seed), figure, cut=False)
            interval = difference if way == "CUPED" else undone
            hits += not interval.holds_zero and (interval.value or 0.0) > 0
        found[name] = (size, hits / logs)
    return found


def reductions(events: Path, window_days: int) -> tuple[int, dict[str, float]]:
    """Users of a file of behavior, and by figure the share of the variance in a window that the 28 days before explain.

    A user's window begins with the first event in the last third of the file's time.
    """
    rows = [read_event(row)[0] for _, row in read_jsonl(events) if isinstance(row, dict)]
    last = max(event.timestamp for event in rows)
    since = last - (last - min(event.timestamp for event in rows)) // 3
    by_user: dict[str, list[Event]] = {}
    for event in sorted(rows, key=lambda each: each.timestamp):
        by_user.setdefault(event.user_id or "", []).append(event)
    subjects = [
        Subject(user, {"": first}, tuple(map(_act, (event for event in own if event.event in ACTS))))
        for user, own in by_user.items()
        if (first := next((event.timestamp for event in own if event.timestamp >= since), None)) is not None
    ]
    log = read_log(subjects, [""], lambda _: "", window_days * DAY_MS, last + 1, last, "USD")
    return len(log.arm), {
        name.partition(":")[0]: float(np.corrcoef(figure.after, figure.before)[0, 1] ** 2)
        for name, figure in log.figures.items()
        if figure.after.any() and figure.before.any()
    }


def _act(event: Event) -> Act:
    return Act(event.event, event.timestamp, tuple(each.item_id for each in event.items), event.value, event.currency)


def _holds(interval: Interval, value: float) -> bool:
    return interval.low is not None and interval.high is not None and interval.low <= value <= interval.high


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=2000)
    parser.add_argument("--users", type=int, default=2000, help="of each experiment")
    parser.add_argument("--lift", type=float, default=0.2, help="of the true effect")
    parser.add_argument("--events", type=Path, help="JSONL of behavior events")
    options = parser.parse_args()
    started = time.process_time()
    if options.events:
        for window in WINDOWS:
            users, explained = reductions(options.events, window)
            said = ", ".join(f"{name} {share:.1%}" for name, share in explained.items())
            print(f"window of {window} days, {users} users: CUPED takes {said}")
        return
    print("| figure | A/A, CUPED | A/A, plain | A/A 90 : 10, CUPED | holds the effect, CUPED | plain | CUPED takes |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    even, uneven = a_a(options.logs, options.users), a_a(options.logs, options.users, (0.9, 0.1))
    held = coverage(options.logs, options.users, options.lift)
    for figure in FIGURES:
        print(
            f"| {figure} | {even[figure, 'CUPED']:.1%} | {even[figure, 'plain']:.1%} | {uneven[figure, 'CUPED']:.1%} | "
            f"{held[figure, 'CUPED']:.1%} | {held[figure, 'plain']:.1%} | {even[figure, 'reduction']:.1%} |"
        )
    print(f"\nrevenue that is not cut: the interval holds the effect in {held[REVENUE, 'not cut']:.1%}")
    corrected, raw = family(options.logs, options.users)
    print(f"three arms against the control, all the same: {corrected:.1%} by Holm, {raw:.1%} uncorrected")
    print(f"looking on each of 28 days: {looked_daily(options.logs, options.users):.1%}")
    print(
        f"sample ratio, {10 * options.logs:,} experiments of 1,000 users: {false_alarms(10 * options.logs, 1000):.3%} false alarms"
    )
    alarms = true_alarms(options.logs, 20_000, 0.05)
    print(f"sample ratio, 20,000 users of which one arm loses one in 20: {alarms:.1%} alarms")
    for name, (size, share) in found_as_sized(options.logs, options.lift).items():
        print(f"sized for a lift of {options.lift:.0%} ({name}): {size:,} users an arm find it in {share:.1%}")
    print(f"\n{options.logs} experiments of {options.users} users: {time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
