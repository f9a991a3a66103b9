from __future__ import annotations

from collections.abc import Sequence

import pytest

from finetune.corpus import FEWEST_TURNS, corpus_of
from finetune.data_report import astray
from finetune.logs import Dialogue, Message
from tests.finetune.conftest import made_up_dialogues


def dialogues(count: int, *, chinese: bool = False, split: str = "", seed: int = 1) -> list[Dialogue]:
    """Made-up dialogues of three labelled turns."""
    return [
        Dialogue(
            row["dialogue_id"],
            tuple(Message(each["role"], each["content"], tuple(each.get("intents", ()))) for each in row["messages"]),
            split,
        )
        for row in made_up_dialogues(count, seed, chinese=chinese)
    ]


def relabelled(of: Sequence[Dialogue], label: str) -> list[Dialogue]:
    return [
        Dialogue(
            each.id, tuple(Message(m.role, m.content, (label,) if m.intents else ()) for m in each.messages), each.split
        )
        for each in of
    ]


def test_an_encoder_whose_held_out_labels_nobody_learns_is_none() -> None:
    english = [*dialogues(40, split="train"), *dialogues(8, split="validation", seed=2)]
    chinese = [
        *dialogues(40, chinese=True, split="train"),
        *relabelled(dialogues(8, chinese=True, split="validation", seed=2), "only_here"),
    ]
    corpus = corpus_of([*english, *chinese], 0)
    assert "only_here" not in corpus.labels
    assert set(corpus.parts) == {"latin"}


@pytest.mark.parametrize(
    ("english", "chinese", "encoder", "to_english"),
    [(0, 13, "han", False), (4, 8, "han", False), (30, 8, "latin", True), (13, 0, "latin", False)],
)
def test_a_script_with_too_few_turns_goes_with_the_larger(
    english: int, chinese: int, encoder: str, to_english: bool
) -> None:
    corpus = corpus_of([*dialogues(english), *dialogues(chinese, chinese=True)], 0)
    [(space, part)] = corpus.parts.items()
    assert space == encoder
    han = sum(turn.window().is_han for turn in part.training)
    assert han < FEWEST_TURNS
    assert corpus.chinese_astray == (han if to_english else 0)
    assert bool(astray(corpus.chinese_astray)) is to_english
    assert corpus_of([*dialogues(30), *dialogues(8, chinese=True)], 0, one_encoder=True).chinese_astray == 0
