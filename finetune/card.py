"""The model card: what a person should know before they let a model serve (Mitchell et al. 2019), written into its folder.

It is made from settings, counts, hashes and figures alone: nothing that anybody said, and nobody's id, gets into it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bot.intent import IntentSettings

FILE = "MODEL_CARD.md"

LICENCES: Mapping[str, str] = {
    "minilm": "all-MiniLM-L6-v2, Apache License 2.0",
    "e5": "multilingual-e5-small, MIT License",
}
"""Of the packaged base models, by the name that `EncoderSettings.base` has."""


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What the card says beside the model's settings.

    `options` are those of the command that trained it, by name without dashes; one that is None was left out. `data` is the
    sha256 by log file, `unlabeled` that by file of turns without labels, `feedback` that of the shop's labelled conversations.
    `turns` are labelled turns by encoder: (training, validation). `metrics` are the contract's, on the validation dialogues.
    `parent` is the version that served when this one was trained. `found` is what a search chose in place of the options.
    """

    options: Mapping[str, str | int | float | None]
    data: Mapping[str, str]
    training_dialogues: int
    validation_dialogues: int
    turns: Mapping[str, tuple[int, int]]
    metrics: Mapping[str, float | int | None]
    parent: str | None = None
    unlabeled: Mapping[str, str] = field(default_factory=dict)
    feedback: str | None = None
    found: Mapping[str, str | int | float | None] | None = None


def write_card(folder: Path, settings: IntentSettings, facts: CardFacts) -> None:
    """Writes `MODEL_CARD.md`, to be called before the folder's manifest."""
    (folder / FILE).write_text(card(settings, facts), encoding="utf-8")


def card(settings: IntentSettings, facts: CardFacts) -> str:
    """The card's text, in Markdown."""
    parts = [
        "# Intent model",
        _about(settings, facts),
        "## Use",
        _USE,
        "## Training data",
        _data(facts),
        "## Labels",
        f"{len(settings.labels)}: {', '.join(_code(label) for label in settings.labels)}. "
        "`out_of_scope` is no label: a threshold on the model's doubt decides it.",
        "## Metrics",
        _metrics(facts),
        "## Confidence and what is out of scope",
        _calibration(settings),
        "## Base models",
        _bases(settings),
        "## To train it again",
        _command(facts),
    ]
    return "\n\n".join(parts) + "\n"


_USE = """\
It names the intent of a shopper's last message, with the messages before it as context, so that the assistant can decide what
to do. It is meant for the shop whose dialogues it learned from, in the languages of those.

Not for deciding anything about a person; not for texts other than shopping dialogues; not for labels that it does not have. It
can be wrong with confidence on wording that its data never had, and on labels of which it saw few turns. What it finds may only
steer a dialogue: prices, stock and terms come from records, never from it."""

_PRIVACY = """\
Personal data of a known form (e-mail, phone, card, IBAN, IP) was replaced before anything was read. Who is in the data is known
to the shop's database only, as keyed hashes; `training.sha256` has the hashes of the training dialogues."""

_PROTOCOL = """\
On the validation dialogues, which also chose epoch, temperature and thresholds: the figures lean to the good side, and those of
the gate, on dialogues of later days, are the ones to go by. One turn at a time through the exported model. Accuracy, F1 and ece
(15 equal bins) are over in-scope turns without the threshold; a turn with several golds counts as the predicted one if it is
among them; p50_ms is for one turn, tokenizing included, on the machine that trained."""


def _about(settings: IntentSettings, facts: CardFacts) -> str:
    date = datetime.now(UTC).date().isoformat()
    encoders = " and ".join(settings.encoders)
    parent = f"the version {_code(facts.parent)} served" if facts.parent else "no version served"
    return (
        f"Trained on {date}, when {parent}. A classifier on a sentence encoder for each script ({encoders}), which pools the last\n"
        "message apart from the history; exported for serving, so that no trainer code is needed to run it."
    )


def _data(facts: CardFacts) -> str:
    turns = ", ".join(f"{space} {train:,} and {held:,}" for space, (train, held) in facts.turns.items())
    counts = (
        f"{facts.training_dialogues:,} dialogues to train on and {facts.validation_dialogues:,} for validation; "
        f"labelled turns: {turns}."
    )
    rows = [
        (option, Path(name).name, f"`{sha256}`") for option, files in _files(facts) for name, sha256 in files.items()
    ]
    if facts.feedback:
        rows.append(("--from-feedback", "the shop's conversations", f"`{facts.feedback}`"))
    return "\n\n".join([counts, _PRIVACY, _table(("given as", "file", "sha256"), *rows)])


def _files(facts: CardFacts) -> tuple[tuple[str, Mapping[str, str]], ...]:
    """The files by the option that they were given with."""
    return ("--logs", facts.data), ("--unlabeled", facts.unlabeled)


def _metrics(facts: CardFacts) -> str:
    rows = [
        (name, "none" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4f}")
        for name, value in facts.metrics.items()
    ]
    return _PROTOCOL + "\n\n" + _table(("metric", "value"), *rows)


def _calibration(settings: IntentSettings) -> str:
    rows = [
        (space, f"{each.temperature:.3f}", each.score, f"{each.threshold:.4f}")
        for space, each in settings.encoders.items()
    ]
    return _table(("encoder", "temperature", "score of doubt", "out of scope above"), *rows)


def _bases(settings: IntentSettings) -> str:
    rows = [
        (space, LICENCES.get(each.base, f"{each.base}: see the licence that it came with"), f"`{each.base_hash}`")
        for space, each in settings.encoders.items()
    ]
    return "The weights are derived from these, and their licences go with them.\n\n" + _table(
        ("encoder", "base model and licence", "sha256"), *rows
    )


def _command(facts: CardFacts) -> str:
    given = {name: value for name, value in facts.options.items() if value is not None}
    words = [part for option, files in _files(facts) for name in files for part in (option, Path(name).name)]
    words += ["--from-feedback"] if facts.feedback else []
    words += [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    conversations = ", the conversations and labels as they were then" if facts.feedback else ""
    command = (
        f"With the files above{conversations}, the same versions of the packages and the same number of threads:\n\n"
        f"```\nlaunch.py finetune intent {shlex.join(words)}\n```"
    )
    if facts.found is None:
        return command
    chosen = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.found.items() if value is not None)
    return f"{command}\n\nThe search in it chose what the model was trained with: {chosen}."


def _table(head: tuple[str, ...], *rows: tuple[str, ...]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _code(text: str) -> str:
    return f"`{text.replace('`', ' ')}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
