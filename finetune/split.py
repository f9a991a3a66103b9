"""Training and validation parts: whole dialogues, near-duplicates together, every label in both where it can be."""

from __future__ import annotations

import random
import re
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from finetune.logs import Dialogue

NEAR_DUPLICATE = 0.8
"""Jaccard similarity of shingles from which on two dialogues count as one."""

_AT_ONCE = 4096  # pairs whose shingles are compared together; they then fit the cache
_MOST_PAIRS = (
    30_000_000  # candidates that are looked at; they take minutes, where all pairs of a million would take days
)
_LOW = 0xFFFFFFFF  # the lower half of a key
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
    """A group number for each dialogue; dialogues that say nearly the same share one, as do those that such pairs connect.

    Prefix filtering (Bayardo, Ma, Srikant, "Scaling Up All Pairs Similarity Search", WWW 2007): sets as similar as
    `NEAR_DUPLICATE` share one of the rarest shingles of each, so only sets that do are compared. Nothing is missed unless these
    are more than `_MOST_PAIRS`, which takes tens of thousands of different dialogues made of the same few sentences.
    """
    numbers: dict[bytes, int] = {}
    places = [numbers.setdefault(_shingles(dialogue), len(numbers)) for dialogue in dialogues]
    if not places:
        return []
    sets = _Sets(list(numbers))
    groups = np.arange(len(numbers))
    for left, right in sets.candidates():
        apart = groups[left] != groups[right]
        near = sets.similarity(left[apart], right[apart]) >= NEAR_DUPLICATE
        edges = groups[left[apart][near]], groups[right[apart][near]]
        graph = coo_array((np.ones(len(edges[0]), np.bool_), edges), shape=(len(groups),) * 2)
        groups = connected_components(graph, directed=False)[1][groups]
    found: list[int] = groups[places].tolist()
    return found


class _Sets:
    """Different sets of shingles: one array, in which each set's are sorted, the rarest first, and where each set begins."""

    def __init__(self, sets: Sequence[bytes]) -> None:
        self._sizes = np.array([len(each) // 4 for each in sets])
        self._starts = np.cumsum(self._sizes) - self._sizes
        _, ids, counts = np.unique(np.frombuffer(b"".join(sets), np.uint32), return_inverse=True, return_counts=True)
        rarest = np.argsort(counts, kind="stable")
        ranks = np.empty(len(counts), np.int64)
        ranks[rarest] = np.arange(len(counts))
        keys = (np.repeat(np.arange(len(sets)), self._sizes) << 32) | ranks[ids]
        keys.sort()
        self._shingles = (keys & _LOW).astype(np.int32)
        self._counts = counts[rarest]  # in how many sets a shingle is

    def candidates(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pairs of sets, as two arrays of places, that may be similar enough."""
        # Two similar sets have more in common than the rest of either holds, so some of it is in both prefixes.
        needed = np.ceil(NEAR_DUPLICATE * self._sizes - 1e-9).astype(np.int64)
        members, shingles = self._listed(np.arange(len(self._sizes)), self._sizes - needed + 1)
        shared = self._counts[shingles] > 1
        entries = (shingles[shared].astype(np.int64) << 32) | members[shared]
        entries.sort()
        together, offset, looked_at = np.arange(len(entries)), 1, 0
        while len(together) and looked_at < _MOST_PAIRS:
            # Where an entry has the same shingle as the one `offset` after it, so has it as all between.
            together = together[together + offset < len(entries)]
            together = together[entries[together] >> 32 == entries[together + offset] >> 32]
            left, right = entries[together] & _LOW, entries[together + offset] & _LOW
            sizes = self._sizes[left], self._sizes[right]
            alike = np.minimum(*sizes) >= NEAR_DUPLICATE * np.maximum(*sizes) - 1e-9
            pairs = np.unique((left[alike] << 32) | right[alike])
            yield pairs >> 32, pairs & _LOW
            looked_at += len(together)
            offset += 1

    def similarity(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """The Jaccard similarity of the sets at these places, pair by pair."""
        found = np.empty(len(left))
        for at in range(0, len(left), _AT_ONCE):
            part = slice(at, at + _AT_ONCE)
            sides = [self._listed(side[part], self._sizes[side[part]]) for side in (left, right)]
            # A shingle that both have stands twice in a row once those of the pair are sorted.
            both = np.concatenate([(pair << 32) | shingles for pair, shingles in sides])
            both.sort()
            pair = both >> 32
            count = len(found[part])
            common = np.bincount(pair[1:][both[1:] == both[:-1]], minlength=count)
            found[part] = common / (np.bincount(pair, minlength=count) - common)
        return found

    def _listed(
        self, members: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The first shingles of each of these sets, `lengths` of them, and beside each the place of its set in `members`."""
        place = np.repeat(np.arange(len(members)), lengths)
        within = np.arange(len(place)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return place, self._shingles[self._starts[members][place] + within]


def _shingles(dialogue: Dialogue) -> bytes:
    """Hashes of the word triples of what the user says, as 32-bit numbers; a number counts as any other, be it a new price."""
    text = " ".join(message.content for message in dialogue.messages if message.role == "user").casefold()
    words = ["^", *_WORD.findall(_NUMBER.sub("0", text)), "$"]
    triples = {" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))}
    return array("I", sorted({zlib.crc32(each.encode()) for each in triples})).tobytes()


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
