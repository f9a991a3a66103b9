"""Files of reviews, dirt included."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from index.review_file import REPLACED, load_reviews
from storage.database import Database
from storage.errors import InvalidInput, TooManyRejected
from storage.principal import local_operator
from storage.reviews import reviews_of


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database.connect(sqlite_url)
    yield opened
    opened.close()


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {"review_id": f"r{number}", "product_id": f"p{number % 3}", "rating": 4, "text": f"Good, {number}."} | fields


def written(path: Path, *lines: Any) -> Path:
    text = "".join((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_loading_twice_changes_nothing(database: Database, tmp_path: Path) -> None:
    path, rejected = written(tmp_path / "reviews.jsonl.gz", *map(row, range(9))), tmp_path / "rejected.jsonl"
    told: list[tuple[str, int, int]] = []
    loaded = load_reviews(
        database, local_operator(), path, rejected, 0.01, lambda _: True, lambda *step: told.append(step)
    )
    assert (loaded.read, loaded.accepted, loaded.rejected, loaded.unknown_products) == (9, 9, 0, 0)
    assert told == [("loading reviews", 9, 9)]
    before = reviews_of(database, ["p0", "p1", "p2"], 99)
    assert load_reviews(database, local_operator(), path, rejected, 0.01, None) == type(loaded)(
        9, 9, 0, 0, 0, None, None
    )
    assert reviews_of(database, ["p0", "p1", "p2"], 99) == before
    assert not rejected.exists()


def test_hostile_html_is_text_and_nothing_else(database: Database, tmp_path: Path) -> None:
    text = "Nice<script>alert(1)</script> &lt;img src=x onerror=alert(1)&gt; <a href='http://evil.example'>pot</a>"
    load_reviews(
        database,
        local_operator(),
        written(tmp_path / "r.jsonl", row(0, text=text, title="<b>Ok</b>")),
        tmp_path / "x",
        0.01,
    )
    (kept,) = reviews_of(database, ["p0"], 9)["p0"]
    assert (kept.title, kept.text) == ("Ok", "Nice pot")


def test_dirty_rows_are_kept_with_their_reason_and_the_last_of_an_id_wins(database: Database, tmp_path: Path) -> None:
    path = written(
        tmp_path / "r.jsonl",
        row(0, text="first"),
        "{broken",
        [1],
        row(1, text="<p></p>"),
        row(2, product_id=None),
        row(0, text="last", rating="many"),
        row(5, product_id="gone"),
    )
    loaded = load_reviews(
        database, local_operator(), path, tmp_path / "rejected.jsonl", 0.01, lambda id_: id_ != "gone"
    )
    assert (loaded.read, loaded.accepted, loaded.duplicates, loaded.rejected) == (7, 2, 1, 4)
    assert (loaded.dropped_fields, loaded.unknown_products) == (1, 1)
    reasons = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [each["line"] for each in reasons] == [1, 2, 3, 4, 5]
    assert reasons[0]["reason"] == REPLACED
    (kept,) = reviews_of(database, ["p0"], 9)["p0"]
    assert (kept.text, kept.rating) == ("last", None)


def test_nothing_of_a_bad_file_is_loaded(database: Database, tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", *map(row, range(20)), *["{"] * 11)
    with pytest.raises(TooManyRejected):
        load_reviews(database, local_operator(), path, tmp_path / "rejected.jsonl", 0.01)
    assert reviews_of(database, ["p0", "p1", "p2"], 99) == {}
    with pytest.raises(InvalidInput):
        load_reviews(database, local_operator(), tmp_path / "none.jsonl", tmp_path / "rejected.jsonl", 0.01)
