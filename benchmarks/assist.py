"""What agents are shown, measured: `--parts replies`.

    python -m benchmarks.assist --parts replies [--data ../shared/data] [--sets simmc2 demo] [--languages en zh] [--seeds 3]

`replies`: the true reply among 100, 99 others of the test part being drawn by seed, never one with the same text. Beside the tuned
encoder stand BM25 and the pretrained one as it comes (MiniLM; multilingual e5 for Chinese), on the last turn and on the last four
messages, and the tuned one with BM25 added by a weight that validation chose. All see the same templates. Then the time that a
suggestion among 50,000 templates takes.

    simmc2  SIMMC 2.0, the assistant's turns: tested on fold 0, trained on folds 1 to 4, a tenth of their dialogues being for
            validation.
    demo    the demo shop's agents. Two wordings of each section of the phrasings are the test part's alone, so that no test reply
            was seen in training word for word. Wordings of one section say the same and are no distractors for each other. Learnt
            is from the first 240 of the dialogues for training.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.intent_sets import SETS, write
from benchmarks.search_peers import Bm25
from bot.desk.replies import PastReply, ReplyIndex
from bot.desk.reply_encoder import ReplyEncoder, pretrained_of
from bot.desk.templates import known_of
from demo.agents import agent_dialogues, handed_over
from demo.catalog import make_catalog
from demo.generate import generator
from demo.shoppers import make_behavior
from finetune.logs import read_logs
from finetune.replies import finetune_replies
from finetune.reply_pairs import Records, ReplyData, ReplyPair, no_records, reply_data
from storage.orders import Order, read_order

CANDIDATES: Final = 100
HISTORY: Final = 4
WEIGHTS: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Of BM25's score, scaled to its best among the candidates, beside a cosine."""
INDEXED: Final = 50_000
_NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
_PRODUCTS, _SHOPPERS, _DIALOGUES, _LEARNT = 800, 300, 900, 240
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """A log with its test part marked, what tells replies that say the same, and the customers' records."""

    log: Path
    kind: Callable[[ReplyPair], str] = lambda pair: pair.key
    records: Records = no_records


@dataclass(frozen=True)
class Trial:
    """Pairs and their candidates: `texts` (different templates) and `rows` (pairs, candidates) in them, the true one first."""

    pairs: list[ReplyPair]
    texts: list[str]
    rows: NDArray[np.int64]

    def scored(self, score: Callable[[ReplyPair], NDArray[np.floating]]) -> Floats:
        """(pairs, candidates) of a method that scores all texts for a pair."""
        return np.stack([score(pair)[rows] for pair, rows in zip(self.pairs, self.rows, strict=True)]).astype(
            np.float64
        )


def trial_of(pairs: Sequence[ReplyPair], kind: Callable[[ReplyPair], str], seed: int) -> Trial:
    """Draws candidates; where a part has too few texts of another kind, a pair has fewer."""
    texts = {pair.key: pair.template for pair in pairs}
    kinds = {pair.key: kind(pair) for pair in pairs}
    keys = list(texts)
    row_of = {key: row for row, key in enumerate(keys)}
    draw = random.Random(seed)
    rows = []
    for pair in pairs:
        others = [row_of[key] for key in keys if key != pair.key and kinds[key] != kinds[pair.key]]
        rows.append([row_of[pair.key], *draw.sample(others, min(CANDIDATES - 1, len(others)))])
    fewest = min(map(len, rows))
    return Trial(list(pairs), list(texts.values()), np.array([each[:fewest] for each in rows]))


def recalls(scores: Floats) -> tuple[float, float]:
    """Recall@1 and recall@5; a tie counts half."""
    ahead = (scores[:, 1:] > scores[:, :1]).sum(axis=1) + 0.5 * (scores[:, 1:] == scores[:, :1]).sum(axis=1)
    return float((ahead < 1).mean()), float((ahead < 5).mean())


def last_turn(pair: ReplyPair) -> str:
    """What the customer said last."""
    return str(next(each["content"] for each in reversed(pair.said) if each["role"] == "user"))


def last_messages(pair: ReplyPair) -> str:
    """The last messages in one text, the newest first."""
    spoken = [str(each["content"]) for each in pair.said if each["role"] != "system"]
    return " ".join(reversed(spoken[-HISTORY:]))


def lexical(trial: Trial, text_of: Callable[[ReplyPair], str]) -> Floats:
    """BM25 of a pair's text against the candidates."""
    ranker = Bm25(trial.texts)
    return trial.scored(lambda pair: ranker.scores(text_of(pair)))


def dense(trial: Trial, encoder: ReplyEncoder, space: str) -> Floats:
    """Cosines as they serve."""
    replies = encoder.replies(trial.texts, space)
    return trial.scored(lambda pair: replies @ encoder.conversation(pair.said, space))


def plain(trial: Trial, encoder: ReplyEncoder, space: str, text_of: Callable[[ReplyPair], str]) -> Floats:
    """Cosines of the pretrained encoder, as it comes."""
    pretrained = encoder.pretrained(space)
    replies = pretrained.encode_documents(trial.texts)
    return trial.scored(lambda pair: replies @ pretrained.encode_queries([text_of(pair)])[0])


def fused(cosines: Floats, words: Floats, weight: float) -> Floats:
    """A cosine and a share of BM25, whose best candidate has 1."""
    found: Floats = cosines + weight * words / np.maximum(words.max(axis=1, keepdims=True), 1e-9)
    return found


def simmc2(data: Path, folder: Path) -> Source:
    """SIMMC 2.0."""
    parts = SETS["simmc2"].rows(data, 0)
    rows = parts.training + [row | {"split": "test"} for row in parts.test]
    return Source(write(rows, folder / "simmc2.jsonl"))


def demo(_: Path, folder: Path) -> Source:
    """The demo shop's agents."""
    catalog = make_catalog(generator(7, 0), _NOW, _PRODUCTS)
    orders = make_behavior(generator(7, 1), _NOW, catalog, _SHOPPERS).orders
    sections = {
        (each.dialogue_id, place): line.section
        for each in handed_over(7, _NOW, orders, catalog, _DIALOGUES)
        for place, line in enumerate(each.lines)
    }
    of_user: dict[str, list[Order]] = defaultdict(list)
    for row in orders:
        of_user[row["user_id"]].append(read_order(row)[0])
    rows = list(agent_dialogues(7, _NOW, orders, catalog, _DIALOGUES))
    learnt = [row for row in rows if row["split"] == "train"][:_LEARNT]
    return Source(
        write(learnt + [row for row in rows if row["split"] != "train"], folder / "demo.jsonl"),
        lambda pair: sections[pair.dialogue_id, len(pair.said)],
        lambda user_id: known_of(of_user[user_id], None, {}),
    )


SOURCES: Final[dict[str, Callable[[Path, Path], Source]]] = {"simmc2": simmc2, "demo": demo}


def replies(
    name: str, data: Path, shop: Path, work: Path, seeds: int, epochs: int | None, languages: Sequence[str]
) -> None:
    """Prints the table of a set."""
    work.mkdir(parents=True, exist_ok=True)
    source = SOURCES[name](data, work)
    dialogues = [each for each in read_logs([source.log]).dialogues if each.language in languages]
    untuned = ReplyEncoder(pretrained_of(shop))
    for seed in range(seeds):
        given = reply_data(dialogues, seed, source.records)
        model = work / f"{name}-{'-'.join(languages)}-{seed}-{epochs}"
        if not model.exists():
            cache = shop / "models" / "encoder"
            print(
                json.dumps({"set": name, "seed": seed, **tuned_facts(given, model, untuned, cache, epochs, seed)}),
                flush=True,
            )
        encoder = ReplyEncoder.load(model, untuned.pretrained)
        for space in given.spaces:
            table(f"{name} {space} seed {seed}", given, space, source, encoder, untuned, seed)
        if seed == 0:
            pace(encoder, given)


def tuned_facts(
    data: ReplyData, model: Path, untuned: ReplyEncoder, cache: Path, epochs: int | None, seed: int
) -> dict[str, object]:
    """Trains, and says how long it took and what the gate said."""
    done = finetune_replies(data, model, untuned, cache, epochs=epochs, seed=seed)
    return {"seconds": round(done.seconds), **done.metrics}


def table(
    title: str, data: ReplyData, space: str, source: Source, encoder: ReplyEncoder, untuned: ReplyEncoder, seed: int
) -> None:
    """Prints a row a method."""
    pairs = data.spaces[space]
    trial = trial_of(pairs.held_out, source.kind, seed)
    shown = f"{len(trial.pairs)} replies, {len(trial.texts)} different, {trial.rows.shape[1]} candidates"
    name = {"latin": "MiniLM", "han": "e5"}[space]
    cosines, words = dense(trial, encoder, space), lexical(trial, last_turn)
    apart = trial_of(pairs.validation, source.kind, seed)
    seen = dense(apart, encoder, space), lexical(apart, last_turn)
    weight = max(WEIGHTS, key=lambda each: (recalls(fused(*seen, each))[0], -each))
    rows = {
        "BM25, last turn": words,
        f"BM25, last {HISTORY} messages": lexical(trial, last_messages),
        f"{name} as it comes, last turn": plain(trial, untuned, space, last_turn),
        f"{name} as it comes, last {HISTORY} messages": plain(trial, untuned, space, last_messages),
        "tuned": cosines,
        f"tuned, BM25 added by {weight}": fused(cosines, words, weight),
    }
    for method, scores in rows.items():
        first, fifth = recalls(scores)
        print(f"{title} | {shown} | {method} | {first:.3f} | {fifth:.3f}", flush=True)


def pace(encoder: ReplyEncoder, data: ReplyData) -> None:
    """Prints the time of a suggestion: a conversation as vector, and the search among many templates."""
    draw = np.random.default_rng(0)
    for space, pairs in data.spaces.items():
        vectors = draw.standard_normal((INDEXED, 384), np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        kept = [PastReply(f"reply {number}", "", 1) for number in range(INDEXED)]
        index = ReplyIndex(encoder, {space: kept}, {space: vectors})
        taken = []
        for pair in (pairs.held_out * 3)[:300]:
            started = time.perf_counter()
            index.suggest(pair.said)
            taken.append(1000 * (time.perf_counter() - started))
        p50, p95 = np.percentile(taken[10:], [50, 95])
        print(f"{space} | a suggestion among {INDEXED:,} templates | p50 {p50:.1f} ms | p95 {p95:.1f} ms", flush=True)


def main() -> None:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=("replies",), default=["replies"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--shop", type=Path, default=Path("var"), help="where the pretrained encoders are kept")
    parser.add_argument("--sets", nargs="+", choices=tuple(SOURCES), default=list(SOURCES))
    parser.add_argument("--languages", nargs="+", choices=("en", "zh"), default=["en", "zh"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    parser.add_argument(
        "--work", type=Path, help="keeps logs and models here; a model that is there is not trained again"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.sets:
            replies(
                name, given.data, given.shop, given.work or Path(scratch), given.seeds, given.epochs, given.languages
            )


if __name__ == "__main__":
    main()
