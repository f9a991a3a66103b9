"""Lines of one person are taken out of files, those of others stay byte for byte."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from storage.traces import Trace, holds, remove_traces

ME = "maya-4711"
MINE: list[object] = [
    {"user_id": ME, "event": "view_item"},
    {"line": 3, "reason": "not a date", "row": {"user_id": ME, "timestamp": "tomorrow"}},
    {"line": 4, "reason": "not JSON", "row": f'{{"user_id": "{ME}", broken'},
    {"dialogue_id": "d1", "messages": [{"role": "user", "content": "hi", "meta": {"user_id": ME}}]},
]
OTHERS: list[object] = [
    {"user_id": f"{ME}0", "event": "view_item"},
    {"user_id": f"x-{ME}", "event": "view_item"},
    {"user_id": "bob", "note": "nothing"},
]


def lines(rows: Sequence[object]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def mixed() -> bytes:
    return lines([OTHERS[0], *MINE[:2], OTHERS[1], *MINE[2:], OTHERS[2]])


def test_only_their_lines_go(tmp_path: Path) -> None:
    path = tmp_path / "rejected.jsonl"
    path.write_bytes(mixed())
    path.chmod(0o640)
    assert remove_traces([path], ME) == [Trace(path, len(MINE), left=True)], "others' ids hold the letters"
    assert path.read_bytes() == lines(OTHERS)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["rejected.jsonl"], "nothing is left beside it"


def test_a_packed_file_stays_packed(tmp_path: Path) -> None:
    path = tmp_path / "dialogues.jsonl.gz"
    path.write_bytes(gzip.compress(lines(MINE) + lines(OTHERS[2:])))
    assert remove_traces([path], ME) == [Trace(path, len(MINE), left=False)]
    assert gzip.decompress(path.read_bytes()) == lines(OTHERS[2:])


@pytest.mark.parametrize("user_id", ["7", "玛雅-一", 'quo"te', "a.b*c+"])
def test_ids_of_all_kinds(tmp_path: Path, user_id: str) -> None:
    path = tmp_path / "events.jsonl"
    other: dict[str, object] = {"user_id": "17", "quantity": 7, "note": "a.bbc+"}
    number: object = int(user_id) if user_id.isdigit() else user_id
    for spelled in (True, False):
        mine = json.dumps({"user_id": number}, ensure_ascii=spelled).encode() + b"\n"
        path.write_bytes(mine + lines([other]))
        assert remove_traces([path], user_id) == [Trace(path, 1, left=False)]
        assert path.read_bytes() == lines([other])


def test_a_report_loses_the_line_that_names_them(tmp_path: Path) -> None:
    path = tmp_path / "events.report.txt"
    path.write_text(f"bots       2 users\n           {ME}: 900 acts in one hour\n           bob: 400 acts\n")
    assert remove_traces([path], ME) == [Trace(path, 1, left=False)]
    assert path.read_text() == "bots       2 users\n           bob: 400 acts\n"


def test_what_is_no_list_of_rows_is_named_and_left(tmp_path: Path) -> None:
    table = tmp_path / "audience.csv"
    table.write_text(f"user_id,reason\n{ME},quiet\n")
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(lines(MINE) * 2000)[:-20])
    clean = tmp_path / "notes.md"
    clean.write_text("nothing here")
    found = remove_traces([table, cut, clean, tmp_path / "gone.jsonl"], ME)
    assert Trace(table, 0, left=True) in found
    assert clean not in {trace.path for trace in found}
    assert table.read_text() == f"user_id,reason\n{ME},quiet\n"
    assert gzip.compress(lines(MINE) * 2000)[:-20] == cut.read_bytes(), "a file that breaks off stays as it is"


def test_a_text_over_the_edge_of_a_block_is_found(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(b"." * (2**20 - 4) + ME.encode() + b"." * 9)
    assert holds(path, ME)
    assert not holds(path, "maya-4712")
