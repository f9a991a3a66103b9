"""Training and validation parts: whole dialogues, near-duplicates together, every label in both where it can be."""

from __future__ import annotations

import random
import re
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from finetune.logs import Dialogue

NEAR_DUPLICATE = 0.8
"""Jaccard similarity of shingles from which on two dialogues count as one."""

_HASHES = 64
_BAND = 4  # 16 bands of 4: pairs at .8 meet in a band with probability .9998
_PRIME = (1 << 31) - 1
_AT_ONCE = 4096  # dialogues or pairs whose shingles are worked on together; they then fit the cache
_WORD = re.compile(r"[\u3400-\u9fff]|\w+")
_NUMBER = re.compile(r"\d+")


def split_dialogues(
    dialogues: Sequence[Dialogue], share: float = 0.12, seed: int = 0
) -> tuple[list[Dialogue], list[Dialogue]]:
    """Training and validation dialogues; those that the log marks "test" are in neither.

    A log that marks "validation" is taken at its word, if a labelled turn is among it. Otherwise groups of near-duplicates are
    drawn, the rarest label first, until validation holds `share` of each label's turns; a label that only one group has stays
    in training. Marked or drawn, no dialogue is in either part that nearly repeats one marked "test", and none in training
    that nearly repeats one of validation.
    """
    groups = near_duplicates(dialogues)
    tested = {group for dialogue, group in zip(dialogues, groups, strict=True) if dialogue.split == "test"}
    usable = [(dialogue, group) for dialogue, group in zip(dialogues, groups, strict=True) if group not in tested]
    marked = [dialogue for dialogue, _ in usable if dialogue.split == "validation"]
    if any(True for dialogue in marked for _ in dialogue.golds()):
        held = {group for dialogue, group in usable if dialogue.split == "validation"}
        return [dialogue for dialogue, group in usable if group not in held], marked
    chosen = _draw(usable, share, seed)
    training = [dialogue for dialogue, group in usable if group not in chosen]
    return training, [dialogue for dialogue, group in usable if group in chosen]


def near_duplicates(dialogues: Sequence[Dialogue]) -> list[int]:
    """A group number for each dialogue; dialogues that say nearly the same share one.

    MinHash with banding (Broder 1997): candidates are dialogues with an equal band of their signatures, each compared with the
    first and with the one before it in its bucket; groups are what similar pairs connect.
    """
    if not dialogues:
        return []
    shingles = _Shingles(dialogues)
    signatures = shingles.signatures()
    pairs = np.empty((2, 0), np.int64)
    for at in range(0, _HASHES, _BAND):
        pairs = _distinct(np.hstack([pairs, _pairs(signatures[:, at : at + _BAND])]))
    left, right = pairs[:, shingles.similarity(*pairs) >= NEAR_DUPLICATE]
    graph = coo_array((np.ones(len(left), np.bool_), (left, right)), shape=(len(dialogues),) * 2)  # type: ignore[no-untyped-call]
    groups: list[int] = connected_components(graph, directed=False)[1].tolist()
    return groups


class _Shingles:
    """The word triples of what each user says, as sets of hashes: one array, and where each dialogue's part begins."""

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        hashes, starts = array("i"), array("q", [0])
        for dialogue in dialogues:
            hashes.extend(_shingles(dialogue))
            starts.append(len(hashes))
        self._hashes: NDArray[np.int32] = np.array(hashes)
        self._starts: NDArray[np.int64] = np.array(starts)

    def signatures(self) -> NDArray[np.int32]:
        """The least of each of `_HASHES` permutations over a dialogue's shingles: (dialogues, hashes)."""
        multipliers = np.random.default_rng(7).integers(1, _PRIME, size=(_HASHES, 2), dtype=np.int64)
        signatures = np.empty((len(self._starts) - 1, _HASHES), np.int32)
        for at in range(0, len(signatures), _AT_ONCE):
            starts = self._starts[at : at + _AT_ONCE + 1]
            values = self._hashes[starts[0] : starts[-1]].astype(np.int64)
            for column, (factor, offset) in enumerate(multipliers):
                permuted = (values * factor + offset) % _PRIME
                signatures[at : at + _AT_ONCE, column] = np.minimum.reduceat(permuted, starts[:-1] - starts[0])
        return signatures

    def similarity(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """The Jaccard similarity of the dialogues at these places, pair by pair."""
        found = np.empty(len(left))
        for at in range(0, len(left), _AT_ONCE):
            part = slice(at, at + _AT_ONCE)
            both = np.concatenate([self._keyed(left[part]), self._keyed(right[part])])
            # A shingle that both have stands twice in a row once those of the pair are sorted.
            both.sort()
            pair = both >> 31
            count = len(found[part])
            common = np.bincount(pair[1:][both[1:] == both[:-1]], minlength=count)
            found[part] = common / (np.bincount(pair, minlength=count) - common)
        return found

    def _keyed(self, members: NDArray[np.int64]) -> NDArray[np.int64]:
        """The shingles of these dialogues one after the other, each with its dialogue's place above the hash's 31 bits."""
        sizes = np.diff(self._starts)[members]
        place = np.repeat(np.arange(len(members)), sizes)
        within = np.arange(len(place)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        keyed: NDArray[np.int64] = (place << 31) | self._hashes[self._starts[members][place] + within]
        return keyed


def _pairs(band: NDArray[np.int32]) -> NDArray[np.int64]:
    """Of dialogues with equal rows in `band` (dialogues, 4), each with the first and with the one before it: (2, pairs)."""
    order = np.lexsort(band.T)
    new = np.append(True, (band[order[1:]] != band[order[:-1]]).any(axis=1))
    first = order[new][np.cumsum(new) - 1]
    before = np.append(order[0], order[:-1])
    return np.hstack([np.stack([other[~new], order[~new]]) for other in (first, before)])


def _distinct(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack(np.divmod(np.unique((pairs[0] << 32) | pairs[1]), 1 << 32))


def _shingles(dialogue: Dialogue) -> set[int]:
    """Hashes of the word triples of what the user says; numbers count as one, so a new price is no new dialogue."""
    text = " ".join(message.content for message in dialogue.messages if message.role == "user").casefold()
    words = ["^", *_WORD.findall(_NUMBER.sub("0", text)), "$"]
    triples = {" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))}
    return {zlib.crc32(each.encode()) % _PRIME for each in triples}


def _draw(dialogues: Sequence[tuple[Dialogue, int]], share: float, seed: int) -> set[int]:
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for dialogue, group in dialogues:
        counts[group].update(chain.from_iterable(dialogue.golds()))
    order = list(counts)
    random.Random(seed).shuffle(order)
    totals: Counter[str] = Counter()
    having: dict[str, list[int]] = defaultdict(list)  # the groups of a label, in random order
    for group in order:
        totals.update(counts[group])
        for label in counts[group]:
            having[label].append(group)
    chosen: set[int] = set()
    have: Counter[str] = Counter()
    left = {label: len(groups) for label, groups in having.items()}  # groups of a label that remain for training
    for label in sorted(totals, key=lambda name: (totals[name], name)):
        for group in having[label]:
            if have[label] >= share * totals[label]:
                break
            count = counts[group]
            too_much = any(have[name] + number > 2 * share * totals[name] + 1 for name, number in count.items())
            if group in chosen or too_much or any(left[name] < 2 for name in count):
                continue
            chosen.add(group)
            have.update(count)
            for name in count:
                left[name] -= 1
    return chosen
