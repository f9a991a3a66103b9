"""Whole conversations, judged: journeys with assertions and simulated shoppers with a need, by one harness, beside baselines.

Everything is simulated and says so. The conversations run on the shop's index and models but on a database of their own, so
that nothing of them is ever in the shop's logs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bot.service import Assistant
from finetune.dialogue.baselines import BASELINES
from finetune.dialogue.journeys import Journey, read_journeys
from finetune.dialogue.play import play
from finetune.dialogue.report import DialogueReport
from finetune.dialogue.scene import Speak
from finetune.dialogue.shoppers import visit
from storage.database import Database
from storage.errors import InvalidInput
from storage.record import new_id
from storage.settings import ShopSettings

CHECKOUT: Final = "https://shop.example/checkout/{cart_id}"
"""Stands for the shop's own page where shop.toml names none."""
AISLE: Final = "aisle"
Progress = Callable[[str, int, int], None]

__all__ = ["AISLE", "evaluate_dialogue", "read_journeys", "rehearsal"]


@contextmanager
def rehearsal(shop: Path, settings: ShopSettings) -> Iterator[Assistant]:
    """The shop's assistant on an empty database that is thrown away afterwards.

    Raises what `Assistant.open` raises.
    """
    with tempfile.TemporaryDirectory(prefix="aisle-rehearsal-") as folder:
        database = Database.open(f"sqlite:///{folder}/rehearsal.db")
        assistant = Assistant.open(shop, settings, database, settings.checkout_url or CHECKOUT)
        try:
            yield assistant
        finally:
            assistant.close()
            database.close()


def evaluate_dialogue(
    assistant: Assistant,
    journeys: Sequence[Journey],
    shoppers: int,
    seed: int = 0,
    wordings: int | None = None,
    speaker: str = AISLE,
    progress: Progress = lambda step, done, total: None,
) -> DialogueReport:
    """Plays the journeys and lets simulated shoppers shop.

    Args:
        assistant: one of `rehearsal`, for carts and orders are written.
        journeys: what is played, in its order.
        shoppers: how many are simulated, half of them in Chinese.
        seed: decides their needs and manners.
        wordings: how many wordings of each journey, another first one from journey to journey; None for all.
        speaker: `"aisle"`, or a null baseline (`"echo"`, `"stateless"`) in its place.
        progress: is told the step, how much is done and how much there is.

    Raises:
        InvalidInput: there is no such speaker, or the catalog lacks a product that a journey's order needs.

    """
    speak = _speaker(assistant, speaker)
    parts = [
        (journey, wording)
        for number, journey in enumerate(journeys)
        for wording in _some(journey.wordings, wordings, number)
    ]
    outcomes = []
    for done, (journey, wording) in enumerate(parts, 1):
        outcomes.append(play(assistant, speak, journey, wording, new_id()))
        progress("journeys", done, len(parts))
    visits = []
    for number in range(shoppers):
        visits.append(visit(assistant, speak, number, seed))
        progress("simulated shoppers", number + 1, shoppers)
    return DialogueReport(outcomes, visits)


def _some(names: Sequence[str], count: int | None, number: int) -> Sequence[str]:
    start = number % len(names)
    return (*names[start:], *names[:start])[:count]


def _speaker(assistant: Assistant, name: str) -> Speak:
    if name == AISLE:
        return assistant.reply
    if name not in BASELINES:
        raise InvalidInput(f"There is no speaker {name[:40]!r}.", f"Use one of: {AISLE}, {', '.join(BASELINES)}.")
    return BASELINES[name](assistant)
