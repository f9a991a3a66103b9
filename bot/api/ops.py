"""What `/ops` needs beside its window: who may come in, and the downloads: whom to write to, and the desk's tables."""

from __future__ import annotations

import tempfile
from html import escape
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from bot.api.routes import principal_of
from bot.desk_export import TableName, exported
from bot.desk_figures import PERIODS, SupportFigures
from bot.figures import Figures
from bot.windows import render
from bot.windows.ops import PATH
from bot.windows.texts import language_of, texts
from retrieval.audience import Audience
from storage.errors import AisleError, InvalidInput

_KINDS = {"csv": "text/csv", "jsonl": "application/x-ndjson"}


def add_ops(app: FastAPI, figures: Figures, desk: SupportFigures) -> None:
    """The routes below `/ops` that are no window."""

    @app.get(PATH, include_in_schema=False)
    def window() -> Response:
        """The window's own address ends in a slash."""
        return RedirectResponse(f"{PATH}/", status_code=307)

    @app.get(f"{PATH}/support.csv", include_in_schema=False)
    def support(request: Request, table: TableName, days: Literal["7", "30", "90"] = "30") -> Response:
        """One table of the desk's figures."""
        period = next(each for each in PERIODS if str(each) == days)
        content = exported(desk, principal_of(request), table, period)
        headers = {
            "Content-Disposition": f'attachment; filename="support-{table}-{days}d.csv"',
            "Cache-Control": "no-store",
        }
        # With a byte order mark, by which spreadsheets know that it is UTF-8.
        return Response(f"\ufeff{content}", media_type="text/csv; charset=utf-8", headers=headers)

    @app.post(f"{PATH}/audience", include_in_schema=False)
    def export(
        request: Request,
        band: Annotated[Audience, Form()],
        format: Annotated[Literal["csv", "jsonl"], Form()] = "csv",
        campaign: Annotated[str, Form(max_length=1_000)] = "",
        confirm: Annotated[str, Form(max_length=10)] = "",
    ) -> Response:
        """Whom to write to, as a file, once it is confirmed that they are written down as drawn."""
        try:
            if confirm != "yes":
                raise InvalidInput("The export was not confirmed.", "It writes down who was drawn: tick the box.")
            with tempfile.TemporaryDirectory(prefix="aisle-audience-") as folder:
                output = Path(folder) / f"audience.{format}"
                exported = figures.export(principal_of(request), band, output, campaign or None)
                content = output.read_bytes()
        except AisleError as error:
            if "text/html" not in request.headers.get("accept", ""):
                raise
            language = language_of(request.headers.get("accept-language", ""))
            back = f'<p><a href="{PATH}/">{escape(texts(language)["ops_back"])}</a></p>'
            told = f'<p class="failure" role="alert">{escape(error.message)} {escape(error.hint)}</p>{back}'
            return HTMLResponse(render.page(texts(language)["failed"], told, language), status_code=error.status)
        name = quote(f"{exported.campaign}.{format}", safe="")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}", "Cache-Control": "no-store"}
        return Response(content, media_type=f"{_KINDS[format]}; charset=utf-8", headers=headers)
