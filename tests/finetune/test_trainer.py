from __future__ import annotations

import numpy as np
import pytest
import torch

from finetune.examples import Examples, examples_of, turns_of
from finetune.logs import Dialogue, Message
from finetune.network import load_base
from finetune.trainer import by_chance, class_weights, f1_of, intent_loss, macro_f1


def examples(*golds: tuple[str, ...]) -> Examples:
    dialogues = [Dialogue(str(number), (Message("user", "hi", each),)) for number, each in enumerate(golds)]
    return examples_of(turns_of(dialogues), ["a", "b", "c"], load_base("latin", None).tokenizer)


def test_rare_labels_weigh_more_and_the_average_is_one() -> None:
    found = examples(*[("a",)] * 90, *[("b",)] * 10)
    weights = class_weights(found)
    assert weights[0] < 1 < weights[1]
    assert (found.golds(range(100)) @ weights).mean() == pytest.approx(1, abs=1e-5)


def test_one_label_a_turn_is_cross_entropy_and_out_of_scope_is_pushed_to_an_even_guess() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    golds = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    even = intent_loss(logits[1:], golds[1:], torch.ones(3), multi_label=False)
    assert even == pytest.approx(0.5 * np.log(3))
    right = -float(torch.log_softmax(logits[0], -1)[0])
    assert intent_loss(logits, golds, torch.ones(3), multi_label=False) == pytest.approx((right + float(even)) / 2)
    sure = intent_loss(torch.tensor([[5.0, 0.0, 0.0]]), golds[1:], torch.ones(3), multi_label=False)
    assert sure > even


def test_several_labels_a_turn_are_learnt_each_by_itself() -> None:
    golds = torch.tensor([[1.0, 1.0, 0.0]])
    both = intent_loss(torch.tensor([[9.0, 9.0, -9.0]]), golds, torch.ones(3), multi_label=True)
    one = intent_loss(torch.tensor([[9.0, -9.0, -9.0]]), golds, torch.ones(3), multi_label=True)
    assert both < 0.01 < one


def test_macro_f1_is_over_the_labels_that_occur_and_takes_any_of_several_golds() -> None:
    logits = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert macro_f1(logits, examples(("a", "b"), ("a",), ("out_of_scope",))) == 1.0
    assert f1_of([("a", "a"), ("b", "a")]) == pytest.approx((2 / 3 + 0) / 2)
    assert f1_of([]) == 0.0


def test_scores_lie_apart_by_chance_the_more_the_fewer_turns_there_are() -> None:
    assert by_chance(0.9, 100) == pytest.approx(0.06)
    assert by_chance(0.9, 10_000) == pytest.approx(0.006)
    assert by_chance(1.0, 100) == 0.0
    assert by_chance(-1.0, 100) == 0.0
