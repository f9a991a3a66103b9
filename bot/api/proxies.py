"""Whose request it is, where a proxy stands before Aisle."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_LOGGER = logging.getLogger(__name__)


class TrustedProxies:
    """Puts the client's address and scheme into the scope, by X-Forwarded-For and X-Forwarded-Proto of trusted proxies only.

    Of several addresses the last that is no trusted proxy's counts, for whatever stands before it the client may have written
    itself. That somebody else sends such a header is said once: if it is a proxy that is not listed, all its clients count as one.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str] = ()) -> None:
        inner: Any = app
        self._app = ProxyHeadersMiddleware(inner, trusted_hosts=list(trusted))
        self._said = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        peer = (scope.get("client") or ("",))[0]
        if (
            not self._said
            and scope["type"] == "http"
            and peer not in self._app.trusted_hosts
            and any(name == b"x-forwarded-for" for name, _ in scope["headers"])
        ):
            self._said = True
            hint = "If it is your proxy, name it under [identity] trusted_proxies."
            _LOGGER.warning("%s sent X-Forwarded-For and is not believed. %s", peer, hint)
        forwarded: Any = (scope, receive, send)
        await self._app(*forwarded)
