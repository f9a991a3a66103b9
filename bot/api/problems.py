"""Errors as problem+json (RFC 9457): {type, title, status, detail, hint}."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from storage.errors import AisleError, Fault, problem_of

MEDIA_TYPE = "application/problem+json"


def problem(status: int, detail: str, hint: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """One error as a response."""
    return JSONResponse(problem_of(status, detail, hint), status_code=status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem+json."""

    async def aisle_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, AisleError)
        return problem(error.status, error.message, error.hint)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return problem(422, described(error.errors()), "See /docs for the fields of this request.")

    async def http_error(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers) if error.headers else None
        return problem(error.status_code, str(error.detail), "See /docs for what is served.", headers)

    async def fault(_: Request, error: Exception) -> JSONResponse:  # the server logs the exception itself
        unknown = Fault()
        return problem(unknown.status, unknown.message, unknown.hint)

    app.add_exception_handler(Exception, fault)
    app.add_exception_handler(AisleError, aisle_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)


def described(errors: Any) -> str:
    """Validation errors on one line: `"message: Field required; limit: Input should be less than or equal to 100"`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in error['loc'][1:]) or 'body'}: {error['msg']}" for error in errors
    )
