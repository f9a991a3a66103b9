"""The network of `retrieval.sequence` as it is trained: the same layers in torch, with dropout.

The loss is the cross-entropy of the next item among all, or among a sample of them in a large catalog, over cosines at a learnt
temperature: more than on the architecture a sequence model's quality hangs on its loss (Klenitskiy and Vasilev 2023). Items begin
at the factors of what was seen together (Levy and Goldberg 2014), so that a dozen epochs do.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds
from torch import Tensor, nn
from torch.nn import functional

from retrieval.sequence import Histories, Shape
from retrieval.sequence.transitions import Floats, pair_counts

_SHARPNESS: Final = 1 / 0.07
_SCALE: Final = 0.02
_ATTENTION_DROPOUT: Final = 0.4  # of that of the rest
_NEAR, _NEAR_FADE = 10, 0.7


class Block(nn.Module):
    """A pre-norm transformer layer; its attention adds a bias by how far back an item lies."""

    def __init__(self, shape: Shape, dropout: float) -> None:
        super().__init__()
        dim = shape.dim
        self.heads, self.dropout = shape.heads, dropout
        self.before, self.between = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attend, self.mix = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.widen, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.distance = nn.Parameter(torch.zeros(shape.heads, shape.steps))

    def forward(self, states: Tensor, back: Tensor, future: Tensor) -> Tensor:
        """States (users, steps, dim), distances back (steps, steps) and -inf where there is only the future → states."""
        users, steps, dim = states.shape
        packed = self.attend(self.before(states)).view(users, steps, 3, self.heads, dim // self.heads)
        query, key, value = packed.permute(2, 0, 3, 1, 4)  # (users, heads, steps, dim / heads) each
        dropout = _ATTENTION_DROPOUT * self.dropout if self.training else 0.0
        bias = self.distance[:, back] + future  # (heads, steps, steps)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        states = states + self._drop(self.mix(mixed.transpose(1, 2).reshape(users, steps, dim)))
        inner = self._drop(functional.gelu(self.widen(self.between(states)), approximate="tanh"))
        return states + self._drop(self.narrow(inner))

    def _drop(self, values: Tensor) -> Tensor:
        return functional.dropout(values, self.dropout, self.training)


class TrainedNetwork(nn.Module):
    """Items, layers and temperature; `features` (items, features), where given, place an item beside what its history says."""

    def __init__(self, vectors: Tensor, shape: Shape, dropout: float, features: Tensor | None = None) -> None:
        super().__init__()
        self.items = nn.Parameter(vectors)
        self.first, self.last = nn.LayerNorm(shape.dim), nn.LayerNorm(shape.dim)
        self.blocks = nn.ModuleList(Block(shape, dropout) for _ in range(shape.layers))
        self.sharpness = nn.Parameter(torch.tensor(math.log(_SHARPNESS)))
        self.dropout = dropout
        self.register_buffer("features", features, persistent=False)
        self.project = None
        if features is not None:
            self.project = nn.Linear(features.shape[1], shape.dim, bias=False)
            nn.init.normal_(self.project.weight, std=_SCALE)

    def vectors(self, own: Tensor | None = None) -> Tensor:
        """Of all items, (items, dim); `own` (items, 1) says whose own vector is left out, so that its features have to do."""
        if self.project is None:
            return self.items
        placed: Tensor = self.project(self.features)
        return placed + (self.items if own is None else own * self.items)

    def forward(self, places: Tensor, targets: Tensor, own: Tensor | None, sample: Tensor | None) -> Tensor:
        """Mean cross-entropy of what came next.

        Args:
            places: histories padded behind, (users, steps).
            targets: what came next at each step, (users, steps); -1 where nothing is asked.
            own: as `vectors` takes it.
            sample: the items to tell the next one from, (sampled,); all where left out.
        """
        vectors = self.vectors(own)
        asked = targets >= 0
        states, wanted = self.states(vectors, places)[asked], targets[asked]  # (asked, dim), (asked,)
        if sample is None:
            scores = self.sharpness.exp() * (states @ functional.normalize(vectors, dim=-1).T)  # (asked, items)
            return functional.cross_entropy(scores.float(), wanted)
        true = (states * functional.normalize(vectors[wanted], dim=-1)).sum(dim=-1, keepdim=True)  # (asked, 1)
        others = self.sharpness.exp() * (states @ functional.normalize(vectors[sample], dim=-1).T)  # (asked, sampled)
        others = others.masked_fill(sample[None, :] == wanted[:, None], -math.inf)
        scores = torch.cat([self.sharpness.exp() * true, others], dim=1)
        return functional.cross_entropy(scores.float(), torch.zeros_like(wanted))

    def states(self, vectors: Tensor, places: Tensor) -> Tensor:
        """What each history asks for after each step, as unit vectors (users, steps, dim), by vectors of all items (items, dim)."""
        steps = torch.arange(places.shape[1], device=places.device)
        back = (steps[:, None] - steps[None, :]).clamp(min=0)
        future = torch.full((len(steps), len(steps)), -math.inf, device=places.device).triu(1)
        states = functional.dropout(self.first(vectors[places]), self.dropout, self.training)
        for block in self.blocks:
            states = block(states, back, future)
        return functional.normalize(self.last(states), dim=-1)

    def exported(self) -> tuple[Floats, dict[str, Floats], Floats | None]:
        """Items' vectors, the network's weights as serving names them, and the features' projection."""
        with torch.no_grad():
            vectors = self.vectors().float().cpu().numpy()
        inner = ("items", "project.")
        state = {
            name: each.float().cpu().numpy() for name, each in self.state_dict().items() if not name.startswith(inner)
        }
        projection = None if self.project is None else self.project.weight.detach().float().cpu().numpy()
        return vectors, state, projection


def first_vectors(histories: Histories, items: int, dim: int, seed: int) -> Tensor:
    """Factors of the damped, logarithmic counts of what was seen together, and a little noise; (items, dim)."""
    together = pair_counts(histories, items, _NEAR, _NEAR_FADE)
    together = sparse.csr_matrix(together + together.T)
    seen = sparse.diags_array(np.maximum(np.bincount(histories.items, minlength=items), 1) ** -0.5)
    together = sparse.csr_matrix(seen @ together @ seen)
    together.data = np.log1p(10 * together.data)
    factors: NDArray[np.floating] = np.zeros((items, dim))
    rank = min(dim, items - 1)
    if together.nnz and rank > 0:
        left, values, _ = svds(together, rank, random_state=seed)
        order = np.argsort(-values)
        factors[:, :rank] = left[:, order] * np.sqrt(values[order])
        factors *= _SCALE / max(float(factors.std()), 1e-12)
    noise = np.random.default_rng(seed).normal(scale=0.25 * _SCALE, size=factors.shape)
    return torch.tensor(factors + noise, dtype=torch.float32)
