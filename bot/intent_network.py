"""The intent classifier as a torch module. Trainers import it; serving loads what was exported from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bot.history import LAST_TURN, SEGMENTS

if TYPE_CHECKING:
    from transformers import BertModel


class IntentHead(nn.Module):
    """Logits from the encoder's token states, the last turn pooled apart from the history.

    features = [mean of the last turn ; gate · mean of the history], so that a model for which history is no use can close
    the gate. `center` and `scale` standardise both means: an encoder's vectors of all texts point nearly one way (e5's have a
    cosine of .8 to each other), and a head that sees them as they are learns several times slower.
    """

    def __init__(self, dim: int, labels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.center: Tensor
        self.scale: Tensor
        self.register_buffer("center", torch.zeros(2 * dim))
        self.register_buffer("scale", torch.ones(2 * dim))
        self.gate = nn.Linear(2 * dim, dim)
        self.hidden = nn.Linear(2 * dim, dim)
        self.output = nn.Linear(dim, labels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, attention_mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """States (batch, tokens, dim), mask and segments (batch, tokens) → logits (batch, labels), features (batch, dim)."""
        both = (self.pooled(states, attention_mask, segments) - self.center) / self.scale
        turn, history = both.chunk(2, dim=-1)  # (batch, dim) each
        gated = torch.cat([turn, torch.sigmoid(self.gate(both)) * history], dim=-1)
        features = torch.tanh(self.hidden(self.dropout(gated)))  # (batch, dim)
        return self.output(self.dropout(features)), features

    def pooled(self, states: Tensor, attention_mask: Tensor, segments: Tensor) -> Tensor:
        """The means of the last turn and of the history, the latter zeros where there is none: (batch, 2 dim)."""
        present = attention_mask.to(states.dtype)
        in_turn = present * (segments == LAST_TURN).to(states.dtype)  # (batch, tokens)
        return torch.cat([mean_of(states, in_turn), mean_of(states, present - in_turn)], dim=-1)


class IntentNetwork(nn.Module):
    """A BERT encoder, a role embedding that is added to the word embeddings, and the head."""

    def __init__(self, encoder: BertModel | Any, labels: int) -> None:
        super().__init__()
        dim = encoder.config.hidden_size
        self.encoder = encoder
        self.role = nn.Embedding(SEGMENTS, dim)
        nn.init.zeros_(self.role.weight)
        self.head = IntentHead(dim, labels)

    def states(self, inputs_embeds: Tensor, attention_mask: Tensor, segments: Tensor) -> Tensor:
        """The encoder's states (batch, tokens, dim) of word embeddings with their roles added."""
        embeds = inputs_embeds + self.role(segments)
        states: Tensor = self.encoder(inputs_embeds=embeds, attention_mask=attention_mask).last_hidden_state
        return states

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Word embeddings (batch, tokens, dim), mask and segments (batch, tokens) → logits, features."""
        states = self.states(inputs_embeds, attention_mask, segments)
        logits, features = self.head(states, attention_mask, segments)
        return logits, features


def mean_of(states: Tensor, weights: Tensor) -> Tensor:
    """The mean (batch, dim) of states (batch, tokens, dim) weighted by (batch, tokens); zeros where all weights are."""
    total = weights.sum(dim=1, keepdim=True).clamp(min=1.0)  # (batch, 1)
    return (states * weights.unsqueeze(-1)).sum(dim=1) / total
