"""The intent of a user turn, from an exported model folder; no torch.

<folder>/manifest.json   sha256 of every file
<folder>/intent.json     labels and, for each encoder, temperature and out-of-scope decision
<folder>/latin/, han/    an exported network each; a folder with one of them serves every script with it.
                         Beside it reference.safetensors, where the out-of-scope score measures distances
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.doubt import SCORES, Outputs, Reference, sigmoid, softmax
from bot.history import HistoryLimits, Tokens, Window, tokenize, window_of
from index.transformer import Transformer
from storage.errors import Damaged
from storage.publish import read_manifest

KIND = "intent"
SETTINGS = "intent.json"
SPACES = ("latin", "han")
INPUTS, OUTPUTS = ("segments",), ("logits", "features")


@dataclass(frozen=True)
class Prediction:
    """What the model thinks of a turn; `label` is the likeliest class also where `out_of_scope` holds.

    `margin` is the doubt less the threshold: above 0 the turn is out of scope. `labels` has `label` first, and behind it what else
    the turn says (a turn with two intents), the likelier first.
    """

    label: str
    labels: tuple[str, ...]
    confidence: float
    scores: dict[str, float]
    out_of_scope: bool
    margin: float


@dataclass(frozen=True)
class EncoderSettings:
    """Calibration of one encoder.

    Doubt by `score` above `threshold` is out of scope. A label whose probability is `second_from` or more is named beside the
    likeliest one.
    """

    base: str
    base_hash: str
    temperature: float
    score: str
    threshold: float
    second_from: float = 0.3


@dataclass(frozen=True)
class IntentSettings:
    """What `intent.json` holds; trainer and serving share it.

    A `multi_label` model gives each label a probability of its own; otherwise they sum to 1.
    """

    labels: tuple[str, ...]
    encoders: dict[str, EncoderSettings]
    history: HistoryLimits = field(default_factory=HistoryLimits)
    multi_label: bool = False

    def save(self, folder: Path) -> None:
        """Writes `intent.json`."""
        (folder / SETTINGS).write_text(json.dumps(asdict(self), ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> IntentSettings:
        """Reads `intent.json`; raises `Damaged` where it is missing or not what it should be."""
        try:
            values = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            encoders = {space: EncoderSettings(**each) for space, each in values["encoders"].items()}
            if not encoders or not set(encoders) <= set(SPACES) or not values["labels"]:
                raise ValueError("it names no encoder or no label")
            if unknown := {each.score for each in encoders.values()} - set(SCORES):
                raise ValueError(f"the out-of-scope score {unknown.pop()!r} is unknown")
            history = HistoryLimits(**values.get("history", {}))
            return cls(tuple(values["labels"]), encoders, history, values.get("multi_label", False) is True)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(f"{folder / SETTINGS} cannot be used: {error}.", "Train the intent model again.") from error


class IntentModel:
    """Predicts intents. Safe to share between threads."""

    def __init__(
        self, settings: IntentSettings, networks: Mapping[str, Transformer], references: Mapping[str, Reference]
    ) -> None:
        self.settings = settings
        self.labels = settings.labels
        self._networks = dict(networks)
        self._references = dict(references)

    @classmethod
    def load(cls, folder: Path) -> IntentModel:
        """The model in `folder`, every hash checked; raises `Damaged` naming the file and the way out."""
        read_manifest(folder, KIND)
        settings = IntentSettings.load(folder)
        networks = {space: Transformer.load(folder / space) for space in settings.encoders}
        references = {
            space: Reference.load(folder / space, each.score, networks[space].settings.dim)
            for space, each in settings.encoders.items()
        }
        return cls(settings, networks, references)

    def read(self, messages: Sequence[Mapping[str, object]]) -> tuple[Window, str, Tokens]:
        """What the model sees of a conversation, which encoder takes it, and as which tokens.

        The multilingual one takes Chinese, and a message whose "language" is neither Chinese nor English.
        """
        window = window_of(messages, self.settings.history)
        further = bool(messages) and messages[-1].get("language", "en") not in ("en", "zh")
        space = "han" if window.is_han or further else "latin"
        if space not in self._networks:
            space = next(iter(self._networks))
        return window, space, tokenize(window, self._networks[space].tokenizer, self.settings.history)

    def predict(self, messages: Sequence[Mapping[str, object]]) -> Prediction:
        """The intent of the last user message; messages are {"role", "content", "language"?}, oldest first."""
        window, space, tokens = self.read(messages)
        network, settings = self._networks[space], self.settings.encoders[space]
        found = network.run_ids([tokens.ids], {"segments": [tokens.segments]})
        outputs = outputs_of(
            found["logits"], found["features"], settings.temperature, multi_label=self.settings.multi_label
        )
        probabilities = outputs.probabilities[0]  # (labels,)
        order = np.argsort(-probabilities, kind="stable")
        best = int(order[0])
        named = [best, *(int(each) for each in order[1:] if probabilities[each] >= settings.second_from)]
        # An empty message says nothing, and what the model makes of nothing is no answer.
        margin = (
            float(SCORES[settings.score](outputs, self._references[space])[0]) - settings.threshold
            if window.turn
            else 1.0
        )
        return Prediction(
            label=self.labels[best],
            labels=tuple(self.labels[each] for each in named),
            confidence=float(probabilities[best]),
            scores=dict(zip(self.labels, probabilities.tolist(), strict=True)),
            out_of_scope=margin > 0,
            margin=margin,
        )


def outputs_of(
    logits: NDArray[np.floating], features: NDArray[np.floating], temperature: float, *, multi_label: bool
) -> Outputs:
    """A network's raw logits (n, labels) and features (n, dim), calibrated: what serving and calibration both decide by."""
    scaled = logits / temperature
    return Outputs(sigmoid(scaled) if multi_label else softmax(scaled), scaled, features)
