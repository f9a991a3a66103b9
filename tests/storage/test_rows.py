from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from storage import rows
from storage.errors import InvalidInput, TooManyRejected
from storage.rows import Rejects, RowProblem, not_utf8, open_text, read_jsonl, rejected_file, shown

DIRTY = (
    b"\xef\xbb\xbf"
    + '{"id": "1", "title": "电饭煲 👟"}\r\n'.encode()
    + b"\n   \n"
    + b'{"id": "2", "title": "caf\xe9"}\n'
    + b'{"id": "3", "title": \n'
    + b'[1, 2]\n"text"\nnull\n'
    + b'{"price": NaN}\n'
    + b'{"id": "4"}{"id": "5"}\n'
    + b"[" * 100_000
    + b"\n"
    + b"\x00\x01\n"
    + b'{"id": "last"}'
)


def test_bad_lines_are_problems_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "dirty.jsonl"
    path.write_bytes(DIRTY)
    read = list(read_jsonl(path))
    good = {line: row for line, row in read if isinstance(row, dict)}
    bad = {line: row.reason for line, row in read if isinstance(row, RowProblem)}
    assert good == {1: {"id": "1", "title": "电饭煲 👟"}, 13: {"id": "last"}}
    assert sorted(bad) == [4, 5, 6, 7, 8, 9, 10, 11, 12]
    assert "UTF-8" in bad[4]
    assert "NaN" in bad[9]
    assert bad[6] == "not an object but list"


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.jsonl"])
def test_packed_files_are_known_by_their_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(DIRTY))
    plain = tmp_path / "plain"
    plain.write_bytes(DIRTY)
    assert list(read_jsonl(path)) == list(read_jsonl(plain))
    with open_text(path) as stream:
        assert stream.readline().startswith('{"id": "1"')


def test_a_packed_file_that_breaks_off_is_a_problem_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    packed = gzip.compress(b"".join(b'{"id": %d}\n' % number for number in range(50_000)))
    path.write_bytes(packed[: len(packed) // 2])
    read = list(read_jsonl(path))
    assert len(read) > 1000
    assert all(isinstance(row, dict) for _, row in read[:-1])
    problem = read[-1][1]
    assert isinstance(problem, RowProblem)
    assert "broken" in problem.reason


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LONGEST_LINE", 1000)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"id": "1"}\n{"id": "' + b"x" * 5000 + b'"}\n{"id": "3"}\n')
    read = dict(read_jsonl(path))
    assert (read[1], read[3]) == ({"id": "1"}, {"id": "3"})
    assert isinstance(read[2], RowProblem)
    assert len(read[2].raw) <= 2000


def test_a_packed_file_that_breaks_off_inside_a_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LONGEST_LINE", 1000)
    noise = random.Random(1).randbytes(100_000).hex().encode()
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": "1"}\n"' + noise)[:-20_000])
    read = [row for _, row in read_jsonl(path)]
    assert read[0] == {"id": "1"}
    assert [row.reason.split(":")[0] for row in read[1:] if isinstance(row, RowProblem)] == [
        "the line is longer than 1000 bytes",
        "the packed file is broken here",
    ]


@pytest.mark.parametrize("damage", [lambda packed: packed[:-9], lambda packed: packed[:10] + b"\xff" * 9 + packed[19:]])
def test_packed_text_that_is_broken_says_so(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(damage(gzip.compress(b"id,title\n" * 10_000)))
    with pytest.raises(InvalidInput, match=r"rows\.csv\.gz") as found, open_text(path) as stream:
        stream.read()
    assert "pack it again" in found.value.hint


def test_bytes_that_are_not_utf8_are_known_from_the_replacement_character(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("好\ufffd,".encode() + "电".encode("gbk"))
    with open_text(path) as stream:
        good, bad = stream.read().split(",")
    assert (not_utf8(good), not_utf8(bad)) == (False, True)
    assert shown(bad) == "\\xb5\\xe7"


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert list(read_jsonl(tmp_path / "empty")) == []


def test_what_cannot_be_opened_says_so(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InvalidInput) as found:
            list(read_jsonl(path))
        assert found.value.hint


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_at_all_are_read_without_an_error(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "any"
    path.write_bytes(b"x" + b"\n".join(lines))
    read = list(read_jsonl(path))
    assert len(read) == sum(bool(line.strip()) for line in path.read_bytes().split(b"\n"))


class TestRejects:
    def test_none_is_lost(self, tmp_path: Path) -> None:
        rejects = Rejects()
        rejects.add(9, "no title", {"id": "9", "名": "\ud800"})
        rejects.add_problem(RowProblem(2, "not JSON", "{"))
        rejects.add(11, "no title", None)
        path = tmp_path / "deep" / "rejected.jsonl"
        rejects.write(path)
        written = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert [(row["line"], row["reason"]) for row in written] == [(2, "not JSON"), (9, "no title"), (11, "no title")]
        assert rejects.count == 3
        assert rejects.by_reason == {"no title": 2, "not JSON": 1}

    @pytest.mark.parametrize(
        ("bad", "total", "allowed", "stops"),
        [
            (10, 10, 0.01, False),
            (11, 1099, 0.01, True),
            (11, 1100, 0.01, False),
            (11, 11, 1.0, False),
            (11, 10**6, 0, True),
        ],
    )
    def test_too_many_stop_the_run(self, bad: int, total: int, allowed: float, stops: bool) -> None:
        rejects = Rejects([RowProblem(number, "no title", None) for number in range(bad)])
        if not stops:
            rejects.check(total, allowed)
            return
        with pytest.raises(TooManyRejected, match="no title") as found:
            rejects.check(total, allowed)
        assert found.value.exit_code == 3

    def test_a_row_that_json_cannot_write_keeps_its_line_and_reason(self, tmp_path: Path) -> None:
        deep: list[object] = []
        for _ in range(5_000):
            deep = [deep]
        rejects = Rejects([RowProblem(1, "too deep", deep), RowProblem(2, "odd key", {(1, 2): 3})])
        rejects.write(tmp_path / "rejected.jsonl")
        written = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text("utf-8").splitlines()]
        assert [(row["line"], row["reason"]) for row in written] == [(1, "too deep"), (2, "odd key")]

    def test_two_runs_in_one_second_do_not_share_a_file(self, tmp_path: Path) -> None:
        paths = set()
        for _ in range(3):
            path = rejected_file(tmp_path, "events")
            Rejects([RowProblem(1, "x", None)]).write(path)
            paths.add(path)
        assert len(paths) == 3
        assert all(path.parent == tmp_path / "rejected" and path.name.startswith("events-") for path in paths)
