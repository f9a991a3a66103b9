"""Intent on SIMMC 2.0: trains without fold 0, scores fold 0, and prints the contract's metrics beside the baselines.

    python -m benchmarks.intent --data ../shared/data/simmc2 [--method full|lora] [--epochs N] [--seed N]

Baselines, same folds: MiniLM fine-tuned on the last turn only, the same with the five messages before joined on, and a linear
SVM with history as features of its own; measured once, elsewhere, with fixed settings.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from pathlib import Path

from bot.intent import IntentModel
from finetune.evaluate_intent import evaluate_intent
from finetune.intent import finetune_intent
from finetune.logs import read_logs
from finetune.settings import Settings
from finetune.trainer import Step

BASELINES = {
    "MiniLM fine-tuned, last turn": (0.9512, 0.9361),
    "MiniLM fine-tuned, five messages joined on": (0.9596, 0.9452),
    "linear SVM, history as features of its own": (0.944, 0.929),
}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with dialogues.jsonl.gz and folds.tsv")
    parser.add_argument("--method", default="full", choices=("full", "lora", "head"))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = (line.split("\t") for line in (options.data / "folds.tsv").read_text(encoding="utf-8").splitlines() if line)
    folds = {name: fold.strip() for name, fold in rows}
    with tempfile.TemporaryDirectory() as place:
        parts = {part: Path(place) / f"{part}.jsonl" for part in ("train", "test")}
        lines: dict[str, list[str]] = {"train": [], "test": []}
        with gzip.open(options.data / "dialogues.jsonl.gz", "rt", encoding="utf-8") as stream:
            for line in stream:
                lines["test" if folds[json.loads(line)["dialogue_id"]] == "0" else "train"].append(line)
        for part, path in parts.items():
            path.write_text("".join(lines[part]), encoding="utf-8")
        run = finetune_intent(
            [parts["train"]],
            Path(place) / "model",
            Settings(options.method, epochs=options.epochs, seed=options.seed),
            progress=_show,
        )
        metrics = evaluate_intent(IntentModel.load(run.model_dir), read_logs([parts["test"]]).dialogues)
    print(f"\n| fold 0 of 5, n = {metrics['n']} | accuracy | macro-F1 |\n| --- | --- | --- |")
    for name, (accuracy, f1) in BASELINES.items():
        print(f"| {name} | {accuracy:.4f} | {f1:.4f} |")
    print(
        f"| **Aisle, {options.method}, {run.seconds:.0f} s** | {metrics['accuracy']:.4f} | {metrics['macro_f1']:.4f} |"
    )
    print(json.dumps(metrics))


def _show(step: Step) -> None:
    if step.done % 10 == 0:
        print(f"\r{step.done}/{step.total} loss {step.loss:.3f} macro-F1 {step.macro_f1}", end="", file=sys.stderr)


if __name__ == "__main__":
    main()
