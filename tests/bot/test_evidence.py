"""The parts of the reader that need no encoder."""

from __future__ import annotations

import re

import numpy as np
import pytest

from bot.evidence import FEATURES, JUDGES, features_of, sentences_of, stance_of, words_of


def test_sentences_are_verbatim_and_what_may_not_be_quoted_is_left_out() -> None:
    text = (
        "Warm and soft.Fits well! Paid $20 for it. See http://evil.example now. Mail a@b.example. <b>Big</b> words here. "
        "Call REDACTED_PHONE for it. [click](x) this now. 很好用，推荐。花了50元。" + "very " * 80 + "long."
    )
    found = sentences_of(text)
    assert found == ["Warm and soft.", "Fits well!", "很好用，推荐。"]
    assert all(each in text for each in found)
    assert sentences_of("") == []


@pytest.mark.parametrize(
    ("sentence", "stance"),
    [
        ("So comfortable that I forget it.", 1),
        ("It is not comfortable at all.", -1),
        ("No problems after a year.", 1),
        ("It broke after three weeks.", -1),
        ("It has two pockets.", 0),
        ("很舒服，用一整天也不累。", 1),
        ("戴久了不舒服。", -1),
        ("噪音很大。", -1),
        ("有两个口袋。", 0),
    ],
)
def test_stance(sentence: str, stance: int) -> None:
    assert stance_of(sentence) == stance


def test_words_meet_by_their_stems() -> None:
    assert words_of("How are the batteries?") == words_of("the battery")
    assert words_of("Is it charging?") & words_of("I charged it")
    assert words_of("怎么样") == words_of("how is it") == frozenset()


def test_the_sentence_with_the_rare_word_and_the_figure_wins() -> None:
    sentences = ["The battery is fine.", "The battery lasts 30 hours.", "Nice colors on the box.", "The box is nice."]
    features = features_of("How long does the battery last?", sentences, [0.5] * 4)
    assert features.shape == (4, len(FEATURES))
    assert features[:, FEATURES.index("mismatch")].tolist() == [1, 0, 1, 1]
    scores = JUDGES["latin"].scores(features)
    assert scores.argmax() == 1
    assert features_of("Why?", [], []).shape == (0, len(FEATURES))


def test_other_words_for_what_is_asked_reach_another_language() -> None:
    sentences = ["续航比说的还久。", "包装很漂亮。"]
    plain = features_of("How is the battery life?", sentences, np.array([0.84, 0.83]))
    named = features_of("How is the battery life?", sentences, np.array([0.84, 0.83]), about=re.compile("battery|续航"))
    judge = JUDGES["crossed"]
    assert (judge.scores(plain) > judge.enough).tolist() == [False, False]
    assert (judge.scores(named) > judge.enough).tolist() == [True, False]
