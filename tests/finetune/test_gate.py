"""The gate's answers where they are known, and the bootstrap against one written as a loop."""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter

import numpy as np
import pytest

from bot.intent import IntentModel
from finetune.evaluate_intent import evaluate_intent
from finetune.gate import Answers, Trial, Verdict, gate, judge
from finetune.intent import Finetuned
from finetune.logs import Dialogue, Message, read_logs
from storage.errors import InvalidInput
from tests.finetune.conftest import made_up_dialogues, write_log

LABELS = ("a", "b", "c", "d")


def trial(
    candidate: dict[str, float],
    incumbent: dict[str, float],
    *,
    each: int = 500,
    confidence: tuple[float, float] | None = None,
    milliseconds: tuple[float, float] = (3.0, 3.0),
    support: dict[str, int] | None = None,
    seed: int = 0,
) -> Trial:
    """Dialogues of four turns; `candidate` and `incumbent` say how often each label is got right, exactly.

    What is not right is another of a, b and c. Confidence is the model's accuracy, so that both are calibrated, unless it is given.
    """
    draw = np.random.default_rng(seed)
    golds = np.repeat(np.arange(len(LABELS)), [(support or {}).get(name, each) for name in LABELS])
    draw.shuffle(golds)

    def answers(right: dict[str, float], sure: float | None, p50: float) -> Answers:
        labels = golds.copy()
        for number, name in enumerate(LABELS):
            places = draw.permutation(np.flatnonzero(golds == number))
            wrong = places[: round(len(places) * (1 - right[name]))]
            labels[wrong] = (number + 1) % 3
        accuracy = float((labels == golds).mean())
        return Answers(golds.copy(), labels, np.full(len(golds), accuracy if sure is None else sure), p50)

    new, old = confidence or (None, None)
    return Trial(
        LABELS,
        np.ones(len(LABELS), bool),
        np.arange(len(golds)) // 4,
        answers(candidate, new, milliseconds[0]),
        answers(incumbent, old, milliseconds[1]),
    )


def all_at(share: float, **others: float) -> dict[str, float]:
    return dict.fromkeys(LABELS, share) | others


def failed(verdict: Verdict) -> list[str]:
    return [reason for reason in verdict.reasons if reason.startswith("Fails")]


def test_a_model_is_not_better_than_itself() -> None:
    same = trial(all_at(0.9), all_at(0.9))
    verdict = judge(dataclasses.replace(same, incumbent=same.candidate), first=False)
    assert not verdict.passed
    assert verdict.difference == dataclasses.replace(verdict.difference, difference=0, low=0, high=0, p=1)
    (reason,) = failed(verdict)
    assert "macro-F1" in reason


def test_a_clearly_better_one_passes_and_its_figures_are_said() -> None:
    verdict = judge(trial(all_at(0.95), all_at(0.85)), first=False)
    assert verdict.passed, verdict.reasons
    assert verdict.difference.low > 0.05
    assert verdict.difference.high < 0.15
    assert verdict.difference.low < verdict.difference.difference < verdict.difference.high
    assert verdict.macro_f1 == pytest.approx((0.95, 0.85), abs=0.005)
    assert (verdict.turns, verdict.dialogues, verdict.labels_judged) == (2000, 500, 4)
    assert f"{verdict.macro_f1[0]:.3f}" in verdict.reasons[0]
    assert f"{verdict.macro_f1[1]:.3f}" in verdict.reasons[0]
    assert json.loads(json.dumps(verdict.as_dict()))["labels"]["a"]["support"] == 500


def test_a_difference_that_chance_can_make_is_none() -> None:
    verdict = judge(trial(all_at(0.91), all_at(0.90), each=60), first=False)
    assert verdict.difference.low < 0 < verdict.difference.high
    assert not verdict.passed


def test_a_label_that_falls_is_refused_though_all_in_all_it_is_better() -> None:
    verdict = judge(trial(all_at(0.97, d=0.75), all_at(0.85, d=0.88)), first=False)
    assert verdict.difference.low > 0
    (reason,) = failed(verdict)
    assert "d falls" in reason
    assert verdict.labels["d"].incumbent - verdict.labels["d"].candidate > 0.05


def test_a_rare_label_falls_only_where_chance_cannot_make_it() -> None:
    rare = {"d": 12}
    little = judge(trial(all_at(0.97, d=9 / 12), all_at(0.8, d=10 / 12), support=rare), first=False)
    assert little.labels_judged == 3
    assert little.passed, little.reasons
    much = judge(trial(all_at(0.97, d=0.0), all_at(0.8, d=1.0), support=rare), first=False)
    assert any("d falls" in reason for reason in failed(much))


def test_a_worse_calibration_is_refused() -> None:
    verdict = judge(trial(all_at(0.95), all_at(0.85), confidence=(0.87, 0.85)), first=False)
    (reason,) = failed(verdict)
    assert "calibration" in reason
    assert verdict.ece[0] == pytest.approx(0.08, abs=0.005)
    assert judge(trial(all_at(0.95), all_at(0.85), confidence=(0.94, 0.84)), first=False).passed


def test_a_slow_one_is_refused_unless_what_serves_is_as_slow() -> None:
    better = all_at(0.95), all_at(0.85)
    (reason,) = failed(judge(trial(*better, milliseconds=(30.0, 3.0)), first=False, latency_budget_ms=20))
    assert "30.0 ms" in reason
    assert judge(trial(*better, milliseconds=(30.0, 31.0)), first=False, latency_budget_ms=20).passed


def test_the_interval_agrees_with_a_loop() -> None:
    many = trial(all_at(0.92), all_at(0.88), each=60)
    # A label that only a model says, and no gold is, counts in no mean and spoils the precision of none.
    old = many.incumbent
    told = Answers(old.golds, np.where(np.arange(len(old.labels)) % 17 == 0, 4, old.labels), old.confidences, 3.0)
    known = np.array([True, True, True, True, False])
    many = dataclasses.replace(many, names=(*LABELS, "e"), named=known, incumbent=told)
    verdict = judge(many, first=False, resamples=4000)

    def macro(answers: Answers, turns: list[int]) -> float:
        scores: list[float] = []
        pairs = Counter(zip(answers.golds[turns].tolist(), answers.labels[turns].tolist(), strict=True))
        for label in range(4):
            right = pairs[label, label]
            wrong = sum(count for (gold, said), count in pairs.items() if (gold == label) != (said == label))
            if right + wrong:
                scores.append(2 * right / (2 * right + wrong))
        return sum(scores) / len(scores)

    draw = random.Random(1)
    count = int(many.dialogues.max()) + 1
    turns = [np.flatnonzero(many.dialogues == number).tolist() for number in range(count)]
    every = [at for part in turns for at in part]
    assert verdict.difference.difference == pytest.approx(macro(many.candidate, every) - macro(told, every))
    differences = []
    for _ in range(2000):
        drawn = [at for _ in range(count) for at in turns[draw.randrange(count)]]
        differences.append(macro(many.candidate, drawn) - macro(told, drawn))
    low, high = np.quantile(differences, [0.025, 0.975])
    assert (verdict.difference.low, verdict.difference.high) == pytest.approx((low, high), abs=0.008)


def test_turns_of_a_dialogue_stand_and_fall_together() -> None:
    one = trial(all_at(0.92), all_at(0.88), each=100)

    def four_times(answers: Answers) -> Answers:
        golds, labels, confidences = (
            np.repeat(each, 4) for each in (answers.golds, answers.labels, answers.confidences)
        )
        return Answers(golds, labels, confidences, 3.0)

    said = dataclasses.replace(one, candidate=four_times(one.candidate), incumbent=four_times(one.incumbent))
    turns = np.arange(len(said.candidate.golds))
    together, apart = (
        judge(dataclasses.replace(said, dialogues=numbers), first=False).difference for numbers in (turns // 4, turns)
    )
    # What is said four times over in one dialogue is known once: the interval is wider by the square root of four.
    assert (together.high - together.low) / (apart.high - apart.low) == pytest.approx(2, rel=0.15)


def test_the_same_seed_gives_the_same_verdict() -> None:
    one = trial(all_at(0.92), all_at(0.90), each=80)
    assert judge(one, first=False, seed=4) == judge(one, first=False, seed=4)
    assert judge(one, first=False, seed=4).difference.low != judge(one, first=False, seed=5).difference.low


class TestOnModels:
    """On a real model; a first one, and one against itself."""

    @pytest.fixture(scope="class")
    def model(self, small_model: Finetuned) -> IntentModel:
        return IntentModel.load(small_model.model_dir)

    @pytest.fixture(scope="class")
    def unseen(self, tmp_path_factory: pytest.TempPathFactory) -> list[Dialogue]:
        rows = made_up_dialogues(60, seed=77)
        return read_logs([write_log(tmp_path_factory.mktemp("unseen") / "log.jsonl", rows)]).dialogues

    def test_a_first_model_has_floors_to_reach(self, model: IntentModel, unseen: list[Dialogue]) -> None:
        verdict = gate(model, None, unseen, latency_budget_ms=10_000)
        assert verdict.passed, verdict.reasons
        assert verdict.first
        assert (verdict.macro_f1[1], verdict.ece[1], verdict.p50_ms[1]) == (None, None, None)
        metrics = evaluate_intent(model, unseen)
        assert verdict.turns == metrics["n"]
        assert verdict.macro_f1[0] == pytest.approx(metrics["macro_f1"])
        assert verdict.ece[0] == pytest.approx(metrics["ece"], abs=1e-6)

    def test_one_that_knows_other_labels_is_wrong_about_all(self, model: IntentModel, unseen: list[Dialogue]) -> None:
        renamed = [
            dataclasses.replace(
                each,
                messages=tuple(
                    Message(m.role, m.content, tuple(f"my_{name}" for name in m.intents)) for m in each.messages
                ),
            )
            for each in unseen
        ]
        verdict = gate(model, None, renamed, latency_budget_ms=10_000)
        assert verdict.macro_f1[0] == 0
        assert not verdict.passed

    def test_it_is_not_better_than_itself(self, model: IntentModel, unseen: list[Dialogue]) -> None:
        verdict = gate(model, model, unseen, latency_budget_ms=10_000)
        assert not verdict.passed
        assert verdict.difference.difference == 0

    def test_too_few_turns_judge_nobody(self, model: IntentModel, unseen: list[Dialogue]) -> None:
        with pytest.raises(InvalidInput, match="needs 100"):
            gate(model, model, unseen[:30])
        with pytest.raises(InvalidInput, match="needs 30"):
            gate(model, None, unseen[:5])
