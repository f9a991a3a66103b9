"""Journeys: conversations written beforehand, each in three wordings, whose turns say what a reply has to be.

A file is TOML and holds a group (`search.toml`, `cart.toml`)::

    [[journey]]
    name = "kettle-under-a-limit"
    about = "A price limit holds in every card."

    [[journey.turn]]
    en = "an electric kettle under $60"
    zh = "60美元以内的电热水壶"
    mixed = "有没有 electric kettle，60以内"
    cards = [2, 6]
    kinds = ["Electric Kettles", "电热水壶"]
    price_max = 60

What is expected speaks of records (categories, prices, attributes, orders, the cart), never of sentences that the assistant
happens to use, so that the same journey judges any assistant. Every turn has a floor and a ceiling of cards.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bot.cards import Action
from bot.turn import SLATE
from storage.errors import InvalidInput
from storage.orders import Status

WORDINGS = ("en", "en2", "zh", "zh2", "mixed")
"""Names of wordings; the language is that of the name. A journey has three of them, the same in all of its turns."""
EACH = 3
Place = int | Literal["plain", "options"]
_HEADER = re.compile(r"^\s*\[\[\s*(journey(?:\.\w+)?)\s*\]\]")


class Strict(BaseModel):
    """What is read from a journey's file: an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Placed(Strict):
    """An order that the shopper has placed before, of the first product in the catalog of that category that has no variants.

    The product is named `name` in what is expected; `foreign` where it is another shopper's.
    """

    id: str
    kinds: tuple[str, ...]
    status: Status
    name: str = "ordered"
    days_ago: int = 5
    quantity: int = Field(default=1, ge=1)
    carrier: str = ""
    tracking: str = ""
    foreign: bool = False


class JourneyTurn(Strict):
    """What is said, and what the reply has to be. Prices are in major units of the shop's currency.

    `keep` names cards of the reply for later turns, by position or by kind: `{second = 2, any = "plain"}`. `plain` is the first
    card that can be ordered and comes without a choice, `options` the first that can be ordered in several. What is said later
    may point at it: "add the {any} one" is said as "add the third one", "{any}加入购物车" as "第三个加入购物车". Before the
    message, `sold_out` takes products out of stock and `repriced` multiplies their price.
    """

    en: str | None = None
    en2: str | None = None
    zh: str | None = None
    zh2: str | None = None
    mixed: str | None = None
    sold_out: tuple[str, ...] = ()
    repriced: dict[str, float] = Field(default_factory=dict)
    cards: tuple[int, int]
    """Floor and ceiling of how many cards are shown."""
    action: Action | tuple[Action, ...] | None = None
    kinds: tuple[str, ...] = ()
    """Categories (leaves): as many cards as the floor says are of these, and they stand before all others that can be ordered.

    For a kind that is merely named ranks, and does not filter. Where an `order` is asked for, every card has to be of them.
    """
    spread: int = 0
    """At least so many different categories among the cards."""
    price_max: float | None = None
    price_min: float | None = None
    total_max: float | None = None
    """The prices of all cards together."""
    rating_min: float | None = None
    has: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Attribute, `|` between its names, to values of which every card has one, by its record."""
    lacks: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    at_least: dict[str, float] = Field(default_factory=dict)
    """Attribute to the least that its number may be, in the unit of the catalog."""
    available: bool = False
    order: Literal["price_asc", "price_desc", "rating_desc"] | None = None
    cheaper_than: str | None = None
    dearer_than: str | None = None
    shows: tuple[str, ...] = ()
    """Kept names: the cards are these and no others, in any order."""
    includes: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    fresh: bool = False
    """No card was shown before in this conversation."""
    tells: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Kept name to facts of its record that stand in the text: price, rating, title, stock, or an attribute (`|` between names)."""
    says: tuple[str, ...] = ()
    """Figures or names of records that stand in the text, `|` between alternatives."""
    says_not: tuple[str, ...] = ()
    cites: Literal["document", "product", "review", "dialogue", "none"] | None = None
    cites_page: str | None = None
    """The cited document's id starts with this, `|` between alternatives."""
    table: bool = False
    cart: dict[str, int] | None = None
    """The whole cart after the turn, by kept name; without it the cart must stay as it was."""
    link: bool = False
    """The reply hands over the checkout link."""
    language: Literal["any"] | None = None
    """The language of the reply is left open; else it is that of the wording, and open for a mixed one."""
    keep: dict[str, Place] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _judged(self) -> JourneyTurn:
        low, high = self.cards
        if not 0 <= low <= high <= SLATE:
            raise ValueError(f"cards: {low} to {high} is no range within 0 to {SLATE}")
        if any(isinstance(place, int) and not 1 <= place <= SLATE for place in self.keep.values()):
            raise ValueError(f"keep: positions are 1 to {SLATE}")
        if (low, high) == (0, SLATE) and not self.model_fields_set - {*WORDINGS, "cards", "keep"}:
            raise ValueError("cards: anything would pass; say what the reply has to be")
        return self

    @property
    def wordings(self) -> dict[str, str]:
        """What is said, by wording."""
        return {name: said for name in WORDINGS if (said := getattr(self, name)) is not None}

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions that are right; empty where that is left open."""
        return () if self.action is None else (self.action,) if isinstance(self.action, str) else self.action


class Journey(Strict):
    """One conversation, of a shopper who is signed in unless `anonymous`."""

    name: str
    about: str
    group: str = ""
    anonymous: bool = False
    order: tuple[Placed, ...] = ()
    turn: tuple[JourneyTurn, ...] = Field(min_length=1)

    @property
    def wordings(self) -> tuple[str, ...]:
        """The names of its wordings."""
        return tuple(self.turn[0].wordings)


def language_of_wording(wording: str) -> str:
    """`"en"`, `"zh"` or `"mixed"`."""
    return wording.rstrip("2")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in a file a table starts."""

    line: int
    table: str


def read_journeys(folder: Path) -> list[Journey]:
    """The journeys of all files of a folder, by file and in their order.

    Raises:
        InvalidInput: a file is not TOML, a key is unknown or a value impossible (with file and line), a name comes twice, a
            journey does not have three wordings in each turn, or there is no journey at all.
    """
    journeys: list[Journey] = []
    for path in sorted(folder.glob("*.toml")):
        journeys += _of_file(path)
    if not journeys:
        raise InvalidInput(f"{folder} has no journeys.", "Name a folder of TOML files with [[journey]] tables.")
    names: set[str] = set()
    for journey in journeys:
        if journey.name in names:
            raise InvalidInput(f"Two journeys are named {journey.name!r}.", "Rename one of them.")
        names.add(journey.name)
    return journeys


def _of_file(path: Path) -> Iterator[Journey]:
    text = path.read_text(encoding="utf-8")
    try:
        rows = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path} is not TOML: {error}.", "Mend that line.") from error
    lines = text.splitlines()
    places = [_Place(number, match[1]) for number, line in enumerate(lines) if (match := _HEADER.match(line))]
    if unknown := set(rows) - {"journey"}:
        raise InvalidInput(f"{path}: {min(unknown)!r} is no key of it.", "A file holds [[journey]] tables.")
    for number, row in enumerate(rows.get("journey", ())):
        yield _journey(row, path, lines, _tables_of(places, number))


def _tables_of(places: Sequence[_Place], number: int) -> list[_Place]:
    """The headers of the journey of that number, its own first."""
    starts = [index for index, place in enumerate(places) if place.table == "journey"]
    end = starts[number + 1] if number + 1 < len(starts) else len(places)
    return list(places[starts[number] : end])


def _journey(row: dict[str, Any], path: Path, lines: Sequence[str], places: Sequence[_Place]) -> Journey:
    try:
        journey = Journey.model_validate({"group": path.stem, **row})
    except ValidationError as error:
        # A key that is not known explains one that is missing.
        problem = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        said = re.match(r"Value error, (\w+):", problem["msg"])
        loc = (*problem["loc"], *(said.groups() if said else ()))
        name = ".".join(str(part) for part in loc if not isinstance(part, int)) or "the journey"
        where = _line_of(loc, lines, places)
        raise InvalidInput(
            f"{path}, line {where}: {name}: {problem['msg']}.", "See finetune/dialogue/journeys.py."
        ) from error
    for number, turn in enumerate(journey.turn):
        if len(turn.wordings) != EACH or tuple(turn.wordings) != journey.wordings:
            where = _line_of(("turn", number), lines, places)
            raise InvalidInput(
                f"{path}, line {where}: {journey.name} has to be said in {EACH} wordings, the same in each turn, "
                f"of {', '.join(WORDINGS)}.",
                "Add what is missing.",
            )
    return journey


def _line_of(loc: Sequence[int | str], lines: Sequence[str], places: Sequence[_Place]) -> int:
    """The line, from 1, of what a validator's path names: its key, else the header of its table."""
    tables = [place for place in places if len(loc) > 1 and place.table == f"journey.{loc[0]}"]
    number = loc[1] if len(loc) > 1 and isinstance(loc[1], int) else 0
    start = tables[number].line if number < len(tables) else places[0].line
    for key in reversed([part for part in loc if isinstance(part, str)]):
        for line in range(start + 1, len(lines)):
            if _HEADER.match(lines[line]):
                break
            if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", lines[line]):
                return line + 1
    return start + 1
