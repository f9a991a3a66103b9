from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import launch
from bot.intent import KIND, IntentModel
from finetune.data_report import DataReport
from finetune.evaluate_intent import evaluate_intent
from finetune.examples import examples_of, turns_of
from finetune.export import assemble, compact
from finetune.intent import Finetuned, finetune_intent
from finetune.logs import read_logs
from finetune.loop import DivergedError
from finetune.network import build_network, load_base
from finetune.settings import Settings
from finetune.trainer import RECIPES, Recipe, Step, infer, train
from storage.errors import Conflict, Damaged, InvalidInput, NotFound, TooManyRejected
from storage.publish import Versions
from tests.finetune.conftest import made_up_dialogues, write_log


def test_training_learns_what_the_log_says(small_model: Finetuned, tmp_path: Path) -> None:
    unseen = read_logs([write_log(tmp_path / "unseen.jsonl", made_up_dialogues(60, seed=99))]).dialogues
    metrics = evaluate_intent(IntentModel.load(small_model.model_dir), unseen)
    assert metrics["n"] == sum(bool(turn.golds) for turn in turns_of(unseen))
    assert (metrics["macro_f1"] or 0) >= 0.9
    assert (metrics["oos_auroc"] or 0) >= 0.8
    assert (metrics["ece"] or 0) <= 0.15
    assert metrics["exact"] is not None
    assert metrics["micro_f1"] is not None
    assert small_model.metrics["n"]


def test_what_serves_keeps_no_text_of_the_log(small_model: Finetuned) -> None:
    """Only the report and its data quote the log, redacted: the worst errors, and turns whose label looks wrong."""
    quoting = {"report.html", "metrics.json", "tokenizer.json"}
    read = [path for path in small_model.model_dir.rglob("*") if path.is_file() and path.name not in quoting]
    assert len(read) > 8
    for path in read:
        assert b"put the" not in path.read_bytes()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_exported_and_torch_agree_and_the_method_moves_what_it_should(
    method: str, small_log: Path, tmp_path: Path
) -> None:
    turns = turns_of(read_logs([small_log]).dialogues)[:40]
    labels = sorted({name for turn in turns for name in turn.golds})
    base = load_base("latin", None)
    torch.manual_seed(0)
    before = {name: each.detach().clone() for name, each in base.model.named_parameters()}
    network = build_network(base, len(labels), method)
    examples = examples_of(turns, labels, base.tokenizer)
    train(network, examples, examples, base.pad_id, Recipe(epochs=2, rate=8e-5 if method == "full" else 1e-3))
    kept = {
        name for name, each in network.encoder.named_parameters() if name in before and torch.equal(each, before[name])
    }
    if method == "full":
        assert kept == {"embeddings.word_embeddings.weight"}
    from finetune.export import round_to_half, write_encoder
    from index.transformer import Transformer

    round_to_half(network)
    expected = infer(network, examples, base.pad_id)
    write_encoder(network, base, "latin", tmp_path, None)
    served = Transformer.load(tmp_path / "latin")
    for row in range(len(examples)):
        tokens = examples.tokens(row)
        found = served.run_ids([tokens.ids], {"segments": [tokens.segments]})
        assert found["features"][0] == pytest.approx(expected.features[row], abs=0.03)
        assert found["logits"][0] == pytest.approx(expected.logits[row], abs=0.05)


def test_a_model_made_elsewhere_is_served_once_adopted(small_model: Finetuned, tmp_path: Path) -> None:
    versions = Versions(tmp_path / "models" / "intent", KIND)
    adopted = versions.adopt(small_model.model_dir)
    assert versions.current() == adopted
    asked = [{"role": "user", "content": "put the tent in my cart"}]
    expected = IntentModel.load(small_model.model_dir).predict(asked)
    assert IntentModel.load(adopted).predict(asked).scores == pytest.approx(expected.scores)


def test_compact_form_is_small_and_assembles_to_the_same_model(
    small_model: Finetuned, encoder_cache: Path, tmp_path: Path
) -> None:
    compact(small_model.model_dir, tmp_path / "compact")
    assert sum(each.stat().st_size for each in (tmp_path / "compact" / "latin").iterdir()) <= 5_000_000
    assemble(tmp_path / "compact", tmp_path / "whole", encoder_cache)
    first, second = IntentModel.load(small_model.model_dir), IntentModel.load(tmp_path / "whole")
    for text in ("put the tent in my cart", "can i return it?", "tell me a joke about lamps", ""):
        asked = [{"role": "user", "content": text}]
        assert first.predict(asked).scores == pytest.approx(second.predict(asked).scores, abs=1e-3)


def test_a_compact_form_of_other_base_weights_is_refused(small_model: Finetuned, tmp_path: Path) -> None:
    from storage.publish import read_manifest, write_manifest

    compact(small_model.model_dir, tmp_path / "compact")
    settings = json.loads((tmp_path / "compact" / "intent.json").read_text())
    settings["encoders"]["latin"]["base_hash"] = "0" * 64
    (tmp_path / "compact" / "intent.json").write_text(json.dumps(settings))
    with pytest.raises(Damaged, match="sha256"):
        read_manifest(tmp_path / "compact", "intent-compact")
    (tmp_path / "compact" / "manifest.json").unlink()
    write_manifest(tmp_path / "compact", "intent-compact", {})
    with pytest.raises(Damaged, match="base weights"):
        assemble(tmp_path / "compact", tmp_path / "whole")
    assert not (tmp_path / "whole").exists()


def test_both_scripts_get_an_encoder_and_few_turns_do_not(encoder_cache: Path, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(40, seed=1) + made_up_dialogues(40, seed=2, chinese=True))
    steps: list[Step] = []
    run = finetune_intent(
        [log], tmp_path / "both", Settings("head", epochs=8), cache_dir=encoder_cache, progress=steps.append
    )
    model = IntentModel.load(run.model_dir)
    assert set(model.settings.encoders) == {"latin", "han"}
    assert {step.space for step in steps} == {"latin", "han"}
    assert all(0 < step.done <= step.total for step in steps)
    assert (run.model_dir / "latin" / "embeddings.npy").stat().st_nlink > 1
    assert model.predict([{"role": "user", "content": "把帐篷加到购物车"}]).label == "cart_add"

    few = write_log(tmp_path / "few.jsonl", made_up_dialogues(40, seed=1) + made_up_dialogues(4, seed=2, chinese=True))
    run = finetune_intent([few], tmp_path / "one", Settings("head", epochs=1), cache_dir=encoder_cache)
    assert set(IntentModel.load(run.model_dir).settings.encoders) == {"latin"}


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(30, seed=1))
    runs = [finetune_intent([log], tmp_path / name, Settings("head", epochs=2, seed=5)) for name in ("one", "two")]
    heads = [(run.model_dir / "latin" / "head.safetensors").read_bytes() for run in runs]
    assert heads[0] == heads[1]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no labelled user turn"),
        ([{"messages": [{"role": "user", "content": "hi"}]}], "no labelled user turn"),
        (
            [{"messages": [{"role": "user", "content": f"hi {n}", "intents": ["greet"]}]} for n in "abcdef"],
            "only the label 'greet'",
        ),
        (
            [{"messages": [{"role": "user", "content": "hi", "intents": [name]}]} for name in ("greet", "thank")],
            "two different",
        ),
    ],
)
def test_logs_that_teach_nothing_say_why(rows: list[object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=message):
        finetune_intent([write_log(tmp_path / "log.jsonl", rows)], tmp_path / "model", Settings("head"))
    assert not (tmp_path / "model").exists()


def test_a_log_that_is_mostly_broken_trains_nothing_and_keeps_its_rows(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(20, seed=1) + ['{"mail": "jo.doe@example.org"'] * 12)
    with pytest.raises(TooManyRejected):
        finetune_intent([log], tmp_path / "model", Settings("head"))
    kept = (tmp_path / "model" / "rejected.jsonl").read_text(encoding="utf-8")
    assert len(kept.splitlines()) == 12
    assert "example.org" not in kept


def test_a_folder_in_use_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "precious").write_text("x")
    with pytest.raises(Conflict, match="not empty"):
        finetune_intent([tmp_path / "log.jsonl"], tmp_path / "model")


def test_unknown_method_and_base_model_say_what_there_is(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", made_up_dialogues(30, seed=1))
    with pytest.raises(InvalidInput, match="full, lora, head"):
        finetune_intent([log], tmp_path / "model", Settings("magic"))
    with pytest.raises(NotFound, match="nowhere"):
        finetune_intent([log], tmp_path / "model", Settings("head", str(tmp_path / "nowhere")))


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    base = load_base("latin", None)
    base.model.config.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(base.tokenizer.to_str(), encoding="utf-8")
    torch.save(base.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(NotFound, match="safetensors") as caught:
        load_base("latin", str(tmp_path))
    assert "HF_HUB_OFFLINE=0" in caught.value.hint


def test_a_loss_that_is_no_number_stops_the_run(small_log: Path) -> None:
    base = load_base("latin", None)
    turns = turns_of(read_logs([small_log]).dialogues)[:32]
    labels = sorted({name for turn in turns for name in turn.golds})
    network = build_network(base, len(labels), "head")
    with torch.no_grad():
        network.head.output.weight.fill_(float("nan"))
    examples = examples_of(turns, labels, base.tokenizer)
    with pytest.raises(DivergedError, match="nan at step 0"):
        train(network, examples, examples, base.pad_id, RECIPES["head"])


def test_another_models_labels_are_refused(small_model: Finetuned, tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "hi", "intents": ["other:label"]}]}]
    with pytest.raises(InvalidInput, match="other:label"):
        evaluate_intent(
            IntentModel.load(small_model.model_dir), read_logs([write_log(tmp_path / "x.jsonl", rows)]).dialogues
        )


@pytest.mark.parametrize("name", ["latin/body.bin", "latin/embeddings.npy", "intent.json", "latin/tokenizer.json"])
def test_a_damaged_folder_is_refused(small_model: Finetuned, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small_model.model_dir, folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(Damaged, match=Path(name).name):
        IntentModel.load(folder)


def test_evaluate_says_which_rows_it_could_not_score(
    small_model: Finetuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {"messages": [{"role": "user", "content": "is my refund on its way", "intents": ["refund_status"]}]}
    log = write_log(tmp_path / "log.jsonl", [*made_up_dialogues(5, seed=9), other, "{broken", {"messages": []}])
    command = ["launch.py", "evaluate", "intent", "--model", str(small_model.model_dir), "--logs", str(log), "--json"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as stopped:
        launch.run()
    printed = capsys.readouterr()
    assert not stopped.value.code
    expected = "n accuracy macro_f1 micro_f1 exact ece oos_auroc oos_fpr95 p50_ms".split()
    assert set(json.loads(printed.out)) == set(expected)
    assert "2 of 8 rows were rejected" in printed.err
    assert "Labels that the logs have and the model can only miss, in turns: refund_status 1." in printed.err
    assert "reading logs" in printed.err
    assert "messages: missing or empty" in printed.err


def test_a_log_that_marks_its_test_part_is_described_by_its_parts(tmp_path: Path) -> None:
    rows = made_up_dialogues(40, seed=1)
    for row in rows[:6]:
        row["split"] = "test"
    unlabelled = {"dialogue_id": "bare", "messages": [{"role": "user", "content": "a turn that nobody labelled"}]}
    told: list[DataReport] = []
    finetune_intent(
        [write_log(tmp_path / "log.jsonl", [*rows, unlabelled])],
        tmp_path / "model",
        Settings("head", epochs=1),
        told=told.append,
    )
    [data] = told
    assert data.test_dialogues == 6
    assert data.training_dialogues + data.validation_dialogues == 34
    assert data.left_out == 0


def test_held_out_dialogues_without_promotion_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(write_log(tmp_path / "log.jsonl", made_up_dialogues(5, seed=9)))
    options = ["--logs", log, "--held-out", log, "--output", str(tmp_path / "model"), "--shop", str(tmp_path / "shop")]
    monkeypatch.setattr("sys.argv", ["launch.py", "finetune", "intent", *options])
    with pytest.raises(SystemExit) as stopped:
        launch.run()
    assert stopped.value.code == 2
    assert "--promote" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
