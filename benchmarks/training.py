"""Training speed: samples a second of `finetune intent` beside `transformers.Trainer`, on BANKING77's training turns.

    python -m benchmarks.training --data ../shared/data [--rounds 3] [--steps 40]

Same encoder, batches of 32, same threads, the systems by turns in every round; the median over rounds is printed. The word
embeddings are frozen in all of them, so that the same weights are trained. `transformers.Trainer` computes in fp32 unless told
otherwise; where the hardware computes bf16, in which Aisle then trains, it is measured in that too.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.intent_peers import MeanClassifier, padded
from benchmarks.intent_sets import read, write
from finetune.augment import augment
from finetune.examples import Distortion, Examples, collate, examples_of, plan, turns_of
from finetune.logs import read_logs
from finetune.loop import Loop, computes_bf16
from finetune.network import build_network, load_base, parameter_groups
from finetune.trainer import RECIPES, class_weights, intent_loss, network_inputs
from index.pretrained import load_pretrained

BATCH = 32
PADDED = 128

Run = Callable[[int], float]
"""Trains so many steps and says how many samples a second."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with banking77")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        log = write(read(options.data / "banking77/train.jsonl.gz"), Path(place) / "log.jsonl")
        turns = turns_of(read_logs([log]).dialogues)
    labels = sorted({turn.golds[0] for turn in turns})
    examples = examples_of(turns, labels, load_pretrained("minilm").tokenizer)
    systems: dict[str, Run] = {
        "Aisle": lambda steps: aisle(examples, steps),
        "transformers.Trainer, padded to the longest of a batch": lambda steps: trainer(examples, None, steps),
        f"transformers.Trainer, padded to {PADDED}": lambda steps: trainer(examples, PADDED, steps),
    }
    if computes_bf16():
        systems |= {
            "the same in bf16, to the longest": lambda steps: trainer(examples, None, steps, bf16=True),
            f"the same in bf16, to {PADDED}": lambda steps: trainer(examples, PADDED, steps, bf16=True),
        }
    speeds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(options.rounds):
        for name, run in systems.items():
            speeds[name].append(run(options.steps))
    ours = float(np.median(speeds["Aisle"]))
    print("| | samples/s | Aisle is |\n| --- | --- | --- |")
    for name, found in speeds.items():
        middle = float(np.median(found))
        print(f"| {name} | {middle:.1f} ({min(found):.1f} to {max(found):.1f}) | {ours / middle:.2f} times |")


def aisle(examples: Examples, steps: int) -> float:
    """The trainer's own steps, distortion included."""
    base, recipe = load_base("latin", None), RECIPES["full"]
    network = build_network(base, examples.labels, "full")
    network.train()
    loop = Loop(network, parameter_groups(network, recipe.rate, recipe.head_rate), 10_000, recipe.warm_up)
    distortion = Distortion(recipe.context_dropout, recipe.augmented, augment, 0)
    weights = torch.from_numpy(class_weights(examples))
    clock = Clock()
    for rows in plan(examples.lengths, BATCH, random.Random(0))[: steps + 1]:
        batch = collate(examples, rows, base.pad_id, [distortion.apply(examples, row, 0) for row in rows])
        logits, _ = network(*network_inputs(network, batch))
        loop.step(intent_loss(logits, torch.from_numpy(batch.golds), weights, multi_label=False))
        clock.tick()
    return clock.speed


def trainer(examples: Examples, width: int | None, steps: int, *, bf16: bool = False) -> float:
    """`transformers.Trainer` on the same turns, drawn at random as it does."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    base, clock = load_pretrained("minilm"), Clock()
    model = MeanClassifier(base.model, examples.labels)
    model.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
    items = [{"ids": examples.tokens(row).ids, "label": examples.numbers[row][0]} for row in range(len(examples))]

    class Ticks(TrainerCallback):
        """Notes when each step ended."""

        def on_step_end(self, *_: object, **__: object) -> None:
            clock.tick()

    with tempfile.TemporaryDirectory() as place:
        arguments = TrainingArguments(
            place,
            max_steps=steps + 1,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-4,
            bf16=bf16,
            use_cpu=not torch.cuda.is_available(),
            save_strategy="no",
            report_to=[],
            remove_unused_columns=False,
            disable_tqdm=True,
        )
        Trainer(
            model,
            arguments,
            train_dataset=items,
            data_collator=lambda rows: padded(rows, base.pad_id, width),
            callbacks=[Ticks()],
        ).train()
    return clock.speed


class Clock:
    """Times steps; the first one warms up and is not counted."""

    def __init__(self) -> None:
        self._ends: list[float] = []

    def tick(self) -> None:
        """A step has ended."""
        self._ends.append(time.perf_counter())

    @property
    def speed(self) -> float:
        """Samples a second."""
        return BATCH * (len(self._ends) - 1) / (self._ends[-1] - self._ends[0])


if __name__ == "__main__":
    main()
