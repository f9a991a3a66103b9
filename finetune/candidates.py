"""Candidates for labelling: user turns nobody has labelled, what the current model thinks of them, and the next batch."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.doubt import SCORES, Reference
from bot.history import HistoryLimits, Window, tokenize, window_of
from bot.intent import KIND, IntentSettings, outputs_of
from bot.labels import OUT_OF_SCOPE
from finetune.labeling import select
from finetune.logs import Dialogue, Message
from finetune.split import near_duplicates
from finetune.turn_keys import KeyedDialogue
from index.transformer import BATCH, Transformer
from storage.publish import read_manifest

Progress = Callable[[int, int], None]
"""Called with the number of turns that the model has read, and of all."""

MOST_CANDIDATES = 20_000
"""More turns are sampled down to so many: the model reads about a hundred a second, and the best of 20,000 are good enough."""

_SHORT = 12  # characters; a turn no longer than this means what the message before makes of it


@dataclass(frozen=True)
class Candidate:
    """A user turn nobody has labelled: the last of `messages`. `message_id` is set where the database keeps it."""

    key: str
    messages: tuple[Message, ...]
    message_id: str | None = None

    @property
    def turn(self) -> str:
        """What the customer says."""
        return self.messages[-1].content


@dataclass(frozen=True)
class Opinion:
    """What the model thinks of turns.

    probabilities (n, labels); features (n, dim), those of each encoder in columns of their own, for vectors of two spaces
    have nothing in common; suspected (n,), which of them may be out of scope.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    features: NDArray[np.float32]
    suspected: NDArray[np.bool_]


@dataclass(frozen=True)
class Pick:
    """A turn to label: the label that the model suggests, its probability, and the next likeliest, if any.

    A turn that may be out of scope is suggested to be, with no probability: that is not a class of the model.
    """

    candidate: Candidate
    suggested: str
    confidence: float | None
    second: str


def candidates_of(dialogues: Iterable[KeyedDialogue], taken: Collection[str], seed: int = 0) -> list[Candidate]:
    """User turns without a label, none of which nearly repeats another or one that is taken; a sample where they are many.

    Args:
        dialogues: where from.
        taken: keys of turns that have an answer or are waiting for one.
        seed: of the sample.
    """
    found: dict[str, Candidate] = {}
    others: set[str] = set()
    for each in dialogues:
        messages = each.dialogue.messages
        for place, key in each.keys.items():
            if not messages[place].content.strip():
                continue
            if messages[place].intents or key in taken:
                others.add(_gist(messages[: place + 1]))
            else:
                found.setdefault(key, Candidate(key, messages[: place + 1], each.message_ids.get(place)))
    gists = {_gist(each.messages): each for each in found.values()}
    names = sorted(gists.keys() - others)
    random.Random(seed).shuffle(names)
    names = names[:MOST_CANDIDATES]
    groups = near_duplicates([Dialogue("", (Message("user", gist),)) for gist in (*sorted(others), *names)])
    seen = set(groups[: len(others)])
    kept = []
    for name, group in zip(names, groups[len(others) :], strict=True):
        if group not in seen:
            seen.add(group)
            kept.append(gists[name])
    return kept


def opinion_of(
    model: Path, conversations: Sequence[Sequence[Mapping[str, object]]], progress: Progress | None = None
) -> Opinion:
    """What the intent model in a folder thinks of the last user turn of each conversation, {"role", "content"} oldest first.

    Raises:
        Damaged: the folder is not a whole intent model.
        NotFound: there is none.
    """
    read_manifest(model, KIND)
    settings = IntentSettings.load(model)
    networks = {space: Transformer.load(model / space) for space in settings.encoders}
    windows = [window_of(each, settings.history) for each in conversations]
    rows: dict[str, list[int]] = {space: [] for space in networks}
    for row, window in enumerate(windows):
        space = "han" if window.is_han else "latin"
        rows[space if space in networks else next(iter(networks))].append(row)
    probabilities = np.zeros((len(windows), len(settings.labels)), np.float32)
    suspected = np.zeros(len(windows), bool)
    columns: list[NDArray[np.float32]] = []
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(done, len(windows))

    for space, network in networks.items():
        each = settings.encoders[space]
        chosen = [windows[row] for row in rows[space]]
        logits, features = _run(network, chosen, len(settings.labels), settings.history, advance)
        if chosen:
            outputs = outputs_of(logits, features, each.temperature, multi_label=settings.multi_label)
            reference = Reference.load(model / space, each.score, network.settings.dim)
            probabilities[rows[space]] = outputs.probabilities
            suspected[rows[space]] = SCORES[each.score](outputs, reference) > each.threshold
        block = np.zeros((len(windows), features.shape[1]), np.float32)
        block[rows[space]] = features
        columns.append(block)
    return Opinion(settings.labels, probabilities, np.concatenate(columns, axis=1), suspected)


def _run(
    network: Transformer, windows: Sequence[Window], labels: int, limits: HistoryLimits, advance: Callable[[int], None]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits (n, labels) and features (n, dim) of turns, in their order."""
    tokens = [tokenize(window, network.tokenizer, limits) for window in windows]
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row].ids))
    logits = np.zeros((len(tokens), labels), np.float32)
    features = np.zeros((len(tokens), network.settings.dim), np.float32)
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        ids, segments = [tokens[row].ids for row in part], [tokens[row].segments for row in part]
        outputs = network.run_ids(ids, {"segments": segments})
        logits[part], features[part] = outputs["logits"], outputs["features"]
        advance(len(part))
    return logits, features


def next_batch(
    candidates: Sequence[Candidate], model: Path, count: int, seed: int = 0, progress: Progress | None = None
) -> list[Pick]:
    """The turns most worth a label by the model in a folder, the least certain first; fewer where there are not so many.

    Raises:
        Damaged: the folder is not a whole intent model.
        NotFound: there is none.
    """
    conversations = [[{"role": m.role, "content": m.content} for m in each.messages] for each in candidates]
    opinion = opinion_of(model, conversations, progress)
    rows = select(opinion.probabilities, opinion.features, count, seed, opinion.suspected)
    return [_pick(candidates[row], opinion, int(row)) for row in rows]


def _pick(candidate: Candidate, opinion: Opinion, row: int) -> Pick:
    likeliest = np.argsort(-opinion.probabilities[row], kind="stable")
    first, second = [*(opinion.labels[place] for place in likeliest[:2]), ""][:2]
    if opinion.suspected[row]:
        return Pick(candidate, OUT_OF_SCOPE, None, first)
    return Pick(candidate, first, float(opinion.probabilities[row, likeliest[0]]), second)


def _gist(messages: Sequence[Message]) -> str:
    """The words by which turns are told apart."""
    turn = messages[-1].content
    return f"{messages[-2].content} {turn}" if len(turn) <= _SHORT and len(messages) > 1 else turn
