"""Which arm of the running experiment a shopper is in: by a keyed hash, so that it is the same whenever and wherever one asks.

Nothing is stored, and nobody can choose an arm by choosing an id: the key is the shop's own. The name of the experiment goes into
the hash, so that the groups of one experiment are spread evenly over those of the next.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Self

from storage.experiments import label_of
from storage.secret import derive, load_secret
from storage.settings import CardOrder, ExperimentSettings

_PURPOSE = "experiment"
_BYTES = 8


@dataclass(frozen=True, slots=True)
class Assigned:
    """A shopper's arm, how it is logged, and the order of the cards that it shows."""

    arm: str
    label: str
    order: CardOrder


class Experiments:
    """The shop's experiments and the key that deals their arms."""

    def __init__(self, settings: Mapping[str, ExperimentSettings], secret: str) -> None:
        self._settings = settings
        self._key = derive(secret, _PURPOSE).encode()

    @classmethod
    def of_shop(cls, settings: Mapping[str, ExperimentSettings], shop: Path) -> Self:
        """Those of a shop's folder; its secret is read only where there is an experiment.

        Raises what `load_secret` raises.
        """
        return cls(settings, load_secret(shop) if settings else "")

    def running(self, user_id: str, now: int) -> Assigned | None:
        """The shopper's arm of the experiment that runs at `now` (milliseconds since 1970, UTC), None where none does."""
        for name, experiment in self._settings.items():
            if experiment.start <= now < experiment.end:
                arm = self.arm_of(name, user_id)
                return Assigned(arm, label_of(name, arm), experiment.arms[arm].order)
        return None

    def arm_of(self, name: str, user_id: str) -> str:
        """The shopper's arm of an experiment, whether it runs or not."""
        message = f"{name}\x00{user_id}".encode("utf-8", errors="replace")
        digest = hmac.new(self._key, message, hashlib.sha256).digest()
        lot = int.from_bytes(digest[:_BYTES], "big") / 256**_BYTES
        arms = self._settings[name].arms
        limits = accumulate(arm.share for arm in arms.values())
        return next((arm for arm, limit in zip(arms, limits, strict=True) if lot < limit), list(arms)[-1])
