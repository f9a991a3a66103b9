from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finetune import record
from finetune.record import FILE, RunRecord, size_of, software_versions, source_commit
from storage.errors import Damaged, NotFound
from tests.finetune.records import small_record


def test_a_record_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    saved = small_record()
    saved.save(tmp_path)
    assert RunRecord.load(tmp_path) == saved


def test_the_file_is_plain_json_with_the_contracts_names(tmp_path: Path) -> None:
    small_record().save(tmp_path)
    values = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    expected = """metrics per_label confusion reliability out_of_scope errors latency kind labels data configuration seeds
        size_bytes seconds noise curves suspects unlabeled search parent commit versions created_at""".split()
    assert set(values) == set(expected)
    assert values["per_label"]["search"] == {"precision": 0.9, "recall": 0.8, "f1": 0.847, "support": 10}
    assert values["curves"]["latin"]["losses"][0] == [1, 1.5]


def test_text_that_no_file_keeps_is_mended_on_the_way_out(tmp_path: Path) -> None:
    small_record(parent="v\ud8001").save(tmp_path)
    assert RunRecord.load(tmp_path).parent == "v?1"


def test_a_figure_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        small_record(seconds=float("nan")).save(tmp_path)
    assert not (tmp_path / FILE).exists()


def test_a_folder_without_one_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=FILE):
        RunRecord.load(tmp_path)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[:100], "JSON"),
        (lambda text: "[]", "should be an object"),
        (lambda text: text.replace('"kind": "intent"', '"kind": "ranker"'), "kind"),
        (lambda text: text.replace('"size_bytes": 34000000', '"size_bytes": "big"'), "size_bytes"),
        (lambda text: text.replace('"threshold"', '"treshold"'), r"out_of_scope\.latin\.threshold"),
    ],
)
def test_a_damaged_file_is_named_with_the_field(damage: Any, says: str, tmp_path: Path) -> None:
    small_record().save(tmp_path)
    path = tmp_path / FILE
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(Damaged, match=says) as caught:
        RunRecord.load(tmp_path)
    assert str(path) in caught.value.message


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_commit_is_that_of_the_source_and_of_no_other_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "finetune" / "record.py"
    source.parent.mkdir()
    source.write_text("pass\n")
    monkeypatch.setattr(record, "__file__", str(source))
    assert source_commit() is None  # no checkout
    git(tmp_path, "init", "-q")
    (tmp_path / "other.txt").write_text("x")
    git(tmp_path, "add", "other.txt")
    git(tmp_path, "commit", "-q", "-m", "other")
    assert source_commit() is None  # another project's, which only contains the folder
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "source")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert source_commit() == commit
    (tmp_path / "other.txt").write_text("changed")
    assert source_commit() == f"{commit}-dirty"
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    assert source_commit() is None


def test_versions_are_those_installed() -> None:
    found = software_versions()
    assert list(found) == ["aisle", "torch", "transformers", "openvino", "python"]
    assert found["python"] == sys.version.split()[0]
    assert found["torch"].startswith("2.")


def test_size_is_that_of_all_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"12345")
    (tmp_path / "a" / "b" / "two").write_bytes(b"123")
    assert size_of(tmp_path) == 8
