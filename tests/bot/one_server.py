"""A server in a process of its own, as `launch.py serve` starts one, but for the intent: every message is a search.

    python -m tests.bot.one_server SHOP DATABASE_URL

Prints its address once it listens.
"""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from pathlib import Path

import uvicorn

from bot.api.app import create_app
from bot.machine import stopped_gently
from bot.service import Assistant
from storage.database import Database
from storage.identity import Identity
from storage.settings import ShopSettings
from tests.bot.conftest import ToldIntents


def main(shop: Path, url: str) -> None:
    database, settings = Database.open(url), ShopSettings()
    assistant = Assistant.open(shop, settings, database)
    assistant.parts = replace(assistant.parts, intents=ToldIntents())
    web = create_app(assistant, Identity.open(shop, settings.identity, database), shop, settings)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        try:
            uvicorn.Server(uvicorn.Config(web, log_level="warning")).run(sockets=[listener])
        finally:
            assistant.close()
            database.close()


if __name__ == "__main__":
    with stopped_gently():
        main(Path(sys.argv[1]), sys.argv[2])
