"""The intent of a user turn, from an exported model folder; no torch.

<folder>/manifest.json   sha256 of every file
<folder>/intent.json     labels and, for each encoder, temperature and out-of-scope decision
<folder>/latin/, han/    an exported network each; a folder with one of them serves every script with it
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.history import tokenize, window_of
from index.transformer import Transformer
from storage.errors import Damaged
from storage.publish import read_manifest

KIND = "intent"
SETTINGS = "intent.json"
SPACES = ("latin", "han")
INPUTS, OUTPUTS = ("segments",), ("logits", "features")

_SECOND_INTENT = 0.3


@dataclass(frozen=True)
class Prediction:
    """What the model thinks of a turn; `label` is the likeliest class also where `out_of_scope` holds.

    `margin` is the doubt less the threshold: above 0 the turn is out of scope.
    """

    label: str
    confidence: float
    scores: dict[str, float]
    out_of_scope: bool
    margin: float

    @property
    def labels(self) -> tuple[str, ...]:
        """The likeliest label, and others that the model was trained to name beside it (a turn with two intents)."""
        others = [name for name, score in self.scores.items() if score >= _SECOND_INTENT and name != self.label]
        return (self.label, *sorted(others, key=lambda name: -self.scores[name]))


@dataclass(frozen=True)
class EncoderSettings:
    """Calibration of one encoder; `means` holds the classes' mean features (labels, dim) where the score is "distance"."""

    base: str
    base_hash: str
    temperature: float
    score: str
    threshold: float
    means: list[list[float]] | None = None


@dataclass(frozen=True)
class IntentSettings:
    """What `intent.json` holds; trainer and serving share it."""

    labels: tuple[str, ...]
    encoders: dict[str, EncoderSettings]

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
            return cls(tuple(values["labels"]), encoders)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(f"{folder / SETTINGS} cannot be used: {error}.", "Train the intent model again.") from error


class IntentModel:
    """Predicts intents. Safe to share between threads."""

    def __init__(self, settings: IntentSettings, networks: Mapping[str, Transformer]) -> None:
        self.settings = settings
        self.labels = settings.labels
        self._networks = dict(networks)
        self._means = {
            space: np.array(each.means or [], np.float32) for space, each in settings.encoders.items()
        }  # (labels, dim)

    @classmethod
    def load(cls, folder: Path) -> IntentModel:
        """The model in `folder`, every hash checked; raises `Damaged` naming the file and the way out."""
        read_manifest(folder, KIND)
        settings = IntentSettings.load(folder)
        return cls(settings, {space: Transformer.load(folder / space) for space in settings.encoders})

    def predict(self, messages: Sequence[Mapping[str, object]]) -> Prediction:
        """The intent of the last user message; messages are {"role", "content"}, oldest first."""
        window = window_of(messages)
        space = "han" if window.is_han else "latin"
        if space not in self._networks:
            space = next(iter(self._networks))
        network, settings = self._networks[space], self.settings.encoders[space]
        tokens = tokenize(window, network.tokenizer)
        outputs = network.run_ids([tokens.ids], {"segments": [tokens.segments]})
        logits, features = outputs["logits"], outputs["features"]  # (1, labels), (1, dim)
        probabilities = softmax(logits / settings.temperature)[0]  # (labels,)
        best = int(probabilities.argmax())
        # An empty message says nothing, and what the model makes of nothing is no answer.
        margin = (
            1.0
            if not window.turn
            else -settings.threshold
            + float(doubt(settings.score, logits, features, self._means[space], settings.temperature)[0])
        )
        return Prediction(
            label=self.labels[best],
            confidence=float(probabilities[best]),
            scores=dict(zip(self.labels, probabilities.tolist(), strict=True)),
            out_of_scope=margin > 0,
            margin=margin,
        )


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Probabilities of logits (n, labels)."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def doubt(
    score: str,
    logits: NDArray[np.floating],
    features: NDArray[np.floating],
    means: NDArray[np.floating],
    temperature: float,
) -> NDArray[np.floating]:
    """Doubt of each row, higher is further out of scope: logits (n, labels), features (n, dim), means (labels, dim) → (n,).

    "probability" is 1 - the top one; "energy" is -T · logsumexp(logits / T) (Liu et al. 2020); "distance" is 1 - the cosine
    to the nearest class mean.
    """
    if score == "probability":
        return np.asarray(1 - softmax(logits / temperature).max(axis=-1))
    if score == "energy":
        scaled = logits / temperature
        top = scaled.max(axis=-1)
        return np.asarray(-temperature * (top + np.log(np.exp(scaled - top[:, None]).sum(axis=-1))))
    if score == "distance":
        lengths = np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-9)
        return np.asarray(1 - (features / lengths @ means.T).max(axis=-1))
    raise Damaged(f"The out-of-scope score {score!r} is unknown.", "Train the intent model again.")
