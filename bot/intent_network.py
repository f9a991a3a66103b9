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
    the gate, and a conversation without history has zeros there.
    """

    def __init__(self, dim: int, labels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * dim, dim)
        self.hidden = nn.Linear(2 * dim, dim)
        self.output = nn.Linear(dim, labels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, attention_mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """States (batch, tokens, dim), mask and segments (batch, tokens) → logits (batch, labels), features (batch, dim)."""
        present = attention_mask.to(states.dtype)
        in_turn = present * (segments == LAST_TURN).to(states.dtype)  # (batch, tokens)
        turn = _mean(states, in_turn)  # (batch, dim)
        history = _mean(states, present - in_turn)  # (batch, dim), zeros without history
        both = torch.cat([turn, history], dim=-1)  # (batch, 2 dim)
        gated = torch.cat([turn, torch.sigmoid(self.gate(both)) * history], dim=-1)
        features = torch.tanh(self.hidden(self.dropout(gated)))  # (batch, dim)
        return self.output(self.dropout(features)), features


class IntentNetwork(nn.Module):
    """A BERT encoder, a role embedding that is added to the word embeddings, and the head."""

    def __init__(self, encoder: BertModel | Any, labels: int) -> None:
        super().__init__()
        dim = encoder.config.hidden_size
        self.encoder = encoder
        self.role = nn.Embedding(SEGMENTS, dim)
        nn.init.zeros_(self.role.weight)
        self.head = IntentHead(dim, labels)

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Word embeddings (batch, tokens, dim), mask and segments (batch, tokens) → logits, features."""
        embeds = inputs_embeds + self.role(segments)
        states = self.encoder(inputs_embeds=embeds, attention_mask=attention_mask).last_hidden_state
        logits, features = self.head(states, attention_mask, segments)
        return logits, features


def _mean(states: Tensor, weights: Tensor) -> Tensor:
    total = weights.sum(dim=1, keepdim=True).clamp(min=1.0)  # (batch, 1)
    return (states * weights.unsqueeze(-1)).sum(dim=1) / total
