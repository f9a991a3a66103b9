"""Catalogs of every kind into one validated `Product`: JSONL, CSV, Parquet, ACP feeds, schema.org JSON-LD."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from index.product import Product
from index.readers.dialects import GROUP, GROUP_TITLE, translate
from index.readers.files import read_file
from index.readers.groups import MOST_VARIANTS, GroupRow, WaitingRows, merged
from index.readers.product import LONGEST_ID, Notes, UnusableRowError, clean_title, identifier, nothing, to_product
from index.readers.shopify import ShopifyExport
from storage.errors import InvalidInput
from storage.rows import RowProblem, unexpected

__all__ = ["Notes", "UnusableRowError", "read_catalog", "read_rows", "to_product"]


def read_catalog(
    path: Path, columns: Mapping[str, str] | None = None, currency: str = "USD"
) -> Iterator[Product | RowProblem]:
    """The products of a catalog file, and in their places the rows that cannot be used.

    Args:
        path: a file; its ending says the kind (see `index.readers.files`).
        columns: our field → the file's column, where they differ: {"id": "sku", "attributes.color": "Colour",
            "price": "pricing.retail"} (dots reach into objects).
        currency: of prices that name none.

    Raises:
        InvalidInput: the file cannot be read at all, or `columns` names a field that no product has.
    """
    for _, item in read_rows(path, columns, currency, Notes()):
        if item is not None:
            yield item


def read_rows(
    path: Path,
    columns: Mapping[str, str] | None,
    currency: str,
    notes: Notes,
    earlier: Callable[[str], Product | None] = lambda _: None,
) -> Iterator[tuple[int, Product | RowProblem | None]]:
    """As `read_catalog`, each with its line (in Parquet and JSON: its place), counting bad fields and rows in `notes`.

    None stands for a row that waits until all of the file has been read, because others may list variants of the same product;
    the products of such groups come last. `earlier` gives what the catalog has under a group's id so far (see `groups.merged`).
    """
    mapping = dict(columns or {})
    known = (*Product.model_fields, GROUP, GROUP_TITLE, "currency")
    unknown = [name for name in mapping if name.split(".")[0] not in known]
    if unknown:
        raise InvalidInput(
            f"[catalog.columns] maps {unknown[0]!r}, which no product has.", f"Fields are: {', '.join(known)}."
        )
    export = ShopifyExport()
    with closing(WaitingRows()) as waiting:
        for line, raw in read_file(Path(path)):
            notes.rows += 1
            if isinstance(raw, RowProblem):
                yield line, raw
                continue
            try:
                whole = export.row(raw) if not mapping and export.wrote(raw) else raw
                if whole is None:
                    continue
                row = translate(_mapped(whole, mapping), currency, notes)
                group = _group_of(row, notes)
            except Exception as error:  # what nobody foresaw in one row must not cost the others
                yield line, unexpected(line, error, raw)
                continue
            item = _validated(line, row, raw, currency, notes)
            if not group or isinstance(item, RowProblem) or item.variants:
                yield line, item
                continue
            yield line, waiting.add(group, GroupRow(line, item, clean_title(row.get(GROUP_TITLE))))
        for group, rows, count in waiting.groups():
            yield from _gathered(group, rows, count, earlier, currency, notes)


def _group_of(row: dict[str, Any], notes: Notes) -> str:
    """What ties a translated row to others, "" where nothing usable does."""
    if nothing(row.get(GROUP)):
        return ""
    group = identifier(row[GROUP])
    if 0 < len(group) <= LONGEST_ID:
        return group
    notes.bad[GROUP] += 1
    return ""


def _gathered(
    group: str,
    rows: Iterator[GroupRow],
    count: int,
    earlier: Callable[[str], Product | None],
    currency: str,
    notes: Notes,
) -> Iterator[tuple[int, Product]]:
    """The product of a group; each row by itself where they are too many, or speak of different things."""
    if count > MOST_VARIANTS:
        notes.bad[GROUP] += count
        yield from ((row.line, row.product) for row in rows)
        return
    members, before = list(rows), earlier(group)
    # One row that is alone in its group is a plain product, which keeps its own id.
    if count > 1 or (before is not None and (before.variants or before.id != members[0].product.id)):
        product = merged(group, members, before, currency)
        if product is not None:
            yield members[0].line, product
            return
        notes.bad[GROUP] += count
    yield from ((row.line, row.product) for row in members)


def _validated(
    line: int, row: dict[str, Any], raw: dict[str, Any], currency: str, notes: Notes
) -> Product | RowProblem:
    try:
        return to_product(row, currency, notes)
    except UnusableRowError as reason:
        return RowProblem(line, str(reason), raw)
    except Exception as error:
        return unexpected(line, error, raw)


def _mapped(raw: dict[str, Any], mapping: dict[str, str]) -> dict[str, Any]:
    """The row with mapped columns under our names; a mapped column appears only under our name."""
    if not mapping:
        return raw
    taken = {column.split(".")[0] if column not in raw else column for column in mapping.values()}
    row = {key: value for key, value in raw.items() if key not in taken}
    for name, column in mapping.items():
        value = raw[column] if column in raw else _reach(raw, column)
        target, _, key = name.partition(".")
        if not key:
            row[target] = value
        else:
            inner = row.get(target)
            row[target] = {**(inner if isinstance(inner, dict) else {}), key: value}
    return row


def _reach(row: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row
