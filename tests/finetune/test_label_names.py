from __future__ import annotations

import pytest

from finetune.examples import examples_of, turns_of
from finetune.label_names import FEW, named, words_of
from finetune.logs import Dialogue, Message
from finetune.network import load_base

LABELS = ("order_status", "cancelOrder", "L7")


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("order_status", "order status"),
        ("cancelOrder", "cancel order"),
        ("INFORM:GET_PRICE", "inform get price"),
        ("HTMLPage-v2", "html page v"),
        ("查询_订单", "查询 订单"),
        ("L7", ""),
        ("42", ""),
    ],
)
def test_a_label_is_read_as_words(label: str, words: str) -> None:
    assert words_of(label) == words


def test_labels_with_few_turns_and_a_telling_name_get_it_as_an_example() -> None:
    said = {"order_status": FEW, "cancelOrder": FEW - 1, "L7": 2}
    turns = turns_of(
        [
            Dialogue(f"{label}{number}", (Message("user", "hello", (label,)),))
            for label, count in said.items()
            for number in range(count)
        ]
    )
    training = examples_of(turns, LABELS, load_base("latin", None).tokenizer)
    names = named(training, LABELS)
    assert [turn.text for turn in names.turns] == ["cancel order"]
    assert names.numbers == [(1,)]
    assert names.tokenizer is training.tokenizer


def test_a_name_that_two_labels_share_is_no_example_of_either() -> None:
    labels = ("faq_1", "faq_2", "intent7", "Intent8", "refund")
    turns = turns_of([Dialogue(label, (Message("user", "hello", (label,)),)) for label in labels])
    names = named(examples_of(turns, labels, load_base("latin", None).tokenizer), labels)
    assert [turn.text for turn in names.turns] == ["refund"]
