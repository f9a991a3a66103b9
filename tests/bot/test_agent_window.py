"""The agents' window as the server gives it out, and what the customer's window tells of agents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bot.api.app import create_app
from bot.desk.views import Happening
from bot.service import Assistant
from bot.windows import render
from bot.windows.agent import PATH, SCRIPTS
from bot.windows.customer import CustomerWindow, Talk
from bot.windows.texts import texts
from storage.conversations import Turn
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.settings import ShopSettings
from storage.tickets import answer, claim, close, rate
from tests.bot.conftest import Conversation

MIA = Principal("Mia", Role.AGENT, "support")
HOSTILE = "<img src=x onerror=alert(1)>"
_SAID = re.compile(r"say\(\s*'(\w+)'")
_IMPORTED = re.compile(r"from '\./(\S+)'")


def test_the_scripts_are_for_agents_and_supervisors(assistant: Assistant, tmp_path: Path) -> None:
    identity = Identity.open(tmp_path, ShopSettings().identity, assistant.database)
    app = create_app(assistant, identity, tmp_path, ShopSettings())
    with TestClient(app, follow_redirects=False) as client:
        for role, status in ((Role.AGENT, 200), (Role.SUPERVISOR, 200), (Role.CUSTOMER, 403), (Role.ENGINEER, 403)):
            bearer = {"Authorization": f"Bearer {identity.token(Principal('x', role, 'support'))}"}
            assert client.get(f"{PATH}/scripts/desk.js", headers=bearer).status_code == status
        agent = {"Authorization": f"Bearer {identity.token(MIA)}"}
        script = client.get(f"{PATH}/scripts/desk.js", headers=agent)
        assert script.headers["content-type"].startswith("text/javascript")
        for name in ("nothing.js", "..%2Fwindow.js"):
            assert client.get(f"{PATH}/scripts/{name}", headers=agent).status_code == 404
        assert client.get(PATH, headers=agent).headers["location"] == f"{PATH}/"
        assert client.get(f"{PATH}/", headers=agent).status_code == 200
        assert client.get(f"{PATH}/", headers={"Accept": "text/html"}).headers["location"] == "/login"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_word_that_the_scripts_say_is_there(language: str) -> None:
    words = texts(language)
    for name, path in SCRIPTS.items():
        script = path.read_text(encoding="utf-8")
        missing = {each for each in _SAID.findall(script) if f"agent_{each}" not in words} - {"figures"}
        assert missing == set(), name
        assert set(_IMPORTED.findall(script)) <= set(SCRIPTS), name


def test_the_scripts_make_no_markup_of_data() -> None:
    for name, path in SCRIPTS.items():
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", path.read_text("utf-8")
        ), name


def test_an_agents_name_is_text() -> None:
    happened = Happening(place=0, event="joined", agent=HOSTILE, created_at=0)
    for html in (render.happened(happened, "en"), render.company(HOSTILE, "zh")):
        assert "<img" not in html
        assert "&lt;img" in html


def test_the_customer_reads_who_is_there_and_rates_once(talk: Conversation) -> None:
    window = CustomerWindow(talk.assistant, "Shop")
    database, customer = talk.assistant.database, talk.principal
    talk.say("handoff", "a person, please")
    assert talk.id is not None

    def seen() -> str:
        return window.transcript_of(customer, Talk(talk.id))

    assert render.company(None, "en") in seen()
    claim(database, MIA, talk.id)
    answer(database, MIA, talk.id, Turn(role="agent", content=HOSTILE, data={"agent": "Mia", "products": []}))
    html = seen()
    assert render.company("Mia", "en") in html
    assert "<img" not in html
    assert "data-rating" not in html
    close(database, MIA, talk.id, "solved")
    assert seen().count("data-rating") == 5
    assert 'class="company' not in seen()
    rate(database, customer, talk.id, 4)
    assert "data-rating" not in seen()
