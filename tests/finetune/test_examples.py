from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from bot.history import HistoryLimits
from finetune.examples import Distortion, Examples, collate, examples_of, plan, turns_of
from finetune.logs import read_logs
from finetune.network import load_base

LABELS = ["search", "cart_add", "ask_policy", "accept"]


@pytest.fixture(scope="module")
def examples(small_log: Path) -> Examples:
    turns = turns_of(read_logs([small_log]).dialogues)
    return examples_of(turns, LABELS, load_base("latin", None).tokenizer)


def test_an_epoch_holds_every_example_once_and_pads_little(examples: Examples) -> None:
    batches = plan(examples.lengths, 16, random.Random(1))
    assert sorted(row for batch in batches for row in batch) == list(range(len(examples)))
    padded = [collate(examples, rows, 0) for rows in batches]
    tokens = sum(int(batch.mask.sum()) for batch in padded)
    assert tokens == examples.lengths.sum() == len(examples.ids)
    assert sum(batch.mask.size for batch in padded) <= 1.25 * tokens
    assert all((batch.ids[batch.mask == 0] == 0).all() for batch in padded)
    assert batches == plan(examples.lengths, 16, random.Random(1)) != plan(examples.lengths, 16, random.Random(2))


def test_a_batch_lines_up_with_its_rows(examples: Examples) -> None:
    rows = [5, 0, 17]
    batch = collate(examples, rows, 0)
    for at, row in enumerate(rows):
        tokens = examples.tokens(row)
        assert batch.ids[at][batch.mask[at] == 1].tolist() == tokens.ids
        assert batch.segments[at][batch.mask[at] == 1].tolist() == tokens.segments
        assert {LABELS[each] for each in np.flatnonzero(batch.golds[at])} == set(examples.turns[row].golds)


def test_some_examples_are_whole_examples(examples: Examples) -> None:
    some = examples.take([7, 2])
    assert len(some) == 2
    assert [some.tokens(0), some.tokens(1)] == [examples.tokens(7), examples.tokens(2)]
    assert some.numbers == [examples.numbers[7], examples.numbers[2]]
    assert len(examples.take([])) == 0


def test_out_of_scope_turns_have_no_label_and_unknown_labels_are_dropped(examples: Examples) -> None:
    outside = [row for row in range(len(examples)) if not examples.in_scope[row]]
    assert outside
    assert not examples.golds(outside).any()
    fewer = examples_of(examples.turns, ["accept", "search"], examples.tokenizer)
    assert len(fewer) == sum(not turn.golds or bool({"accept", "search"} & set(turn.golds)) for turn in examples.turns)


def test_history_is_as_long_as_the_limits_say(examples: Examples) -> None:
    alone = examples_of(examples.turns, LABELS, examples.tokenizer, HistoryLimits(messages=0))
    assert not alone.segments.any()
    assert len(alone.ids) < len(examples.ids)


def test_what_an_epoch_distorts_depends_on_seed_epoch_and_row_alone(examples: Examples) -> None:
    def shout(text: str, _: random.Random) -> str:
        return f"{text} please please"

    both = Distortion(context_dropout=0.5, augmented=0.5, augment=shout, seed=1)
    first = [both.apply(examples, row, 0) for row in range(len(examples))]
    assert first == [both.apply(examples, row, 0) for row in range(len(examples))]
    assert first != [both.apply(examples, row, 1) for row in range(len(examples))]
    kinds = {
        (len(tokens.ids) == tokens.turn_length, tokens.turn_length > examples.tokens(row).turn_length)
        for row, tokens in enumerate(first)
        if len(examples.tokens(row).ids) > examples.tokens(row).turn_length
    }
    assert kinds == {(True, True), (True, False), (False, True), (False, False)}
    none = Distortion(0.0, 0.0, shout, 1)
    assert [none.apply(examples, row, 0) for row in range(20)] == [examples.tokens(row) for row in range(20)]
