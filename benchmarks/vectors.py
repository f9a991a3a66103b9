"""Vector stores on real text: recall@10 against exact search, time of a query, of the build, and bytes, side by side.

    python -m benchmarks.vectors --texts FILE [FILE…] [--queries 500] [--cache vectors.npy]

A text a line, embedded with MiniLM; every so many are held out as queries. The peer, clusters at 8 bits a dimension (IVF with SQ8),
is built by FAISS's own recipe; each line of it and of the graph is one width of the search. Milliseconds
are those of the thread, so that another job on the machine does not count.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from index.encoders import encoder_for
from index.vectors import WIDTHS, HnswStore

Floats = NDArray[np.float32]
PROBES = (8, 16, 32, 64, 128, 256, 512)
DEPTHS = (10, 200)  # what is asked for in the table, and what a search of the shop asks for


def embedded(paths: list[Path], cache: Path | None) -> Floats:
    """(texts, dim) of all lines that differ."""
    if cache is not None and cache.exists():
        return np.asarray(np.load(cache, allow_pickle=False), np.float32)
    texts = list(
        dict.fromkeys(line for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line)
    )
    with tempfile.TemporaryDirectory() as place:
        encoder = encoder_for("latin", Path(place))
        started = time.perf_counter()
        parts = [encoder.encode_documents(texts[at : at + 4_096]) for at in range(0, len(texts), 4_096)]
        print(f"{len(texts)} texts embedded, {len(texts) / (time.perf_counter() - started):.0f} a second")
    vectors = np.concatenate(parts)
    if cache is not None:
        np.save(cache, vectors.astype(np.float16), allow_pickle=False)
    return vectors


def nearest(vectors: Floats, queries: Floats) -> NDArray[np.int64]:
    """(queries, 10) the rows of the nearest vectors, in no order."""
    found = [
        np.argpartition(-(queries[at : at + 50] @ vectors.T), 10, axis=1)[:, :10] for at in range(0, len(queries), 50)
    ]
    return np.concatenate(found)


def line(
    name: str, search: Callable[[Floats, int], NDArray[np.int64]], queries: Floats, truth: NDArray[np.int64]
) -> str:
    """A line of the table: recall@10 and milliseconds of a query, for each of `DEPTHS`."""
    hits, times = 0, {}
    for depth in DEPTHS:
        taken = []
        for query, rows in zip(queries, truth, strict=True):
            started = time.thread_time()
            found = search(query, depth)
            taken.append(1000 * (time.thread_time() - started))
            if depth == DEPTHS[0]:
                hits += len(set(found.tolist()) & set(rows.tolist()))
        times[depth] = f"{np.percentile(taken, 50):.2f} / {np.percentile(taken, 95):.2f}"
    return f"| {name} | {hits / truth.size:.4f} | {' | '.join(times.values())} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, nargs="+", required=True)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--cache", type=Path, help="where vectors are kept between runs")
    options = parser.parse_args()
    everything = embedded(options.texts, options.cache)
    held = np.linspace(0, len(everything) - 1, options.queries).astype(np.int64)
    queries, vectors = everything[held], np.delete(everything, held, axis=0)
    truth = nearest(vectors, queries)
    started = time.perf_counter()
    store = HnswStore.build(vectors.astype(np.float16))
    built = time.perf_counter() - started
    started = time.perf_counter()
    clusters = 2 ** round(np.log2(4 * np.sqrt(len(vectors))))
    make: Callable[..., faiss.IndexIVFScalarQuantizer] = faiss.IndexIVFScalarQuantizer
    quantizer = faiss.IndexFlatIP(vectors.shape[1])
    ivf = make(quantizer, vectors.shape[1], clusters, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    ivf.cp.niter, ivf.cp.max_points_per_centroid = 10, 39
    ivf.train(vectors)
    ivf.add(vectors)
    built_ivf = time.perf_counter() - started
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    faiss.omp_set_num_threads(1)
    sizes = [len(faiss.serialize_index(each)) / len(vectors) for each in (flat, store._index, ivf)]
    print(
        f"{len(vectors)} vectors, {len(queries)} queries; built: HNSW {built:.0f} s, IVF {built_ivf:.0f} s; bytes a vector: "
    )
    print(f"exact {sizes[0]:.0f}, HNSW {sizes[1]:.0f}, IVF {sizes[2]:.0f}; the shop would search: {store.reason()}\n")
    print("| | recall@10 | ten: p50 / p95 ms | 200: p50 / p95 ms |\n| --- | --- | --- | --- |")
    print(line("exact", lambda query, k: flat.search(query[None], k)[1][0], queries, truth))
    fitted = store._width
    for width in WIDTHS:
        store._width = width
        name = f"HNSW with SQ8, {width} wide" + (" (as fitted)" if width == fitted else "")
        print(line(name, lambda query, k: store.search(query, k)[0], queries, truth), flush=True)
    for probes in PROBES:
        ivf.nprobe = probes
        name = f"IVF{clusters} with SQ8, {probes} clusters"
        print(line(name, lambda query, k: ivf.search(query[None], k)[1][0], queries, truth), flush=True)


if __name__ == "__main__":
    main()
