"""Whole runs from tiny base models: what stops them, what they go on from, and logs of unusual shape."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bot.intent import IntentModel
from finetune.checkpoint import Checkpoint
from finetune.corpus import Corpus, corpus_of
from finetune.examples import examples_of, turns_of
from finetune.fit import Fitted, fit
from finetune.intent import finetune_intent
from finetune.logs import Dialogue, Message
from finetune.network import build_network, load_base
from finetune.settings import Settings
from finetune.trainer import Recipe, Step, train
from index.pretrained import Pretrained
from tests.finetune.conftest import write_log
from tests.finetune.tiny import WORDS, language_model, word


class Killed(BaseException):
    """Ends a run as abruptly as a signal would: nothing catches it."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return language_model(tmp_path_factory.mktemp("tiny") / "base", None)


def dialogues(labels: int, of_each: int, *, prefix: str = "", labelled: bool = True) -> list[Dialogue]:
    """Dialogues of one turn: two words that tell the label, and others."""
    draw = random.Random(f"{labels} {of_each} {prefix}")
    found = []
    for label in range(labels):
        for number in range(of_each):
            words = [label % WORDS, label // WORDS, *draw.choices(range(WORDS), k=4)]
            said = prefix + " ".join(map(word, words))
            message = Message("user", said, (f"label{label}",) if labelled else ())
            found.append(Dialogue(f"{prefix}{labelled}{label}:{number}", (message,)))
    return found


def test_training_stops_once_it_gains_nothing(base: str) -> None:
    loaded = load_base("latin", base)
    examples = examples_of(turns_of(dialogues(2, 8)), ["label0", "label1"], loaded.tokenizer)
    torch.manual_seed(0)
    recipe = Recipe(epochs=90, rate=1e-3, head_rate=1e-2, batch_size=4, patience=4, augmented=0.0)
    found = train(build_network(loaded, 2, "full"), examples, examples, loaded.pad_id, recipe)
    scores = [each["score"] for each in found.epochs]
    assert len(scores) == scores.index(1.0) + 1 + recipe.patience < recipe.epochs
    assert found.macro_f1 == scores[found.kept - 1] == 1.0
    assert 1.0 not in scores[found.kept :]  # of equals the later one
    assert np.isfinite(found.margins[:, : len(scores)]).all()
    assert np.isnan(found.margins[:, len(scores) :]).all()


def test_two_hundred_labels_and_one_that_was_seen_once_are_trained_to_the_end(base: str, tmp_path: Path) -> None:
    once = Dialogue("once", (Message("user", "wordab wordac wordad", ("only_once",)),))
    rows = [
        {"messages": [{"role": "user", "content": each.messages[0].content, "intents": list(each.messages[0].intents)}]}
        for each in [*dialogues(200, 2), once]
    ]
    log = write_log(tmp_path / "log.jsonl", rows)
    run = finetune_intent([log], tmp_path / "model", Settings("head", base, epochs=1))
    model = IntentModel.load(run.model_dir)
    assert len(model.labels) == 201
    assert "only_once" in model.labels
    assert model.predict([{"role": "user", "content": "wordab wordac"}]).label in model.labels


def test_a_run_killed_behind_its_training_trains_nothing_again(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"messages": [{"role": "user", "content": each.messages[0].content, "intents": list(each.messages[0].intents)}]}
        for each in dialogues(4, 12)
    ]
    log, settings = write_log(tmp_path / "log.jsonl", rows), Settings("head", base, epochs=2)

    def die(*_: Any) -> None:
        raise Killed

    for place in ("finetune.fit.calibrate", "finetune.intent.write_encoder", "finetune.intent.assess"):
        steps: list[Step] = []
        with monkeypatch.context() as patched:
            patched.setattr(place, die)
            with pytest.raises(Killed):
                finetune_intent([log], tmp_path / "model", settings, progress=steps.append)
        assert not (tmp_path / "model").exists()
        assert bool([each for each in steps if each.done < each.total]) is (place == "finetune.fit.calibrate")
    steps = []
    run = finetune_intent([log], tmp_path / "model", settings, progress=steps.append)
    assert [(each.done, each.total) for each in steps] == [(4, 4)]
    assert IntentModel.load(run.model_dir).labels == ("label0", "label1", "label2", "label3")
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def fit_all(corpus: Corpus, folder: Path, kill: tuple[str, int] | None = None) -> dict[str, Fitted]:
    """Trains every encoder with checkpoints; `kill` ends it behind that step of that phase."""

    def progress(step: Step) -> None:
        if (step.space, step.done) == kill:
            raise Killed

    def checkpoints(name: str, base: str) -> Checkpoint:
        return Checkpoint(folder / f"{name}.safetensors", base, every=0)

    return {
        space: fit(space, part, corpus, Settings("head", epochs=2), progress=progress, checkpoints=checkpoints)
        for space, part in corpus.parts.items()
    }


def test_a_run_of_two_encoders_with_unlabeled_turns_goes_on_from_each_of_its_phases(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def packaged(_: str) -> Pretrained:
        from finetune.other_base import load_other

        return load_other(base)

    monkeypatch.setattr("index.pretrained.load_pretrained", packaged)
    monkeypatch.setattr("finetune.self_training.SURE", 0.26)  # of four labels; a tiny model is never surer
    corpus = corpus_of(
        [*dialogues(4, 16), *dialogues(4, 16, prefix="水壶 ")],
        0,
        unlabeled=[*dialogues(4, 8, labelled=False), *dialogues(4, 8, prefix="水壶 ", labelled=False)],
    )
    assert set(corpus.parts) == {"latin", "han"}
    whole = fit_all(corpus, tmp_path / "whole")
    assert all((each.taught or {})["taught_turns"] for each in whole.values())
    for kill in (("latin", 2), ("latin-taught", 1), ("han", 3), ("han-taught", 2)):
        with pytest.raises(Killed):
            fit_all(corpus, tmp_path / "killed", kill)
    resumed = fit_all(corpus, tmp_path / "killed")
    for space, each in whole.items():
        assert resumed[space].taught == each.taught
        expected, found = each.network.state_dict(), resumed[space].network.state_dict()
        assert all(torch.equal(found[name], value) for name, value in expected.items())
