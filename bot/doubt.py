"""How far a turn is from what the intent model was trained on. Plain numpy.

Four scores of one forward pass, higher is further out of scope; a fine-tuning run keeps the one that measures best:

    probability   1 - the top probability                                     Hendrycks & Gimpel 2017
    energy        -T · logsumexp(logits / T)                                  Liu et al. 2020
    neighbor      1 - the cosine to the nearest training turn's feature       Sun et al. 2022, with k = 1
    mahalanobis   the squared distance to the nearest class mean, whitened    Lee et al. 2018
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from storage.errors import Damaged

REFERENCE = "reference.safetensors"
"""The file beside an encoder that holds what the distances are measured to."""


@dataclass(frozen=True)
class Reference:
    """What distances are measured to; a score that needs a part finds it empty where the model keeps another score.

    neighbors: unit features of training turns (n, dim); whitening: (dim, dim), so that the training features around their class
    means have unit covariance; means: whitened class means (labels, dim).
    """

    neighbors: NDArray[np.float32]
    whitening: NDArray[np.float32]
    means: NDArray[np.float32]

    @classmethod
    def empty(cls) -> Reference:
        """For the scores that look at logits alone."""
        return cls(*(np.zeros((0, 0), np.float32) for _ in fields(cls)))

    def needed_by(self, score: str) -> Reference:
        """The parts that `score` reads, the others empty."""
        kept = {"neighbor": {"neighbors"}, "mahalanobis": {"whitening", "means"}}.get(score, set())
        nothing = np.zeros((0, 0), np.float32)
        return Reference(
            **{each.name: getattr(self, each.name) if each.name in kept else nothing for each in fields(self)}
        )

    def save(self, folder: Path) -> None:
        """Writes the file, unless there is nothing to keep; unit vectors lose nothing as float16."""
        from safetensors.numpy import save_file

        parts: dict[str, NDArray[np.floating]] = {
            "neighbors": self.neighbors.astype(np.float16),
            "whitening": self.whitening,
            "means": self.means,
        }
        kept = {name: np.ascontiguousarray(value) for name, value in parts.items() if value.size}
        if kept:
            save_file(kept, folder / REFERENCE)

    @classmethod
    def load(cls, folder: Path, score: str, dim: int) -> Reference:
        """Reads the file where `score` needs it.

        Raises:
            Damaged: it is missing, unreadable, or of another width than `dim`.

        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        if score not in ("neighbor", "mahalanobis"):
            return cls.empty()
        try:
            found = {name: value.astype(np.float32) for name, value in load_file(folder / REFERENCE).items()}
            reference = Reference(
                **{each.name: found.get(each.name, np.zeros((0, 0), np.float32)) for each in fields(cls)}
            )
        except (OSError, SafetensorError, TypeError) as error:
            raise Damaged(f"{folder / REFERENCE} cannot be used: {error}.", "Train the intent model again.") from error
        read = [reference.neighbors] if score == "neighbor" else [reference.whitening, reference.means]
        if any(part.shape[-1] != dim or not part.size for part in read):
            raise Damaged(f"{folder / REFERENCE} does not fit the score {score!r}.", "Train the intent model again.")
        return reference


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Probabilities of logits (n, labels)."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Independent probabilities of logits."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))


def unit(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """Features (n, dim) at length 1."""
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-9))


@dataclass(frozen=True)
class Outputs:
    """What a model says of n turns: probabilities and calibrated logits (n, labels), features (n, dim)."""

    probabilities: NDArray[np.floating]
    logits: NDArray[np.floating]
    features: NDArray[np.floating]


def _probability(outputs: Outputs, _: Reference) -> NDArray[np.floating]:
    return np.asarray(1 - outputs.probabilities.max(axis=-1))


def _energy(outputs: Outputs, _: Reference) -> NDArray[np.floating]:
    top = outputs.logits.max(axis=-1)
    return np.asarray(-(top + np.log(np.exp(outputs.logits - top[:, None]).sum(axis=-1))))


def _neighbor(outputs: Outputs, reference: Reference) -> NDArray[np.floating]:
    return np.asarray(1 - (unit(outputs.features) @ reference.neighbors.T).max(axis=-1))


def _mahalanobis(outputs: Outputs, reference: Reference) -> NDArray[np.floating]:
    white = outputs.features @ reference.whitening  # (n, dim)
    # |w - m|² by its terms: the differences themselves would be (n, labels, dim)
    squares = (white**2).sum(axis=-1)[:, None] - 2 * white @ reference.means.T + (reference.means**2).sum(axis=-1)
    return np.asarray(squares.min(axis=-1))


SCORES: Mapping[str, Callable[[Outputs, Reference], NDArray[np.floating]]] = {
    "probability": _probability,
    "energy": _energy,
    "neighbor": _neighbor,
    "mahalanobis": _mahalanobis,
}
"""Doubts (n,) by the name of the score."""
