"""Who is in which folder: through a base model, a second run in one place, and a kill at any moment. Nothing is trained here."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import launch
from bot.intent import KIND, EncoderSettings, IntentSettings
from finetune import registry as registry_module
from finetune.export import REJECTED
from finetune.gate import Bootstrap, Verdict
from finetune.intent import Finetuned
from finetune.language_model import Pretraining
from finetune.registry import BASE_WEIGHTS, KINDS, Judged, Registry, own_labels
from finetune.texts import TextReading
from storage.database import Database
from storage.errors import NotFound
from storage.models import Status, list_runs
from storage.principal import Principal, Role
from storage.publish import Versions, write_manifest
from storage.settings import parse_settings
from tests.finetune.conftest import write_log

ENGINEER = Principal("ada", Role.ENGINEER)
WORDS = "language-model"


class Killed(BaseException):
    """Ends a process as abruptly as a signal would: nothing catches it."""


@pytest.fixture
def registry(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A shop's models, whose folders need not hold any."""
    plain = dataclasses.replace(
        KINDS["intent"],
        check=lambda folder: None,
        bases=lambda folder: {"latin": "f" * 64},
        labels=lambda folder: [],
    )
    monkeypatch.setitem(KINDS, "intent", plain)
    monkeypatch.setenv("AISLE_DATABASE_URL", sqlite_url)
    database = Database.open(sqlite_url)
    yield Registry(tmp_path / "shop", database, ENGINEER)
    database.close()


def write_model(folder: Path, kind: str = KIND, content: str = "weights") -> None:
    """A complete folder of either kind."""
    folder.mkdir(parents=True)
    (folder / BASE_WEIGHTS).write_text(content)
    write_manifest(folder, kind, {"metrics": {"macro_f1": 0.5}})


def train(registry: Registry, folder: Path, *users: str, base_model: Path | None = None, name: str = "intent") -> None:
    """A run that learns from the users."""
    with registry.run(name, folder, [], users, str(base_model) if base_model else None):
        write_model(folder, KIND if name == "intent" else name, content=folder.name)


class TestBases:
    def test_whoever_a_base_learned_from_is_in_what_was_made_of_it(self, registry: Registry, tmp_path: Path) -> None:
        words, more, moved = tmp_path / "words", tmp_path / "more", tmp_path / "moved"
        train(registry, words, "maya", name=WORDS)
        train(registry, more, "ben", base_model=words, name=WORDS)
        more.rename(moved)
        intent, other = tmp_path / "intent", tmp_path / "other"
        train(registry, intent, "cleo", base_model=moved)
        train(registry, other, "cleo")
        assert set(registry.folders_with_user("maya")) == {words, intent}
        assert registry.folders_with_user("ben") == [intent]
        assert set(registry.folders_with_user("cleo")) == {intent, other}

    def test_a_base_that_no_run_made_is_told(
        self, registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        write_model(tmp_path / "elsewhere", WORDS)
        train(registry, tmp_path / "intent", "cleo", base_model=tmp_path / "elsewhere")
        assert "whose texts are in it is not known" in caplog.text
        caplog.clear()
        train(registry, tmp_path / "hub", "cleo", base_model=Path("some/hub-id"))
        assert not caplog.text

    def test_the_commands_say_what_their_base_is(
        self, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        words = tmp_path / "words"
        train(registry, words, "maya", name=WORDS)

        def intent(logs: object, folder: Path, *given: object, **more: object) -> Finetuned:
            write_model(folder)
            return Finetuned(folder, 1.0, {})

        def language_model(reading: TextReading, folder: Path, **more: object) -> Pretraining:
            write_model(folder, WORDS)
            metrics: Any = {}
            return Pretraining(folder, 1.0, metrics)

        monkeypatch.setattr("finetune.intent.finetune_intent", intent)
        monkeypatch.setattr("finetune.language_model.finetune_language_model", language_model)
        log = write_log(tmp_path / "log.jsonl", [{"messages": [{"role": "user", "content": "hi"}]}])
        for command, option in (("intent", "--logs"), (WORDS, "--texts")):
            options = ["--base-model", words, "--output", tmp_path / command, "--shop", tmp_path / "shop"]
            monkeypatch.setattr("sys.argv", ["launch.py", "finetune", command, option, str(log), *map(str, options)])
            with pytest.raises(SystemExit) as stopped:
                launch.run()
            assert not stopped.value.code
        assert set(registry.folders_with_user("maya")) == {words, tmp_path / "intent", tmp_path / WORDS}


class TestSecondRuns:
    def test_what_was_published_keeps_its_people_when_its_folder_is_trained_into_again(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        folder, copy = tmp_path / "x", tmp_path / "shop" / "models" / "intent" / "x"
        train(registry, folder, "maya")
        registry.promote("intent", str(folder), force=True)
        shutil.rmtree(folder)
        train(registry, folder, "cleo")
        assert registry.folders_with_user("maya") == [copy]
        assert registry.folders_with_user("cleo") == [folder]
        lines = {line.folder: (line.version, line.status) for line in registry.models("intent")}
        assert lines == {copy: ("x", Status.PROMOTED), folder: (None, Status.TRAINED)}

    def test_a_run_that_fails_and_leaves_rows_is_called_so(self, registry: Registry, tmp_path: Path) -> None:
        folder = tmp_path / "x"

        def fail() -> None:
            with registry.run("intent", folder, [], ["maya"]):
                folder.mkdir()
                (folder / REJECTED).write_text("{}\n")
                raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            fail()
        assert [line.status for line in registry.models()] == [Status.FAILED]
        assert registry.folders_with_user("maya") == [folder], "they are somebody's rows"


@pytest.mark.parametrize("where", ["adopt", "mark_promoted"])
def test_a_kill_while_promoting_leaves_no_copy_of_nobody(
    where: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, copy = tmp_path / "x", tmp_path / "shop" / "models" / "intent" / "x"
    train(registry, folder, "maya")

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Versions if where == "adopt" else registry_module, where, kill)
        with pytest.raises(Killed):
            registry.promote("intent", str(folder), force=True)
    serves = where == "mark_promoted"
    assert registry.folders_with_user("maya") == ([folder, copy] if serves else [folder])
    [line] = registry.models()
    assert (line.version, line.current, line.status) == (
        ("x", True, Status.PROMOTED) if serves else (None, False, Status.TRAINED)
    )
    if not serves:
        assert registry.promote("intent", str(folder), force=True).version == "x"


class TestLabels:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A model with two labels of the shop's own."""
        folder = tmp_path / "x"
        encoder = EncoderSettings("minilm", "f" * 64, 1.0, "probability", 0.5)
        write_model(folder)
        IntentSettings(("search", 'gift "wrap"', "退货"), {"latin": encoder}).save(folder)
        write_manifest(folder, KIND, {})
        monkeypatch.setitem(KINDS, "intent", dataclasses.replace(KINDS["intent"], labels=own_labels, judge=judge))
        return folder

    def test_those_that_the_bot_cannot_act_on_are_told_with_the_lines_to_add(
        self,
        registry: Registry,
        folder: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        (tmp_path / "shop").mkdir()
        settings = tmp_path / "shop" / "shop.toml"
        settings.write_text('[intents]\n"退货" = "ask_policy"\n', encoding="utf-8")
        command = ["launch.py", "models", "promote", "intent", str(folder), "--force", "--shop", str(tmp_path / "shop")]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as stopped:
            launch.run()
        assert not stopped.value.code
        said = capsys.readouterr().err
        assert "退货" not in said
        assert "1 of its labels have no action" in said
        lines = [line for line in said.splitlines() if line.endswith('= "ACTION"')]
        more = "\n".join([settings.read_text(encoding="utf-8"), *lines]).replace("ACTION", "handoff")
        assert parse_settings(more).intents == {"退货": "ask_policy", 'gift "wrap"': "handoff"}

    def test_they_are_kept_beside_the_verdict_and_stop_nothing(self, registry: Registry, folder: Path) -> None:
        log = write_log(folder.parent / "log.jsonl", [])
        promotion = registry.promote("intent", str(folder), [log], actions={'gift "wrap"': "handoff"})
        assert promotion.unmapped == ("退货",)
        assert promotion.verdict
        assert promotion.verdict["unmapped"] == ["退货"]
        assert not promotion.forced


def judge(candidate: Path, incumbent: Path | None, logs: Sequence[Path], seed: int) -> Judged:
    """A gate that holds."""
    verdict = Verdict(
        passed=True,
        first=True,
        reasons=("Holds.",),
        turns=30,
        dialogues=10,
        macro_f1=(0.9, None),
        difference=Bootstrap(0.5, 0.4, 0.6, 1.0),
        labels={},
        labels_judged=0,
        ece=(0.0, None),
        p50_ms=(1.0, None),
    )
    return Judged(verdict, 0, incumbent_says=True)


def test_the_runs_of_base_models_are_listed_by_their_name(registry: Registry, tmp_path: Path) -> None:
    train(registry, tmp_path / "words", name=WORDS)
    train(registry, tmp_path / "intent")
    assert [line.folder for line in registry.models(WORDS)] == [tmp_path / "words"]
    assert [line.folder for line in registry.models("intent")] == [tmp_path / "intent"]
    assert len(registry.models()) == 2
    with pytest.raises(NotFound, match="no models of the name"):
        registry.models("oracle")
    with launch.opened(tmp_path / "shop") as database:
        assert {run.name: list(run.base_hashes) for run in list_runs(database, ENGINEER)} == {
            WORDS: [WORDS],
            "intent": ["latin"],
        }
