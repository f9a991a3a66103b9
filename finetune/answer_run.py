"""The runs behind `launch.py answers`: pairs mined from logs or conversations, and pairs that the shop wrote itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.answer_mining import mine
from finetune.logs import Dialogue
from finetune.turn_keys import keyed_conversations, keyed_logs
from index.clean import clean_text
from index.encoders import encoder_for, script_of
from storage.answers import Proposal, import_answers, propose
from storage.consent import Consent
from storage.database import Database
from storage.principal import Principal
from storage.redaction import redact
from storage.rows import Rejects, RowProblem, read_jsonl
from storage.speakable import problem_of

LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class MinedAnswers:
    """What a run proposed. `refused` counts by reason; `refused_file` has them one by one, and rows that could not be read."""

    turns: int
    proposed: int
    added: int
    waiting: int
    decided: int
    refused: dict[str, int]
    refused_file: str | None


@dataclass(frozen=True, slots=True)
class LoadedAnswers:
    """What became of a file of pairs."""

    read: int
    approved: int
    rejected: int
    rejected_file: str | None


def mine_answers(
    db: Database,
    principal: Principal,
    consent: Consent,
    cache: Path,
    logs: Sequence[Path] | None,
    rejected: Path,
    max_rejected: float,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MinedAnswers:
    """Proposes the pairs of log files, or of the database's conversations where there are none.

    Raises:
        Forbidden: the role may not propose, or not read conversations.
        InvalidInput: a file cannot be read.
        TooManyRejected: too many rows of the logs cannot be used; nothing is proposed then.
    """
    dialogues: Iterator[Dialogue]
    if logs:
        dialogues = (each.dialogue for each in keyed_logs(logs, rejected, max_rejected))
    else:
        dialogues = (each.dialogue for each in keyed_conversations(db, principal, consent))
    encoders = {space: encoder_for(space, cache) for space in ("latin", "han")}
    mined = mine(dialogues, encoders, kept=not logs, people_only=not logs, progress=progress)
    done = propose(db, principal, mined.pairs)
    path = rejected.with_suffix(".refused.jsonl") if mined.refused else None
    if path is not None:
        refused = Rejects()
        for number, each in enumerate(mined.refused, start=1):
            refused.add(number, each.reason, {"question": each.question, "source": each.source})
        refused.write(path)
    return MinedAnswers(
        mined.turns,
        len(mined.pairs),
        done.added,
        done.waiting,
        done.decided,
        mined.by_reason,
        str(path) if path else None,
    )


def load_answers(db: Database, principal: Principal, path: Path, rejected: Path, max_rejected: float) -> LoadedAnswers:
    """Approves the pairs of a JSONL file {question, answer, language?}; loading it again changes nothing.

    Raises:
        Forbidden: only a supervisor or an admin approves.
        InvalidInput: the file cannot be read.
        TooManyRejected: too many rows cannot be used; nothing is approved then.
    """
    rejects, pairs = Rejects(), list[Proposal]()
    read = 0
    for number, row in read_jsonl(path):
        read += 1
        if isinstance(row, RowProblem):
            rejects.add_problem(row)
            continue
        pair = _pair(row, path.name)
        if isinstance(pair, str):
            rejects.add(number, pair, row)
        else:
            pairs.append(pair)
    if rejects.count:
        rejects.write(rejected)
    rejects.check(read, max_rejected)
    approved = import_answers(db, principal, pairs)
    return LoadedAnswers(read, approved, rejects.count, str(rejected) if rejects.count else None)


def _pair(row: dict[str, Any], source: str) -> Proposal | str:
    """The pair of a row, or why there is none."""
    texts = []
    for name in ("question", "answer"):
        if not isinstance(row.get(name), str):
            return f"{name}: not a text"
        texts.append(redact(clean_text(row[name])))
    question, answer = texts
    language = row.get("language") or ("zh" if script_of(question) == "han" else "en")
    if language not in LANGUAGES:
        return f"language: not one of {', '.join(LANGUAGES)}"
    return problem_of(question, answer, language) or Proposal(question, answer, language, source)
