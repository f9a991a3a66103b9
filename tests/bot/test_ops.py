"""`/ops` over HTTP: who gets in, what the page says in both languages, and the export as a form and a download."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bot.api import problems
from bot.api.app import create_app
from bot.api.identity import IdentityMiddleware
from bot.api.ops import add_ops
from bot.desk_figures import SupportFigures
from bot.figures import FEWEST, Difference, Experiment, Figures, Interests, Part, Shoppers, Shown, Slates
from bot.reply.voice import WHOLE as LANGUAGES
from bot.service import Assistant
from bot.windows.figures import Page
from bot.windows.texts import texts
from retrieval.retention import Band
from retrieval.slate_metrics import STEPS
from storage.database import Database
from storage.identity import Identity
from storage.keys import create_key
from storage.principal import FIGURES, Principal, Role
from storage.settings import ShopSettings
from tests.retrieval.shoppers import NOW, fill

WINDOWS = Path(__file__).parent.parent.parent / "bot" / "windows"
HTML = {"Accept": "text/html"}
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def identity(database: Database, tmp_path: Path) -> Identity:
    return Identity.open(tmp_path, ShopSettings().identity, database)


@pytest.fixture
def client(assistant: Assistant, identity: Identity, tmp_path: Path) -> Iterator[TestClient]:
    """The routes of the window without the window, which takes seconds to mount, at a moment when some are at risk."""
    app = FastAPI()
    problems.install(app)
    add_ops(app, Figures(assistant, tmp_path, ShopSettings(), clock=lambda: NOW), SupportFigures(assistant))
    app.add_middleware(IdentityMiddleware, identity=identity)
    with TestClient(app) as opened:
        yield opened


def bearer(identity: Identity, role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {identity.token(Principal('x', role))}"}


def test_only_who_may_see_figures_gets_below_ops(assistant: Assistant, identity: Identity, tmp_path: Path) -> None:
    paths = ["/ops", "/ops/", "/ops/config", "/ops/gradio_api/info", "/ops/theme.css", "/ops/nothing"]
    with TestClient(create_app(assistant, identity, tmp_path, ShopSettings()), follow_redirects=False) as client:
        for path in paths:
            client.cookies.clear()
            assert client.get(path).status_code == 401, path
            away = client.get(path, headers=HTML)
            assert (away.status_code, away.headers["location"]) == (303, "/login")
            for role in set(Role) - set(FIGURES):
                assert client.get(path, headers=bearer(identity, role) | HTML).status_code == 403, (path, role)
        assert client.post("/ops/gradio_api/queue/join", json={}).status_code == 401
        for role in FIGURES:
            headers = bearer(identity, role)
            assert client.get("/ops", headers=headers).headers["location"] == "/ops/"
            assert "gradio" in client.get("/ops/", headers=headers).text
        assert "gradio" in client.get("/").text
        made = create_key(assistant.database, Principal("operator", Role.ADMIN), Role.SUPERVISOR, "sue")
        signed = client.get(f"/login?token={made.link_token}")
        assert signed.headers["location"] == "/ops/"
        assert client.get("/ops/").status_code == 200


def test_an_export_is_a_download_that_was_confirmed(client: TestClient, identity: Identity, database: Database) -> None:
    fill(database)
    admin = bearer(identity, Role.ADMIN)
    form = {"band": "at-risk", "campaign": "Frühling 1", "format": "jsonl"}
    unsure = client.post("/ops/audience", data=form, headers=admin)
    assert unsure.status_code == 422
    assert "confirmed" in unsure.json()["detail"]
    sure = client.post("/ops/audience", data=form | {"confirm": "yes"}, headers=admin)
    assert sure.status_code == 200
    assert sure.headers["content-disposition"] == "attachment; filename*=UTF-8''Fr%C3%BChling%201.jsonl"
    assert sure.headers["cache-control"] == "no-store"
    assert '"band": "at-risk"' in sure.text.splitlines()[0]
    other = client.post("/ops/audience", data=form | {"band": "back-in-stock", "confirm": "yes"}, headers=admin | HTML)
    assert other.status_code == 409
    assert "/ops/" in other.text


@pytest.mark.parametrize("fields", [{"band": "everybody"}, {"format": "exe"}, {"campaign": "\x00"}])
def test_an_odd_form_is_refused(client: TestClient, identity: Identity, fields: dict[str, str]) -> None:
    form = {"band": "at-risk", "confirm": "yes"} | fields
    assert client.post("/ops/audience", data=form, headers=bearer(identity, Role.ADMIN)).status_code == 422


@pytest.mark.parametrize("role", Role)
def test_people_are_exported_by_the_admin_alone(client: TestClient, identity: Identity, role: Role) -> None:
    answer = client.post(
        "/ops/audience", data={"band": "back-in-stock", "confirm": "yes"}, headers=bearer(identity, role)
    )
    assert answer.status_code == (200 if role is Role.ADMIN else 403)


def test_another_site_cannot_export(client: TestClient, identity: Identity) -> None:
    client.cookies.set("aisle_session", identity.session_cookie(Principal("x", Role.ADMIN)))
    form = {"band": "back-in-stock", "confirm": "yes"}
    assert client.post("/ops/audience", data=form, headers={"Origin": "https://evil.example"}).status_code == 403


SHOWN = Shown(30, dict.fromkeys(STEPS, Part(10, 30)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_section_has_its_picture_its_words_and_a_table(language: str) -> None:
    page, few = Page(language), texts(language)["ops_few"]
    shoppers = page.shoppers(Shoppers(90, (), {Band.ACTIVE: 50, Band.GONE: None}, (1, 2)))
    interests = page.interests(Interests(20, {HOSTILE: 9}, {}, {"browsing": 9, "comparing": 0, "ready": None}))
    slates = page.slates(Slates(SHOWN, {1: SHOWN}, {HOSTILE: {"2026-01-01": SHOWN}}, {"up": 5, "down": None}))
    for section in (shoppers, interests, slates):
        assert few in section
        assert section.count("<svg") >= 2
        assert section.count("<desc>") == section.count('role="img"')
        assert section.count("<table>") == section.count("<figure")
        assert "<img" not in section


def test_an_experiment_that_runs_shows_progress_and_one_that_is_over_its_interval() -> None:
    running = Experiment("a", "running", 3, 14, "purchase", "plain", None)
    over = Difference("taste", 0.1, 0.05, 0.15, "better", ("because",))
    page = Page("en")
    before = page.experiments([running])
    assert "fewer than 5 people" in before
    assert "<svg" not in before
    after = page.experiments([Experiment("a", "over", 14, 14, "purchase", "plain", 900, differences=(over,))])
    assert "+0.1000 (+0.0500 … +0.1500)" in after
    assert "better" in after
    unknown = Difference("taste", None, None, None, "inconclusive", ("too few",))
    assert "<svg" not in page.experiments([Experiment("a", "over", 2, 2, "purchase", "p", 9, differences=(unknown,))])


def test_nothing_to_show_is_said() -> None:
    page, words = Page("en"), texts("en")
    assert words["ops_experiments_empty"] in page.experiments([])
    empty = Shown(0, {step: Part(0, 0) for step in STEPS})
    assert words["ops_slates_empty"][:40] in page.slates(Slates(empty, {}, {}, {}))
    assert words["ops_bands_few"] in page.shoppers(Shoppers(None, (), {}, ()))


def test_both_languages_have_the_same_words_and_say_what_is_few() -> None:
    found = {name: tomllib.loads((WINDOWS / f"{name}.toml").read_text(encoding="utf-8")) for name in LANGUAGES}
    assert found["en"].keys() == found["zh"].keys()
    for words in found.values():
        assert str(FEWEST) in words["ops_few"]
