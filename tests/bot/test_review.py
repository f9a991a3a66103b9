"""The review window's handlers: what each tab shows and does, for whom, and what two people at once come to."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from bot.api.app import create_app
from bot.desk_figures import SupportFigures
from bot.service import Assistant
from bot.windows.review import ReviewWindow, Shown
from storage.answers import Proposal, answer_id_of, decide, list_answers, note_unanswered, propose
from storage.consent import Consent, set_consent
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.desk import Macro, macros_of, put_macro
from storage.errors import Forbidden
from storage.identity import Identity
from storage.labels import LABELLERS, labels_by_turn, request_labels
from storage.principal import Principal, Role
from storage.settings import ShopSettings

SUE, BOB = Principal("sue", Role.SUPERVISOR), Principal("bob", Role.ADMIN)
EVE = Principal("eve", Role.ENGINEER)
ALICE = Principal("alice", Role.CUSTOMER)
PARKING = Proposal("Is there parking at the shop?", "There are spaces behind the building.", "en", "d1", asked=3)
ZIPS = Proposal("Do you repair zips?", "Yes, our workshop repairs zips within two weeks.", "en", "d2", asked=2)
WRAP = Proposal("Do you wrap presents <b>nicely</b>?", "Yes, choose it in the cart and we wrap them.", "en", "d3")


@pytest.fixture
def window(assistant: Assistant) -> ReviewWindow:
    return ReviewWindow(assistant, SupportFigures(assistant), assistant.settings)


def by(principal: Principal, **query: str) -> gr.Request:
    asked = SimpleNamespace(
        request=SimpleNamespace(state=SimpleNamespace(principal=principal)), headers={}, query_params=query
    )
    return cast(gr.Request, asked)


def click(**data: str) -> gr.EventData:
    return cast(gr.EventData, SimpleNamespace(_data=data))


def statuses(database: Database) -> dict[str, str]:
    return {each.question: each.status for each in list_answers(database, SUE)}


class TestPairs:
    @pytest.fixture(autouse=True)
    def pairs(self, database: Database) -> None:
        propose(database, EVE, [PARKING, ZIPS, WRAP])

    def opened(self, window: ReviewWindow, who: Principal = SUE) -> tuple[Shown, dict[Any, Any]]:
        view = window.open(by(who))
        return view[window.shown], view

    def test_the_most_asked_one_is_open_and_words_are_text(self, window: ReviewWindow) -> None:
        _, view = self.opened(window)
        assert view[window.question]["value"] == PARKING.question
        assert "&lt;b&gt;nicely" in view[window.pairs]
        assert "<b>" not in view[window.pairs]

    def test_approved_in_other_words_and_on_to_the_next(self, window: ReviewWindow, database: Database) -> None:
        shown, _ = self.opened(window)
        view = window.approve_pair(PARKING.question, "Behind the building, free for two hours.", shown, by(SUE))
        assert view[window.question] == ZIPS.question
        (kept,) = list_answers(database, SUE, "approved")
        assert (kept.answer, kept.decided_by) == ("Behind the building, free for two hours.", "sue")
        window.reject_pair(shown, by(SUE))
        assert statuses(database)[ZIPS.question] == "rejected"

    def test_next_goes_around_without_a_decision(self, window: ReviewWindow, database: Database) -> None:
        shown, _ = self.opened(window)
        asked = [window.next_pair(shown, by(SUE))[window.question] for _ in range(3)]
        assert asked == [ZIPS.question, WRAP.question, PARKING.question]
        assert set(statuses(database).values()) == {"mined"}

    def test_what_may_not_be_said_is_refused_and_the_words_stay(self, window: ReviewWindow, database: Database) -> None:
        shown, _ = self.opened(window)
        with pytest.warns(UserWarning, match="a price"):
            view = window.approve_pair(PARKING.question, "It is $5 an hour behind the building.", shown, by(SUE))
        assert view == {window.shown: shown}
        assert statuses(database)[PARKING.question] == "mined"

    def test_two_at_once_do_not_replace_each_other(self, window: ReviewWindow, database: Database) -> None:
        shown, _ = self.opened(window)
        decide(database, BOB, answer_id_of(PARKING.question, "en"), "rejected")
        with pytest.warns(UserWarning, match="rejected by bob"):
            window.approve_pair(PARKING.question, PARKING.answer, shown, by(SUE))
        assert statuses(database)[PARKING.question] == "rejected"

    def test_a_decision_can_be_taken_back(self, window: ReviewWindow, database: Database) -> None:
        shown, _ = self.opened(window)
        window.reject_pair(shown, by(SUE))
        window.open_pair(shown, click(status="rejected"), by(SUE))
        window.approve_pair(PARKING.question, PARKING.answer, shown, by(SUE))
        assert statuses(database)[PARKING.question] == "approved"

    def test_an_engineer_sees_labels_alone_and_decides_nothing(self, window: ReviewWindow, database: Database) -> None:
        shown, view = self.opened(window, EVE)
        assert window.question not in view or "value" not in view[window.question]
        assert view[window.tabs].selected == "labels"
        assert 'data-only="labels"' in view[window.header]
        assert "data-only" not in self.opened(window)[1][window.header]
        shown.pair = answer_id_of(PARKING.question, "en")
        with pytest.warns(UserWarning, match="may not"):
            window.approve_pair("", "", shown, by(EVE))
        assert statuses(database)[PARKING.question] == "mined"


def test_an_empty_shop_has_nothing_to_decide(window: ReviewWindow) -> None:
    view = window.open(by(SUE))
    shown = view[window.shown]
    assert shown.pair is None
    assert window.approve_pair("", "", shown, by(SUE)) == {window.shown: shown}
    assert shown.turn is None
    assert window.view_turn(shown, by(SUE))[window.labels] == ""
    assert window.drop_macro(shown, by(SUE)) == {window.shown: shown}


def test_a_group_is_answered_and_aisle_knows_it(window: ReviewWindow, database: Database, assistant: Assistant) -> None:
    question = "Do you offer engraving for presents?"
    turn = Turn(role="user", content=question)
    append(database, ALICE, start(database, ALICE), [turn])
    note_unanswered(database, turn.message_id, question, "en", "policy")
    view = window.open(by(SUE, question=question, language="en"))
    shown = view[window.shown]
    assert view[window.tabs].selected == "unanswered"
    assert view[window.asked]["value"] == question
    assert question in view[window.clusters]
    said = "Yes, choose engraving in the cart and write what it should say."
    view = window.publish_answer(question, said, "en", shown, by(SUE))
    assert view[window.asked] == ""
    given = assistant.answer_given(question, "en")
    assert given is not None
    assert (given.pair.answer, given.pair.decided_by) == (said, "sue")
    with pytest.warns(UserWarning, match="too short"):
        window.publish_answer("x", "y", "en", shown, by(SUE))
    with pytest.warns(UserWarning, match="speaks no"):
        window.publish_answer(question, said, "Klingon", shown, by(SUE))
    view = window.open_cluster(shown, click(id=question), by(SUE))
    assert view[window.asked] == question
    assert window.said not in window.open_cluster(shown, click(id=question), by(SUE))


class TestLabels:
    @pytest.fixture(autouse=True)
    def turns(self, database: Database) -> None:
        set_consent(database, ALICE, "alice", Consent(train=True))
        talk = start(database, ALICE)
        said = [Turn(role="user", content=text) for text in ("hello <i>x</i>", "a coat, mail a@b.example", "bye")]
        append(database, ALICE, talk, said)
        for number, turn in enumerate(said):
            request_labels(database, EVE, {f"t{number}": turn.message_id})

    def given(self, database: Database) -> dict[str, tuple[str, ...] | None]:
        return {key: label.intents if label else None for key, label in labels_by_turn(database, EVE).items()}

    def test_a_key_labels_and_goes_on(self, window: ReviewWindow, database: Database) -> None:
        view = window.open(by(EVE))
        shown = view[window.shown]
        assert "hello &lt;i&gt;" in view[window.turn]
        assert 'data-key="1"' in view[window.labels]
        view = window.label_turn(shown, click(label="greet"), by(EVE))
        assert "a@b.example" not in view[window.turn]
        window.label_turn(shown, click(label="search", more="yes"), by(EVE))
        assert shown.chosen == ["search"]
        window.label_turn(shown, click(label="refine"), by(EVE))
        window.next_turn(shown, by(EVE))
        assert self.given(database) == {"t0": ("greet",), "t1": ("search", "refine"), "t2": None}
        assert shown.turn == "t2"  # what was skipped comes again

    def test_back_to_a_turn_to_label_it_otherwise(self, window: ReviewWindow, database: Database) -> None:
        shown = window.open(by(EVE))[window.shown]
        window.label_turn(shown, click(label="greet"), by(EVE))
        view = window.turn_before(shown, by(EVE))
        assert "greet" in view[window.turn]
        window.label_turn(shown, click(label="out_of_scope"), by(EVE))
        assert self.given(database)["t0"] == ("out_of_scope",)
        assert shown.turn == "t1"

    def test_only_labels_that_there_are(self, window: ReviewWindow, database: Database) -> None:
        shown = window.open(by(EVE))[window.shown]
        window.label_turn(shown, click(label="nonsense"), by(EVE))
        window.label_turn(shown, click(), by(EVE))
        assert set(self.given(database).values()) == {None}

    def test_who_withdraws_while_the_turn_is_open_is_not_shown(self, window: ReviewWindow, database: Database) -> None:
        shown = window.open(by(EVE))[window.shown]
        set_consent(database, ALICE, "alice", Consent(train=False))
        view = window.view_turn(shown, by(EVE))
        assert "hello" not in view[window.turn]
        assert shown.turn is None


class TestMacros:
    def test_kept_changed_and_removed(self, window: ReviewWindow, database: Database) -> None:
        shown = window.open(by(SUE))[window.shown]
        view = window.save_macro("Late", "Sorry, {first_name}. {moon} <b>", "en", shown, by(SUE))
        assert "{moon}" in view[window.slots]
        window.save_macro("Late parcel", "Sorry, {first_name}.", "en", shown, by(SUE))
        assert [(each.title, each.text) for each in macros_of(database, SUE)] == [
            ("Late parcel", "Sorry, {first_name}.")
        ]
        window.drop_macro(shown, by(SUE))
        assert macros_of(database, SUE) == []

    def test_an_empty_one_is_refused(self, window: ReviewWindow, database: Database) -> None:
        shown = window.open(by(SUE))[window.shown]
        with pytest.warns(UserWarning, match="title"):
            assert window.save_macro(" ", "x", "en", shown, by(SUE)) == {window.shown: shown}
        with pytest.warns(UserWarning, match="language"):
            window.save_macro("t", "x", "Klingon!", shown, by(SUE))
        assert macros_of(database, SUE) == []

    def test_opened_by_its_button(self, window: ReviewWindow, database: Database) -> None:
        macro = Macro(title="<script>", text="Hi", language="zh")
        put_macro(database, SUE, macro)
        shown = window.open(by(SUE))[window.shown]
        view = window.open_macro(shown, click(id=macro.macro_id), by(SUE))
        assert view[window.macro_language] == "zh"
        assert "<script>" not in view[window.macros]
        assert window.new_macro(shown, by(SUE))[window.title] == ""

    def test_engineers_read_none(self, window: ReviewWindow) -> None:
        with pytest.raises(Forbidden):
            window.view_macros(Shown(), by(EVE))
        with pytest.raises(Forbidden):
            window.view_clusters(Shown(), by(EVE))


def test_only_who_reviews_gets_in(assistant: Assistant, database: Database, tmp_path: Path) -> None:
    identity = Identity.open(tmp_path, ShopSettings().identity, database)
    with TestClient(create_app(assistant, identity, tmp_path, ShopSettings()), follow_redirects=False) as client:
        for path in ("/review", "/review/", "/review/config", "/review/gradio_api/info"):
            client.cookies.clear()
            assert client.get(path).status_code == 401, path
            for role in set(Role) - set(LABELLERS):
                bearer = {"Authorization": f"Bearer {identity.token(Principal('x', role, team='support'))}"}
                assert client.get(path, headers=bearer).status_code == 403, (path, role)
        for role in LABELLERS:
            bearer = {"Authorization": f"Bearer {identity.token(Principal('x', role))}"}
            assert client.get("/review", headers=bearer).headers["location"] == "/review/"
            assert "gradio" in client.get("/review/", headers=bearer).text
