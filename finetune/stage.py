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

from finetune.chances import auc, auc_interval, brier, ece, log_losses
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
        serving: what serves now. It may have learnt from the sessions that judge, which is to its advantage.
        seed: of the bootstrap.

    Raises:
        InvalidInput: too few sessions or purchases to judge by.
        Conflict: `output` is not empty.
    """
    started = time.monotonic()
    paths = list(known.values())
    since = _split(paths)
    asked = moments(paths, [ASKED], since, _EVER)
    if len(asked) < FEWEST_MOMENTS or asked.bought.sum() < FEWEST_PURCHASES:
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
    return PurchaseChain.fit((path.tokens, path.follows) for path in paths)


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
    rivals = {"the purchase rate": rate}
    if serving is not None:
        rivals[f"{serving.version}, which serves,"] = _chances(serving, paths, asked)
    checks = []
    for name, other in rivals.items():
        theirs = log_losses(asked.bought, other)
        low, high = _interval(losses - theirs, asked.shopper, seed)
        # The rate must be beaten; what serves may be equalled: the new one has seen later weeks.
        holds = high < 0 if other is rate else low <= 0
        text = (
            f"log loss on {len(asked)} held-out sessions {losses.mean():.4f}, {name} {theirs.mean():.4f}, "
            f"difference 95 % {low:+.4f} to {high:+.4f}."
        )
        checks.append((holds, text))
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


def _chances(
    chain: PurchaseChain, paths: Sequence[ShopperPath], asked: Moments
) -> np.ndarray[Any, np.dtype[np.float64]]:
    last = [paths[who].tokens[at - 2 : at] for who, at in zip(asked.shopper, asked.place, strict=True)]
    return np.array([chain.table[first, second] for first, second in last])


def _interval(differences: np.ndarray[Any, np.dtype[np.float64]], shopper: Any, seed: int) -> tuple[float, float]:
    """The 95 % interval of the mean, by a bootstrap of shoppers."""
    _, who = np.unique(shopper, return_inverse=True)
    sums, counts = np.bincount(who, differences), np.bincount(who)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(_REPLICATES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), (0.025, 0.975))
    return float(low), float(high)
