"""Building the torch network to train: base weights, method, optimizer groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bot.intent_network import IntentNetwork
from storage.errors import InvalidInput

if TYPE_CHECKING:
    from index.pretrained import Pretrained

METHODS = ("full", "lora", "head")
BASES = {"latin": "minilm", "han": "e5"}
LANGUAGE_MODEL = "language-model"
"""The kind of the folders that `finetune language-model` writes."""

LORA_RANK = 16
LORA_ALPHA = 32
LORA_TARGETS = ("query", "key", "value", "dense")
"""Attention and feed-forward, by the names in `BertModel`."""


def load_base(space: str, base_model: str | None) -> Pretrained:
    """The encoder to start from: what `base_model` names (`finetune.other_base`), or the packaged one of the script.

    A base that `finetune language-model` made of texts in one script is for that script alone: the other has its packaged one.

    Raises:
        NotFound: there is no such model.
        Damaged: weights are missing, or a file of a folder with a manifest is not what was written.
        InvalidInput: the model is of a kind that cannot be trained here.

    """
    from finetune.other_base import load_other, space_of
    from index.pretrained import load_pretrained

    if base_model is None or space_of(base_model) not in (None, space):
        return load_pretrained(BASES[space])
    return load_other(base_model)


def build_network(base: Pretrained, labels: int, method: str) -> IntentNetwork:
    """The network with the weights that `method` trains unfrozen.

    The word embeddings stay frozen in every method: they are half of MiniLM's and most of e5's weights, a shop's log
    touches few of them, and an untouched table is shared with the search encoder.
    """
    if method not in METHODS:
        raise InvalidInput(f"The method {method!r} is unknown.", f"Choose one of {', '.join(METHODS)}.")
    encoder: Any = base.model
    attend_eagerly(encoder)
    for parameter in encoder.parameters():
        parameter.requires_grad_(method == "full")
    encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    if encoder.pooler is not None:
        encoder.pooler.requires_grad_(False)  # nothing here reads it
    if method == "lora":
        encoder = add_lora(encoder)
    return IntentNetwork(encoder, labels)


def attend_eagerly(encoder: nn.Module) -> None:
    """Attention as plain products without dropout inside: on a CPU a step takes a quarter less time at 90 tokens.

    There the fused kernel's backward pass is the slower one, and drawing a mask over (tokens, tokens) a head takes a sixth of
    the step. Dropout on what leaves a layer stays.
    """
    model: Any = encoder
    model.set_attn_implementation("eager")
    inside: list[Any] = [each for name, each in model.named_modules() if name.endswith("attention.self.dropout")]
    for dropout in inside:
        dropout.p = 0.0


def add_lora(encoder: nn.Module) -> nn.Module:
    """The encoder with low-rank adapters on attention and feed-forward (Hu et al. 2021)."""
    import peft

    config = peft.LoraConfig(r=LORA_RANK, lora_alpha=LORA_ALPHA, lora_dropout=0.05, target_modules=list(LORA_TARGETS))
    adapted: nn.Module = peft.get_peft_model(encoder, config)
    return adapted


def word_embeddings(network: IntentNetwork) -> nn.Module:
    """The table that turns token ids into vectors (also under adapters)."""
    encoder: Any = network.encoder
    table: nn.Module = encoder.get_input_embeddings()
    return table


def adapter_state(network: IntentNetwork) -> dict[str, torch.Tensor]:
    """The trained low-rank matrices by name; empty where there are none."""
    return {name: value for name, value in network.encoder.state_dict().items() if "lora_" in name}


def head_state(network: IntentNetwork) -> dict[str, torch.Tensor]:
    """The trained weights outside the encoder by name."""
    return {name: value for name, value in network.state_dict().items() if not name.startswith("encoder.")}


def parameter_groups(network: nn.Module, rate: float, head_rate: float) -> list[dict[str, Any]]:
    """Encoder and head with their learning rates; biases and norms without weight decay."""
    return _groups(network, rate, inside=True) + _groups(network, head_rate, inside=False)


def _groups(network: nn.Module, rate: float, *, inside: bool) -> list[dict[str, Any]]:
    found = [(list(_trained(network, inside, decayed)), decayed) for decayed in (True, False)]
    return [
        {"params": parameters, "lr": rate, "weight_decay": 0.01 if decayed else 0.0}
        for parameters, decayed in found
        if parameters
    ]


def _trained(network: nn.Module, inside: bool, decayed: bool) -> Iterator[nn.Parameter]:
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and name.startswith("encoder.") == inside and (parameter.ndim > 1) == decayed:
            yield parameter
