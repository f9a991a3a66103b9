"""Models for tests: the real ones. Encoders are exported once, into `var/test-cache` under a hash of the code that exports."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import launch
from bot.intent import IntentModel
from index import encoders, export, pretrained, transformer
from index.encoders import Encoder, encoder_for

REPOSITORY = Path(__file__).resolve().parent.parent
Run = Callable[..., tuple[int, str, str]]

SOAK = bool(os.environ.get("AISLE_SOAK"))
"""Whether trials of endurance run at their full length (`make soak`) instead of the bounded one of every test run."""


@pytest.fixture(scope="session")
def encoder_cache() -> Path:
    """The folder that `encoder_for` exports into; a change of the exporting code starts a fresh one."""
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in (encoders, export, pretrained, transformer))
    return REPOSITORY / "var" / "test-cache" / hashlib.sha256(code).hexdigest()[:16]


@pytest.fixture(scope="session")
def latin_encoder(encoder_cache: Path) -> Encoder:
    """MiniLM."""
    return encoder_for("latin", encoder_cache)


@pytest.fixture(scope="session")
def han_encoder(encoder_cache: Path) -> Encoder:
    """The multilingual e5."""
    return encoder_for("han", encoder_cache)


@pytest.fixture(scope="session")
def encoders_by_space(latin_encoder: Encoder, han_encoder: Encoder) -> Mapping[str, Encoder]:
    """Both, by space, as `SearchEngine` and `build_index` take them."""
    return {"latin": latin_encoder, "han": han_encoder}


@pytest.fixture(scope="session")
def demo_model_folder(tmp_path_factory: pytest.TempPathFactory, encoder_cache: Path) -> Path:
    """The folder of the intent model that ships with the demo shop."""
    from finetune.export import assemble

    compact = REPOSITORY / "demo" / "model" / "intent"
    return assemble(compact, tmp_path_factory.mktemp("intent") / "model", encoder_cache)


@pytest.fixture(scope="session")
def demo_model(demo_model_folder: Path) -> IntentModel:
    """The intent model that ships with the demo shop."""
    return IntentModel.load(demo_model_folder)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: `run("doctor", "--shop", shop)` is (exit status, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["launch.py", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            launch.run()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call
