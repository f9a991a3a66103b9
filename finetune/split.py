"""Training and validation parts: whole dialogues, near-duplicates together, every label in both where it can be."""

from __future__ import annotations

import random
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from finetune.logs import Dialogue

NEAR_DUPLICATE = 0.8
"""Jaccard similarity of shingles from which on two dialogues count as one."""

_HASHES = 64
_BAND = 4  # 16 bands of 4: pairs at .8 meet in a band with probability .9998
_PRIME = (1 << 31) - 1
_WORD = re.compile(r"[\u3400-\u9fff]|\w+")
_NUMBER = re.compile(r"\d+")


def split_dialogues(
    dialogues: Sequence[Dialogue], share: float = 0.12, seed: int = 0
) -> tuple[list[Dialogue], list[Dialogue]]:
    """Training and validation dialogues; those that the log marks "test" are in neither.

    A log that marks "validation" is taken at its word, except that a training dialogue which nearly repeats a validation
    one is left out. Otherwise groups of near-duplicates are drawn, the rarest label first, until validation holds `share`
    of each label's turns; a label that only one group has stays in training.
    """
    usable = [dialogue for dialogue in dialogues if dialogue.split != "test"]
    groups = near_duplicates(usable)
    if any(dialogue.split == "validation" for dialogue in usable):
        validation = [dialogue for dialogue in usable if dialogue.split == "validation"]
        taken = {group for dialogue, group in zip(usable, groups, strict=True) if dialogue.split == "validation"}
        training = [
            dialogue
            for dialogue, group in zip(usable, groups, strict=True)
            if dialogue.split != "validation" and group not in taken
        ]
        return training, validation
    chosen = _draw(usable, groups, share, seed)
    training = [dialogue for dialogue, group in zip(usable, groups, strict=True) if group not in chosen]
    return training, [dialogue for dialogue, group in zip(usable, groups, strict=True) if group in chosen]


def near_duplicates(dialogues: Sequence[Dialogue]) -> list[int]:
    """A group number for each dialogue; dialogues that say nearly the same share one (MinHash with banding)."""
    parent = list(range(len(dialogues)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    shingles = [_shingles(dialogue) for dialogue in dialogues]
    multipliers = np.random.default_rng(7).integers(1, _PRIME, size=(_HASHES, 2), dtype=np.int64)
    buckets: dict[tuple[int, bytes], int] = {}
    for index, values in enumerate(shingles):
        signature = ((values[None, :] * multipliers[:, :1] + multipliers[:, 1:]) % _PRIME).min(axis=1)  # (hashes,)
        for band in range(0, _HASHES, _BAND):
            first = buckets.setdefault((band, signature[band : band + _BAND].tobytes()), index)
            if root(first) != root(index) and _similarity(shingles[first], values) >= NEAR_DUPLICATE:
                parent[root(index)] = root(first)
    return [root(index) for index in range(len(dialogues))]


def _shingles(dialogue: Dialogue) -> NDArray[np.int64]:
    """Hashes of the word triples of what the user says; numbers count as one, so a new price is no new dialogue."""
    text = " ".join(message.content for message in dialogue.messages if message.role == "user").casefold()
    words = ["^", *_WORD.findall(_NUMBER.sub("0", text)), "$"]
    triples = {" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))}
    return np.array(sorted(zlib.crc32(each.encode()) % _PRIME for each in triples), np.int64)


def _similarity(left: NDArray[np.int64], right: NDArray[np.int64]) -> float:
    common = len(np.intersect1d(left, right))
    return common / (len(left) + len(right) - common)


def _draw(dialogues: Sequence[Dialogue], groups: Sequence[int], share: float, seed: int) -> set[int]:
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for dialogue, group in zip(dialogues, groups, strict=True):
        for message in dialogue.messages:
            counts[group].update(message.intents if message.role == "user" else ())
    totals: Counter[str] = Counter()
    spread: Counter[str] = Counter()  # in how many groups a label is
    for count in counts.values():
        totals.update(count)
        spread.update(count.keys())
    order = list(counts)
    random.Random(seed).shuffle(order)
    chosen: set[int] = set()
    have: Counter[str] = Counter()
    left = Counter(spread)  # groups of a label that remain for training
    for label in sorted(totals, key=lambda name: (totals[name], name)):
        for group in order:
            if have[label] >= share * totals[label]:
                break
            count = counts[group]
            too_much = any(have[name] + number > 2 * share * totals[name] + 1 for name, number in count.items())
            if group in chosen or not count[label] or too_much or any(left[name] < 2 for name in count):
                continue
            chosen.add(group)
            have.update(count)
            left.subtract(count.keys())
    return chosen
