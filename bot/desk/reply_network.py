"""The reply model as a torch module. Trainers import it; serving loads what was exported from it.

One network reads both sides, a conversation and a reply, into one space, and is told by the segments which of the two it has:

    conversation   [CLS] where is it ? [SEP] hi , how can i help ? [SEP]     segments 0 … 0 1 … 1
    reply          [CLS] it left on monday . [SEP]                           segments 3 … 3
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bot.desk.reply_encoder import REPLY
from bot.history import LAST_TURN
from bot.intent_network import mean_of

if TYPE_CHECKING:
    from transformers import BertModel

_FIRST_GATE = -1.0
"""Where the gate begins, before the sigmoid: the history counts about a quarter until training says otherwise."""


class ReplyNetwork(nn.Module):
    """A BERT encoder, a role embedding that is added to the word embeddings, and a gate for what was said before.

    vector = last turn + gate · history, both means of token states, scaled to length 1. The gate is one number a conversation,
    learnt from both means: a turn that says it all needs no history, "the second one" little else.
    """

    def __init__(self, encoder: BertModel | Any) -> None:
        super().__init__()
        dim = encoder.config.hidden_size
        self.encoder = encoder
        self.role = nn.Embedding(REPLY + 1, dim)
        self.gate = nn.Linear(2 * dim, 1)
        nn.init.zeros_(self.role.weight)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, _FIRST_GATE)

    def forward(self, inputs_embeds: Tensor, attention_mask: Tensor, segments: Tensor) -> Tensor:
        """Word embeddings (batch, tokens, dim), mask and segments (batch, tokens) → unit vectors (batch, dim)."""
        embeds = inputs_embeds + self.role(segments)
        states = self.encoder(inputs_embeds=embeds, attention_mask=attention_mask).last_hidden_state.float()
        present = attention_mask.to(states.dtype)
        own = present * ((segments == LAST_TURN) | (segments == REPLY)).to(states.dtype)  # (batch, tokens)
        turn, history = mean_of(states, own), mean_of(states, present - own)  # (batch, dim) each
        share = torch.sigmoid(self.gate(torch.cat([turn, history], dim=-1)))  # (batch, 1)
        return functional.normalize(turn + share * history, dim=-1)
