"""What `/agent` needs beside its window: its scripts, for those who may see the window alone."""

from __future__ import annotations

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, RedirectResponse

from bot.windows.agent import PATH, SCRIPTS
from storage.errors import NotFound


def add_agent_page(app: FastAPI) -> None:
    """The routes below `/agent` that are no window."""

    @app.get(PATH, include_in_schema=False)
    def window() -> Response:
        """The window's own address ends in a slash."""
        return RedirectResponse(f"{PATH}/", status_code=307)

    @app.get(f"{PATH}/scripts/{{name}}", include_in_schema=False)
    def script(name: str) -> Response:
        """One of the window's scripts."""
        if name not in SCRIPTS:
            raise NotFound(f"There is no script {name[:100]!r}.", f"Known: {', '.join(sorted(SCRIPTS))}.")
        headers = {"Cache-Control": "no-cache"}
        return FileResponse(SCRIPTS[name], media_type="text/javascript; charset=utf-8", headers=headers)
