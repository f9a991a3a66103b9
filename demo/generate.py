"""Writes the demo shop's files, from catalog and pictures to reviews and shop.toml, all from one seed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from numpy.random import PCG64, Generator

from demo.agents import agent_dialogues
from demo.catalog import CURRENCY, make_catalog
from demo.customers import make_customers
from demo.dialogues import generate_dialogues, hand_written
from demo.marker import Stage, claim, mark
from demo.pictures import picture_of
from demo.reviews import make_reviews
from demo.shoppers import make_behavior

DOCUMENTS = Path(__file__).parent / "documents"
Progress = Callable[[str, int, int], None]
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

_SETTINGS = f"""\
# The settings of the demo shop; what is not set here has its default.
currency = "{CURRENCY}"
languages = ["en", "zh"]

[orders]
self_service = ["cancel", "return", "exchange", "items", "address"]
"""


@dataclass(frozen=True)
class DemoFiles:
    """Where the demo shop's files are."""

    folder: Path

    @property
    def catalog(self) -> Path:
        """Products, one a line."""
        return self.folder / "catalog.jsonl"

    @property
    def documents(self) -> Path:
        """The folder of policies and FAQ."""
        return self.folder / "documents"

    @property
    def events(self) -> Path:
        """GA4 events of 180 days, one a line, oldest first."""
        return self.folder / "events.jsonl"

    @property
    def orders(self) -> Path:
        """Orders, one a line, oldest first."""
        return self.folder / "orders.jsonl"

    @property
    def customers(self) -> Path:
        """Who ordered, one customer a line."""
        return self.folder / "customers.jsonl"

    @property
    def reviews(self) -> Path:
        """What customers wrote about products, one review a line."""
        return self.folder / "reviews.jsonl"

    @property
    def dialogues(self) -> Path:
        """Dialogues in both languages: labelled ones, what the shipped intent model is trained on, and some with an agent."""
        return self.folder / "dialogues.jsonl"

    @property
    def media(self) -> Path:
        """The folder of pictures, ID.svg."""
        return self.folder / "media"

    @property
    def settings(self) -> Path:
        """The shop's settings."""
        return self.folder / "shop.toml"


def write_demo_shop(
    folder: Path,
    seed: int = 7,
    products: int = 3200,
    shoppers: int = 2000,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> DemoFiles:
    """Write the whole demo shop; the same seed and `now` give the same bytes.

    `now` is when the 180 days of behavior end, by default the time of the call. `progress` is told a step's name
    ("catalog", "pictures", "shoppers"), how much is done and how much there is.

    Raises:
        Conflict: the folder holds a shop of somebody's own.
    """
    claim(folder)
    files = DemoFiles(folder)
    moment = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    files.media.mkdir(parents=True, exist_ok=True)
    shutil.copytree(DOCUMENTS, files.documents, dirs_exist_ok=True)
    files.settings.write_text(_SETTINGS, "utf-8")

    # A generator for each part, so that more shoppers do not change the catalog.
    catalog = make_catalog(generator(seed, 0), moment, products, _step(progress, "catalog"))
    _write_lines(files.catalog, (product.product.model_dump_json() for product in catalog))
    drawn = _step(progress, "pictures")
    for number, product in enumerate(catalog):
        (files.media / f"{product.product.id}.svg").write_text(picture_of(product), "utf-8")
        if drawn is not None:
            drawn(number + 1, len(catalog))
    behavior = make_behavior(generator(seed, 1), moment, catalog, shoppers, _step(progress, "shoppers"))
    _write_lines(files.events, map(_JSON.encode, behavior.events))
    _write_lines(files.orders, map(_JSON.encode, behavior.orders))
    _write_lines(files.customers, map(_JSON.encode, make_customers(seed, behavior.orders)))
    reviews = make_reviews(generator(seed, 2), moment, catalog)
    _write_lines(files.reviews, map(_JSON.encode, reviews))
    talks = chain(generate_dialogues(seed), hand_written(), agent_dialogues(seed, moment, behavior.orders, catalog))
    _write_lines(files.dialogues, map(_JSON.encode, talks))
    mark(folder, Stage.WRITTEN)
    return files


def generator(seed: int, part: int) -> Generator:
    """The random numbers of one part of the shop, which those of the others do not move."""
    return Generator(PCG64([seed, part]))


def _step(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda done, total: progress(name, done, total)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(line + "\n" for line in lines)
