"""Turns a torch model into the folder that `index.transformer.Transformer` serves."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index.transformer import LAYOUT, TransformerSettings, runtime

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer


def export(
    body: torch.nn.Module,
    tokenizer: Tokenizer,
    embeddings: NDArray[np.floating] | str,
    folder: Path,
    *,
    max_tokens: int,
    pad_id: int,
    dim: int = 384,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = ("vector",),
) -> TransformerSettings:
    """Writes `body` into `folder` and returns the settings it wrote.

    `body(inputs_embeds (batch, tokens, dim) float32, attention_mask (batch, tokens) int64, *inputs (batch, tokens) int64)`
    returns one tensor, or a tuple of as many tensors as `outputs` has names; batch and tokens stay dynamic. Its attention
    should be "eager" or "sdpa". `embeddings` is the word-embedding matrix (vocabulary, dim), stored as float16, or the
    sha256 of a stored matrix that this model shares (`encoder.embeddings_file`).
    """
    import torch

    openvino = runtime()

    folder.mkdir(parents=True, exist_ok=True)
    example = (
        torch.zeros(2, 9, dim),
        torch.ones(2, 9, dtype=torch.int64),
        *(torch.zeros(2, 9, dtype=torch.int64) for _ in inputs),
    )
    shapes = [(openvino.PartialShape([-1, -1, dim]), openvino.Type.f32)]
    shapes += [(openvino.PartialShape([-1, -1]), openvino.Type.i64)] * (1 + len(inputs))
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of branches on sizes, which transformers takes the same way for every size.
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python boolean")
        converted = openvino.convert_model(body.eval(), example_input=example, input=shapes)
    for port, name in zip(converted.inputs, ("inputs_embeds", "attention_mask", *inputs), strict=True):
        port.set_names({name})
    for port, name in zip(converted.outputs, outputs, strict=True):
        port.set_names({name})
    openvino.save_model(converted, folder / LAYOUT.body, compress_to_fp16=True)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(folder / LAYOUT.tokenizer), pretty=False)
    settings = TransformerSettings(
        dim=dim,
        max_tokens=max_tokens,
        pad_id=pad_id,
        embeddings_sha256=embeddings if isinstance(embeddings, str) else save_embeddings(embeddings, folder),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
    )
    settings.save(folder)
    return settings


def save_embeddings(matrix: NDArray[np.floating], folder: Path) -> str:
    """Stores a word-embedding matrix as float16 and returns the file's sha256."""
    from hashlib import file_digest

    path = folder / LAYOUT.embeddings
    with path.open("wb") as file:
        np.save(file, matrix.astype(np.float16), allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
