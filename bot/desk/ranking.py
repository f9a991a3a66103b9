"""One order over proposals of every kind: how useful the kind is for what was asked, how well each fits, its place in its kind.

    worth = (c · useful[intent][kind] + (1 − c) · useful in general[kind]) · fit · 3 / (2 + place)

`c` is the calibrated confidence of the intent, so a model in doubt is believed less. `useful` is set by hand; what it gives over
places alone (as reciprocal rank fusion has them, Cormack et al. 2009) is measured on journeys that were written for another purpose
(docs/benchmarks.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.cards import Card, Citation
from storage.suggestions import Kind, Proposal

MOST: Final = 8
OF_EACH: Final[Mapping[Kind, int]] = {"reply": 3, "macro": 2, "passage": 2, "product": 3, "action": 1, "ask": 2}
LEAST: Final = 0.12
"""What is worth less is not shown, unless there is hardly anything else."""
FEW: Final = 3
_KINDS: Final[tuple[Kind, ...]] = ("reply", "macro", "passage", "product", "action", "ask")
_USEFUL: Final[Mapping[str, tuple[float, ...]]] = {
    # label          reply macro passage product action ask
    "greet":         (1.0, 0.8, 0.1, 0.3, 0.5, 0.4),
    "goodbye":       (1.0, 0.8, 0.1, 0.1, 0.9, 0.1),
    "thank":         (1.0, 0.8, 0.1, 0.1, 0.9, 0.1),
    "search":        (0.4, 0.2, 0.2, 1.0, 0.1, 0.6),
    "refine":        (0.4, 0.2, 0.2, 1.0, 0.1, 0.6),
    "recommend":     (0.4, 0.2, 0.2, 1.0, 0.1, 0.6),
    "compare":       (1.0, 0.2, 0.3, 0.6, 0.1, 0.6),
    "ask_product":   (1.0, 0.4, 0.6, 0.4, 0.1, 0.7),
    "ask_policy":    (0.8, 0.8, 1.0, 0.1, 0.1, 0.3),
    "order_status":  (0.8, 0.7, 0.5, 0.05, 0.7, 1.0),
    "cart_add":      (0.6, 0.3, 0.2, 0.4, 0.2, 1.0),
    "cart_remove":   (0.8, 0.4, 0.2, 0.1, 0.2, 0.8),
    "cart_view":     (1.0, 0.4, 0.2, 0.2, 0.3, 0.3),
    "checkout":      (1.0, 0.5, 0.4, 0.1, 0.4, 0.4),
    "complaint":     (0.6, 0.8, 0.6, 0.05, 1.0, 0.8),
    "handoff":       (0.6, 0.8, 0.4, 0.05, 1.0, 0.6),
    "accept":        (0.7, 0.4, 0.3, 0.5, 0.5, 0.7),
    "reject":        (0.6, 0.3, 0.2, 0.9, 0.3, 0.7),
    "chitchat":      (0.8, 0.7, 0.3, 0.2, 0.3, 0.4),
    "out_of_scope":  (0.9, 0.8, 0.8, 0.2, 0.4, 0.4),
}  # fmt: skip
_GENERAL: Final[tuple[float, ...]] = tuple(sum(column) / len(_USEFUL) for column in zip(*_USEFUL.values(), strict=True))


@dataclass(frozen=True)
class Suggested:
    """A proposal for the agent: where it comes from in a few words, and what its text lacks.

    `card` is the product of a product pick, `citation` the page or the past talk that it quotes.
    """

    proposal: Proposal
    title: str
    missing: tuple[str, ...] = ()
    card: Card | None = None
    citation: Citation | None = None


@dataclass(frozen=True)
class Candidate:
    """A proposal, and how well it fits, 0 to 1."""

    suggested: Suggested
    fit: float = 1.0


def useful(label: str, confidence: float, kind: Kind) -> float:
    """How useful a kind is to somebody who answers a message of that intent, 0 to 1."""
    place = _KINDS.index(kind)
    told: float = _USEFUL.get(label, _GENERAL)[place]
    return confidence * told + (1 - confidence) * _GENERAL[place]


def ranked(candidates: Iterable[Candidate], usefulness: Callable[[Kind], float]) -> list[Suggested]:
    """The best `MOST` of all kinds, best first.

    Candidates come in their own order within each kind; the same text comes once, and what lacks something counts half.
    """
    places: Counter[Kind] = Counter()
    texts: set[str] = set()
    worths: list[tuple[float, Suggested]] = []
    for each in candidates:
        proposal = each.suggested.proposal
        key = " ".join(proposal.text.casefold().split())
        if places[proposal.kind] == OF_EACH[proposal.kind] or not key or key in texts:
            continue
        texts.add(key)
        worth = usefulness(proposal.kind) * each.fit * 3 / (3 + places[proposal.kind])
        places[proposal.kind] += 1
        worths.append((worth / 2 if each.suggested.missing else worth, each.suggested))
    worths.sort(key=lambda pair: -pair[0])
    return [each for place, (worth, each) in enumerate(worths[:MOST]) if worth >= LEAST or place < FEW]
