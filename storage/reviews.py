"""What customers wrote about products. Public words, kept redacted and without who wrote them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field
from sqlalchemy import func, select

from storage.database import Database, in_chunks
from storage.errors import InvalidInput
from storage.principal import Principal, Role
from storage.record import Content, Id, Instant, Record, read_leniently
from storage.redaction import redact
from storage.tables import reviews

_REQUIRED = frozenset({"review_id", "product_id", "text"})
_HINT = "Send review_id, product_id and text."


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a rating is a number from 0 to 5")
    return value


class Review(Record):
    """One review. `rating` is from 0 to 5; `timestamp` is in milliseconds since 1970, UTC; ISO 8601 is read too."""

    model_config = ConfigDict(extra="ignore")

    review_id: Id
    product_id: Id
    rating: Annotated[float | None, Field(ge=0, le=5), BeforeValidator(_number)] = None
    title: Content = ""
    text: Annotated[Content, Field(min_length=1)]
    language: Annotated[Content | None, Field(max_length=40)] = None
    timestamp: Instant | None = None


def read_review(row: dict[str, Any]) -> tuple[Review, tuple[str, ...]]:
    """The review in a row, and the names of the optional fields that had to be dropped: `("rating",)`.

    Raises:
        InvalidInput: a required field (review_id, product_id, text) is missing or cannot be used.
    """
    # A missing title or date is null in most exports, which is no error.
    known = {name: value for name, value in row.items() if value is not None}
    review, dropped = read_leniently(Review, known, _REQUIRED, _HINT)
    if not review.text.strip():
        raise InvalidInput("text: it is empty.", _HINT)
    return review, dropped


def put_reviews(db: Database, principal: Principal, new: Sequence[Review]) -> int:
    """Keeps reviews durably, each in place of its earlier text and without personal data; returns how many.

    Raises:
        Forbidden: only the shop's backend reports reviews.
    """
    principal.require_role(Role.SERVICE)
    rows = {
        review.review_id: review.model_dump() | {"title": redact(review.title), "text": redact(review.text)}
        for review in new
    }
    with db.write(durable=True) as connection:
        if rows:
            connection.execute(db.upsert(reviews, keys=("review_id",)), list(rows.values()))
    return len(rows)


def reviews_of(db: Database, product_ids: Iterable[str], most: int) -> dict[str, tuple[Review, ...]]:
    """The reviews of some products by product, each at most the `most` newest; those without a date come last."""
    wanted = list(dict.fromkeys(product_ids))
    place = func.row_number().over(
        partition_by=reviews.c.product_id,
        order_by=(func.coalesce(reviews.c.timestamp, 0).desc(), reviews.c.review_id),
    )
    found: dict[str, list[Review]] = {}
    with db.read() as connection:
        for some in in_chunks(wanted):
            numbered = select(reviews, place.label("place")).where(reviews.c.product_id.in_(some)).subquery()
            newest = select(numbered).where(numbered.c.place <= most).order_by(numbered.c.product_id, numbered.c.place)
            for row in connection.execute(newest).mappings():
                fields = {name: row[name] for name in Review.model_fields}
                found.setdefault(row["product_id"], []).append(Review.model_construct(**fields))
    return {product_id: tuple(each) for product_id, each in found.items()}
