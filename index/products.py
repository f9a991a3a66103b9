"""The records of all products, on disk: a read-only SQLite file, so that a large catalog costs no resident memory."""

from __future__ import annotations

import errno
import shutil
import sqlite3
import threading
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.product import Product
from storage.errors import Damaged

FILE = "products.sqlite"
_CACHED = 8_192
_ROOMY = 5  # where more than one product of so many is removed, the file is packed
_SAME, _REPRICED, _RESTATED = range(3)
_SAID = ("title", "description", "brand", "categories", "attributes", "gtin", "mpn", "language")
_MAPPED = 2**30  # bytes of the file that are read without copying

_SCHEMA = """
CREATE TABLE products (
    row INTEGER PRIMARY KEY,      -- 0 … n-1, the row of vectors, facets and keywords too
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL            -- the product as JSON, without what is at its default
) STRICT
"""


class ProductStore:
    """Products of one snapshot by row or id. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = _Connections(f"{path.absolute().as_uri()}?mode=ro&immutable=1")
        try:
            self._size = int(self._connection().execute("SELECT count(*) FROM products").fetchone()[0])
        except sqlite3.DatabaseError as error:
            raise Damaged(f"{path} holds no products: {error}.", "Build the index again.") from error
        # Around the connections and not around the store: a cycle would keep an old version's records in memory.
        self.get = lru_cache(maxsize=_CACHED)(partial(_read, self._connection, self._size))

    def __len__(self) -> int:
        """How many products there are."""
        return self._size

    def __iter__(self) -> Iterator[Product]:
        """All products in the order of their rows."""
        for _, body in bodies(self._connection()):
            yield Product.model_validate_json(body)

    def ids(self) -> Iterator[str]:
        """The ids of all products in the order of their rows."""
        for (product_id,) in self._connection().execute("SELECT id FROM products ORDER BY row"):
            yield product_id

    def row_of(self, product_id: str) -> int | None:
        """The row of the product with that id, or None."""
        if not product_id.isascii():
            # Half characters, which broken JSON can carry, have no UTF-8 form and are in no id.
            product_id = product_id.encode("utf-8", "replace").decode()
        found = self._connection().execute("SELECT row FROM products WHERE id = ?", (product_id,)).fetchone()
        return None if found is None else int(found[0])


class _Connections:
    """A connection to a published file for each thread."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._local = threading.local()

    def __call__(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # `immutable` spares locks and journals: a published file never changes.
            connection = self._local.connection = sqlite3.connect(self._uri, uri=True)
            connection.execute(f"PRAGMA mmap_size = {_MAPPED}")
        return connection


def _read(connection: _Connections, size: int, row: int) -> Product:
    """The product of `row`; raises `IndexError` for a row that there is not."""
    found = connection().execute("SELECT body FROM products WHERE row = ?", (int(row),)).fetchone()
    if found is None:
        raise IndexError(f"row {row} of {size}")
    return Product.model_validate_json(found[0])


@dataclass(frozen=True, slots=True)
class Change:
    """How the products of a run differ from those of the version before. A row that is in neither array stayed as it was."""

    before: int
    """How many there were; 0 where nothing was taken over."""
    size: int
    """How many there are."""
    restated: NDArray[np.int64]
    """(rows,) ascending: new here, or saying something else than before."""
    repriced: NDArray[np.int64]
    """(rows,) ascending: with the words of before, but another price, stock, rating or picture."""
    read: NDArray[np.int64]
    """(rows,) ascending: named by the catalog that was read."""

    @property
    def stale(self) -> NDArray[np.bool_]:
        """(before,) the rows of which what was said before no longer holds."""
        stale = np.zeros(self.before, np.bool_)
        stale[self.size :] = True
        stale[self.restated[self.restated < self.before]] = True
        return stale


class ProductWriter:
    """Collects the products of a run, with `before` on top of a copy of those of an older version.

    Rows are dense: a product keeps its row from version to version, a new one is given the next. Where one is removed, the last
    takes its row; so no other moves, and what changes is as little as was removed.
    """

    def __init__(self, path: Path, before: ProductStore | None = None) -> None:
        self._before = self._next = len(before) if before else 0
        self._lines = array(
            "q", bytes(8 * self._next)
        )  # where each row stood in the catalog that is read, 0 for nowhere
        self._news = array("B", bytes(self._next))  # of each row: _SAME, _REPRICED or _RESTATED
        with disk_trouble():
            if before is not None:
                shutil.copyfile(before.path, path)
        self._connection = sqlite3.connect(path.absolute().as_uri(), isolation_level=None, uri=True)
        with disk_trouble():
            # The file is thrown away when the run fails and fsynced before it is published.
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
            if before is None:
                self._connection.execute(_SCHEMA)
            elif "line" in {column[1] for column in self._connection.execute("PRAGMA table_info(products)")}:
                self._connection.execute("ALTER TABLE products DROP COLUMN line")  # indexes of an older layout have one
            self._connection.execute("BEGIN")

    def put(self, line: int, product: Product) -> tuple[int, str] | None:
        """Adds a product of the catalog, or replaces the one of the same id in its row.

        Returns (line, JSON) of one that the same catalog named before.
        """
        body = product.model_dump_json(exclude_defaults=True)
        with disk_trouble():
            query = "SELECT row, body FROM products WHERE id = ?"
            found = self._connection.execute(query, (product.id,)).fetchone()
            if found is None:
                values = (self._next, product.id, body)
                self._connection.execute("INSERT INTO products VALUES (?, ?, ?)", values)
                self._next += 1
                self._lines.append(line)
                self._news.append(_RESTATED)
                return None
            row, old = found
            if body != old:
                same = _says_the_same(Product.model_validate_json(old), product)
                self._news[row] = max(self._news[row], _REPRICED if same else _RESTATED)
                self._connection.execute("UPDATE products SET body = ? WHERE row = ?", (body, row))
        read, self._lines[row] = self._lines[row], line
        return (read, old) if read else None

    def find(self, product_id: str, *, read: bool) -> Product | None:
        """The product of that id as it was put last, or None; with `read` only one that the catalog has named."""
        with disk_trouble():
            query = "SELECT row, body FROM products WHERE id = ?"
            found = self._connection.execute(query, (product_id,)).fetchone()
        if found is None or (read and not self._lines[found[0]]):
            return None
        return Product.model_validate_json(found[1])

    def unread(self) -> int:
        """How many products of the older version the catalog has not named so far."""
        return self._lines.count(0)

    def remove_unread(self) -> None:
        """Removes them; the last thing to do."""
        lines = np.array(self._lines, np.int64)
        gone = np.flatnonzero(lines == 0)
        self._next -= len(gone)
        free = gone[gone < self._next]
        last = np.flatnonzero(lines != 0)[self._next - len(free) :]  # as many as there are free rows before them
        with disk_trouble():
            self._connection.executemany("DELETE FROM products WHERE row = ?", ((row,) for row in gone.tolist()))
            pairs = zip(free.tolist(), last.tolist(), strict=True)
            self._connection.executemany("UPDATE products SET row = ? WHERE row = ?", pairs)
            if len(gone) * _ROOMY > len(lines):
                self._connection.execute("COMMIT")
                self._connection.execute("VACUUM")
        for row, taken in zip(free.tolist(), last.tolist(), strict=True):
            self._news[row], self._lines[row] = _RESTATED, self._lines[taken]
        del self._news[self._next :], self._lines[self._next :]

    def __len__(self) -> int:
        """How many products there are so far."""
        return self._next

    def close(self) -> Change:
        """Writes everything to the file; returns what changed."""
        with disk_trouble():
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
            self._connection.close()
        news = np.array(self._news, np.uint8)
        return Change(
            before=self._before,
            size=self._next,
            restated=np.flatnonzero(news == _RESTATED),
            repriced=np.flatnonzero(news == _REPRICED),
            read=np.flatnonzero(np.array(self._lines, np.int64)),
        )


def _says_the_same(one: Product, other: Product) -> bool:
    """Whether two states of a product differ in nothing that is searched for: in price, stock, rating and picture at most."""
    said, also = (
        ((each.id, each.title, each.options) for each in one.variants),
        ((each.id, each.title, each.options) for each in other.variants),
    )
    return all(getattr(one, name) == getattr(other, name) for name in _SAID) and [*said] == [*also]


def bodies(connection: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """(row, JSON) of all products, in order."""
    yield from connection.execute("SELECT row, body FROM products ORDER BY row")


@contextmanager
def disk_trouble() -> Iterator[None]:
    """SQLite's own word for a full disk as the `OSError` that everything else raises."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, str(error)) from error
        raise
