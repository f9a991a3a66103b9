"""A simulated week at the agents' desk: what corrected intents give a model that was trained on few dialogues.

    python -m benchmarks.assist_week [--arms corrections random] [--svg FILE] [--json FILE]

Nobody real is in it. Customers are dialogues of the demo whose wording drifts: on day one nearly all talk like those that the first
model learnt from, on day seven most talk like the dialogues that people wrote one by one. Agents read the conversations in which
somebody asked for a person or complained, then those that the serving model was least sure of, as many as they have time for; a
supervisor reads a random sample. They overlook some wrong intents, some of what they say is wrong itself, and they have time for so
many corrections a day; the rival gets as many labels of turns drawn by chance. Every night a model is trained by `--from-feedback`
and the gate decides. Each morning's model is scored on a later week that nobody saw. The arms are played side by side, a core each.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.assist_week_chart import draw
from bot.history import HistoryLimits
from bot.intent import IntentModel
from bot.parts import intent_versions
from demo.dialogues import generate_dialogues, hand_written
from finetune import registry
from finetune.evaluate_intent import evaluate_intent
from finetune.feedback import read_feedback
from finetune.intent import finetune_intent
from finetune.logs import Dialogue, read_logs
from finetune.registry import GateRefusedError, Registry
from finetune.settings import Settings
from storage.consent import Consent, set_consent
from storage.conversations import SUPPORT, Turn, append, start
from storage.corrections import correct_intent
from storage.database import Database
from storage.principal import Principal, Role
from storage.tickets import hand_to_team

DAYS = 7
FIRST_DIALOGUES = 60
"""What the first model learns from: generated ones."""
TALKS = 60
"""Conversations a day."""
NEW_WORDING = (0.1, 0.7)
"""The share of hand-written dialogues on the first day and on the last; the later week has the last day's."""
SEEN, SAMPLED = 20, 4
"""Conversations that agents have time for a day, and those that a supervisor draws at random."""
NOTICED, MISTAKEN = 0.7, 0.05
"""The share of wrong intents in what they read that they correct, and of corrections that name a wrong intent."""
BUDGET = 25
"""Labels a day: what agents and supervisor have time to correct, and what the rival gets."""
CONSENTING = 0.7
"""The share of customers who let models learn from their conversations."""
HELD_OUT, AUDITED = 30, 12
"""Dialogues that judge at the gate: those labelled before the week, and those that a supervisor labels a day."""
LATER = 140
RECIPE = Settings("full", epochs=5, history=HistoryLimits(messages=0))
"""The models read the last turn alone, which takes a quarter of the time."""

ADMIN = Principal("operator", Role.ADMIN)
AGENT = Principal("mia", Role.AGENT, SUPPORT)
SUPERVISOR = Principal("sue", Role.SUPERVISOR)
BACKEND = Principal("shop", Role.SERVICE)
ASKS_FOR_PEOPLE = frozenset({"handoff", "complaint"})
Row = dict[str, Any]


@dataclass(frozen=True)
class World:
    """What is said: rows of a dialogue log. `days` and `audits` have one list a day."""

    first: list[Row]
    held_out: list[Row]
    days: list[list[Row]]
    audits: list[list[Row]]
    later: list[Row]


@dataclass(frozen=True)
class Read:
    """A user turn of the day as the serving model took it."""

    conversation_id: str
    message_id: str
    gold: tuple[str, ...]
    served: str
    confidence: float

    @property
    def right(self) -> bool:
        """Whether the model took it as it was meant."""
        return self.served in self.gold


@dataclass
class Day:
    """What came of a day.

    `accuracy` is the serving model's on the day's turns, `labels` were given that day, `learnt` are all that may be learnt from.
    `candidate` is the macro-F1 on the later week of the model that the night made, `macro_f1` that of the one that serves then.
    """

    day: int
    accuracy: float
    labels: int
    learnt: int
    promoted: bool
    candidate: float
    macro_f1: float


@dataclass
class Desk:
    """One arm of the comparison: a shop of its own, its people, and the model that serves in it."""

    shop: Path
    database: Database
    models: Registry
    labels: tuple[str, ...]
    rng: Random

    def serving(self) -> IntentModel:
        """The model that the gate let through last."""
        folder = intent_versions(self.shop).current()
        assert folder is not None
        return IntentModel.load(folder)


def world(seed: int) -> World:
    """The dialogues of all parts, none of which is in two."""
    rng = Random(seed)
    by_split: dict[str, list[Row]] = {"train": [], "validation": [], "test": []}
    for row in generate_dialogues(seed, english=2_000, chinese=0):
        by_split[str(row["split"])].append(row)
    known, unseen = by_split["train"], by_split["test"] + by_split["validation"]
    written = [row for row in hand_written() if row["language"] == "en"]
    for rows in (known, unseen, written):
        rng.shuffle(rows)

    def mixed(count: int, share: float, old: list[Row]) -> list[Row]:
        new = round(count * share)
        rows = [written.pop() for _ in range(new)] + [old.pop() for _ in range(count - new)]
        rng.shuffle(rows)
        return [{**row, "split": None} for row in rows]

    low, high = NEW_WORDING
    shares = [low + (high - low) * day / (DAYS - 1) for day in range(DAYS)]
    return World(
        first=mixed(FIRST_DIALOGUES, 0, known),
        held_out=mixed(HELD_OUT, 0, unseen),
        days=[mixed(TALKS, share, known) for share in shares],
        audits=[mixed(AUDITED, share, known) for share in shares],
        later=mixed(LATER, high, unseen),
    )


def live(desk: Desk, rows: Sequence[Row], day: int, model: IntentModel) -> list[list[Read]]:
    """Holds a day's conversations: they are stored, and handed over where the customer asks for it."""
    talks = []
    for number, row in enumerate(rows):
        user_id = f"sim-{day}-{number}"
        customer = Principal(user_id, Role.CUSTOMER)
        # Drawn by the id, so that the same people agree in every arm.
        set_consent(desk.database, customer, user_id, Consent(train=Random(user_id).random() < CONSENTING))
        conversation_id = start(desk.database, customer)
        said: list[Row] = []
        turns, reads = [], []
        for message in row["messages"]:
            said.append({"role": message["role"], "content": message["content"]})
            turn = Turn(role=message["role"], content=message["content"], language="en")
            if message["role"] == "user":
                taken = model.predict(said)
                served = "out_of_scope" if taken.out_of_scope else taken.label
                turn = turn.model_copy(update={"data": {"intent": {"label": served, "confidence": taken.confidence}}})
                gold = tuple(message["intents"])
                reads.append(Read(conversation_id, turn.message_id, gold, served, taken.confidence))
            turns.append(turn)
        append(desk.database, customer, conversation_id, turns)
        talks.append(reads)
    return talks


def seen(desk: Desk, talks: Sequence[list[Read]]) -> Iterator[tuple[Principal, list[Read]]]:
    """Who reads which conversations: agents those that were handed to them, a supervisor a sample of the others."""

    def urgency(reads: list[Read]) -> tuple[bool, float]:
        asked = any(ASKS_FOR_PEOPLE.intersection(each.gold) for each in reads)
        return not asked, min(each.confidence for each in reads)

    in_order = sorted(talks, key=urgency)
    for reads in in_order[:SEEN]:
        asked = any(ASKS_FOR_PEOPLE.intersection(each.gold) for each in reads)
        hand_to_team(desk.database, BACKEND, reads[0].conversation_id, reason="asked" if asked else "unanswered")
        yield AGENT, reads
    for reads in desk.rng.sample(in_order[SEEN:], SAMPLED):
        yield SUPERVISOR, reads


def said_of(desk: Desk, read: Read) -> list[str]:
    """What somebody at the desk says that a turn was: the truth, but for mistakes."""
    if desk.rng.random() < MISTAKEN:
        return [desk.rng.choice([name for name in desk.labels if name not in read.gold])]
    return list(read.gold)


def correct(desk: Desk, talks: Sequence[list[Read]]) -> int:
    """The day's corrections; returns how many."""
    wrong = [(who, read) for who, reads in seen(desk, talks) for read in reads if not read.right]
    noticed = [each for each in wrong if desk.rng.random() < NOTICED]
    chosen = desk.rng.sample(noticed, min(BUDGET, len(noticed)))
    for who, read in chosen:
        correct_intent(desk.database, who, read.conversation_id, read.message_id, said_of(desk, read))
    return len(chosen)


def correct_and_confirm(desk: Desk, talks: Sequence[list[Read]]) -> int:
    """The day's corrections, and what nobody corrected of what was read taken for right; returns how many labels that gave."""
    read_by = [(who, read) for who, reads in seen(desk, talks) for read in reads]
    noticed = [each for each in read_by if not each[1].right and desk.rng.random() < NOTICED]
    corrected = {read.message_id for _, read in desk.rng.sample(noticed, min(BUDGET, len(noticed)))}
    for who, read in read_by:
        names = said_of(desk, read) if read.message_id in corrected else [read.served]
        correct_intent(desk.database, who, read.conversation_id, read.message_id, names)
    return len(read_by)


def label_at_random(desk: Desk, talks: Sequence[list[Read]]) -> int:
    """As many labels of the day's turns, drawn by chance; returns how many."""
    turns = [read for reads in talks for read in reads]
    for read in desk.rng.sample(turns, BUDGET):
        correct_intent(desk.database, SUPERVISOR, read.conversation_id, read.message_id, said_of(desk, read))
    return BUDGET


@dataclass(frozen=True)
class Arm:
    """What is labelled on a day, given the desk and the day's turns by conversation; it returns how many labels that gave.

    With `unlabeled` the turns that nobody labelled are learnt from too, as `--from-feedback` does. It takes twice the time, so the
    arms that are compared night by night do without.
    """

    label: Callable[[Desk, Sequence[list[Read]]], int]
    unlabeled: bool = False


ARMS = {
    "corrections": Arm(correct),
    "random": Arm(label_at_random),
    "confirmed": Arm(correct_and_confirm),
    "unlabeled": Arm(correct, unlabeled=True),
}


def week(arm: Arm, of: World, root: Path, first: Path, seed: int, once: bool = False) -> Iterator[Day]:
    """Plays an arm's week in a shop of its own, day by day.

    Args:
        arm: what is labelled.
        of: the dialogues.
        root: where the shop and its runs are kept.
        first: the folder of the first model.
        seed: of what people at the desk notice and mistake.
        once: train in the last night alone.
    """
    shop = root / "shop"
    shop.mkdir(parents=True)
    database = Database.open(f"sqlite:///{shop / 'aisle.db'}")
    try:
        models = Registry(shop, database, ADMIN)
        judges, later = list(of.held_out), dialogues(of.later, root)
        models.promote("intent", str(first), [write_log(root / "held-out.jsonl", judges)], force=True)
        logs, serves = [write_log(root / "first.jsonl", of.first)], score(IntentModel.load(first), later)
        desk = Desk(shop, database, models, tuple(IntentModel.load(first).labels), Random(seed))
        for day, rows in enumerate(of.days):
            model = desk.serving()
            talks = live(desk, rows, day, model)
            labels = arm.label(desk, talks)
            judges += of.audits[day]
            if once and day + 1 < DAYS:
                continue
            held_out = write_log(root / "held-out.jsonl", judges)
            learnt, candidate, promoted = night(desk, arm, logs, held_out, root / f"night-{day + 1}", later)
            serves = candidate if promoted else serves
            turns = [read for reads in talks for read in reads]
            yield Day(
                day=day + 1,
                accuracy=sum(read.right for read in turns) / len(turns),
                labels=labels,
                learnt=learnt,
                promoted=promoted,
                candidate=candidate,
                macro_f1=serves,
            )
    finally:
        database.close()


def night(
    desk: Desk, arm: Arm, logs: Sequence[Path], held_out: Path, folder: Path, later: Sequence[Dialogue]
) -> tuple[int, float, bool]:
    """Trains on the first logs and all feedback, and asks the gate.

    Returns the labelled turns of the feedback, the candidate's macro-F1, and whether it serves from now on.
    """
    feedback = read_feedback(desk.database, ADMIN, Consent())
    users = feedback.users
    if not arm.unlabeled:
        feedback = replace(feedback, conversations=())
    with desk.models.run("intent", folder, logs, users):
        finetune_intent(logs, folder, RECIPE, feedback=feedback, cache_dir=desk.shop / "models" / "encoder")
    try:
        desk.models.promote("intent", str(folder), [held_out])
    except GateRefusedError as error:
        print("   ", error, flush=True)
        return feedback.turns, score(IntentModel.load(folder), later), False
    return feedback.turns, score(IntentModel.load(folder), later), True


def score(model: IntentModel, later: Sequence[Dialogue]) -> float:
    """Macro-F1."""
    value = evaluate_intent(model, later)["macro_f1"]
    assert value is not None
    return float(value)


def write_log(path: Path, rows: Sequence[Row]) -> Path:
    """A dialogue log."""
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
    return path


def dialogues(rows: Sequence[Row], root: Path) -> list[Dialogue]:
    """Rows as the readers have them."""
    return read_logs([write_log(root / "later.jsonl", rows)]).dialogues


def play(name: str, root: Path, first: Path, seed: int, once: bool) -> list[Day]:
    """An arm's week, told day by day."""
    # Speed is not in question, and the machine may be busy.
    registry.LATENCY_BUDGET_MS = 10_000.0  # type: ignore[attr-defined]
    started, found = time.monotonic(), []
    for day in week(ARMS[name], world(seed), root / name, first, seed, once):
        print(f"{time.monotonic() - started:5.0f} s  {name}  {day}", flush=True)
        found.append(day)
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["corrections", "random"])
    parser.add_argument("--once", action="store_true", help="train in the last night alone")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--svg", type=Path, help="write the curves here")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    started, of = time.monotonic(), world(options.seed)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        first = finetune_intent(
            [write_log(root / "first.jsonl", of.first)], root / "first", RECIPE, cache_dir=root / "encoder"
        ).model_dir
        base = score(IntentModel.load(first), dialogues(of.later, root))
        print(f"first model: macro-F1 {base:.3f} on the later week, {time.monotonic() - started:.0f} s", flush=True)
        with ProcessPoolExecutor(len(options.arms), multiprocessing.get_context("spawn")) as pool:
            playing = {arm: pool.submit(play, arm, root, first, options.seed, options.once) for arm in options.arms}
            found = {arm: future.result() for arm, future in playing.items()}
    print(f"{time.monotonic() - started:.0f} s\n\n{table(base, found)}")
    if options.json:
        figures = {"first": base, "arms": {arm: [asdict(day) for day in days] for arm, days in found.items()}}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if options.svg:
        curves = {arm: [(day.candidate, day.macro_f1) for day in days] for arm, days in found.items()}
        options.svg.write_text(draw(base, curves), encoding="utf-8")


def table(base: float, found: dict[str, list[Day]]) -> str:
    """The week in Markdown: of each arm the labels learnt from, and what the night's model and the one that serves reach."""
    heads = ["after night"]
    for arm in found:
        heads += [f"{arm}: labels", "made", "gate", "serves"]
    lines = [heads, ["---"] * len(heads), ["0", *(["0", "", "", f"{base:.3f}"] * len(found))]]
    for days in zip(*found.values(), strict=True):
        line = [str(days[0].day)]
        for day in days:
            line += [str(day.learnt), f"{day.candidate:.3f}", "holds" if day.promoted else "", f"{day.macro_f1:.3f}"]
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
