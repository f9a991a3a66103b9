"""Reading rows from files that may be dirty: a bad row never stops a run and is never lost."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from storage.disk import writing
from storage.errors import InvalidInput, TooManyRejected

LONGEST_LINE = 16 * 2**20
LONGEST_CELL: Final = 4 * 2**20
_BUFFER = 2**18
_GZIP = b"\x1f\x8b"
BROKEN_PACK = "the packed file is broken here"
"""How the reason of a `RowProblem` begins that ends a packed file too early."""
_FEW_ROWS = 10
_KEPT_RAW = 2_000  # characters of an unreadable line that are kept for a person to look at
_BROKEN_PACK = (EOFError, OSError, zlib.error)
# What `surrogateescape` makes of a byte that is not UTF-8; no valid UTF-8 decodes to it.
_BAD_BYTE: Final = re.compile("[\udc80-\udcff]")

# The limit is the process's, and 128 KiB unless set: here, so that no reader's depends on which others have run.
csv.field_size_limit(LONGEST_CELL)


@dataclass(frozen=True, slots=True)
class RowProblem:
    """A row that cannot be used: its line (1 is the first), why, and what stood there."""

    line: int
    reason: str
    raw: Any


Tee = Callable[[memoryview], None]
"""Gets every piece of a file, as it lies on disk, while the file is read: for its hash, or to say how far a run has come."""


class _Teed(io.RawIOBase):
    """A raw stream that shows what it reads to a `Tee`."""

    def __init__(self, raw: io.FileIO, tee: Tee) -> None:
        super().__init__()
        self._raw, self._tee = raw, tee

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._raw.readinto(buffer)
        self._tee(memoryview(buffer)[:count])
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def open_bytes(path: Path, tee: Tee | None = None) -> BinaryIO:
    """Opens a file for reading, unpacking gzip by its first bytes rather than by its name.

    Raises:
        InvalidInput: there is no such file, or it is a folder or not readable.
    """
    try:
        raw = io.FileIO(path)
    except FileNotFoundError:
        raise InvalidInput(f"There is no file {path}.", "Check the path.") from None
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read: {error.strerror}.", "Give a file that this user may read."
        ) from None
    stream = io.BufferedReader(_Teed(raw, tee) if tee else raw, _BUFFER)
    packed = stream.peek(2).startswith(_GZIP)
    return cast("BinaryIO", gzip.GzipFile(fileobj=stream, mode="rb") if packed else stream)


def unexpected(line: int, error: Exception, raw: Any) -> RowProblem:
    """The problem of a row on which a reader itself failed: that one row is lost, never the run."""
    said = " ".join(str(error).split())[:200]
    return RowProblem(line, f"cannot be read: {type(error).__name__}{f': {said}' if said else ''}", raw)


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """Turns what gzip raises on a file that is cut off or corrupt into an `InvalidInput` that names the file."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InvalidInput(
            f"{path} is packed, and broken: {str(error).rstrip('.')}.", "Copy the whole file again, or pack it again."
        ) from None


@contextmanager
def open_text(path: Path, tee: Tee | None = None) -> Iterator[IO[str]]:
    """Opens a UTF-8 text file, packed or not; a byte order mark is skipped.

    Bytes that are not UTF-8 become lone surrogates, so that `not_utf8` finds them: the row they stand in is to be
    refused, not published with U+FFFD in it.

    Raises:
        InvalidInput: the file cannot be opened, or it is packed and breaks off.
    """
    with (
        unpacking(path),
        io.TextIOWrapper(open_bytes(path, tee), encoding="utf-8-sig", errors="surrogateescape", newline="") as stream,
    ):
        yield stream


def not_utf8(text: str) -> bool:
    """Whether text of `open_text` holds bytes that are not UTF-8."""
    return not text.isascii() and _BAD_BYTE.search(text) is not None


def shown(text: str) -> str:
    r"""Text of `open_text` for a person to look at: a byte that is not UTF-8 reads as "\xb4"."""
    return text[:_KEPT_RAW].encode("utf-8", errors="surrogateescape").decode("utf-8", errors="backslashreplace")


def read_jsonl(path: Path, tee: Tee | None = None) -> Iterator[tuple[int, dict[str, Any] | RowProblem]]:
    """Yields (line number, object) for each line that is not blank; a line that is not one is a `RowProblem`.

    Bad UTF-8, bad JSON, NaN, a line that is no object and a packed file that breaks off are problems of their line,
    never of the run.

    Raises:
        InvalidInput: the file cannot be opened.
    """
    with open_bytes(path, tee) as stream:
        number = 0
        while True:
            number += 1
            try:
                line = stream.readline(LONGEST_LINE + 1)
            except _BROKEN_PACK as error:
                yield number, _broken(number, error)
                return
            if not line:
                return
            if len(line) > LONGEST_LINE:
                yield number, RowProblem(number, f"the line is longer than {LONGEST_LINE} bytes", _shown(line))
                try:
                    while line and not line.endswith(b"\n"):
                        line = stream.readline(LONGEST_LINE)
                except _BROKEN_PACK as error:
                    yield number, _broken(number, error)
                    return
                continue
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                yield number, _parse(number, line)


def _broken(number: int, error: Exception) -> RowProblem:
    return RowProblem(number, f"{BROKEN_PACK}: {error}", None)


def _parse(number: int, line: bytes) -> dict[str, Any] | RowProblem:
    """One line as its object, or what is wrong with it."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return RowProblem(number, f"not UTF-8 at byte {error.start}", _shown(line))
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return RowProblem(number, f"not JSON: {error}", text.strip()[:_KEPT_RAW])
    if not isinstance(value, dict):
        return RowProblem(number, f"not an object but {type(value).__name__}", value)
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _shown(line: bytes) -> str:
    return line[:_KEPT_RAW].decode("utf-8", errors="backslashreplace").strip()


def read_csv(path: Path, tee: Tee | None = None) -> Iterator[tuple[int, dict[str, Any] | RowProblem]]:
    """Yields (line number, cells by column name) for each row that is not blank; delimiter and names are those of the first line.

    A row with more cells than the header is a problem of that row. So is a row that is not UTF-8, which is what spreadsheets write
    in China (GBK) and Europe (Windows-1252).

    Raises:
        InvalidInput: the file cannot be opened, has no header that can be read, or is packed and breaks off.
    """
    with open_text(path, tee) as stream:
        head = stream.readline()
        if not_utf8(head):
            raise InvalidInput(f"The header row of {path.name} is not UTF-8.", "Save the file as CSV UTF-8.")
        delimiter = max("\t;,|", key=head.count)
        header = next(csv.reader([head], delimiter=delimiter), [])
        names = [name.strip() for name in header]
        if not any(names):
            raise InvalidInput(f"{path.name} has no header row.", "The first line must name the columns.")
        reader = csv.reader(stream, delimiter=delimiter)
        while True:
            line = reader.line_num + 2
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, RowProblem(line, f"not CSV: {error}", None)
                continue
            if not any(cell.strip() for cell in cells):
                continue
            if any(map(not_utf8, cells)):
                yield line, RowProblem(line, "not UTF-8", [shown(cell) for cell in cells])
            elif len(cells) > len(names):
                yield line, RowProblem(line, f"{len(cells)} cells under {len(names)} column names", cells)
            else:
                yield line, dict(zip(names, cells, strict=False))


def rejected_file(shop: Path, name: str) -> Path:
    """Where a run's rejected rows go unless it is told: a file of its own, so that no run writes over another's.

    Nor over what another wrote beside its own, a report under the same name with another suffix.
    """
    stamped = f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    path, number = shop / "rejected" / f"{stamped}.jsonl", 1
    while any(path.parent.glob(f"{path.stem}.*")):
        number += 1
        path = path.with_name(f"{stamped}-{number}.jsonl")
    return path


@dataclass(slots=True)
class Rejects:
    """The rows that a run could not use, with line number and reason."""

    rows: list[RowProblem] = field(default_factory=list)

    def add(self, line: int, reason: str, raw: Any) -> None:
        """Keeps one rejected row."""
        self.rows.append(RowProblem(line, reason, raw))

    def add_problem(self, problem: RowProblem) -> None:
        """Keeps a row that a reader already found unusable."""
        self.rows.append(problem)

    @property
    def count(self) -> int:
        """How many rows were rejected."""
        return len(self.rows)

    @property
    def by_reason(self) -> dict[str, int]:
        """Rows a reason, the commonest first."""
        return dict(Counter(row.reason for row in self.rows).most_common())

    def write(self, path: Path) -> None:
        """Writes one JSON object a row: {"line": 3, "reason": "title: Field required", "row": …}.

        Raises:
            Unavailable: the file cannot be written.
        """
        with writing(path):
            self._write(path)

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", errors="backslashreplace") as out:
            for row in sorted(self.rows, key=lambda row: row.line):
                record = {"line": row.line, "reason": row.reason, "row": row.raw}
                try:
                    text = json.dumps(record, ensure_ascii=False, default=str)
                except (RecursionError, TypeError, ValueError) as error:
                    # JSON that is nested too deep, or keyed by something else than text.
                    text = json.dumps(record | {"row": f"not shown: {type(error).__name__}"}, ensure_ascii=False)
                out.write(text + "\n")

    def check(self, total: int, max_rejected: float = 0.01) -> None:
        """Stops a run that lost too much of its input.

        Args:
            total: rows read, good and bad.
            max_rejected: the share of them, 0 to 1, that may be rejected; ten rows always may.

        Raises:
            TooManyRejected: more than ten rows and more than the share were rejected.
        """
        if self.count > _FEW_ROWS and self.count > max_rejected * total:
            reason, commonest = next(iter(self.by_reason.items()))
            raise TooManyRejected(
                f"{self.count} of {total} rows were rejected, above the limit of {max_rejected:.2%}; "
                f"{commonest} of them: {reason}.",
                "Nothing was published. Mend the rows, or raise --max-rejected.",
            )
