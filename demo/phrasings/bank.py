"""Read the phrasing files of one language into a bank of skeletons."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

LANGUAGES = ("en", "zh")
LABELS = (
    "greet", "goodbye", "thank", "search", "refine", "recommend", "compare", "ask_product", "ask_policy", "order_status",
    "cart_add", "cart_remove", "cart_view", "checkout", "complaint", "handoff", "accept", "reject", "chitchat",
    "out_of_scope",
)  # fmt: skip

SITUATIONS = (
    "start", "greeting", "list", "detail", "picked", "compared", "ask", "which", "empty", "offer_add", "offer_show",
    "offer_human", "offer_pay", "added", "removed", "cart", "policy", "order", "placed", "sorry", "human", "chat",
    "welcome", "anything_else", "fallback",
)  # fmt: skip
"""What the assistant said last: it showed a list, answered on one product, asked for a size, offered to add it …"""

_GROUPS = {
    "any": SITUATIONS,
    "later": SITUATIONS[1:],
    "products": ("list", "detail", "picked", "compared"),
    "offer": ("offer_add", "offer_show", "offer_human", "offer_pay"),
    "open": ("start", "greeting", "welcome", "anything_else", "chat", "fallback"),
}


@dataclass(frozen=True, slots=True)
class Skeleton:
    """One hand-written phrasing: its label, the situations it fits, and the split that may use it."""

    label: str
    pattern: str
    situations: frozenset[str]
    split: str


@dataclass(frozen=True)
class Bank:
    """Everything written in one language.

    `skeletons[label]` holds what shoppers say, `assistant[situation]` what the assistant says, `slots[name]` the
    fillers and `affixes[name]` openings and closings that fit around a request.
    """

    language: str
    skeletons: dict[str, tuple[Skeleton, ...]]
    assistant: dict[str, tuple[str, ...]]
    slots: dict[str, tuple[str, ...]]
    affixes: dict[str, tuple[str, ...]]


def split_of(pattern: str) -> str:
    """Split that owns a phrasing: 88 % "train", 6 % "validation", 6 % "test", stable under edits of other lines.

    Scores on generated data would be empty praise if the test split repeated the wording of the training split. Very
    short phrasings ("yes", "好的") have no paraphrase and belong to "all".
    """
    if len(pattern.split()) <= 2 and len(pattern.encode()) <= 14:
        return "all"
    point = int(hashlib.sha256(pattern.encode()).hexdigest()[:8], 16) % 100
    return "train" if point < 88 else "validation" if point < 94 else "test"


def _sections(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (section name, situations text, line)."""
    name, where = "", ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("=="):
            name, _, where = (part.strip() for part in line[2:].partition("|"))
            continue
        if not name:
            raise ValueError(f"{path.name}:{number}: a phrasing before the first '== label' header")
        yield name, where, line


def _situations(text: str, where: str) -> frozenset[str]:
    found: set[str] = set()
    for word in (part.strip() for part in (text or "any").split(",")):
        if word in _GROUPS:
            found.update(_GROUPS[word])
        elif word in SITUATIONS:
            found.add(word)
        else:
            raise ValueError(f"{where}: unknown situation {word!r}; known: {', '.join((*_GROUPS, *SITUATIONS))}")
    return frozenset(found)


def read_plain(path: Path) -> dict[str, tuple[str, ...]]:
    """The lines of each section of a phrasing file, in order."""
    lines: dict[str, list[str]] = {}
    for name, _, line in _sections(path):
        lines.setdefault(name, []).append(line)
    return {name: tuple(values) for name, values in lines.items()}


@lru_cache(maxsize=2)
def load_bank(language: str) -> Bank:
    """Read all files of "en" or "zh".

    Raises:
        ValueError: an unknown label or situation, named with its file.

    """
    folder = Path(__file__).parent / language
    skeletons: dict[str, dict[str, Skeleton]] = {label: {} for label in LABELS}
    for path in sorted((folder / "shopper").glob("*.txt")):
        for label, where, line in _sections(path):
            if label not in skeletons:
                raise ValueError(f"{language}/shopper/{path.name}: unknown label {label!r}; known: {', '.join(LABELS)}")
            situations = _situations(where, f"{language}/shopper/{path.name}")
            known = skeletons[label].get(line)
            if known:  # a line may stand in several sections of its label
                situations |= known.situations
            skeletons[label][line] = Skeleton(label, line, situations, split_of(line))
    return Bank(
        language,
        {label: tuple(lines.values()) for label, lines in skeletons.items()},
        read_plain(folder / "assistant.txt"),
        read_plain(folder / "slots.txt") | read_plain(folder / "products.txt"),
        read_plain(folder / "affixes.txt"),
    )
