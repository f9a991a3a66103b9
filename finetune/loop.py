"""The optimization loop that every phase of training shares: AdamW with warm-up and decay, resumable at each step.

A phase is a fixed number of steps whose batches follow from seed and epoch alone, so its whole state is weights, moments, torch's
random state and a position. On several devices (`accelerate launch`) every process draws the same batches and takes its share.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from finetune.checkpoint import Checkpoint
from storage.errors import AisleError, Unavailable

if TYPE_CHECKING:
    from accelerate import Accelerator

_CLIP = 1.0
_POINTS = 500  # of the loss curve that is kept


@dataclass(frozen=True)
class Step:
    """Progress of a phase: steps done of all, the newest loss, the last score on what is kept apart."""

    phase: str
    done: int
    total: int
    loss: float
    score: float | None


Progress = Callable[[Step], None]


class DivergedError(AisleError):
    """The loss became infinite or no number; nothing was written."""


@dataclass
class Position:
    """Where a phase stands.

    `score` is the last validation score, `best` the best one, `kept` that of the weights that are kept, which are those of
    epoch `kept_epoch`; `worse` counts the epochs since one was as good as the best.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = -1.0
    kept: float = -1.0
    kept_epoch: int = 0
    worse: int = 0
    score: float | None = None
    finished: bool = False
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    epochs: list[dict[str, float]] = field(default_factory=list)


@cache
def accelerator() -> Accelerator:
    """The devices of this run: one, or what `accelerate launch` gave; bf16 where the hardware computes it."""
    from accelerate import Accelerator

    return Accelerator(mixed_precision="bf16" if computes_bf16() else "no")


def is_main() -> bool:
    """Whether this process is the one that writes."""
    return bool(accelerator().is_main_process)


@cache
def computes_bf16() -> bool:
    """Whether the hardware multiplies in bf16: a GPU of these years, or a CPU with AMX or AVX512-BF16."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and any(name in flags.read_text() for name in ("amx_bf16", "avx512_bf16"))


class Loop:
    """Steps a module; `total` steps are planned, of which the first `warm_up` share raises the rate."""

    def __init__(
        self,
        module: nn.Module,
        groups: Sequence[dict[str, Any]],
        total: int,
        warm_up: float,
        checkpoint: Checkpoint | None = None,
        arrays: dict[str, Tensor] | None = None,
    ) -> None:
        """`groups` as AdamW takes them; `arrays` are the caller's own, filled in place and kept in the checkpoint.

        A checkpoint of the same run is taken up at once: `position` then says where.
        """
        self.device = accelerator().device
        self.module = module.to(self.device)
        self.parallel = accelerator().prepare_model(module)
        self.optimizer = torch.optim.AdamW(list(groups), fused=True)
        self.parameters: list[nn.Parameter] = [
            each for group in self.optimizer.param_groups for each in group["params"]
        ]
        self._rise = max(1, int(warm_up * total))
        self._rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.position = Position()
        self.total = total
        self.checkpoint = checkpoint
        self.arrays = arrays or {}
        self._every = max(1, math.ceil(total / _POINTS))
        self._best = trained_state(module)
        self._resume()

    def run(
        self,
        phase: str,
        epochs: int,
        plan: Callable[[int], Sequence[Sequence[int]]],
        loss: Callable[[Sequence[int]], Tensor],
        score: Callable[[], float],
        *,
        from_base: bool = False,
        patience: float = math.inf,
        progress: Progress | None = None,
    ) -> float:
        """A whole phase from where it stands, and the score of the weights that it leaves: those of the best epoch.

        Args:
            phase: what `progress` calls it.
            epochs: at most so many.
            plan: the batches of an epoch, by seed and the epoch's number alone; counted from 0, from 1 where `from_base`.
            loss: of the rows of a batch that are this process's.
            score: of the module on what is kept apart, 0 to 1, taken after each epoch.
            from_base: the module as it comes is scored too, and may be the best.
            patience: it stops after so many epochs without a better score.
            progress: called after every step.

        Raises:
            DivergedError: the loss is no longer a finite number.
            Unavailable: a checkpoint cannot be written.

        """
        position = self.position
        if from_base and position.epoch == 0 and position.step == 0:
            self.end_epoch(agreed(score()))
        while position.epoch < epochs + from_base and position.worse < patience and not position.finished:
            self.module.train()
            for rows in rest_of(plan(position.epoch), position):
                value = self.step(loss(self.share(rows)))
                if progress:
                    progress(Step(phase, position.step, self.total, value, position.score))
                self.save_if_due()
            self.end_epoch(agreed(score()))
        if not position.finished:
            self.finish()
        self.release()
        return position.kept

    def share(self, rows: Sequence[int]) -> Sequence[int]:
        """This process's share of a batch; where there are fewer rows than processes, some repeat."""
        count, number = accelerator().num_processes, accelerator().process_index
        if count == 1:
            return rows
        each = math.ceil(len(rows) / count)
        return [rows[(number * each + at) % len(rows)] for at in range(each)]

    def step(self, loss: Tensor) -> float:
        """One update.

        Raises:
            DivergedError: the loss is no finite number.
            Unavailable: a checkpoint cannot be written; the last one stays.

        """
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergedError(
                f"The loss became {value} at step {self.position.step}; no model was written.",
                "Train with another seed or method, and look at the log's labels.",
            )
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * self._factor(self.position.step)
        self.optimizer.zero_grad(set_to_none=True)
        accelerator().backward(loss)
        nn.utils.clip_grad_norm_(self.parameters, _CLIP)
        self.optimizer.step()
        if self.position.step % self._every == 0:
            self.position.losses.append((self.position.step, round(value, 5)))
        self.position.step += 1
        self.position.batch += 1
        return value

    def _factor(self, step: int) -> float:
        """Linear warm-up, then linear decay to zero."""
        return min((step + 1) / self._rise, max(0.0, (self.total - step) / max(1, self.total - self._rise)))

    def save_if_due(self) -> None:
        """Writes the checkpoint where its time has come; called when the position is that of the next batch."""
        if self.checkpoint and self.checkpoint.due:
            self.save()

    def end_epoch(self, score: float, tolerance: float = 0.0) -> None:
        """Notes the validation score of an epoch, keeps its weights where it is as good as the best, and saves.

        As good is what lies within `tolerance` of the best score: of such epochs the later one was trained longer, and at a
        lower rate.
        """
        self.position.score = score
        good = max(score, self.position.best) - tolerance
        self.position.worse = 0 if score > min(self.position.best, good) else self.position.worse + 1
        self.position.best = max(score, self.position.best)
        if score >= good:
            self.position.kept, self.position.kept_epoch = score, self.position.epoch + 1
            self._best = trained_state(self.module)
        self.position.epochs.append(
            {
                "epoch": self.position.epoch + 1,
                "step": self.position.step,
                "score": round(score, 5),
                "seconds": round(self.position.seconds, 1),
            }
        )
        self.position.epoch += 1
        self.position.batch = 0
        self.save()

    def finish(self) -> None:
        """Ends the phase: the best weights stand in the module, and the checkpoint says that nothing is left to do."""
        self.position.finished = True
        if self.position.kept_epoch:
            self.module.load_state_dict(self._best, strict=False)
        self.save()

    def release(self) -> None:
        """Takes off what training put around the module, which is then as it was made: on the CPU, in full precision.

        What calibrates and exports it would otherwise see, and bake into the graph that serves, the roundings of bf16.
        """
        accelerator().unwrap_model(self.parallel, keep_fp32_wrapper=False)
        self.module.to("cpu").eval()

    def save(self) -> None:
        """Writes the checkpoint (by the main process alone)."""
        if self.checkpoint is None or not is_main():
            return
        tensors = {f"weight.{name}": each for name, each in trained_state(self.module).items()}
        tensors |= {f"best.{name}": each for name, each in self._best.items()}
        for number, parameter in enumerate(self.parameters):
            state = self.optimizer.state.get(parameter, {})
            if state:
                tensors[f"moment1.{number}"], tensors[f"moment2.{number}"] = state["exp_avg"], state["exp_avg_sq"]
        tensors |= {f"buffer.{name}": each for name, each in self.module.named_buffers()}
        tensors |= {f"array.{name}": each for name, each in self.arrays.items()}
        tensors["generator"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["generator.cuda"] = torch.cuda.get_rng_state()
        try:
            self.checkpoint.save(tensors, asdict(self.position))
        except OSError as error:
            raise Unavailable(
                f"The checkpoint {self.checkpoint.path} cannot be written: {error}.",
                "Free some space and run the same command again: it goes on from the last checkpoint.",
            ) from error

    def _resume(self) -> None:
        saved = self.checkpoint.load() if self.checkpoint else None
        if saved is None:
            return
        found = saved.tensors
        self.position = Position(**saved.position)
        self.position.losses = [(int(step), float(loss)) for step, loss in self.position.losses]
        self.module.load_state_dict(_named(found, "weight."), strict=False)
        self._best = {name: each.to(self.device) for name, each in _named(found, "best.").items()}
        for number, parameter in enumerate(self.parameters):
            if f"moment1.{number}" in found:
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(self.position.step), device=self.device),
                    "exp_avg": found[f"moment1.{number}"].to(self.device),
                    "exp_avg_sq": found[f"moment2.{number}"].to(self.device),
                }
        for name, buffer in self.module.named_buffers():
            buffer.copy_(found[f"buffer.{name}"])
        for name, each in self.arrays.items():
            each.copy_(found[f"array.{name}"])
        torch.set_rng_state(found["generator"])
        if self.device.type == "cuda" and "generator.cuda" in found:
            torch.cuda.set_rng_state(found["generator.cuda"])


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """Copies of the weights that training moves, by name."""
    return {name: each.detach().clone() for name, each in module.named_parameters() if each.requires_grad}


def _named(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}


def agreed(value: float) -> float:
    """The main process's value, in every process: what decides whether to stop must not differ by a rounding."""
    from accelerate.utils import broadcast_object_list

    return float(broadcast_object_list([value])[0])


def total_steps(examples: int, size: int, epochs: int) -> int:
    """Steps of `epochs` epochs."""
    return epochs * math.ceil(examples / size)


def drawn(count: int, size: int, seed: int, epoch: int) -> list[list[int]]:
    """Batches of the rows below `count` in an order that seed and epoch give."""
    order = list(range(count))
    random.Random(f"{seed}:{epoch}").shuffle(order)
    return [order[start : start + size] for start in range(0, count, size)]


def by_length(lengths: Sequence[int], encode: Callable[[Sequence[int]], Tensor], size: int = 64) -> NDArray[np.float32]:
    """What `encode` makes of rows, (rows, dim), those of like length encoded together so that little is padded."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    with torch.inference_mode():
        found = [encode(order[start : start + size]).float().cpu().numpy() for start in range(0, len(order), size)]
    rows = np.empty((len(lengths), found[0].shape[1]), np.float32)
    rows[order] = np.concatenate(found)
    return rows


def rest_of(batches: Sequence[Sequence[int]], position: Position) -> Iterable[Sequence[int]]:
    """The batches of an epoch that are still to be done."""
    return batches[position.batch :]
