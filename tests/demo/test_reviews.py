from __future__ import annotations

import re
import tomllib
from pathlib import Path

from bot.evidence import sentences_of
from demo.vocabulary import DEPARTMENTS
from demo.wording import words_of
from storage.reviews import read_review
from tests.demo.written import Written, rows_of

QUESTIONS = Path("benchmarks/demo_queries/product_questions.toml")


def test_reviews_are_of_products_and_in_their_language(shop: Written) -> None:
    languages = {row["id"]: row["language"] for row in shop.catalog}
    reviews = rows_of(shop.files.reviews)
    assert len(reviews) > len(shop.catalog)
    assert len({row["review_id"] for row in reviews}) == len(reviews)
    for row in reviews:
        review, dropped = read_review(row)
        assert dropped == ()
        assert languages[review.product_id] == review.language
        assert bool(re.search(r"[一-鿿]", review.text)) == (review.language == "zh")
        assert sentences_of(review.text)  # something of it can be quoted


def test_customers_do_not_all_agree(shop: Written) -> None:
    ratings: dict[str, list[int]] = {}
    for row in rows_of(shop.files.reviews):
        ratings.setdefault(row["product_id"], []).append(row["rating"])
    assert any(max(each) - min(each) >= 3 for each in ratings.values())


def test_every_aspect_is_spoken_of_and_asked_about_in_both_languages() -> None:
    aspects = words_of("reviews")["aspects"]
    questions = tomllib.loads(QUESTIONS.read_text(encoding="utf-8"))
    assert set(questions) == {*aspects, "absent"}
    for name, aspect in aspects.items():
        assert set(aspect["in"]) <= set(DEPARTMENTS), name
        for tone in ("good", "bad"):
            assert len(aspect[tone]["en"]) >= 3
            assert len(aspect[tone]["zh"]) >= 3
