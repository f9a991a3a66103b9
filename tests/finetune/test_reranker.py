"""`finetune reranker` from judged queries to a served order: which word says what a thing is; what does not help is refused."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from bot.parts import NoIntents, Parts, current_reranker, parts_of
from bot.service import Assistant
from bot.watcher import Watcher
from finetune.cross_encoder import listwise, margins
from finetune.evaluate_search import Query
from finetune.loop import Progress, Step
from finetune.registry import BUILT_IN, GateRefusedError, Registry
from finetune.rerank_data import SIZE, gain_of, judged_queries, lists_of, made_queries, need_of
from finetune.rerank_variants import Trial, cross_fitted, fitted, quality
from finetune.reranker import COUNTS, STUDENT, TEACHER, finetune_reranker
from finetune.search_data import FEWEST_TRAINED, SearchData, search_data
from finetune.search_run import Tuned
from finetune.search_variants import SERVING
from index.build import build_index
from index.encoders import Encoder
from index.filters import Filters
from index.product import Product
from index.snapshot import Snapshot, current_index
from retrieval.reranker import QUERY_TOKENS, TOKENS, Reranker, load_reranker, pair_of, reranker_versions
from retrieval.search import SearchEngine
from storage.database import Database
from storage.errors import Damaged, InvalidInput
from storage.principal import Principal, Role
from storage.publish import read_manifest, write_manifest
from storage.settings import ShopSettings
from tests.index.catalogs import write_jsonl

ENGINEER = Principal("ada", Role.ENGINEER)
THINGS = ("lamp", "chair", "tent", "camera", "piano", "kettle", "drum")
# The last of two nouns says what it is: no count of words and no set of vectors tells a lamp chair from a chair lamp.
ASKED = ("{0} {1}", "cheap {0} {1}", "a {0} {1} please")
TITLE = "{1}, made for any {0}"


def couples() -> list[tuple[str, str]]:
    return [(one, other) for one in THINGS for other in THINGS if one != other]


def catalog() -> list[dict[str, object]]:
    return [
        {"id": f"{one}-{other}", "title": TITLE.format(one, other.title()), "price": f"${10 + place}"}
        for place, (one, other) in enumerate(couples())
    ]


def judgments() -> tuple[list[Query], dict[str, dict[str, float]]]:
    queries = [
        Query(f"{one}-{other}-{place}", asked.format(one, other))
        for one, other in couples()
        for place, asked in enumerate(ASKED)
    ]
    return queries, {query.query_id: {query.query_id.rpartition("-")[0]: 1.0} for query in queries}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, latin_encoder: Encoder, encoder_cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    build_index(write_jsonl(folder / "catalog.jsonl", catalog()), folder, ShopSettings(), {"latin": latin_encoder})
    return folder


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    found = Database.open(f"sqlite:///{tmp_path_factory.mktemp('db')}/aisle.db")
    yield found
    found.close()


def snapshot_of(shop: Path) -> Snapshot:
    folder = current_index(shop)
    assert folder is not None
    return Snapshot.load(folder)


def parts_in(shop: Path, database: Database, encoder: Encoder) -> Parts:
    settings = ShopSettings()
    return parts_of(snapshot_of(shop), {"latin": encoder}, NoIntents(shop), settings, database, current_reranker(shop))


@pytest.fixture(scope="module")
def parts(shop: Path, database: Database, latin_encoder: Encoder) -> Parts:
    return parts_in(shop, database, latin_encoder)


@pytest.fixture(scope="module")
def data(shop: Path) -> SearchData:
    return search_data(snapshot_of(shop), *judgments(), (), seed=0)


@pytest.fixture(scope="module")
def tuned(parts: Parts, data: SearchData, encoder_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    output = tmp_path_factory.mktemp("run") / "heads"
    return finetune_reranker(parts, data, output, encoder_cache, epochs=1, budget_ms=float("inf"))


@pytest.fixture
def served(shop: Path, encoder_cache: Path, tmp_path: Path) -> Path:
    """A copy of the shop to promote in."""
    folder = tmp_path / "shop"
    shutil.copytree(shop, folder)
    (folder / "models").mkdir()
    (folder / "models" / "encoder").symlink_to(encoder_cache)
    return folder


def broken(tuned: Tuned, folder: Path) -> Path:
    """A copy with one bit turned."""
    shutil.copytree(tuned.model_dir, folder)
    file = folder / "body.bin"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return folder


def test_a_pair_is_cut_so_that_both_parts_end_as_they_should() -> None:
    assert pair_of([101, 5, 102], [101, 7, 8, 102]) == ([101, 5, 102, 7, 8, 102], [0, 0, 0, 1, 1, 1])
    ids, parts = pair_of([101, *[5] * 100, 102], [101, *[7] * 100, 102])
    assert len(ids) == len(parts) == TOKENS
    assert (ids[QUERY_TOKENS - 1], ids[-1], sum(parts)) == (102, 102, TOKENS - QUERY_TOKENS)


def test_margins_are_the_error_of_all_pairs() -> None:
    scores, teacher = torch.tensor([[1.0, 3.0, 0.0]]), torch.tensor([[2.0, 2.5, -1.0]])
    pairs = [(one, other) for one in range(3) for other in range(3)]
    errors = [
        float((scores[0, one] - scores[0, other]) - (teacher[0, one] - teacher[0, other])) ** 2 for one, other in pairs
    ]
    assert float(margins(scores, teacher)) == pytest.approx(sum(errors) / len(pairs) / 2)
    assert float(margins(teacher + 4, teacher)) == pytest.approx(0, abs=1e-6)


def test_the_listwise_loss_is_least_where_the_scores_are_the_gains() -> None:
    gains = torch.tensor([[3.0, 1.0, 0.0]])
    right, level = torch.log(torch.tensor([[7.0, 1.0, 1e-6]])), torch.zeros(1, 3)
    assert float(listwise(right, gains)) < float(listwise(level, gains))


def test_a_need_names_a_kind_and_values_and_a_product_gains_by_what_it_has() -> None:
    lamp = Product(id="1", title="Glow", brand="Ombrask", categories=("Home", "Lamps"), attributes={"color": ("red",)})
    drawn = [need_of(lamp, random.Random(seed)) for seed in range(30)]
    assert all("lamps" in query and all(value in query for value in values) for query, values in drawn)
    assert {len(values) for _, values in drawn} == {0, 1, 2}
    assert gain_of(lamp, "Lamps", ["red", "Ombrask"]) == 3
    assert gain_of(lamp, "Lamps", ["red", "blue"]) == 2
    assert gain_of(lamp, "Lamps", []) == 3
    assert gain_of(lamp, "Chairs", ["red"]) == 0


def test_lists_are_as_long_as_each_other_and_follow_from_the_seed(parts: Parts, data: SearchData) -> None:
    products = [(row, parts.shelf.snapshot.products.get(row)) for row in range(6)]
    asked = [*judged_queries(parts, data), *made_queries(parts, products, 0)]
    assert len(asked) == len(data.training) + len(products)
    lists = lists_of(asked, 0, 1)
    assert {len(each.rows) for each in lists} == {SIZE}
    assert all(max(each.targets) > 0 for each in lists)
    assert lists == lists_of(asked, 0, 1) != lists_of(asked, 0, 2)


def test_it_learns_which_word_says_what_a_thing_is(tuned: Tuned, data: SearchData) -> None:
    assert len(data.training) > FEWEST_TRAINED
    assert tuned.metrics["chosen"] in (STUDENT, TEACHER)
    assert float(tuned.metrics["ndcg@10"]) > float(tuned.metrics["ndcg@10_before"]) + 0.05
    assert {"n", "recall@1", "recall@10", "mrr@10", "ndcg@10", "rerank_ms"} <= tuned.metrics.keys()
    assert tuned.metrics["candidates"] == COUNTS[0]


def test_the_folder_is_complete_and_says_how_it_was_judged(tuned: Tuned) -> None:
    gate = read_manifest(tuned.model_dir, "reranker").meta["gate"]
    assert gate["passed"]
    assert gate["ndcg"][SERVING] < gate["ndcg"][gate["chosen"]]
    assert all(gate["ndcg"][SERVING] < gate["ndcg"][name] for name in (STUDENT, TEACHER)), (
        "what the teacher knows is taught"
    )
    assert not (tuned.model_dir / STUDENT).exists()
    assert not any(tuned.model_dir.parent.glob(".heads.*"))
    reranker = load_reranker(tuned.model_dir)
    assert reranker.weight == gate["weights"]["relevance"] > 0


def test_it_orders_the_first_hits_and_nothing_else(parts: Parts, tuned: Tuned) -> None:
    plain = parts.shelf.engine
    engine = plain.reranked_by(load_reranker(tuned.model_dir))
    cheap = Filters.model_validate({"price": {"max": 3000, "currency": "USD"}})

    def ids(of: SearchEngine, *arguments: object, **named: object) -> list[str]:
        return [hit.product_id for hit in of.search(*arguments, **named).hits]  # type: ignore[arg-type]

    before, after = ids(plain, "piano drum", cheap, limit=40), ids(engine, "piano drum", cheap, limit=40)
    assert sorted(before) == sorted(after)
    assert before != after
    assert before[COUNTS[0] :] == after[COUNTS[0] :]
    scores, fused = ([hit.score for hit in of.search("piano drum", limit=40).hits] for of in (engine, plain))
    assert scores == pytest.approx(fused, abs=1e-4)
    assert ids(engine, "piano drum", sort="price_asc") == ids(plain, "piano drum", sort="price_asc")
    assert ids(engine, "piano drum DX-4711") == ids(plain, "piano drum DX-4711"), "a model number is found exactly"
    assert ids(engine, "") == ids(plain, "")


def test_it_reads_model_numbers_where_that_was_measured_to_help(tuned: Tuned, tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    shutil.copytree(tuned.model_dir, folder)
    write_manifest(folder, "reranker", read_manifest(folder, "reranker").meta | {"codes": True})
    without, too = load_reranker(tuned.model_dir), load_reranker(folder)
    assert [each.reads("drum DX-4711", "latin") for each in (without, too)] == [False, True]
    assert [each.reads("drum", "latin") for each in (without, too)] == [True, True]
    assert not too.reads("鼓", "han")


def trial(right: int) -> Trial:
    """Five hits of equal score, of which one is right."""
    return Trial(Query("q", "q"), "q", list(range(5)), [0.5] * 5, {right: 1.0})


def test_the_weight_is_fitted_on_other_queries_than_it_is_judged_by() -> None:
    trials = [trial(number % 5) for number in range(20)]
    telling = [np.eye(5, dtype=np.float32)[number % 5] for number in range(20)]
    assert fitted(trials, telling) > 0
    assert cross_fitted(trials, telling).mean() == 1 > quality(trials, telling, 0.0).mean()
    wrong = [-each for each in telling]
    assert fitted(trials, wrong) == 0
    # What is right on one half of the queries and wrong on the other gains nothing: each is judged by the other's weight.
    mixed = [each if number % 2 else -each for number, each in enumerate(telling)]
    assert cross_fitted(trials, mixed).mean() < quality(trials, mixed, 0.0).mean()


def test_serving_scores_as_training_did(tuned: Tuned) -> None:
    reranker = load_reranker(tuned.model_dir)
    products = [reranker.tokens(Product(id="1", title=TITLE.format(*couple))) for couple in couples()[:9]]
    together = reranker.relevance("piano drum", products)
    alone = [float(reranker.relevance("piano drum", [each])[0]) for each in products]
    np.testing.assert_allclose(together, alone, atol=0.05)
    order = reranker.order("piano drum", products, np.zeros(9, np.float32))
    assert (np.diff(together[order]) <= 0).all()


def test_promotion_serves_it_through_new_indexes_until_it_is_rolled_back(
    served: Path, database: Database, tuned: Tuned, latin_encoder: Encoder, tmp_path: Path
) -> None:
    assistant = Assistant.open(served, ShopSettings(), database)
    watcher = Watcher(assistant, served)
    registry = Registry(served, database, ENGINEER)
    queries = [" ".join(couple) for couple in couples()]

    def right() -> int:
        """For how many queries the first card is the right one."""
        first = [assistant.search(query)["products"][0]["product_id"] for query in queries]
        return sum(found == query.replace(" ", "-") for found, query in zip(first, queries, strict=True))

    before = right()
    registry.promote("reranker", str(tuned.model_dir))
    assert watcher.look()
    assert assistant.parts.versions[2] == tuned.model_dir.name
    after = right()
    assert after > before
    more = [*catalog(), {"id": "mug", "title": "Mug"}]
    build_index(write_jsonl(tmp_path / "c.jsonl", more), served, ShopSettings(), {"latin": latin_encoder})
    assert watcher.look()
    assert right() == pytest.approx(after, abs=1)
    assert registry.models("reranker")[0].ndcg == pytest.approx(tuned.metrics["ndcg@10"])
    assert registry.roll_back("reranker").to_version == BUILT_IN
    assert watcher.look()
    assert assistant.parts.versions[2] is None
    assert right() == pytest.approx(before, abs=1)
    assistant.close()


def test_one_that_does_not_help_is_refused(served: Path, database: Database, tuned: Tuned, tmp_path: Path) -> None:
    folder = tmp_path / "poor"
    shutil.copytree(tuned.model_dir, folder)
    meta = read_manifest(folder, "reranker").meta
    verdict = {**meta["gate"], "passed": False, "reasons": ["Fails: no more."]}
    write_manifest(folder, "reranker", meta | {"gate": verdict})
    with pytest.raises(GateRefusedError, match="no more"):
        Registry(served, database, ENGINEER).promote("reranker", str(folder))
    assert reranker_versions(served).pointer() is None


def test_a_second_run_is_compared_with_the_one_that_serves(
    parts: Parts, data: SearchData, tuned: Tuned, encoder_cache: Path, tmp_path: Path
) -> None:
    serving = parts.shelf.engine.reranked_by(load_reranker(tuned.model_dir))
    few = SearchData(held_out=data.held_out)
    shelf = type(parts.shelf)(parts.shelf.snapshot, serving, parts.shelf.offers)
    found = finetune_reranker(
        type(parts)(shelf, parts.understander, parts.intents, parts.levels, parts.categories),
        few,
        tmp_path / "again",
        encoder_cache,
        epochs=1,
        budget_ms=float("inf"),
    )
    assert float(found.metrics["ndcg@10_before"]) == pytest.approx(float(tuned.metrics["ndcg@10"]), abs=0.05)
    assert not read_manifest(found.model_dir, "reranker").meta["gate"]["passed"]


def test_a_damaged_one_is_neither_promoted_nor_served(
    served: Path,
    database: Database,
    tuned: Tuned,
    latin_encoder: Encoder,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = Registry(served, database, ENGINEER)
    with pytest.raises(Damaged):
        registry.promote("reranker", str(broken(tuned, tmp_path / "flipped")), force=True)
    registry.promote("reranker", str(tuned.model_dir))
    file = served / "models" / "reranker" / tuned.model_dir.name / "transformer.json"
    file.write_text(file.read_text() + " ")
    with caplog.at_level(logging.WARNING):
        parts = parts_in(served, database, latin_encoder)
    assert "is refused" in caplog.text
    assert parts.versions[2] is None
    assert parts.shelf.engine.search("piano drum").hits


@pytest.mark.parametrize(
    "facts",
    [
        {"candidates": 0},
        {"candidates": 10_000},
        {"weight": -1.0},
        {"weight": float("inf")},
        {"weight": "much"},
        {"codes": "some"},
    ],
)
def test_facts_that_are_none_are_refused(tuned: Tuned, tmp_path: Path, facts: dict[str, object]) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(tuned.model_dir, folder)
    write_manifest(folder, "reranker", read_manifest(folder, "reranker").meta | facts)
    with pytest.raises(Damaged):
        Reranker.load(folder)


def test_a_run_without_judged_queries_that_is_cut_off_goes_on_to_the_same_reranker(
    parts: Parts, encoder_cache: Path, tmp_path: Path
) -> None:
    def run(name: str, progress: Progress | None = None) -> str:
        found = finetune_reranker(
            parts, SearchData(), tmp_path / name, encoder_cache, epochs=1, budget_ms=float("inf"), progress=progress
        )
        assert found.metrics["n"] == read_manifest(found.model_dir, "reranker").meta["gate"]["n"] > 0
        return read_manifest(found.model_dir, "reranker").files["body.bin"]

    def cut_off(step: Step) -> None:
        if step.phase == "student" and step.score is not None:
            raise KeyboardInterrupt

    whole = run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("cut", cut_off)
    assert not (tmp_path / "cut").exists()
    assert len(list((tmp_path / ".cut.checkpoints").iterdir())) == 2
    steps: list[Step] = []
    assert run("cut", steps.append) == whole
    assert {step.phase for step in steps} == {"student"}, "what was done is not done again"


def test_a_catalog_of_few_products_is_refused(
    tmp_path: Path, database: Database, latin_encoder: Encoder, encoder_cache: Path
) -> None:
    build_index(write_jsonl(tmp_path / "c.jsonl", catalog()[:3]), tmp_path, ShopSettings(), {"latin": latin_encoder})
    with pytest.raises(InvalidInput, match="3 products"):
        finetune_reranker(parts_in(tmp_path, database, latin_encoder), SearchData(), tmp_path / "run", encoder_cache)
