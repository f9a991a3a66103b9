"""`finetune stage`: it learns what was put into the events, judges itself on later ones, and serves until it is rolled back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.parts import current_chain
from finetune.chances import auc, auc_interval, brier, ece, log_loss
from finetune.paths import ShopperPath, moments
from finetune.registry import BUILT_IN, GateRefusedError, Registry
from finetune.stage import finetune_stage, read_paths
from retrieval.path.chain import KIND, PurchaseChain, stage_versions
from retrieval.path.tokens import VOCABULARY
from storage.database import Database
from storage.errors import Conflict, Damaged, InvalidInput
from storage.event import Event, parse_event
from storage.events import record_events
from storage.principal import Principal, Role
from storage.publish import read_manifest

ENGINEER, BACKEND = Principal("ada", Role.ENGINEER), Principal("shop", Role.SERVICE)
START, DAY = 1_700_000_000_000, 86_400_000
CATEGORY = {f"i{number}": "Shoes" for number in range(9)}


def session(user: str, day: float, steps: list[str], number: int) -> list[dict[str, Any]]:
    return [
        {
            "event_id": f"{user}-{number}-{place}",
            "event": step,
            "user_id": user,
            "session_id": f"{user}-{number}",
            "timestamp": START + round(day * DAY) + 20_000 * place,
            "items": [{"item_id": f"i{place}"}],
            "consent": {"train": True},
        }
        for place, step in enumerate(steps)
    ]


def rows(users: int, seed: int = 0, telling: bool = True, first_day: int = 0) -> list[dict[str, Any]]:
    """Sessions of which a cart as the third event mostly ends in a purchase, and a list hardly ever; or all by lot."""
    draw = random.Random(seed)
    found = []
    for user in range(users):
        for number in range(4):
            cart = draw.random() < 0.4
            steps = ["view_item", "view_item", "add_to_cart" if cart else "view_item_list"]
            if draw.random() < ((0.8 if cart else 0.05) if telling else 0.35):
                steps.append("purchase")
            found += session(f"u{user:03}", first_day + 10 * number + draw.random() * 9, steps, number + 4 * first_day)
    return found


def known(made: list[dict[str, Any]]) -> dict[str, ShopperPath]:
    by_user: dict[str, list[Event]] = {}
    for row in made:
        by_user.setdefault(row["user_id"], []).append(parse_event(row))
    return {user: ShopperPath.of(events, CATEGORY.get) for user, events in by_user.items()}


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    opened = Database.connect(sqlite_url)
    yield opened
    opened.close()


class TestPaths:
    def test_sessions_and_what_follows(self) -> None:
        made = session("u", 0, ["view_item", "add_to_cart", "purchase", "search"], 0) + session("u", 1, ["search"], 1)
        (path,) = known(made).values()
        told = [VOCABULARY[token] for token in path.tokens]
        expected = ["first", "view_new", "add", "purchase+cart", "search", "end", "same_day", "search", "end"]
        assert told == expected
        assert path.follows.tolist() == [True] * 3 + [False] * 6
        assert list(path.sessions()) == [(0, 5), (6, 8)]
        assert len(path.until(START + DAY).tokens) == 6
        assert len(path.until(START).tokens) == 0
        assert list(path.until(START).sessions()) == []

    def test_a_moment_is_the_kth_event_without_a_purchase_until_then(self) -> None:
        made = session("a", 0, ["search", "add_to_cart", "purchase"], 0) + session("b", 1, ["search", "search"], 0)
        paths = list(known(made).values())
        second = moments(paths, [2], 0, 2**62)
        assert (second.shopper.tolist(), second.place.tolist(), second.bought.tolist()) == (
            [0, 1],
            [3, 3],
            [True, False],
        )
        assert len(moments(paths, [3], 0, 2**62)) == 0
        assert moments(paths, [1, 2], START + DAY, 2**62).shopper.tolist() == [1, 1]


class TestChances:
    TRUTH = np.array([False, False, True, True])

    def test_auc_counts_ties_half(self) -> None:
        assert auc(self.TRUTH, np.array([0.1, 0.4, 0.35, 0.8])) == 0.75
        assert auc(self.TRUTH, np.full(4, 0.3)) == 0.5
        assert auc(self.TRUTH, np.array([0.1, 0.2, 0.2, 0.9])) == 0.875
        assert auc(np.ones(3, bool), np.array([0.1, 0.2, 0.3])) == 0.5

    def test_weights_are_repetitions(self) -> None:
        draw = np.random.default_rng(0)
        truth, chance, weight = draw.random(50) < 0.4, draw.random(50).round(1), draw.integers(0, 4, 50)
        again = np.repeat(np.arange(50), weight)
        assert auc(truth, chance, weight.astype(float)) == pytest.approx(auc(truth[again], chance[again]))

    def test_the_interval_is_wider_where_few_shoppers_made_the_moments(self) -> None:
        draw = np.random.default_rng(0)
        chance = draw.random(600)
        truth = draw.random(600) < chance
        apart, together = np.arange(600), np.arange(600) // 60
        low, high = auc_interval(truth, chance, apart)
        assert low < auc(truth, chance) < high
        copies = np.tile(np.arange(60), 10)
        few_low, few_high = auc_interval(truth[copies], chance[copies], copies)
        assert few_high - few_low > 2 * (high - low)
        assert auc_interval(truth, chance, together)[0] <= low + 0.05

    def test_brier_log_loss_and_calibration(self) -> None:
        truth = np.array([True, False, False, False])
        assert brier(truth, np.full(4, 0.25)) == pytest.approx(0.1875)
        assert log_loss(truth, np.full(4, 0.25)) == pytest.approx(-(np.log(0.25) + 3 * np.log(0.75)) / 4)
        assert ece(truth, np.full(4, 0.25)) == pytest.approx(0)
        assert ece(truth, np.full(4, 1.0)) == pytest.approx(0.75)


def test_it_learns_what_tells_buyers(tmp_path: Path) -> None:
    tuned = finetune_stage(known(rows(300)), tmp_path / "m")
    assert float(tuned.metrics["auc"]) > 0.8
    assert float(tuned.metrics["ece"]) < 0.06
    assert float(tuned.metrics["brier"]) < 0.75 * float(tuned.metrics["brier_of_rate"])
    chain = PurchaseChain.load(tuned.model_dir)
    assert chain.p_purchase("view_alike", "add") == pytest.approx(0.8, abs=0.06)
    assert chain.p_purchase("view_alike", "list") == pytest.approx(0.05, abs=0.04)
    assert read_manifest(tuned.model_dir, KIND).meta["gate"]["passed"]
    again = finetune_stage(known(rows(300)), tmp_path / "again")
    assert again.metrics == tuned.metrics
    with pytest.raises(Conflict):
        finetune_stage(known(rows(300)), tmp_path / "m")


@pytest.mark.parametrize("made", [[], rows(20), [row for row in rows(300) if row["event"] != "purchase"]])
def test_too_little_to_judge_by_is_said(made: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="too few to judge by"):
        finetune_stage(known(made), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_only_those_who_allow_it_are_learnt_from(database: Database) -> None:
    allowed, refused = rows(2), [row | {"user_id": "no", "consent": {"train": False}} for row in rows(1)]
    record_events(database, BACKEND, [parse_event(row) for row in [*allowed, *refused]])
    read = read_paths(database, ENGINEER, CATEGORY.get)
    assert read.keys() == {"u000", "u001"}
    for user, path in known(allowed).items():
        assert (read[user].tokens == path.tokens).all()


class TestRegistry:
    def test_it_serves_until_it_is_rolled_back(self, database: Database, tmp_path: Path) -> None:
        registry, folder, paths = Registry(tmp_path, database, ENGINEER), tmp_path / "runs" / "m", known(rows(300))
        with registry.run("stage", folder, (), paths):
            tuned = finetune_stage(paths, folder)
        assert registry.folders_with_user("u007") == [folder]
        registry.promote("stage", str(folder))
        (listed,) = registry.models("stage")
        assert (listed.current, listed.auc) == (True, tuned.metrics["auc"])
        chain = current_chain(tmp_path)
        assert chain is not None
        assert chain.version == "m"
        assert current_chain(tmp_path, chain) is chain
        assert registry.roll_back("stage").to_version == BUILT_IN
        assert current_chain(tmp_path) is None

    def test_what_tells_nothing_is_refused(self, database: Database, tmp_path: Path) -> None:
        tuned = finetune_stage(known(rows(300, telling=False)), tmp_path / "runs" / "m")
        with pytest.raises(GateRefusedError, match="the purchase rate"):
            Registry(tmp_path, database, ENGINEER).promote("stage", str(tuned.model_dir))
        assert stage_versions(tmp_path).pointer() is None

    def test_one_that_learnt_from_the_same_sessions_is_not_compared_with(self, tmp_path: Path) -> None:
        serving = PurchaseChain.load(finetune_stage(known(rows(300)), tmp_path / "a").model_dir)
        again = finetune_stage(known(rows(300)), tmp_path / "b", serving)
        gate = read_manifest(again.model_dir, KIND).meta["gate"]
        assert gate["passed"]
        assert "too few to compare" in gate["reasons"][1]

    def test_what_serves_must_not_be_better_on_later_sessions(self, tmp_path: Path) -> None:
        later = START + 28 * DAY
        paths = [path for path in known(rows(300)).values() if len(path.tokens)]
        right = PurchaseChain.fit((path.tokens, path.follows) for path in paths)
        wrong = PurchaseChain(np.full_like(right.table, 0.99))
        right.version, wrong.version = "right", "wrong"
        by_lot = [row for row in rows(300, telling=False) if row["timestamp"] < later]
        misled = known([*by_lot, *[row for row in rows(300) if row["timestamp"] >= later]])
        verdicts = {
            serving.version: read_manifest(
                finetune_stage(misled, tmp_path / serving.version, serving).model_dir, KIND
            ).meta["gate"]["reasons"][1]
            for serving in (right, wrong)
        }
        assert verdicts["right"].startswith("Fails: ")
        assert verdicts["wrong"].startswith("Holds: ")
        assert "less that of wrong" in verdicts["wrong"]

    def test_a_damaged_one_is_not_promoted_even_by_force(self, database: Database, tmp_path: Path) -> None:
        tuned = finetune_stage(known(rows(300)), tmp_path / "runs" / "m")
        content = bytearray((tuned.model_dir / "chain.npy").read_bytes())
        content[-3] ^= 1
        (tuned.model_dir / "chain.npy").write_bytes(content)
        with pytest.raises(Damaged):
            Registry(tmp_path, database, ENGINEER).promote("stage", str(tuned.model_dir), force=True)
