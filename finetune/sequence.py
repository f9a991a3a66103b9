"""`finetune sequence`: from who turned to what, in order, to a model of what they turn to next.

    read → hold shoppers apart → train → mix with the chain → score → write

By the protocol of `evaluate sequence` a shopper's last two items are never learnt from: the last is what the model is scored by. Of
a fifth of the shoppers the third last is kept from the network too, so that what chooses the epoch and the chain's share asks what
the score asks: to go on from an item that nobody knew the shopper would turn to. `refit_sequence` then learns from everything.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from finetune.evaluate_sequence import AT_ONCE, evaluate_sequence, gains, ranks, ranks_in
from finetune.export import complete_folder
from finetune.interactions import Interactions
from finetune.search_run import Tuned
from retrieval.sequence import KIND, Histories, SequenceFacts, SequenceModel, Transitions
from retrieval.sequence.transitions import Floats
from storage.errors import Conflict, InvalidInput
from storage.publish import read_manifest, write_manifest

if TYPE_CHECKING:
    from finetune.loop import Progress
    from finetune.sequence_network import TrainedNetwork
    from finetune.sequence_trainer import Recipe

FEWEST_SHOPPERS: Final = 20
"""So many shoppers with three items there have to be."""
_APART, _MOST_APART, _SCORED = 0.2, 5_000, 2_000
_TOLERANCE: Final = 0.001
_MOST_TARGETS: Final = 2_000_000
"""A run of default epochs predicts about so many items: on two cores that takes some ten minutes."""
_SHARES: Final = tuple(round(0.1 * step, 1) for step in range(11))
_RESAMPLES: Final = 1_000
BARS: Final = {"popularity": "popularity", "chain": "the Markov chain alone"}


Features = Callable[[Sequence[str]], Floats]
"""Ids of items → their features, (items, features)."""


@dataclass(frozen=True)
class _Split:
    """Histories by what may be learnt from them, of items numbered anew: those that occur in s[:-2]."""

    items: tuple[str, ...]
    all: Histories
    learnt: Histories
    trained: Histories
    apart: NDArray[np.int64]


def finetune_sequence(
    interactions: Interactions,
    output: Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    recipe: Recipe | None = None,
    features: Features | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Trains on s[:-2] of every shopper and writes the model folder, all or nothing.

    Args:
        interactions: who turned to what.
        output: the model folder, which must not hold anything yet.
        epochs: at most so many; by default as many as fit into some ten minutes, fourteen at most.
        seed: of everything drawn.
        recipe: settings other than the defaults; `epochs` and `seed` are taken from the arguments.
        features: what is known of items beside who turned to them, so that those to come have a place too.
        progress: called after every step.

    Raises:
        InvalidInput: too few shoppers turned to three items, or fewer epochs than one are asked for.
        Conflict: `output` is not empty.
        DivergedError: the loss became no number.
    """
    from finetune.checkpoint import Checkpoint
    from finetune.loop import is_main
    from finetune.sequence_trainer import train

    started = time.monotonic()
    split = _split(interactions, seed)
    recipe = _recipe(recipe, split.trained, epochs, seed)
    checkpoints = output.with_name(f".{output.name}.checkpoints")
    given = _of_items(features, split.items)
    checkpoint = Checkpoint(checkpoints / "network.safetensors", _fingerprint(split.trained, recipe, given))
    asked = split.learnt.take(split.apart)
    wanted = split.all.at_end(2)[split.apart]
    few = np.arange(min(_SCORED, len(split.apart)))
    chain = Transitions.of(split.trained, len(split.items))

    def score(network: TrainedNetwork) -> float:
        model = _model(split.items, network, chain, 0.0, recipe)
        return _ndcg(model.chances, asked.take(few), wanted[few])

    network, epoch = train(
        "train",
        split.trained,
        len(split.items),
        recipe,
        score,
        tolerance=_TOLERANCE,
        features=given,
        progress=progress,
        checkpoint=checkpoint,
    )
    if not is_main():  # of `accelerate launch`: it trained along, another process writes and says so
        return Tuned(output, time.monotonic() - started, {})
    share = _best_share(_model(split.items, network, chain, 0.0, recipe), asked, wanted)
    model = _model(split.items, network, Transitions.of(split.learnt, len(split.items)), share, recipe)
    metrics: dict[str, Any] = dict(evaluate_sequence(model, interactions))
    metrics |= {"share": share, "epochs": epoch}
    settings = asdict(recipe) | {"epochs": epoch}
    meta = {"recipe": settings, "gate": _gate(model, split, seed), "metrics": metrics, "users": len(split.learnt)}
    _write(model, output, meta)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Tuned(output, time.monotonic() - started, metrics)


def refit_sequence(
    interactions: Interactions,
    run: Path,
    output: Path,
    features: Features | None = None,
    progress: Progress | None = None,
) -> Tuned:
    """Trains anew on every interaction with the settings that a run found; its verdict goes along.

    Raises:
        NotFound, Damaged: `run` holds no complete model.
        Conflict: `run` is a refit model itself, or `output` is not empty.
    """
    from finetune.checkpoint import Checkpoint
    from finetune.loop import is_main
    from finetune.sequence_trainer import Recipe, train
    from retrieval.sequence import Shape

    started = time.monotonic()
    before = SequenceModel.load(run)
    if before.facts.refit:
        raise Conflict(f"{run} was refit already.", "Give the folder that finetune sequence --output wrote.")
    meta = read_manifest(run, KIND).meta
    recipe = Recipe(**(meta["recipe"] | {"shape": Shape(**meta["recipe"]["shape"])}))
    histories, items = interactions.histories, interactions.items
    checkpoints = output.with_name(f".{output.name}.checkpoints")
    given = _of_items(features, items)
    checkpoint = Checkpoint(checkpoints / "network.safetensors", _fingerprint(histories, recipe, given))
    network, _ = train("refit", histories, len(items), recipe, features=given, progress=progress, checkpoint=checkpoint)
    if not is_main():
        return Tuned(output, time.monotonic() - started, {})
    model = _model(items, network, Transitions.of(histories, len(items)), before.facts.share, recipe, refit=True)
    kept = {name: meta[name] for name in ("recipe", "gate", "metrics")}
    _write(model, output, kept | {"refit_of": run.name, "users": len(histories)})
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Tuned(output, time.monotonic() - started, meta["metrics"])


def _split(interactions: Interactions, seed: int) -> _Split:
    histories = interactions.histories
    lengths = histories.lengths
    judging = np.flatnonzero(lengths >= 3)
    if len(judging) < FEWEST_SHOPPERS:
        raise InvalidInput(
            f"{len(judging)} shoppers turned to three items or more; a sequence model needs {FEWEST_SHOPPERS}.",
            "Give more interactions, or wait until more have come.",
        )
    draw = np.random.default_rng(seed)
    count = min(_MOST_APART, round(_APART * len(judging)))
    apart = draw.permutation(judging)[:count]
    known = np.zeros(len(interactions.items), bool)
    known[histories.without_last(2).items] = True
    renumbered, items = _renumbered(histories, interactions.items, known)
    dropped = np.full(len(histories), 2)
    dropped[apart] = 3
    return _Split(items, renumbered, renumbered.without_last(2), renumbered.without_last(dropped), apart)


def _renumbered(
    histories: Histories, items: tuple[str, ...], known: NDArray[np.bool_]
) -> tuple[Histories, tuple[str, ...]]:
    """Histories by the numbers that known items have among themselves, -1 for others; and the ids of the known."""
    numbers = np.where(known, np.cumsum(known) - 1, -1)
    ids = tuple(item for item, is_known in zip(items, known.tolist(), strict=True) if is_known)
    return Histories(numbers[histories.items], histories.starts), ids


def _of_items(features: Features | None, items: Sequence[str]) -> Floats | None:
    found = features(items) if features else None
    return found if found is not None and found.any() else None


def _recipe(given: Recipe | None, trained: Histories, epochs: int | None, seed: int) -> Recipe:
    from finetune.sequence_trainer import Recipe

    if epochs is not None and epochs < 1:
        raise InvalidInput(f"{epochs} epochs train nothing.", "Give --epochs 1 or more.")
    recipe = given or Recipe()
    if epochs is None:
        targets = int(np.maximum(trained.lengths - 1, 0).sum())
        epochs = max(1, min(recipe.epochs, _MOST_TARGETS // max(1, targets)))
    return replace(recipe, epochs=epochs, seed=seed)


def _model(
    items: tuple[str, ...],
    network: TrainedNetwork,
    chain: Transitions,
    share: float,
    recipe: Recipe,
    refit: bool = False,
) -> SequenceModel:
    vectors, weights, projection = network.exported()
    return SequenceModel(items, vectors, weights, chain, SequenceFacts(recipe.shape, share, refit), projection)


def _ndcg(chances: Callable[[Histories], Floats], asked: Histories, wanted: NDArray[np.int64]) -> float:
    return float(gains(ranks(chances, asked, wanted)).mean())


def _best_share(model: SequenceModel, asked: Histories, wanted: NDArray[np.int64]) -> float:
    """The chain's share with the best NDCG@10: the middle of those that are as good, which errs least on other shoppers."""
    totals = np.zeros(len(_SHARES))
    for start in range(0, len(asked), AT_ONCE):
        users = np.arange(start, min(start + AT_ONCE, len(asked)))
        some = asked.take(users)
        network, chain = model.network_chances(some), model.chain.next(some)
        for place, share in enumerate(_SHARES):
            mixed = (1 - share) * network + share * chain
            totals[place] += gains(ranks_in(mixed, some, wanted[users])).sum()
    good = totals >= totals.max() - _TOLERANCE * len(asked)
    return round(float(np.mean(np.array(_SHARES)[good])), 2)


def _gate(model: SequenceModel, split: _Split, seed: int) -> dict[str, Any]:
    """Whether the model beats popularity and is not worse than its chain alone on every shopper's last item; a paired bootstrap."""
    longer = np.flatnonzero(split.all.lengths > 1)
    everything = split.all.take(longer)
    before = everything.without_last(1)
    before, wanted = before.kept(before.items >= 0), everything.at_end(1)
    popular = model.chain.popularity
    found = {
        "model": gains(ranks(model.chances, before, wanted)),
        "chain": gains(ranks(model.chain.next, before, wanted)),
        "popularity": gains(ranks(lambda some: np.tile(popular, (len(some), 1)), before, wanted)),
    }
    draw = np.random.default_rng(seed)
    reasons, passed = [], True
    for name in BARS:
        low, high = interval(found["model"] - found[name], draw)
        failed = low <= 0 if name == "popularity" else high < 0
        passed &= not failed
        says = f"NDCG@10 {found['model'].mean():.4f} against {found[name].mean():.4f} by {BARS[name]} ({low:+.4f} to {high:+.4f})."
        reasons.append(f"{'Fails' if failed else 'Holds'}: {says}")
    means = {name: float(each.mean()) for name, each in found.items()}
    return {"passed": passed, "reasons": reasons, "ndcg@10": means}


def interval(differences: NDArray[np.float64], draw: np.random.Generator) -> tuple[float, float]:
    """The 95 % interval of a mean, by a bootstrap over shoppers."""
    count = len(differences)
    means = [differences[draw.integers(count, size=count)].mean() for _ in range(_RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _write(model: SequenceModel, output: Path, meta: dict[str, Any]) -> None:
    with complete_folder(output) as folder:
        write_manifest(folder, KIND, model.save(folder) | meta)


def _fingerprint(histories: Histories, recipe: Recipe, features: Floats | None) -> str:
    digest = hashlib.sha256(json.dumps(asdict(recipe)).encode())
    digest.update(histories.items.tobytes())
    digest.update(histories.starts.tobytes())
    digest.update(b"" if features is None else features.tobytes())
    return digest.hexdigest()
