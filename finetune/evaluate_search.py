"""Search quality against relevance judgments: recall, reciprocal rank and NDCG over the whole catalog."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from index.filters import Filters
from storage.errors import InvalidInput
from storage.rows import RowProblem, not_utf8, open_text, read_jsonl

CUT = 10


@dataclass(frozen=True, slots=True)
class Query:
    """One query to judge."""

    query_id: str
    text: str
    filters: Filters = field(default_factory=Filters)


Search = Callable[[Query], Sequence[str]]
Judgments = Mapping[str, Mapping[str, float]]


def evaluate(search: Search, queries: Sequence[Query], qrels: Judgments) -> dict[str, float | int]:
    """Runs every judged query through `search`, which returns product ids, best first.

    Returns `n, recall@1, recall@10, mrr@10, ndcg@10, p50_ms, p95_ms`. Recall is the share of a query's relevant products
    (gain above 0) among the first k, over at most k; NDCG takes the gain itself with a discount of log2(rank + 1)
    (Järvelin and Kekäläinen, 2002). Queries without a relevant product are left out of `n`.

    Raises:
        InvalidInput: no query has a judgment.
    """
    rows: list[tuple[float, float, float, float]] = []
    seconds: list[float] = []
    for query in queries:
        gains = {product: gain for product, gain in qrels.get(query.query_id, {}).items() if gain > 0}
        if not gains:
            continue
        started = time.perf_counter()
        found = list(dict.fromkeys(search(query)))[:CUT]
        seconds.append(time.perf_counter() - started)
        rows.append(
            (_recall(found, gains, 1), _recall(found, gains, CUT), _reciprocal_rank(found, gains), _ndcg(found, gains))
        )
    if not rows:
        raise InvalidInput("No query has a judgment.", "Check that the ids in --queries and --qrels are the same.")
    recall_1, recall_10, mrr, ndcg = np.mean(rows, axis=0)
    p50, p95 = np.percentile(np.array(seconds) * 1000, [50, 95])
    return {
        "n": len(rows),
        "recall@1": float(recall_1),
        "recall@10": float(recall_10),
        "mrr@10": float(mrr),
        "ndcg@10": float(ndcg),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
    }


def read_queries(path: Path) -> list[Query]:
    """Reads JSONL `{query_id, text, filters}`; raises `InvalidInput` with the line that is not like that."""
    queries = []
    for line, row in read_jsonl(path):
        if isinstance(row, RowProblem):
            raise InvalidInput(f"{path}, line {line}: {row.reason}.", "Each line is {query_id, text, filters}.")
        queries.append(_query(row, f"{path}, line {line}"))
    return queries


def read_qrels(path: Path) -> dict[str, dict[str, float]]:
    """Reads TSV query_id, product_id, gain, with or without that header; raises `InvalidInput` on a malformed line."""
    return _grouped(_judgments(path))


def _query(row: dict[str, Any], where: str) -> Query:
    query_id, text = row.get("query_id"), row.get("text")
    if not isinstance(query_id, str | int) or not isinstance(text, str):
        raise InvalidInput(f"{where}: query_id or text is missing.", "Each line is {query_id, text, filters}.")
    try:
        return Query(str(query_id), text, Filters.model_validate(row.get("filters") or {}))
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        raise InvalidInput(f"{where}: filters.{name}: {problem['msg']}.", "See docs for what filters hold.") from error


def _judgments(path: Path) -> Iterator[tuple[str, str, float]]:
    with open_text(path) as stream:
        for line, row in enumerate(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
            if not row or row[0] == "query_id":
                continue
            if any(map(not_utf8, row)):
                raise InvalidInput(f"{path}, line {line} is not UTF-8.", "Save the file as UTF-8.")
            try:
                query_id, product_id, gain = row
                yield query_id, product_id, float(gain)
            except ValueError:
                raise InvalidInput(
                    f"{path}, line {line}: {row!r} is not query_id, product_id and gain.",
                    "Separate three columns by tabs.",
                ) from None


def _grouped(judgments: Iterator[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    qrels: dict[str, dict[str, float]] = {}
    for query_id, product_id, gain in judgments:
        qrels.setdefault(query_id, {})[product_id] = gain
    return qrels


def of_products(qrels: Judgments, product_of: Callable[[str], str]) -> dict[str, dict[str, float]]:
    """Judgments by product: one on a variant is one on its product, of several the best counts."""
    found: dict[str, dict[str, float]] = {}
    for query_id, gains in qrels.items():
        own = found.setdefault(query_id, {})
        for item_id, gain in gains.items():
            product_id = product_of(item_id)
            own[product_id] = max(own.get(product_id, gain), gain)
    return found


def _recall(found: Sequence[str], gains: Mapping[str, float], k: int) -> float:
    return sum(product in gains for product in found[:k]) / min(k, len(gains))


def _reciprocal_rank(found: Sequence[str], gains: Mapping[str, float]) -> float:
    return next((1 / rank for rank, product in enumerate(found, 1) if product in gains), 0.0)


def _ndcg(found: Sequence[str], gains: Mapping[str, float]) -> float:
    best = sum(gain / math.log2(rank + 1) for rank, gain in enumerate(sorted(gains.values(), reverse=True)[:CUT], 1))
    return sum(gains.get(product, 0) / math.log2(rank + 1) for rank, product in enumerate(found, 1)) / best
