"""Errors as problem+json (RFC 9457), {type, title, status, detail, hint}; under `/v1` in the shape that OpenAI's clients read."""

from __future__ import annotations

import logging
from http import HTTPStatus
from itertools import takewhile
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bot.api.headers import close
from storage.errors import AisleError, Fault, problem_of

_LOGGER = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
_OPENAI_PATHS: Final = "/v1/"
_OPENAI_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_TEXT: Final = {"type": "string"}
_SHAPES: Final[dict[str, tuple[str, str, dict[str, Any]]]] = {
    "Problem": (
        "An error: what is wrong, and the way out.",
        MEDIA_TYPE,
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "hint": _TEXT,
            "request_id": _TEXT,
        },
    ),
    "OpenAIError": (
        "An error as OpenAI's clients read it.",
        "application/json",
        {
            "error": {
                "type": "object",
                "properties": {"message": _TEXT, "type": _TEXT, "param": {"type": ["string", "null"]}, "code": _TEXT},
                "required": ["message", "type", "param", "code"],
                "additionalProperties": False,
            }
        },
    ),
}
"""What `refusal` answers, as OpenAPI describes it: description, media type, properties."""
_ONLY_OURS: Final = frozenset({"request_id"})
"""What stands in errors of the server alone; every other property is required."""


def problem(status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """One error as a response."""
    return JSONResponse(problem_of(status, detail, hint), status_code=status, headers=headers, media_type=MEDIA_TYPE)


def openai_error(
    status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None, param: str | None = None
) -> JSONResponse:
    """One error as OpenAI's API gives it: `{"error": {"message", "type", "param", "code"}}`; what is invalid is 400 there."""
    status = 400 if status == 422 else status
    kind = _OPENAI_TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = HTTPStatus(status).phrase.lower().replace(" ", "_")
    error = {"message": f"{detail} {hint}".strip(), "type": kind, "param": param, "code": code}
    return JSONResponse({"error": error}, status_code=status, headers=headers)


def refusal(
    path: str,
    status: int,
    detail: str,
    hint: str = "",
    headers: dict[str, str] | None = None,
    param: str | None = None,
) -> JSONResponse:
    """One error in the shape that the clients of a path read."""
    if path.startswith(_OPENAI_PATHS):
        return openai_error(status, detail, hint, headers, param)
    return problem(status, detail, hint, headers)


def retry_after(error: AisleError) -> dict[str, str] | None:
    """The header that says when to ask again (RFC 9110), where the error knows."""
    return None if error.retry_after is None else {"Retry-After": str(error.retry_after)}


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem+json, or what `refusal` says."""

    async def aisle_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, AisleError)
        if error.status >= 500:
            _LOGGER.warning("A request could not be answered: %s", error)
            return _traceable(request, error)
        return refusal(request.url.path, error.status, error.message, error.hint, retry_after(error))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        errors = error.errors()
        # Behind a field's own name may stand which of its kinds was tried, "constrained-str", which no client sent.
        fields = takewhile(lambda part: part.replace("_", "").isalnum(), map(str, errors[0]["loc"][1:]))
        param = ".".join(fields) or None
        hint = "See /docs for the fields of this request."
        return refusal(request.url.path, 422, described(errors), hint, param=param)

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers) if error.headers else None
        hint = "See /docs for what is served."
        return refusal(request.url.path, error.status_code, str(error.detail), hint, headers)

    async def fault(request: Request, error: Exception) -> JSONResponse:  # `Observed` has logged it
        answer = _traceable(request, Fault())
        close(answer.headers, request.scope)  # Starlette answers it outside of everything that the application adds
        return answer

    def described_api() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_problems(
                get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            )
        return app.openapi_schema

    app.openapi = described_api  # type: ignore[method-assign]  # FastAPI's own way to change the description
    app.add_exception_handler(Exception, fault)
    app.add_exception_handler(AisleError, aisle_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)


def _traceable(request: Request, error: AisleError) -> JSONResponse:
    """An error of ours with the id under which the log has more of it: in the header, and in the problem as `request_id`."""
    request_id = getattr(request.state, "request_id", "")
    headers = (retry_after(error) or {}) | ({"X-Request-ID": request_id} if request_id else {})
    if request.url.path.startswith(_OPENAI_PATHS):
        return openai_error(error.status, error.message, error.hint, headers)
    told = error.problem() | ({"request_id": request_id} if request_id else {})
    return JSONResponse(told, status_code=error.status, headers=headers, media_type=MEDIA_TYPE)


def described(errors: Any) -> str:
    """Validation errors on one line: `"message: Field required; limit: Input should be less than or equal to 100"`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in error['loc'][1:]) or 'body'}: {error['msg']}" for error in errors
    )


def _with_problems(api: dict[str, Any]) -> dict[str, Any]:
    """The description with the errors that are sent, in the place of those that FastAPI would send by itself."""
    for path, operations in api["paths"].items():
        shape = "OpenAIError" if path.startswith(_OPENAI_PATHS) else "Problem"
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"$ref": f"#/components/responses/{shape}"}
    components = api["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["responses"] = {
        name: {
            "description": description,
            "content": {
                media_type: {
                    "schema": {
                        "type": "object",
                        "properties": fields,
                        "required": [field for field in fields if field not in _ONLY_OURS],
                        "additionalProperties": False,
                    }
                }
            },
        }
        for name, (description, media_type, fields) in _SHAPES.items()
    }
    return api
