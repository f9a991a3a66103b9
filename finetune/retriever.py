"""`finetune retriever`: from judged queries, the shop's own searches and its catalog to a better encoder and better weights.

    gather → split → train → export → compare with what serves → write

Whatever does not help is left out of the folder: the encoder that serves stays where the tuned one finds no more, and so do the
weights. A run that was killed goes on where it stopped when the same command is given again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bot.parts import Parts
from finetune.catalog_pairs import catalog_pairs, rest_of_text
from finetune.evaluate_search import evaluate
from finetune.search_data import SearchData, mined
from finetune.search_run import Metrics, Tuned, complete_run
from finetune.search_variants import (
    BOTH,
    FITTED,
    SERVING,
    TUNED,
    Comparison,
    Found,
    bootstrapped,
    compare,
    found_for,
    judged_of,
    with_encoder,
)
from index.encoders import KIND as ENCODER
from index.encoders import PRETRAINED, Encoder, EncoderFacts, document_text, encoder_for, export_encoder
from index.retriever import FOLDER, KIND
from retrieval.fusion import WEIGHTS
from storage.errors import InvalidInput
from storage.publish import write_manifest

if TYPE_CHECKING:
    from finetune.contrastive import BiEncoder, Pair, Texts
    from finetune.loop import Progress
    from index.pretrained import Pretrained
    from index.product import Product

EPOCHS: Final = 3
FEWEST_PRODUCTS: Final = 20
FEWEST_QUERIES: Final = 20
"""With fewer held-out judged queries, what is compared is how queries made from the catalog find their products."""
MOST_PRODUCTS: Final = 8_000
"""So many products a run makes queries from: on two cores three epochs of them take about a quarter of an hour."""
_POOL: Final = 3_000
"""Among so many products a held-out query has to find its own between epochs."""
_HELD_OUT_PRODUCTS: Final = 300
_SCALE_QUERIES, _SCALE_PRODUCTS = 300, 1_000
_SCALE_AT: Final = (0, 1, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 100)


def finetune_retriever(
    parts: Parts,
    data: SearchData,
    output: Path,
    cache: Path,
    *,
    base_model: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    notice: Callable[[str], None] = lambda text: None,
) -> Tuned:
    """Trains an encoder and fits weights, and writes to `output` what of it beats what serves, all or nothing.

    Args:
        parts: what serves: index, encoders, understanding.
        data: judged queries and choices; without any the catalog alone is learnt from.
        output: the model folder, which must not hold anything yet.
        cache: where the pretrained encoders are kept.
        base_model: a folder or Hugging Face id in place of the packaged encoder.
        epochs: at most so many, by default three; it stops early when held-out queries find no more.
        seed: of split, batches and made queries.
        progress: called after every step.
        notice: told what is left out.

    Raises:
        InvalidInput: the catalog is too small.
        NotFound, Damaged: the base model cannot be loaded.
        Conflict: `output` is not empty.
        DivergedError: the loss became no number.

    """

    def start() -> _Run:
        return _Run(parts, data, output, cache, base_model, epochs or EPOCHS, seed, progress, notice)

    return complete_run(start, output, KIND, epochs)


@dataclass(frozen=True)
class _Trial:
    """Queries, the texts of the products among which they have to find theirs, and gains (queries, pool)."""

    queries: list[str]
    pool: list[str]
    gains: NDArray[np.float64]

    def ndcg(self, asked: NDArray[np.float32], stored: NDArray[np.float32]) -> NDArray[np.float64]:
        """NDCG@10 of each query, (queries,), by vectors of queries and pool."""
        from finetune.fusion import ndcg

        order = np.argsort(-(asked @ stored.T), axis=1, kind="stable")[:, :10]  # (queries, 10)
        found = np.take_along_axis(self.gains, order, axis=1)
        return np.array([ndcg(each, ideal) for each, ideal in zip(found, self.gains, strict=True)])


class _Run:
    def __init__(
        self,
        parts: Parts,
        data: SearchData,
        output: Path,
        cache: Path,
        base_model: str | None,
        epochs: int,
        seed: int,
        progress: Progress | None,
        notice: Callable[[str], None],
    ) -> None:
        self.parts, self.data, self.cache = parts, data, cache
        self.base_model, self.epochs, self.seed = base_model, epochs, seed
        self.progress, self.notice = progress, notice
        self.snapshot = parts.shelf.snapshot
        self.checkpoints = output.with_name(f".{output.name}.checkpoints")
        self.space = self._space()
        if len(self.snapshot) < FEWEST_PRODUCTS:
            raise InvalidInput(
                f"The catalog has {len(self.snapshot)} products; a retriever needs {FEWEST_PRODUCTS}.",
                "Index the whole catalog first: launch.py index CATALOG.",
            )

    def _space(self) -> str:
        """The vector space to tune: that of most judged queries and choices, else the one of most products."""
        engine = self.parts.shelf.engine
        asked = Counter(engine.space_of(pair.query) for pair in self.data.pairs())
        asked.update(engine.space_of(each.query.text) for each in self.data.held_out)
        spaces = [space for space, _ in asked.most_common() if space]
        if len(spaces) > 1:
            self.notice(
                f"The {spaces[0]} encoder is tuned, that of {asked[spaces[1]]} queries of the other script stays as it is."
            )
        return spaces[0] if spaces else max(self.snapshot.vectors, key=lambda space: len(self.snapshot.vectors[space]))

    def train(self) -> Pretrained:
        """The base with its weights trained."""
        import torch

        from finetune.checkpoint import Checkpoint
        from finetune.contrastive import BiEncoder, Recipe, Texts, train
        from finetune.network import load_base

        base = load_base(self.space, self.base_model)
        products, held = self._products()
        pairs = [pair for pair in self.data.pairs() if self._holds(pair.row) and self._asks(pair.query)]
        recipe = Recipe(self.epochs, seed=self.seed)
        fingerprint = hashlib.sha256(
            json.dumps([self.data.sha256, self.snapshot.version, base.hash, asdict(recipe)]).encode()
        ).hexdigest()
        torch.manual_seed(self.seed)
        network = BiEncoder(base.model)
        texts = Texts(base.tokenizer, base.pad_id, base.query_prefix, base.document_prefix)

        def of_epoch(epoch: int) -> list[Pair]:
            return pairs + catalog_pairs(products, self.seed, epoch)

        train(
            network,
            texts,
            of_epoch,
            self._text,
            mined(self.snapshot, self.parts.shelf.encoders[self.space], pairs) if pairs else {},
            recipe,
            self._score(texts, held),
            progress=self.progress,
            checkpoint=Checkpoint(self.checkpoints / "encoder.safetensors", fingerprint),
        )
        return base

    def _text(self, row: int) -> str:
        return document_text(self.snapshot.products.get(row))

    def _holds(self, row: int) -> bool:
        return bool(self.snapshot.vectors[self.space].holds(np.array([row]))[0])

    def _asks(self, text: str) -> bool:
        return self.parts.shelf.engine.space_of(text) == self.space

    def _products(self) -> tuple[list[tuple[int, Product]], list[tuple[int, Product]]]:
        """Products of the space to make queries from, and a few others whose made queries are held out."""
        rows = np.arange(len(self.snapshot))
        rows = rows[self.snapshot.vectors[self.space].holds(rows)]
        rows = np.random.default_rng(self.seed).permutation(rows)
        if len(rows) > MOST_PRODUCTS:
            self.notice(f"Queries are made from {MOST_PRODUCTS} of {len(rows)} products.")
        apart = min(_HELD_OUT_PRODUCTS, len(rows) // 5)
        records = [(int(row), self.snapshot.products.get(int(row))) for row in rows[: MOST_PRODUCTS + apart]]
        return records[apart:], records[:apart]

    def _trials(self, held: Sequence[tuple[int, Product]]) -> list[_Trial]:
        """What to stop by, and to choose by where nothing else says: judged queries where there are enough, else made ones.

        A stretch of a description has to find its product among texts without descriptions: in the whole one it stands as it is.
        """
        judged = [(each.query.text, each.gains) for each in self.data.held_out if self._asks(each.query.text)]
        if len(judged) >= FEWEST_QUERIES:
            return [self._trial(judged, self._text)]
        made = catalog_pairs(held, self.seed, -1)
        kinds = (
            ([pair for pair in made if not pair.text], self._text),
            ([pair for pair in made if pair.text], lambda row: rest_of_text(self.snapshot.products.get(row))),
        )
        return [self._trial([(pair.query, {pair.row: 1.0}) for pair in pairs], text) for pairs, text in kinds if pairs]

    def _trial(self, queries: Sequence[tuple[str, Mapping[int, float]]], text: Callable[[int], str]) -> _Trial:
        wanted = {row for _, gains in queries for row in gains if self._holds(row)}
        rows = np.arange(len(self.snapshot))
        others = np.random.default_rng(self.seed).permutation(rows[self.snapshot.vectors[self.space].holds(rows)])
        pool = sorted({*wanted, *others[:_POOL].tolist()})
        gains = np.array([[each.get(row, 0.0) for row in pool] for _, each in queries])  # (queries, pool)
        return _Trial([query for query, _ in queries], [text(row) for row in pool], gains)

    def _score(self, texts: Texts, held: Sequence[tuple[int, Product]]) -> Callable[[BiEncoder], float]:
        """NDCG@10 of the vectors alone."""
        from finetune.contrastive import vectors_of

        trials = self._trials(held)

        def score(network: BiEncoder) -> float:
            found = [
                trial.ndcg(
                    vectors_of(network, trial.queries, texts.queries), vectors_of(network, trial.pool, texts.documents)
                )
                for trial in trials
            ]
            return float(np.mean(np.concatenate(found)))

        return score

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes encoder and weights, if they are better; returns the manifest's facts."""
        base = self.train()
        encoder = self._export(base, folder)
        if len(self.data.held_out) >= FEWEST_QUERIES:
            found = [found_for(self.parts, each.query) for each in self.data.held_out]
            tuned = with_encoder(self.parts, encoder, self.data.held_out, found)
            comparison = compare(self.data.held_out, found, tuned, self.seed)
            metrics = self._metrics(comparison, tuned if comparison.chosen in (TUNED, BOTH) else found)
        else:
            comparison = self._by_made_queries(encoder)
            metrics = {"n": comparison.n, "ndcg@10": comparison.ndcg[comparison.chosen]}
        if comparison.chosen in (SERVING, FITTED):
            shutil.rmtree(folder / FOLDER)
            self.snapshot.retriever.copy_into(folder, self.snapshot.vectors)
        else:
            others = [space for space in self.snapshot.vectors if space != self.space]
            self.snapshot.retriever.copy_into(folder, others)
        metrics |= {"ndcg@10_before": comparison.ndcg[SERVING], "chosen": comparison.chosen}
        return {
            "space": self.space,
            "base": base.name,
            "base_hash": base.hash,
            "fusion": comparison.weights,
            "seed": self.seed,
            "epochs": self.epochs,
            "judged_queries": self.data.judged,
            "chosen_pairs": len(self.data.chosen),
            "missing_products": self.data.missing,
            "data_sha256": self.data.sha256,
            "index": self.snapshot.version,
            "gate": comparison.as_dict(),
            "metrics": metrics,
        }

    def _export(self, base: Pretrained, folder: Path) -> Encoder:
        """The trained encoder, as it serves: without a scale first, then with the one that was measured with it."""
        place = folder / FOLDER / self.space
        export_encoder(base, place)
        weights = hashlib.sha256(repr((base.max_tokens, base.query_prefix, base.document_prefix)).encode())
        for name, each in sorted(base.model.state_dict().items()):
            weights.update(name.encode() + each.detach().numpy().tobytes())
        facts = EncoderFacts(self.space, weights.hexdigest(), base.query_prefix, base.document_prefix)
        write_manifest(place, ENCODER, vars(facts))
        facts = replace(facts, scale=self._scale(Encoder.load(place)))
        write_manifest(place, ENCODER, vars(facts))
        return Encoder.load(place)

    def _scale(self, encoder: Encoder) -> list[tuple[float, float]]:
        """Cosines of the same rank among those of made and asked queries with products, of both encoders.

        The limits that decide what matches at all were measured with the pretrained encoder, whose cosines lie elsewhere.
        """
        if self.space not in PRETRAINED:
            return []
        products, held = self._products()
        some = [*held, *products][:_SCALE_PRODUCTS]
        asked = [pair.query for pair in (*self.data.pairs(), *catalog_pairs(some, self.seed, -2))][: 2 * _SCALE_QUERIES]
        texts = [document_text(product) for _, product in some]
        pairs = []
        for each in (encoder, encoder_for(self.space, self.cache)):
            cosines = each.encode_queries(asked[::2]) @ each.encode_documents(texts).T  # (queries, products)
            pairs.append(np.percentile(cosines, _SCALE_AT))
        knots = dict(zip(*(np.round(each, 5).tolist() for each in pairs), strict=True))
        return [(-1.0, -1.0), *sorted(knots.items()), (1.0, 1.0)]

    def _by_made_queries(self, encoder: Encoder) -> Comparison:
        """How queries made from products that training did not see find them, by the vectors of both encoders alone."""
        trials = self._trials(self._products()[1])
        scores = {}
        for name, each in ((SERVING, self.parts.shelf.encoders[self.space]), (TUNED, encoder)):
            found = [t.ndcg(each.encode_queries(t.queries), each.encode_documents(t.pool)) for t in trials]
            scores[name] = np.concatenate(found)
        means = {name: round(float(each.mean()), 4) for name, each in scores.items()}
        gained = scores[TUNED] - scores[SERVING]
        chosen = TUNED if means[TUNED] > means[SERVING] else SERVING
        low, high = bootstrapped(gained, self.seed)
        difference = float(gained.mean()) if chosen == TUNED else 0.0
        return Comparison(len(gained), means, chosen, difference, low, high, dict(WEIGHTS))

    def _metrics(self, comparison: Comparison, found: Sequence[Found]) -> Metrics:
        """Those of `evaluate search` on the held-out queries, by the fused order of the chosen variant."""
        products = self.snapshot.products
        places = {each.query.query_id: place for place, each in enumerate(self.data.held_out)}
        qrels = {
            each.query.query_id: {products.get(row).id: gain for row, gain in each.gains.items()}
            for each in self.data.held_out
        }

        def ranked(query: Any) -> list[str]:
            place = places[query.query_id]
            judged = judged_of(self.data.held_out[place], found[place])
            sums = judged.scores @ np.array(list(comparison.weights.values()))
            return [products.get(int(found[place][0][at])).id for at in np.argsort(-sums, kind="stable")[:10]]

        metrics = evaluate(ranked, [each.query for each in self.data.held_out], qrels)
        return {name: value for name, value in metrics.items() if not name.endswith("_ms")}
