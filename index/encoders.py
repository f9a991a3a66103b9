"""Encoders: text to unit vectors, one for each script, each with its own vector space.

MiniLM's vocabulary knows no Chinese and the multilingual e5 is weaker on English, so a text goes to the encoder of its
script. Vectors of two spaces are never compared with each other.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from index.product import Product
from index.transformer import LAYOUT, Progress, Transformer
from storage.errors import Conflict, Damaged, InvalidInput
from storage.publish import Versions, read_manifest

if TYPE_CHECKING:
    import torch
    from transformers import BertModel

    from index.pretrained import Pretrained

Script = Literal["latin", "han"]
Vectors = NDArray[np.float32]

PRETRAINED: dict[str, str] = {"latin": "minilm", "han": "e5"}  # space → name in index.pretrained

DESCRIPTION_CHARACTERS = 600  # beyond it a description says little about what the product is, and costs time to embed
KIND = "encoder"
_PATIENCE_S = 180  # an export takes 15 s; on a loaded machine a minute
_SPECIAL_TOKENS = 2  # [CLS] … [SEP], <s> … </s>

# Han with its extensions, kana and hangul: what MiniLM's vocabulary cannot spell.
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f]")


def script_of(text: str) -> Script:
    """The script of a text: han where it holds any Chinese, Japanese or Korean character, else latin."""
    return "han" if _CJK.search(text) else "latin"


def document_text(product: Product) -> str:
    """What is embedded of a product: title first, because encoders cut at the end.

    `Trail shoe · Northpeak · Shoes > Running · color: blue, white · Light and grippy.`
    """
    parts = [product.title]
    if product.brand and product.brand.casefold() not in product.title.casefold():
        parts.append(product.brand)
    if product.categories:
        parts.append(" > ".join(product.categories))
    parts += [f"{name}: {', '.join(values)}" for name, values in product.attributes.items() if values]
    if product.description:
        parts.append(product.description[:DESCRIPTION_CHARACTERS])
    return " · ".join(parts)


@dataclass(frozen=True)
class EncoderFacts:
    """What an encoder's manifest says beside its files' hashes.

    `hash` names the vectors, not the files: equal hashes mean that vectors may be compared. A snapshot carries it.
    `scale` are pairs of cosines that mean the same, ascending: of this encoder, and of the pretrained one that it was tuned from.
    """

    space: str
    hash: str
    query_prefix: str = ""
    document_prefix: str = ""
    scale: Sequence[tuple[float, float]] = ()


class Encoder:
    """Turns texts into unit vectors of one space. Safe to share between threads.

    Both methods return (texts, dim) float32, L2-normalised, so that an inner product is the cosine.
    """

    def __init__(self, facts: EncoderFacts, transformer: Transformer, folder: Path) -> None:
        self.space = facts.space
        self.hash = facts.hash
        self.dim = transformer.settings.dim
        self.folder = folder
        self._facts = facts
        self._transformer = transformer

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """The encoder of a published folder, every file's hash checked; raises `Damaged` or `NotFound`."""
        meta = read_manifest(folder, KIND).meta
        try:
            facts = EncoderFacts(**meta)
        except TypeError as error:
            raise Damaged(f"{folder} has a manifest that is not an encoder's: {error}.", "Remove it.") from error
        return cls(facts, Transformer.load(folder), folder)

    @property
    def embeddings_file(self) -> Path:
        """The word-embedding matrix, which an intent model of the same vocabulary may share."""
        return self.folder / LAYOUT.embeddings

    @property
    def embeddings_sha256(self) -> str:
        """The sha256 of `embeddings_file`."""
        return self._transformer.settings.embeddings_sha256

    def is_word(self, word: str) -> bool:
        """Whether the vocabulary has the word whole, which misspellings never are."""
        return len(self._transformer.tokenize([word])[0]) == _SPECIAL_TOKENS + 1

    def on_pretrained_scale(self, cosines: Vectors) -> Vectors:
        """Cosines of this encoder as the pretrained one would have them, whose limits are known; any shape."""
        if not self._facts.scale:
            return cosines
        own, pretrained = zip(*self._facts.scale, strict=True)
        scaled: Vectors = np.interp(cosines, own, pretrained).astype(np.float32)
        return scaled

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of what customers ask."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        return self._transformer.run([self._facts.query_prefix + text for text in texts])["vector"]

    def encode_documents(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Vectors of what is searched; `progress` is called with the number of texts done since its last call."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        prefixed = [self._facts.document_prefix + text for text in texts]
        return self._transformer.run_many(prefixed, progress)["vector"]


def encoder_for(space: str, cache: Path) -> Encoder:
    """The encoder of `space` ("latin" or "han"), exported into `cache/<space>` the first time.

    Raises `InvalidInput` for another space, `Unavailable` or `Damaged` where the package's weights are missing or wrong.
    """
    if space not in PRETRAINED:
        raise InvalidInput(f"There is no encoder for the space {space!r}.", f"Known are: {', '.join(PRETRAINED)}.")
    versions = Versions(cache / space, KIND)
    folder = versions.current()
    if folder is None:
        folder = _export_once(space, versions)
    return Encoder.load(folder)


def _export_once(space: str, versions: Versions) -> Path:
    """Exports, or waits while another process does."""
    for _ in range(_PATIENCE_S):
        try:
            with versions.lock():
                return versions.current() or _export(space, versions)
        except Conflict:
            time.sleep(1)
    with versions.lock():  # raises the Conflict with its way out
        return versions.current() or _export(space, versions)


def _export(space: str, versions: Versions) -> Path:
    from index.pretrained import load_pretrained

    pretrained = load_pretrained(PRETRAINED[space])
    facts = facts_of(space, pretrained)
    with versions.stage() as folder:
        export_encoder(pretrained, folder)
        return versions.publish(folder, vars(facts))


def facts_of(space: str, pretrained: Pretrained) -> EncoderFacts:
    """The facts of a pretrained encoder; the hash covers all that decides the vectors."""
    decides = (pretrained.hash, pretrained.max_tokens, pretrained.query_prefix, pretrained.document_prefix)
    digest = hashlib.sha256("\0".join(map(str, decides)).encode()).hexdigest()
    return EncoderFacts(space, digest, pretrained.query_prefix, pretrained.document_prefix)


def export_encoder(pretrained: Pretrained, folder: Path) -> None:
    """Writes a torch encoder (pretrained or fine-tuned) into `folder`, with mean pooling and normalising inside."""
    from index.export import export

    export(
        mean_pooled(pretrained.model),
        pretrained.tokenizer,
        pretrained.model.embeddings.word_embeddings.weight.detach().numpy(),
        folder,
        max_tokens=pretrained.max_tokens,
        pad_id=pretrained.pad_id,
    )


def mean_pooled(model: BertModel) -> torch.nn.Module:
    """The body that is exported: embeddings and mask to the unit mean of the last hidden states."""
    import torch

    class MeanPooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.model(inputs_embeds=inputs_embeds, attention_mask=attention_mask).last_hidden_state
            weight = attention_mask.unsqueeze(-1).to(hidden.dtype)  # (batch, tokens, 1)
            mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)  # (batch, dim)
            return torch.nn.functional.normalize(mean, dim=-1)

    return MeanPooled()
