"""Checkpoints of a training run: one safetensors file a phase, replaced atomically, from which a killed run goes on exactly.

weight.<name>                   trained weights
best.<name>                     the weights of the best epoch
moment1.<n>, moment2.<n>        AdamW's moments of parameter number n
generator                       torch's random state
…                               arrays of the caller
metadata                        fingerprint of the run, and its position as JSON
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: tensors by name, and the position as JSON values."""

    tensors: dict[str, Tensor]
    position: dict[str, Any]


class Checkpoint:
    """One file of one phase of a run; `fingerprint` names data and settings, and a file of another run is not taken."""

    def __init__(self, path: Path, fingerprint: str, every: float = 60.0) -> None:
        """`every`: seconds between two saves at least; the last one of a phase is always written."""
        self.path = path
        self.fingerprint = fingerprint
        self.every = every
        self._saved_at = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved_at >= self.every

    def load(self) -> Saved | None:
        """What was saved last; None where there is nothing, or it belongs to another run or is damaged."""
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as stream:
                facts = stream.metadata() or {}
                if facts.get("fingerprint") != self.fingerprint:
                    logger.warning("%s belongs to a run with other data or settings: starting anew.", self.path)
                    return None
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (it is no mapping)
            return Saved(tensors, json.loads(facts["position"]))
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            logger.warning("%s cannot be read (%s): starting anew.", self.path, error)
            return None

    def save(self, tensors: dict[str, Tensor], position: dict[str, Any]) -> None:
        """Replaces the file; raises OSError where the disk is full, and what was saved before stays."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".partial")
        try:
            metadata = {"fingerprint": self.fingerprint, "position": json.dumps(position)}
            save_file({name: each.contiguous() for name, each in tensors.items()}, beside, metadata)
            with beside.open("rb") as stream:
                os.fsync(stream.fileno())
            beside.replace(self.path)
        except SafetensorError as error:  # its wrapping of a full disk
            raise OSError(str(error)) from error
        finally:
            beside.unlink(missing_ok=True)
        self._saved_at = time.monotonic()
