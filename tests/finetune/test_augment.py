from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.augment import augment
from finetune.edits import PLACEHOLDER, pieces
from finetune.lexicon import is_negation
from tests.finetune.test_noise import CHINESE, ENGLISH, PERSONAL, PERSONAL_CHINESE, any_text, few


def augmented(text: str, count: int = 200) -> list[str]:
    rng = random.Random(5)
    return [augment(text, rng) for _ in range(count)]


@given(text=any_text, seed=st.integers(0, 9))
@few
def test_any_text_stays_a_text(text: str, seed: int) -> None:
    found = augment(text, random.Random(seed))
    assert found == augment(text, random.Random(seed))
    assert bool(found.strip()) == bool(text.strip())
    assert PLACEHOLDER.findall(found) == PLACEHOLDER.findall(text)


@pytest.mark.parametrize("text", [*ENGLISH, *CHINESE])
def test_edits_are_few_and_many_kinds_of_them(text: str) -> None:
    found = augmented(text)
    assert sum(each != text for each in found) >= 0.95 * len(found)
    assert len(set(found)) >= 20
    words = [piece.lower() for piece in pieces(text) if piece[0].isalnum()]
    for each in found:
        left = [piece.lower() for piece in pieces(each)]
        assert sum(word not in left for word in words) <= 2


@pytest.mark.parametrize("text", [PERSONAL, PERSONAL_CHINESE], ids=["english", "chinese"])
def test_placeholders_stay(text: str) -> None:
    assert all(PLACEHOLDER.findall(each) == PLACEHOLDER.findall(text) for each in augmented(text))


@pytest.mark.parametrize(
    "text",
    [
        "I do not want the second one",
        "never send me that again please",
        "I don’t need that lamp",
        "我不想要这个了",
        "没有收到货",
    ],
)
def test_a_negation_stays(text: str) -> None:
    kept = [piece for piece in pieces(text.lower()) if is_negation(piece)]
    assert kept
    for each in augmented(text):
        assert [piece for piece in pieces(each.lower()) if is_negation(piece)] == kept


def test_short_texts_keep_the_words_that_say_what_they_are() -> None:
    for text in ("yes", "no", "buy", "ok now", "128GB"):
        assert {each.lower() for each in augmented(text)} == {text.lower()}
    assert all(len(pieces(each)) == 3 for each in augmented("cancel order"))


def test_all_three_edits_occur() -> None:
    text = ENGLISH[1]
    found = augmented(text)
    assert any(each.lower() == text.lower() != each for each in found)
    assert any(len(pieces(each)) < len(pieces(text)) for each in found)
    assert any(len(pieces(each)) == len(pieces(text)) and each.lower() != text.lower() for each in found)
