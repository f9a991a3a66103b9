"""Every figure of the desk against a small one that was counted by hand, and the same as pages and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bot.api import problems
from bot.api.identity import IdentityMiddleware
from bot.api.ops import add_ops
from bot.desk_export import TABLES, exported
from bot.desk_figures import Automation, Day, Spread, Support, SupportFigures, Unmet, acceptance
from bot.figures import Figures
from bot.question_clusters import STEPS, QuestionCluster, clusters_of, grouped
from bot.reply.voice import WHOLE as LANGUAGES
from bot.service import Assistant
from bot.windows.support import SupportPage
from bot.windows.texts import texts
from storage.answers import Proposal, Unanswered, answer_id_of, decide, note_unanswered, propose
from storage.conversations import Turn, append, start
from storage.database import Database
from storage.desk_figures import SUPPORT_FIGURES, Backlog
from storage.errors import Forbidden
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.settings import DAY_MS, ShopSettings
from tests.storage.small_desk import HOUR, MINUTE, NOON, fill

SUE = Principal("sue", Role.SUPERVISOR)
HOSTILE = "<img src=x onerror=alert(1)> do you ship to Peru?"


@pytest.fixture
def figures(assistant: Assistant) -> SupportFigures:
    return SupportFigures(assistant, clock=lambda: NOON)


@pytest.fixture
def counted(figures: SupportFigures, database: Database) -> Support:
    fill(database)
    return figures.support(SUE, 7)


def asked(text: str, at: int, language: str = "en", kind: str = "policy") -> Unanswered:
    return Unanswered(f"{text}{at}", text, language, kind, None, at)


def test_volumes_have_every_day_of_the_period(counted: Support) -> None:
    today = NOON // DAY_MS
    assert len(counted.volumes) == 7
    assert counted.volumes[-4:] == [
        Day(today - 3, 0, 0, 1),
        Day(today - 2, 1, 1, 0),
        Day(today - 1, 2, 2, 2),
        Day(today, 2, 1, 0),
    ]


def test_automation_counts_those_that_no_agent_wrote_in(counted: Support) -> None:
    assert counted.automation == Automation(all=5, alone=2, unanswered=1)
    assert counted.automation.rate == pytest.approx(0.4)


def test_times_leave_out_where_nobody_waited(counted: Support) -> None:
    assert (counted.first_response.count, counted.first_response.median) == (2, 6 * MINUTE)
    assert counted.first_response.p90 == pytest.approx(9.2 * MINUTE)
    assert counted.unanswered == 1
    # 30 minutes, an hour, 37 days.
    assert counted.resolution.count == 3
    assert counted.resolution.median == HOUR
    assert counted.backlog == Backlog(1, 1, NOON - HOUR)


def test_reasons_codes_and_ratings(counted: Support) -> None:
    assert counted.reasons == {"asked": 2, "agent": 1, "complaint": 1}
    assert counted.codes == {"returned": 1, "solved": 1, "refunded": 1}
    assert counted.satisfaction.counts == {1: 0, 2: 1, 3: 0, 4: 0, 5: 1}
    assert counted.satisfaction.answered == 3
    assert counted.satisfaction.mean == pytest.approx(3.5)
    assert counted.satisfaction.satisfied == pytest.approx(0.5)


def test_agents_and_what_became_of_proposals(counted: Support) -> None:
    ben, mia = counted.agents
    assert (ben.agent, ben.closed, ben.first_response.median) == ("ben", 1, 10 * MINUTE)
    assert (mia.agent, mia.closed, mia.first_response) == ("mia", 2, Spread(1, 2 * MINUTE, 2 * MINUTE))
    assert mia.use is not None
    assert acceptance(mia.use) == pytest.approx(0.5)
    assert {use.name: acceptance(use) for use in counted.kinds} == {
        "macro": 0,
        "product": 0,
        "reply": pytest.approx(2 / 3),
    }


def test_a_longer_period_has_more(figures: SupportFigures, database: Database) -> None:
    fill(database)
    assert figures.support(SUE, 90).automation == Automation(all=6, alone=2, unanswered=1)
    assert figures.support(SUE, 90).reasons["order"] == 1


def test_an_empty_shop_has_no_figures_and_says_so(figures: SupportFigures) -> None:
    found = figures.support(SUE, 30)
    assert found.automation.rate is None
    assert found.first_response == Spread(0, None, None)
    assert found.satisfaction.mean is None
    for language in LANGUAGES:
        page = SupportPage(language).support(found, figures.unmet(SUE, 30))
        assert texts(language)["ops_unmet_empty"] in page
        assert texts(language)["ops_empty"] in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_plot_has_its_table_and_its_csv(language: str, counted: Support) -> None:
    page = SupportPage(language, 7).support(counted, [])
    assert page.count("<svg") >= 8
    assert page.count("<table>") == page.count("<figure") == 8
    assert page.count("/ops/support.csv?") == len(TABLES)
    assert page.count('aria-pressed="true"') == 1
    assert "customer-" not in page
    assert "secret words" not in page


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(None, "–"), (0, "0 s"), (59_400, "59 s"), (60_000, "1 min"), (7_500_000, "2 h 5 min"), (90_000_000, "1 d 1 h")],
)
def test_durations_are_said_in_two_units(milliseconds: float | None, said: str) -> None:
    assert SupportPage("en").duration(milliseconds) == said


class TestUnmet:
    def test_wordings_of_one_question_come_together(self, assistant: Assistant) -> None:
        encoders = assistant.parts.shelf.encoders
        questions = [
            asked("Do you ship to Switzerland?", 0),
            asked("do you ship to switzerland", 10),
            asked("Is delivery to Switzerland possible?", 90, kind="other"),
            asked("Do you offer gift wrapping?", 50),
            asked("能送到瑞士吗？", 10, "zh"),
            asked("可以寄到瑞士吗？", 20, "zh"),
            asked("有礼品包装吗？", 30, "zh"),
        ]
        swiss, chinese, *rest = clusters_of(
            questions, encoders, lambda encoder, texts: encoder.encode_queries(texts), 0, 100
        )
        assert (swiss.asked, swiss.wordings, swiss.language) == (3, 2, "en")
        assert swiss.question == "Do you ship to Switzerland?"
        assert swiss.examples == ("Is delivery to Switzerland possible?",)
        assert swiss.kinds == {"policy": 2, "other": 1}
        assert swiss.trend == (2, 0, 0, 0, 0, 1)
        assert (chinese.asked, chinese.language) == (2, "zh")
        assert {each.asked for each in rest} == {1}

    def test_one_odd_wording_does_not_chain_two_groups(self) -> None:
        angles = np.radians([0, 10, 40, 70, 80])
        vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        groups = grouped(vectors @ vectors.T, 0.8)
        assert len(groups) == 2
        assert not any({0, 4} <= set(group) for group in groups)
        assert grouped(np.ones((1, 1), np.float32), 0.5) == [[0]]

    def test_a_script_without_an_encoder_is_listed_alone(self) -> None:
        found = clusters_of([asked("a?", 1), asked("b?", 2)], {}, lambda *_: np.empty((0, 0), np.float32), 0, 10)
        assert [each.asked for each in found] == [1, 1]

    def test_what_has_an_answer_now_says_so(
        self, figures: SupportFigures, database: Database, assistant: Assistant
    ) -> None:
        alice, question = Principal("alice", Role.CUSTOMER), "Do you offer gift wrapping for presents?"
        turn = Turn(role="user", content=question)
        append(database, alice, start(database, alice), [turn])
        note_unanswered(database, turn.message_id, question, "en", "policy")
        fresh = SupportFigures(assistant)
        assert [each.answered for each in fresh.unmet(SUE, 7)] == [False]
        said = "Yes. Choose gift wrapping in the cart and we add a card."
        propose(database, SUE, [Proposal(question, said, "en", "review")])
        decide(database, SUE, answer_id_of(question, "en"), "approved")
        assert [each.answered for each in fresh.unmet(SUE, 7)] == [True]

    def test_hostile_words_are_text_in_page_and_file(self, figures: SupportFigures, counted: Support) -> None:
        cluster = QuestionCluster(HOSTILE, "en", 2, 2, ("=HYPERLINK(1)",), {"<b>": 2}, (0,) * STEPS)
        page = SupportPage("en").support(counted, [Unmet(cluster, False)])
        assert "<img" not in page
        assert "<b>" not in page
        assert 'href="/review/?question=%3Cimg' in page


class TestFiles:
    @pytest.fixture
    def client(self, assistant: Assistant, figures: SupportFigures, tmp_path: Path) -> Iterator[TestClient]:
        identity = Identity.open(tmp_path, ShopSettings().identity, assistant.database)
        app = FastAPI()
        problems.install(app)
        add_ops(app, Figures(assistant, tmp_path, ShopSettings()), figures)
        app.add_middleware(IdentityMiddleware, identity=identity)
        with TestClient(app) as opened:
            opened.headers["Authorization"] = f"Bearer {identity.token(SUE)}"
            self.identity = identity
            yield opened

    def test_every_table_is_a_file(self, client: TestClient, counted: Support) -> None:
        for name in TABLES:
            got = client.get("/ops/support.csv", params={"table": name, "days": 7})
            assert got.status_code == 200
            assert got.headers["content-disposition"] == f'attachment; filename="support-{name}-7d.csv"'
            head, *rows = csv.reader(io.StringIO(got.text.removeprefix("\ufeff")))
            assert all(len(row) == len(head) for row in rows)
            assert rows or name == "unanswered"
        times = client.get("/ops/support.csv", params={"table": "times", "days": 7}).text
        assert "first_response,2,360.0,552.0" in times
        assert "resolution,3,3600.0" in times

    @pytest.mark.parametrize("query", ["table=customers", "table=times&days=8", "", "table=times&days=x"])
    def test_an_odd_address_is_refused(self, client: TestClient, query: str) -> None:
        assert client.get(f"/ops/support.csv?{query}").status_code == 422

    @pytest.mark.parametrize("role", sorted(set(Role) - set(SUPPORT_FIGURES)))
    def test_others_get_nothing(self, client: TestClient, role: Role) -> None:
        bearer = {"Authorization": f"Bearer {self.identity.token(Principal('x', role, team='support'))}"}
        assert client.get("/ops/support.csv?table=times", headers=bearer).status_code == 403

    def test_no_cell_is_a_formula(self, assistant: Assistant, database: Database) -> None:
        alice = Principal("alice", Role.CUSTOMER)
        turn = Turn(role="user", content="x")
        append(database, alice, start(database, alice), [turn])
        note_unanswered(database, turn.message_id, '=cmd|"/c calc"!A1', "en", "other")
        _, row = csv.reader(io.StringIO(exported(SupportFigures(assistant), SUE, "unanswered", 7)))
        assert row[0] == '\'=cmd|"/c calc"!A1'


@pytest.mark.parametrize("role", sorted(set(Role) - set(SUPPORT_FIGURES)))
def test_roles(figures: SupportFigures, role: Role) -> None:
    who = Principal("x", role, team="support")
    with pytest.raises(Forbidden):
        figures.support(who, 7)
    with pytest.raises(Forbidden):
        figures.unmet(who, 7)
