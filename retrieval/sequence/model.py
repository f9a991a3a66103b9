"""The sequence model in its folder: a network and a Markov chain, whose chances are mixed.

The two err differently: the chain knows exactly what followed what but nothing of pairs that it has not seen, the network
generalizes. p = (1 - share) · p(network) + share · p(chain), with the share that was best for shoppers held out in training.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy import sparse

from retrieval.sequence.histories import Histories
from retrieval.sequence.network import SequenceNetwork, Shape, unit
from retrieval.sequence.transitions import Floats, Transitions
from storage.errors import Damaged, InvalidInput
from storage.publish import Versions, read_manifest

KIND: Final = "sequence"
_WEIGHTS, _ITEMS = "sequence.safetensors", "items.json"
_NETWORK, _CHAIN = "network.", "chain."
EXPLAINED: Final = 5
_AGAIN: Final = "Train it again, or roll back."


@dataclass(frozen=True)
class SequenceFacts:
    """What a manifest says of a model.

    `share` is the chain's in the mixture. A `refit` model has learnt from every interaction: nothing is left to score it by.
    """

    shape: Shape
    share: float
    refit: bool


class SequenceModel:
    """What comes next, over the items that it has learnt from: `items` are their ids, in the order of its columns."""

    def __init__(
        self,
        items: Sequence[str],
        vectors: Floats,
        weights: Mapping[str, Floats],
        chain: Transitions,
        facts: SequenceFacts,
        projection: Floats | None = None,
    ) -> None:
        """Puts a model together.

        Args:
            items: ids, each once.
            vectors: of the items, (items, dim).
            weights: the network's, as `network.sizes` names them.
            chain: over the same items.
            facts: sizes and share.
            projection: from an item's features to its vector, (dim, features), where the model has learnt from such.

        Raises:
            Damaged: the parts do not belong together.
        """
        self.items = tuple(items)
        self.vectors, self.weights, self.chain, self.facts, self.projection = vectors, weights, chain, facts, projection
        self.network = SequenceNetwork(weights, facts.shape)
        count = len(self.items)
        if vectors.shape != (count, facts.shape.dim) or chain.counts.shape != (count, count):
            raise Damaged(f"A sequence model of {count} items has vectors of shape {vectors.shape}.", _AGAIN)
        if not np.isfinite(vectors).all() or not 0 <= facts.share <= 1 or chain.popularity.shape != (count,):
            raise Damaged("The sequence model holds what is no number.", _AGAIN)
        self.places = {item: place for place, item in enumerate(self.items)}
        self._units = unit(vectors)
        self.version = ""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads a model folder.

        Raises:
            NotFound: there is none.
            Damaged: a file is missing, not what was published, or does not fit the others.
        """
        facts = _facts(folder, read_manifest(folder, KIND).meta)
        try:
            found = load_file(folder / _WEIGHTS)
            items = json.loads((folder / _ITEMS).read_text(encoding="utf-8"))
            shape = (len(items), len(items))
            counts = sparse.csr_matrix(tuple(found[f"{_CHAIN}{name}"] for name in ("data", "indices", "indptr")), shape)
            counts.check_format()
            chain = Transitions(counts, found[f"{_CHAIN}popularity"])
            network = {name.removeprefix(_NETWORK): each for name, each in found.items() if name.startswith(_NETWORK)}
            model = cls(items, found["vectors"], network, chain, facts, found.get("projection"))
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{folder} holds no sequence model: {type(error).__name__}: {error}.", _AGAIN) from error
        model.version = folder.name
        return model

    def require_scorable(self) -> None:
        """Raises `InvalidInput` for a model that has learnt from every interaction, so that none is left to score it by."""
        if self.facts.refit:
            raise InvalidInput(
                f"The model {self.version} was refit on every interaction, so none is left to score it by.",
                "Give the folder that finetune sequence --output wrote.",
            )

    def save(self, folder: Path) -> dict[str, Any]:
        """Writes the files; returns what the manifest has to say beside."""
        counts = self.chain.counts
        arrays = {f"{_NETWORK}{name}": np.array(each, order="C") for name, each in self.weights.items()}
        arrays |= {"vectors": self.vectors, f"{_CHAIN}popularity": self.chain.popularity}
        arrays |= {f"{_CHAIN}{name}": getattr(counts, name) for name in ("data", "indices", "indptr")}
        if self.projection is not None:
            arrays["projection"] = self.projection
        save_file(arrays, folder / _WEIGHTS)
        (folder / _ITEMS).write_text(json.dumps(self.items, ensure_ascii=False), encoding="utf-8")
        return asdict(self.facts)

    def chances(self, histories: Histories) -> Floats:
        """How likely each item comes next, (users, items), rows that sum to 1.

        Histories are of this model's item numbers, oldest first; an empty one gets popularity.
        """
        found = self.chain.next(histories)
        known = np.flatnonzero(histories.lengths > 0)
        if len(known) and self.facts.share < 1:
            found[known] *= self.facts.share
            found[known] += (1 - self.facts.share) * self.network_chances(histories.take(known))
        return found

    def network_chances(self, histories: Histories) -> Floats:
        """The network's part, (users, items); no history may be empty."""
        places, lengths = histories.latest(self.facts.shape.steps).padded()
        asked = self.network.states(self.vectors[places], lengths)
        scores = self.network.sharpness * (asked @ self._units.T)  # (users, items)
        scores -= scores.max(axis=1, keepdims=True)
        chances: Floats = np.exp(scores, out=scores)
        chances /= chances.sum(axis=1, keepdims=True)
        return chances

    def history(self, items: Sequence[str]) -> Histories:
        """One shopper's history from ids, oldest first; ids that the model does not know are passed over."""
        return Histories.of([[self.places[item] for item in items if item in self.places]])

    def why(self, items: Sequence[str], wanted: Sequence[str]) -> list[list[tuple[str, float]]]:
        """What of a history speaks for each of some items, by deletion: ids, and by what factor the chance falls without them.

        `[[("a", 3.2), ("b", 1.1)], []]`: without a the chance of the first would be 3.2 times less. Strongest first, only what is
        above 1. The last `EXPLAINED` items are left out in turn; those before never speak.

        Args:
            items: the history's ids, oldest first.
            wanted: ids of the model's items.
        """
        everything = self.history(items)[0].tolist()
        left_out = list(dict.fromkeys(everything[::-1]))[:EXPLAINED]
        kept = [[place for place in everything if place != without] for without in left_out]
        columns = [self.places[item] for item in wanted]
        chances = self.chances(Histories.of([everything, *kept]))[:, columns]  # (1 + left out, wanted)
        factors = chances[:1] / np.maximum(chances[1:], 1e-12)  # (left out, wanted)
        return [
            sorted(
                (
                    (self.items[place], float(factor))
                    for place, factor in zip(left_out, column, strict=True)
                    if factor > 1
                ),
                key=lambda each: -each[1],
            )
            for column in factors.T
        ]

    def grown(self, items: Sequence[str], features: Floats) -> SequenceModel:
        """This model with items that it has not learnt from, placed by their features (new items, features)."""
        if self.projection is None:
            return self
        fresh = [place for place, item in enumerate(items) if item not in self.places]
        vectors = np.concatenate([self.vectors, features[fresh] @ self.projection.T])
        count = len(vectors)
        counts = self.chain.counts.copy()
        counts.resize(count, count)
        popularity = np.concatenate([self.chain.popularity, np.zeros(len(fresh), np.float32)])
        names = [*self.items, *(items[place] for place in fresh)]
        grown = SequenceModel(
            names, vectors, self.weights, Transitions(counts, popularity), self.facts, self.projection
        )
        grown.version = self.version
        return grown


def load_sequence(folder: Path) -> SequenceModel:
    """The model in `folder`, which has answered once; raises `NotFound` or `Damaged`."""
    model = SequenceModel.load(folder)
    if not np.isfinite(model.chances(Histories.of([[0]]))).all():
        raise Damaged(f"The sequence model in {folder} answers with no number.", _AGAIN)
    return model


def sequence_versions(shop: Path) -> Versions:
    """The sequence models of a shop's folder."""
    return Versions(shop / "models" / KIND, KIND)


def _facts(folder: Path, meta: Mapping[str, Any]) -> SequenceFacts:
    """The facts in a manifest; raises `Damaged` where they are none."""
    try:
        shape = Shape(**{field.name: int(meta["shape"][field.name]) for field in fields(Shape)})
        facts = SequenceFacts(shape, float(meta["share"]), meta["refit"] is True)
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{folder} has a manifest that is not a sequence model's: {error}.", _AGAIN) from error
    if min(asdict(shape).values()) < 1 or shape.dim % shape.heads or not math.isfinite(facts.share):
        raise Damaged(f"{folder} has a sequence model of {shape}.", _AGAIN)
    return facts
