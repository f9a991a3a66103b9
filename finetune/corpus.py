"""What a run trains on: labels, and the turns of each encoder, split into training and validation by dialogue."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.history import TURN_TOKENS, HistoryLimits
from bot.intent import SPACES
from bot.labels import LABELS, OUT_OF_SCOPE
from finetune.examples import Turn, turns_of
from finetune.logs import Dialogue
from finetune.self_training import unlabeled_turns
from finetune.split import near_duplicates, split_dialogues
from storage.errors import InvalidInput

FEWEST_TURNS = 40
"""A script with fewer labelled turns for training gets no encoder of its own."""

_SAMPLE = 500
_PIECE = re.compile(r"[\u3400-\u9fff]{1,2}|[^\W\u3400-\u9fff]+|[^\w\s]")

_SEVERAL = 0.05  # share of turns with several labels from which on each label is learnt by itself


@dataclass(frozen=True)
class Part:
    """The turns of one encoder."""

    training: list[Turn]
    validation: list[Turn]
    unlabeled: list[Turn] = field(default_factory=list)


@dataclass(frozen=True)
class Corpus:
    """Labels, the two halves as dialogues, the parts by encoder, and whether turns commonly have several labels.

    `unlabeled_repeats` dialogues without labels were left out, since they nearly repeat a held-out one. `chinese_astray` Chinese
    turns for training go to the packaged encoder of Latin text, which reads English.
    """

    labels: tuple[str, ...]
    training: list[Dialogue]
    validation: list[Dialogue]
    parts: dict[str, Part]
    multi_label: bool
    unlabeled_repeats: int = 0
    chinese_astray: int = 0

    @property
    def learnt_from(self) -> list[Dialogue]:
        """Every dialogue that a model of this corpus has learned from, with labels or without: none can judge it."""
        unlabeled = {id(turn.dialogue): turn.dialogue for part in self.parts.values() for turn in part.unlabeled}
        return [*self.training, *unlabeled.values()]

    @property
    def unlabeled_turns(self) -> int:
        """How many turns without labels there are to learn from."""
        return sum(len(part.unlabeled) for part in self.parts.values())

    def epoch_tokens(self, limits: HistoryLimits) -> int:
        """About how many tokens an epoch has, over all encoders, by a sample."""
        return sum(_tokens(part.training, limits) for part in self.parts.values())


def corpus_of(
    dialogues: Sequence[Dialogue], seed: int, *, one_encoder: bool = False, unlabeled: Sequence[Dialogue] = ()
) -> Corpus:
    """Splits the dialogues and sorts their turns to encoders; with `one_encoder` a single one takes every script.

    `unlabeled` dialogues give turns to learn from without labels: those of an encoder's script, or all where there is but one. None
    nearly repeats a dialogue of validation or test, which a model that has learned from it could no longer be judged on.

    Raises:
        InvalidInput: there are fewer than two labels, or none that could be held out.

    """
    training, validation = _split(dialogues, seed)
    labels = _labels(training, validation)
    parts = _parts(training, validation, set(labels), one=one_encoder)
    unseen = _unlike(unlabeled, [*validation, *(dialogue for dialogue in dialogues if dialogue.split == "test")])
    free = [(turn, turn.window().is_han) for turn in unlabeled_turns(unseen)]
    parts = {
        space: replace(part, unlabeled=[turn for turn, is_han in free if len(parts) == 1 or is_han == (space == "han")])
        for space, part in parts.items()
    }
    golds = [turn.golds for part in parts.values() for turn in part.training if turn.golds]
    several = sum(len(each) > 1 for each in golds) / max(1, len(golds))
    astray = 0
    if set(parts) == {"latin"} and not one_encoder:
        astray = sum(turn.window().is_han for turn in parts["latin"].training)
    return Corpus(labels, training, validation, parts, several >= _SEVERAL, len(unlabeled) - len(unseen), astray)


def _unlike(dialogues: Sequence[Dialogue], held: Sequence[Dialogue]) -> Sequence[Dialogue]:
    """The dialogues that nearly repeat none of `held`."""
    if not dialogues:
        return dialogues
    groups = near_duplicates([*held, *dialogues])
    taken = set(groups[: len(held)])
    return [dialogue for dialogue, group in zip(dialogues, groups[len(held) :], strict=True) if group not in taken]


def _split(dialogues: Sequence[Dialogue], seed: int) -> tuple[list[Dialogue], list[Dialogue]]:
    """Splits the dialogues of each script by themselves, so that both have validation turns."""
    groups: dict[bool, list[Dialogue]] = {False: [], True: []}
    for dialogue in dialogues:
        han = Counter(turn.window().is_han for turn in turns_of([dialogue]))
        if han:
            groups[han[True] > han[False]].append(dialogue)
    training, validation = [], []
    for group in groups.values():
        if group:
            kept, held = split_dialogues(group, seed=seed)
            training += kept
            validation += held
    return training, validation


def _labels(training: Sequence[Dialogue], validation: Sequence[Dialogue]) -> tuple[str, ...]:
    def among(dialogues: Sequence[Dialogue]) -> set[str]:
        return {name for turn in turns_of(dialogues) for name in turn.golds} - {OUT_OF_SCOPE}

    found = among(training)
    if len(found) < 2:
        have = f"only the label {found.pop()!r}" if found else "no labelled user turn"
        raise InvalidInput(
            f"The logs have {have} to train on.", "User turns need `intents`, with at least two different labels."
        )
    if not found & among(validation):
        raise InvalidInput(
            "No label occurs in two different dialogues, so nothing can be held out.", "Give more labelled dialogues."
        )
    built_in = [name for name in LABELS if name in found]
    return tuple(built_in + sorted(found - set(built_in)))


def _parts(
    training: Sequence[Dialogue], validation: Sequence[Dialogue], labels: set[str], *, one: bool
) -> dict[str, Part]:
    """The turns of each encoder; where one script has too few, the encoder of the larger one takes both."""
    halves = [[(turn, turn.window().is_han) for turn in turns_of(half)] for half in (training, validation)]
    parts = {
        space: Part(*([turn for turn, is_han in half if is_han == (space == "han")] for half in halves))
        for space in SPACES
    }
    alone = {
        space: part
        for space, part in parts.items()
        if len(part.training) >= FEWEST_TURNS
        and len({name for turn in part.training for name in turn.golds}) > 1
        and any(labels.intersection(turn.golds) for turn in part.validation)  # others say nothing of a model
    }
    if len(alone) == len(SPACES) and not one:
        return alone
    space = "latin" if one else max(SPACES, key=lambda each: len(parts[each].training))
    return {space: Part(*([turn for turn, _ in half] for half in halves))}


def _tokens(turns: Sequence[Turn], limits: HistoryLimits) -> int:
    """About the tokens of all turns with their history: words and marks, and a fifth more, since rare words fall into pieces."""
    sample = turns[:: max(1, len(turns) // _SAMPLE)]
    found = 0
    for turn in sample:
        window = turn.window(limits)
        history = sum(min(len(_PIECE.findall(text)), limits.message_tokens) + 1 for _, text in window.history)
        found += min(min(len(_PIECE.findall(window.turn)), TURN_TOKENS) + 2 + history, limits.budget)
    return round(1.2 * found * len(turns) / max(1, len(sample)))
