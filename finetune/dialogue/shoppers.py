"""Simulated shoppers: each has a need, drawn from a product of the catalog whose name it does not know, and talks until it is met.

A need is a category, a budget and up to two properties. A shopper answers the assistant's questions from the need, states what
was left out where the cards do not meet it, takes the first card that does, and checks out; or leaves after so many turns
that brought nothing. Everything follows from the seed. What is measured so is labeled as simulated: no person said any of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Literal

from bot.present import card_of
from bot.service import Assistant
from bot.shelf import Shelf, availability_of
from finetune.dialogue.checks import is_of, wrong_writes
from finetune.dialogue.claims import unbacked_claims
from finetune.dialogue.scene import Known, Scene, Seen, Speak, pieces_of, repeats
from finetune.dialogue.wording import SAID
from finetune.noise import keyboard
from index.attributes import canonical
from index.clean import fold
from index.filters import Filters
from index.money import minor_digits
from index.product import Product
from storage.principal import Principal, Role
from storage.record import new_id

Language = Literal["en", "zh"]
LONGEST = 14
"""Turns after which even a patient shopper has left."""
PATIENCE = (2, 5)
"""Fruitless turns that a shopper bears: from, to."""
TYPOS, CHANGES_MIND, EXCLUDES = 0.25, 0.25, 0.3
"""Shares of shoppers whose first words have a slip of the keyboard, who correct themselves, who rule something out."""
ROOM = 1.1
"""A budget is at least so many times the price of the product that the need was drawn from."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a shopper wants. `limit` is in major units; `excluded` is (attribute, value) that must not be.

    Words of the need are in `language`, and compared with records of that language alone.
    """

    language: Language
    category: str
    goods: str
    limit: int
    color: str
    excluded: tuple[str, str] | None = None

    def met_by(self, known: Known) -> bool:
        """Whether a card is something to buy: of the category, within the budget, in that color, to be had."""
        record, card = known.record, known.card
        return (
            record.categories[-1:] == (self.category,)
            and card.availability.orderable
            and not self.broken_by(known, frozenset(("price", "color", "exclude")))
        )

    def broken_by(self, known: Known, stated: frozenset[str]) -> list[str]:
        """The stated conditions that a card breaks."""
        price, record = known.card.price, known.record
        problems = []
        if "price" in stated and (price is None or price.amount > self.limit * 10 ** minor_digits(price.currency)):
            problems.append(f"{known.card.title} costs more than {self.limit}")
        if record.language != self.language:
            return problems
        if "color" in stated and not is_of(record, known.card.variant_id, "color", (self.color,)):
            problems.append(f"{known.card.title} is not {self.color}")
        if "exclude" in stated and self.excluded is not None:
            name, value = self.excluded
            if is_of(record, known.card.variant_id, name, (value,), whole=True):
                problems.append(f"{known.card.title} is {value}")
        return problems


@dataclass
class Visit:
    """What came of one simulated conversation."""

    number: int
    language: Language
    manner: str
    success: bool = False
    turns: int = 0
    violated: int = 0
    unbacked: int = 0
    wrong_writes: int = 0
    needless: int = 0
    repeats: int = 0
    problems: list[str] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)


@dataclass
class Shopper:
    """One of them: what it wants, how it talks, what it has said so far."""

    need: Need
    language: Language
    manner: Literal["expert", "beginner"]
    rng: random.Random
    patience: int
    mistaken: Literal["", "limit", "color"] = ""
    wrong: str = ""
    typo: bool = False
    stated: set[str] = field(default_factory=set)
    corrected: bool = False

    def opens(self) -> str:
        """The first message: everything at once, or the goods alone."""
        said = self.says(self.manner)
        if self.manner == "expert":
            self.stated |= {"price", "color"}
        return keyboard(said, self.rng) if self.typo else said

    def refines(self) -> str | None:
        """The next thing of the need that was not said, wrongly first where the shopper is mistaken; None where all was said."""
        if self.mistaken and not self.corrected and self.mistaken in self.stated:
            self.corrected = True
            return self.says(f"mind_{self.mistaken}")
        for name, part in (("price", "limit"), ("color", "color"), ("exclude", "exclude")):
            if name in self.stated or (name == "exclude" and self.need.excluded is None):
                continue
            if part == self.mistaken and not self.corrected:
                self.stated.add(part)
                return self.says(f"wrong_{part}")
            self.stated.add(name)
            return self.says(part)
        return None

    @property
    def conditions(self) -> frozenset[str]:
        """What was stated and not mistaken: the conditions that cards can break."""
        open_mistake = {"limit": "price", "color": "color"}.get(self.mistaken, "") if not self.corrected else ""
        return frozenset(self.stated - {open_mistake})

    def answers(self, seen: Seen, shelf: Shelf) -> str | None:
        """An answer to what was asked, from the need; None where nothing was asked that it can answer."""
        pending = seen.pending
        if pending is None or pending.kind in ("add", "handoff"):
            return None
        if pending.kind == "relax":
            return self.says("no")
        color, category = fold(self.need.color), fold(self.need.category)
        for option, item in zip_longest(pending.options, pending.items):
            record = shelf.product(item.product_id) if item is not None else None
            if item is not None and item.variant_id is not None and record is not None:
                if self.need.met_by(Known(card_of(record, item.variant_id), record)):
                    return option
            elif color in fold(option) or category == fold(option):
                return option
        if pending.kind == "variant":
            return None
        return self.says("whatever") if pending.options else None

    def says(self, key: str, place: int = 0) -> str:
        """One of the wordings of a key; `place` is a position from 0."""
        table = SAID[self.language]
        return self.rng.choice(table[key]).format(
            goods=self.need.goods,
            color=self.need.color,
            limit=self.need.limit,
            wrong=self.wrong,
            value=self.need.excluded[1] if self.need.excluded else "",
            place=table["places"][place],
        )


def visit(assistant: Assistant, speak: Speak, number: int, seed: int) -> Visit:
    """One simulated conversation; the same seed and number talk the same way to the same assistant."""
    rng = random.Random(f"{seed}-{number}")
    shopper = _shopper(assistant.parts.shelf, rng, "zh" if number % 2 else "en")
    scene = Scene(assistant, speak, Principal(f"simulated-{number}-{new_id()}", Role.CUSTOMER))
    outcome = Visit(number, shopper.language, shopper.manner)
    message, fruitless = shopper.opens(), 0
    while len(scene.seen) < LONGEST:
        seen = scene.say(message)
        _judge(scene, seen, shopper, outcome)
        bought = next(
            (key for key in pieces_of(seen.after) if _bought(key, seen, shopper, assistant.parts.shelf)), None
        )
        if bought is not None:
            _check_out(scene, shopper, outcome)
            break
        taken = _choice(seen, shopper)
        if taken is not None:
            message = shopper.says("add", taken)
        else:
            asked = shopper.answers(seen, assistant.parts.shelf)
            fruitless += 1
            if fruitless > shopper.patience + len(shopper.stated):
                break
            # Whoever has said everything and is shown something looks on; shown nothing, they say it all once more.
            message = asked or shopper.refines() or shopper.says("more" if seen.reply.products else "again")
    outcome.turns = len(scene.seen)
    outcome.repeats, outcome.transcript = repeats(scene.seen), [str(shopper.need), *scene.transcript]
    outcome.ms = [seen.ms for seen in scene.seen]
    return outcome


def _judge(scene: Scene, seen: Seen, shopper: Shopper, outcome: Visit) -> None:
    cards = [
        Known(card, seen.records[card.product_id]) for card in seen.reply.products if card.product_id in seen.records
    ]
    # What is shown of a cart line or an order is no search: only what a search shows has to keep the conditions.
    broken = [
        problem
        for known in cards
        if not pieces_of(seen.after)
        for problem in shopper.need.broken_by(known, shopper.conditions)
    ]
    unbacked = unbacked_claims(scene, seen)
    written = wrong_writes(seen, frozenset(scene.shown))
    outcome.violated += len(broken)
    outcome.unbacked += len(unbacked)
    outcome.wrong_writes += len(written)
    outcome.needless += _asked_in_vain(seen, shopper)
    outcome.problems += [f"turn {len(scene.seen)}: {each}" for each in (*broken, *unbacked, *written)]


def _asked_in_vain(seen: Seen, shopper: Shopper) -> bool:
    """Whether the assistant asks for what this shopper has stated."""
    pending = seen.pending
    if pending is None:
        return False
    asked = {"budget": "price"}.get(pending.kind, canonical(pending.field) if pending.kind == "facet" else "")
    return asked in shopper.conditions


def _choice(seen: Seen, shopper: Shopper) -> int | None:
    """The position from 0 of the first card that meets the need; None while a question about a choice is open."""
    if seen.pending is not None and seen.pending.kind == "variant":
        return None
    for place, card in enumerate(seen.reply.products):
        record = seen.records.get(card.product_id)
        if record is not None and shopper.need.met_by(Known(card, record)):
            return place
    return None


def _bought(key: str, seen: Seen, shopper: Shopper, shelf: Shelf) -> bool:
    record = shelf.product(key)
    lines = [line for line in seen.after.lines if line.product_id == key]
    return record is not None and any(
        shopper.need.met_by(Known(card_of(record, line.variant_id), record)) for line in lines
    )


def _check_out(scene: Scene, shopper: Shopper, outcome: Visit) -> None:
    seen = scene.say(shopper.says("checkout"))
    _judge(scene, seen, shopper, outcome)
    outcome.success = bool(seen.after.checkout_url) and seen.after.checkout_url in seen.reply.text


def _shopper(shelf: Shelf, rng: random.Random, language: Language) -> Shopper:
    record = _drawn(shelf, rng, language)
    colors = [value for name, values in record.attributes.items() if canonical(name) == "color" for value in values]
    able = [variant for variant in record.variants if availability_of(record, variant).orderable]
    choices = {value for each in able for name, value in each.options.items() if canonical(name) == "color"}
    color = rng.choice(sorted(choices or set(colors)))
    priced = [each for each in able if color in each.options.values()]
    amount = min(
        (price.amount / 10 ** minor_digits(price.currency) for each in priced or (record,) if (price := each.price)),
    )
    need = Need(
        language=language,
        category=record.categories[-1],
        goods=record.categories[-1].lower() if language == "en" else record.categories[-1],
        limit=_round_up(amount * ROOM),
        color=color,
        excluded=_excluded(shelf, record, rng) if rng.random() < EXCLUDES else None,
    )
    shopper = Shopper(
        need=need,
        language=language,
        manner=rng.choice(("expert", "beginner")),
        rng=rng,
        patience=rng.randint(*PATIENCE),
        typo=rng.random() < TYPOS,
    )
    if shopper.manner == "beginner" and rng.random() < CHANGES_MIND:
        shopper.mistaken = "color" if rng.random() < 0.5 else "limit"
        shopper.wrong = _other_color(shelf, record, color, rng) if shopper.mistaken == "color" else str(need.limit * 2)
    return shopper


def _drawn(shelf: Shelf, rng: random.Random, language: Language) -> Product:
    """A product in the shopper's language that can be had and has a price, a category and a color."""
    products = shelf.snapshot.products
    while True:
        record = shelf.product(products.get(rng.randrange(len(products))).id)
        if record is None or not record.categories or record.price is None or not availability_of(record).orderable:
            continue
        if record.language == language and any(canonical(name) == "color" for name in record.attributes):
            return record


def _excluded(shelf: Shelf, record: Product, rng: random.Random) -> tuple[str, str] | None:
    """A material that others of the category have and this product does not."""
    name = next((name for name in record.attributes if canonical(name) == "material"), None)
    if name is None:
        return None
    own = set(record.attributes[name])
    others = {value for each in _alike(shelf, record) for value in each.attributes.get(name, ())} - own
    return (name, rng.choice(sorted(others))) if others else None


def _other_color(shelf: Shelf, record: Product, color: str, rng: random.Random) -> str:
    values = {
        value
        for each in (record, *_alike(shelf, record))
        for name, own in each.attributes.items()
        if canonical(name) == "color"
        for value in own
    }
    return rng.choice(sorted(values - {color}) or [color])


def _alike(shelf: Shelf, record: Product) -> Sequence[Product]:
    found = shelf.find("", Filters(categories=record.categories[-1:]), limit=50)
    return sorted(found.products.values(), key=lambda each: each.id)


def _round_up(amount: float) -> int:
    """A budget as people say it: 8.24 becomes 9, 83.2 becomes 90, 832 becomes 850."""
    step = 1 if amount < 20 else 10 if amount < 300 else 50
    return int(-(-amount // step) * step)
