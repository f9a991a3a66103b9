"""Reviews, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from storage.database import Database
from storage.errors import Forbidden, InvalidInput
from storage.principal import Principal, Role
from storage.reviews import Review, put_reviews, read_review, reviews_of


def review(number: int, **fields: Any) -> Review:
    row = {
        "review_id": f"r{number}",
        "product_id": "p1",
        "text": f"Fine, {number}.",
        "timestamp": 1_767_323_045_000 + number,
    }
    return Review.model_validate(row | fields)


def test_they_are_read_back_whole_and_newest_first(database: Database, backend: Principal) -> None:
    new = [
        review(1, rating=4.5, title="好用", language="zh"),
        review(2),
        review(3, timestamp=None),
        review(4, product_id="p2"),
    ]
    assert put_reviews(database, backend, new) == 4
    assert reviews_of(database, ["p1", "p2", "p9"], 10) == {"p1": (new[1], new[0], new[2]), "p2": (new[3],)}
    assert reviews_of(database, ["p1"], 1) == {"p1": (new[1],)}
    assert reviews_of(database, [], 10) == {}


def test_a_review_written_again_replaces_the_earlier(database: Database, backend: Principal) -> None:
    put_reviews(database, backend, [review(1, rating=1)])
    assert put_reviews(database, backend, [review(1, rating=5), review(1, rating=4)]) == 1
    assert [each.rating for each in reviews_of(database, ["p1"], 9)["p1"]] == [4]
    assert put_reviews(database, backend, []) == 0


def test_personal_data_is_redacted_on_the_way_in(database: Database, backend: Principal) -> None:
    told = review(1, title="from a.b@c.example", text="Great. Call me: +49 170 1234567")
    put_reviews(database, backend, [told])
    (kept,) = reviews_of(database, ["p1"], 9)["p1"]
    assert (kept.title, kept.text) == ("from REDACTED_EMAIL", "Great. Call me: REDACTED_PHONE")


def test_only_the_shop_writes_them(database: Database) -> None:
    for role in set(Role) - {Role.SERVICE}:
        with pytest.raises(Forbidden):
            put_reviews(database, Principal("x", role), [review(1)])


def test_a_bad_optional_field_becomes_null_and_is_named() -> None:
    row = {
        "review_id": 7,
        "product_id": "p",
        "text": "Good",
        "rating": 11,
        "title": None,
        "timestamp": "soon",
        "more": 1,
    }
    found, dropped = read_review(row)
    assert (found.review_id, found.rating, found.title, found.timestamp) == ("7", None, "", None)
    assert dropped == ("rating", "timestamp")
    assert read_review(row | {"rating": True})[0].rating is None
    assert read_review(row | {"rating": "4", "timestamp": "2026-01-02"})[0].rating == 4


@pytest.mark.parametrize("fields", [{"text": ""}, {"text": " "}, {"text": None}, {"product_id": ""}, {"review_id": []}])
def test_a_bad_required_field_refuses_the_row(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="Send review_id, product_id and text"):
        read_review({"review_id": "r", "product_id": "p", "text": "Good"} | fields)
