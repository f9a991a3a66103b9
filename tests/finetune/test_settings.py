from __future__ import annotations

from pathlib import Path

import pytest

from bot.history import HistoryLimits
from finetune.corpus import Corpus, Part, corpus_of
from finetune.examples import examples_of, turns_of
from finetune.logs import Dialogue, Message, read_logs
from finetune.network import load_base
from finetune.settings import Settings


def test_the_estimated_tokens_are_near_the_real_ones(small_log: Path) -> None:
    corpus = corpus_of(read_logs([small_log]).dialogues, seed=0)
    for limits in (HistoryLimits(), HistoryLimits(messages=0)):
        real = sum(
            examples_of(part.training, corpus.labels, load_base(space, None).tokenizer, limits).lengths.sum()
            for space, part in corpus.parts.items()
        )
        assert corpus.epoch_tokens(limits) == pytest.approx(real, rel=0.25)


def test_chinese_counts_by_the_character() -> None:
    said = [("请问这双鞋还有四十二码吗", "stock"), ("我想退货怎么办理比较方便", "return")]
    turns = turns_of([Dialogue(text, (Message("user", text, (label,)),)) for text, label in said])
    corpus = Corpus(("stock", "return"), [], [], {"han": Part(turns, [])}, multi_label=False)
    real = examples_of(turns, corpus.labels, load_base("han", None).tokenizer).lengths.sum()
    assert corpus.epoch_tokens(HistoryLimits()) == pytest.approx(real, rel=0.25)


def test_a_longer_log_gets_fewer_epochs_down_to_one() -> None:
    settings = Settings()
    epochs = [settings.recipe(tokens).epochs for tokens in (10_000, 300_000, 500_000, 10**9)]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] > epochs[2] > epochs[3] == 1
    assert Settings(epochs=9).recipe(10**9).epochs == 9
