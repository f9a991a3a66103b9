"""A cross-encoder that reads query and product together and puts the first hits of a search in a better order.

What `finetune reranker` makes; a shop without one searches as before, at no cost. It sees only what passed every condition, and its
word is added to the fused score, never put in its place:

    place by  fused score + weight · relevance        among the first `candidates` hits

    transformer.json, tokenizer.json, embeddings.npy, body.xml    the network, see `index.transformer`
    manifest.json                                                 kind "reranker"; its meta has the facts below
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from index.codes import codes_of
from index.encoders import document_text
from index.product import Product
from index.transformer import Transformer
from storage.errors import AisleError, Damaged
from storage.publish import Versions, read_manifest

KIND: Final = "reranker"
INPUTS: Final = ("parts",)
OUTPUTS: Final = ("relevance",)
TOKENS: Final = 64
"""Of a query and a product together so many tokens are read; what a title and its attributes leave goes to the description."""
QUERY_TOKENS: Final = 24
MOST_CANDIDATES: Final = 50
REMEMBERED: Final = 4_096
"""Products whose tokens are kept, half a kilobyte each: what is found often is cut into tokens once."""

Ids = Sequence[int]


def pair_of(query: Ids, product: Ids) -> tuple[list[int], list[int]]:
    """Token ids of a pair, and which part of it each is of, out of the ids of both, each with its special tokens.

    `[CLS] a b [SEP]` and `[CLS] x y [SEP]` become `[CLS] a b [SEP] x y [SEP]` of parts `0 0 0 0 1 1 1`. What is too long is cut
    before its [SEP].
    """
    first = [*query[: QUERY_TOKENS - 1], query[-1]] if len(query) > QUERY_TOKENS else list(query)
    second, room = list(product[1:]), TOKENS - len(first)
    if len(second) > room:
        second = [*second[: room - 1], second[-1]]
    return first + second, [0] * len(first) + [1] * len(second)


@dataclass(frozen=True)
class RerankerFacts:
    """What a reranker's manifest says beside its files' hashes.

    `space` is the vector space (and so the script) of the queries that it reads, `candidates` how many of the first hits it orders,
    `weight` what its relevance counts beside a fused score, `codes` whether it reads queries with a model number too: those find
    their article exactly without it.
    """

    space: str
    candidates: int
    weight: float
    codes: bool


class Reranker:
    """Scores (query, product) pairs. Safe to share between threads."""

    def __init__(self, facts: RerankerFacts, transformer: Transformer, version: str) -> None:
        self.candidates = facts.candidates
        self.weight = facts.weight
        self._facts = facts
        self.version = version
        self._transformer = transformer

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The reranker of a model folder, every file's hash checked; raises `Damaged` or `NotFound`."""
        facts = _facts(folder, read_manifest(folder, KIND).meta)
        return cls(facts, Transformer.load(folder), folder.resolve().name)

    def reads(self, text: str, space: str | None) -> bool:
        """Whether its word counts for a query of a vector space."""
        return space == self._facts.space and (self._facts.codes or not codes_of(text))

    def tokens(self, product: Product) -> list[int]:
        """The token ids of what is read of a product."""
        return self._transformer.tokenize([document_text(product)])[0]

    def relevance(self, query: str, products: Sequence[Ids]) -> NDArray[np.float32]:
        """How well each product, given by its `tokens`, answers the query; (products,), on an open scale."""
        asked = self._transformer.tokenize([query])[0]
        ids, parts = zip(*(pair_of(asked, each) for each in products), strict=True)
        return self._transformer.run_ids(ids, {"parts": parts})["relevance"]

    def order(self, query: str, products: Sequence[Ids], fused: NDArray[np.float32]) -> NDArray[np.intp]:
        """The places of the products, best first; equal ones stay as they stand."""
        sums = fused + self.weight * self.relevance(query, products)  # (products,)
        return np.argsort(-sums, kind="stable")


def load_reranker(folder: Path) -> Reranker:
    """The reranker in `folder`, which has answered once.

    Raises:
        NotFound, Damaged: it is not complete, cannot be loaded, or does not answer: files may be what their manifest promises
            and yet not belong together.
    """
    try:
        reranker = Reranker.load(folder)
        relevance = reranker.relevance("hello", [reranker.tokens(Product(id="1", title="hello"))] * reranker.candidates)
    except AisleError:
        raise
    except Exception as error:
        message = f"The reranker in {folder} does not work: {type(error).__name__}: {error}."
        raise Damaged(message, "Train it again, or roll back.") from error
    if relevance.shape != (reranker.candidates,) or not np.isfinite(relevance).all():
        raise Damaged(f"The reranker in {folder} answers with no number.", "Train it again, or roll back.")
    return reranker


def remembered_tokens(reranker: Reranker, product: Callable[[int], Product]) -> Callable[[int], list[int]]:
    """The tokens of a row of one snapshot, whose products never change."""

    @lru_cache(maxsize=REMEMBERED)
    def tokens(row: int) -> list[int]:
        return reranker.tokens(product(row))

    return tokens


def _facts(folder: Path, meta: Mapping[str, Any]) -> RerankerFacts:
    """The facts in a manifest; raises `Damaged` where they are none."""
    try:
        facts = RerankerFacts(**{field.name: meta[field.name] for field in fields(RerankerFacts)})
        sound = (
            0 < facts.candidates <= MOST_CANDIDATES and 0 <= facts.weight < math.inf and facts.codes in (True, False)
        )
    except (KeyError, TypeError) as error:
        raise Damaged(f"{folder} has a manifest that is not a reranker's: {error}.", "Train it again.") from error
    if not sound:
        raise Damaged(f"{folder} orders {facts.candidates} hits by a weight of {facts.weight}.", "Train it again.")
    return facts


def reranker_versions(shop: Path) -> Versions:
    """The rerankers of a shop's folder."""
    return Versions(shop / "models" / KIND, KIND)
