"""From a trained network to the folder that serves, and the compact form that ships without base weights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.doubt import REFERENCE
from bot.intent import INPUTS, KIND, OUTPUTS, IntentSettings
from storage.disk import disk_trouble, writing
from storage.errors import Conflict, Damaged, InvalidInput
from storage.publish import read_manifest, write_manifest

if TYPE_CHECKING:
    from torch import Tensor

    from bot.doubt import Reference
    from bot.intent_network import IntentNetwork
    from index.pretrained import Pretrained

COMPACT_KIND = "intent-compact"
ADAPTER, HEAD = "adapter.safetensors", "head.safetensors"
REJECTED = "rejected.jsonl"

_EXPORT_TOKENS = 512


@contextmanager
def complete_folder(output: Path) -> Iterator[Path]:
    """A folder to write into that becomes `output` by rename, or vanishes when the block fails.

    Rows that an earlier run rejected and left in `output` go; those that the block writes there come along.

    Raises:
        InvalidInput: `output` names no folder that could be made.
        Conflict: `output` holds something already (rejected rows of an earlier run aside).
        Unavailable: the disk is full or not writable.

    """
    require_name(output)
    if output.exists() and (not output.is_dir() or any(each.name != REJECTED for each in output.iterdir())):
        raise Conflict(f"{output} is not empty.", "Give another --output, or remove it.")
    staged = output.with_name(f".{output.name}.partial-{os.getpid()}")
    _sweep(output)
    try:
        with writing(output):
            (output / REJECTED).unlink(missing_ok=True)
            staged.mkdir(parents=True)
        with disk_trouble(staged, output):
            yield staged
        with writing(output):
            if output.exists():
                if (output / REJECTED).is_file():
                    (output / REJECTED).replace(staged / REJECTED)
                output.rmdir()
            staged.rename(output)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def require_name(output: Path) -> None:
    """Refuses an output folder without a name of its own, such as "." or "..": what is written beside it goes by that."""
    if output.name in ("", ".."):
        raise InvalidInput(
            f"{output} cannot become a model folder.", "Give --output a new folder, such as runs/intent-1."
        )


def _sweep(output: Path) -> None:
    """Removes what killed runs left half written; the number behind the name is the process that wrote it."""
    for left in output.parent.glob(f".{output.name}.partial-*"):
        number = left.name.rpartition("-")[2]
        if not number.isdigit() or not Path(f"/proc/{number}").exists():
            shutil.rmtree(left, ignore_errors=True)


def trained_states(network: IntentNetwork) -> dict[str, dict[str, Tensor]]:
    """What training changed, rounded to float16, by file name; a fully trained encoder has no adapter among them."""
    from finetune.network import adapter_state, head_state

    states = {ADAPTER: adapter_state(network), HEAD: head_state(network)}
    return {
        name: {key: each.half().contiguous() for key, each in state.items()} for name, state in states.items() if state
    }


def round_to_half(network: IntentNetwork) -> None:
    """Takes the weights that `trained_states` would save, so that calibration and export see what a reader gets."""
    for state in trained_states(network).values():
        load_state(network, state)


def load_state(network: IntentNetwork, state: dict[str, Tensor]) -> None:
    """Loads adapter or head weights; raises ValueError for a name or shape that the network does not have."""
    encoder = {name: value.float() for name, value in state.items() if "lora_" in name}
    rest = {name: value.float() for name, value in state.items() if "lora_" not in name}
    for module, part in ((network.encoder, encoder), (network, rest)):
        try:
            unexpected = module.load_state_dict(part, strict=False).unexpected_keys
        except RuntimeError as error:
            raise ValueError(str(error).splitlines()[-1].strip()) from error
        if unexpected:
            raise ValueError(f"unexpected weights: {', '.join(unexpected[:3])}")


def write_encoder(
    network: IntentNetwork,
    base: Pretrained,
    space: str,
    folder: Path,
    cache_dir: Path | None,
    reference: Reference | None = None,
) -> None:
    """Exports one network into `folder/<space>`; adapters are merged, so it cannot be trained on after.

    With `cache_dir` the word embeddings are a hard link to those of the search encoder that has the same, so that disk and memory
    hold them once.
    """
    from safetensors.torch import save_file

    from index.export import export

    target = folder / space
    target.mkdir()
    states = trained_states(network)
    for name, state in states.items():
        save_file(state, target / name)
    if reference is not None:
        reference.save(target)
    table: Any = linked_embeddings(base, target, cache_dir) if cache_dir is not None else None
    if table is None:
        table = network.encoder.get_input_embeddings().weight.detach().numpy()
    if ADAPTER in states:
        adapted: Any = network.encoder
        network.encoder = adapted.merge_and_unload()
    export(
        network.eval(),
        base.tokenizer,
        table,
        target,
        max_tokens=min(_EXPORT_TOKENS, base.max_tokens),
        pad_id=base.pad_id,
        dim=network.encoder.config.hidden_size,
        inputs=INPUTS,
        outputs=OUTPUTS,
    )


def linked_embeddings(base: Pretrained, folder: Path, cache: Path) -> str | None:
    """Links the word embeddings of the search encoder that has those of `base` into a folder; their sha256, None where none has."""
    from finetune.network import BASES
    from index.encoders import encoder_for

    owner = next((space for space, name in BASES.items() if name == base.embeddings), None)
    if owner is None:
        return None
    encoder = encoder_for(owner, cache)
    _link(encoder.embeddings_file, folder / "embeddings.npy")
    return encoder.embeddings_sha256


def compact(model: Path, output: Path) -> None:
    """Takes from a complete model folder what its base weights do not have: adapters, heads, settings.

    Raises:
        InvalidInput: the model was trained in full, so there is no adapter.

    """
    meta = read_manifest(model, KIND).meta
    if meta.get("method") == "full":
        raise InvalidInput(f"{model} was trained in full and has no compact form.", "Train with --method lora.")
    settings = IntentSettings.load(model)
    with complete_folder(output) as folder:
        settings.save(folder)
        for space in settings.encoders:
            (folder / space).mkdir()
            for name in (ADAPTER, HEAD, REFERENCE):
                if (model / space / name).is_file():
                    shutil.copyfile(model / space / name, folder / space / name)
        write_manifest(folder, COMPACT_KIND, meta)


def assemble(compact_folder: Path, output: Path, cache_dir: Path | None = None) -> Path:
    """Builds the complete model folder from a compact one and the base weights of the installed packages.

    Raises:
        Damaged: a file or the base weights are not those that the model was trained with.

    """
    from safetensors.torch import load_file

    from finetune.network import build_network, load_base

    meta = read_manifest(compact_folder, COMPACT_KIND).meta
    settings = IntentSettings.load(compact_folder)
    with complete_folder(output) as folder:
        for space, encoder in settings.encoders.items():
            base = load_base(space, None)
            if base.hash != encoder.base_hash:
                raise Damaged(
                    f"{compact_folder} needs the base weights {encoder.base_hash[:12]}…, installed are {base.hash[:12]}….",
                    "Install the versions in constraints.txt, or train the model again.",
                )
            adapted = (compact_folder / space / ADAPTER).is_file()
            network = build_network(base, len(settings.labels), "lora" if adapted else "head")
            for name in (ADAPTER, HEAD) if adapted else (HEAD,):
                try:
                    load_state(network, load_file(compact_folder / space / name))
                except (ValueError, OSError) as error:
                    raise Damaged(
                        f"{compact_folder / space / name} does not fit: {error}", "Train the model again."
                    ) from error
            write_encoder(network, base, space, folder, cache_dir)
            if (compact_folder / space / REFERENCE).is_file():
                shutil.copyfile(compact_folder / space / REFERENCE, folder / space / REFERENCE)
        settings.save(folder)
        write_manifest(folder, KIND, meta)
    return output


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system
        shutil.copyfile(source, target)
