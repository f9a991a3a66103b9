"""A run that is killed at any moment goes on to the same weights."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finetune.checkpoint import Checkpoint
from finetune.examples import examples_of, turns_of
from finetune.logs import read_logs
from finetune.network import build_network, load_base
from finetune.trainer import Recipe, Step, Trained, train
from tests.finetune.conftest import made_up_dialogues, write_log
from tests.fixtures import SOAK

LABELS = ["search", "cart_add", "ask_policy", "accept"]
RECIPE = Recipe(epochs=2, rate=1e-3, batch_size=16, seed=4)


class Killed(BaseException):
    """Ends a run as abruptly as a signal would: nothing catches it."""


def run(
    log: Path, checkpoint: Checkpoint | None = None, stop_at: int | None = None
) -> tuple[dict[str, torch.Tensor], Trained]:
    """Trains on the log; `stop_at` kills it behind that step."""

    def progress(step: Step) -> None:
        if step.done == stop_at:
            raise Killed

    turns = turns_of(read_logs([log]).dialogues)
    torch.manual_seed(0)
    base = load_base("latin", None)
    network = build_network(base, len(LABELS), "lora")
    examples = examples_of(turns, LABELS, base.tokenizer)
    trained = train(
        network, examples, examples.take(range(40)), base.pad_id, RECIPE, progress=progress, checkpoint=checkpoint
    )
    return {name: each for name, each in network.state_dict().items() if "lora" in name or "head" in name}, trained


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("resume") / "log.jsonl", made_up_dialogues(30, seed=1))


@pytest.fixture(scope="module")
def whole(log: Path) -> tuple[dict[str, torch.Tensor], Trained]:
    return run(log)


# 6 steps an epoch: within, at and behind the end of one; the long trial kills at each.
@pytest.mark.parametrize("stop_at", range(1, 12) if SOAK else [1, 5, 6, 7, 11])
def test_a_killed_run_goes_on_to_the_same_weights(
    stop_at: int, log: Path, whole: tuple[dict[str, torch.Tensor], Trained], tmp_path: Path
) -> None:
    path = tmp_path / "latin.safetensors"
    with pytest.raises(Killed):
        run(log, Checkpoint(path, "f", every=0), stop_at)
    weights, trained = run(log, Checkpoint(path, "f", every=0))
    assert all(torch.equal(each, whole[0][name]) for name, each in weights.items())
    assert weights.keys() == whole[0].keys()
    assert trained.losses == whole[1].losses
    assert [each["score"] for each in trained.epochs] == [each["score"] for each in whole[1].epochs]
    assert (trained.margins == whole[1].margins)[~torch.isnan(torch.from_numpy(whole[1].margins)).numpy()].all()


def test_a_finished_phase_is_not_trained_again(
    log: Path, whole: tuple[dict[str, torch.Tensor], Trained], tmp_path: Path
) -> None:
    path = tmp_path / "latin.safetensors"
    run(log, Checkpoint(path, "f"))
    written = path.stat().st_mtime_ns
    weights, trained = run(log, Checkpoint(path, "f"), stop_at=1)  # no step is made, so none is killed
    assert path.stat().st_mtime_ns == written
    assert all(torch.equal(each, whole[0][name]) for name, each in weights.items())
    assert trained.macro_f1 == whole[1].macro_f1


@pytest.mark.parametrize("damage", ["other run", "cut", "flipped header", "not one"])
def test_a_checkpoint_that_does_not_fit_is_told_and_not_used(
    damage: str,
    log: Path,
    whole: tuple[dict[str, torch.Tensor], Trained],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "latin.safetensors"
    with pytest.raises(Killed):
        run(log, Checkpoint(path, "f", every=0), stop_at=4)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    if damage == "flipped header":
        path.write_bytes(content[:20] + bytes([content[20] ^ 255]) + content[21:])
    if damage == "not one":
        path.write_bytes(b"hello")
    weights, _ = run(log, Checkpoint(path, "g" if damage == "other run" else "f", every=60))
    assert "starting anew" in caplog.text
    assert all(torch.equal(each, whole[0][name]) for name, each in weights.items())


def test_a_full_disk_stops_the_run_and_keeps_the_last_checkpoint(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "latin.safetensors"
    with pytest.raises(Killed):
        run(log, Checkpoint(path, "f", every=0), stop_at=3)
    kept = path.read_bytes()
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from tests.finetune.test_resume import run; from finetune.checkpoint import Checkpoint\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(kept) // 2}, {len(kept) // 2}))\n"
        f"run(Path({str(log)!r}), Checkpoint(Path({str(path)!r}), 'f', every=0))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode
    assert "Unavailable" in done.stderr
    assert "run the same command again" in done.stderr
    assert path.read_bytes() == kept
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_process_killed_by_a_signal_resumes_by_the_same_command(log: Path, tmp_path: Path) -> None:
    def command(output: str) -> list[str]:
        options = [
            "--logs",
            str(log),
            "--output",
            str(tmp_path / output),
            "--method",
            "lora",
            "--epochs",
            "3",
            "--json",
        ]
        return [sys.executable, "launch.py", "finetune", "intent", *options]

    running = subprocess.Popen(command("killed"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    kept = tmp_path / ".killed.checkpoints" / "latin.safetensors"
    until = time.monotonic() + 120
    while not kept.is_file() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert kept.is_file(), "it was killed before the first checkpoint"
    assert not (tmp_path / "killed").exists()
    for output in ("killed", "undisturbed"):
        done = subprocess.run(command(output), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert not kept.exists()
    files = [load_file(tmp_path / output / "latin" / "head.safetensors") for output in ("killed", "undisturbed")]
    assert all(torch.equal(each, files[1][name]) for name, each in files[0].items())
