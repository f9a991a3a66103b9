"""Catalogs of every kind into one validated `Product`: JSONL, CSV, Parquet, ACP feeds, schema.org JSON-LD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from index.product import Product
from index.readers.dialects import group_of, merge_group, translate
from index.readers.files import read_file
from index.readers.product import Notes, UnusableRowError, to_product
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
        yield item


def read_rows(
    path: Path, columns: Mapping[str, str] | None, currency: str, notes: Notes
) -> Iterator[tuple[int, Product | RowProblem]]:
    """As `read_catalog`, each with its line (in Parquet and JSON: its place), counting bad fields in `notes`."""
    mapping = dict(columns or {})
    unknown = [name for name in mapping if name.split(".")[0] not in Product.model_fields and name != "currency"]
    if unknown:
        known = ", ".join(Product.model_fields)
        raise InvalidInput(f"[catalog.columns] maps {unknown[0]!r}, which no product has.", f"Fields are: {known}.")
    groups: dict[str, tuple[int, list[dict[str, Any]]]] = {}
    for line, raw in read_file(Path(path)):
        if isinstance(raw, RowProblem):
            yield line, raw
            continue
        try:
            row = translate(_mapped(raw, mapping), currency, notes)
            group = group_of(raw)
        except Exception as error:  # what nobody foresaw in one row must not cost the others
            yield line, unexpected(line, error, raw)
            continue
        if group:
            groups.setdefault(group, (line, []))[1].append(row)
        else:
            yield line, _validated(line, row, raw, currency, notes)
    for group, (line, rows) in groups.items():
        try:
            # A group of one is a plain product that keeps its own id.
            row = merge_group(group, rows, notes) if len(rows) > 1 else rows[0]
        except Exception as error:
            yield line, unexpected(line, error, rows)
            continue
        yield line, _validated(line, row, row, currency, notes)


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
