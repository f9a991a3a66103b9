"""`finetune language-model`, on texts of the demo's generators: it learns, repeats, and is a base for the intent model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import launch
from demo.dialogues import generate_dialogues
from finetune.intent import finetune_intent
from finetune.language_model import Pretraining, finetune_language_model, write_base
from finetune.language_trainer import Step
from finetune.loop import DivergedError
from finetune.network import LANGUAGE_MODEL, load_base
from finetune.settings import Settings
from finetune.texts import TextCollector, TextReading
from index.pretrained import Pretrained, load_pretrained
from storage.errors import Conflict, Damaged, InvalidInput, NotFound, TooManyRejected
from storage.publish import read_manifest, write_manifest
from storage.rows import RowProblem

LEARNED = 0.2
"""Nats that a few dozen steps take off the held-out loss: over half a nat was seen."""


def demo_texts(dialogues: int, *, chinese: bool = False) -> TextReading:
    collector = TextCollector()
    counts = (0, dialogues) if chinese else (dialogues, 0)
    for dialogue in generate_dialogues(seed=1, english=counts[0], chinese=counts[1]):
        messages: Any = dialogue["messages"]
        collector.add_row(1, [message["content"] for message in messages])
    return collector.reading


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    return []


@pytest.fixture(scope="module")
def trained(steps: list[Step], tmp_path_factory: pytest.TempPathFactory) -> Pretraining:
    """A run over some 250 texts."""
    output = tmp_path_factory.mktemp("base") / "words"
    return finetune_language_model(demo_texts(60), output, epochs=10, seed=3, progress=steps.append)


def test_it_learns_the_shops_words(trained: Pretraining, steps: list[Step]) -> None:
    found = trained.metrics
    assert set(found) == {
        "n_texts",
        "n_tokens",
        "loss_before",
        "loss_after",
        "masked_accuracy_before",
        "masked_accuracy_after",
    }
    assert found["loss_after"] <= found["loss_before"] - LEARNED
    assert found["masked_accuracy_after"] > found["masked_accuracy_before"]
    assert found["n_tokens"] > 5 * found["n_texts"] > 0
    assert [step.phase for step in steps] == sorted((step.phase for step in steps), key=["head", "encoder"].index)
    assert all(0 < step.done <= step.total for step in steps)
    assert steps[-1].held_out is not None


def test_the_folder_says_what_it_was_made_of_and_holds_no_text(trained: Pretraining) -> None:
    manifest = read_manifest(trained.model_dir, LANGUAGE_MODEL)
    assert set(manifest.files) == {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
    base = load_pretrained("minilm")
    assert (manifest.meta["base"], manifest.meta["base_hash"], manifest.meta["seed"]) == ("minilm", base.hash, 3)
    assert manifest.meta["metrics"] == trained.metrics
    perplexity = manifest.meta["pseudo_perplexity"]
    assert 1 < perplexity["after"] < perplexity["before"]
    texts = [text for text in demo_texts(60).texts["latin"] if len(text) > 20]
    kept = (trained.model_dir / "manifest.json").read_text(encoding="utf-8")
    assert not [text for text in texts if text in kept]


def test_the_word_embeddings_stay_and_the_rest_learned(trained: Pretraining) -> None:
    weights, before = load_file(trained.model_dir / "model.safetensors"), load_pretrained("minilm").model.state_dict()
    assert set(weights) == set(before)
    same = {name for name, each in weights.items() if torch.equal(each, before[name])}
    assert same == {"embeddings.word_embeddings.weight"}


def test_sentences_keep_what_they_mean(trained: Pretraining) -> None:
    """Without the pull towards the base's vectors a masked language model loses what a sentence encoder has learned."""
    one, other = load_pretrained("minilm"), load_base("latin", str(trained.model_dir))
    for text in ("show me a kettle under 40 dollars", "where is my parcel?", "can i return these shoes"):
        before, after = (_vector(each, text) for each in (one, other))
        assert float(torch.cosine_similarity(before, after, dim=0)) >= 0.8


def _vector(base: Pretrained, text: str) -> torch.Tensor:
    ids = torch.tensor([base.tokenizer.encode(text).ids])
    with torch.inference_mode():
        states: torch.Tensor = base.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    return states.mean(dim=1)[0]


def test_it_is_a_base_for_the_intent_model_and_for_transformers(
    trained: Pretraining, small_log: Path, encoder_cache: Path, tmp_path: Path
) -> None:
    from transformers import AutoModel, AutoTokenizer

    text = "put the kettle in my cart"
    model = AutoModel.from_pretrained(trained.model_dir)
    tokenizer = AutoTokenizer.from_pretrained(trained.model_dir)
    own = load_base("latin", str(trained.model_dir))
    assert tokenizer(text)["input_ids"] == own.tokenizer.encode(text).ids
    ids = torch.tensor([own.tokenizer.encode(text).ids])
    with torch.inference_mode():
        states = [each.eval()(ids).last_hidden_state for each in (model, own.model)]
    assert torch.equal(*states)
    run = finetune_intent(
        [small_log], tmp_path / "intent", Settings("head", str(trained.model_dir), epochs=2), cache_dir=encoder_cache
    )
    table = run.model_dir / "latin" / "embeddings.npy"
    assert table.stat().st_nlink > 1, "one table serves the search encoder and this model"
    meta = json.loads((run.model_dir / "intent.json").read_text(encoding="utf-8"))
    assert meta["encoders"]["latin"]["base_hash"] == own.hash
    assert run.metrics["n"]


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> bytes:
        run = finetune_language_model(demo_texts(20), tmp_path / name, epochs=2, seed=seed)
        return (run.model_dir / "model.safetensors").read_bytes()

    assert weights("one", 5) == weights("same", 5)
    assert weights("one-more", 6) != (tmp_path / "one" / "model.safetensors").read_bytes()


def test_a_run_that_was_killed_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.checkpoint.Checkpoint.due", True)
    whole = finetune_language_model(demo_texts(20), tmp_path / "whole", epochs=3, seed=5)

    class Killed(BaseException):
        pass

    for phase, kill_at in (("head", 1), ("encoder", 1), ("encoder", 3)):
        seen: list[Step] = []

        def kill(step: Step, phase: str = phase, kill_at: int = kill_at, seen: list[Step] = seen) -> None:
            seen.append(step)
            if step.phase == phase and step.done == kill_at:
                raise Killed

        with pytest.raises(Killed):
            finetune_language_model(demo_texts(20), tmp_path / "resumed", epochs=3, seed=5, progress=kill)
        assert not (tmp_path / "resumed").exists()
    resumed = finetune_language_model(demo_texts(20), tmp_path / "resumed", epochs=3, seed=5)
    assert resumed.metrics == whole.metrics
    name = "model.safetensors"
    assert (resumed.model_dir / name).read_bytes() == (whole.model_dir / name).read_bytes()
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_one_script_is_trained_and_the_other_told(tmp_path: Path) -> None:
    reading, other = demo_texts(10), demo_texts(30, chinese=True)
    reading.texts["han"], reading.found["han"] = other.texts["han"], other.found["han"]
    reading.found["latin"] = len(reading.texts["latin"][:20])
    told: list[str] = []
    run = finetune_language_model(reading, tmp_path / "han", epochs=1, notice=told.append)
    assert "20 texts" in told[0]
    assert "--base-model" in told[0]
    meta = read_manifest(run.model_dir, LANGUAGE_MODEL).meta
    assert (meta["base"], meta["space"]) == ("e5", "han")
    original, own = load_pretrained("e5").tokenizer, load_base("han", str(run.model_dir)).tokenizer
    for text in ("有没有三百以内的跑步鞋？", "128GB 红色的 iPhone", "ＬＥＤ台灯  a  b"):
        assert own.encode(text).ids == original.encode(text).ids


@pytest.mark.parametrize("count", [0, 1, 49])
def test_too_few_texts_say_how_many_it_takes(count: int, tmp_path: Path) -> None:
    reading = TextReading()
    reading.texts["latin"] = [f"one of {count} texts about kettle number {number}" for number in range(count)]
    with pytest.raises(InvalidInput, match=rf"{count} distinct texts.*50"):
        finetune_language_model(reading, tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_too_many_broken_rows_train_nothing_and_are_kept_redacted(tmp_path: Path) -> None:
    reading = demo_texts(20)
    reading.problems = [RowProblem(number, "not JSON: x", "{jo.doe@example.org") for number in range(12)]
    with pytest.raises(TooManyRejected):
        finetune_language_model(reading, tmp_path / "base")
    kept = (tmp_path / "base" / "rejected.jsonl").read_text(encoding="utf-8")
    assert len(kept.splitlines()) == 12
    assert "example.org" not in kept


def test_a_base_model_that_is_missing_or_used_is_told_at_once(trained: Pretraining, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        finetune_language_model(demo_texts(20), tmp_path / "base", base_model=str(tmp_path / "nowhere"))
    with pytest.raises(Conflict, match="not empty"):
        finetune_language_model(demo_texts(20), trained.model_dir)
    with pytest.raises(InvalidInput, match="epochs"):
        finetune_language_model(demo_texts(20), tmp_path / "base", epochs=0)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_one_flipped_bit_is_found(name: str, trained: Pretraining, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.model_dir, tmp_path / "copy"))
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(Damaged, match=name):
        load_base("latin", str(folder))
    (folder / name).unlink()
    with pytest.raises(Damaged, match=f"{name} is missing"):
        load_base("latin", str(folder))


def test_a_folder_of_another_kind_is_no_base_model(trained: Pretraining, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained.model_dir, tmp_path / "copy"))
    (folder / "manifest.json").unlink()
    assert load_base("latin", str(folder)).hash == load_base("latin", str(trained.model_dir)).hash
    write_manifest(folder, "intent", {})
    with pytest.raises(Damaged, match="of the kind 'intent'"):
        load_base("latin", str(folder))
    (folder / "manifest.json").unlink()
    (folder / "model.safetensors").write_bytes(b"\x08" + bytes(40))
    with pytest.raises(NotFound, match="cannot be loaded"):
        load_base("latin", str(folder))


def test_a_base_of_weights_that_are_no_numbers_is_not_trained_on(tmp_path: Path) -> None:
    base = load_pretrained("minilm")
    with torch.no_grad():
        base.model.get_parameter("encoder.layer.0.output.dense.weight")[0, 0] = float("nan")
    (tmp_path / "broken").mkdir()
    write_base(replace(base, name="broken"), tmp_path / "broken")
    with pytest.raises(DivergedError):
        finetune_language_model(demo_texts(20), tmp_path / "base", base_model=str(tmp_path / "broken"), epochs=1)
    assert not (tmp_path / "base").exists()


def test_the_command_prints_what_scripts_rely_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lines.txt").write_text("\n".join(demo_texts(20).texts["latin"]), encoding="utf-8")
    arguments = ["--texts", tmp_path / "lines.txt", "--shop", tmp_path, "--epochs", 1, "--json"]
    monkeypatch.setattr("sys.argv", ["launch.py", "finetune", "language-model", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        launch.run()
    printed = capsys.readouterr()
    assert stopped.value.code == 0, printed.err
    result = json.loads(printed.out)
    assert set(result) == {"model_dir", "seconds", "metrics"}
    assert Path(result["model_dir"]).parent == tmp_path / "models" / "language-model"
    assert load_base("latin", result["model_dir"]).max_tokens == 512
