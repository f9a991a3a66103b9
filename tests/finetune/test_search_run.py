from __future__ import annotations

import json
from pathlib import Path

import pytest

import launch
from finetune.search_run import complete_run
from storage.errors import InvalidInput


def test_no_epochs_train_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="0 epochs"):
        complete_run(pytest.fail, tmp_path / "run", "retriever", 0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["retriever", "reranker"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--queries", "q.jsonl"], "two files"),
        ([], "no index"),
        (["--output", "."], "cannot become a model folder"),
    ],
)
def test_bad_calls_say_the_way_out(
    command: str,
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.jsonl").write_text(json.dumps({"query_id": "1", "text": "tent"}) + "\n")
    monkeypatch.setattr("sys.argv", ["launch.py", "finetune", command, "--shop", "empty", *arguments])
    with pytest.raises(SystemExit) as stopped:
        launch.run()
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err
