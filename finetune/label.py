"""`label`: hands out the turns most worth a label, takes the answers in, and writes them as a log that training reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.intent import IntentSettings
from finetune.candidates import Progress, candidates_of, next_batch
from finetune.label_file import read_answers, write_label_file
from finetune.turn_keys import KeyedDialogue, log_lines, with_labels
from storage.database import Database
from storage.disk import new_file
from storage.errors import InvalidInput
from storage.labels import Label, labels_by_turn, put_labels, request_labels
from storage.principal import Principal
from storage.rows import Rejects

_PROBLEMS_SHOWN = 10


@dataclass(frozen=True)
class HandedOut:
    """How many turns nobody has labelled there were, how many of them were written, and where; no file where none is left."""

    candidates: int
    turns: int
    output: Path | None = None
    labels: Path | None = None


@dataclass(frozen=True)
class Imported:
    """What became of a filled file's rows.

    `replaced_of` says whose answers were replaced and where they came in, `problems` what is wrong with the first bad rows.
    """

    read: int
    added: int
    unchanged: int
    replaced: int
    replaced_of: tuple[str, ...]
    empty: int
    rejected: int
    rejected_file: Path | None
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Exported:
    """How many dialogues were written, and how many of their turns people labelled."""

    dialogues: int
    answers: int
    output: Path


def hand_out(
    database: Database,
    principal: Principal,
    dialogues: Iterable[KeyedDialogue],
    model: Path,
    output: Path,
    count: int,
    *,
    again: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> HandedOut:
    """Writes the next turns to label and notes them as handed out.

    Args:
        database: where the labels are kept.
        principal: who labels.
        dialogues: whose turns are to be labelled.
        model: the folder of the intent model that picks and suggests.
        output: the file to fill, CSV or JSONL by its name.
        count: how many turns.
        again: also turns that were handed out before and have no answer.
        seed: of sample and batch.
        progress: called as the model reads the turns.

    Raises:
        Forbidden: the role may not label.
        Conflict: `output` is there already.
        Unavailable: it cannot be written.
        NotFound, Damaged: `model` is not a whole intent model.
    """
    handed = labels_by_turn(database, principal)
    taken = {key for key, label in handed.items() if label is not None or not again}
    candidates = candidates_of(dialogues, taken, seed)
    if not candidates:
        return HandedOut(0, 0)
    picks = next_batch(candidates, model, count, seed, progress)
    beside = write_label_file(output, picks, known_labels(handed, model))
    request_labels(database, principal, {each.candidate.key: each.candidate.message_id for each in picks})
    return HandedOut(len(candidates), len(picks), output, beside)


def import_answers(
    database: Database,
    principal: Principal,
    path: Path,
    model: Path,
    rejected: Path,
    *,
    new_labels: bool = False,
    max_rejected: float = 0.01,
) -> Imported:
    """Keeps the answers of a filled file; reading it again changes nothing.

    Args:
        database: where the labels are kept.
        principal: who labels.
        path: the file.
        model: the folder of the intent model whose labels are known, beside those that were imported before.
        rejected: where rows that cannot be used go.
        new_labels: take other labels too.
        max_rejected: the share of rows that may be rejected.

    Raises:
        Forbidden: the role may not label.
        InvalidInput: it is no such file.
        TooManyRejected: more rows were rejected than `max_rejected` allows; nothing is kept.
        Unavailable: `rejected` cannot be written.
    """
    handed = labels_by_turn(database, principal)
    answers = read_answers(path, handed.keys(), known_labels(handed, model), new_labels)
    rejects = Rejects(answers.problems)
    if rejects.count:
        rejects.write(rejected)
    rejects.check(answers.rows, max_rejected)
    kept = put_labels(database, principal, answers.labels, path.name)
    return Imported(
        read=answers.rows,
        added=kept.added,
        unchanged=kept.unchanged,
        replaced=len(kept.replaced),
        replaced_of=tuple(sorted({f"{each.labelled_by}, {each.source}" for each in kept.replaced.values()})),
        empty=answers.empty,
        rejected=rejects.count,
        rejected_file=rejected if rejects.count else None,
        problems=tuple(f"row {each.line}: {each.reason}" for each in answers.problems[:_PROBLEMS_SHOWN]),
    )


def export_labelled(
    database: Database, principal: Principal, dialogues: Iterable[KeyedDialogue], output: Path
) -> Exported:
    """Writes the dialogues that have a label, people's answers in place of what the log says, as a log for training.

    Raises:
        Forbidden: the role may not label.
        InvalidInput: there is no labelled turn.
        Conflict: `output` is there already.
        Unavailable: it cannot be written.
    """
    labels = labels_by_turn(database, principal)
    answers, merged = 0, []
    for each in dialogues:
        answers += sum(labels.get(key) is not None for key in each.keys.values())
        merged.append(with_labels(each, labels))
    lines = list(log_lines(merged))
    if not lines:
        raise InvalidInput("No turn here has a label.", "Import answers first, or give the --logs they belong to.")
    with new_file(output) as out:
        out.writelines(f"{line}\n" for line in lines)
    return Exported(len(lines), answers, output)


def known_labels(handed: dict[str, Label | None], model: Path) -> list[str]:
    """The model's labels, and those beside them that people gave."""
    given = {name for label in handed.values() if label is not None for name in label.intents}
    labels = IntentSettings.load(model).labels
    return [*labels, *sorted(given - set(labels))]
