"""`finetune stage`: how likely a shopper buys in the session that is on, from the shop's own events.

    read paths → learn from the earlier sessions → judge on the latest quarter → learn from all → write

What is learnt are counts (`retrieval.path.chain`), so a run takes seconds. It is judged after the third event of a session without
a purchase until then, beside the purchase rate and what serves: by log loss, since the chance is used and not only its order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.chances import Floats, auc, auc_interval, brier, ece, log_losses
from finetune.export import complete_folder
from finetune.paths import Moments, ShopperPath, moments
from finetune.search_run import Tuned
from index.snapshot import Snapshot, current_index
from retrieval.path.chain import KIND, PurchaseChain
from retrieval.path.tokens import CategoryOf
from storage.database import Database
from storage.errors import InvalidInput
from storage.paths import training_paths
from storage.principal import Principal
from storage.publish import write_manifest

ASKED: Final = 3
"""After so many events of a session it is judged."""
HELD_OUT: Final = 0.25
"""The share of sessions, the latest, that judge."""
FEWEST_MOMENTS, FEWEST_PURCHASES = 200, 30
"""Sessions that can judge, and purchases among them; with fewer, chance decides."""
_REPLICATES = 2000
_EVER = 2**62

Known = Mapping[str, ShopperPath]


def catalog_of(shop: Path) -> CategoryOf:
    """Looks the category of an item up in the shop's index; raises `InvalidInput` where there is none."""
    folder = current_index(shop)
    if folder is None:
        raise InvalidInput(f"{shop} has no index.", "Build it first: launch.py index CATALOG.")
    snapshot = Snapshot.load(folder)
    known: dict[str, str | None] = {}

    def category_of(item_id: str) -> str | None:
        if item_id not in known:
            row = snapshot.row_of(item_id)
            path = snapshot.products.get(row).categories if row is not None else ()
            known[item_id] = path[-1] if path else None
        return known[item_id]

    return category_of


def read_paths(
    database: Database,
    principal: Principal,
    category_of: CategoryOf,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, ShopperPath]:
    """The path of everybody who lets models learn from them, by user; `progress` is told how many were read."""
    found = {}
    for number, (user_id, events) in enumerate(training_paths(database, principal)):
        path = ShopperPath.of(events, category_of)
        if len(path.tokens):
            found[user_id] = path
        progress(number + 1)
    return found


def finetune_stage(known: Known, output: Path, serving: PurchaseChain | None = None, seed: int = 0) -> Tuned:
    """Learns a purchase chain and writes it to `output` with how it did on the latest sessions, all or nothing.

    Args:
        known: paths by user.
        output: the model folder, which must not hold anything yet.
        serving: what serves now, to be compared with on sessions later than those that it learnt from.
        seed: of the bootstrap.

    Raises:
        InvalidInput: too few sessions or purchases to judge by.
        Conflict: `output` is not empty.
    """
    started = time.monotonic()
    paths = list(known.values())
    since = _split(paths)
    asked = moments(paths, [ASKED], since, _EVER)
    if not _enough(asked.bought):
        raise InvalidInput(
            f"Of the latest sessions {len(asked)} have {ASKED} events before a purchase, and {int(asked.bought.sum())} end in one: "
            f"too few to judge by ({FEWEST_MOMENTS} and {FEWEST_PURCHASES}).",
            "Load more events of people who let models learn from them: launch.py ingest events FILE.",
        )
    before = [path.until(since) for path in paths]
    gate, metrics = _judged(before, paths, asked, serving, seed)
    with complete_folder(output) as folder:
        chain = _fitted(paths)
        meta = {
            **chain.save(folder),
            "seed": seed,
            "sessions": sum(len(list(path.sessions())) for path in paths),
            "held_out_since": since,
            "gate": gate,
            "metrics": metrics,
        }
        write_manifest(folder, KIND, meta)
    return Tuned(output, time.monotonic() - started, metrics)


def _fitted(paths: Sequence[ShopperPath]) -> PurchaseChain:
    until = max((int(path.at[-1]) for path in paths if len(path.at)), default=0)
    return PurchaseChain.fit(((path.tokens, path.follows) for path in paths), until)


def _split(paths: Sequence[ShopperPath]) -> int:
    """The instant from which on a quarter of the sessions began."""
    starts = [int(path.at[start]) for path in paths for start, _ in path.sessions()]
    return int(np.quantile(starts, 1 - HELD_OUT)) if starts else 0


def _judged(
    before: Sequence[ShopperPath],
    paths: Sequence[ShopperPath],
    asked: Moments,
    serving: PurchaseChain | None,
    seed: int,
) -> tuple[dict[str, Any], dict[str, float | int | str]]:
    """The gate's verdict and the metrics of the chain that knows the earlier sessions alone."""
    learnt = moments(before, [ASKED], 0, _EVER)
    rate = np.full(len(asked), float(learnt.bought.mean()) if len(learnt) else 0.0)
    chance = _chances(_fitted(before), paths, asked)
    losses = log_losses(asked.bought, chance)
    gained = losses - log_losses(asked.bought, rate)
    low, high = _interval(gained, asked.shopper, seed)
    checks = [(high < 0, _said(len(asked), "the purchase rate", float(gained.mean()), low, high))]
    if serving is not None:
        # What serves has learnt from all sessions of its day; only those after it judge both alike.
        later = asked.start > serving.learnt_until
        if _enough(asked.bought[later]):
            gained = (losses - log_losses(asked.bought, _chances(serving, paths, asked)))[later]
            low, high = _interval(gained, asked.shopper[later], seed)
            checks.append((low <= 0, _said(len(gained), serving.version, float(gained.mean()), low, high)))
        else:
            text = f"{int(later.sum())} sessions are later than what {serving.version} learnt from, too few to compare the two."
            checks.append((True, text))
    low, high = auc_interval(asked.bought, chance, asked.shopper, seed=seed)
    metrics: dict[str, float | int | str] = {
        "n": len(asked),
        "purchases": int(asked.bought.sum()),
        "auc": auc(asked.bought, chance),
        "auc_low": low,
        "auc_high": high,
        "log_loss": float(losses.mean()),
        "brier": brier(asked.bought, chance),
        "brier_of_rate": brier(asked.bought, rate),
        "ece": ece(asked.bought, chance),
    }
    reasons = [f"{'Holds' if holds else 'Fails'}: {text}" for holds, text in checks]
    return {"passed": all(holds for holds, _ in checks), "reasons": reasons}, metrics


def _enough(bought: NDArray[np.bool_]) -> bool:
    return len(bought) >= FEWEST_MOMENTS and int(bought.sum()) >= FEWEST_PURCHASES


def _said(count: int, rival: str, gained: float, low: float, high: float) -> str:
    return f"log loss on {count} held-out sessions less that of {rival} {gained:+.4f}, 95 % {low:+.4f} to {high:+.4f}."


def _chances(chain: PurchaseChain, paths: Sequence[ShopperPath], asked: Moments) -> Floats:
    last = [paths[who].tokens[at - 2 : at] for who, at in zip(asked.shopper, asked.place, strict=True)]
    return np.array([chain.table[first, second] for first, second in last])


def _interval(differences: Floats, shopper: NDArray[np.intp], seed: int) -> tuple[float, float]:
    """The 95 % interval of the mean, by a bootstrap of shoppers."""
    _, who = np.unique(shopper, return_inverse=True)
    sums, counts = np.bincount(who, differences), np.bincount(who)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(_REPLICATES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)
