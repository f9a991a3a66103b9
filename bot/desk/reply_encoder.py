"""Conversations and replies as vectors of one space, so that what was answered before is found by what is asked now.

<folder>/manifest.json   sha256 of every file, kind "replies"; its meta has the facts of the run
<folder>/replies.json    the encoders, and how much of a conversation they see
<folder>/latin/, han/    an exported network each; a script without one keeps the pretrained encoder

A shop without a tuned model has the pretrained encoders alone. These see the last turn only: what was said before it makes their
matches worse (docs/benchmarks.md).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.history import HistoryLimits, TextTokenizer, Tokens, tokenize, window_of
from index.encoders import Encoder, encoder_for
from index.transformer import BATCH, Transformer
from storage.errors import AisleError, Damaged
from storage.publish import Versions, read_manifest

KIND: Final = "replies"
SETTINGS: Final = "replies.json"
SPACES: Final = ("latin", "han")
INPUTS: Final = ("segments",)
REPLY: Final = 3
"""The segment of a reply's tokens, behind those of a conversation (`bot/history.py`)."""
REPLY_TOKENS: Final = 64
HISTORY: Final = HistoryLimits(messages=4, message_tokens=24, budget=128)

Said = Sequence[Mapping[str, object]]
"""The messages of a conversation, {"role", "content"}, oldest first."""
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class EncoderSettings:
    """The base that an encoder was trained from, by name and by the hash of its weights."""

    base: str
    base_hash: str


@dataclass(frozen=True)
class ReplySettings:
    """What `replies.json` holds; trainer and serving share it."""

    encoders: dict[str, EncoderSettings]
    history: HistoryLimits = field(default_factory=lambda: HISTORY)

    def save(self, folder: Path) -> None:
        """Writes `replies.json`."""
        (folder / SETTINGS).write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ReplySettings:
        """Reads `replies.json`; raises `Damaged` where it is missing or not what it should be."""
        try:
            values = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
            encoders = {space: EncoderSettings(**each) for space, each in values["encoders"].items()}
            if not encoders or not set(encoders) <= set(SPACES):
                raise ValueError("it names no encoder")
            return cls(encoders, HistoryLimits(**values["history"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(f"{folder / SETTINGS} cannot be used: {error}.", "Train the replies again.") from error


def reply_tokens(text: str, tokenizer: TextTokenizer) -> Tokens:
    """A reply as numbers, all of the segment `REPLY`, cut before what closes it."""
    ids = list(tokenizer.encode(text).ids)  # type: ignore[attr-defined]
    if len(ids) > REPLY_TOKENS:
        ids = [*ids[: REPLY_TOKENS - 1], ids[-1]]
    return Tokens(ids, [REPLY] * len(ids))


class ReplyEncoder:
    """Conversations and replies to unit vectors; an inner product says how well a reply follows. Safe to share between threads."""

    def __init__(
        self,
        pretrained: Callable[[str], Encoder],
        tuned: Mapping[str, Transformer] | None = None,
        history: HistoryLimits = HISTORY,
        version: str = "",
        hash_: str = "",
    ) -> None:
        """`pretrained` gives the encoder of a space that has no tuned one; `hash_` names what the tuned ones make of a text."""
        self.pretrained = pretrained
        self._tuned = dict(tuned or {})
        self._history = history
        self._hash = hash_
        self.version = version

    @classmethod
    def load(cls, folder: Path, pretrained: Callable[[str], Encoder]) -> ReplyEncoder:
        """The model of a folder, every file's hash checked; raises `Damaged` or `NotFound`."""
        files = read_manifest(folder, KIND).files
        settings = ReplySettings.load(folder)
        tuned = {space: Transformer.load(folder / space) for space in settings.encoders}
        digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        return cls(pretrained, tuned, settings.history, folder.resolve().name, digest)

    @property
    def tuned(self) -> tuple[str, ...]:
        """The spaces that have an encoder of the shop's own."""
        return tuple(self._tuned)

    def hash_of(self, space: str) -> str:
        """Names the vectors of a space: equal hashes mean that they may be compared."""
        return f"{self._hash}-{space}" if space in self._tuned else self.pretrained(space).hash

    @staticmethod
    def space_of(history: Said) -> str:
        """The space of a conversation, by the script in which the customer writes."""
        return "han" if window_of(history).is_han else "latin"

    def conversation(self, history: Said, space: str | None = None) -> NDArray[np.float32]:
        """(dim,) of what was said until now; the last message of the customer counts most, what follows it not."""
        space = space or self.space_of(history)
        window = window_of(history, self._history)
        network = self._tuned.get(space)
        found: NDArray[np.float32]  # (dim,)
        if network is None:
            found = self.pretrained(space).encode_queries([window.turn])[0]
            return found
        tokens = tokenize(window, network.tokenizer, self._history)
        found = network.run_ids([tokens.ids], {"segments": [tokens.segments]})["vector"][0]
        return found

    def replies(self, texts: Sequence[str], space: str) -> Vectors:
        """(texts, dim) of replies."""
        network = self._tuned.get(space)
        if network is None or not texts:
            return self.pretrained(space).encode_documents(texts)
        rows = [reply_tokens(text, network.tokenizer) for text in texts]
        order = sorted(range(len(rows)), key=lambda row: len(rows[row].ids))
        vectors = np.empty((len(rows), network.settings.dim), np.float32)
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            ids, segments = zip(*((rows[row].ids, rows[row].segments) for row in some), strict=True)
            vectors[some] = network.run_ids(ids, {"segments": segments})["vector"]
        return vectors


def reply_versions(shop: Path) -> Versions:
    """The reply models of a shop's folder."""
    return Versions(shop / "models" / KIND, KIND)


def pretrained_of(shop: Path) -> Callable[[str], Encoder]:
    """The pretrained encoders that a shop keeps beside its models, each loaded when it is first asked for."""
    loaded: dict[str, Encoder] = {}

    def encoder(space: str) -> Encoder:
        if space not in loaded:
            loaded[space] = encoder_for(space, shop / "models" / "encoder")
        return loaded[space]

    return encoder


def load_replies(folder: Path, pretrained: Callable[[str], Encoder] | None = None) -> ReplyEncoder:
    """The model in `folder`, each of whose encoders has answered once.

    Args:
        folder: a complete model folder.
        pretrained: of the spaces that the model leaves as they are; by default those of the shop whose version it is.

    Raises:
        NotFound, Damaged: it is not complete, cannot be loaded, or does not answer.
    """
    try:
        encoder = ReplyEncoder.load(folder, pretrained or pretrained_of(folder.parents[2]))
        answers = [
            encoder.conversation([{"role": "user", "content": "hello"}], space) @ encoder.replies(["hello"], space)[0]
            for space in encoder.tuned
        ]
    except AisleError:
        raise
    except Exception as error:
        message = f"The reply model in {folder} does not work: {type(error).__name__}: {error}."
        raise Damaged(message, "Train it again, or roll back.") from error
    if not all(math.isfinite(each) for each in answers):
        raise Damaged(f"The reply model in {folder} answers with no number.", "Train it again, or roll back.")
    return encoder
