"""What the desk says, in each language: to customers in an agent's name, and to agents about a conversation."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bot.reply.voice import Language, Voice, languages

FOLDER = Path(__file__).parent


def desk_voice(code: str, seed: str = "", said_before: Mapping[str, int] | None = None) -> Voice:
    """A voice that has the desk's tables beside those of the replies; English ones where a language has none of the desk's own."""
    return Voice(_language(code if code in languages() else "en"), seed, said_before or {})


@cache
def _language(code: str) -> Language:
    own = code if (FOLDER / f"{code}.toml").exists() else "en"
    tables = tomllib.loads((FOLDER / f"{own}.toml").read_text(encoding="utf-8"))
    return Language(code, {**languages()[code].tables, **tables})
