"""`accelerate launch` trains on several devices without a change of code: here two processes on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from tests.finetune.conftest import made_up_dialogues, write_log

# What `accelerate launch` starts for several GPUs: on the CPU it would leave it at one process, whatever --num_processes says.
LAUNCHER = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--")
ENVIRONMENT = {**os.environ, "ACCELERATE_USE_CPU": "true", "PYTHONPATH": ".", "OMP_NUM_THREADS": "1"}

MARGINS = """
import sys
from pathlib import Path

import numpy as np

from finetune.examples import examples_of, turns_of
from finetune.logs import read_logs
from finetune.loop import accelerator
from finetune.network import build_network, load_base
from finetune.trainer import Recipe, train

base = load_base("latin", None)
labels = ["search", "cart_add", "ask_policy", "accept"]
examples = examples_of(turns_of(read_logs([Path(sys.argv[1])]).dialogues), labels, base.tokenizer)
found = train(
    build_network(base, len(labels), "head"), examples, examples, base.pad_id, Recipe(2, 0.0, batch_size=8, patience=9)
)
np.savez(sys.argv[2] + str(accelerator().process_index), margins=found.margins, others=found.others, inside=examples.in_scope)
"""
"""Trains for two epochs and writes what a process has noted of the examples."""


def test_every_process_knows_how_all_examples_went(tmp_path: Path) -> None:
    log, program = write_log(tmp_path / "log.jsonl", made_up_dialogues(6, seed=1)), tmp_path / "margins.py"
    program.write_text(MARGINS, encoding="utf-8")
    command = [*LAUNCHER, str(program), str(log), str(tmp_path / "process-")]
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert run.returncode == 0, run.stderr[-2000:]
    found = [np.load(tmp_path / f"process-{number}.npz") for number in range(2)]
    for each in found:
        assert np.isfinite(each["margins"][each["inside"]]).all()
        assert np.isnan(each["margins"][~each["inside"]]).all()
    assert np.array_equal(found[0]["margins"], found[1]["margins"], equal_nan=True)
    inside = found[0]["inside"]
    assert np.array_equal(found[0]["others"][inside], found[1]["others"][inside])


def test_two_processes_train_one_model_like_a_single_one(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(40, seed=1))

    def command(output: str) -> list[str]:
        options = [
            "--logs",
            str(log),
            "--output",
            str(tmp_path / output),
            "--shop",
            str(tmp_path / "shop"),
            "--method",
            "head",
            "--epochs",
            "4",
            "--json",
        ]
        return ["launch.py", "finetune", "intent", *options]

    both = subprocess.run([*LAUNCHER, *command("two")], capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert both.returncode == 0, both.stderr[-2000:]
    printed = [json.loads(line) for line in both.stdout.splitlines() if line.startswith("{")]
    assert len(printed) == 1, "only one process writes and says so"
    assert printed[0]["metrics"]["macro_f1"] >= 0.8
    one = subprocess.run([sys.executable, *command("one")], capture_output=True, text=True, check=True)
    assert abs(json.loads(one.stdout)["metrics"]["macro_f1"] - printed[0]["metrics"]["macro_f1"]) <= 0.15
    shapes = [
        {name: each.shape for name, each in load_file(tmp_path / output / "latin" / "head.safetensors").items()}
        for output in ("one", "two")
    ]
    assert shapes[0] == shapes[1]
    assert not [each.name for each in tmp_path.iterdir() if each.name.startswith(".")]
