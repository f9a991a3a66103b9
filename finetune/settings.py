"""What is chosen of a fine-tuning run, by a person or by a search."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot.history import HistoryLimits
from finetune.calibration import IN_SCOPE_LOSS
from storage.errors import InvalidInput

if TYPE_CHECKING:
    from finetune.trainer import Recipe

_TOKENS = 1_100_000
_TOKENS_IN_BF16 = 3_300_000
"""Tokens that a run without `epochs` trains on, by what the hardware computes: under 15 minutes where two cores train 1,250 English
tokens a second and more, or 3,700 in bf16. Chinese, whose encoder has twice the layers, takes twice the time; a log whose single
epoch has more tokens takes longer too."""


@dataclass(frozen=True)
class Settings:
    """What a person, or a search, chooses of a run."""

    method: str = "full"
    base_model: str | None = None
    epochs: int | None = None
    rate: float | None = None
    history: HistoryLimits = field(default_factory=HistoryLimits)
    in_scope_loss: float = IN_SCOPE_LOSS
    seed: int = 0

    def check(self) -> None:
        """Raises `InvalidInput` for what cannot be trained with."""
        from finetune.trainer import RECIPES

        if self.method not in RECIPES:
            raise InvalidInput(f"The method {self.method!r} is unknown.", f"Choose one of {', '.join(RECIPES)}.")
        if self.epochs is not None and self.epochs < 1:
            raise InvalidInput(f"{self.epochs} epochs train nothing.", "Give --epochs 1 or more.")
        if not 0 < self.in_scope_loss < 0.5:
            raise InvalidInput(f"The in-scope loss {self.in_scope_loss} is no share.", "Give one such as 0.03.")

    def recipe(self, epoch_tokens: int) -> Recipe:
        """The trainer's settings where an epoch has so many tokens."""
        from finetune.trainer import RECIPES

        recipe = replace(RECIPES[self.method], seed=self.seed)
        if self.rate is not None:
            recipe = replace(recipe, rate=self.rate)
        return replace(recipe, epochs=self.epochs or epochs_in_time(epoch_tokens, recipe.epochs))


def epochs_in_time(epoch_tokens: int, most: int) -> int:
    """As many epochs of so many tokens as a run without `--epochs` has time for, at least one."""
    from finetune.loop import computes_bf16

    tokens = _TOKENS_IN_BF16 if computes_bf16() else _TOKENS
    return max(1, min(most, round(tokens / max(1, epoch_tokens))))
