"""A transformer in serving: tokenizers, numpy and OpenVINO, no torch.

The word embeddings stay on disk as a memory-mapped float16 matrix and are gathered with numpy, so that a vocabulary of
250,000 pieces costs no resident memory and several models (encoder and intent model) share one file. What OpenVINO runs is
the body, from embeddings to named outputs.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import Damaged

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Progress = Callable[[int], None]

BATCH = 32  # documents a request: longer batches gain nothing once both cores are busy
FEW_BATCHES = 4  # up to this many, compiling a second model for throughput costs more than it saves


@dataclass(frozen=True)
class Layout:
    """The files of a model folder; export and loading share it."""

    settings: str = "transformer.json"
    tokenizer: str = "tokenizer.json"
    embeddings: str = "embeddings.npy"
    body: str = "body.xml"


LAYOUT = Layout()


@dataclass(frozen=True)
class TransformerSettings:
    """What `transformer.json` holds.

    `embeddings_sha256` names the matrix; where the folder has no `embeddings.npy` of its own, the caller gives a file with
    that hash. `inputs` are int inputs beside the tokens (one value a token), `outputs` the names of what the body yields.
    """

    dim: int
    max_tokens: int
    pad_id: int
    embeddings_sha256: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ("vector",)

    def save(self, folder: Path) -> None:
        """Writes `transformer.json`."""
        (folder / LAYOUT.settings).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> TransformerSettings:
        """Reads `transformer.json`; raises `Damaged` where it is missing or not what it should be."""
        try:
            values = json.loads((folder / LAYOUT.settings).read_text(encoding="utf-8"))
            return cls(**{**values, "inputs": tuple(values["inputs"]), "outputs": tuple(values["outputs"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise Damaged(f"{folder} is not a model folder: {error}.", "Build or train the model again.") from error


_TOKENIZERS: dict[tuple[str, int], Tokenizer] = {}
_LOADING = threading.Lock()


def _tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    """The tokenizer of a file; models with equal ones share it, for a multilingual vocabulary takes 280 MB in memory."""
    from tokenizers import Tokenizer

    with path.open("rb") as file:
        key = file_digest(file, "sha256").hexdigest(), max_tokens
    with _LOADING:
        if key not in _TOKENIZERS:
            tokenizer = Tokenizer.from_file(str(path))
            tokenizer.no_padding()
            tokenizer.enable_truncation(max_tokens)
            _TOKENIZERS[key] = tokenizer
        return _TOKENIZERS[key]


class Transformer:
    """Runs texts or token ids through an exported body. Safe to share between threads.

    `run` is made for the one query that a person waits for; `run_many` for the catalog: it sorts by length, so that a batch
    pads little, and keeps all cores busy with requests side by side.
    """

    def __init__(
        self, settings: TransformerSettings, tokenizer: Tokenizer, embeddings: NDArray[np.float16], body: Path
    ) -> None:
        self.settings = settings
        self.tokenizer = tokenizer
        self.embeddings = embeddings  # (vocabulary, dim)
        self._body = body
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        compiled = _compile(body, {"PERFORMANCE_HINT": "LATENCY"})
        for _ in range(_requests_at_once(compiled)):
            self._requests.put(compiled.create_infer_request())

    @classmethod
    def load(cls, folder: Path, embeddings: Path | None = None) -> Transformer:
        """The model in `folder`; `embeddings` is the shared matrix where the folder does not carry its own.

        The caller has checked the folder's hashes. Raises `Damaged` where files are missing or do not fit each other.
        """
        settings = TransformerSettings.load(folder)
        own = folder / LAYOUT.embeddings
        matrix = own if own.is_file() else embeddings
        wanted = (folder / LAYOUT.tokenizer, folder / LAYOUT.body, matrix or own)
        for path in wanted:
            if not path.is_file():
                raise Damaged(f"{path} is missing.", "Build or train the model again.")
        tokenizer = _tokenizer(folder / LAYOUT.tokenizer, settings.max_tokens)
        table = np.load(matrix or own, mmap_mode="r", allow_pickle=False)
        if table.ndim != 2 or table.shape[1] != settings.dim or table.dtype != np.float16:
            raise Damaged(
                f"{matrix} holds {table.dtype} {table.shape}, the model needs float16 (vocabulary, {settings.dim}).",
                "Build or train the model again.",
            )
        return cls(settings, tokenizer, table, folder / LAYOUT.body)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text with its special tokens, cut at `max_tokens`."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(list(texts))]

    def run(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Outputs by name, one row a text; for models without extra inputs."""
        return self.run_ids(self.tokenize(texts))

    def run_ids(
        self, ids: Sequence[Sequence[int]], extra: Mapping[str, Sequence[Sequence[int]]] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Outputs by name for token ids, each row at most `max_tokens` long; `extra` has one int for each token.

        Pads to the longest row: `[[5, 6, 7], [5]]` becomes ids `[[5, 6, 7], [5, pad, pad]]` and mask `[[1, 1, 1], [1, 0, 0]]`.
        """
        feed = self._feed(ids, extra or {})
        with self._request() as request:
            request.infer(feed, share_inputs=True)
            return self._outputs(request)

    def run_many(self, texts: Sequence[str], progress: Progress | None = None) -> dict[str, NDArray[np.float32]]:
        """As `run`, for many texts; `progress` is called with the number of texts done since its last call."""
        ids = self.tokenize(texts)
        order = sorted(
            range(len(ids)), key=lambda row: -len(ids[row])
        )  # long first: memory peaks at once, not at the end
        found: list[tuple[list[int], dict[str, NDArray[np.float32]]]] = []

        def keep(request: Any, rows: list[int]) -> None:
            found.append((rows, self._outputs(request)))
            if progress:
                progress(len(rows))

        batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        if len(batches) <= FEW_BATCHES:
            for rows in batches:
                with self._request() as request:
                    request.infer(self._feed([ids[row] for row in rows], {}), share_inputs=True)
                    keep(request, rows)
        else:
            self._run_side_by_side(ids, batches, keep)
        merged: dict[str, NDArray[np.float32]] = {}
        for rows, outputs in found:
            for name, values in outputs.items():
                table = merged.setdefault(name, np.empty((len(ids), *values.shape[1:]), np.float32))
                table[rows] = values
        return merged

    def _run_side_by_side(
        self, ids: Sequence[Sequence[int]], batches: Sequence[list[int]], keep: Callable[[Any, list[int]], None]
    ) -> None:
        # Compiled here and dropped after: it holds a second copy of the weights that serving does not need.
        compiled = _compile(self._body, {"PERFORMANCE_HINT": "THROUGHPUT"})
        jobs = runtime().AsyncInferQueue(compiled, _requests_at_once(compiled))
        jobs.set_callback(keep)
        for rows in batches:
            jobs.start_async(self._feed([ids[row] for row in rows], {}), userdata=rows)
        jobs.wait_all()

    def _feed(
        self, ids: Sequence[Sequence[int]], extra: Mapping[str, Sequence[Sequence[int]]]
    ) -> dict[str, NDArray[Any]]:
        if set(extra) != set(self.settings.inputs):
            raise ValueError(f"the model takes the inputs {self.settings.inputs}, got {tuple(extra)}")
        width = max(len(row) for row in ids)
        tokens = np.full((len(ids), width), self.settings.pad_id, np.int64)  # (batch, tokens)
        mask = np.zeros((len(ids), width), np.int64)  # (batch, tokens)
        for index, row in enumerate(ids):
            tokens[index, : len(row)] = row
            mask[index, : len(row)] = 1
        vectors = self.embeddings[tokens].astype(np.float32)  # (batch, tokens, dim)
        feed: dict[str, NDArray[Any]] = {"inputs_embeds": vectors, "attention_mask": mask}
        for name, rows in extra.items():
            padded = np.zeros((len(ids), width), np.int64)
            for index, values in enumerate(rows):
                padded[index, : len(values)] = values
            feed[name] = padded
        return feed

    def _outputs(self, request: Any) -> dict[str, NDArray[np.float32]]:
        # A copy: the request's memory is overwritten by its next run.
        return {
            name: np.array(request.get_output_tensor(index).data, np.float32)
            for index, name in enumerate(self.settings.outputs)
        }

    @contextmanager
    def _request(self) -> Iterator[Any]:
        request = self._requests.get()
        try:
            yield request
        finally:
            self._requests.put(request)


def runtime() -> Any:
    """OpenVINO, imported when the first model needs it; its stubs do not name what it has."""
    import openvino

    return openvino


def inference_precision() -> str:
    """The precision of inference: bf16 where the CPU computes it in hardware (AMX or AVX512-BF16), else f32."""
    return "bf16" if "BF16" in runtime().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def _compile(body: Path, settings: dict[str, str]) -> Any:
    config = {"INFERENCE_PRECISION_HINT": inference_precision(), "INFERENCE_NUM_THREADS": str(cores()), **settings}
    try:
        return runtime().Core().compile_model(body, "CPU", config)
    except RuntimeError as error:
        raise Damaged(f"{body} cannot be read: {error}.", "Build or train the model again.") from error


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _requests_at_once(compiled: Any) -> int:
    return max(1, int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))
