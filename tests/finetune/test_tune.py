from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import launch
from finetune.corpus import Corpus, Part, corpus_of
from finetune.logs import read_logs
from finetune.record import RunRecord
from finetune.settings import Settings
from finetune.trainer import RECIPES, Step
from finetune.tune import EPOCHS, HISTORIES, METHODS, Found, Tried, search
from tests.finetune.conftest import made_up_dialogues, write_log


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    log = write_log(tmp_path_factory.mktemp("tune") / "log.jsonl", made_up_dialogues(24, seed=1))
    return corpus_of(read_logs([log]).dialogues, seed=0)


class Killed(BaseException):
    pass


def test_a_search_begins_with_the_given_settings_and_goes_on_after_a_kill(corpus: Corpus, tmp_path: Path) -> None:
    given = Settings("head", epochs=3)
    told: list[Tried] = []

    def die(_: Tried) -> None:
        raise Killed

    with pytest.raises(Killed):
        search(corpus, given, 3, tmp_path / "search.jsonl", "f", told=die)
    found = search(corpus, given, 3, tmp_path / "search.jsonl", "f", told=told.append)
    assert [each.number for each in told] == [1, 2]
    assert len(found.trials) == 3
    first = found.trials[0]
    assert first.values == {"method": "head", "rate_factor": 1.0, "epochs": 3, "history_messages": 3}
    scores = [each.macro_f1 for each in found.trials if each.macro_f1 is not None]
    assert found.trials[0].macro_f1 is not None
    assert max(scores) >= found.trials[0].macro_f1
    best = max((each for each in found.trials if each.macro_f1 is not None), key=lambda each: each.macro_f1 or 0)
    assert found.settings.method == best.values["method"]
    assert found.settings.epochs == best.values["epochs"]
    assert found.settings.history.messages == best.values["history_messages"]
    assert found.settings.seed == given.seed
    for each in found.trials:
        assert each.values["method"] in METHODS
        assert EPOCHS[0] <= each.values["epochs"] <= EPOCHS[1]
        assert each.values["history_messages"] in HISTORIES

    again = search(corpus, given, 3, tmp_path / "search.jsonl", "f", told=die)  # nothing is left to do
    assert again == found
    undisturbed = search(corpus, given, 3, tmp_path / "other.jsonl", "f")
    assert [each.values for each in undisturbed.trials] == [each.values for each in found.trials]


def test_a_search_killed_in_its_first_trial_still_begins_with_the_given_settings(
    corpus: Corpus, tmp_path: Path
) -> None:
    def die(_: Step) -> None:
        raise Killed

    given = Settings("head", epochs=2)
    with pytest.raises(Killed):
        search(corpus, given, 1, tmp_path / "search.jsonl", "f", progress=die)
    found = search(corpus, given, 1, tmp_path / "search.jsonl", "f")
    assert [each.values["epochs"] for each in found.trials] == [2]
    assert found.settings.method == "head"


def test_a_run_says_what_its_search_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log, output = write_log(tmp_path / "log.jsonl", made_up_dialogues(12, seed=1)), tmp_path / "model"
    options = ["--logs", log, "--output", output, "--method", "head", "--epochs", 2, "--search", 1, "--shop", tmp_path]
    monkeypatch.setattr("sys.argv", ["launch.py", "finetune", "intent", *map(str, options)])
    with pytest.raises(SystemExit) as stopped:
        launch.run()
    said = capsys.readouterr().err
    assert not stopped.value.code, said
    search = RunRecord.load(output).search
    assert search is not None
    assert (search.best["method"], search.best["epochs"]) == ("head", 2)
    assert [each.values["epochs"] for each in search.trials] == [2]
    assert f"trial 1: macro-F1 {search.trials[0].macro_f1:.3f} with method head, rate factor 1, epochs 2" in said
    card = (output / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "--method head --epochs 2 --in-scope-loss 0.03 --search 1 --seed 0\n" in card
    assert "trained with: method head, epochs 2, history messages 3." in card


def test_trials_of_another_log_are_not_counted(corpus: Corpus, tmp_path: Path) -> None:
    search(corpus, Settings("head", epochs=1), 1, tmp_path / "search.jsonl", "f")
    told: list[Tried] = []
    search(corpus, Settings("head", epochs=1), 1, tmp_path / "search.jsonl", "g", told=told.append)
    assert len(told) == 1


Scores = Callable[[int, str], list[float]]
"""What the epochs of a phase of a trial score, by the trial's number and the phase."""


@pytest.fixture
def acted(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Scores, Settings], Found]:
    """A search over two encoders whose training is acted: each has a second phase, as on unlabeled turns."""

    def run(scores: Scores, given: Settings) -> Found:
        trials = iter(range(100))
        trial = -1

        def fit(space: str, part: Part, corpus: Corpus, settings: Settings, *, progress: Callable[[Step], None]) -> Any:
            nonlocal trial
            trial = next(trials) if space == "latin" else trial
            best = 0.0
            for phase in (space, f"{space}-taught"):
                for epoch, score in enumerate(scores(trial, phase), start=1):
                    best = max(best, score)
                    progress(Step(phase, epoch, 9, 1.0, score, 0.0, epoch))
                progress(Step(phase, 9, 9, 1.0, best, 0.0))
            return SimpleNamespace(trained=SimpleNamespace(macro_f1=best))

        monkeypatch.setattr("finetune.fit.fit", fit)
        part = corpus.parts["latin"]
        both = Corpus(corpus.labels, corpus.training, corpus.validation, {"latin": part, "han": part}, False)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # optuna warns of a step that is reported twice
            return search(both, given, 9, tmp_path / "search.jsonl", "f")

    return run


def test_what_falls_behind_is_cut_short_with_two_encoders_too(acted: Callable[[Scores, Settings], Found]) -> None:
    def scores(trial: int, phase: str) -> list[float]:
        if phase == "latin":
            return [0.6] * (2 + trial % 3)  # phases end early, where they like
        return [0.5, 0.1 if trial == 7 else 0.6] if phase == "latin-taught" else [0.1 if trial == 8 else 0.8] * 3

    found = acted(scores, Settings("head", epochs=3))
    assert [each.number for each in found.trials if each.macro_f1 is None] == [8]
    assert found.trials[7].macro_f1 == pytest.approx(0.7), "the teacher was better, and is kept"


@pytest.mark.parametrize(("given", "epochs"), [(Settings("lora", epochs=20), 20), (Settings("head"), None)])
def test_more_epochs_than_are_tried_else_are_the_first_trials(
    given: Settings, epochs: int | None, acted: Callable[[Scores, Settings], Found]
) -> None:
    found = acted(lambda trial, phase: [0.9 if trial == 0 else 0.5], given)
    assert found.trials[0].values["epochs"] == (epochs or RECIPES["head"].epochs)
    assert found.settings.epochs == (epochs or RECIPES["head"].epochs)
    assert found.settings.method == given.method
