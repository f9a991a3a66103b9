"""Base models of two small layers and forty words: what they learn is little, but a run through all its parts takes seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from finetune.network import LANGUAGE_MODEL
from storage.publish import write_manifest

WORDS = 40
TINY: dict[str, Any] = {
    "vocab_size": 48,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
BERT, ROBERTA = ("[PAD]", "[UNK]", "[CLS]", "[SEP]"), ("<s>", "<pad>", "</s>", "<unk>")


def word(number: int) -> str:
    """A word of the tokenizer. It has no digits, which are all alike to the search for dialogues that repeat each other."""
    return f"word{chr(97 + number // 26)}{chr(97 + number % 26)}"


def write_tokenizer(folder: Path, special: tuple[str, ...] = BERT, words: int = WORDS) -> None:
    """A tokenizer of so many words and the special tokens before them."""
    vocabulary = {token: number for number, token in enumerate([*special, *map(word, range(words))])}
    tokenizer = Tokenizer(
        models.WordLevel(vocabulary, unk_token=next(each for each in special if "unk" in each.lower()))
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(list(special))
    numbers = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]") if token in vocabulary]
    if len(numbers) == 2:
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=numbers)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))


def language_model(folder: Path, space: str | None) -> str:
    """A base as `finetune language-model` writes it."""
    torch.manual_seed(0)
    BertModel(BertConfig(**TINY)).save_pretrained(folder)
    write_tokenizer(folder)
    write_manifest(folder, LANGUAGE_MODEL, {"space": space, "embeddings": ""})
    return str(folder)
