"""How memory, search and indexing grow with the catalog, from 10,000 to 1,000,000 products; the plot and the table of it.

    python -m benchmarks.growth [--sizes 10000 30000 100000 300000 1000000] [--plot docs/images/growth.svg] [--work DIR]

The text is made for size: products of the demo's generator, each told many times over as other series of other makers, with
prices, stock and ratings of their own. The first telling is embedded; the vector of another is the first one's, drawn towards two
others, for a million products would take twenty minutes to embed. So what is measured here is size, not what is found: that is
`benchmarks.vectors`, on real text. Every size is built and searched in processes of its own. The milliseconds are those of
`SearchEngine.search` after the query's embedding, the records of ten hits included; "its own" are those that the process
computed, whatever else the machine was busy with. Memory is that of the process that
searches, after all queries: what it took beyond an empty one, and of that the parts for vectors and keywords (the store of
vectors, n-grams, words, tantivy), by the kernel's count of resident pages, mapped ones included.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as launch.py does, and as early

import numpy as np
from numpy.typing import NDArray

from benchmarks.growth_chart import draw
from demo.catalog import make_catalog
from index.build import build_index
from index.encoders import Encoder, document_text, encoder_for
from index.filters import Exclusions, Filters, PriceRange
from index.keywords import KeywordIndex
from index.product import Product
from index.snapshot import KIND, Layout, Snapshot, current_index
from index.vectors import KINDS, HnswStore
from index.words import WordIndex
from retrieval.search import SearchEngine
from storage.publish import read_manifest
from storage.settings import ShopSettings

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
BASES = 6_000  # products of the generator that all others are told after
QUERIES = 400
# Of the search in a graph: what 300,000 real texts need for .985. Of 30,000 made-up ones a sixth finds as many, of a million, which
# lie ever closer together, not even three times as much does.
REAL_WIDTH = 384
MOST_DRAWN = 0.5  # of each of the two other vectors
COLUMNS = (
    *("products", "store", "build s", "peak MB", "p50 / p95 ms (p95 of its own)", "the same with filters"),
    *("resident MB", "bytes a product"),
)
KEYWORD_PARTS = ("vectors", "ngrams", "words", "keywords")
_SYLLABLES = "ba de fi go ku la me ni po ru sa te vi wo zu cha lin mar nes tor bel dan".split()


@dataclass(frozen=True)
class Figures:
    """One size, as it was measured."""

    products: int
    build_s: float
    build_peak_mb: float
    p50: float
    p95: float
    cpu_p95: float
    p50_filtered: float
    p95_filtered: float
    cpu_p95_filtered: float
    resident_mb: float
    bytes_a_product: float
    store: str

    def line(self) -> str:
        """A line of the table, below `COLUMNS`."""
        cells = (
            f"{self.products:,}",
            self.store,
            *(f"{value:.0f}" for value in (self.build_s, self.build_peak_mb)),
            f"{self.p50:.1f} / {self.p95:.1f} ({self.cpu_p95:.1f})",
            f"{self.p50_filtered:.1f} / {self.p95_filtered:.1f} ({self.cpu_p95_filtered:.1f})",
            *(f"{value:.0f}" for value in (self.resident_mb, self.bytes_a_product)),
        )
        return f"| {' | '.join(cells)} |"


class Told(Encoder):
    """Stands in for MiniLM: the vector of a telling is that of the product it is told after, drawn towards two others by its text.

    Noise in every dimension would be no substitute: text has few degrees of freedom, and neighbours that only noise tells apart
    are found by no graph and asked for by nobody.
    """

    def __init__(self, real: Encoder, work: Path) -> None:
        self.space, self.hash, self.dim = real.space, hashlib.sha256(b"drawn").hexdigest(), real.dim
        self.is_word = real.is_word  # type: ignore[method-assign]
        self._vectors = np.load(work / "bases.npy", allow_pickle=False)
        self._place = {text: place for place, text in enumerate(json.loads((work / "bases.json").read_text()))}
        self._queries: dict[str, NDArray[np.float32]] = {}
        self._real = real

    def on_pretrained_scale(self, cosines: NDArray[np.float32]) -> NDArray[np.float32]:
        """As they are: its space is MiniLM's."""
        return cosines

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The real vectors, each computed once."""
        for text in texts:
            if text not in self._queries:
                self._queries[text] = self._real.encode_queries([text])[0]
        return np.array([self._queries[text] for text in texts])

    def encode_documents(
        self, texts: Sequence[str], progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Texts whose description is known are told; others, such as names of categories, are really embedded."""
        places = [self._place.get(text.rsplit(" · ", 1)[-1]) for text in texts]
        if None in places:
            return self._real.encode_documents(texts)
        digests = b"".join(hashlib.blake2b(text.encode(), digest_size=12).digest() for text in texts)
        drawn = np.frombuffer(digests, np.uint32).reshape(-1, 3).astype(np.int64)  # (texts, 3)
        shares = np.float32(MOST_DRAWN) * (drawn[:, 2:] / 2**32).astype(np.float32)
        others = self._vectors[drawn[:, 0] % len(self._vectors)] + self._vectors[drawn[:, 1] % len(self._vectors)]
        vectors = self._vectors[places] + shares * others
        if progress is not None:
            progress(len(texts))
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def prepare(work: Path) -> None:
    """Generates and embeds the products that all others are told after."""
    if (work / "bases.npy").exists():
        return
    made = make_catalog(np.random.default_rng(5), datetime(2026, 1, 1, tzinfo=UTC), BASES)
    products = list({item.product.description: item.product for item in made if item.product.language != "zh"}.values())
    (work / "bases.jsonl").write_text("".join(item.model_dump_json(exclude_defaults=True) + "\n" for item in products))
    (work / "bases.json").write_text(json.dumps([item.description for item in products]))
    vectors = encoder_for("latin", work / "encoder").encode_documents([document_text(item) for item in products])
    np.save(work / "bases.npy", vectors, allow_pickle=False)


def tellings(bases: Sequence[Mapping[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """`count` products: the bases as they are, then in ever other series, with other numbers and prices."""
    draw = np.random.default_rng(11)
    series = sorted({"".join(draw.choice(_SYLLABLES, draw.integers(2, 4))).title() for _ in range(30_000)})
    for number in range(count):
        product = dict(bases[number % len(bases)])
        if number >= len(bases):
            maker, name = series[number // 40 % 3_000], series[int(draw.integers(len(series)))]
            old = product.get("brand", "")
            product |= {
                "id": f"{product['id']}-{number}",
                "title": f"{maker} {name} {product['title'].removeprefix(old).strip()}",
                "brand": maker,
                "mpn": f"{maker[:3].upper()}-{number % 100_003}",
                "gtin": "",
            }
            factor = float(draw.uniform(0.5, 2))
            product["price"] = product["price"] | {"amount": int(product["price"]["amount"] * factor)}
            product.pop("list_price", None)
            variants = [each | {"id": f"{each['id']}-{number}"} for each in product.get("variants", ())]
            product["variants"] = [each | {"price": product["price"]} for each in variants]
        yield product


def questions(bases: Sequence[Mapping[str, Any]]) -> list[tuple[str, Filters]]:
    """Queries as shoppers type them, each with the conditions that it is asked again with."""
    draw = np.random.default_rng(3)
    asked = []
    for number in range(QUERIES):
        product = Product.model_validate(bases[int(draw.integers(len(bases)))])
        title, kind = product.title.removeprefix(product.brand).strip(), product.categories[-1]
        color = next(iter(product.attributes.get("color", ())), "black")
        price = product.price.amount if product.price else 5_000
        text = (
            kind.lower(),
            f"{color} {kind.lower()}",
            title,
            f"{product.brand} {kind.lower()}",
            product.mpn or title,
            " ".join(product.description.split()[:9]),
            kind.lower().replace("a", "", 1),  # a typo
            f"{kind.lower()} {' '.join(title.split()[-2:])}",
        )[number % 8]
        filters = (
            Filters(price=PriceRange(max=price, currency="USD")),
            Filters(categories=(kind,), price=PriceRange(min=price // 2, max=price * 2, currency="USD")),
            Filters(attributes={"color": (color,)}),
            Filters(brand=(product.brand,)),
            Filters(rating_min=4.5, price=PriceRange(max=price, currency="USD")),
            Filters(exclude=Exclusions(attributes={"color": (color,)}), categories=(product.categories[0],)),
        )[number % 6]
        asked.append((text, filters))
    return asked


def build(work: Path, size: int) -> dict[str, float]:
    """Builds the index of `size` products; runs in a process of its own."""
    bases = [json.loads(line) for line in (work / "bases.jsonl").read_text().splitlines()]
    catalog, shop = work / f"{size}.jsonl", work / str(size)
    with catalog.open("w") as out:
        out.writelines(json.dumps(row) + "\n" for row in tellings(bases, size))
    encoder = Told(encoder_for("latin", work / "encoder"), work)
    stages: dict[str, float] = {}

    def note(stage: str, done: int, total: int) -> None:
        stages[stage] = time.perf_counter() - started

    started = time.perf_counter()
    report = build_index(catalog, shop, ShopSettings(), {"latin": encoder}, progress=note)
    catalog.unlink()
    print({stage: round(seconds) for stage, seconds in stages.items()}, report.stores, file=sys.stderr)
    return {"build_s": report.seconds, "build_peak_mb": _status("VmHWM") / 2**20}


def serve(work: Path, size: int) -> dict[str, float | str]:
    """Searches it; runs in a process of its own."""
    bases = [json.loads(line) for line in (work / "bases.jsonl").read_text().splitlines()]
    encoder = Told(encoder_for("latin", work / "encoder"), work)
    asked = questions(bases)
    encoder.encode_queries([text for text, _ in asked])
    empty = _status("VmRSS")
    folder = current_index(work / str(size))
    assert folder is not None
    anonymous = _parts_in_memory(folder)
    snapshot = Snapshot.load(folder)
    store = snapshot.vectors["latin"]
    if isinstance(store, HnswStore):
        store._width = REAL_WIDTH
    engine = SearchEngine(snapshot, {"latin": encoder})
    times: dict[bool, list[float]] = {False: [], True: []}
    own: dict[bool, list[float]] = {False: [], True: []}
    for filtered in (False, True):
        for text, filters in asked[:40]:  # not counted: pages are read from disk once
            engine.search(text, filters if filtered else None)
        for text, filters in asked:
            started, busy = time.perf_counter(), time.process_time()
            engine.search(text, filters if filtered else None)
            times[filtered].append(1000 * (time.perf_counter() - started))
            own[filtered].append(1000 * (time.process_time() - busy))
    parts = anonymous + sum(_mapped(folder / part) for part in KEYWORD_PARTS)
    return {
        "p50": float(np.percentile(times[False], 50)),
        "p95": float(np.percentile(times[False], 95)),
        "cpu_p95": float(np.percentile(own[False], 95)),
        "cpu_p95_filtered": float(np.percentile(own[True], 95)),
        "p50_filtered": float(np.percentile(times[True], 50)),
        "p95_filtered": float(np.percentile(times[True], 95)),
        "resident_mb": (_status("VmRSS") - empty) / 2**20,
        "bytes_a_product": parts / size,
        "store": store.name,
    }


def _status(name: str) -> int:
    """Bytes that the kernel counts for this process: VmRSS, RssAnon, or VmHWM, the highest that VmRSS has been."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def _parts_in_memory(folder: Path) -> int:
    """Bytes beyond the mapped files that the parts for vectors and keywords take when they are loaded."""
    import faiss  # noqa: F401  # libraries are not the index's
    import tantivy  # noqa: F401

    manifest, layout = read_manifest(folder, KIND), Layout(folder)
    before = _status("RssAnon")
    kind = KINDS[manifest.meta["stores"]["latin"]["kind"]]
    held = (
        kind.load(layout.vectors("latin")),
        WordIndex.load(layout.part("words")),
        KeywordIndex.load(layout.part("keywords")),
    )
    taken = _status("RssAnon") - before
    del held
    return max(0, taken)


def _mapped(folder: Path) -> int:
    """Bytes of the files below a folder that are resident in this process."""
    resident, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and len(words) >= 5 and not words[0].endswith(":"):
            inside = len(words) > 5 and words[5].startswith(f"{folder.resolve()}/")
        elif inside and words[0] == "Rss:":
            resident += int(words[1]) * 1024
    return resident


def measure(work: Path, size: int) -> Figures:
    """Builds and searches one size; what was built in `work` before is only searched."""
    found: dict[str, Any] = {"products": size}
    built = work / f"{size}.json"
    for step in ("build", "serve"):
        if step == "build" and built.exists():
            found |= json.loads(built.read_text())
            continue
        command = [sys.executable, "-m", "benchmarks.growth", "--work", str(work), "--step", step, "--sizes", str(size)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found |= json.loads(done.stdout.splitlines()[-1])
        if step == "build":
            built.write_text(done.stdout.splitlines()[-1])
    return Figures(**found)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--plot", type=Path, help="where to write the plot, an SVG")
    parser.add_argument("--work", type=Path, help="a folder for catalogs and indexes, 8 GB at a million products")
    parser.add_argument("--step", choices=("build", "serve"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        step = {"build": build, "serve": serve}[options.step]
        print(json.dumps(step(options.work, options.sizes[0])))
        return
    with tempfile.TemporaryDirectory() as place:
        work = options.work or Path(place)
        work.mkdir(parents=True, exist_ok=True)
        prepare(work)
        figures = []
        print(f"| {' | '.join(COLUMNS)} |\n{'| --- ' * len(COLUMNS)}|")
        for size in options.sizes:
            figures.append(measure(work, size))
            print(figures[-1].line(), flush=True)
        if options.plot:
            options.plot.write_text(draw([asdict(each) for each in figures]), encoding="utf-8")


if __name__ == "__main__":
    main()
