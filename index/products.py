"""The records of all products, on disk: a read-only SQLite file, so that a large catalog costs no resident memory."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.product import Product
from storage.errors import Damaged

FILE = "products.sqlite"
_CACHED = 8_192
_MAPPED = 2**30  # bytes of the file that are read without copying

_SCHEMA = """
CREATE TABLE products (
    row INTEGER PRIMARY KEY,      -- 0 … n-1, the row of vectors, facets and keywords too
    id TEXT NOT NULL UNIQUE,
    line INTEGER NOT NULL,        -- where it stood in the catalog that is being read; 0 where an older version had it
    body TEXT NOT NULL            -- the product as JSON, without what is at its default
) STRICT
"""


class ProductStore:
    """Products of one snapshot by row or id. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
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

    def lines(self) -> Iterator[int]:
        """Where each product stood in the catalog that was read, in the order of their rows; 0 for those taken over."""
        for (line,) in self._connection().execute("SELECT line FROM products ORDER BY row"):
            yield line

    def row_of(self, product_id: str) -> int | None:
        """The row of the product with that id, or None."""
        if not product_id.isascii():
            # Half characters, which broken JSON can carry, have no UTF-8 form and are in no id.
            product_id = product_id.encode("utf-8", "replace").decode()
        found = self._connection().execute("SELECT row FROM products WHERE id = ?", (product_id,)).fetchone()
        return None if found is None else int(found[0])

    def rows_in(self, older: ProductStore) -> NDArray[np.int64]:
        """(products,) the row that each product has in another store, -1 where it has none."""
        with older.attached_to(self._connection()) as name:
            query = (
                f"SELECT coalesce(other.row, -1) FROM products AS own LEFT JOIN {name}.products AS other"
                " ON other.id = own.id ORDER BY own.row"
            )
            rows = (row for (row,) in self._connection().execute(query))
            return np.fromiter(rows, np.int64, len(self))

    @contextmanager
    def attached_to(self, connection: sqlite3.Connection) -> Iterator[str]:
        """Lets another connection read this store while the block runs; gives the name of the schema."""
        connection.execute("ATTACH ? AS older", (self._connection.uri,))
        try:
            yield "older"
        finally:
            connection.execute("DETACH older")


class _Connections:
    """A connection to a published file for each thread."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._local = threading.local()

    def __call__(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # `immutable` spares locks and journals: a published file never changes.
            connection = self._local.connection = sqlite3.connect(self.uri, uri=True)
            connection.execute(f"PRAGMA mmap_size = {_MAPPED}")
        return connection


def _read(connection: _Connections, size: int, row: int) -> Product:
    """The product of `row`; raises `IndexError` for a row that there is not."""
    found = connection().execute("SELECT body FROM products WHERE row = ?", (int(row),)).fetchone()
    if found is None:
        raise IndexError(f"row {row} of {size}")
    return Product.model_validate_json(found[0])


class ProductWriter:
    """Collects the products of a build; rows stay dense, because nothing is removed while it runs."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path.absolute().as_uri(), isolation_level=None, uri=True)
        with disk_trouble():
            # The file is thrown away when the build fails and fsynced before it is published.
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.execute(_SCHEMA)
            self._connection.execute("BEGIN")
        self._next = 0

    def put(self, line: int, product: Product) -> tuple[int, str] | None:
        """Adds a product, or replaces the one of the same id in its row; returns (line, JSON) of the one replaced."""
        body = product.model_dump_json(exclude_defaults=True)
        with disk_trouble():
            query = "SELECT row, line, body FROM products WHERE id = ?"
            found = self._connection.execute(query, (product.id,)).fetchone()
            if found is not None:
                self._connection.execute("UPDATE products SET line = ?, body = ? WHERE row = ?", (line, body, found[0]))
                return int(found[1]), str(found[2])
            values = (self._next, product.id, line, body)
            self._connection.execute("INSERT INTO products VALUES (?, ?, ?, ?)", values)
        self._next += 1
        return None

    def find(self, product_id: str) -> Product | None:
        """The product of that id as it was put last, or None."""
        found = self._connection.execute("SELECT body FROM products WHERE id = ?", (product_id,)).fetchone()
        return None if found is None else Product.model_validate_json(found[0])

    def copy(self, older: ProductStore) -> None:
        """Takes over the products of an older version with their rows, as if they stood at line 0; the first thing to do."""
        with disk_trouble():
            self._connection.execute("COMMIT")  # a database cannot be attached inside a transaction
            with older.attached_to(self._connection) as name:
                query = f"INSERT INTO products SELECT row, id, 0, body FROM {name}.products ORDER BY row"
                self._connection.execute(query)
            self._connection.execute("BEGIN")
        self._next = len(older)

    def __len__(self) -> int:
        """How many products there are so far."""
        return self._next

    def __iter__(self) -> Iterator[Product]:
        """All products in the order of their rows."""
        for _, body in bodies(self._connection):
            yield Product.model_validate_json(body)

    def __contains__(self, product_id: str) -> bool:
        """Whether a product of that id was put."""
        return self._connection.execute("SELECT 1 FROM products WHERE id = ?", (product_id,)).fetchone() is not None

    def close(self) -> None:
        """Writes everything to the file."""
        with disk_trouble():
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
            self._connection.close()


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
