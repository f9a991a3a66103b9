"""Base models that a person names: what cannot be trained on is refused with the reason, before a step is made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    GPT2Config,
    GPT2Model,
    RobertaConfig,
    RobertaModel,
)

from finetune.corpus import Corpus, Part
from finetune.export import write_encoder
from finetune.intent import finetune_intent
from finetune.language_model import finetune_language_model
from finetune.network import LANGUAGE_MODEL, build_network, load_base
from finetune.other_base import space_of
from finetune.settings import Settings
from finetune.texts import TextReading
from index.transformer import Transformer
from storage.errors import AisleError, Damaged, InvalidInput, NotFound
from storage.publish import write_manifest
from tests.finetune.conftest import made_up_dialogues, write_log
from tests.finetune.tiny import BERT, ROBERTA, TINY, WORDS, language_model, word, write_tokenizer


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "bert"
    BertModel(BertConfig(**TINY)).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


def without_pooler(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: each for name, each in weights.items() if "pooler" not in name}


def without_a_layer(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: each for name, each in weights.items() if "layer.1." not in name}


def under_other_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"module.{name}": each for name, each in weights.items()}


def of_another_shape(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: each[:30].clone() if "word_embeddings" in name else each for name, each in weights.items()}


def copy_with(bert: Path, folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> str:
    shutil.copytree(bert, folder)
    save_file(change(load_file(bert / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})
    return str(folder)


def test_a_model_without_its_pooler_is_whole(bert: Path, tmp_path: Path) -> None:
    found = load_base("latin", copy_with(bert, tmp_path / "base", without_pooler))
    assert found.max_tokens == 512
    weights = load_file(bert / "model.safetensors")
    assert all(torch.equal(each, weights[name]) for name, each in without_pooler(found.model.state_dict()).items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_a_layer, r"lacks 16 weights, the first is encoder\.layer\.1\."),
        (under_other_names, "lacks 37 weights"),
        (of_another_shape, "not of the sizes"),
    ],
)
def test_weights_that_are_not_all_there_are_refused(
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], message: str, bert: Path, tmp_path: Path
) -> None:
    with pytest.raises(Damaged, match=message):
        load_base("latin", copy_with(bert, tmp_path / "base", change))


def test_a_folder_without_its_tokenizer_is_refused(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "base")
    (tmp_path / "base" / "tokenizer.json").unlink()
    with pytest.raises(NotFound, match=r"has no tokenizer\.json"):
        load_base("latin", str(tmp_path / "base"))


@pytest.mark.parametrize(
    ("special", "words", "message"),
    [
        (BERT, 10, "48 word embeddings and a tokenizer of 14 pieces"),
        (BERT, 45, "up to number 48"),
        (("[UNK]", "[SEP]"), WORDS, r"none of \[CLS\], <s>"),
        (("[UNK]", "[CLS]"), WORDS, r"none of \[SEP\], </s>"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_refused(
    special: tuple[str, ...], words: int, message: str, bert: Path, tmp_path: Path
) -> None:
    shutil.copytree(bert, tmp_path / "base")
    write_tokenizer(tmp_path / "base", special, words)
    with pytest.raises(InvalidInput, match=message):
        load_base("latin", str(tmp_path / "base"))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: DistilBertModel(DistilBertConfig(vocab_size=48, dim=16, n_layers=1, n_heads=2)), "kind distilbert"),
        (lambda: GPT2Model(GPT2Config(vocab_size=48, n_embd=16, n_layer=1, n_head=2)), "kind gpt2"),
        (lambda: BertModel(BertConfig(**TINY, max_position_embeddings=127)), "reads 127 tokens at most"),
        (lambda: RobertaModel(RobertaConfig(**TINY, max_position_embeddings=129)), "reads 127 tokens at most"),
    ],
)
def test_a_kind_that_cannot_be_trained_is_refused_and_says_what_can(
    model: Callable[[], Any], message: str, tmp_path: Path
) -> None:
    model().save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    with pytest.raises(AisleError, match=message) as caught:
        load_base("latin", str(tmp_path))
    assert caught.value.hint.startswith("Give an encoder like BERT: model_type bert, roberta")


class Stopped(BaseException):
    """Ends a run before it trains."""


def test_a_base_of_one_script_leaves_the_other_its_packaged_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latin, every = language_model(tmp_path / "latin", "latin"), language_model(tmp_path / "every", None)
    assert [load_base(space, latin).name for space in ("latin", "han")] == [latin, "e5"]
    assert [load_base(space, every).name for space in ("latin", "han")] == [every, every]
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(40, 1) + made_up_dialogues(40, 2, chinese=True))
    found: list[set[str]] = []

    def stop(space: str, part: Part, corpus: Corpus, settings: Settings, **_: Any) -> None:
        found.append(set(corpus.parts))
        raise Stopped

    monkeypatch.setattr("finetune.fit.fit", stop)
    for base in (latin, every):
        with pytest.raises(Stopped):
            finetune_intent([log], tmp_path / "model", Settings("head", base))
    assert found == [{"latin", "han"}, {"latin"}]


def test_a_base_of_a_script_that_the_logs_lack_is_refused(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(20, 1))
    with pytest.raises(InvalidInput, match="made for han text"):
        finetune_intent([log], tmp_path / "model", Settings("head", language_model(tmp_path / "han", "han")))


def test_a_language_model_trained_on_stays_with_its_script(tmp_path: Path) -> None:
    reading = TextReading()
    reading.texts = {
        "latin": [" ".join(map(word, (at % 40, at % 7, at % 11, at // 40, 3))) for at in range(60)],
        "han": ["有没有三百以内的跑步鞋"] * 80,
    }
    reading.found = {script: len(texts) for script, texts in reading.texts.items()}
    told: list[str] = []
    base = tmp_path / "latin"
    language_model(base, "latin")
    write_tokenizer(base, (*BERT, "[MASK]"), WORDS)
    (base / "manifest.json").unlink()
    write_manifest(base, LANGUAGE_MODEL, {"space": "latin", "embeddings": ""})
    run = finetune_language_model(reading, tmp_path / "more", base_model=str(base), epochs=1, notice=told.append)
    assert "80 texts of the other script" in told[0]
    assert space_of(str(run.model_dir)) == "latin"


@pytest.mark.parametrize("method", ["full", "lora", "head"])
def test_a_model_of_robertas_kind_is_trained_and_served(method: str, tmp_path: Path) -> None:
    RobertaModel(RobertaConfig(**TINY, max_position_embeddings=140)).save_pretrained(tmp_path / "base")
    write_tokenizer(tmp_path / "base", ROBERTA)
    base = load_base("latin", str(tmp_path / "base"))
    assert (base.max_tokens, base.pad_id) == (138, 1)
    torch.manual_seed(0)
    network = build_network(base, 3, method).eval()
    assert any(each.requires_grad for each in network.parameters())
    ids = torch.randint(4, 44, (1, 128))
    segments = torch.zeros_like(ids)
    with torch.inference_mode():
        embeds: Any = network.encoder.get_input_embeddings()(ids)
        expected = network(embeds, torch.ones_like(ids), segments)[0][0].numpy()
    write_encoder(network, base, "latin", tmp_path, None)
    served = Transformer.load(tmp_path / "latin")
    found = served.run_ids([ids[0].tolist()], {"segments": [segments[0].tolist()]})["logits"][0]
    assert found == pytest.approx(expected, abs=0.02)
