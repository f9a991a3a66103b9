"""`finetune reranker`: from judged queries, the shop's own searches and its catalog to a cross-encoder for the first hits.

    gather → teacher → student → export → how many hits in the time there is → weight → compare with what serves → write

A teacher of six layers learns from lists of products (`finetune.rerank_data`), a student of two learns from the teacher to tell
products apart. While a shopper waits the teacher can read a few hits, the student some twenty; held-out queries say which of the
two serves, if any. A run that was killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bot.parts import Parts
from finetune.evaluate_search import Query, evaluate
from finetune.export import linked_embeddings
from finetune.fusion import ndcg
from finetune.rerank_data import Asked, Taught, found_by, judged_queries, lists_of, made_queries
from finetune.rerank_variants import Trial, compare
from finetune.retriever import FEWEST_PRODUCTS, FEWEST_QUERIES
from finetune.search_data import SearchData
from finetune.search_run import Metrics, Tuned, complete_run
from finetune.search_variants import SERVING
from index.codes import codes_of
from index.encoders import document_text
from retrieval.reranker import INPUTS, KIND, OUTPUTS, TOKENS, Reranker, RerankerFacts
from storage.errors import InvalidInput
from storage.publish import MANIFEST, write_manifest

if TYPE_CHECKING:
    from finetune.cross_encoder import CrossEncoder, Listed, Loss, Recipe
    from finetune.loop import Progress
    from index.pretrained import Pretrained
    from index.product import Product

BUDGET_MS: Final = 8.0
"""What reading the first hits may add to a search, median."""
EPOCHS: Final = 2
MOST_PRODUCTS: Final = 600
"""So many products a run makes queries from: on two cores that, teacher and student take about a quarter of an hour."""
STUDENT, TEACHER = "student", "teacher"
WITH_CODES: Final = ", model numbers too"
COUNTS: Final = (20, 15, 10, 6, 4)
"""How many hits may be read: the most of these that the time allows."""
_TEACHER_LAYERS, _STUDENT_LAYERS = 6, 2
_RATE = 2e-4
_STUDENT_EPOCHS = 2  # for each of the teacher's
_APART, _MOST_APART = 0.1, 60  # of the queries to learn from, kept back to choose the epoch by
_HELD_OUT_PRODUCTS = 100
_TIMED = 30
_NOTHING: Final = np.zeros(0, np.float32)

Lists = Callable[[int], "Sequence[Listed]"]


def finetune_reranker(
    parts: Parts,
    data: SearchData,
    output: Path,
    cache: Path,
    *,
    base_model: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    budget_ms: float = BUDGET_MS,
    progress: Progress | None = None,
    notice: Callable[[str], None] = lambda text: None,
) -> Tuned:
    """Trains a reranker and writes it to `output` with how it compares with what serves, all or nothing.

    Args:
        parts: what serves: index, encoders, understanding, and the reranker where there is one.
        data: judged queries and choices; without any the catalog alone is learnt from.
        output: the model folder, which must not hold anything yet.
        cache: where the pretrained encoders are kept, whose word embeddings it shares.
        base_model: a folder or Hugging Face id in place of the packaged encoder.
        epochs: of the teacher, by default two; the student has twice as many.
        seed: of split, batches and made queries.
        budget_ms: how long reading the first hits may take, median.
        progress: called after every step.
        notice: told what is left out.

    Raises:
        InvalidInput: the catalog is too small.
        NotFound, Damaged: the base model cannot be loaded.
        Conflict: `output` is not empty.
        DivergedError: the loss became no number.

    """

    def start() -> _Run:
        return _Run(parts, data, output, cache, base_model, epochs or EPOCHS, seed, budget_ms, progress, notice)

    return complete_run(start, output, KIND, epochs)


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
        budget_ms: float,
        progress: Progress | None,
        notice: Callable[[str], None],
    ) -> None:
        self.parts, self.data, self.cache = parts, data, cache
        self.base_model, self.epochs, self.seed, self.budget_ms = base_model, epochs, seed, budget_ms
        self.progress, self.notice = progress, notice
        self.snapshot = parts.shelf.snapshot
        self.checkpoints = output.with_name(f".{output.name}.checkpoints")
        self.engine = parts.shelf.engine.reranked_by(None)
        if len(self.snapshot) < FEWEST_PRODUCTS:
            raise InvalidInput(
                f"The catalog has {len(self.snapshot)} products; a reranker needs {FEWEST_PRODUCTS}.",
                "Index the whole catalog first: launch.py index CATALOG.",
            )
        self.space = self._space()
        self.products, self.held = self._products()

    def _space(self) -> str:
        """The space of most judged queries and choices, else that of most products: its script is what the reranker reads."""
        texts = {pair.query for pair in self.data.pairs()} | {each.query.text for each in self.data.held_out}
        asked = Counter(map(self.engine.space_of, texts))
        spaces = [space for space, _ in asked.most_common() if space]
        if len(spaces) > 1:
            self.notice(
                f"The reranker reads {spaces[0]} queries; {asked[spaces[1]]} of the other script stay as they are."
            )
        return spaces[0] if spaces else max(self.snapshot.vectors, key=lambda space: len(self.snapshot.vectors[space]))

    def _products(self) -> tuple[list[tuple[int, Product]], list[tuple[int, Product]]]:
        """Products to make queries from, and others whose made queries are held out."""
        rows = np.arange(len(self.snapshot))
        rows = rows[self.snapshot.vectors[self.space].holds(rows)]
        rows = np.random.default_rng(self.seed).permutation(rows)
        apart = min(_HELD_OUT_PRODUCTS, len(rows) // 5)
        records = [(int(row), self.snapshot.products.get(int(row))) for row in rows[: MOST_PRODUCTS + apart]]
        return records[apart:], records[:apart]

    def _gathered(self) -> tuple[list[Asked], list[Asked]]:
        """What is learnt from, and a few of it that are kept back to choose the epoch by."""
        asked = [each for each in judged_queries(self.parts, self.data) if self._asks(each.query)]
        asked += made_queries(self.parts, self.products, self.seed)
        random.Random(self.seed).shuffle(asked)
        apart = min(_MOST_APART, round(_APART * len(asked)))
        return asked[apart:], asked[:apart]

    def _asks(self, text: str) -> bool:
        return self.engine.space_of(text) == self.space

    def train(self) -> tuple[Pretrained, dict[str, CrossEncoder]]:
        """The base that it began with, student and teacher."""
        import torch

        from finetune.checkpoint import Checkpoint
        from finetune.cross_encoder import CrossEncoder, Pairs, Recipe, listwise, margins, scores_of, train
        from finetune.network import load_base

        base = load_base(self.space, self.base_model)
        learnt, apart = self._gathered()
        recipe = Recipe(self.epochs, _RATE, seed=self.seed)
        fingerprint = hashlib.sha256(
            json.dumps([self.data.sha256, self.snapshot.version, base.hash, asdict(recipe)]).encode()
        ).hexdigest()
        torch.manual_seed(self.seed)
        pairs = Pairs(base.tokenizer, base.pad_id, lambda row: document_text(self.snapshot.products.get(row)))

        def score(network: CrossEncoder) -> float:
            """NDCG@10 of the network alone on what was kept back."""
            told = _split(scores_of(network, pairs, _pairs_of(apart)), apart)
            found = [
                ndcg(np.array(each.gains)[np.argsort(-of, kind="stable")], np.array(each.gains))
                for each, of in zip(apart, told, strict=True)
            ]
            return float(np.mean(found)) if found else 0.0

        def phase(name: str, network: CrossEncoder, lists: Lists, loss: Loss, recipe: Recipe) -> None:
            checkpoint = Checkpoint(self.checkpoints / f"{name}.safetensors", fingerprint)
            train(name, network, pairs, lists, loss, recipe, score, progress=self.progress, checkpoint=checkpoint)

        teacher = CrossEncoder(base.model).cut(_TEACHER_LAYERS)
        phase("teacher", teacher, lambda epoch: lists_of(learnt, self.seed, epoch), listwise, recipe)
        told = _split(scores_of(teacher, pairs, _pairs_of(learnt)), learnt)
        taught = [Taught(each, of) for each, of in zip(learnt, told, strict=True)]
        student = teacher.cut(_STUDENT_LAYERS)
        recipe = replace(recipe, epochs=_STUDENT_EPOCHS * self.epochs)
        phase("student", student, lambda epoch: lists_of(taught, self.seed, epoch), margins, recipe)
        return base, {STUDENT: student, TEACHER: teacher}

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes the reranker and returns the manifest's facts."""
        base, networks = self.train()
        trials = self._trials()
        none = [_NOTHING] * len(trials)
        serving = self.parts.shelf.engine.reranker
        variants = {
            SERVING: [self._relevance(serving, each, serving.candidates) for each in trials] if serving else none
        }
        exact = [bool(codes_of(trial.text)) for trial in trials]
        timed: dict[str, tuple[int, float]] = {}
        for name, network in networks.items():
            reranker = self._export(network, base, folder / name)
            count, milliseconds = timed[name] = self._most_in_time(reranker, trials)
            if milliseconds > self.budget_ms:
                self.notice(f"The {name} takes {milliseconds:.1f} ms for {count} hits here, so it is none to choose.")
                continue
            said = [self._relevance(reranker, trial, count) for trial in trials]
            variants[name] = [_NOTHING if found else each for found, each in zip(exact, said, strict=True)]
            if sum(exact) >= FEWEST_QUERIES:
                variants[name + WITH_CODES] = said
        if len(variants) == 1:
            variants[STUDENT] = none
        weight = serving.weight if serving else 0.0
        comparison = compare(trials, variants, weight, self.seed)
        if comparison.chosen != SERVING:
            weight = comparison.weights["relevance"]
        orders = [trial.order(each, weight) for trial, each in zip(trials, variants[comparison.chosen], strict=True)]
        kept = TEACHER if comparison.chosen.startswith(TEACHER) else STUDENT
        _keep(folder, kept, networks)
        count, milliseconds = timed[kept]
        facts = RerankerFacts(
            self.space, count, comparison.weights["relevance"], codes=comparison.chosen.endswith(WITH_CODES)
        )
        metrics = self._metrics(trials, orders)
        metrics |= {"ndcg@10_before": comparison.ndcg[SERVING], "chosen": comparison.chosen}
        metrics |= {"candidates": count, "rerank_ms": round(milliseconds, 2)}
        return {
            **asdict(facts),
            "base": base.name,
            "base_hash": base.hash,
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

    def _export(self, network: CrossEncoder, base: Pretrained, folder: Path) -> Reranker:
        """As it serves, for every query and hit, until it is known for which that helps."""
        from index.export import export

        folder.mkdir()
        table: Any = linked_embeddings(base, folder, self.cache)
        if table is None:
            table = network.encoder.get_input_embeddings().weight.detach().numpy()
        export(
            network,
            base.tokenizer,
            table,
            folder,
            max_tokens=TOKENS,
            pad_id=base.pad_id,
            dim=network.encoder.config.hidden_size,
            inputs=INPUTS,
            outputs=OUTPUTS,
        )
        write_manifest(folder, KIND, asdict(RerankerFacts(self.space, COUNTS[0], 0.0, codes=True)))
        return Reranker.load(folder)

    def _trials(self) -> list[Trial]:
        """Judged queries where there are enough, else made ones of products that training did not see."""
        asked = [each for each in self.data.held_out if self._asks(each.query.text)]
        if len(asked) >= FEWEST_QUERIES:
            return [self._trial(each.query, each.gains) for each in asked]
        made = made_queries(self.parts, self.held, self.seed)
        return [
            self._trial(Query(str(place), each.query), dict(zip(each.rows, each.gains, strict=True)))
            for place, each in enumerate(made)
        ]

    def _trial(self, query: Query, gains: Mapping[int, float]) -> Trial:
        text, rows, fused = found_by(self.parts, query, COUNTS[0])
        return Trial(query, text, rows, fused, gains)

    def _relevance(self, reranker: Reranker, trial: Trial, count: int) -> NDArray[np.float32]:
        """Of the first hits, (at most `count`,); none where serving does not ask for it."""
        if not reranker.reads(trial.text, self.engine.space_of(trial.text)) or len(trial.rows) < 2:
            return _NOTHING
        return reranker.relevance(trial.text, self._tokens(reranker, trial.rows[:count]))

    def _tokens(self, reranker: Reranker, rows: Sequence[int]) -> list[list[int]]:
        return [reranker.tokens(self.snapshot.products.get(row)) for row in rows]

    def _most_in_time(self, reranker: Reranker, trials: Sequence[Trial]) -> tuple[int, float]:
        """How many hits can be read in time on this machine, and the median milliseconds of that many; else the fewest."""
        asked = [
            (trial.text, list(islice(cycle(self._tokens(reranker, trial.rows)), COUNTS[0])))  # few hits, many times
            for trial in [each for each in trials if each.rows][:_TIMED]
        ]
        for count in COUNTS:
            taken = []
            for text, products in asked:
                started = time.perf_counter()
                reranker.relevance(text, products[:count])
                taken.append(1000 * (time.perf_counter() - started))
            median = float(np.median(taken))
            if median <= self.budget_ms:
                break
        return count, median

    def _metrics(self, trials: Sequence[Trial], orders: Sequence[NDArray[np.intp]]) -> Metrics:
        """Those of `evaluate search` on the held-out queries."""
        products = self.snapshot.products
        places = {trial.query.query_id: place for place, trial in enumerate(trials)}
        qrels = {
            trial.query.query_id: {products.get(row).id: gain for row, gain in trial.gains.items()} for trial in trials
        }

        def ranked(query: Query) -> list[str]:
            trial, order = trials[places[query.query_id]], orders[places[query.query_id]]
            rows = [trial.rows[place] for place in order] + trial.rows[len(order) :]
            return [products.get(row).id for row in rows[:10]]

        metrics = evaluate(ranked, [trial.query for trial in trials], qrels)
        return {name: value for name, value in metrics.items() if not name.endswith("_ms")}


def _pairs_of(asked: Sequence[Asked]) -> list[tuple[str, int]]:
    return [(each.query, row) for each in asked for row in each.rows]


def _split(scores: NDArray[np.float32], asked: Sequence[Asked]) -> list[NDArray[np.float32]]:
    """The scores of the rows of each, (rows,)."""
    return np.split(scores, np.cumsum([len(each.rows) for each in asked])[:-1])


def _keep(folder: Path, kept: str, networks: Iterable[str]) -> None:
    """Moves the files of one network up, and leaves the others out; the manifest of the whole is yet to be written."""
    (folder / kept / MANIFEST).unlink()
    for file in (folder / kept).iterdir():
        file.rename(folder / file.name)
    for name in networks:
        shutil.rmtree(folder / name)
