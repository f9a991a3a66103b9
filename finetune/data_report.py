"""What a training run should know of its data before it starts: sizes, labels, repetition, leaks and contradictions."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from bot.history import TURN_TOKENS, window_of
from bot.labels import OUT_OF_SCOPE
from bot.language import foreign, language_of
from finetune.corpus import FEWEST_TURNS
from finetune.logs import Dialogue, Reading
from finetune.split import near_duplicates
from storage.redaction import redact

FEW_TURNS = 5
"""A label with fewer turns is hardly learnt and hardly measured."""

_FEW_HELD_OUT = 5  # turns a label on average, below which validation tells two epochs apart by luck
_IMBALANCE = 50
_EXAMPLES = 20
_NAMED = 5  # names in a warning
_REASONS = 5
_SHOWN = 200  # characters of a text
_MANY_LONG = 0.05
_LANGUAGE_TEXT = 300  # characters of a user's words that tell the language
_HAN = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[^\W\u3400-\u9fff]+")
_JOINT = re.compile(r"[\s_-]+")


@dataclass(frozen=True)
class LabelTurns:
    """In how many turns of each part a label stands."""

    training: int
    validation: int
    test: int


@dataclass(frozen=True)
class Conflict:
    """One input under different labels: the last turn, redacted, and how often it has which labels ("accept + thank": 2)."""

    text: str
    labels: dict[str, int]


@dataclass(frozen=True)
class DataReport:
    """Figures of the logs, and of the parts that they were split into; `dataclasses.asdict` makes JSON of it.

    Attributes:
        files: sha256 by path.
        rejected_by_reason: the commonest reasons, numbers in them as N.
        labels: turns of each label by part, the commonest first; `out_of_scope` is not among them.
        languages: dialogues by the log's own language, else by that of the user's words; "other" is neither en nor zh.
        imbalance: turns of the largest label over those of the smallest, in training; None where there are none.
        rare_labels: labels with fewer than `FEW_TURNS` turns in all parts, and how many they have.
        unlearnt_labels: labels that are in validation or test and not in training.
        label_variants: names that differ only in case, in Unicode form, or in spaces, "_" and "-".
        duplicate_turns: labelled turns that repeat another one, its history within the model's window and its labels.
        conflicts: inputs (turn and history within the window) that have different labels; no model can learn both.
        conflict_examples: the commonest of them.
        ambiguous_texts: texts that have different labels, whatever was said before.
        near_duplicate_groups: groups of dialogues that say nearly the same.
        near_duplicates: the dialogues in them but one of each.
        leaks: dialogues that the log marks validation or test and that nearly repeat one it gives for training.
        leaked_ids: the first of them.
        left_out: labelled dialogues that are in no part: those that would leak.
        long_turns: labelled turns with more tokens, by `about_tokens`, than the model's window keeps of a turn.
        unlabeled_turns: turns without labels, of `--unlabeled`, that are learnt from too.
        unlabeled_rejected: rows of those files that could not be used.
        unlabeled_repeats: dialogues of those files that nearly repeat one of validation or test and were left out.
        warnings: what a person should look at, each with the way out.

    """

    files: dict[str, str]
    rows: int
    rejected: int
    rejected_by_reason: dict[str, int]
    dropped_fields: int
    dialogues: int
    messages: int
    user_turns: int
    labelled_turns: int
    out_of_scope_turns: int
    training_dialogues: int
    validation_dialogues: int
    test_dialogues: int
    labels: dict[str, LabelTurns]
    languages: dict[str, int]
    imbalance: float | None
    rare_labels: dict[str, int]
    unlearnt_labels: tuple[str, ...]
    label_variants: tuple[tuple[str, ...], ...]
    duplicate_turns: int
    conflicts: int
    conflict_examples: tuple[Conflict, ...]
    ambiguous_texts: int
    near_duplicate_groups: int
    near_duplicates: int
    leaks: int
    leaked_ids: tuple[str, ...]
    left_out: int
    long_turns: int
    unlabeled_turns: int = 0
    unlabeled_rejected: int = 0
    unlabeled_repeats: int = 0
    warnings: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The report for a terminal."""
        sizes = [turns.training + turns.validation + turns.test for turns in self.labels.values()]
        reasons = "; ".join(f"{count} x {reason}" for reason, count in self.rejected_by_reason.items())
        return [
            f"{len(self.files)} files, {self.rows:,} rows, {self.rejected:,} rejected"
            + (f": {reasons}" if reasons else ""),
            f"{self.dialogues:,} dialogues ({', '.join(f'{name} {count:,}' for name, count in self.languages.items())}), "
            f"{self.user_turns:,} user turns, {self.labelled_turns:,} labelled, {self.out_of_scope_turns:,} out of scope",
            f"{self.training_dialogues:,} dialogues for training, {self.validation_dialogues:,} for validation, "
            f"{self.test_dialogues:,} for test, {self.left_out:,} left out",
            f"{len(self.labels)} labels" + (f" of {min(sizes):,} to {max(sizes):,} turns" if sizes else ""),
            f"repeated: {self.duplicate_turns:,} turns, {self.near_duplicates:,} dialogues; "
            f"{self.conflicts:,} inputs with different labels",
            *([self._unlabeled_line()] if self.unlabeled_turns else []),
            *(f"! {warning}" for warning in self.warnings),
        ]

    def _unlabeled_line(self) -> str:
        repeats = f"; {self.unlabeled_repeats:,} dialogues repeat held-out ones and were left out"
        return (
            f"{self.unlabeled_turns:,} turns without labels to learn from, {self.unlabeled_rejected:,} rows rejected"
            + (repeats if self.unlabeled_repeats else "")
        )


def about_tokens(text: str) -> int:
    """Roughly how many tokens a text has: one a Chinese character, four for three words in other scripts."""
    return len(_HAN.findall(text)) + round(len(_WORD.findall(text)) * 4 / 3)


def describe(
    reading: Reading,
    training: Sequence[Dialogue],
    validation: Sequence[Dialogue],
    test: Sequence[Dialogue] = (),
) -> DataReport:
    """The figures of what was read and of its parts."""
    dialogues = reading.dialogues
    parts = [_label_counts(part) for part in (training, validation, test)]
    everywhere = _label_counts(dialogues)
    labels = {
        name: LabelTurns(*(part[name] for part in parts))
        for name, _ in everywhere.most_common()
        if name != OUT_OF_SCOPE
    }
    trained = [turns.training for turns in labels.values() if turns.training]
    groups = np.array(near_duplicates(dialogues), np.int64)
    members = np.bincount(groups)
    leaked = _leaked(dialogues, groups)
    turns = _Turns(dialogues)
    conflicts = turns.conflicts()
    in_parts = {dialogue.id for dialogue in chain(training, validation, test)}
    report = DataReport(
        files=dict(reading.hashes),
        rows=reading.rows,
        rejected=len(reading.problems),
        rejected_by_reason=dict(
            Counter(re.sub(r"\d+", "N", problem.reason) for problem in reading.problems).most_common(_REASONS)
        ),
        dropped_fields=reading.dropped_fields,
        dialogues=len(dialogues),
        messages=sum(len(dialogue.messages) for dialogue in dialogues),
        user_turns=sum(message.role == "user" for dialogue in dialogues for message in dialogue.messages),
        labelled_turns=turns.count,
        out_of_scope_turns=everywhere[OUT_OF_SCOPE],
        training_dialogues=len(training),
        validation_dialogues=len(validation),
        test_dialogues=len(test),
        labels=labels,
        languages=dict(Counter(map(_language, dialogues)).most_common()),
        imbalance=max(trained) / min(trained) if trained else None,
        rare_labels={name: everywhere[name] for name in reversed(labels) if everywhere[name] < FEW_TURNS},
        unlearnt_labels=tuple(
            name for name, counts in labels.items() if not counts.training and (counts.validation or counts.test)
        ),
        label_variants=_variants(everywhere),
        duplicate_turns=turns.duplicates(),
        conflicts=len(conflicts),
        conflict_examples=turns.examples(dialogues, conflicts),
        ambiguous_texts=len(turns.conflicts(with_history=False)),
        near_duplicate_groups=int((members > 1).sum()),
        near_duplicates=int((members[members > 1] - 1).sum()),
        leaks=len(leaked),
        leaked_ids=tuple(redact(dialogue.id) for dialogue in leaked[:_EXAMPLES]),
        left_out=len({each.id for each in dialogues if any(each.golds())} - in_parts),
        long_turns=turns.long,
    )
    return replace(report, warnings=tuple(_warnings(report)))


def _label_counts(dialogues: Sequence[Dialogue]) -> Counter[str]:
    return Counter(chain.from_iterable(chain.from_iterable(map(Dialogue.golds, dialogues))))


def astray(chinese: int) -> list[str]:
    """The warning that so many Chinese turns go to an encoder that reads English; none where there are none."""
    if not chinese:
        return []
    return [
        f"{chinese:,} Chinese turns go to the encoder of English, which reads them badly: give {FEWEST_TURNS} for training, of two "
        "labels or more and some held out, and they get an encoder of their own; or give a --base-model that reads both."
    ]


class _Turns:
    """The labelled turns as numbers: what the model sees of each, its text alone, and its labels."""

    def __init__(self, dialogues: Sequence[Dialogue]) -> None:
        inputs, texts, labels = array("q"), array("q"), array("q")
        sets: dict[tuple[str, ...], int] = {}
        self.long = 0
        for messages, golds in chain.from_iterable(map(Dialogue.labelled, dialogues)):
            window = window_of(messages)
            text = window.turn.casefold()
            texts.append(hash(text))
            inputs.append(hash((text, *((who, said.casefold()) for who, said in window.history))))
            labels.append(sets.setdefault(tuple(sorted(golds)), len(sets)))
            content = str(messages[-1]["content"])
            # A token has at least one character, so that most turns need not be counted.
            self.long += len(content) > TURN_TOKENS and about_tokens(content) > TURN_TOKENS
        self.count = len(labels)
        self._inputs, self._texts, self._labels = np.array(inputs), np.array(texts), np.array(labels)
        self._sets = list(sets)

    def duplicates(self) -> int:
        """Turns that repeat another one, labels and all."""
        order = np.lexsort((self._labels, self._inputs))
        both = np.stack([self._inputs[order], self._labels[order]])
        return int((both[:, 1:] == both[:, :-1]).all(axis=0).sum())

    def conflicts(self, *, with_history: bool = True) -> list[NDArray[np.int64]]:
        """Turns that the model sees as one and that have different labels, by their places; the most turns first."""
        keys = self._inputs if with_history else self._texts
        order = np.lexsort((self._labels, keys))
        same = keys[order][1:] == keys[order][:-1]
        differs = same & (self._labels[order][1:] != self._labels[order][:-1])
        starts = np.flatnonzero(np.append(True, ~same)) if self.count else np.empty(0, np.int64)
        several = np.unique(np.searchsorted(starts, np.flatnonzero(differs), side="right") - 1)
        ends = np.append(starts, self.count)
        found = [np.sort(order[ends[at] : ends[at + 1]]) for at in several]
        return sorted(found, key=lambda places: (-len(places), places[0]))

    def examples(self, dialogues: Sequence[Dialogue], conflicts: Sequence[NDArray[np.int64]]) -> tuple[Conflict, ...]:
        """The first conflicts with their text and labels."""
        wanted = {int(places[0]): places for places in conflicts[:_EXAMPLES]}
        found = {}
        for place, (messages, _) in enumerate(chain.from_iterable(map(Dialogue.labelled, dialogues))):
            if place in wanted:
                names = Counter(" + ".join(self._sets[self._labels[each]]) for each in wanted[place])
                found[place] = Conflict(str(messages[-1]["content"])[:_SHOWN], dict(names.most_common()))
                if len(found) == len(wanted):
                    break
        return tuple(found[place] for place in wanted)


def _leaked(dialogues: Sequence[Dialogue], groups: NDArray[np.int64]) -> list[Dialogue]:
    """Those marked for validation or test that nearly repeat one which the log gives for training."""
    held = np.array([dialogue.split in ("validation", "test") for dialogue in dialogues], np.bool_)
    trained = np.unique(groups[~held])
    return [dialogues[place] for place in np.flatnonzero(held & np.isin(groups, trained)).tolist()]


def _language(dialogue: Dialogue) -> str:
    if dialogue.language:
        return re.split("[-_]", dialogue.language.lower())[0]
    said = " ".join(islice((each.content for each in dialogue.messages if each.role == "user"), 3))[:_LANGUAGE_TEXT]
    return "other" if foreign(said) else language_of(said)


def _variants(labels: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    alike: dict[str, list[str]] = defaultdict(list)
    for name in sorted(labels):
        alike[_JOINT.sub("_", unicodedata.normalize("NFKC", name).casefold())].append(name)
    return tuple(tuple(names) for names in alike.values() if len(names) > 1)


def _have(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"The label {names[0]!r} has"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"The labels {', '.join(map(repr, names[:_NAMED]))}{more} have"


def _warnings(report: DataReport) -> Iterator[str]:
    """What may make a model worse than it need be, the gravest first."""
    if not report.labelled_turns:
        yield "No user turn is labelled: give `intents` on user turns."
        return
    if not report.training_dialogues and report.dialogues:
        yield "No dialogue is left for training: the log marks all as validation or test, or they nearly repeat such ones."
    if len(report.labels) == 1:
        yield f"The only label is {next(iter(report.labels))!r}: a model needs two to tell apart."
    held_out = sum(turns.validation for turns in report.labels.values())
    if not held_out:
        yield "No labelled turn is held out: give more dialogues that differ, so that some can be kept from training."
    elif held_out < _FEW_HELD_OUT * len(report.labels):
        yield (
            f"Validation has {held_out} turns for {len(report.labels)} labels: its figures, and what is chosen by them, "
            f"depend on luck; give {_FEW_HELD_OUT} a label."
        )
    if report.unlearnt_labels:
        yield f"{_have(report.unlearnt_labels)} no turn in training and can only be got wrong: mark some for training."
    once = [name for name, count in report.rare_labels.items() if count == 1]
    few = [name for name, count in report.rare_labels.items() if count > 1]
    if once:
        yield f"{_have(once)} 1 turn, which cannot be both learnt and held out: give at least {FEW_TURNS}."
    if few:
        yield f"{_have(few)} fewer than {FEW_TURNS} turns, so that figures depend on luck: give more."
    for names in report.label_variants:
        yield f"{', '.join(map(repr, names))} are trained as different labels: if they mean one thing, write it in one way."
    if report.conflicts:
        yield (
            f"{report.conflicts:,} inputs stand under different labels, which no model can learn: settle them; "
            "the report names the commonest."
        )
    if report.leaks:
        yield (
            f"{report.leaks:,} dialogues marked validation or test nearly repeat one for training; {report.left_out:,} were "
            "left out so that figures stay honest. Mark repeated dialogues alike."
        )
    if report.imbalance and report.imbalance > _IMBALANCE:
        yield (
            f"The largest label has {report.imbalance:.0f} times the turns of the smallest: give more of the small ones "
            "rather than fewer of the large."
        )
    if report.long_turns > _MANY_LONG * report.labelled_turns:
        yield (
            f"{report.long_turns:,} turns are longer than the {TURN_TOKENS} tokens that the model sees of a turn: their "
            "middle is cut. Log what the customer wrote and not what was quoted."
        )
