from __future__ import annotations

from pathlib import Path

import pytest

import launch
from finetune.corpus import Corpus, corpus_of
from finetune.logs import read_logs
from finetune.record import RunRecord
from finetune.settings import Settings
from finetune.trainer import Step
from finetune.tune import EPOCHS, HISTORIES, METHODS, Tried, search
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
