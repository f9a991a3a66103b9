"""Intent models on public sets: `finetune intent` with its defaults beside its peers, by the protocols of `intent_sets`.

    python -m benchmarks.intent --data ../shared/data [--sets NAME …] [--systems NAME …] [--seeds 3] [--work var/bench-intent]

Each trial (a set, a system, a seed) leaves a file with its metrics under `--work`; trials that have one are not run again, so a
benchmark that was stopped goes on. A set with folds takes a fold a seed. The table is over the trials that are there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.intent_peers import PEERS, scores, turns_of
from benchmarks.intent_sets import SETS, write
from bot.history import HistoryLimits
from bot.intent import IntentModel
from finetune.evaluate_intent import label_scores, metrics_of, predictions
from finetune.intent import finetune_intent
from finetune.language_model import finetune_language_model
from finetune.logs import read_logs
from finetune.settings import Settings
from finetune.texts import read_texts
from finetune.trainer import Step

AISLE, ALONE, TAUGHT = "Aisle", "Aisle, last turn only", "Aisle, with unlabeled turns"
ADAPTED = "Aisle, base adapted to unlabeled turns"
SYSTEMS: Mapping[str, Settings] = {
    AISLE: Settings(),
    ALONE: Settings(history=HistoryLimits(messages=0)),
    TAUGHT: Settings(),
    ADAPTED: Settings(),
}
RESAMPLES = 2_000


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that has a folder for each set")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--systems", nargs="+", choices=[*PEERS, *SYSTEMS], default=[*PEERS, *SYSTEMS], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--work", type=Path, default=Path("var/bench-intent"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for seed in range(options.first, options.first + options.seeds):
        for name in options.sets:
            for system in options.systems:
                file = trial_file(options.work, name, system, seed)
                if not file.exists() and applies(name, system):
                    print(f"{name}, {system}, seed {seed}", file=sys.stderr)
                    result = trial(options.data, options.work, name, system, seed)
                    file.write_text(json.dumps(result), encoding="utf-8")
    print(table(options.work))
    print(histories(options.work))


def trial_file(work: Path, name: str, system: str, seed: int) -> Path:
    """Where the metrics of a trial stand."""
    return work / f"{name} - {system} - {seed}.json"


def applies(name: str, system: str) -> bool:
    """Whether a system can be run on a set: the peers know one label a turn, and MiniLM no Chinese."""
    if system == ALONE:
        return SETS[name].history
    if system in (TAUGHT, ADAPTED):
        return SETS[name].few
    return system == AISLE or not SETS[name].multi_label


def trial(data: Path, work: Path, name: str, system: str, seed: int) -> dict[str, Any]:
    """Trains a system, and the metrics on the test part."""
    training, test, unlabeled = SETS[name].rows(data, seed)
    started = time.monotonic()
    if system in PEERS:
        asked = turns_of(test)
        return {
            "metrics": scores(PEERS[system](turns_of(training), asked, seed), asked),
            "seconds": time.monotonic() - started,
        }
    settings = SYSTEMS[system]
    with tempfile.TemporaryDirectory() as place:
        log, held = write(training, Path(place) / "train.jsonl"), write(test, Path(place) / "test.jsonl")
        folder = work / f"{name} - {system} - {seed}"
        shutil.rmtree(folder, ignore_errors=True)
        settings = replace(settings, seed=seed)
        bare = [write(unlabeled, Path(place) / "unlabeled.jsonl")] if unlabeled else []
        if system == ADAPTED:
            base = finetune_language_model(read_texts(bare), Path(place) / "base", seed=seed)
            settings = replace(settings, base_model=str(base.model_dir))
        run = finetune_intent([log], folder, settings, unlabeled=bare if system == TAUGHT else (), progress=_show)
        scored = predictions(IntentModel.load(run.model_dir), read_logs([held]).dialogues)
    return {
        "metrics": metrics_of(scored),
        "seconds": time.monotonic() - started,
        "validation": run.metrics,
        "noise": json.loads((folder / "metrics.json").read_text(encoding="utf-8")).get("noise"),
        "turns": [(each.dialogue_id, each.gold, each.label) for each in scored if each.golds],
    }


def table(work: Path) -> str:
    """The mean over the seeds of each set and system that has been run, in Markdown."""
    lines = [
        "| set | system | seeds | accuracy | macro-F1 | micro-F1 | ECE | AUROC | FPR at 95 % | seconds |",
        "| --- |" + " --- |" * 9,
    ]
    for name, each in SETS.items():
        aim = f", aim {each.measure} {each.aim:.3f}" if each.aim else ""
        lines += [
            f"| {name} | {source}, published |  | {value:.4f} |" + "  |" * 6 for source, value in each.published.items()
        ]
        for system in (*PEERS, *SYSTEMS):
            found = _trials(work, name, system)
            if found:
                values = " | ".join(
                    _mean(found, key) for key in ("accuracy", "macro_f1", "micro_f1", "ece", "oos_auroc", "oos_fpr95")
                )
                seconds = np.mean([one["seconds"] for one in found])
                shown = f"**{system}**{aim}" if system == AISLE else system
                lines.append(f"| {name} | {shown} | {len(found)} | {values} | {seconds:.0f} |")
    return "\n".join(lines)


def histories(work: Path) -> str:
    """Macro-F1 with history less without it, and its 95 % interval by a paired bootstrap over the dialogues of all seeds."""
    lines = ["", "| set | seeds | with history less without, macro-F1 | 95 % interval |", "| --- | --- | --- | --- |"]
    for name in SETS:
        pairs = list(zip(_trials(work, name, AISLE), _trials(work, name, ALONE), strict=False))
        if pairs:
            value, low, high = difference([(one["turns"], other["turns"]) for one, other in pairs])
            lines.append(f"| {name} | {len(pairs)} | {value:+.4f} | {low:+.4f} to {high:+.4f} |")
    return "\n".join(lines)


Turns = Sequence[tuple[str, str, str]]
"""(dialogue, gold, prediction) of each turn."""


def difference(pairs: Sequence[tuple[Turns, Turns]], resamples: int = RESAMPLES) -> tuple[float, float, float]:
    """The mean over seeds of macro-F1 by the first less that by the second, and its 95 % interval over dialogues."""
    by_dialogue = [[_counts(turns) for turns in pair] for pair in pairs]
    draw = np.random.default_rng(0)
    names = sorted({dialogue for turns, _ in pairs for dialogue, _, _ in turns})
    found = []
    for at in range(resamples + 1):
        chosen = names if not at else [names[number] for number in draw.integers(len(names), size=len(names))]
        found.append(np.mean([_f1_difference(one, other, chosen) for one, other in by_dialogue]))
    low, high = np.quantile(found[1:], [0.025, 0.975])
    return float(found[0]), float(low), float(high)


def _counts(turns: Turns) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for dialogue, gold, label in turns:
        found.setdefault(dialogue, []).append((gold, label))
    return found


def _f1_difference(
    one: Mapping[str, list[tuple[str, str]]], other: Mapping[str, list[tuple[str, str]]], chosen: Sequence[str]
) -> float:
    """Of macro-F1 over the same labels: which of several golds counts depends on what was predicted, so either may lack one."""
    both = [[pair for dialogue in chosen for pair in each.get(dialogue, ())] for each in (one, other)]
    golds = {gold for pairs in both for gold, _ in pairs}
    first, second = (
        np.mean([scores[label].f1 if label in scores else 0.0 for label in golds]) for scores in map(label_scores, both)
    )
    return float(first - second)


def _trials(work: Path, name: str, system: str) -> list[dict[str, Any]]:
    files = sorted(work.glob(f"{name} - {system} - *.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _mean(trials: Sequence[dict[str, Any]], key: str) -> str:
    values = [one["metrics"].get(key) for one in trials]
    return "" if None in values else f"{np.mean(values):.4f}"


def _show(step: Step) -> None:
    if step.epoch or step.done % 20 == 0:
        end = "\n" if step.epoch else ""
        print(
            f"\r{step.space} {step.done}/{step.total}, loss {step.loss:.3f}, macro-F1 {step.macro_f1 or 0:.4f}, "
            f"{step.seconds:.0f} s",
            end=end,
            file=sys.stderr,
            flush=True,
        )


if __name__ == "__main__":
    main()
