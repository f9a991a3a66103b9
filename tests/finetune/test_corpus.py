from __future__ import annotations

from collections.abc import Sequence

from finetune.corpus import corpus_of
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
