"""The learnt order: its features, its scores beside the blend's, the reasons that follow from it, and its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lightgbm import Dataset, train

from retrieval.learnt_ranking import FILE, KIND, LearntRanker, PersonalOrder
from retrieval.rank_features import FEATURES, TERMS, Floats, Signals
from retrieval.ranking import rerank, terms_of
from retrieval.reasons import Grounds, problem_of
from storage.errors import Damaged
from storage.publish import write_manifest
from tests.retrieval.behavior import NOW, SHOP
from tests.retrieval.test_ranking import ACME_FAN, HITS, STRANGER

SIGNALS = Signals(SHOP.get)


def features_of(ids: list[str]) -> Floats:
    products = [SHOP.get(each) for each in ids]
    terms = terms_of([1.0] * len(ids), ACME_FAN, products, [0.0] * len(ids))
    return SIGNALS.rows(ACME_FAN, products, terms)


def grown(wanted: str, sign: float, share: float = 0.0) -> LearntRanker:
    """A ranker whose trees say that a feature is good (or bad, with −1)."""
    rows = np.random.default_rng(0).random((400, len(FEATURES)))
    target = (sign * rows[:, FEATURES.index(wanted)]).round(2)
    trees = train({"verbosity": -1, "num_threads": 1, "seed": 0}, Dataset(rows, target), 30)
    return LearntRanker(trees, share, "told", learnt_until=NOW)


def test_features_say_what_was_turned_to_and_what_is_paid() -> None:
    rows = features_of(["p6", "p1", "gone"])
    of = {name: rows[:, place] for place, name in enumerate(FEATURES)}
    assert of["looks"].tolist() == [2, 1, 0]
    assert of["place"].tolist() == pytest.approx([1, 1 / np.log2(3), 0.5])
    prices = [SHOP[each].price for each in ("p6", "p1")]
    assert prices[0] is not None
    assert prices[1] is not None
    assert of["price_place"][0] - of["price_place"][1] == pytest.approx(np.log(prices[0].amount / prices[1].amount))
    assert np.isnan([of["price_gap"][2], of["price_place"][2]]).all()
    assert features_of([]).shape == (0, len(FEATURES))


def test_without_trees_the_order_and_its_reasons_are_the_blends() -> None:
    order = PersonalOrder(LearntRanker(None, 1.0), SIGNALS)
    learnt, blend = (rerank(HITS, ACME_FAN, SHOP.get, popularity={"p2": 1.0}, ranker=each) for each in (order, None))
    assert [each.score for each in learnt] == pytest.approx([each.score for each in blend])
    assert [(each.hit, each.reasons) for each in learnt] == [(each.hit, each.reasons) for each in blend]


def test_a_taste_that_does_not_raise_the_score_is_no_reason() -> None:
    kinds = {}
    for sign in (1.0, -1.0):
        order = PersonalOrder(grown("brand", sign), SIGNALS)
        ranked = rerank(HITS, ACME_FAN, SHOP.get, ranker=order)
        kinds[sign] = {reason.kind for each in ranked for reason in each.reasons}
        for each in ranked:
            product = SHOP[each.hit.product_id]
            assert [problem_of(reason, product, each.hit, Grounds(ACME_FAN)) for reason in each.reasons] == [
                None
            ] * len(each.reasons)
    assert "liked_brand" in kinds[1.0]
    assert "liked_brand" not in kinds[-1.0]


def test_hits_are_neither_added_nor_lost_and_a_stranger_gets_no_personal_reason() -> None:
    order = PersonalOrder(grown("place", -1.0), SIGNALS)
    ranked = rerank(HITS, STRANGER, SHOP.get, ranker=order)
    assert {each.hit for each in ranked} == set(HITS)
    assert [each.hit for each in ranked] != HITS
    assert not any(each.reasons for each in ranked)
    assert rerank([], STRANGER, SHOP.get, ranker=order) == []


def test_a_wish_for_the_cheapest_first_keeps_its_order() -> None:
    order = PersonalOrder(grown("place", -1.0), SIGNALS)
    assert [each.hit for each in rerank(HITS, ACME_FAN, SHOP.get, reorder=False, ranker=order)] == HITS


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        place = tmp_path / "ranker-1"
        place.mkdir()
        write_manifest(place, KIND, grown("brand", 1.0, share=2.0).save(place))
        return place

    def test_it_scores_as_before(self, folder: Path) -> None:
        rows = np.random.default_rng(1).random((50, len(FEATURES)))
        rows[0, len(TERMS) :] = np.nan
        loaded = LearntRanker.load(folder)
        assert loaded.scores(rows).tolist() == grown("brand", 1.0, share=2.0).scores(rows).tolist()
        assert (loaded.version, loaded.share, loaded.learnt_until) == ("ranker-1", 2.0, NOW)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"features": ["relevance"]}, "other features"),
            ({"share": None}, "does not say"),
            ({"learnt_until": "today"}, "does not say"),
        ],
    )
    def test_a_manifest_that_does_not_fit_is_refused(
        self, tmp_path: Path, change: dict[str, object], said: str
    ) -> None:
        write_manifest(tmp_path, KIND, grown("brand", 1.0).save(tmp_path) | change)
        with pytest.raises(Damaged, match=said):
            LearntRanker.load(tmp_path)

    def test_trees_that_are_none_are_refused(self, tmp_path: Path) -> None:
        facts = grown("brand", 1.0).save(tmp_path)
        (tmp_path / FILE).write_text("no trees")
        write_manifest(tmp_path, KIND, facts)
        with pytest.raises(Damaged, match="holds no ranker"):
            LearntRanker.load(tmp_path)
