"""Which scope of a key reaches which path: one table, asked once a request by `IdentityMiddleware`."""

from __future__ import annotations

from typing import Final

from storage.scopes import READ, covers

_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_FREE: Final = ("/login", "/logout", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json")
"""No scope is needed: they tell nothing of anybody, or end what is."""
_FAMILIES: Final = {
    "/api/chat": "chat",
    "/api/cart": "chat",
    "/api/conversations": "chat",
    "/api/feedback": "chat",
    "/v1": "chat",
    "/mcp": "chat",
    "/api/search": "catalog",
    "/api/products": "catalog",
    "/products": "catalog",
    "/api/events": "events",
    "/api/order-changes": "orders",
    "/api/users": "users",
    "/api/audit": "users",
    "/api/agent": "desk",
    "/agent": "desk",
    "/ops": "figures",
    "/metrics": "figures",
    "/review": "review",
    "/embed": "chat",
    "/demo": "chat",
    "/api": None,
}
"""What is below a path, and the path itself; None is what no scope reaches. All else is the customer's window."""
_WINDOW: Final = "chat"
_READS: Final = ("/api/search", "/ops")
"""What is posted there changes nothing, but for `_WRITES`."""
_WRITES: Final = ("/ops/audience",)


def missing_scope(scopes: frozenset[str] | None, method: str, path: str) -> str | None:
    """What a key lacks for a request, in words for whoever reads the refusal; None where it lacks nothing."""
    if scopes is None or path in _FREE:
        return None
    family = next((family for start, family in _FAMILIES.items() if _is_below(path, start)), _WINDOW)
    if family is None:
        return "no scope reaches it"
    reads = method in _SAFE or (path not in _WRITES and any(_is_below(path, start) for start in _READS))
    if covers(scopes, family, reads=reads):
        return None
    return f"it needs the scope {family}{READ if reads else ''}"


def _is_below(path: str, start: str) -> bool:
    return path == start or path.startswith(f"{start}/")
