"""Loading a file of reviews: looked through as a whole first, then written in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from index.clean import clean_text
from storage.database import Database
from storage.errors import InvalidInput
from storage.principal import Principal
from storage.reviews import Review, put_reviews, read_review
from storage.rows import Rejects, RowProblem, read_jsonl, unexpected

BATCH: Final = 2_000
"""Reviews a transaction."""
REPLACED: Final = "a later row has the same review_id"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class LoadedReviews:
    """What became of a file.

    Counts of rows and where the rejected ones are; `unknown_products` counts reviews of products that the catalog lacks, which
    are kept, None where there is no catalog.
    """

    read: int
    accepted: int
    duplicates: int
    rejected: int
    dropped_fields: int
    unknown_products: int | None
    rejected_file: str | None


def load_reviews(
    db: Database,
    principal: Principal,
    path: Path,
    rejected: Path,
    max_rejected: float,
    known: Callable[[str], bool] | None = None,
    progress: Progress = lambda step, done, total: None,
) -> LoadedReviews:
    """Loads a JSONL file of reviews; loading it again changes nothing.

    HTML becomes plain text and personal data placeholders. The file is read twice, so that nothing of one is loaded of which
    too much cannot be used, and memory stays small.

    Args:
        db: where to.
        principal: who writes.
        path: the file, also packed with gzip.
        rejected: where rows go that are rejected or stand again further down, with their reasons.
        max_rejected: the share of rows that may be rejected; ten always may. Those that stand again do not count.
        known: whether the catalog has an item; None where there is no catalog.
        progress: called with (step, reviews done, reviews in all).

    Raises:
        InvalidInput: the file cannot be read.
        TooManyRejected: too many rows cannot be used; nothing is loaded then.
    """
    rejects, lines, replaced = Rejects(), dict[str, int](), list[tuple[int, Any]]()
    read = dropped = unknown = 0
    for number, row, review, fields in _rows(path):
        read += 1
        if isinstance(review, str):
            rejects.add(number, review, row)
            continue
        dropped += len(fields)
        if review.review_id in lines:
            replaced.append((lines[review.review_id], review.review_id))
        elif known is not None and not known(review.product_id):
            unknown += 1
        lines[review.review_id] = number
    outdated = {line for line, _ in replaced}
    written = Rejects([*rejects.rows, *(RowProblem(line, REPLACED, {"review_id": id_}) for line, id_ in replaced)])
    if written.count:
        written.write(rejected)
    rejects.check(read, max_rejected)

    accepted = 0
    batch: list[Review] = []
    for number, _, review, _ in _rows(path):
        if not isinstance(review, str) and lines.get(review.review_id) == number:
            batch.append(review)
        if len(batch) == BATCH:
            accepted += put_reviews(db, principal, batch)
            batch = []
            progress("loading reviews", accepted, len(lines))
    if batch:
        accepted += put_reviews(db, principal, batch)
        progress("loading reviews", accepted, len(lines))
    return LoadedReviews(
        read,
        accepted,
        len(outdated),
        rejects.count,
        dropped,
        None if known is None else unknown,
        str(rejected) if written.count else None,
    )


def _rows(path: Path) -> Iterator[tuple[int, Any, Review | str, tuple[str, ...]]]:
    """(line number, row as it stands there, the review or why there is none, optional fields that were dropped)."""
    for number, row in read_jsonl(path):
        if isinstance(row, RowProblem):
            yield number, row.raw, row.reason, ()
            continue
        try:
            review, dropped = read_review(_plain(row))
        except InvalidInput as error:
            yield number, row, error.message, ()
        except Exception as error:  # what nobody foresaw in one row must not cost the others
            yield number, row, unexpected(number, error, row).reason, ()
        else:
            yield number, row, review, dropped


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its texts made plain; what is no text is left for the record to judge."""
    texts = {name: clean_text(row[name]) for name in ("title", "text") if isinstance(row.get(name), str)}
    return {**row, **texts}
