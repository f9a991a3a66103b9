"""What a shop would otherwise train on its log: peers of `finetune intent`, each from the last turn alone.

Turns without an in-scope label are left out of their training. A turn with several golds counts for its first.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.intent_sets import Row
from index.encoders import encoder_for
from index.pretrained import load_pretrained

FEW_TURNS = 5_000
"""Turns below which the fine-tune gets 20 epochs instead of 3 (Mosbach et al., "On the Stability of Fine-tuning BERT", 2021)."""

_OUT_OF_SCOPE = "oos"


@dataclass(frozen=True)
class Turn:
    """A labelled user turn: what is said, its golds (none where it is out of scope), and whether it is for validation."""

    text: str
    golds: tuple[str, ...]
    held: bool


def turns_of(rows: Sequence[Row]) -> list[Turn]:
    """The labelled user turns of dialogues."""
    return [
        Turn(
            message["content"],
            tuple(name for name in message["intents"] if name != _OUT_OF_SCOPE),
            row.get("split") == "validation",
        )
        for row in rows
        for message in row["messages"]
        if message["role"] == "user" and message.get("intents")
    ]


def linear(training: Sequence[Turn], test: Sequence[Turn], _: int) -> NDArray[np.str_]:
    """Words and word pairs by TF-IDF, a linear support vector machine."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    han = any("\u4e00" <= letter <= "\u9fff" for turn in training[:100] for letter in turn.text)
    words = TfidfVectorizer(analyzer="char", ngram_range=(1, 4)) if han else TfidfVectorizer(ngram_range=(1, 2))
    model = make_pipeline(words, LinearSVC())
    return np.asarray(model.fit(*_texts(training)).predict([turn.text for turn in test]))


def frozen(training: Sequence[Turn], test: Sequence[Turn], _: int) -> NDArray[np.str_]:
    """MiniLM's vectors as they come, logistic regression."""
    from sklearn.linear_model import LogisticRegression

    texts, labels = _texts(training)
    with tempfile.TemporaryDirectory() as cache:
        encoder = encoder_for("latin", Path(cache))
        known, asked = (encoder.encode_documents(each) for each in (texts, [turn.text for turn in test]))
    return np.asarray(LogisticRegression(C=30, max_iter=1000).fit(known, labels).predict(asked))


def plain(training: Sequence[Turn], test: Sequence[Turn], seed: int) -> NDArray[np.str_]:
    """The same encoder and a linear head on its mean, fine-tuned with `transformers.Trainer`: AdamW at 1e-4, batches of 32."""
    from transformers import Trainer, TrainingArguments, set_seed

    set_seed(seed)
    texts, names = _texts(training)
    labels = sorted(set(names))
    base = load_pretrained("minilm")
    items = [
        {"ids": base.tokenizer.encode(text).ids[:128], "label": labels.index(name)}
        for text, name in zip(texts, names, strict=True)
    ]
    model = MeanClassifier(base.model, len(labels))
    with tempfile.TemporaryDirectory() as place:
        arguments = TrainingArguments(
            place,
            num_train_epochs=20 if len(items) < FEW_TURNS else 3,
            per_device_train_batch_size=32,
            learning_rate=1e-4,
            warmup_steps=0.1,
            save_strategy="no",
            report_to=[],
            remove_unused_columns=False,
            seed=seed,
            disable_tqdm=True,
        )
        Trainer(model, arguments, train_dataset=items, data_collator=lambda rows: padded(rows, base.pad_id)).train()
    model.eval()
    found: list[int] = []
    with torch.inference_mode():
        for start in range(0, len(test), 64):
            asked = [
                {"ids": base.tokenizer.encode(turn.text).ids[:128], "label": 0} for turn in test[start : start + 64]
            ]
            found += model(**padded(asked, base.pad_id))["logits"].argmax(dim=-1).tolist()
    return np.array([labels[each] for each in found])


class MeanClassifier(torch.nn.Module):
    """An encoder and a linear layer on the mean of its token states."""

    def __init__(self, encoder: Any, labels: int) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(True)
        self.dropout = torch.nn.Dropout(0.1)
        self.output = torch.nn.Linear(encoder.config.hidden_size, labels)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Ids and mask (batch, tokens), labels (batch,) → loss, logits (batch, labels)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        weights = attention_mask.unsqueeze(-1).to(states.dtype)  # (batch, tokens, 1)
        logits = self.output(self.dropout((states * weights).sum(dim=1) / weights.sum(dim=1)))
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


def padded(rows: Sequence[Mapping[str, Any]], pad_id: int, width: int | None = None) -> dict[str, torch.Tensor]:
    """A batch padded to `width`, or to its longest row."""
    width = width or max(len(row["ids"]) for row in rows)
    ids = torch.full((len(rows), width), pad_id)
    mask = torch.zeros((len(rows), width), dtype=torch.int64)
    for at, row in enumerate(rows):
        ids[at, : len(row["ids"])] = torch.tensor(row["ids"])
        mask[at, : len(row["ids"])] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([row["label"] for row in rows])}


PEERS: Mapping[str, Callable[[Sequence[Turn], Sequence[Turn], int], NDArray[np.str_]]] = {
    "linear SVM on words": linear,
    "frozen MiniLM, logistic regression": frozen,
    "MiniLM, plain fine-tune": plain,
}


def scores(predicted: NDArray[np.str_], test: Sequence[Turn]) -> dict[str, float]:
    """Accuracy and macro-F1 over in-scope turns, any of several golds being right."""
    from sklearn.metrics import f1_score

    inside = [(str(label), turn.golds) for label, turn in zip(predicted, test, strict=True) if turn.golds]
    golds = [label if label in names else names[0] for label, names in inside]
    found = [label for label, _ in inside]
    known = sorted({name for _, names in inside for name in names})
    return {
        "accuracy": float(np.mean([gold == label for gold, label in zip(golds, found, strict=True)])),
        "macro_f1": float(f1_score(golds, found, labels=known, average="macro", zero_division=0)),
    }


def _texts(turns: Sequence[Turn]) -> tuple[list[str], list[str]]:
    kept = [turn for turn in turns if turn.golds and not turn.held]
    return [turn.text for turn in kept], [turn.golds[0] for turn in kept]
