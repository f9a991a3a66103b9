"""Small catalogs for the tests of this folder, and a stand-in encoder where encoding is not what is tested."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.build import build_index
from index.encoders import Encoder
from index.product import Product
from index.readers import Notes, to_product
from index.snapshot import Snapshot, current_index
from storage.settings import ShopSettings


def indexed(shop: Path, rows: Iterable[Mapping[str, Any]], encoders: Mapping[str, Encoder]) -> Snapshot:
    """The index of a catalog of these rows, built in a shop's folder."""
    catalog = shop / "catalog.jsonl"
    catalog.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    build_index(catalog, shop, ShopSettings(), encoders.__getitem__)
    folder = current_index(shop)
    assert folder is not None
    return Snapshot.load(folder, encoders)


class HashEncoder(Encoder):
    """Turns each text into the unit vector that its hash seeds, and remembers what it was given."""

    def __init__(self, space: str, name: str = "one") -> None:
        self.space = space
        self.dim = 8
        self.hash = hashlib.sha256(f"{space}{name}".encode()).hexdigest()
        self.seen: list[str] = []

    def on_pretrained_scale(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        return cosines

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = [
            np.random.default_rng(int(hashlib.sha256(t.encode()).hexdigest()[:8], 16)).normal(size=8) for t in texts
        ]
        array = np.array(vectors, np.float32).reshape(-1, 8)
        unit: NDArray[np.float32] = array / np.linalg.norm(array, axis=1, keepdims=True)
        return unit

    def encode_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        self.seen += texts
        if progress is not None and texts:
            progress(len(texts))
        return self.encode_queries(texts)


def hash_encoders(name: str = "one") -> dict[str, HashEncoder]:
    return {space: HashEncoder(space, name) for space in ("latin", "han")}


def products_of(*rows: dict[str, Any]) -> list[Product]:
    numbered = ({"id": str(place)} | row for place, row in enumerate(rows))
    return [to_product(row, "USD", Notes()) for row in numbered]


def write_jsonl(path: Path, rows: Iterable[Any]) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def plain_rows(count: int) -> list[dict[str, Any]]:
    return [{"id": f"p{n}", "title": f"Lamp number {n}", "price": n + 1, "brand": "Acme"} for n in range(count)]
