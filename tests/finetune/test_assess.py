"""The figures of a report: by hand on made-up predictions, and in agreement with each other on the shipped model's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bot.intent import EncoderSettings, IntentModel
from bot.labels import OUT_OF_SCOPE
from finetune.assess import assess, confusion_of, doubts_of, errors_of, latency_of, reliability_of
from finetune.evaluate_intent import Scored, evaluate_intent, label_scores, metrics_of, predictions
from finetune.logs import Dialogue, Message, read_logs
from finetune.record import Assessment, Bin, Confusion, LabelScore
from storage.errors import InvalidInput
from tests.finetune.conftest import write_log

PHRASINGS = Path(__file__).parents[1] / "phrasings"


def turn(
    golds: str, label: str, confidence: float = 0.9, margin: float = -0.5, tokens: int = 10, milliseconds: float = 1.0
) -> Scored:
    """A turn of which only what a test looks at matters; `golds` are separated by blanks."""
    return Scored(
        "d",
        f"{golds} as {label}",
        tuple(golds.split()),
        "latin",
        tokens,
        label,
        (label,),
        confidence,
        margin,
        milliseconds,
    )


def test_of_several_golds_the_predicted_one_counts() -> None:
    assert turn("search refine", "refine").gold == "refine"
    assert turn("search refine", "greet").gold == "search"
    assert turn("", "greet").gold == OUT_OF_SCOPE


def test_label_scores_by_hand() -> None:
    pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("c", "b")]
    assert label_scores(pairs) == {
        "a": LabelScore(1.0, 2 / 3, 0.8, 3),
        "b": LabelScore(1 / 3, 1.0, 0.5, 1),
        "c": LabelScore(0.0, 0.0, 0.0, 1),
    }


def test_macro_f1_is_over_the_labels_of_the_file() -> None:
    metrics = metrics_of([turn("a", "a"), turn("b", "only predicted"), turn("a never", "a")])
    assert metrics["macro_f1"] == pytest.approx((1 + 0) / 2)
    assert metrics["oos_auroc"] is None


def test_confusion_keeps_the_models_order_and_knows_foreign_labels() -> None:
    pairs = [("b", "a"), ("b", "b"), ("foreign", "b"), ("b", "b")]
    assert confusion_of(pairs, ["b", "unseen", "a"]) == Confusion(
        ("b", "a", "foreign"), ((2, 1, 0), (0, 0, 0), (1, 0, 0))
    )


def test_reliability_bins_by_hand() -> None:
    bins = reliability_of(
        [turn("a", "a", 0.95), turn("a", "b", 0.97), turn("a", "a", 0.1), turn("a", "a", 1.0)], bins=5
    )
    assert [each.n for each in bins] == [1, 0, 0, 0, 3]
    assert bins[0] == Bin(0.0, 0.2, 1, 0.1, 1.0)
    assert bins[1] == Bin(0.2, 0.4, 0, None, None)
    assert bins[4].confidence == pytest.approx(2.92 / 3)
    assert bins[4].accuracy == pytest.approx(2 / 3)


def test_the_threshold_is_an_edge_that_parts_what_is_answered() -> None:
    settings = EncoderSettings("base", "hash", 1.0, "energy", -3.0)
    margins = {"a": (-2.0, -1e-9, 0.0, 1e-9), "": (-0.5, 1.5, 2.0)}
    found = doubts_of(settings, [turn(golds, "a", margin=each) for golds in margins for each in margins[golds]])
    at = found.edges.index(-3.0)
    assert (sum(found.in_scope[:at]), sum(found.in_scope[at:])) == (3, 1)
    assert (sum(found.out_of_scope[:at]), sum(found.out_of_scope[at:])) == (1, 2)
    assert len(found.edges) == len(found.in_scope) + 1 == len(found.out_of_scope) + 1
    assert found.edges[0] <= -5
    assert found.edges[-1] >= -1
    assert np.diff(found.edges) == pytest.approx(0.1)


def test_turns_that_all_lie_on_the_threshold_have_a_histogram() -> None:
    settings = EncoderSettings("base", "hash", 1.0, "probability", 0.4)
    found = doubts_of(settings, [turn("a", "a", margin=0.0)] * 3)
    assert (found.in_scope, found.out_of_scope) == ((3, 0), (0, 0))
    assert found.edges[1] == 0.4


def test_errors_are_the_surest_first_and_redacted() -> None:
    wrong = Scored("d9", "mail jo.doe@example.org", ("a",), "latin", 5, "b", ("b",), 0.7, -0.1, 1.0)
    found = errors_of(
        [turn("a", "a", 0.99), wrong, turn("", "c", 0.9), turn("", "c", 0.95, margin=0.1), turn("a", "c", 0.8)]
    )
    assert [(each.gold, each.predicted, each.confidence) for each in found] == [
        (OUT_OF_SCOPE, "c", 0.9),
        ("a", "c", 0.8),
        ("a", "b", 0.7),
    ]
    assert found[2].dialogue_id == "d9"
    assert found[2].text == "mail REDACTED_EMAIL"
    assert len(errors_of([wrong] * 5, most=3)) == 3


def test_latency_by_length() -> None:
    turns = [turn("a", "a", tokens=tokens, milliseconds=float(tokens)) for tokens in (4, 16, 17, 100, 128)]
    found = latency_of(turns)
    assert [(each.low, each.high, each.n) for each in found.buckets] == [(1, 16, 2), (17, 32, 1), (65, 128, 2)]
    assert found.buckets[0].p50_ms == pytest.approx(10)
    assert found.p50_ms == 17


@pytest.fixture(scope="module")
def dialogues() -> list[Dialogue]:
    """Phrasings of both scripts, in scope and out."""
    return [each for name in ("en", "zh") for each in read_logs([PHRASINGS / f"{name}.jsonl"]).dialogues[::4]]


@pytest.fixture(scope="module")
def assessed(demo_model: IntentModel, dialogues: list[Dialogue]) -> Assessment:
    return assess(demo_model, dialogues)


def test_the_metrics_are_those_of_evaluate(
    demo_model: IntentModel, dialogues: list[Dialogue], assessed: Assessment
) -> None:
    expected = evaluate_intent(demo_model, dialogues)
    assert list(assessed.metrics) == "n accuracy macro_f1 micro_f1 exact ece oos_auroc oos_fpr95 p50_ms".split()
    for name in set(expected) - {"p50_ms"}:
        assert assessed.metrics[name] == pytest.approx(expected[name])


def test_every_figure_is_of_the_same_predictions(assessed: Assessment) -> None:
    metrics, counts = assessed.metrics, np.array(assessed.confusion.counts)
    assert counts.sum() == metrics["n"]
    assert np.trace(counts) / counts.sum() == pytest.approx(metrics["accuracy"])
    assert {name: score.support for name, score in assessed.per_label.items()} == dict(
        zip(assessed.confusion.labels, counts.sum(axis=1).tolist(), strict=True)
    )
    assert np.mean([score.f1 for score in assessed.per_label.values() if score.support]) == pytest.approx(
        metrics["macro_f1"], abs=0.02
    )
    gaps = [abs(each.confidence - each.accuracy) * each.n for each in assessed.reliability if each.n]  # type: ignore[operator]
    assert sum(gaps) / (metrics["n"] or 0) == pytest.approx(metrics["ece"])
    assert assessed.latency.p50_ms == pytest.approx(metrics["p50_ms"])


def test_each_script_has_its_own_histogram(
    demo_model: IntentModel, dialogues: list[Dialogue], assessed: Assessment
) -> None:
    assert set(assessed.out_of_scope) == {"latin", "han"}
    declined = 0
    for space, found in assessed.out_of_scope.items():
        settings = demo_model.settings.encoders[space]
        assert (found.score, found.threshold) == (settings.score, settings.threshold)
        at = found.edges.index(settings.threshold)
        declined += sum(found.in_scope[at:]) + sum(found.out_of_scope[at:])
    scored = predictions(demo_model, dialogues)
    assert declined == sum(each.margin > 0 for each in scored)
    assert sum(sum(found.out_of_scope) for found in assessed.out_of_scope.values()) == sum(
        not each.golds for each in scored
    )


def test_a_model_that_knows_no_label_of_the_logs_is_not_asked(demo_model: IntentModel) -> None:
    with pytest.raises(InvalidInput, match="none of the labels nonesuch"):
        assess(demo_model, [Dialogue("d", (Message("user", "hi", ("nonesuch",)),))])
    with pytest.raises(InvalidInput, match="no labelled in-scope turn"):
        assess(demo_model, [Dialogue("d", (Message("user", "hi", (OUT_OF_SCOPE,)),))])


def test_personal_data_in_a_dialogue_does_not_reach_the_errors(demo_model: IntentModel, tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "write to jo.doe@example.org", "intents": ["goodbye"]}]}
    found = assess(demo_model, read_logs([write_log(tmp_path / "log.jsonl", [row])]).dialogues)
    assert "example.org" not in json.dumps([each.text for each in found.errors])
    assert len(found.errors) == 1
