"""`models list|promote|rollback` and `finetune intent --promote`, from the command line to the folder that serves."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import launch
from bot.intent import KIND, IntentModel, IntentSettings
from bot.parts import intent_versions
from finetune.intent import Finetuned
from finetune.lineage import SEEN, dialogue_hash, held_out, read_seen, users_in, write_seen
from finetune.logs import Dialogue, Message, read_logs
from finetune.registry import Registry
from storage.models import Status, list_runs, runs_with_user
from storage.principal import Principal, Role
from storage.publish import write_manifest
from storage.secret import load_secret
from tests.finetune.conftest import made_up_dialogues, write_log
from tests.fixtures import Run

ENGINEER = Principal("ada", Role.ENGINEER)


@pytest.fixture(scope="session")
def good(small_model: Finetuned, small_log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, which says what it was trained on."""
    folder = tmp_path_factory.mktemp("good") / "good"
    shutil.copytree(small_model.model_dir, folder)
    write_seen(folder, read_logs([small_log]).dialogues)
    write_manifest(folder, KIND, {"metrics": small_model.metrics})
    return folder


@pytest.fixture(scope="session")
def poor(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that takes labels for others."""
    folder = tmp_path_factory.mktemp("poor") / "poor"
    shutil.copytree(good, folder)
    settings = IntentSettings.load(folder)
    dataclasses.replace(settings, labels=(*settings.labels[1:], settings.labels[0])).save(folder)
    write_manifest(folder, KIND, {"metrics": {"macro_f1": 0.1}})
    return folder


@pytest.fixture(scope="session")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dialogues of later days."""
    return write_log(tmp_path_factory.mktemp("later") / "later.jsonl", made_up_dialogues(80, seed=55))


def models(run: Run, shop: Path) -> list[dict[str, Any]]:
    status, out, err = run("models", "list", "--shop", shop, "--json")
    assert status == 0, err
    found: list[dict[str, Any]] = json.loads(out)["models"]
    return found


def test_from_a_poor_model_to_a_good_one_and_back(
    run: Run, tmp_path: Path, good: Path, poor: Path, later: Path
) -> None:
    assert models(run, tmp_path) == []
    assert "finetune intent" in run("models", "list", "--shop", tmp_path)[1]

    status, out, err = run("models", "promote", "intent", poor, "--shop", tmp_path, "--logs", later)
    assert (status, out) == (3, "")
    assert "macro-F1" in err
    assert len(err.splitlines()) == 1
    assert intent_versions(tmp_path).current() is None
    (line,) = models(run, tmp_path)
    assert (line["status"], line["current"], line["version"]) == ("refused", False, None)

    status, out, err = run(
        "models", "promote", "intent", poor, "--shop", tmp_path, "--logs", later, "--force", "--json"
    )
    assert status == 0, err
    forced = json.loads(out)
    assert (forced["version"], forced["parent"], forced["forced"]) == ("poor", None, True)
    assert not forced["verdict"]["passed"]
    (line,) = models(run, tmp_path)
    assert (line["status"], line["current"], line["version"], line["forced"]) == ("promoted", True, "poor", True)

    status, out, err = run("models", "promote", "intent", good, "--shop", tmp_path, "--logs", later, "--json")
    assert status == 0, err
    promoted = json.loads(out)
    assert (promoted["version"], promoted["parent"], promoted["forced"]) == ("good", "poor", False)
    assert promoted["verdict"]["difference"]["low"] > 0
    assert intent_versions(tmp_path).pointer() == "good"
    lines = {line["version"]: line for line in models(run, tmp_path)}
    assert {name: line["status"] for name, line in lines.items()} == {"good": "promoted", "poor": "retired"}
    assert lines["good"]["macro_f1"] == pytest.approx(
        json.loads((good / "manifest.json").read_text())["meta"]["metrics"]["macro_f1"]
    )
    assert lines["poor"]["macro_f1"] == 0.1
    text = run("models", "list", "intent", "--shop", tmp_path)[1]
    assert [line[:8] for line in text.splitlines() if line.startswith("*")] == ["* intent"]

    status, _, err = run("models", "promote", "intent", "good", "--shop", tmp_path, "--logs", later)
    assert status == 1
    assert "serves already" in err

    status, out, err = run("models", "rollback", "intent", "--shop", tmp_path)
    assert status == 0, err
    assert "poor" in out
    assert "good" in out
    assert intent_versions(tmp_path).pointer() == "poor"
    assert {line["version"]: line["status"] for line in models(run, tmp_path)} == {
        "good": "retired",
        "poor": "promoted",
    }
    status, _, err = run("models", "rollback", "intent", "--shop", tmp_path)
    assert status == 1
    assert "before poor" in err
    status, out, err = run("models", "promote", "intent", "good", "--shop", tmp_path, "--logs", later, "--json")
    assert status == 0, err
    assert json.loads(out)["version"] == "good"


def test_what_cannot_be_judged_or_found_is_said_on_a_line(
    run: Run, tmp_path: Path, good: Path, small_model: Finetuned, small_log: Path, later: Path
) -> None:
    cases: list[tuple[tuple[object, ...], int, str]] = [
        (("promote", "intent", good), 2, "--logs"),
        (("promote", "weather", good, "--logs", later), 1, "Known are: intent"),
        (("rollback", "weather"), 1, "Known are: intent"),
        (("list", "weather"), 1, "Known are: intent"),
        (("rollback", "intent"), 1, "No intent model serves"),
        (("promote", "intent", "no-such-version", "--logs", later), 1, "no-such-version"),
        (("promote", "intent", good, "--logs", small_log), 2, "were left out"),
        (("promote", "intent", good, "--logs", tmp_path / "missing.jsonl"), 2, "missing.jsonl"),
        (("promote", "intent", small_model.model_dir, "--logs", later), 2, "--force"),
    ]
    for arguments, expected, words in cases:
        if words == "--force" and (small_model.model_dir / SEEN).is_file():
            continue
        status, out, err = run("models", *arguments, "--shop", tmp_path)
        assert (status, out) == (expected, ""), (arguments, err)
        assert words in err
        assert len(err.splitlines()) == 1, err
    assert intent_versions(tmp_path).pointer() is None


def test_not_even_force_promotes_a_broken_one(run: Run, tmp_path: Path, good: Path) -> None:
    for name, break_it in (("flipped", _flip), ("mislabelled", _mislabel)):
        folder = tmp_path / name
        shutil.copytree(good, folder)
        break_it(folder)
        status, _, err = run("models", "promote", "intent", folder, "--shop", tmp_path / "shop", "--force")
        assert status == 1, err
    assert intent_versions(tmp_path / "shop").current() is None


def _flip(folder: Path) -> None:
    weights = max((folder / "latin").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)


def _mislabel(folder: Path) -> None:
    settings = IntentSettings.load(folder)
    dataclasses.replace(settings, labels=settings.labels[:-1]).save(folder)
    write_manifest(folder, KIND, {})


class TestFinetune:
    """`finetune intent` registers, and with `--promote` goes through the gate."""

    def test_a_run_is_registered_with_its_people_and_promoted(
        self, run: Run, tmp_path: Path, later: Path, encoder_cache: Path
    ) -> None:
        shop, output = tmp_path / "shop", tmp_path / "run"
        (shop / "models").mkdir(parents=True)
        (shop / "models" / "encoder").symlink_to(encoder_cache)
        rows = [row | {"user_id": f"user-{number % 7}"} for number, row in enumerate(made_up_dialogues(90, seed=1))]
        log = write_log(tmp_path / "log.jsonl", rows)
        options = ("--logs", log, "--shop", shop, "--output", output, "--method", "head", "--epochs", 6)
        status, out, err = run("finetune", "intent", *options, "--promote", "--held-out", later, "--json")
        assert status == 0, err
        assert set(json.loads(out)) == {"model_dir", "seconds", "metrics"}
        assert intent_versions(shop).pointer() == "run"
        assert IntentModel.load(shop / "models" / "intent" / "run").labels
        assert "user-3" not in "".join(path.read_text(errors="replace") for path in output.rglob("*") if path.is_file())
        with launch.opened(shop) as database:
            (found,) = list_runs(database, ENGINEER)
            assert (found.status, found.folder, found.version) == (Status.PROMOTED, output, "run")
            assert found.data_hashes[str(log)]
            assert found.base_hashes["latin"]
            assert found.metrics["macro_f1"] == json.loads(out)["metrics"]["macro_f1"]
            secret = load_secret(shop)
            assert [each.run_id for each in runs_with_user(database, ENGINEER, "user-3", secret)] == [found.run_id]
            assert runs_with_user(database, ENGINEER, "user-9", secret) == []
            folders = Registry(shop, database, ENGINEER).folders_with_user("user-3")
        assert folders == [output, shop / "models" / "intent" / "run"]
        status, _, err = run("finetune", "intent", *options)
        assert status == 1, "the folder is taken"
        assert models(run, shop)[0]["status"] == "promoted", "and its run stays what it was"

    def test_a_run_that_fails_leaves_no_row(self, run: Run, tmp_path: Path) -> None:
        log = write_log(tmp_path / "log.jsonl", [])
        status, _, err = run("finetune", "intent", "--logs", log, "--shop", tmp_path, "--output", tmp_path / "run")
        assert status == 2, err
        assert models(run, tmp_path) == []


class TestLineage:
    """What a model has seen."""

    def test_a_dialogue_is_known_by_what_its_user_says(self) -> None:
        def said(*texts: str, answer: str = "Sure.", **more: str) -> Dialogue:
            turns = [Message("user", text) for text in texts]
            return Dialogue("x", (turns[0], Message("assistant", answer), *turns[1:]), **more)

        known = dialogue_hash(said("Show me a tent", "under $100"))
        assert known == dialogue_hash(said("  show ME a\ttent ", "under $250", answer="Certainly!", split="test"))
        assert known != dialogue_hash(said("show me a tent"))
        assert known != dialogue_hash(said("show me a tent under $100"))
        assert len(known) == 16

    def test_what_either_model_has_seen_is_left_out(self, tmp_path: Path) -> None:
        dialogues = [Dialogue(str(n), (Message("user", text),)) for n, text in enumerate("abcd")]
        for name, part in (("one", dialogues[:1]), ("two", dialogues[1:2])):
            (tmp_path / name).mkdir()
            write_seen(tmp_path / name, part)
        (tmp_path / "old").mkdir()
        seen = [read_seen(tmp_path / name) for name in ("one", "two", "old")]
        assert seen[2] is None
        found = held_out(dialogues, seen)
        assert ([each.id for each in found.dialogues], found.left_out) == (["2", "3"], 2)

    def test_everybody_in_the_logs_is_found(self, tmp_path: Path) -> None:
        users: list[object] = ["maya", 7, None, True, "maya", ["x"]]
        rows: list[object] = [{"user_id": user, "messages": []} for user in users]
        log = write_log(tmp_path / "log.jsonl", [*rows, "not json", "[1]"])
        table = tmp_path / "log.csv"
        table.write_text("text,label\nhi,greet\n")
        assert users_in([log, table]) == {"maya", "7"}
