"""`/healthz`, `/readyz` and `/metrics`: for whatever watches over a server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy.pool import QueuePool

from bot import machine
from bot.api.problems import MEDIA_TYPE
from bot.api.routes import principal_of
from bot.readiness import Check, checks
from bot.service import Assistant
from storage.desk_load import desk_load
from storage.errors import AisleError, problem_of
from storage.metrics import Metric, sampled
from storage.principal import Principal, Role
from storage.record import now_ms

_LOGGER = logging.getLogger(__name__)


def add_health(app: FastAPI, assistant: Assistant) -> None:
    """The three routes; the first two are open."""

    @app.get("/healthz", include_in_schema=True)
    def alive() -> dict[str, str]:
        """The process answers."""
        return {"status": "ok"}

    @app.get("/readyz", response_model=None, responses={503: {"description": "A part is missing, with what is wrong."}})
    def ready() -> JSONResponse:
        """Index, intent model and database, each by name; a problem with status 503 where one of them is missing."""
        found = checks(assistant)
        parts = {each.part: _spelled(each) for each in found}
        wrong = [each for each in found if each.trouble]
        if not wrong:
            return JSONResponse({"status": "ready", "checks": parts})
        detail = " ".join(f"{each.part}: {each.trouble}" for each in wrong)
        _LOGGER.warning("Not ready. %s", detail)
        body: dict[str, Any] = {**problem_of(503, detail, " ".join(each.hint for each in wrong)), "checks": parts}
        return JSONResponse(body, status_code=503, media_type=MEDIA_TYPE)

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics(request: Request) -> PlainTextResponse:
        """Figures of this process in Prometheus's text format, for who runs the shop: none names a person."""
        who = principal_of(request)
        who.require_role(Role.SERVICE, Role.SUPERVISOR, Role.ADMIN)
        text = Metric.exposed() + "".join(_now(assistant, who))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _spelled(check: Check) -> dict[str, str]:
    state = {"status": "failed", "detail": check.trouble} if check.trouble else {"status": "ok"}
    return state if check.version is None else {**state, "version": check.version}


def _now(assistant: Assistant, who: Principal) -> Iterator[str]:
    """What is read at this moment; what the database would tell is left out where it does not answer."""
    found = checks(assistant)
    ready = [({"part": each.part}, float(not each.trouble)) for each in found]
    yield sampled("aisle_ready", "Whether a part that is needed is there.", ready)
    serving = assistant.parts.versions._asdict().items()
    versions = [({"part": part, "version": version}, 1.0) for part, version in serving if version is not None]
    yield sampled("aisle_version_info", "The versions of index and models that serve.", versions)
    products = float(len(assistant.parts.shelf.snapshot.products))
    yield sampled("aisle_index_products", "Products in the index that serves.", [({}, products)])
    waiting = float(assistant.exposures.waiting)
    yield sampled("aisle_exposures_waiting", "Shown slates that wait to be written.", [({}, waiting)])
    spooled = float(assistant.events_waiting)
    yield sampled("aisle_events_waiting_bytes", "Bytes of events that wait on disk for the database.", [({}, spooled)])
    pool = assistant.database.engine.pool
    if isinstance(pool, QueuePool):
        connections = [({"state": "in_use"}, float(pool.checkedout())), ({"state": "idle"}, float(pool.checkedin()))]
        yield sampled("aisle_database_connections", "Connections of this process to the database.", connections)
    try:
        teams = desk_load(assistant.database, who)
    except AisleError:
        teams = None  # `aisle_ready` says so
    if teams is not None:
        open_ = [({"team": each.team, "state": "waiting"}, float(each.waiting)) for each in teams]
        open_ += [({"team": each.team, "state": "held"}, float(each.held)) for each in teams]
        yield sampled("aisle_desk_conversations", "Open conversations of the agents' desk, by team.", open_)
        ages = [({"team": each.team}, (now_ms() - each.oldest) / 1000) for each in teams if each.oldest is not None]
        yield sampled("aisle_desk_oldest_waiting_seconds", "How long the oldest without an agent has been open.", ages)
    yield machine.exposed()
