"""The folder that a run writes: all or nothing, of this run alone, and what fails in it keeps its name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import launch
from finetune.export import REJECTED, complete_folder
from storage.errors import Conflict, InvalidInput, Unavailable
from tests.finetune.conftest import write_log

# A real export under a limit that its first file of weights exceeds.
PROGRAM = """
import resource, signal, sys
from pathlib import Path
from finetune.export import complete_folder, write_encoder
from finetune.language_model import write_base
from finetune.network import build_network, load_base

output, base = Path(sys.argv[1]), load_base("latin", None)
network = build_network(base, 2, "head")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
for write in (lambda folder: write_encoder(network, base, "latin", folder, None), lambda folder: write_base(base, folder)):
    try:
        with complete_folder(output) as folder:
            write(folder)
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_a_disk_that_is_full_at_the_export_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = f"Unavailable {tmp_path / 'model'} cannot be written: the disk is full, or takes no file of that size."
    assert [line[: len(said)] for line in done.stdout.splitlines()] == [said, said]
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_training_keeps_its_own_words(tmp_path: Path) -> None:
    error = PermissionError(13, "Permission denied", "/base/model.safetensors")
    with pytest.raises(PermissionError, match="/base/model") as caught, complete_folder(tmp_path / "x"):
        raise error
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Unavailable, match="cannot be written: Not a directory"),
        complete_folder(tmp_path / "file" / "x"),
    ):
        pass


def test_rows_that_an_earlier_run_rejected_are_not_of_this_model(tmp_path: Path) -> None:
    output = tmp_path / "x"
    output.mkdir()
    (output / REJECTED).write_text("of the earlier run")
    with complete_folder(output) as folder:
        (folder / "weights").touch()
    assert [each.name for each in output.iterdir()] == ["weights"]
    with pytest.raises(Conflict, match="not empty"), complete_folder(output):
        pass
    with complete_folder(tmp_path / "y"):
        (tmp_path / "y").mkdir()
        (tmp_path / "y" / REJECTED).write_text("of this run")
    assert (tmp_path / "y" / REJECTED).read_text() == "of this run"


@pytest.mark.parametrize("command", [("intent", "--logs"), ("language-model", "--texts")])
@pytest.mark.parametrize("output", [".", "..", "/"])
def test_an_output_without_a_name_is_refused(
    command: tuple[str, str],
    output: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(InvalidInput, match="cannot become a model folder"), complete_folder(Path(output)):
        pass
    log = write_log(tmp_path / "log.jsonl", [])
    options = [*command, log, "--output", output, "--shop", tmp_path / "shop"]
    monkeypatch.setattr("sys.argv", ["launch.py", "finetune", *map(str, options)])
    with pytest.raises(SystemExit) as stopped:
        launch.run()
    assert stopped.value.code == 2
    assert "Give --output a new folder" in capsys.readouterr().err
