"""The API is what its description says, whoever asks and whatever is sent: no fault of ours, no answer that it does not describe.

schemathesis makes requests out of the served OpenAPI file, those that fit and those that don't, some about conversations, messages
and people that exist; each is sent as every role.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bot.api import agent
from bot.api.app import create_app
from bot.parts import parts_of
from bot.service import Assistant
from index.encoders import Encoder
from index.snapshot import Snapshot
from storage.conversations import SUPPORT
from storage.database import Database
from storage.identity import Identity
from storage.principal import Principal, Role
from storage.tickets import hand_to_team
from tests.bot.conftest import SETTINGS, ToldIntents
from tests.fixtures import REPOSITORY, SOAK

EXAMPLES = 60 if SOAK else 2
"""Requests of each kind for a route; each is sent by every role."""
DESCRIBED = json.loads((REPOSITORY / "docs" / "openapi.json").read_text(encoding="utf-8"))
API = schemathesis.openapi.from_dict(DESCRIBED)
ROUTES = {
    f"{method.upper()} {path}": route
    for path, methods in DESCRIBED["paths"].items()
    for method, route in methods.items()
}
READING = [
    name
    for name, route in ROUTES.items()
    if "requestBody" in route or any(each["in"] != "path" for each in route.get("parameters", ()))
]
"""Routes that read more than an id out of the address, so that something can be sent that does not fit."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
MAY_BE_AWAY = ("/api/agent/conversations/{conversation_id}/translation",)
"""Answer 503 where the shop has no language model, as this one: a described problem, and no fault."""


class Served(NamedTuple):
    """One application, how each role comes, and ids of what is there by the names that routes have for them."""

    client: TestClient
    headers: Mapping[str, Mapping[str, str]]
    ids: Mapping[str, str]


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, bot_snapshot: Snapshot, encoders_by_space: Mapping[str, Encoder]
) -> Iterator[Served]:
    shop = tmp_path_factory.mktemp("contract")
    database = Database.open(f"sqlite:///{shop / 'aisle.db'}")
    parts = parts_of(bot_snapshot, encoders_by_space, ToldIntents(), SETTINGS, database)
    assistant = Assistant(parts, SETTINGS, database, shop=shop)
    identity = Identity.open(shop, SETTINGS.identity, database)
    shopper = Principal("maya", Role.CUSTOMER)
    reply = assistant.reply(shopper, "show me kettles")
    hand_to_team(database, shopper, reply.conversation_id, SUPPORT)
    line = assistant.add_to_cart(shopper, "kettle-1").lines[0].line_id
    ids = {
        "conversation_id": reply.conversation_id,
        "message_id": reply.message_id,
        "user_id": "maya",
        "product_id": "kettle-1",
        "line_id": line,
        "agent": "agent-1",
        "model": "aisle",
    }
    people = {
        role.value: Principal(f"{role}-1", role, SUPPORT if role is Role.AGENT else None)
        for role in Role
        if role is not Role.CUSTOMER
    }
    people["customer"] = shopper
    headers = {"visitor": {}, **{name: bearer(identity, who) for name, who in people.items()}}
    # What the server makes of a fault is looked at, not raised here.
    with TestClient(create_app(assistant, identity, shop, SETTINGS), raise_server_exceptions=False) as client:
        yield Served(client, headers, ids)
    assistant.close()
    database.close()


def bearer(identity: Identity, who: Principal) -> dict[str, str]:
    return {"Authorization": f"Bearer {identity.token(who, minutes=600)}"}


def known(value: Any, ids: Mapping[str, str]) -> Any:
    """The same value with ids of what there is in the place of made-up ones."""
    if isinstance(value, dict):
        return {
            name: ids[name] if name in ids and isinstance(inner, str) else known(inner, ids)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [known(inner, ids) for inner in value]
    return value


def sent(served: Served, case: Case[Any], role: str) -> None:
    """Sends one request as one role, and judges what comes back."""
    served.client.cookies.clear()
    request = case.as_transport_kwargs(base_url="http://testserver")
    request.pop("timeout", None)
    cookies, headers = request.pop("cookies", None), {**(request.pop("headers", None) or {}), **served.headers[role]}
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    if "data" in request and not isinstance(request["data"], dict):
        request["content"] = request.pop("data")
    response = served.client.request(**request, headers=headers)
    checks = CHECKS[1:] if case.path in MAY_BE_AWAY and response.status_code == 503 else CHECKS
    case.validate_response(response, checks=checks)


@pytest.mark.parametrize("route", [*ROUTES])
def test_what_fits_gets_an_answer_that_is_described(
    served: Served, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    every_role_gets_what_is_described(served, monkeypatch, route, GenerationMode.POSITIVE)


@pytest.mark.parametrize("route", READING)
def test_what_does_not_fit_is_no_fault(served: Served, monkeypatch: pytest.MonkeyPatch, route: str) -> None:
    every_role_gets_what_is_described(served, monkeypatch, route, GenerationMode.NEGATIVE)


def every_role_gets_what_is_described(
    served: Served, monkeypatch: pytest.MonkeyPatch, route: str, mode: GenerationMode
) -> None:
    monkeypatch.setattr(agent, "STREAM_SECONDS", 0.0)  # a stream says what it says first, and ends
    method, _, path = route.partition(" ")
    operation = API[path][method]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        requests = operation.as_strategy(generation_mode=mode)

    @hypothesis_settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[*HealthCheck],
    )
    @given(requests, st.booleans())
    def each(case: Case[Any], about_what_there_is: bool) -> None:
        if about_what_there_is:
            case.path_parameters = known(case.path_parameters or {}, served.ids)
            case.body = known(case.body, served.ids)
        for role in served.headers:
            if not (method == "DELETE" and path == "/api/users/{user_id}" and about_what_there_is):
                sent(served, case, role)

    each()
