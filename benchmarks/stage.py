"""The chance of a purchase within the session, and the stage, by each candidate, on sessions of a demo shop split by time.

Run by `python -m benchmarks.personalization --parts stage`.

A moment is scored where a session has had k events (lists, searches, selections, looks and what is done with the cart; nothing that
was merely shown, no thumbs, no refunds) and no purchase among them; the question is whether a purchase comes later in the session.
Everything is learnt from sessions that began before a day, and scored on those that begin from it on; what a candidate knows at a
moment are the tokens until then, earlier sessions of the shopper included.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from benchmarks.hidden_markov import BOUGHT, HiddenMarkov
from demo.catalog import make_catalog
from demo.shoppers import DAYS, make_behavior
from finetune.chances import auc, auc_interval, brier, ece, log_loss
from finetune.paths import Moments, ShopperPath, moments, paths_of
from retrieval.path.chain import PurchaseChain
from retrieval.path.stage import LIKELY, STAGES, Journey
from retrieval.path.tokens import END, NUMBER, STARTS, VOCABULARY, Walk, in_order
from retrieval.profile.beliefs import DAY_MS
from storage.event import Event, parse_event

Floats = NDArray[np.float64]
Predict = Callable[[Moments], Floats]

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ASKED = (3, 2, 5, 8)
"""After so many events of a session; the third is the one that candidates are chosen by."""
TEST = 126
"""The day from which sessions are the test."""
SPLITS = ((70, 98), (98, 126))
"""Days from and until which sessions are held out inside the training weeks, to choose by."""
_PREFIXES = range(1, 9)  # events after which the learners over features are asked while they learn
_STATES = (3, 4, 5)
_SEEDS = 3
_WEIGHT = 10.0


@dataclass(frozen=True)
class Log:
    """A demo shop's paths, and what its shoppers were truly up to.

    `events` are by path; `truth` names the stage of each event by its id.
    """

    events: Sequence[Sequence[Event]]
    paths: Sequence[ShopperPath]
    category_of: Mapping[str, str]
    truth: Mapping[str, str]
    start: int

    def day(self, number: int) -> int:
        """The instant at which a day begins."""
        return self.start + number * DAY_MS


def demo_log(seed: int, products: int, shoppers: int) -> Log:
    """The log of a demo shop of that seed."""
    catalog = make_catalog(Generator(PCG64([seed, 0])), NOW, products)
    behavior = make_behavior(Generator(PCG64([seed, 1])), NOW, catalog, shoppers)
    category_of = {each.product.id: each.product.categories[-1] for each in catalog}
    by_user: dict[str, list[Event]] = {}
    for row in behavior.events:
        by_user.setdefault(row["user_id"], []).append(parse_event(row))
    paths = paths_of(by_user, category_of.get)
    start = round((NOW - timedelta(days=DAYS)).timestamp() * 1000)
    return Log(list(by_user.values()), paths, category_of, behavior.stages, start)


def candidates(known: Sequence[ShopperPath], all_paths: Sequence[ShopperPath]) -> dict[str, tuple[Predict, float]]:
    """Each candidate, learnt from `known`, and the seconds that took; it is asked about moments of `all_paths`."""

    def last(asked: Moments, back: int = 1) -> NDArray[np.intp]:
        return np.array([all_paths[who].tokens[at - back] for who, at in zip(asked.shopper, asked.place, strict=True)])

    def by_rate() -> Predict:
        learnt = moments(known, _PREFIXES, 0, 2**62)
        return lambda asked: np.full(len(asked), learnt.bought.mean())

    def by_last() -> Predict:
        times, bought = np.zeros((2, len(VOCABULARY)))
        for path in known:
            np.add.at(times, path.tokens, 1)
            np.add.at(bought, path.tokens, path.follows)
        chance = (bought + _WEIGHT * bought.sum() / times.sum()) / (times + _WEIGHT)
        return lambda asked: chance[last(asked)]

    def absorbing() -> Predict:
        counts = np.full((len(VOCABULARY), len(VOCABULARY)), 0.1)
        for path in known:
            np.add.at(counts, (path.tokens[:-1], path.tokens[1:]), 1)
        counts /= counts.sum(axis=1, keepdims=True)
        goes_on = np.ones(len(VOCABULARY))
        goes_on[[*BOUGHT, NUMBER[END]]] = 0
        chance = np.linalg.solve(np.eye(len(goes_on)) - counts * goes_on, counts[:, BOUGHT].sum(axis=1))
        return lambda asked: chance[last(asked)]

    def chain() -> Predict:
        table = PurchaseChain.fit((path.tokens, path.follows) for path in known).table
        return lambda asked: table[last(asked, 2), last(asked)]

    def hidden(states: int, logistic: bool) -> Predict:
        model = best_hidden(known, states)

        def filtered(paths: Sequence[ShopperPath], asked: Moments) -> Floats:
            found = {who: model.filtered(paths[who].tokens) for who in np.unique(asked.shopper)}
            return np.array([found[who][at - 1] for who, at in zip(asked.shopper, asked.place, strict=True)])

        if not logistic:
            return lambda asked: filtered(all_paths, asked) @ model.p_purchase()
        learnt = moments(known, _PREFIXES, 0, 2**62)
        fitted = _logistic(filtered(known, learnt), learnt.bought)
        return lambda asked: fitted(filtered(all_paths, asked))

    def learner(make: Callable[[Floats, NDArray[np.bool_]], Callable[[Floats], Floats]]) -> Predict:
        learnt = moments(known, _PREFIXES, 0, 2**62)
        fitted = make(_features(known, learnt), learnt.bought)
        return lambda asked: fitted(_features(all_paths, asked))

    makers: dict[str, Callable[[], Predict]] = {
        "purchase rate": by_rate,
        "last event alone": by_last,
        "Markov chain, absorbing": absorbing,
        "**Markov chain of second order**": chain,
        **{f"HMM, {states} states": lambda states=states: hidden(states, False) for states in _STATES},  # type: ignore[misc]
        **{
            f"HMM, {states} states, logistic": lambda states=states: hidden(states, True)  # type: ignore[misc]
            for states in _STATES
        },
        "logistic regression": lambda: learner(_logistic),
        "gradient boosting": lambda: learner(_boosting),
    }
    found = {}
    for name, make in makers.items():
        started = time.process_time()
        predict = make()
        found[name] = predict, time.process_time() - started
    return found


def best_hidden(known: Sequence[ShopperPath], states: int) -> HiddenMarkov:
    """Of several starts by lot the one of most likelihood."""
    fits = [HiddenMarkov.drawn(states, seed).fit([path.tokens for path in known]) for seed in range(_SEEDS)]
    return max(fits, key=lambda fit: fit[1][-1])[0]


def _features(paths: Sequence[ShopperPath], asked: Moments) -> Floats:
    """What is known at each moment, (n, 5 · tokens + 2).

    Counts of the session's tokens, the last three tokens, counts from the last purchase until the session, how long the session is
    and how many purchases came before it.
    """
    size = len(VOCABULARY)
    found = np.zeros((len(asked), 5 * size + 2))
    starts = [NUMBER[token] for token in STARTS]
    for row, who, at in zip(found, asked.shopper, asked.place, strict=True):
        tokens = paths[who].tokens[:at]
        began = int(np.flatnonzero(np.isin(tokens, starts))[-1])
        before, session = tokens[:began], tokens[began:]
        bought = np.flatnonzero(np.isin(before, BOUGHT))
        way = before[bought[-1] + 1 :] if len(bought) else before
        row[:size] = np.minimum(np.bincount(session, minlength=size), 5)
        for back in (1, 2, 3):
            if len(tokens) >= back:
                row[back * size + tokens[-back]] = 1
        row[4 * size : 5 * size] = np.log1p(np.bincount(way, minlength=size))
        row[-2:] = len(session), len(bought)
    return found


def _logistic(features: Floats, bought: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model: Any = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)).fit(features, bought)
    return lambda rows: model.predict_proba(rows)[:, 1]


def _boosting(features: Floats, bought: NDArray[np.bool_]) -> Callable[[Floats], Floats]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    used = features.any(axis=0)  # most pairs of tokens and places never come
    model: Any = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.1, max_leaf_nodes=15, l2_regularization=1.0, random_state=0
    ).fit(features[:, used], bought)
    return lambda rows: model.predict_proba(rows[:, used])[:, 1]


def decoders(log: Log, until: int) -> dict[str, Callable[[int], Sequence[str]]]:
    """Ways to tell the stage: of the path of a number, a stage for each of its tokens."""
    known = [path for path in (each.until(until) for each in log.paths) if len(path.tokens)]
    chain = PurchaseChain.fit((path.tokens, path.follows) for path in known)
    tokens = [path.tokens for path in known]
    by_hand = HiddenMarkov.of_stages()
    found: dict[str, Callable[[int], Sequence[str]]] = {
        "last event alone": lambda who: _alone(log.paths[who].tokens),
        "rule of one state": lambda who: _ruled(log, who, None),
        "**rule, and who buys more likely than not**": lambda who: _ruled(log, who, chain),
        "HMM by hand": _by_state(log, by_hand, [0, 1, 2]),
        "HMM by hand, trained on": _by_state(log, by_hand.fit(tokens, weight=5_000)[0], [0, 1, 2]),
    }
    for states in _STATES:
        model = best_hidden(known, states)
        order = np.argsort(np.argsort(model.p_purchase()))
        found[f"HMM, {states} states by their chance of a purchase"] = _by_state(log, model, order * 3 // states)
    return found


def _alone(tokens: NDArray[np.intp]) -> list[str]:
    """The rule without a state: each token by itself."""
    from retrieval.path.stage import next_stage

    return [next_stage("browsing", VOCABULARY[token], opens=False) for token in tokens]


def _ruled(log: Log, who: int, chain: PurchaseChain | None) -> list[str]:
    path = Journey(Walk(log.category_of.get))
    found = []
    for event in in_order(log.events[who]):
        tokens = path.step(event)
        likely = chain is not None and len(tokens) and chain.p_purchase(*path.tokens) >= LIKELY
        found += ["ready" if likely else path.stage] * len(tokens)
    return [*found, path.stage]


def _by_state(log: Log, model: HiddenMarkov, meaning: Sequence[int] | NDArray[np.intp]) -> Callable[[int], list[str]]:
    return lambda who: [STAGES[meaning[state]] for state in model.filtered(log.paths[who].tokens).argmax(axis=1)]


def agreement(log: Log, decode: Callable[[int], Sequence[str]], since: int, until: int) -> tuple[float, float]:
    """Accuracy and macro-F1 over the events of an interval, by what their shoppers were truly up to."""
    counts = np.zeros((3, 3))  # (true, told)
    silent = {NUMBER[token] for token in (*STARTS, END)}
    for who, path in enumerate(log.paths):
        told = [stage for stage, token in zip(decode(who), path.tokens, strict=True) if token not in silent]
        walk = Walk(log.category_of.get)
        steps = [event for event in in_order(log.events[who]) if walk.step(event)]
        for event, stage in zip(steps, told, strict=True):
            if since <= event.timestamp < until:
                counts[STAGES.index(log.truth[event.event_id]), STAGES.index(stage)] += 1
    right = np.diag(counts)
    return float(right.sum() / counts.sum()), float(np.mean(2 * right / (counts.sum(axis=0) + counts.sum(axis=1))))


def run(seed: int, products: int, shoppers: int) -> None:
    """Prints the tables of one demo shop."""
    log = demo_log(seed, products, shoppers)
    print(f"\ndemo shop of seed {seed}: {sum(map(len, log.events)):,} events of {len(log.paths):,} shoppers")
    for since, until in SPLITS:
        known = [path for path in (each.until(log.day(since)) for each in log.paths) if len(path.tokens)]
        asked = moments(log.paths, [3], log.day(since), log.day(until))
        print(f"\nheld out: days {since} to {until}, {len(asked):,} moments at the third event\n")
        print("| candidate | AUC | log loss | Brier | ECE | seconds |\n| --- | --- | --- | --- | --- | --- |")
        for name, (predict, seconds) in candidates(known, log.paths).items():
            chance = predict(asked)
            print(
                f"| {name} | {auc(asked.bought, chance):.4f} | {log_loss(asked.bought, chance):.4f} | "
                f"{brier(asked.bought, chance):.4f} | {ece(asked.bought, chance):.4f} | {seconds:.1f} |",
                flush=True,
            )
    known = [path for path in (each.until(log.day(TEST)) for each in log.paths) if len(path.tokens)]
    found = candidates(known, log.paths)
    for count in ASKED:
        asked = moments(log.paths, [count], log.day(TEST), 2**62)
        print(f"\ntest: from day {TEST}, after {count} events: {len(asked):,} moments, {asked.bought.mean():.1%} buy\n")
        print("| candidate | AUC | 95 % | Brier | ECE |\n| --- | --- | --- | --- | --- |")
        for name, (predict, _) in found.items():
            chance = predict(asked)
            low, high = auc_interval(asked.bought, chance, asked.shopper)
            print(
                f"| {name} | {auc(asked.bought, chance):.4f} | {low:.3f} … {high:.3f} | {brier(asked.bought, chance):.4f} | "
                f"{ece(asked.bought, chance):.4f} |",
                flush=True,
            )
    print("\n| stage by | held-out accuracy | macro-F1 | test accuracy | macro-F1 |\n| --- | --- | --- | --- | --- |")
    held, tested = decoders(log, log.day(SPLITS[-1][0])), decoders(log, log.day(TEST))
    for name in held:
        before = agreement(log, held[name], log.day(SPLITS[-1][0]), log.day(TEST))
        after = agreement(log, tested[name], log.day(TEST), 2**62)
        print(f"| {name} | {before[0]:.3f} | {before[1]:.3f} | {after[0]:.3f} | {after[1]:.3f} |", flush=True)
