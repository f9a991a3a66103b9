"""`finetune replies`: from resolved dialogues to an encoder that finds what was answered when this was asked before.

    read → templates → split → train → export → compare with what serves → write

Each script has an encoder of its own, and keeps the pretrained one where a tuned one finds no more. A run that was killed goes on
where it stopped when the same command is given again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from bot.desk.reply_encoder import (
    HISTORY,
    INPUTS,
    KIND,
    EncoderSettings,
    ReplyEncoder,
    ReplySettings,
    reply_tokens,
)
from bot.desk.templates import records_of
from bot.history import tokenize, window_of
from finetune.export import linked_embeddings
from finetune.lineage import write_seen
from finetune.reply_pairs import Records, ReplyData, ReplyPair, ReplyPairs, ranks_of, templates_in
from finetune.search_run import Metrics, Tuned, complete_run
from finetune.search_variants import bootstrapped
from finetune.settings import epochs_in_time
from index.snapshot import Snapshot
from storage.database import Database
from storage.errors import InvalidInput
from storage.principal import local_operator
from storage.publish import write_manifest

if TYPE_CHECKING:
    from finetune.loop import Progress
    from finetune.reply_trainer import Example, Recipe
    from index.pretrained import Pretrained

EPOCHS: Final = 8
"""At most so many; a log of thousands of replies has time for fewer."""
BATCH, FEWEST_IN_BATCH, STEPS = 48, 16, 20
"""Replies in a batch: so many in a large log; in a small one fewer, so that an epoch still has about so many steps."""
FEWEST_PAIRS: Final = 60
"""A script with fewer replies to learn from keeps its pretrained encoder."""
FEWEST_HELD_OUT: Final = 20


def finetune_replies(
    data: ReplyData,
    output: Path,
    serving: ReplyEncoder,
    cache: Path,
    *,
    base_model: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    notice: Callable[[str], None] = lambda text: None,
) -> Tuned:
    """Trains an encoder a script and writes to `output` what of it beats what serves, all or nothing.

    Args:
        data: pairs of conversation and reply.
        output: the model folder, which must not hold anything yet.
        serving: what serves now: a tuned model, or the pretrained encoders.
        cache: where the pretrained encoders are kept, whose word embeddings the model then shares.
        base_model: a folder or Hugging Face id in place of the packaged encoder.
        epochs: at most so many; it stops early when held-out replies are found no better.
        seed: of batches, and of the bootstrap.
        progress: called after every step.
        notice: told what is left out.

    Raises:
        InvalidInput: there are too few replies.
        NotFound, Damaged: the base model cannot be loaded.
        Conflict: `output` is not empty.
        DivergedError: the loss became no number.

    """

    def start() -> _Run:
        return _Run(data, output, serving, cache, base_model, epochs, seed, progress, notice)

    return complete_run(start, output, KIND, epochs)


@dataclass(frozen=True)
class Comparison:
    """Mean reciprocal rank of held-out replies among all of their script, by what serves and by the tuned encoders, with 95 %."""

    n: int
    dialogues: int
    before: float
    after: float
    difference: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether the tuned ones are better than by chance."""
        return self.low > 0

    @property
    def reasons(self) -> tuple[str, ...]:
        """The verdict as a sentence."""
        return (
            f"{'Holds' if self.passed else 'Fails'}: mean reciprocal rank of {self.n} held-out replies {self.after:.3f}, "
            f"what serves {self.before:.3f}, difference by dialogue {self.difference:+.3f}, "
            f"95 % {self.low:+.3f} to {self.high:+.3f}.",
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "passed": self.passed, "reasons": list(self.reasons)}


class _Run:
    def __init__(
        self,
        data: ReplyData,
        output: Path,
        serving: ReplyEncoder,
        cache: Path,
        base_model: str | None,
        epochs: int | None,
        seed: int,
        progress: Progress | None,
        notice: Callable[[str], None],
    ) -> None:
        self.data, self.serving, self.cache = data, serving, cache
        self.base_model, self.epochs, self.seed = base_model, epochs, seed
        self.progress, self.notice = progress, notice
        self.checkpoints = output.with_name(f".{output.name}.checkpoints")
        self.spaces = {space: pairs for space, pairs in data.spaces.items() if self._enough(space, pairs)}
        if not self.spaces:
            found = ", ".join(f"{space} {len(each.training)}" for space, each in data.spaces.items()) or "none"
            raise InvalidInput(
                f"There are too few replies to learn from ({found}); a script needs {FEWEST_PAIRS}, and {FEWEST_HELD_OUT} "
                "held out.",
                "Give dialogues in which an agent or the assistant answered: --logs FILE.",
            )

    def _enough(self, space: str, pairs: ReplyPairs) -> bool:
        found = (
            len(pairs.training) >= FEWEST_PAIRS and len(pairs.held_out) >= FEWEST_HELD_OUT and bool(pairs.validation)
        )
        if not found:
            self.notice(f"The {space} encoder stays: {len(pairs.training)} replies are too few to learn from.")
        return found

    def train(self) -> dict[str, tuple[Pretrained, Any]]:
        """The base and the trained network of each space."""
        return {space: self._trained(space, pairs) for space, pairs in self.spaces.items()}

    def _trained(self, space: str, pairs: ReplyPairs) -> tuple[Pretrained, Any]:
        import torch

        from bot.desk.reply_network import ReplyNetwork
        from finetune.checkpoint import Checkpoint
        from finetune.network import attend_eagerly, load_base
        from finetune.reply_trainer import Recipe, train, vectors_of

        base = load_base(space, self.base_model)
        attend_eagerly(base.model)
        encoder: Any = base.model
        for frozen in (encoder.get_input_embeddings(), encoder.pooler):  # shared with search; read by nothing
            if frozen is not None:
                frozen.requires_grad_(False)
        examples = examples_of(pairs.training, base)
        tokens = sum(len(each.conversation.ids) + len(each.reply.ids) for each in examples)
        recipe = Recipe(
            self.epochs or epochs_in_time(tokens, EPOCHS),
            batch_size=min(BATCH, max(FEWEST_IN_BATCH, len(examples) // STEPS)),
            seed=self.seed,
        )
        torch.manual_seed(self.seed)
        network = ReplyNetwork(base.model)
        apart, templates = examples_of(pairs.validation, base), templates_in(pairs.validation)
        rows = {key: row for row, key in enumerate(templates)}
        texts = [reply_tokens(text, base.tokenizer) for text in templates.values()]

        def score(network: ReplyNetwork) -> float:
            """Mean reciprocal rank of the replies of validation among all of them."""
            asked = vectors_of(network, [each.conversation for each in apart], base.pad_id)
            ranks = ranks_of(pairs.validation, asked, vectors_of(network, texts, base.pad_id), rows)
            return float((1 / ranks).mean())

        checkpoint = Checkpoint(self.checkpoints / f"{space}.safetensors", self._fingerprint(base, recipe))
        train(network, examples, base.pad_id, recipe, score, space=space, progress=self.progress, checkpoint=checkpoint)
        return base, network

    def _fingerprint(self, base: Pretrained, recipe: Recipe) -> str:
        """Names what a checkpoint depends on."""
        said = json.dumps([self.data.sha256, base.hash, asdict(recipe), asdict(HISTORY)])
        return hashlib.sha256(said.encode()).hexdigest()

    def write(self, folder: Path) -> dict[str, Any]:
        """Writes the encoders that are better; returns the manifest's facts."""
        trained = self.train()
        bases = {space: EncoderSettings(base.name, base.hash) for space, (base, _) in trained.items()}
        for space, (base, network) in trained.items():
            export_replies(network, base, folder / space, self.cache)
        tuned = self._loaded(folder, bases)
        ranks = {space: (self._ranks(self.serving, space), self._ranks(tuned, space)) for space in self.spaces}
        kept = [space for space, (before, after) in ranks.items() if _mrr(after) > _mrr(before)] or list(self.spaces)
        for space in set(self.spaces) - set(kept):
            self.notice(f"The {space} encoder finds no more than what serves and is left out.")
            shutil.rmtree(folder / space)
        bases = {space: bases[space] for space in kept}
        self._loaded(folder, bases)
        write_seen(folder, self.data.dialogues)
        comparison = self._compare(ranks, kept)
        after = np.concatenate([ranks[space][space in kept] for space in self.spaces])
        metrics: Metrics = {
            "n": len(after),
            "recall@1": round(float((after < 2).mean()), 4),
            "recall@5": round(float((after < 6).mean()), 4),
            "mrr": round(comparison.after, 4),
            "mrr_before": round(comparison.before, 4),
        }
        return {
            "encoders": kept,
            "seed": self.seed,
            "epochs": self.epochs,
            "pairs": {space: len(each.training) for space, each in self.spaces.items()},
            "left_out": self.data.left_out,
            "data_sha256": self.data.sha256,
            "gate": comparison.as_dict(),
            "metrics": metrics,
        }

    def _loaded(self, folder: Path, bases: dict[str, EncoderSettings]) -> ReplyEncoder:
        """The model as serving loads it, which wants settings and a manifest; both are written again at the end."""
        ReplySettings(bases).save(folder)
        write_manifest(folder, KIND, {})
        return ReplyEncoder.load(folder, self.serving.pretrained)

    def _ranks(self, encoder: ReplyEncoder, space: str) -> NDArray[np.float64]:
        """The ranks of held-out replies among all of the space, (pairs,), by an encoder as it serves."""
        pairs = self.spaces[space].held_out
        templates = templates_in(pairs)
        replies = encoder.replies(list(templates.values()), space)
        asked = np.stack([encoder.conversation(pair.said, space) for pair in pairs])
        return ranks_of(pairs, asked, replies, {key: row for row, key in enumerate(templates)})

    def _compare(
        self, ranks: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]], kept: Sequence[str]
    ) -> Comparison:
        """Replies of one dialogue go right and wrong together, so what is resampled are dialogues."""
        gains: dict[str, list[float]] = {}
        before, after = [], []
        for space, (old, new) in ranks.items():
            chosen = new if space in kept else old
            before.append(1 / old)
            after.append(1 / chosen)
            for pair, gain in zip(self.spaces[space].held_out, 1 / chosen - 1 / old, strict=True):
                gains.setdefault(pair.dialogue_id, []).append(float(gain))
        by_dialogue = np.array([np.mean(each) for each in gains.values()])
        low, high = bootstrapped(by_dialogue, self.seed)
        served, found = (float(np.concatenate(each).mean()) for each in (before, after))
        return Comparison(sum(map(len, after)), len(gains), served, found, float(by_dialogue.mean()), low, high)


def shop_records(database: Database, snapshot: Snapshot | None) -> Records:
    """Slot by value of each user's records; product titles where there is an index."""

    def title(product_id: str) -> str:
        row = snapshot.row_of(product_id) if snapshot is not None else None
        return "" if snapshot is None or row is None else snapshot.products.get(row).title

    return records_of(database, local_operator(), title)


def examples_of(pairs: Sequence[ReplyPair], base: Pretrained) -> list[Example]:
    """Pairs as tokens."""
    from finetune.reply_trainer import Example

    numbers: dict[str, int] = {}
    return [
        Example(
            tokenize(window_of(pair.said, HISTORY), base.tokenizer, HISTORY),
            reply_tokens(pair.template, base.tokenizer),
            numbers.setdefault(pair.key, len(numbers)),
        )
        for pair in pairs
    ]


def export_replies(network: Any, base: Pretrained, folder: Path, cache: Path) -> None:
    """Exports one network; its word embeddings are a hard link to those of the search encoder that has the same."""
    from index.export import export

    folder.mkdir(parents=True)
    table: Any = linked_embeddings(base, folder, cache)
    if table is None:
        table = network.encoder.get_input_embeddings().weight.detach().numpy()
    export(
        network.eval(),
        base.tokenizer,
        table,
        folder,
        max_tokens=min(HISTORY.budget, base.max_tokens),
        pad_id=base.pad_id,
        dim=network.encoder.config.hidden_size,
        inputs=INPUTS,
    )


def _mrr(ranks: NDArray[np.float64]) -> float:
    return float((1 / ranks).mean())
