"""`finetune ranker`: it learns what was chosen without hindsight, serves only where it beats the blend, and is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finetune.rank_groups import HEAVIEST, Group, RankData, rank_data, search_groups, shares_at, slate_groups
from finetune.ranker import FEWEST, finetune_ranker, learn, ndcg, split
from finetune.registry import BUILT_IN, GateRefusedError, Registry
from retrieval.learnt_ranking import KIND, LearntRanker, ranker_versions
from retrieval.profile import Meanings, PriceLevels
from retrieval.rank_features import FEATURES, TERMS, Floats, Signals
from storage.database import Database
from storage.errors import Conflict, InvalidInput
from storage.event import Event
from storage.principal import Principal, Role
from storage.publish import read_manifest
from storage.searches import Choice
from storage.slates import Audience, Response, ShownCard, ShownSlate
from tests.retrieval.behavior import DAY, NOW, SHOP, event

ENGINEER = Principal("ada", Role.ENGINEER)
MEANINGS = Meanings(SHOP.get, PriceLevels.of_products(SHOP.values()))
SIGNALS = Signals(SHOP.get)
PLACE = {name: place for place, name in enumerate(FEATURES)}


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database.connect(sqlite_url)
    yield opened
    opened.close()


def made(groups: int, telling: bool = True, seed: int = 0) -> RankData:
    """Groups of eight candidates of which the cheapest is bought, whatever the blend says; or one by lot."""
    draw = np.random.default_rng(seed)
    features = np.zeros((groups, 8, len(FEATURES)))
    features[..., : len(TERMS)] = draw.random((groups, 8, len(TERMS)))
    features[..., PLACE["price_place"]] = draw.normal(size=(groups, 8))
    worth = -features[..., PLACE["price_place"]] if telling else draw.random((groups, 8))
    levels = np.zeros((groups, 8), dtype=np.int64)
    levels[np.arange(groups), worth.argmax(axis=1)] = 3
    return RankData(
        features.reshape(-1, len(FEATURES)),
        levels.ravel(),
        np.ones(groups * 8),
        np.full(groups, 8),
        [f"u{number % 200}" for number in range(groups)],
        np.arange(groups) + 1_000,
    )


def group(at: int = NOW, user: str = "u") -> Group:
    return Group(user, at, ("p1", "p2", "gone"), (1.0, 0.5, 0.0), (0, 2, 0), (1.0, 1.0, 1.0))


def features(events: list[Event]) -> Floats:
    return rank_data([group()], {"u": events}, SHOP.get, MEANINGS, SIGNALS).features


class TestGroups:
    def test_what_happens_at_or_after_the_moment_changes_nothing(self) -> None:
        before = [event(1, "view_item", "p1", DAY), event(2, "purchase", "p3", 2 * DAY)]
        later = [event(3, "purchase", "p2", 0), event(4, "add_to_cart", "p2", -1), event(5, "view_item", "p1", -DAY)]
        others = {"v": [event(6, "purchase", "p2", -1)]}
        known = features(before)
        assert np.array_equal(known, features([*later, *before]), equal_nan=True)
        told = rank_data([group()], {"u": [*before, *later], **others}, SHOP.get, MEANINGS, SIGNALS)
        assert np.array_equal(known, told.features, equal_nan=True)
        assert not np.array_equal(known, features([*before, event(7, "view_item", "p2", 1)]), equal_nan=True)

    def test_an_earlier_moment_does_not_know_what_a_later_one_does(self) -> None:
        events = {"u": [event(1, "view_item", "p1", DAY)]}
        data = rank_data([group(NOW), group(NOW - 2 * DAY)], events, SHOP.get, MEANINGS, SIGNALS)
        assert data.at.tolist() == [NOW - 2 * DAY, NOW]
        assert data.features[[0, 3], PLACE["looks"]].tolist() == [0, 1]

    def test_people_make_a_product_popular_when_they_came(self) -> None:
        events = {
            "a": [event(1, "view_item", "p1", 3 * DAY), event(2, "view_item", "p1", 2 * DAY)],
            "b": [event(3, "purchase", "p2", DAY)],
        }
        found = shares_at([group(NOW - 4 * DAY), group(NOW - 2 * DAY), group(NOW)], events, SHOP.get)
        assert found == [(0, 0, 0), (1, 0, 0), (0.2, 1, 0)]

    def test_a_search_is_a_group_by_its_furthest_choice(self) -> None:
        hits = {"shoe": [("p1", 1.0), ("p2", 0.5)], "tent": [("p7", 1.0)]}
        choices = [
            Choice("u", "shoe", "p2", "view_item", 5),
            Choice("u", "shoe", "p2", "purchase", 5),
            Choice("u", "shoe", "elsewhere", "purchase", 5),
            Choice("u", "tent", "p7", "purchase", 9),  # nothing to choose from
            Choice("v", "shoe", "p3", "view_item", 7),  # not found by today's search
        ]
        assert search_groups(choices, hits.__getitem__, str) == [
            Group("u", 5, ("p1", "p2"), (1.0, 0.0), (0, 3), (1.0, 1.0))
        ]

    def test_a_slate_weighs_a_choice_by_the_chance_of_its_place(self) -> None:
        def slate(name: str, at: int, *propensity: float | None) -> ShownSlate:
            cards = (
                ShownCard(f"p{place + 1}", place, chance, 1 - place, None) for place, chance in enumerate(propensity)
            )
            return ShownSlate(name, at, "rules", tuple(cards))

        slates = [
            slate("drawn", 0, 0.5, 0.01),
            slate("unknown", 1, None, 0.5),
            slate("recent", 90, 1, 1),
            slate("idle", 2, 1, 1),
        ]
        clicks = [Response("select_item", "p2", name, 95) for name in ("drawn", "unknown", "recent")]
        late = Response("purchase", "p1", "drawn", 200)
        (found,) = slate_groups([Audience("u", slates, [*clicks, late])], 100, 150, str)
        assert (found.items, found.levels, found.weights) == (("p1", "p2"), (0, 1), (2.0, HEAVIEST))
        assert found.relevance[1] > found.relevance[0]


class TestLearning:
    def test_it_finds_what_the_blend_does_not_know(self) -> None:
        learns, chooses, judges = split(made(1_500))
        ranker, recipe = learn(learns, chooses)
        assert ndcg(judges, ranker.scores(judges.features)).mean() > 0.95
        again, _ = learn(learns, chooses)
        assert again.scores(judges.features).tolist() == ranker.scores(judges.features).tolist()
        assert recipe.trees >= 1

    def test_ndcg_counts_gains_by_their_weights(self) -> None:
        data = replace(made(1), levels=np.array([1, 0, 3, 0, 0, 0, 0, 0]))
        best = 6 + 1 / np.log2(3)
        assert ndcg(data, np.arange(8, 0, -1.0))[0] == pytest.approx((1 + 6 / 2) / best)
        assert ndcg(data, np.zeros(8))[0] == pytest.approx((1 + 6 / 2) / best)
        assert ndcg(data, np.eye(8)[2])[0] == pytest.approx(1)

    def test_too_few_choices_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=rf"499 .* needs {FEWEST}"):
            finetune_ranker(made(FEWEST - 1), tmp_path / "run")
        assert not (tmp_path / "run").exists()

    def test_it_never_writes_over_what_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text("")
        with pytest.raises(Conflict):
            finetune_ranker(made(600), tmp_path)
        assert (tmp_path / "mine").exists()


class TestServing:
    def registry(self, shop: Path, database: Database, name: str, data: RankData) -> tuple[Registry, Path]:
        registry = Registry(shop, database, ENGINEER)
        folder = ranker_versions(shop).root / name
        with registry.run("ranker", folder, (), data.users):
            finetune_ranker(data, folder)
        return registry, folder

    def test_it_serves_until_it_is_rolled_back(self, tmp_path: Path, database: Database) -> None:
        registry, folder = self.registry(tmp_path, database, "one", made(1_000))
        registry.promote("ranker", str(folder))
        assert ranker_versions(tmp_path).pointer() == "one"
        assert LearntRanker.load(folder).learnt_until == 1_999
        assert registry.roll_back("ranker").to_version == BUILT_IN
        assert ranker_versions(tmp_path).pointer() is None

    def test_one_that_is_not_better_than_the_blend_is_not_promoted(self, tmp_path: Path, database: Database) -> None:
        registry, folder = self.registry(tmp_path, database, "one", made(1_000, telling=False))
        assert read_manifest(folder, KIND).meta["gate"]["passed"] is False
        with pytest.raises(GateRefusedError, match="the blend"):
            registry.promote("ranker", str(folder))
        assert ranker_versions(tmp_path).pointer() is None

    def test_it_must_not_be_worse_than_what_serves_on_choices_that_neither_has_seen(self, tmp_path: Path) -> None:
        finetune_ranker(made(1_000), tmp_path / "good")
        good = LearntRanker.load(tmp_path / "good")
        good.learnt_until = 0
        changed = made(1_000, seed=1)
        changed.features[: 8 * 700, PLACE["price_place"]] += np.random.default_rng(2).normal(0, 2, 8 * 700)
        finetune_ranker(changed, tmp_path / "worse", good)
        gate = read_manifest(tmp_path / "worse", KIND).meta["gate"]
        assert not gate["passed"]
        assert gate["reasons"][1].startswith("Fails")
        good.learnt_until = 10_000
        finetune_ranker(changed, tmp_path / "unknown", good)
        assert "too few to compare" in read_manifest(tmp_path / "unknown", KIND).meta["gate"]["reasons"][1]
