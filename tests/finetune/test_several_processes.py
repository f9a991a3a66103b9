"""`accelerate launch` trains on several devices without a change of code: here two processes on the CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file

from tests.finetune.conftest import made_up_dialogues, write_log


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

    launcher = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    both = subprocess.run(
        [*launcher, "--mixed_precision", "no", "--dynamo_backend", "no", *command("two")],
        capture_output=True,
        text=True,
        check=False,
    )
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
