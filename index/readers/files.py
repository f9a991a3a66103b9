"""The containers a catalog may come in, each as (line or row number, raw row): JSONL, JSON, CSV, Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from index.readers.dialects import schema_objects
from storage.errors import InvalidInput
from storage.rows import RowProblem, open_bytes, read_csv, read_jsonl, unexpected, unpacking


def read_file(path: Path) -> Iterator[tuple[int, dict[str, Any] | RowProblem]]:
    """The raw rows of a catalog file, by the end of its name (".gz" is unpacked).

    Raises:
        InvalidInput: the file is missing, broken as a whole, or of no known kind.
    """
    name = path.name.lower().removesuffix(".gz")
    reader = next((read for ending, read in _READERS.items() if name.endswith(ending)), None)
    if reader is None:
        known = ", ".join(_READERS)
        raise InvalidInput(f"{path.name} is no kind of catalog that is known.", f"Give a file that ends in: {known}.")
    return reader(path)


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any] | RowProblem]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as stream:
            number = 0
            opened: Any = pq  # the package has no types
            file = opened.ParquetFile(stream)
            for batch in file.iter_batches(batch_size=2_000):
                for row in _unpacked(batch):
                    number += 1
                    yield number, unexpected(number, row, None) if isinstance(row, Exception) else row
    except FileNotFoundError:
        raise InvalidInput(f"There is no file {path}.", "Check the path.") from None
    except (pa.lib.ArrowException, OSError) as error:
        raise InvalidInput(f"{path.name} is no readable Parquet file: {error}.", "Write it again.") from None


def _unpacked(batch: Any) -> Iterator[dict[str, Any] | Exception]:
    """The rows of an Arrow batch; one with text that is not UTF-8 or a time past the year 9999 is the error of it."""
    try:
        yield from batch.to_pylist()
        return
    except (ValueError, OverflowError):
        pass
    for place in range(batch.num_rows):
        try:
            yield from batch.slice(place, 1).to_pylist()
        except (ValueError, OverflowError) as error:
            yield error


def _json(path: Path) -> Iterator[tuple[int, dict[str, Any] | RowProblem]]:
    """One JSON document: schema.org JSON-LD, a list of products, or {"products": […]}; rows are numbered from 1."""
    with unpacking(path), open_bytes(path) as stream:
        content = stream.read()
    try:
        document = json.loads(content.decode("utf-8-sig"))
        rows: list[Any] = list(schema_objects(document))
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not UTF-8 at byte {error.start}.", "Save the file as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path.name} is not JSON: {error}.", "Mend the file.") from None
    if not rows:
        rows = document.get("products", []) if isinstance(document, dict) else document
    if not isinstance(rows, list) or not rows:
        raise InvalidInput(f"{path.name} holds no products.", "Give a list of products, or schema.org JSON-LD.")
    for number, row in enumerate(rows, start=1):
        if isinstance(row, dict):
            yield number, row
        else:
            yield number, RowProblem(number, f"not an object but {type(row).__name__}", row)


_READERS: Final[dict[str, Callable[[Path], Iterator[tuple[int, dict[str, Any] | RowProblem]]]]] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": _parquet,
    ".json": _json,
    ".jsonld": _json,
}
