"""SASRec (Kang and McAuley 2018) as it serves: a causal transformer over the last items, in numpy.

One history is a few dozen rows of a hundred numbers, for which numpy is as fast as a runtime and needs no export. `finetune`
trains the same network in torch; a test compares the two. Unlike in the paper, items are compared by the cosine at a learnt
temperature, and positions are not embedded: the attention has a learnt bias by how far back an item lies, which is the same for a
short history as for a long one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storage.errors import Damaged

Floats = NDArray[np.float32]
_EPSILON: Final = 1e-5  # torch's default


@dataclass(frozen=True)
class Shape:
    """Sizes: vectors of `dim`, so many `layers` of so many `heads`, and the last `steps` items of a history."""

    dim: int = 128
    layers: int = 2
    heads: int = 2
    steps: int = 50


class SequenceNetwork:
    """Weights by the names that the trained module gives them."""

    def __init__(self, weights: Mapping[str, Floats], shape: Shape) -> None:
        """Raises `Damaged` where a weight is missing, has another shape than it should, or is no number."""
        self.shape = shape
        for name, expected in sizes(shape).items():
            found = weights.get(name)
            if found is None or found.shape != expected or not np.isfinite(found).all():
                raise Damaged(f"The weight {name} of the sequence model is not {expected}.", "Train it again.")
        self._weights = {name: np.asarray(each, np.float32) for name, each in weights.items()}

    def states(self, vectors: Floats, lengths: NDArray[np.int64]) -> Floats:
        """What each history asks for, as unit vectors (users, dim).

        Args:
            vectors: of the items of each history, oldest first, (users, steps, dim); what lies behind its end is ignored.
            lengths: of the histories, (users,), at least 1.
        """
        users, steps, dim = vectors.shape
        heads = self.shape.heads
        back = np.arange(steps)[:, None] - np.arange(steps)[None, :]  # (steps, steps): how far column lies before row
        states = self._norm("first", vectors)  # (users, steps, dim)
        for layer in range(self.shape.layers):
            name = f"blocks.{layer}"
            bias = np.where(back >= 0, self._weights[f"{name}.distance"][:, np.maximum(back, 0)], -np.inf)
            packed = self._linear(f"{name}.attend", self._norm(f"{name}.before", states))
            query, key, value = packed.reshape(users, steps, 3, heads, dim // heads).transpose(2, 0, 3, 1, 4)
            scores = query @ key.transpose(0, 1, 3, 2) / math.sqrt(dim // heads) + bias
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))  # (users, heads, steps, steps)
            weights /= weights.sum(axis=-1, keepdims=True)
            mixed = (weights @ value).transpose(0, 2, 1, 3).reshape(users, steps, dim)
            states = states + self._linear(f"{name}.mix", mixed)
            inner = _gelu(self._linear(f"{name}.widen", self._norm(f"{name}.between", states)))
            states = states + self._linear(f"{name}.narrow", inner)
        return unit(self._norm("last", states[np.arange(users), lengths - 1]))

    @property
    def sharpness(self) -> float:
        """What the cosine is multiplied by before the softmax."""
        return float(np.exp(self._weights["sharpness"]))

    def _linear(self, name: str, values: Floats) -> Floats:
        found: Floats = values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return found

    def _norm(self, name: str, values: Floats) -> Floats:
        centred = values - values.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + _EPSILON)
        found: Floats = centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return found


def sizes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """The shape of each weight, by name; the items' vectors are not among them."""
    dim = shape.dim
    found: dict[str, tuple[int, ...]] = {"sharpness": ()}
    for norm in ("first", "last"):
        found |= {f"{norm}.weight": (dim,), f"{norm}.bias": (dim,)}
    for name in (f"blocks.{layer}" for layer in range(shape.layers)):
        found[f"{name}.distance"] = (shape.heads, shape.steps)
        for norm in ("before", "between"):
            found |= {f"{name}.{norm}.weight": (dim,), f"{name}.{norm}.bias": (dim,)}
        for part, rows, columns in (
            ("attend", 3 * dim, dim),
            ("mix", dim, dim),
            ("widen", 4 * dim, dim),
            ("narrow", dim, 4 * dim),
        ):
            found |= {f"{name}.{part}.weight": (rows, columns), f"{name}.{part}.bias": (rows,)}
    return found


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1, (…, dim)."""
    found: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return found


def _gelu(values: Floats) -> Floats:
    """The tanh form (Hendrycks and Gimpel 2016)."""
    found: Floats = 0.5 * values * (1 + np.tanh(math.sqrt(2 / math.pi) * (values + 0.044715 * values**3)))
    return found
