"""Watches every request from outside: an id, a line in the log, figures for `/metrics`, and a span where traces are wanted.

None of these holds the address that was asked for, only the route's template: an address has ids in it, and there is no end
of them.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.logs import REQUEST, log_once
from bot.tracing import span
from storage.metrics import Counter, Gauge, Histogram
from storage.principal import Principal
from storage.pseudonyms import Pseudonyms
from storage.record import new_id

HEADER: Final = "X-Request-ID"
_SANE: Final = re.compile(r"[A-Za-z0-9_.-]{8,64}")
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_LOGGER = logging.getLogger(__name__)

REQUESTS = Counter("aisle_http_requests_total", "Requests by route, method and status.")
DURATION = Histogram(
    "aisle_http_request_duration_seconds",
    "From a request's arrival to the end of its answer; a stream's is its whole length.",
)
IN_PROGRESS = Gauge("aisle_http_requests_in_progress", "Requests that are being answered, streams among them.")
FAULTS = Counter("aisle_exceptions_total", "Exceptions that no part caught, by route.")


class Observed:
    """The outermost middleware.

    A request's id is the caller's `X-Request-ID` where that is 8 to 64 of `A-Za-z0-9_.-`, else a new one.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute], pseudonyms: Pseudonyms) -> None:
        self.app = app
        self._pseudonyms = pseudonyms
        known = list(routes)
        self._mounts = {route.path for route in known if isinstance(route, Mount)}
        self._plain = {route.path for route in known if isinstance(route, Route) and "{" not in route.path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SANE.fullmatch(given) else new_id()
        method = scope["method"] if scope["method"] in _METHODS else "other"
        # Not only in the context: what answers an exception stands outside of this middleware, where that is reset.
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = request_id
        status, began = 500, time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        token = REQUEST.set(request_id)
        IN_PROGRESS.add(1)
        try:
            with span("request") as current:
                try:
                    await self.app(scope, receive, send_with_id)
                except Exception as error:
                    status = 500
                    route = self.template_of(scope)
                    FAULTS.add(route=route)
                    log_once(_LOGGER, "exception", error, method=method, route=route)
                    raise
                finally:
                    route = self.template_of(scope)
                    current.update(route=route, method=method, status=status)
        finally:
            IN_PROGRESS.add(-1)
            self._note(route, method, status, time.perf_counter() - began, state.get("principal"))
            REQUEST.reset(token)

    def template_of(self, scope: Scope) -> str:
        """The route that answered: `/api/users/{user_id}/profile`, `/media/*`, or `(none)`."""
        root = scope.get("root_path", "")
        mount = root if root in self._mounts else ""
        template = getattr(scope.get("route"), "path", None)
        if isinstance(template, str):
            return template if template.startswith(mount) else mount + template
        if mount:
            return f"{mount}/*"
        return scope["path"] if scope["path"] in self._plain else "(none)"

    def _note(self, route: str, method: str, status: int, seconds: float, who: Principal | None) -> None:
        REQUESTS.add(route=route, method=method, status=str(status))
        DURATION.observe(seconds, route=route, method=method)
        if route in _PROBES and status < 500:
            return
        fields: dict[str, Any] = {"method": method, "route": route, "status": status, "ms": round(1000 * seconds, 1)}
        if who is not None:
            fields |= {"who": self._pseudonyms.of(who.id), "role": str(who.role)}
        _LOGGER.info("request", extra={"fields": fields})
