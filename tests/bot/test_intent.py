from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.history import HistoryLimits
from bot.intent import EncoderSettings, IntentModel, IntentSettings
from storage.errors import AisleError, Damaged

LATIN = {"base": "minilm", "base_hash": "", "temperature": 1, "score": "energy", "threshold": 0}


def test_settings_survive_the_disk(tmp_path: Path) -> None:
    settings = IntentSettings(
        ("a", "意图"), {"latin": EncoderSettings("minilm", "0" * 64, 1.5, "neighbor", 0.2, 0.4)}, HistoryLimits(5), True
    )
    settings.save(tmp_path)
    assert IntentSettings.load(tmp_path) == settings


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"labels": ["a"], "encoders": {}}',
        '{"labels": ["a"], "encoders": {"klingon": {}}}',
        '{"labels": [], "encoders": 3}',
        json.dumps({"labels": ["a"], "encoders": {"latin": {**LATIN, "score": "tarot"}}}),
        json.dumps({"labels": ["a"], "encoders": {"latin": LATIN}, "history": {"weeks": 3}}),
    ],
)
def test_settings_that_are_none_are_damaged(content: str, tmp_path: Path) -> None:
    (tmp_path / "intent.json").write_text(content)
    with pytest.raises(Damaged, match=r"intent\.json"):
        IntentSettings.load(tmp_path)


def test_a_missing_folder_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(AisleError) as caught:
        IntentModel.load(tmp_path / "nowhere")
    assert caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        "",
        " ",
        "\U0001f600\U0001f525",
        "<script>alert(1)</script>",
        "'; DROP TABLE users; --",
        "привет",
        "x" * 50_000,
        "水" * 50_000,
        "\x00\u202e",
    ],
)
def test_any_message_gets_a_sound_prediction(content: str, demo_model: IntentModel) -> None:
    prediction = demo_model.predict([{"role": "user", "content": content}])
    assert prediction.label in demo_model.labels
    assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-4)
    assert prediction.confidence == max(prediction.scores.values())


def test_an_empty_message_is_out_of_scope(demo_model: IntentModel) -> None:
    assert demo_model.predict([{"role": "user", "content": "  "}]).out_of_scope
    assert demo_model.predict([]).out_of_scope


@pytest.mark.parametrize(
    ("content", "label"),
    [
        ("hello there", "greet"),
        ("show me running shoes under $80", "search"),
        ("你好", "greet"),
        ("帮我找一款三百以内的耳机", "search"),
    ],
)
def test_the_demo_model_knows_both_languages(content: str, label: str, demo_model: IntentModel) -> None:
    assert demo_model.predict([{"role": "user", "content": content}]).label == label


def test_an_answer_to_an_offer_is_read_as_one(demo_model: IntentModel) -> None:
    offered = [{"role": "assistant", "content": "Shall I add it to your cart?"}, {"role": "user", "content": "yes"}]
    assert demo_model.predict(offered).label == "accept"
