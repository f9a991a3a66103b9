from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from finetune.examples import examples_of, turns_of
from finetune.logs import read_logs
from finetune.network import build_network, load_base
from finetune.tracking import EVENTS, Tracker, tracking
from finetune.trainer import Recipe, Step, train
from storage.errors import InvalidInput

CONFIGURATION = {"method": "lora", "epochs": 2, "base_model": None}
METRICS = {"n": 3, "accuracy": 0.75, "oos_auroc": None}


def follow(tracker: Tracker, space: str = "latin") -> None:
    """A run of two epochs of two steps, as a trainer tells it."""
    tracker(Step(space, 1, 6, 2.0, None, 1.0))
    tracker(Step(space, 2, 6, 1.5, None, 2.0))
    tracker(Step(space, 2, 6, 1.5, 0.6, 3.0, epoch=1))
    tracker(Step(space, 3, 6, 1.0, 0.6, 4.0))
    tracker(Step(space, 4, 6, 0.5, 0.6, 5.0))
    tracker(Step(space, 4, 6, 0.5, 0.6, 6.0, epoch=2))
    tracker(Step(space, 6, 6, 0.5, 0.6, 6.0))  # stopped early


def events_of(run: Path) -> EventAccumulator:
    found = EventAccumulator(str(run / EVENTS), size_guidance={"scalars": 0})
    found.Reload()
    return found


def points(found: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(each.step, round(each.value, 6)) for each in found.Scalars(name)]


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    with tracking(tmp_path, CONFIGURATION) as tracker:
        follow(tracker)
        follow(tracker, "han")
        tracker.finish(METRICS)
    found = events_of(tmp_path)
    expected = {f"{space}/{name}" for space in ("latin", "han") for name in ("loss", "macro_f1")}
    assert set(found.Tags()["scalars"]) == expected | {"final/n", "final/accuracy"}
    assert points(found, "latin/loss") == [(1, 2.0), (2, 1.5), (3, 1.0), (4, 0.5)]
    assert points(found, "han/macro_f1") == [(1, 0.6), (2, 0.6)]
    assert points(found, "final/accuracy") == [(0, 0.75)]
    (text,) = found.Tensors("configuration/text_summary")
    assert b'"method": "lora"' in text.tensor_proto.string_val[0]


def test_what_a_failed_run_wrote_can_be_read(tmp_path: Path) -> None:
    def interrupted() -> None:
        with tracking(tmp_path, CONFIGURATION) as tracker:
            tracker(Step("latin", 1, 4, 2.0, None, 1.0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert points(events_of(tmp_path), "latin/loss") == [(1, 2.0)]


def test_a_trainer_can_be_listened_to(small_log: Path, tmp_path: Path) -> None:
    base = load_base("latin", None)
    turns = turns_of(read_logs([small_log]).dialogues)[:32]
    labels = sorted({name for turn in turns for name in turn.golds})
    examples = examples_of(turns, labels, base.tokenizer)
    network = build_network(base, len(labels), "head")
    recipe = Recipe(epochs=3, rate=0.0, head_rate=1e-3, batch_size=8)
    with tracking(tmp_path, CONFIGURATION) as tracker:
        trained = train(network, examples, examples, base.pad_id, recipe, progress=tracker)
    found = events_of(tmp_path)
    losses = points(found, "latin/loss")
    assert [step for step, _ in losses] == list(range(1, 1 + len(losses)))
    assert [(step, round(value, 5)) for step, value in points(found, "latin/macro_f1")] == [
        (each["epoch"], each["score"]) for each in trained.epochs
    ]
    assert len(losses) == 4 * len(trained.epochs)


def test_without_the_package_the_way_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InvalidInput, match="pip install wandb"), tracking(tmp_path, CONFIGURATION, wandb_project="p"):
        pytest.fail("the run must not begin")


def test_weights_and_biases_gets_the_figures_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    with tracking(tmp_path / "run", CONFIGURATION, wandb_project="intents", wandb_folder=tmp_path) as tracker:
        follow(tracker)
        tracker.finish(METRICS)
    wandb.teardown()  # what it does when a process ends: its own process writes out what is left
    (sent,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    content = sent.read_bytes()
    for name in (b"intents", b"latin/loss", b"latin/macro_f1", b"latin/loss_step", b"accuracy", b"lora"):
        assert name in content
    assert b"oos_auroc" not in content
    assert not (tmp_path / "run" / "wandb").exists()
    assert not [*(tmp_path / "wandb").rglob("requirements.txt"), *(tmp_path / "wandb").rglob("wandb-metadata.json")]


def test_weights_and_biases_without_a_login_stops_before_the_training(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    script = """
import sys
from pathlib import Path
from finetune.tracking import tracking
from storage.errors import Unavailable
folder = Path(sys.argv[1])
try:
    with tracking(folder / "run", {}, wandb_project="intents", wandb_folder=folder):
        print("the run began")
except Unavailable as error:
    print(error)
"""
    # A process of its own: the library keeps the mode of a process's first run. HOME has no login.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=kept | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Log in with: wandb login" in done.stdout, done.stderr[-2000:]
    assert "the run began" not in done.stdout
