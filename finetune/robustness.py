"""How much accuracy a model loses to each kind of noise, on the path that serves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from bot.intent import IntentModel
from bot.labels import OUT_OF_SCOPE
from finetune.evaluate_intent import predictions
from finetune.logs import Dialogue
from finetune.noise import NOISES, noisy
from storage.errors import InvalidInput

CLEAN, MEAN = "clean", "mean"
"""The rows beside those of `NOISES`: the texts as they are, and the mean of the kinds."""

SAMPLE = 400
"""Turns that a report looks at: eight predictions each, some seconds in all. A drop of three points is then within two
standard errors of none where the model changes its mind on a tenth of the turns."""


def robustness(
    model: IntentModel, dialogues: Sequence[Dialogue], seed: int = 0, limit: int = SAMPLE
) -> dict[str, dict[str, float]]:
    """Accuracy on the same in-scope turns without noise and with each kind of it.

    Args:
        model: the exported model.
        dialogues: labelled ones, held out from training.
        seed: of the sample and the noise.
        limit: the largest number of turns; a larger log is sampled.

    Returns:
        A row for "clean", each kind of `NOISES` and their "mean": `accuracy` and `drop`, both from 0 to 1 (a drop of .02
        is two points, below 0 a gain), and `n`, how many turns they come from. Clean accuracy over all turns is that of
        `evaluate_intent`.

    Raises:
        InvalidInput: there is no labelled in-scope turn.

    """
    turns = _in_scope_turns(dialogues)
    if not turns:
        raise InvalidInput("The logs have no labelled in-scope turn.", "User turns need `intents`.")
    if len(turns) > limit:
        turns = random.Random(seed).sample(turns, limit)
    clean = _accuracy(model, turns)
    found = {kind: _accuracy(model, noisy(turns, kind, seed)) for kind in NOISES}
    found = {CLEAN: clean, **found, MEAN: sum(found.values()) / len(found)}
    return {kind: {"accuracy": accuracy, "drop": clean - accuracy, "n": len(turns)} for kind, accuracy in found.items()}


def _in_scope_turns(dialogues: Sequence[Dialogue]) -> list[Dialogue]:
    """A dialogue for each labelled in-scope turn: the messages up to it, of which it alone keeps its labels."""
    turns = []
    for dialogue in dialogues:
        for place, message in enumerate(dialogue.messages):
            golds = tuple(name for name in message.intents if name != OUT_OF_SCOPE)
            if message.role == "user" and golds:
                before = (replace(each, intents=()) for each in dialogue.messages[:place])
                turns.append(replace(dialogue, messages=(*before, replace(message, intents=golds))))
    return turns


def _accuracy(model: IntentModel, turns: Sequence[Dialogue]) -> float:
    scored = predictions(model, turns)
    return sum(each.gold == each.label for each in scored) / len(scored)
