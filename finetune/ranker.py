"""`finetune ranker`: the order of cards, from what shoppers chose of what they could have.

    read groups → learn from the earlier ones → choose → judge on the latest fifth beside the blend → learn from all → write

It is judged by NDCG at 6 cards with the gains 1 for a click, 3 for a cart and 6 for a purchase. Only one that is better than the
blend by a bootstrap of shoppers passes its gate; else the blend goes on ordering.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from bot.turn import SLATE
from finetune.export import complete_folder
from finetune.rank_groups import GAINS, RankData
from finetune.search_run import Tuned
from retrieval.learnt_ranking import KIND, LearntRanker
from retrieval.rank_features import FEATURES, TERMS, Floats
from retrieval.ranking import blend
from storage.errors import InvalidInput
from storage.publish import write_manifest

if TYPE_CHECKING:
    from lightgbm import Booster

FEWEST: Final = 500
"""Groups below which there is nothing to learn from: the blend has four numbers, trees have hundreds."""
LEARNT, CHOSEN = 0.6, 0.2
"""The shares of groups, the earliest first, that teach and that choose; the rest judges."""
SHARES: Final = (0.0, 1.0, 4.0)
"""What the blend may count beside the trees; the groups that choose say which."""
MOST_TREES: Final = 200
_PATIENCE: Final = 20
_REPLICATES: Final = 2000


@dataclass(frozen=True)
class Recipe:
    """How trees grow. Small and slow ones, for a shop's log is noisy."""

    share: float = 1.0
    trees: int = MOST_TREES
    leaves: int = 15
    rate: float = 0.05
    fewest_rows: int = 50
    seed: int = 0


def fit(data: RankData, recipe: Recipe, chooses: RankData | None = None) -> tuple[Booster, int]:
    """LambdaMART on top of the blend; with `chooses` it stops where that gets no better. Returns it with its number of trees."""
    import lightgbm

    params = {
        "objective": "lambdarank",
        "metric": "ndcg",
        "eval_at": [SLATE],
        "label_gain": list(GAINS),
        "lambdarank_truncation_level": 2 * SLATE,
        "num_leaves": recipe.leaves,
        "learning_rate": recipe.rate,
        "min_data_in_leaf": recipe.fewest_rows,
        "seed": recipe.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    learns = _dataset(data, recipe.share)
    checks = [_dataset(chooses, recipe.share, learns)] if chooses is not None else []
    calls: list[Callable[..., Any]] = [lightgbm.early_stopping(_PATIENCE, verbose=False)] if chooses is not None else []
    booster = lightgbm.train(params, learns, recipe.trees, valid_sets=checks, callbacks=calls)
    return booster, booster.best_iteration if chooses is not None else recipe.trees


def _dataset(data: RankData, share: float, reference: Any = None) -> Any:
    import lightgbm

    return lightgbm.Dataset(
        data.features,
        data.levels,
        group=data.sizes,
        weight=data.weights,
        init_score=share * blended(data),
        feature_name=list(FEATURES),
        reference=reference,
    )


def blended(data: RankData) -> Floats:
    """The blend's score of each row, (rows,)."""
    return np.array(blend(data.features[:, : len(TERMS)]).scores)


def learn(learns: RankData, chooses: RankData, seed: int = 0) -> tuple[LearntRanker, Recipe]:
    """The ranker that orders `chooses` best, of those that learn from `learns` with each of `SHARES`."""
    best: tuple[float, LearntRanker, Recipe] | None = None
    for share in SHARES:
        booster, trees = fit(learns, Recipe(share, seed=seed), chooses)
        ranker = LearntRanker(_reloaded(booster, trees), share)
        score = float(ndcg(chooses, ranker.scores(chooses.features)).mean())
        if best is None or score > best[0]:
            best = score, ranker, Recipe(share, max(1, trees), seed=seed)
    assert best is not None
    return best[1:]


def _reloaded(booster: Booster, trees: int) -> Booster:
    """The first so many trees, as they are when they are read from a folder."""
    import lightgbm

    return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=max(1, trees)))


def ndcg(data: RankData, scores: Floats, cards: int = SLATE) -> Floats:
    """NDCG of each group's first cards when ordered by `scores` (rows,), (groups,); each gain by its weight (inverse propensity).

    Equal scores keep the order of the rows.
    """
    found = np.zeros(len(data))
    start = 0
    for number, size in enumerate(data.sizes.tolist()):
        rows = slice(start, start + size)
        gains = np.array(GAINS)[data.levels[rows]] * data.weights[rows]
        worth = 1 / np.log2(np.arange(min(cards, size)) + 2)
        order = np.argsort(-scores[rows], kind="stable")[:cards]
        found[number] = gains[order] @ worth / (np.sort(gains)[::-1][:cards] @ worth)
        start += size
    return found


def paired(gained: Floats, users: Sequence[str], seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a mean over groups, by a bootstrap of users: the groups of one are alike."""
    _, who = np.unique(np.asarray(users), return_inverse=True)
    sums, counts = np.bincount(who, gained), np.bincount(who)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(_REPLICATES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def split(data: RankData) -> tuple[RankData, RankData, RankData]:
    """What teaches, what chooses, and what judges, in the order of time.

    Raises:
        InvalidInput: there are too few groups.
    """
    count = len(data)
    if count < FEWEST:
        raise InvalidInput(
            f"{count} searches and slates of people who let models learn from them have a choice; a ranker needs {FEWEST}.",
            "Load more events (launch.py ingest events FILE); until then the blend orders the cards.",
        )
    first, second = int(LEARNT * count), int((LEARNT + CHOSEN) * count)
    return data.part(0, first), data.part(first, second), data.part(second, count)


def finetune_ranker(data: RankData, output: Path, serving: LearntRanker | None = None, seed: int = 0) -> Tuned:
    """Learns a ranker and writes it to `output` with how it did on the latest groups, all or nothing.

    Args:
        data: the groups of the shop's log.
        output: the model folder, which must not hold anything yet.
        serving: what serves now, to be compared with on groups later than those that it learnt from.
        seed: of the trees and the bootstrap.

    Raises:
        InvalidInput: there are too few groups.
        Conflict: `output` is not empty.
    """
    started = time.monotonic()
    learns, chooses, judges = split(data)
    ranker, recipe = learn(learns, chooses, seed)
    gate, metrics = _judged(ranker, judges, serving, seed)
    with complete_folder(output) as folder:
        booster, trees = fit(data, recipe)
        final = LearntRanker(booster, recipe.share, learnt_until=int(data.at[-1]))
        metrics |= {"trees": trees, "blend_share": recipe.share}
        facts = final.save(folder)
        write_manifest(folder, KIND, {**facts, "seed": seed, "groups": len(data), "gate": gate, "metrics": metrics})
    return Tuned(output, time.monotonic() - started, metrics)


def _judged(
    ranker: LearntRanker, judges: RankData, serving: LearntRanker | None, seed: int
) -> tuple[dict[str, Any], dict[str, float | int | str]]:
    """The gate's verdict and the metrics on groups that nothing was learnt from."""
    own, rival = ndcg(judges, ranker.scores(judges.features)), ndcg(judges, blended(judges))
    low, high = paired(own - rival, judges.users, seed)
    checks = [(low > 0, _said(len(own), "the blend", float((own - rival).mean()), low, high))]
    metrics: dict[str, float | int | str] = {
        "n": len(judges),
        "shoppers": len(set(judges.users)),
        "ndcg@6": float(own.mean()),
        "ndcg@6_of_blend": float(rival.mean()),
        "gain_low": low,
        "gain_high": high,
    }
    if serving is not None:
        # What serves has learnt from all groups of its day; only those after it judge both alike.
        start = int(np.searchsorted(judges.at, serving.learnt_until, side="right"))
        later = judges.part(start, len(judges))
        if len(later) >= FEWEST // 5:
            gained = own[start:] - ndcg(later, serving.scores(later.features))
            low, high = paired(gained, later.users, seed)
            checks.append((high >= 0, _said(len(later), serving.version, float(gained.mean()), low, high)))
        else:
            text = (
                f"{len(later)} choices are later than what {serving.version} learnt from, too few to compare the two."
            )
            checks.append((True, text))
    reasons = [f"{'Holds' if holds else 'Fails'}: {text}" for holds, text in checks]
    return {"passed": all(holds for holds, _ in checks), "reasons": reasons}, metrics


def _said(count: int, rival: str, gained: float, low: float, high: float) -> str:
    return f"NDCG@{SLATE} on {count} later choices less that of {rival} {gained:+.4f}, 95 % {low:+.4f} to {high:+.4f}."
