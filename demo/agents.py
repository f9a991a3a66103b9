"""Dialogues that a support agent took over: why, what the customer went on to say, and how the agent answered.

Composed from `phrasings/<language>/agents.txt` around one order of the shop, so that a reply speaks of a customer's own records:

    user       the red kettle from order A100042 won't turn on
    assistant  I'll get a colleague who can sort this out.
    system     The customer reports goods that arrived damaged.
    agent      Hi Nora, this is Dana. I'm sorry to hear that. Could you send us a photo …?
    user       photo sent. the box was dented too
    agent      Thank you, I can see it. I'm sending a new kettle free of charge …

User turns have no `intents`: an intent model learns nothing from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from demo.catalog import CURRENCY, DemoProduct
from demo.customers import NAMES
from demo.phrasings.bank import read_plain
from demo.phrasings.grammar import expand
from demo.phrasings.style import FULL_WIDTH, draw_persona, write_as
from demo.vocabulary.records import Language
from index.money import format_money
from index.product import Money

TOPICS: Final[Mapping[str, tuple[str, ...]]] = {
    "damaged": ("delivered",),
    "return": ("delivered",),
    "delivery": ("shipped", "delivered"),
    "order": ("placed", "paid", "shipped", "cancelled"),
    "size": (),
    "advice": (),
    "complaint": ("delivered", "shipped"),
    "payment": ("delivered", "cancelled", "returned"),
}
"""What an agent is needed for, and the statuses of the orders that it is about; any order where none stands."""
_SPLITS = {"train": 0.74, "validation": 0.08, "test": 0.18}
_CHINESE = 0.4
_FOLLOW_UPS = (0.15, 0.35, 0.3, 0.2)
"""Share of dialogues by how often the customer asks on."""
_THANKED, _GREETED = 0.8, 0.7
_AGENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("Dana", "Ruben", "Mira", "Jonas"),
    "zh": ("小雨", "小林", "阿秋"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody said, and the section of the phrasings that it was composed from: lines of one section say the same."""

    role: str
    section: str
    text: str


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A dialogue with the user and order that it is about."""

    dialogue_id: str
    user_id: str
    language: str
    split: str
    topic: str
    lines: tuple[Line, ...]
    began: datetime


def agent_dialogues(
    seed: int, now: datetime, orders: Sequence[Mapping[str, Any]], products: Sequence[DemoProduct], count: int = 900
) -> Iterator[dict[str, Any]]:
    """Yield dialogues in Aisle's dialogue-log format; the same arguments give the same ones.

    Args:
        seed: of everything that is drawn.
        now: when the newest ends.
        orders: rows of the demo's orders.
        products: the demo's catalog.
        count: how many; two of five in Chinese.
    """
    for each in handed_over(seed, now, orders, products, count):
        clock, draw = each.began, Random(f"{seed}-{each.dialogue_id}-clock")
        messages = []
        for line in each.lines:
            messages.append({"role": line.role, "content": line.text, "timestamp": clock.isoformat()})
            clock += timedelta(seconds=draw.randint(2, 90))
        yield {
            "dialogue_id": each.dialogue_id,
            "user_id": each.user_id,
            "language": each.language,
            "split": each.split,
            "messages": messages,
        }


def handed_over(
    seed: int, now: datetime, orders: Sequence[Mapping[str, Any]], products: Sequence[DemoProduct], count: int = 900
) -> Iterator[HandedOver]:
    """The dialogues of `agent_dialogues`, with the section of each line."""
    by_id = {each.product.id: each for each in products}
    of_topic = {
        topic: [order for order in orders if not statuses or order["status"] in statuses]
        for topic, statuses in TOPICS.items()
    }
    topics = [topic for topic in TOPICS if of_topic[topic]]
    if not topics:
        return
    rng = Random(f"{seed}-agents")
    for number in range(1, count + 1):
        topic = topics[number % len(topics)]
        order = rng.choice(of_topic[topic])
        split = rng.choices(list(_SPLITS), list(_SPLITS.values()))[0]
        # Somebody always has the same name and language.
        person = Random(f"{seed}-{order['user_id']}")
        language: Language = "zh" if person.random() < _CHINESE else "en"
        speech = _Speech(language, split, _fillers(person, rng, order, by_id, products, language), rng)
        yield HandedOver(
            f"agent-{number:05d}",
            order["user_id"],
            language,
            split,
            topic,
            tuple(_lines(speech, topic)),
            now - timedelta(minutes=rng.randrange(30, 60 * 24 * 60)),
        )


@dataclass(frozen=True)
class _Speech:
    """Draws lines of one dialogue: a section's last line is for test, an agent's last two, and the one before for validation."""

    language: str
    split: str
    fillers: Mapping[str, str]
    rng: Random

    def say(self, role: str, section: str) -> Line:
        patterns = phrasings(self.language)[section]
        tested = len(patterns) - (2 if role == "agent" else 1)
        held = {"train": patterns[: tested - 1], "validation": patterns[tested - 1 : tested], "test": patterns[tested:]}
        pattern = self.rng.choice(held[self.split] if len(patterns) > 2 else patterns)
        text = expand(pattern, self.rng, self.fillers.__getitem__)
        if role == "user":
            text = write_as(text, draw_persona(self.rng), self.language, self.rng)
        return Line(role, section, text.translate(FULL_WIDTH) if self.language == "zh" and role != "user" else text)


def _lines(speech: _Speech, topic: str) -> Iterator[Line]:
    rng = speech.rng
    yield speech.say("user", f"{topic}.open")
    yield speech.say("assistant", "handoff")
    yield speech.say("system", f"{topic}.reason")
    asked = speech.say("agent", f"{topic}.ask")
    if rng.random() < _GREETED:
        hello = speech.say("agent", "hello").text
        asked = Line("agent", asked.section, hello + ("" if speech.language == "zh" else " ") + asked.text)
    yield asked
    yield speech.say("user", f"{topic}.give")
    yield speech.say("agent", f"{topic}.solve")
    known = sorted(name for name in phrasings(speech.language) if name.startswith(f"{topic}.q"))
    wanted = rng.choices(range(len(_FOLLOW_UPS)), _FOLLOW_UPS)[0]
    for question in rng.sample(known, min(wanted, len(known))):
        yield speech.say("user", question)
        yield speech.say("agent", question.replace(".q", ".a"))
    if rng.random() < _THANKED:
        yield speech.say("user", "thanks")
        yield speech.say("agent", "bye")


def _fillers(
    person: Random,
    rng: Random,
    order: Mapping[str, Any],
    by_id: Mapping[str, DemoProduct],
    products: Sequence[DemoProduct],
    language: Language,
) -> dict[str, str]:
    """What the slots of a dialogue are filled with, out of the records of its order."""
    name, mailbox = person.choice(NAMES[language])
    tracking = order.get("tracking") or {}
    bought = [by_id[item["product_id"]] for item in order["items"] if item["product_id"] in by_id]
    kind = (bought[0] if bought else rng.choice(products)).type
    own = [
        each.product.title for each in products[:: max(1, len(products) // 200)] if each.product.language == language
    ]
    total = sum(item["price"] * item["quantity"] for item in order["items"])
    return {
        "name": name,
        "agent": rng.choice(_AGENTS[language]),
        "email": f"{mailbox}@mail.example",
        "order": order["order_id"],
        "tracking": tracking.get("number") or f"TRK{rng.randrange(10**9, 10**10)}",
        "carrier": tracking.get("carrier") or "Hilltop Post",
        "date": _day(tracking.get("expected_at") or order["placed_at"], language),
        "amount": format_money(Money(amount=total, currency=CURRENCY), language),
        "product": rng.choice(kind.says.in_(language)),
        "title": rng.choice(own) if own else kind.name.in_(language),
    }


def _day(instant: str, language: str) -> str:
    """The day of an instant as agents write it: "3 March", "3月3日"."""
    day = datetime.fromisoformat(instant).astimezone(UTC)
    return f"{day.month}月{day.day}日" if language == "zh" else f"{day.day} {day:%B}"


@cache
def phrasings(language: str) -> dict[str, tuple[str, ...]]:
    """The lines of `agents.txt` of "en" or "zh" by section."""
    return read_plain(Path(__file__).parent / "phrasings" / language / "agents.txt")
