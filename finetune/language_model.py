"""`finetune language-model`: from a shop's texts to a base model that knows its words (Gururangan et al. 2020).

A masked language model over product texts and dialogues. What comes out is a folder for `--base-model`: an encoder of one
script with its tokenizer. The head that guessed the hidden pieces is not kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from finetune.export import REJECTED, complete_folder
from finetune.masking import FEWEST_PIECES, WINDOW, Masker, Window, windows_of
from finetune.texts import TextReading
from index.encoders import Script
from storage.errors import InvalidInput
from storage.publish import Versions, write_manifest
from storage.redaction import redact
from storage.rows import Rejects

if TYPE_CHECKING:
    from finetune.checkpoint import Checkpoint
    from finetune.language_trainer import Progress, Recipe, Trained
    from index.pretrained import Pretrained

FEWEST_TEXTS = 50
MOST_EPOCHS = 50

_PARAMETER_TOKENS = 1.2e13
"""Weights of the encoder's layers times tokens of a run without `epochs`: what two cores train on in ten minutes."""

_HELD_OUT, _FEWEST_HELD_OUT, _MOST_HELD_OUT = 0.05, 10, 1_000
_MASKS = ("[MASK]", "<mask>")


class Metrics(TypedDict):
    """What a run prints: texts and tokens (once each) trained on; loss in nats and share guessed, of held-out texts."""

    n_texts: int
    n_tokens: int
    loss_before: float
    loss_after: float
    masked_accuracy_before: float
    masked_accuracy_after: float


@dataclass(frozen=True)
class Pretraining:
    """What a run gives: the folder, how long it took, and the metrics."""

    model_dir: Path
    seconds: float
    metrics: Metrics


def language_model_versions(shop: Path) -> Versions:
    """The language models of a shop's folder; none of them is served, so none is the current one."""
    from finetune.network import LANGUAGE_MODEL

    return Versions(shop / "models" / LANGUAGE_MODEL, LANGUAGE_MODEL)


def finetune_language_model(
    reading: TextReading,
    output: Path,
    *,
    base_model: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    rejected: Path | None = None,
    max_rejected: float = 0.01,
    notice: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
) -> Pretraining:
    """Trains a base model on texts and writes it to `output`, all or nothing.

    Args:
        reading: the texts; without `base_model` those of the script that most are in are taken.
        output: the model folder, which must not hold anything yet.
        base_model: a folder or Hugging Face id in place of the packaged encoder; it then reads every script, unless this wrote
            it for one.
        epochs: at most so many; it stops early when the held-out loss no longer falls. By default as many as fit into ten
            minutes on two cores, at most 50; where there are more texts than that, a sample is drawn.
        seed: of split, sample, order, masks and head.
        rejected: where rows that could not be used go; `output/rejected.jsonl` by default.
        max_rejected: the share of rows that may be rejected.
        notice: told what is left out.
        progress: called after every step.

    Raises:
        InvalidInput: there are too few texts, or the base model has no piece for what is hidden.
        TooManyRejected: more rows were rejected than `max_rejected` allows.
        NotFound, Damaged: the base model cannot be loaded.
        Conflict: `output` is not empty.
        DivergedError: the loss became no number.

    """
    from finetune.loop import is_main
    from finetune.network import LANGUAGE_MODEL

    if epochs is not None and epochs < 1:
        raise InvalidInput(f"{epochs} epochs train nothing.", "Give --epochs 1 or more.")
    started = time.monotonic()
    if not is_main():  # of `accelerate launch`: it trains along, another process writes and says so
        made = _pretrain(reading, output, base_model, epochs, seed, lambda text: None, None)
        return Pretraining(output, time.monotonic() - started, made.metrics)
    checkpoints = _checkpoints(output)
    with complete_folder(output) as folder:
        _write_rejected(reading, rejected or output / REJECTED, max_rejected)
        made = _pretrain(reading, output, base_model, epochs, seed, notice, progress)
        write_base(made.base, folder)
        write_manifest(folder, LANGUAGE_MODEL, made.facts(reading))
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Pretraining(output, time.monotonic() - started, made.metrics)


@dataclass(frozen=True)
class _Corpus:
    """Windows to train on and to score, and how often each piece occurs in them."""

    training: list[Window]
    held_out: list[Window]
    training_texts: int
    held_out_texts: int
    tokens: int
    pieces: NDArray[np.int64]
    counts: NDArray[np.int64]
    sha256: str


@dataclass(frozen=True)
class _Made:
    """A trained base, and what it was made of; `space` is None where the base model reads every script."""

    base: Pretrained
    space: Script | None
    corpus: _Corpus
    recipe: Recipe
    trained: Trained

    @property
    def metrics(self) -> Metrics:
        before, after = self.trained.before, self.trained.after
        return {
            "n_texts": self.corpus.training_texts,
            "n_tokens": self.corpus.tokens,
            "loss_before": round(before.loss, 4),
            "loss_after": round(after.loss, 4),
            "masked_accuracy_before": round(before.accuracy, 4),
            "masked_accuracy_after": round(after.accuracy, 4),
        }

    def facts(self, reading: TextReading) -> dict[str, Any]:
        """What the manifest says."""
        before, after = self.trained.before, self.trained.after
        return {
            "base": self.base.name,
            "base_hash": self.base.hash,
            "embeddings": self.base.embeddings,
            "space": self.space,
            "files": reading.hashes,
            "texts_sha256": self.corpus.sha256,
            "rows": reading.rows,
            "rejected": len(reading.problems),
            "duplicates": reading.duplicates,
            "held_out_texts": self.corpus.held_out_texts,
            "pieces": len(self.corpus.pieces),
            "seed": self.recipe.seed,
            "recipe": asdict(self.recipe),
            "steps": self.trained.steps,
            "metrics": self.metrics,
            "pseudo_perplexity": {
                "before": round(math.exp(before.loss), 2),
                "after": round(math.exp(after.loss), 2),
            },
        }


def _pretrain(
    reading: TextReading,
    output: Path,
    base_model: str | None,
    epochs: int | None,
    seed: int,
    notice: Callable[[str], None],
    progress: Progress | None,
) -> _Made:
    """Chooses texts and base, and trains."""
    from finetune.checkpoint import Checkpoint
    from finetune.network import load_base
    from finetune.other_base import space_of

    own = space_of(base_model) if base_model is not None else None
    every = base_model is not None and own is None
    space, texts = _chosen(reading, own, notice, every=every)
    base = load_base(space, base_model)
    corpus = _corpus(texts, base, epochs, seed, notice)
    recipe = _recipe(corpus, base, epochs, seed)
    fingerprint = hashlib.sha256(json.dumps([corpus.sha256, base.hash, asdict(recipe)]).encode()).hexdigest()

    def checkpoint(phase: str) -> Checkpoint:
        return Checkpoint(_checkpoints(output) / f"{phase}.safetensors", fingerprint)

    trained = _train(corpus, base, recipe, progress, checkpoint)
    return _Made(base, None if every else space, corpus, recipe, trained)


def _chosen(
    reading: TextReading, own: Script | None, notice: Callable[[str], None], *, every: bool
) -> tuple[Script, list[str]]:
    """The texts that one encoder is trained on, all where it reads `every` script, and its script: its `own`, or that of most."""
    largest: Script = max(reading.found, key=reading.found.__getitem__)
    space = own or largest
    if every:
        return space, [text for texts in reading.texts.values() for text in texts]
    other = sum(count for script, count in reading.found.items() if script != space)
    if other:
        notice(
            f"{other} texts of the other script are left out: a language model has one encoder, here that of {space} text. "
            "Train a second one on those, or give a --base-model that reads both."
        )
    if reading.found[space] > len(reading.texts[space]):
        notice(f"Of {reading.found[space]} texts a sample of {len(reading.texts[space])} is used.")
    return space, reading.texts[space]


def _corpus(
    texts: Sequence[str], base: Pretrained, epochs: int | None, seed: int, notice: Callable[[str], None]
) -> _Corpus:
    """Splits and tokenizes; without `epochs` no more than one pass within the time has room for."""
    order = list(texts)
    random.Random(seed).shuffle(order)
    room = None if epochs else _affordable(base)
    held, training, taken, tokens = [], [], 0, 0
    wanted = min(_MOST_HELD_OUT, max(_FEWEST_HELD_OUT, round(_HELD_OUT * len(order))))
    digest = hashlib.sha256()
    long_enough = 0
    for text, windows in zip(order, windows_of(order, base.tokenizer, min(WINDOW, base.max_tokens)), strict=True):
        if not windows:
            continue
        long_enough += 1
        if long_enough <= wanted:
            held += windows
            continue
        if room is not None and tokens >= room:
            break
        training += windows
        taken += 1
        tokens += sum(map(len, windows))
        digest.update(text.encode("utf-8", "replace") + b"\n")
    if long_enough < FEWEST_TEXTS:
        raise InvalidInput(
            f"There are {long_enough} distinct texts of {FEWEST_PIECES} pieces or more; a language model needs {FEWEST_TEXTS}.",
            "Give more texts.",
        )
    if room is not None and tokens >= room:
        notice(
            f"{taken} of {len(order)} texts are trained on, as many as about ten minutes have room for; --epochs 1 takes all."
        )
    pieces, counts = np.unique(
        np.concatenate([window.ids[window.words >= 0] for window in (*training, *held)]).astype(np.int64),
        return_counts=True,
    )
    return _Corpus(training, held, taken, wanted, tokens, pieces, counts, digest.hexdigest())


def _affordable(base: Pretrained) -> int:
    """How many tokens a run may see that nobody gave epochs for."""
    weights = sum(each.numel() for each in base.model.encoder.parameters())
    return int(_PARAMETER_TOKENS / weights)


def _recipe(corpus: _Corpus, base: Pretrained, epochs: int | None, seed: int) -> Recipe:
    from finetune.language_trainer import Recipe

    tokens = epochs * corpus.tokens if epochs else min(MOST_EPOCHS * corpus.tokens, _affordable(base))
    return Recipe(tokens, seed=seed)


def _train(
    corpus: _Corpus,
    base: Pretrained,
    recipe: Recipe,
    progress: Progress | None,
    checkpoint: Callable[[str], Checkpoint],
) -> Trained:
    import torch

    from finetune.language_trainer import MaskedLanguageModel, train

    mask_id = next((found for name in _MASKS if (found := base.tokenizer.token_to_id(name)) is not None), None)
    if mask_id is None:
        raise InvalidInput(
            f"The tokenizer of {base.name} has none of {', '.join(_MASKS)}.",
            "Give a model that was trained with a mask.",
        )
    torch.manual_seed(recipe.seed)
    network = MaskedLanguageModel(base.model, corpus.pieces, corpus.counts)
    masker = Masker(corpus.pieces, mask_id, base.pad_id)
    return train(network, corpus.training, corpus.held_out, masker, recipe, progress=progress, checkpoint=checkpoint)


def write_base(base: Pretrained, folder: Path) -> None:
    """Writes what `finetune.network.load_base` and `AutoModel.from_pretrained` read: config, tokenizer, weights."""
    from safetensors.torch import save_file

    base.model.config.save_pretrained(folder)
    weights = {
        name: each.contiguous() for name, each in base.model.state_dict().items() if not name.startswith("pooler.")
    }
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    base.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(
        json.dumps(_tokenizer_config(base), indent=1) + "\n", encoding="utf-8"
    )


def _tokenizer_config(base: Pretrained) -> dict[str, Any]:
    """Names the special tokens, which `tokenizer.json` only numbers."""
    names = {"cls_token": ("[CLS]", "<s>"), "sep_token": ("[SEP]", "</s>"), "unk_token": ("[UNK]", "<unk>")}
    found = {
        role: next((name for name in each if base.tokenizer.token_to_id(name) is not None), None)
        for role, each in {**names, "mask_token": _MASKS}.items()
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": base.max_tokens,
        "pad_token": base.tokenizer.id_to_token(base.pad_id),
        **{role: name for role, name in found.items() if name},
    }


def _checkpoints(output: Path) -> Path:
    """Where a run keeps its checkpoints until the folder is complete."""
    return output.with_name(f".{output.name}.checkpoints")


def _write_rejected(reading: TextReading, path: Path, max_rejected: float) -> None:
    """Writes rejected rows, redacted like everything that stays in the folder of a model."""
    rejects = Rejects()
    for problem in reading.problems:
        rejects.add(problem.line, problem.reason, redact(json.dumps(problem.raw, ensure_ascii=False, default=str)))
    if rejects.count:
        rejects.write(path)
    rejects.check(reading.rows, max_rejected)
