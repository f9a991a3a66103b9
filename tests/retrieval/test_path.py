"""A shopper's path: its tokens, the stage after each, and the chance of a purchase that was learnt from such paths."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.path.chain import FILE, KIND, PurchaseChain
from retrieval.path.stage import Journey, Position, next_stage
from retrieval.path.tokens import NUMBER, SESSION_GAP_MS, VOCABULARY, spell
from storage.consent import Consent
from storage.errors import Damaged, NotFound
from storage.event import Event, parse_event
from storage.publish import write_manifest

START = 1_760_000_000_000
SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
CATEGORY = {"shoe-1": "Shoes", "shoe-2": "Shoes", "shoe-3": "Shoes", "tent-1": "Tents"}


def did(name: str, at: int, *items: str, **more: Any) -> Event:
    row = {"event_id": f"{name}-{at}", "event": name, "timestamp": START + at, "items": [{"item_id": i} for i in items]}
    return parse_event(row | more)


def looked(at: int, item: str, dwell: int | None = 10 * SECOND, **more: Any) -> Event:
    return did("view_item", at, item, dwell_ms=dwell, **more)


def journey(*events: Event) -> Journey:
    return Journey.of(events, CATEGORY.get)


class TestTokens:
    def test_a_look_says_whether_it_is_new_alike_or_again_and_how_long_it_was(self) -> None:
        events = [
            looked(0, "shoe-1", 1 * SECOND),
            looked(1, "shoe-2", 52 * SECOND),
            looked(2, "tent-1", None),
            looked(3, "shoe-1"),
        ]
        expected = ["first", "view_new_glance", "view_alike_long", "view_new", "view_again"]
        assert spell(events, CATEGORY.get) == expected

    def test_what_was_looked_at_comes_again_in_a_later_session(self) -> None:
        events = [looked(0, "shoe-1"), looked(5 * HOUR, "shoe-1"), looked(5 * HOUR + 1, "shoe-2")]
        assert spell(events, CATEGORY.get)[2:] == ["end", "same_day", "view_again", "view_alike"]

    def test_the_cart_shows_from_the_next_step_on_until_it_is_empty(self) -> None:
        events = [
            did("add_to_cart", 0, "shoe-1"),
            did("view_cart", 1, "shoe-1"),
            did("remove_from_cart", 2, "shoe-1"),
            did("search", 3, search_term="shoes"),
            did("add_to_cart", 4, "shoe-2"),
            did("purchase", 5, "shoe-2"),
            did("view_item_list", 6, "shoe-1", "shoe-2"),
        ]
        expected = ["first", "add", "cart+cart", "remove+cart", "search", "add", "purchase+cart", "list"]
        assert spell(events, CATEGORY.get) == expected

    @pytest.mark.parametrize(
        ("away", "start"), [(DAY - 1, "same_day"), (3 * DAY, "same_week"), (8 * DAY, "later"), (SESSION_GAP_MS, None)]
    )
    def test_a_gap_begins_a_session(self, away: int, start: str | None) -> None:
        tokens = spell([looked(0, "shoe-1"), looked(away, "tent-1")], CATEGORY.get)
        assert tokens[2:-1] == (["end", start] if start else [])

    def test_events_that_name_their_session_are_believed(self) -> None:
        one: dict[str, Any] = {"session_id": "s1"}
        two: dict[str, Any] = {"session_id": "s2"}
        assert "end" not in spell([looked(0, "shoe-1", **one), looked(2 * HOUR, "shoe-2", **one)], CATEGORY.get)
        assert "end" in spell([looked(0, "shoe-1", **one), looked(9, "shoe-2", **two)], CATEGORY.get)
        assert "end" in spell([looked(0, "shoe-1", **one), looked(9 * DAY, "shoe-2", **one)], CATEGORY.get)

    def test_what_is_no_step_leaves_no_token(self) -> None:
        events = [
            did("recommendation_shown", 0, "shoe-1"),
            did("refund", 1, "shoe-1"),
            did("recommendation_feedback", 2),
        ]
        assert spell(events, CATEGORY.get) == []
        assert spell([], CATEGORY.get) == []

    def test_unknown_items_and_none_are_new(self) -> None:
        assert spell([looked(0, "gone"), did("view_item", 1), looked(2, "gone")], CATEGORY.get)[1:] == [
            "view_new",
            "view_new",
            "view_again",
        ]

    def test_every_token_is_in_the_vocabulary_in_whatever_order_events_come(self) -> None:
        draw = random.Random(0)
        names = [
            "view_item",
            "view_item",
            "add_to_cart",
            "remove_from_cart",
            "purchase",
            "search",
            "view_item_list",
            "refund",
        ]
        events = [
            did(
                draw.choice(names),
                draw.randrange(20 * DAY),
                draw.choice(list(CATEGORY)),
                dwell_ms=draw.randrange(90_000),
            )
            for _ in range(300)
        ]
        tokens = spell(events, CATEGORY.get)
        assert set(tokens) <= set(VOCABULARY)
        draw.shuffle(events)
        assert spell([*events, *events[:50]], CATEGORY.get) == tokens


class TestStage:
    def test_from_browsing_over_comparing_to_ready_and_anew(self) -> None:
        path = Journey.of([], CATEGORY.get)
        told = []
        for event in (
            looked(0, "shoe-1"),
            looked(1, "shoe-2"),
            looked(2, "shoe-1"),
            did("view_item_list", 3, "shoe-2"),
            did("add_to_cart", 4, "shoe-1"),
            did("remove_from_cart", 5, "shoe-1"),
            did("add_to_cart", 6, "shoe-2"),
            did("purchase", 7, "shoe-2"),
            did("view_item_list", 8, "tent-1"),
        ):
            path.step(event)
            told.append(path.stage)
        browsing, comparing, ready = "browsing", "comparing", "ready"
        assert told == [browsing, browsing, comparing, comparing, ready, comparing, ready, ready, browsing]

    def test_whoever_comes_back_straight_to_a_product_is_ready(self) -> None:
        path = journey(looked(0, "shoe-1"), looked(DAY // 2, "shoe-1"))
        assert path.stage == "ready"
        assert next_stage("browsing", "view_again", opens=False) == "comparing"
        assert next_stage("comparing", "view_again+cart", opens=False) == "ready"

    def test_the_stage_outlives_a_night_but_not_a_week(self) -> None:
        path = journey(looked(0, "shoe-1"), looked(1, "shoe-1"))
        assert path.at(START + HOUR).stage == "comparing"
        assert path.at(START + 3 * DAY).stage == "comparing"
        late = path.at(START + 8 * DAY)
        assert (late.stage, late.categories, late.chosen, late.evidence) == ("browsing", (), (), ())

    def test_a_position_names_the_goods_the_product_and_the_events(self) -> None:
        path = journey(looked(0, "tent-1"), looked(1, "shoe-1"), looked(2, "shoe-2"), looked(3, "shoe-1"))
        position = path.at(START + 4)
        assert position.categories == ("Tents", "Shoes")
        assert position.chosen == ("shoe-1",)
        assert position.evidence == ("view_item-3", "view_item-2", "view_item-1", "view_item-0")
        assert not position.wavers
        assert position.p_purchase is None

    def test_what_lies_in_the_cart_comes_before_what_was_looked_at(self) -> None:
        path = journey(looked(0, "shoe-1"), looked(1, "shoe-1"), did("add_to_cart", 2, "shoe-2"))
        assert path.at(START + 3).chosen == ("shoe-2",)

    def test_who_takes_out_or_leaves_a_full_cart_wavers(self) -> None:
        left = journey(did("add_to_cart", 0, "shoe-1"))
        assert not left.at(START + 1).wavers
        assert left.at(START + HOUR).wavers
        assert journey(did("add_to_cart", 0, "shoe-1"), did("remove_from_cart", 1, "shoe-1")).at(START + 2).wavers
        came_back = journey(did("add_to_cart", 0, "shoe-1"), did("view_cart", HOUR, "shoe-1"))
        assert came_back.at(START + HOUR + 1).wavers
        bought = journey(did("add_to_cart", 0, "shoe-1"), did("purchase", HOUR, "shoe-1"))
        assert not bought.at(START + HOUR + 1).wavers

    def test_after_a_purchase_nothing_is_left_of_the_way(self) -> None:
        path = journey(looked(0, "shoe-1"), did("add_to_cart", 1, "shoe-1"), did("purchase", 2, "shoe-1"))
        position = path.at(START + 3)
        assert (position.stage, position.chosen, position.categories) == ("browsing", (), ())

    def test_asking_for_a_position_changes_nothing(self) -> None:
        path = journey(did("add_to_cart", 0, "shoe-1"))
        now = path.at(START + 1)
        path.at(START + 30 * DAY)
        assert path.at(START + 1) == now

    def test_a_stranger_browses(self) -> None:
        assert journey().at(START) == Position()

    def test_of_what_is_hidden_nothing_is_known(self) -> None:
        events = [
            looked(0, "tent-1", 50 * SECOND),
            looked(1, "tent-1"),
            did("add_to_cart", 2, "tent-1"),
            looked(3, "shoe-1"),
        ]
        path = Journey.of(events, CATEGORY.get, hidden=lambda item: item.startswith("tent"))
        position = path.at(START + 4)
        assert (position.categories, position.chosen, position.wavers) == (("Shoes",), (), False)
        assert path.stage == "browsing"

    def test_consent_is_kept(self) -> None:
        no, silent = Consent(personalize=False), looked(1, "shoe-1")
        refused = looked(0, "shoe-1").model_copy(update={"consent": no})
        assert Journey.of([refused], CATEGORY.get).at(START) == Position()
        assert Journey.of([silent], CATEGORY.get, personalize=False).at(START) == Position()
        assert Journey.of([silent], CATEGORY.get).walk.last == START + 1


def numbers(*tokens: str) -> np.ndarray[Any, np.dtype[np.intp]]:
    return np.array([NUMBER[token] for token in tokens])


class TestChain:
    def test_chances_are_counts_drawn_to_what_one_token_says(self) -> None:
        add, look = (
            numbers("first", "view_new", "add", "purchase+cart", "end"),
            numbers("first", "view_new", "list", "end"),
        )
        follows = np.array([True, True, True, False, False])
        chain = PurchaseChain.fit([(add, follows)] * 100 + [(look, np.zeros(4, bool))] * 300)
        assert chain.p_purchase("first", "view_new") == pytest.approx(0.25, abs=0.01)
        assert chain.p_purchase("view_new", "add") > 0.95
        assert chain.p_purchase("view_new", "list") < 0.01
        # A pair that never came says what its last token says.
        assert chain.p_purchase("search", "add") == pytest.approx(chain.p_purchase("list", "add"))
        assert ((chain.table >= 0) & (chain.table <= 1)).all()

    def test_whoever_buys_more_likely_than_not_is_ready(self) -> None:
        table = np.full((len(VOCABULARY), len(VOCABULARY)), 0.2)
        table[NUMBER["first"], NUMBER["view_new"]] = 0.6
        position = journey(looked(0, "shoe-1")).at(START + 1, PurchaseChain(table))
        assert (position.stage, position.p_purchase) == ("ready", 0.6)

    def test_it_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        table = np.random.default_rng(0).random((len(VOCABULARY), len(VOCABULARY)))
        folder = tmp_path / "chain-1"
        folder.mkdir()
        write_manifest(folder, KIND, PurchaseChain(table).save(folder))
        loaded = PurchaseChain.load(folder)
        assert loaded.version == "chain-1"
        assert (loaded.table == table).all()

    @pytest.mark.parametrize("harm", ["nothing", "flipped", "pickle", "shape", "nan", "tokens"])
    def test_what_is_not_whole_is_refused(self, harm: str, tmp_path: Path) -> None:
        size = len(VOCABULARY)
        table: Any = np.full((size, size), 0.5)
        if harm == "shape":
            table = table[:3]
        elif harm == "nan":
            table[0, 0] = np.nan
        meta = PurchaseChain(table).save(tmp_path)
        if harm == "pickle":
            np.save(tmp_path / FILE, np.array([object()]), allow_pickle=True)
        if harm == "tokens":
            meta = {"vocabulary": ["other"]}
        if harm != "nothing":
            write_manifest(tmp_path, KIND, meta)
        if harm == "flipped":
            content = bytearray((tmp_path / FILE).read_bytes())
            content[-1] ^= 1
            (tmp_path / FILE).write_bytes(content)
        with pytest.raises(NotFound if harm == "nothing" else Damaged):
            PurchaseChain.load(tmp_path)
