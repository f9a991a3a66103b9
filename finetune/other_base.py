"""A base model that a person names: a folder or a Hugging Face id, checked before anything is trained on it.

What transformers would load with a warning is refused here: weights that are missing are random there, and a tokenizer that is
missing is made up of its five special tokens. Both train, and give a model that is worth nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.history import CLOSING, OPENING, HistoryLimits
from finetune.network import LANGUAGE_MODEL
from storage.errors import Damaged, InvalidInput, NotFound

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from index.encoders import Script
    from index.pretrained import Pretrained

ARCHITECTURES = ("bert", "roberta", "xlm-roberta", "camembert")
"""Those with BERT's names of layers, which adapters go by, and that take word embeddings and a mask."""

_KIND = (
    f"Give an encoder like BERT: model_type {', '.join(ARCHITECTURES)} in config.json, with its tokenizer and "
    f"{HistoryLimits().budget} positions or more."
)
_FILES = (
    "Give a folder with config.json, tokenizer.json and model.safetensors (pytorch_model.bin is not read), or set "
    "HF_HUB_OFFLINE=0 in the environment and give a Hugging Face id."
)
_LEAST_VOCABULARY = 0.5  # of the rows of word embeddings; tables are padded, but not to twice their size


def space_of(name: str) -> Script | None:
    """The script of a folder that `finetune language-model` wrote; None where the base reads every script, as others must.

    Raises:
        Damaged: a folder with a manifest is no language model, or a file of it is not what was written.

    """
    space: Script | None = _manifest_meta(name).get("space")
    return space


def load_other(name: str) -> Pretrained:
    """The encoder in a folder, or of a Hugging Face id.

    Raises:
        NotFound: there is no such model, or a file of it is missing.
        Damaged: weights are missing or of another shape, or a folder's file is not what its manifest says.
        InvalidInput: it is of a kind that cannot be trained here.

    """
    from safetensors import SafetensorError
    from tokenizers import Tokenizer
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    from index.pretrained import Pretrained, quieten
    from storage.publish import sha256_file

    quieten()
    meta, folder = _manifest_meta(name), Path(name)
    if folder.is_dir() and not (folder / "tokenizer.json").is_file():
        raise NotFound(f"The base model {name} has no tokenizer.json.", _FILES)
    try:
        kind = AutoConfig.from_pretrained(name).model_type
        if kind not in ARCHITECTURES:
            raise InvalidInput(f"The base model {name} is of the kind {kind}, which cannot be trained here.", _KIND)
        # Without `use_safetensors` it would fall back to pytorch_model.bin, a pickle.
        model, found = AutoModel.from_pretrained(
            name, attn_implementation="sdpa", use_safetensors=True, output_loading_info=True
        )
        fast = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, SafetensorError) as error:
        raise NotFound(f"The base model {name} cannot be loaded: {str(error).splitlines()[0]}", _FILES) from error
    except RuntimeError as error:  # so it says that shapes differ
        raise Damaged(
            f"The weights of the base model {name} are not of the sizes that its config.json says.", _FILES
        ) from error
    _check_weights(name, found["missing_keys"])
    tokenizer = Tokenizer.from_str(fast.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    _check_tokenizer(name, tokenizer, len(model.get_input_embeddings().weight))
    file = folder / "model.safetensors"
    return Pretrained(
        name=name,
        model=model.eval(),
        tokenizer=tokenizer,
        max_tokens=_positions(name, model.config),
        pad_id=int(model.config.pad_token_id or 0),
        hash=sha256_file(file) if file.is_file() else str(getattr(model.config, "_commit_hash", "") or ""),
        embeddings=str(meta.get("embeddings", "")),
    )


def _manifest_meta(name: str) -> dict[str, Any]:
    """What `finetune language-model` wrote of a folder; empty for a folder of others and for a Hugging Face id."""
    from storage.publish import MANIFEST, read_manifest

    return read_manifest(Path(name), LANGUAGE_MODEL).meta if (Path(name) / MANIFEST).is_file() else {}


def _check_weights(name: str, missing: set[str]) -> None:
    lost = sorted(each for each in missing if not each.startswith("pooler."))  # nothing here reads the pooler
    if lost:
        raise Damaged(
            f"The base model {name} lacks {len(lost)} weights, the first is {lost[0]}.",
            "Its model.safetensors needs all that config.json promises, under the names of transformers.",
        )


def _check_tokenizer(name: str, tokenizer: Tokenizer, rows: int) -> None:
    for names in (OPENING, CLOSING):
        if not any(tokenizer.token_to_id(each) is not None for each in names):
            raise InvalidInput(f"The tokenizer of the base model {name} has none of {', '.join(names)}.", _KIND)
    numbers = tokenizer.get_vocab().values()
    if max(numbers) >= rows or len(numbers) < _LEAST_VOCABULARY * rows:
        raise InvalidInput(
            f"The base model {name} has {rows:,} word embeddings and a tokenizer of {len(numbers):,} pieces up to number "
            f"{max(numbers):,}: they do not belong together.",
            "Give the model its own tokenizer.json.",
        )


def _positions(name: str, config: Any) -> int:
    """The longest input: models of RoBERTa's kind count positions from behind the number of the padding."""
    positions = int(config.max_position_embeddings)
    if config.model_type != "bert":
        positions -= int(config.pad_token_id or 0) + 1
    if positions < HistoryLimits().budget:
        raise InvalidInput(f"The base model {name} reads {positions} tokens at most, which are too few.", _KIND)
    return positions
