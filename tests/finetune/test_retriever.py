"""`finetune retriever` from judged queries to a served index: it learns the shop's own words; what does not help is left out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bot.parts import NoIntents, Parts, parts_of
from finetune.evaluate_search import Query
from finetune.loop import Progress, Step
from finetune.registry import BUILT_IN, GateRefusedError, Registry
from finetune.retriever import finetune_retriever
from finetune.search_data import FEWEST_TRAINED, SearchData, mined, search_data
from finetune.search_run import Tuned
from finetune.search_variants import BOTH, SERVING, TUNED, found_for
from index.build import build_index
from index.encoders import Encoder
from index.retriever import Retriever, retriever_versions
from index.snapshot import Snapshot, current_index
from storage.database import Database
from storage.errors import Damaged, InvalidInput
from storage.principal import Principal, Role
from storage.publish import read_manifest, write_manifest
from storage.searches import Choice
from storage.settings import ShopSettings
from tests.index.catalogs import write_jsonl

ENGINEER = Principal("ada", Role.ENGINEER)
# What the shop calls a thing, and what its shoppers do; no encoder knows either.
KINDS = {
    "quenzel": "floopt", "bramdor": "yistle", "tovark": "gumbery", "sillot": "wexim", "drunnel": "plonka",
    "ombrask": "zatchet", "fyrrin": "kobblit", "hask": "murdoon",
}  # fmt: skip
ASKED = (
    "a {} please", "cheap {}", "{} for my sister", "do you have a {}", "the best {}", "{} as a gift", "looking for a {}",
    "which {} is good", "new {}", "{} for the garden",
)  # fmt: skip
FINISHES = ("oak", "steel", "linen")


def catalog() -> list[dict[str, object]]:
    return [
        {
            "id": f"{kind}-{finish}",
            "title": f"{kind.title()} in {finish}",
            "description": f"Made of {finish}, good for years.",
        }
        for kind in KINDS
        for finish in FINISHES
    ]


def judgments() -> tuple[list[Query], dict[str, dict[str, float]]]:
    queries = [
        Query(f"{word}-{place}", asked.format(word)) for word in KINDS.values() for place, asked in enumerate(ASKED)
    ]
    kind_of = {word: kind for kind, word in KINDS.items()}
    qrels = {
        query.query_id: {f"{kind_of[query.query_id.split('-')[0]]}-{finish}": 1.0 for finish in FINISHES[:2]}
        for query in queries
    }
    return queries, qrels


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, latin_encoder: Encoder) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    file = write_jsonl(folder / "catalog.jsonl", catalog())
    build_index(file, folder, ShopSettings(), {"latin": latin_encoder})
    return folder


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = Database.open(f"sqlite:///{tmp_path_factory.mktemp('db')}/aisle.db")
    yield found
    found.close()


def parts_in(shop: Path, database: Database, cache: Path) -> Parts:
    folder = current_index(shop)
    assert folder is not None
    snapshot = Snapshot.load(folder)
    encoders = snapshot.retriever.encoders_of(snapshot.vectors, cache)
    return parts_of(snapshot, encoders, NoIntents(shop), ShopSettings(), database)


@pytest.fixture(scope="module")
def data(shop: Path) -> SearchData:
    folder = current_index(shop)
    assert folder is not None
    return search_data(Snapshot.load(folder), *judgments(), (), seed=0)


@pytest.fixture(scope="module")
def tuned(
    shop: Path, database: Database, data: SearchData, encoder_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Tuned:
    parts = parts_in(shop, database, encoder_cache)
    return finetune_retriever(parts, data, tmp_path_factory.mktemp("run") / "words", encoder_cache, epochs=8)


def test_judged_queries_are_split_by_their_text(data: SearchData) -> None:
    assert data.judged == len(KINDS) * len(ASKED) > FEWEST_TRAINED
    assert len(data.held_out) == round(0.3 * data.judged)
    assert not {each.query.text for each in data.training} & {each.query.text for each in data.held_out}


def test_few_judged_queries_are_all_held_out_and_products_that_are_gone_are_counted(shop: Path) -> None:
    snapshot = Snapshot.load(current_index(shop) or shop)
    queries, qrels = judgments()
    few = search_data(snapshot, queries[:5], {**qrels, queries[0].query_id: {"gone": 1.0}}, (), seed=0)
    assert (len(few.training), len(few.held_out), few.missing) == (0, 4, 1)
    with pytest.raises(InvalidInput, match="No judged product"):
        search_data(snapshot, queries[:5], {}, (), seed=0)


def test_choices_become_pairs_by_their_best_event_without_personal_data(shop: Path) -> None:
    choices = [
        Choice("u1", "floopt, mail me at a.b@example.com", "quenzel-oak", "view_item", 0),
        Choice("u1", "floopt, mail me at a.b@example.com", "quenzel-oak", "purchase", 0),
        Choice("u2", "yistle", "bramdor-oak", "select_item", 0),
        Choice("u3", "yistle", "gone", "purchase", 0),
    ]
    data = search_data(Snapshot.load(current_index(shop) or shop), [], {}, choices, seed=0)
    assert {(pair.query, pair.weight) for pair in data.chosen} == {
        ("floopt, mail me at REDACTED_EMAIL", 1.0),
        ("yistle", 0.3),
    }
    assert data.users == {"u1", "u2"}


def test_mined_products_are_wrong_ones(shop: Path, data: SearchData, latin_encoder: Encoder) -> None:
    pairs = data.pairs()
    found = mined(Snapshot.load(current_index(shop) or shop), latin_encoder, pairs)
    right: dict[str, set[int]] = {}
    for pair in pairs:
        right.setdefault(pair.query, set()).add(pair.row)
    assert found.keys() == right.keys()
    assert all(rows and not right[query] & set(rows) for query, rows in found.items())


def test_it_learns_the_words_that_shoppers_use(tuned: Tuned) -> None:
    assert tuned.metrics["chosen"] in (TUNED, BOTH)
    assert float(tuned.metrics["ndcg@10"]) > float(tuned.metrics["ndcg@10_before"]) + 0.2
    assert {"n", "recall@1", "recall@10", "mrr@10", "ndcg@10"} <= tuned.metrics.keys()
    assert tuned.metrics["n"] == 24


def test_the_folder_is_complete_and_says_how_it_was_judged(tuned: Tuned, latin_encoder: Encoder) -> None:
    retriever = Retriever.load(tuned.model_dir)
    assert retriever.encoders.keys() == {"latin"}
    gate = read_manifest(tuned.model_dir, "retriever").meta["gate"]
    assert gate["passed"]
    assert gate["ndcg"][SERVING] < gate["ndcg"][gate["chosen"]]
    assert not any(tuned.model_dir.parent.glob(".words.*"))
    encoder = Encoder.load(retriever.encoders["latin"])
    assert encoder.hash != latin_encoder.hash


def test_its_cosines_are_told_on_the_pretrained_scale(tuned: Tuned, latin_encoder: Encoder) -> None:
    encoder = Encoder.load(Retriever.load(tuned.model_dir).encoders["latin"])
    texts = [str(row["title"]) for row in catalog()]
    asked = ["something of steel", "a murdoon", "linen"]
    own = encoder.on_pretrained_scale(encoder.encode_queries(asked) @ encoder.encode_documents(texts).T)
    pretrained = latin_encoder.encode_queries(asked) @ latin_encoder.encode_documents(texts).T
    assert abs(float(np.median(own) - np.median(pretrained))) < 0.15
    raw = encoder.encode_queries(asked) @ encoder.encode_documents(texts).T
    assert (np.argsort(own[0], kind="stable") == np.argsort(raw[0], kind="stable")).mean() > 0.9


def test_promotion_changes_encoder_and_index_together_and_a_rollback_brings_the_built_in_back(
    shop: Path,
    database: Database,
    tuned: Tuned,
    encoder_cache: Path,
    latin_encoder: Encoder,
    tmp_path: Path,
) -> None:
    served = tmp_path / "shop"
    shutil.copytree(shop, served)
    registry = Registry(served, database, ENGINEER)

    def publish(folder: Path | None) -> None:
        retriever = Retriever.load(folder) if folder else Retriever()
        build_index(None, served, ShopSettings(), {"latin": latin_encoder}, retriever=retriever)

    def first_hit() -> tuple[str, str]:
        parts = parts_in(served, database, encoder_cache)
        hits = parts.shelf.engine.search("a murdoon please").hits
        return parts.shelf.snapshot.encoder_hashes["latin"], hits[0].product_id if hits else ""

    before = first_hit()
    registry.promote("retriever", str(tuned.model_dir), publish=publish)
    after = first_hit()
    assert after[0] != before[0] == latin_encoder.hash
    assert after[1].startswith("hask-")
    assert not before[1].startswith("hask-")
    # A catalog that comes later is embedded by the promoted encoder too.
    report = build_index(write_jsonl(tmp_path / "c.jsonl", catalog()), served, ShopSettings(), {"latin": latin_encoder})
    assert (report.embedded, report.reused) == (0, len(catalog()))
    assert first_hit() == after
    assert registry.models("retriever")[0].ndcg == pytest.approx(tuned.metrics["ndcg@10"])
    assert registry.roll_back("retriever", publish).to_version == BUILT_IN
    assert first_hit() == before
    assert retriever_versions(served).pointer() is None


def test_a_retriever_that_finds_no_more_is_refused(
    shop: Path, database: Database, tuned: Tuned, tmp_path: Path
) -> None:
    folder = tmp_path / "poor"
    shutil.copytree(tuned.model_dir, folder)
    meta = read_manifest(folder, "retriever").meta
    write_manifest(
        folder, "retriever", meta | {"gate": {**meta["gate"], "passed": False, "reasons": ["Fails: no more."]}}
    )
    before = current_index(shop)
    with pytest.raises(GateRefusedError, match="no more"):
        Registry(shop, database, ENGINEER).promote("retriever", str(folder), publish=lambda _: pytest.fail("published"))
    assert current_index(shop) == before


@pytest.mark.parametrize("weights", [{"words": -1}, {"words": "much"}, {"words": float("inf")}, ["words"]])
def test_weights_that_are_none_are_refused(tuned: Tuned, tmp_path: Path, weights: object) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tuned.model_dir, folder)
    write_manifest(folder, "retriever", read_manifest(folder, "retriever").meta | {"fusion": weights})
    with pytest.raises(Damaged, match="weights"):
        Retriever.load(folder)


def test_a_damaged_encoder_is_found_before_it_is_promoted(
    shop: Path, database: Database, tuned: Tuned, tmp_path: Path
) -> None:
    folder = tmp_path / "flipped"
    shutil.copytree(tuned.model_dir, folder)
    file = next((folder / "encoders" / "latin").glob("*.bin"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(Damaged):
        Registry(shop, database, ENGINEER).promote("retriever", str(folder), force=True, publish=lambda _: None)


def test_a_run_without_judged_queries_learns_from_the_catalog(
    shop: Path, database: Database, encoder_cache: Path, tmp_path: Path
) -> None:
    parts = parts_in(shop, database, encoder_cache)
    found = finetune_retriever(parts, SearchData(), tmp_path / "catalog", encoder_cache, epochs=1)
    gate = read_manifest(found.model_dir, "retriever").meta["gate"]
    assert found.metrics["n"] == gate["n"] > 0
    assert gate["ndcg"].keys() == {SERVING, TUNED}


def test_a_run_that_is_cut_off_goes_on_to_the_same_encoder(
    shop: Path, database: Database, data: SearchData, encoder_cache: Path, tmp_path: Path
) -> None:
    parts = parts_in(shop, database, encoder_cache)

    def run(name: str, progress: Progress | None = None) -> str:
        found = finetune_retriever(parts, data, tmp_path / name, encoder_cache, epochs=2, progress=progress)
        return str(read_manifest(found.model_dir, "retriever").meta["data_sha256"]) + hash_of(found.model_dir)

    def hash_of(folder: Path) -> str:
        encoders = Retriever.load(folder).encoders
        return Encoder.load(encoders["latin"]).hash if encoders else "none"

    def cut_off(step: Step) -> None:
        if step.score is not None and step.done == step.total - 1:
            raise KeyboardInterrupt

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("cut", cut_off)
    assert not (tmp_path / "cut").exists()
    assert any((tmp_path / ".cut.checkpoints").iterdir())
    steps: list[Step] = []
    assert run("cut", steps.append) == whole
    assert len(steps) < steps[-1].total, "what was done is not done again"


def test_the_evidence_is_that_of_the_search_itself(shop: Path, database: Database, encoder_cache: Path) -> None:
    parts = parts_in(shop, database, encoder_cache)
    rows, evidence = found_for(parts, Query("q", "quenzel in oak"))
    best = rows[evidence.fused()[0].argmax()]
    assert parts.shelf.snapshot.products.get(int(best)).id == "quenzel-oak"
    assert parts.shelf.engine.search("quenzel in oak").hits[0].row == best
