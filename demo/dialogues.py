"""Labeled dialogues for the demo shop's intent model, composed from hand-written phrasings by a seeded walk.

A dialogue is a walk over situations (what the assistant said last). In each situation a label is drawn by how people
answer there, pushed towards the labels that are still rare; a phrasing of that label which fits the situation is filled,
wrapped in words that carry no intent, and typed in the manner of one persona:

    start --search--> list --refine--> offer_show --accept--> list --cart_add--> which --cart_add--> added …

The phrasings of the test and validation split are held out from the training split (`bank.split_of`), so that scores on
generated data tell how the model takes wording it has not seen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from demo.phrasings.affixes import wrap
from demo.phrasings.bank import LABELS, Bank, Skeleton, load_bank
from demo.phrasings.slots import Filler
from demo.phrasings.style import FULL_WIDTH, draw_persona, write_as

_TURNS = {
    "en": {1: 0.22, 2: 0.14, 3: 0.16, 4: 0.16, 5: 0.12, 6: 0.1, 7: 0.06, 8: 0.04},
    "zh": {1: 0.1, 2: 0.06, 3: 0.1, 4: 0.14, 5: 0.16, 6: 0.16, 7: 0.14, 8: 0.14},
}
"""Share of dialogues by user turns; fewer Chinese dialogues have to carry as many phrasings, so they are longer."""
_SPLITS = {"train": 0.84, "validation": 0.08, "test": 0.08}
_FLOOR = 0.22
"""Weight of a label that is not typical of a situation: people say anything at any time."""

TARGETS = {
    "search": 0.078, "refine": 0.078, "recommend": 0.066, "compare": 0.05, "ask_product": 0.072, "ask_policy": 0.06,
    "order_status": 0.05, "cart_add": 0.056, "cart_remove": 0.039, "cart_view": 0.037, "checkout": 0.039,
    "complaint": 0.052, "handoff": 0.039, "accept": 0.056, "reject": 0.056, "greet": 0.037, "goodbye": 0.037,
    "thank": 0.039, "chitchat": 0.048, "out_of_scope": 0.044,
}  # fmt: skip
"""Share of user turns that the walk steers each label to."""

_ANSWERS = {
    "start": dict.fromkeys(LABELS, 1.0) | {"accept": 0.12, "reject": 0.12, "goodbye": 0.3, "thank": 0.4, "search": 2},
    "greeting": {"search": 2, "recommend": 1.5, "order_status": 1, "ask_policy": 1, "complaint": 1, "chitchat": 1,
        "greet": 0.5},
    "list": {"refine": 3, "compare": 2, "ask_product": 2, "cart_add": 2, "recommend": 1, "accept": 1.2,
        "reject": 1.5, "search": 1},
    "picked": {"refine": 2, "ask_product": 2, "cart_add": 1.5, "accept": 1.5, "reject": 1.2, "compare": 1,
        "recommend": 1},
    "compared": {"cart_add": 2, "ask_product": 1.5, "recommend": 1, "accept": 1, "reject": 0.7, "refine": 1,
        "compare": 1},
    "detail": {"ask_product": 1.5, "cart_add": 1.5, "accept": 1, "reject": 1, "refine": 1, "thank": 1,
        "compare": 1, "ask_policy": 1},
    "ask": {"refine": 8, "reject": 0.7, "search": 0.5, "recommend": 0.5, "complaint": 0.4},
    "which": {"cart_add": 6, "reject": 0.5, "refine": 0.6, "ask_product": 0.6, "cart_view": 0.5},
    "empty": {"search": 2, "refine": 2, "complaint": 1, "goodbye": 1, "recommend": 1, "reject": 0.5,
        "handoff": 0.6, "thank": 0.6},
    "offer_add": {"accept": 3, "reject": 3, "cart_add": 2, "ask_product": 1, "refine": 1, "ask_policy": 0.7,
        "compare": 0.6},
    "offer_show": {"accept": 3, "reject": 3, "refine": 1.5, "search": 1, "handoff": 0.4, "ask_product": 0.6},
    "offer_human": {"accept": 3, "reject": 3, "handoff": 1.5, "complaint": 1, "order_status": 0.7, "thank": 0.5},
    "offer_pay": {"accept": 2.5, "reject": 2.5, "checkout": 2, "cart_remove": 1.5, "cart_add": 0.7, "search": 0.6,
        "ask_policy": 1},
    "added": {"checkout": 2, "cart_view": 2, "search": 1.5, "cart_remove": 2, "recommend": 1, "thank": 1,
        "ask_policy": 0.7, "reject": 0.4},
    "removed": {"checkout": 1.5, "cart_view": 1.5, "search": 1, "cart_remove": 1, "thank": 1, "cart_add": 1},
    "cart": {"checkout": 2, "cart_remove": 2, "ask_policy": 0.7, "search": 0.7, "cart_add": 0.7, "thank": 0.5},
    "policy": {"ask_policy": 2, "thank": 1.5, "search": 1, "order_status": 1, "goodbye": 0.6, "complaint": 0.6,
        "accept": 0.3, "reject": 0.2},
    "order": {"thank": 1.5, "order_status": 1.5, "complaint": 1.5, "handoff": 1, "ask_policy": 1, "goodbye": 1},
    "placed": {"thank": 2, "goodbye": 2, "order_status": 1, "chitchat": 0.7, "ask_policy": 0.6},
    "sorry": {"complaint": 1.5, "handoff": 2, "order_status": 1, "ask_policy": 1, "thank": 1, "reject": 0.5,
        "accept": 0.5},
    "human": {"thank": 2, "goodbye": 1, "complaint": 1, "handoff": 0.7},
    "chat": {"chitchat": 2, "search": 1.5, "thank": 0.7, "out_of_scope": 1, "goodbye": 1, "recommend": 1},
    "welcome": {"goodbye": 2, "search": 1, "ask_policy": 0.7, "chitchat": 1, "thank": 0.3},
    "anything_else": {"goodbye": 3, "reject": 2, "thank": 1.5, "search": 1, "ask_policy": 1, "order_status": 0.7,
        "checkout": 1},
    "fallback": {"out_of_scope": 2, "search": 1, "handoff": 1, "complaint": 1.5, "chitchat": 1, "goodbye": 0.7},
}  # fmt: skip
"""How people answer in each situation, relative to the floor."""

_REPLIES: dict[str, dict[str, float]] = {
    "greet": {"greeting": 1},
    "thank": {"welcome": 3, "anything_else": 2},
    "search": {"list": 60, "ask": 12, "empty": 12, "offer_show": 12, "picked": 4},
    "refine": {"list": 62, "empty": 12, "offer_show": 14, "ask": 8, "picked": 4},
    "recommend": {"picked": 45, "list": 20, "ask": 18, "offer_add": 17},
    "compare": {"compared": 70, "offer_add": 20, "offer_show": 10},
    "ask_product": {"detail": 55, "offer_add": 28, "offer_show": 17},
    "ask_policy": {"policy": 75, "anything_else": 12, "offer_human": 13},
    "order_status": {"order": 72, "anything_else": 12, "offer_human": 16},
    "cart_add": {"added": 58, "which": 25, "ask": 9, "offer_pay": 8},
    "cart_remove": {"removed": 78, "offer_pay": 10, "anything_else": 12},
    "cart_view": {"cart": 60, "offer_pay": 40},
    "checkout": {"placed": 58, "offer_pay": 32, "anything_else": 10},
    "complaint": {"sorry": 50, "offer_human": 50},
    "handoff": {"human": 70, "offer_human": 30},
    "reject": {"anything_else": 60, "ask": 20, "offer_show": 20},
    "chitchat": {"chat": 1},
    "out_of_scope": {"fallback": 85, "offer_human": 15},
}
"""Where the assistant's answer to a label leads."""

_AGREED = {"offer_add": "added", "offer_show": "list", "offer_human": "human", "offer_pay": "placed"}
_OFFERS_AFTER = {"list": "offer_show", "detail": "offer_add", "policy": "anything_else", "order": "anything_else",
                 "added": "anything_else", "removed": "anything_else"}  # fmt: skip


WRITTEN = Path(__file__).parent / "phrasings" / "dialogues"
"""One file an author."""


@dataclass(slots=True)
class _Walk:
    """Draws labels and phrasings for one language, remembering what is rare so far."""

    bank: Bank
    rng: Random
    labels: Counter[str] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)
    fitting: dict[tuple[str, str, str], list[Skeleton]] = field(default_factory=dict)

    def skeletons(self, label: str, situation: str, split: str) -> list[Skeleton]:
        key = label, situation, split
        if key not in self.fitting:
            self.fitting[key] = [
                skeleton
                for skeleton in self.bank.skeletons[label]
                if situation in skeleton.situations and skeleton.split in (split, "all")
            ]
        return self.fitting[key]

    def label(self, situation: str, split: str) -> str:
        typical = _ANSWERS[situation]
        total = self.labels.total() + 100
        options = [label for label in LABELS if self.skeletons(label, situation, split)]
        weights = [
            typical.get(label, _FLOOR) * (TARGETS[label] * total / (self.labels[label] + 100 * TARGETS[label])) ** 3
            for label in options
        ]
        label = self.rng.choices(options, weights)[0]
        self.labels[label] += 1
        return label

    def skeleton(self, label: str, situation: str, split: str) -> Skeleton:
        """Prefer what was rarely said, and what was written for just this situation."""
        options = self.skeletons(label, situation, split)
        weights = [4 if len(option.situations) <= 5 else 1 for option in options]
        chosen = min(self.rng.choices(options, weights, k=6), key=lambda option: self.used[option.pattern])
        self.used[chosen.pattern] += 1
        return chosen

    def reply(self, label: str, situation: str, filler: Filler) -> tuple[str, str]:
        """(where the dialogue now stands, what the assistant says)."""
        if label == "accept":
            here = _AGREED.get(situation) or self.rng.choice(("offer_add", "anything_else", "added"))
        else:
            here = self.rng.choices(list(_REPLIES[label]), list(_REPLIES[label].values()))[0]
        text = filler.say(self.rng.choice(self.bank.assistant[here]))
        if here in _OFFERS_AFTER and not text.rstrip().endswith(("?", "\uff1f")) and self.rng.random() < 0.18:
            here = _OFFERS_AFTER[here]
            text = f"{text}\n{filler.say(self.rng.choice(self.bank.assistant[here]))}"
        text = text.replace("\\n", "\n")
        return here, text.translate(FULL_WIDTH) if self.bank.language == "zh" else text


def generate_dialogues(seed: int = 7, english: int = 3000, chinese: int = 1000) -> Iterator[dict[str, object]]:
    """Yield dialogues in Aisle's dialogue-log format, every user turn with one label in `intents`.

    The same arguments give the same dialogues. Each has 1 to 8 user turns and a `split`:

        {"dialogue_id": "demo-en-00001", "user_id": "visitor-04711", "language": "en", "split": "train", "messages": [
            {"role": "user", "content": "any kettles under $40?", "timestamp": "…", "intents": ["search"]},
            {"role": "assistant", "content": "Here's what I found: …", "timestamp": "…"}, …]}
    """
    for language, count in (("en", english), ("zh", chinese)):
        if count == 0:
            continue
        rng = Random(f"{seed}-{language}")
        walk = _Walk(load_bank(language), rng)
        for number in range(1, count + 1):
            yield _dialogue(walk, f"demo-{language}-{number:05d}")


def hand_written() -> Iterator[dict[str, Any]]:
    """Yield the dialogues that were written one by one, for wording that no grammar composes; one in eight is held out."""
    for path in sorted(WRITTEN.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            dialogue = json.loads(line)
            draw = Random(dialogue["dialogue_id"]).random()
            yield {**dialogue, "split": "train" if draw < 0.875 else "validation" if draw < 0.95 else "test"}


def _dialogue(walk: _Walk, dialogue_id: str) -> dict[str, object]:
    rng = walk.rng
    split = rng.choices(list(_SPLITS), list(_SPLITS.values()))[0]
    lengths = _TURNS[walk.bank.language]
    turns = rng.choices(list(lengths), list(lengths.values()))[0]
    persona = draw_persona(rng)
    filler = Filler(walk.bank, rng)
    clock = datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=rng.randrange(180 * 86_400))
    situation = "start"
    messages: list[dict[str, object]] = []
    for turn in range(turns):
        label = walk.label(situation, split)
        if label == "search" and turn:
            filler.new_topic()
        core = filler.say(walk.skeleton(label, situation, split).pattern)
        said = write_as(wrap(core, label, situation, persona, filler), persona, walk.bank.language, rng)
        messages.append({"role": "user", "content": said, "timestamp": clock.isoformat(), "intents": [label]})
        clock += timedelta(seconds=rng.randint(1, 4))
        if label == "goodbye":
            answer = filler.say(rng.choice(walk.bank.assistant["bye"]))
        else:
            situation, answer = walk.reply(label, situation, filler)
        messages.append({"role": "assistant", "content": answer, "timestamp": clock.isoformat()})
        clock += timedelta(seconds=rng.randint(4, 90))
        if label == "goodbye":
            break
    return {
        "dialogue_id": dialogue_id,
        "user_id": f"visitor-{rng.randrange(100_000):05d}",
        "language": walk.bank.language,
        "split": split,
        "messages": messages,
    }
