"""Windows, batches and what is hidden in them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from finetune.masking import (
    BATCH_TOKENS,
    FEWEST_PIECES,
    HIDDEN_SHARE,
    Masker,
    Window,
    numbered,
    packed,
    padded,
    plan,
    windows_of,
)
from index.pretrained import Pretrained, load_pretrained

MASK = 103


@pytest.fixture(scope="module")
def minilm() -> Pretrained:
    return load_pretrained("minilm")


@pytest.fixture(scope="module")
def windows(minilm: Pretrained) -> list[Window]:
    draw = random.Random(0)
    words = "show me an unbelievably waterproof umbrella thermos kettle for hikers please".split()
    texts = [" ".join(draw.choices(words, k=draw.randint(4, 60))) for _ in range(300)]
    return [window for each in windows_of(texts, minilm.tokenizer) for window in each]


@pytest.fixture(scope="module")
def masker(windows: list[Window]) -> Masker:
    return Masker(np.unique(np.concatenate([each.ids[1:-1] for each in windows])).astype(np.int64), MASK, 0)


def lengths(windows: list[Window]) -> np.ndarray:
    return np.array([len(each) for each in windows], np.int64)


def test_a_long_text_becomes_windows_that_hold_all_of_it(minilm: Pretrained) -> None:
    texts = [" ".join(f"word{number}" for number in range(100)), "too short", "four words it has"]
    long, short, enough = windows_of(texts, minilm.tokenizer, 64)
    assert short == []
    assert len(enough) == 1
    assert all(len(each) <= 64 and each.ids[0] == 101 and each.ids[-1] == 102 for each in long)
    whole = minilm.tokenizer.encode(texts[0], add_special_tokens=False).ids
    found = np.concatenate([each.ids[1:-1] for each in long]).tolist()
    assert found == whole[: len(found)]
    assert 200 < len(found) > len(whole) - FEWEST_PIECES
    assert all(each.words[0] == each.words[-1] == -1 and each.words[1] == 0 for each in long)


def test_words_count_from_zero_and_sentences_without_spaces_are_no_words() -> None:
    assert numbered(np.array([7, 7, 8, 9, 9], np.int32)).tolist() == [0, 0, 1, 2, 2]
    assert numbered(np.array([0] + [1] * 9 + [2, 2], np.int32)).tolist() == [*range(10), 10, 10]


def test_words_are_hidden_whole_and_as_many_as_said(windows: list[Window], masker: Masker) -> None:
    draw = np.random.default_rng(1)
    hidden = pieces = kept = masked = 0
    for rows in packed(lengths(windows)) * 10:
        batch = masker.batch(windows, rows, draw)
        ids, mask, words = padded([windows[row] for row in rows], 0)
        assert batch.hidden.any(axis=1).all(), "no window teaches nothing"
        assert (ids[batch.hidden] == batch.targets).all()
        assert (batch.ids[~batch.hidden] == ids[~batch.hidden]).all()
        assert not batch.hidden[words < 0].any()
        for row in range(len(rows)):
            assert not set(words[row][batch.hidden[row]]) & set(words[row][~batch.hidden[row]])
        hidden += int(batch.hidden.sum())
        pieces += int((mask > 0).sum() - 2 * len(rows))
        masked += int((batch.ids[batch.hidden] == MASK).sum())
        kept += int((batch.ids[batch.hidden] == batch.targets).sum())
    assert hidden / pieces == pytest.approx(HIDDEN_SHARE, abs=0.02)
    assert masked / hidden == pytest.approx(0.8, abs=0.02)
    assert kept / hidden == pytest.approx(0.1 + 0.1 / len(masker.pieces), abs=0.02)


def test_what_is_hidden_follows_from_the_draw(windows: list[Window], masker: Masker) -> None:
    one, same, other = (masker.batch(windows, range(20), np.random.default_rng(seed)).ids for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_batches_hold_each_window_once_and_pad_little(windows: list[Window]) -> None:
    sizes = lengths(windows)
    for batches in (packed(sizes), packed(sizes, random.Random(1))):
        assert sorted(row for rows in batches for row in rows) == list(range(len(windows)))
        full = [len(rows) * int(sizes[rows].max()) for rows in batches]
        assert max(full) <= BATCH_TOKENS
        assert sum(full) <= 1.15 * sizes.sum()


def test_a_plan_passes_over_all_windows_in_another_order_each_time(windows: list[Window]) -> None:
    sizes = lengths(windows)
    total = int(2.5 * sizes.sum())
    batches = plan(sizes, total, seed=1)
    assert batches == plan(sizes, total, seed=1)
    assert batches != plan(sizes, total, seed=2)
    seen = [int(sizes[rows].sum()) for rows in batches]
    assert sum(seen[:-1]) < total <= sum(seen)
    counts = np.bincount([row for rows in batches for row in rows], minlength=len(windows))
    assert set(counts.tolist()) == {2, 3}
    assert batches[0] != batches[len(packed(sizes, random.Random("1:0")))]
