"""A listener to a run: writes its learning curves for TensorBoard and, if asked, to Weights & Biases.

Only figures and the configuration are passed on; no text of a log leaves with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from finetune.evaluate_intent import Metrics
from finetune.trainer import Step
from storage.errors import InvalidInput, Unavailable

EVENTS = "tensorboard"
"""The folder of the event files, in the run's."""


class Writer(Protocol):
    """Where figures of a run go."""

    def scalar(self, name: str, value: float, step: int) -> None:
        """Writes one point of the curve `name`, like "latin/loss"."""
        ...

    def finish(self, metrics: Metrics) -> None:
        """Writes the metrics of the finished model, those that are None left out."""
        ...

    def close(self, failed: bool) -> None:
        """Ends the run, which `failed` where an error cut it off."""
        ...


class Tracker:
    """What a trainer takes as `progress`: passes every figure on to the writers."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers
        self._done: dict[str, int] = {}

    def __call__(self, step: Step) -> None:
        """Takes the next step of a run."""
        if step.epoch is not None and step.macro_f1 is not None:
            self._write(f"{step.space}/macro_f1", step.macro_f1, step.epoch)
        # The last word of a run jumps to the end where it stopped early; that is no new loss.
        elif step.done == self._done.get(step.space, step.done - 1) + 1:
            self._done[step.space] = step.done
            self._write(f"{step.space}/loss", step.loss, step.done)

    def finish(self, metrics: Metrics) -> None:
        """Passes on the metrics of the finished model."""
        for writer in self._writers:
            writer.finish(metrics)

    def _write(self, name: str, value: float, step: int) -> None:
        for writer in self._writers:
            writer.scalar(name, value, step)


@contextmanager
def tracking(
    folder: Path, configuration: Mapping[str, Any], *, wandb_project: str = "", wandb_folder: Path | None = None
) -> Iterator[Tracker]:
    """A tracker that writes event files into `folder/tensorboard`, complete when the block ends.

    With `wandb_project` the figures also go to that project of Weights & Biases, which keeps its own files in `wandb_folder/wandb`:
    outside `folder`, whose every file a manifest is to hash.

    Raises:
        InvalidInput: the package wandb is not installed.
        Unavailable: Weights & Biases could not be reached, or nobody is logged in.
    """
    writers: list[Writer] = [TensorBoard(folder / EVENTS, configuration)]
    failed = True
    try:
        if wandb_project:
            writers.append(WeightsAndBiases(wandb_project, configuration, wandb_folder))
        yield Tracker(writers)
        failed = False
    finally:
        for writer in writers:
            writer.close(failed)


class TensorBoard:
    """Event files that `tensorboard --logdir` reads."""

    def __init__(self, folder: Path, configuration: Mapping[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))
        self._writer.add_text("configuration", f"```\n{json.dumps(configuration, indent=1, default=str)}\n```")

    def scalar(self, name: str, value: float, step: int) -> None:
        """Writes one point."""
        self._writer.add_scalar(name, value, step)

    def finish(self, metrics: Metrics) -> None:
        """Writes the metrics as `final/NAME`."""
        for name, value in metrics.items():
            if value is not None:
                self._writer.add_scalar(f"final/{name}", value)

    def close(self, failed: bool) -> None:
        """Writes out what is pending."""
        self._writer.close()


class WeightsAndBiases:
    """One run of a project of Weights & Biases, online or as WANDB_MODE says."""

    def __init__(self, project: str, configuration: Mapping[str, Any], folder: Path | None) -> None:
        try:
            import wandb
        except ImportError:
            raise InvalidInput(
                "shop.toml names a project of Weights & Biases, and the package wandb is not installed.",
                "Install it with: pip install wandb, or remove [tracking] wandb_project.",
            ) from None
        self._curves: set[str] = set()
        try:
            self._run = wandb.init(
                project=project,
                dir=folder,
                config=dict(configuration),
                # It would else send the code, the console, the list of packages and facts about the machine along.
                settings=wandb.Settings(
                    console="off",
                    silent=True,
                    save_code=False,
                    disable_git=True,
                    x_disable_meta=True,
                    x_disable_machine_info=True,
                    x_disable_stats=True,
                    x_save_requirements=False,
                ),
            )
        except wandb.Error as error:
            raise Unavailable(
                f"Weights & Biases cannot be used: {error}",
                "Log in with: wandb login, set WANDB_MODE=offline, or remove [tracking] wandb_project.",
            ) from error

    def scalar(self, name: str, value: float, step: int) -> None:
        """Logs one point; each curve has its own steps, for encoders are trained one after the other."""
        if name not in self._curves:
            self._run.define_metric(name, step_metric=f"{name}_step")
            self._curves.add(name)
        self._run.log({name: value, f"{name}_step": step})

    def finish(self, metrics: Metrics) -> None:
        """Writes the metrics into the run's summary."""
        self._run.summary.update({name: value for name, value in metrics.items() if value is not None})

    def close(self, failed: bool) -> None:
        """Waits until everything is sent."""
        self._run.finish(exit_code=int(failed))
