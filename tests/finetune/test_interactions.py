"""The reading of interactions: any order, any clock, dirt kept with its reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from finetune.interactions import Interactions, interactions_of, read_interactions
from storage.errors import InvalidInput

HEADER = "user_id,item_id,timestamp\n"
NOW = 1_780_000_000_000  # in 2026


def read(folder: Path, rows: str, header: str = HEADER) -> Interactions:
    path = folder / "interactions.csv"
    path.write_text(header + rows, encoding="utf-8")
    return read_interactions(path, NOW)


def spelled(found: Interactions) -> dict[str, list[str]]:
    return {
        user: [found.items[item] for item in found.histories[number].tolist()]
        for number, user in enumerate(found.users)
    }


def test_rows_are_ordered_by_shopper_and_time(tmp_path: Path) -> None:
    found = read(tmp_path, "ann,b,2\nbob,x,5\nann,a,1\nann,c,2\nbob,y,3\n")
    assert spelled(found) == {"ann": ["a", "b", "c"], "bob": ["y", "x"]}, "rows of one moment stay in the file's order"


def test_a_clock_may_be_places_milliseconds_or_iso(tmp_path: Path) -> None:
    found = read(tmp_path, "ann,b,2026-01-02T00:00:00Z\nann,a,2026-01-01\nbob,y,1767312000000\nbob,x,7\n")
    assert spelled(found) == {"ann": ["a", "b"], "bob": ["x", "y"]}


def test_bad_rows_are_kept_with_line_and_reason(tmp_path: Path) -> None:
    found = read(tmp_path, "ann,a,1\n,a,2\nann,,3\nann,b,\nann,b,soon\nann,b,2030-01-01\nann,b,2\nann,\x07,3\n")
    assert spelled(found) == {"ann": ["a", "b"]}
    assert [(each.line, each.reason.split(":")[0]) for each in found.problems] == [
        (3, "user_id"),
        (4, "item_id"),
        (5, "timestamp"),
        (6, "timestamp"),
        (7, "timestamp"),
        (9, "item_id"),
    ]
    assert found.rows == 8


def test_a_repeated_row_counts_once_and_a_second_visit_twice(tmp_path: Path) -> None:
    found = read(tmp_path, "ann,a,1\nann,a,1\nann,a,2\n")
    assert spelled(found) == {"ann": ["a", "a"]}
    assert found.repeated == 1


def test_packed_files_and_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "interactions.csv.gz"
    path.write_bytes(gzip.compress(b"timestamp,item_id,user_id,more\n1,a,ann,x\n"))
    assert spelled(read_interactions(path, NOW)) == {"ann": ["a"]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "interaction"),
        (b"user_id,item_id\nann,a\n", "timestamp"),
        (b"user_id,item_id,timestamp\n", "no interaction"),
        (b"user_id,item_id,timestamp\n,,\n", "no interaction"),
    ],
)
def test_a_file_without_interactions_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "interactions.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=says):
        read_interactions(path, NOW)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        read_interactions(tmp_path / "no.csv", NOW)


def test_of_events_an_item_turned_to_on_end_counts_once() -> None:
    rows = [("ann", "a", 1), ("ann", "a", 2), ("ann", "b", 3), ("ann", "a", 4), ("bob", "a", 5)]
    assert spelled(interactions_of(rows)) == {"ann": ["a", "b", "a"], "bob": ["a"]}
    assert len(interactions_of([]).histories) == 0
