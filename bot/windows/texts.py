"""The words of the windows: one TOML file beside this module for English and Chinese, else the table `[window]` of the language."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from bot.reply.voice import WHOLE, languages


@cache
def texts(language: str) -> dict[str, str]:
    """All words of one language by name; English for what it lacks, and for a language that has no file."""
    words = _own("en")
    if language in WHOLE:
        return words | _own(language)
    return words | dict(languages()[language].tables.get("window", {})) if language in languages() else words


def language_of(accept_language: str) -> str:
    """The window's language from the browser's header: `"zh-CN,zh;q=0.9,en;q=0.8"` gives `"zh"`."""
    first = accept_language.split(",")[0].split(";")[0].strip().lower().split("-")[0]
    return first if first in languages() else "en"


def window_language(chosen: str, accept_language: str) -> str:
    """The language that was chosen in the window or that the page around it has, else the browser's."""
    return language_of(chosen or accept_language)


def name_of(language: str) -> str:
    """What a language calls itself; its code where its file does not say."""
    name = texts(language)["language"]
    return name if language == "en" or name != texts("en")["language"] else language


def _own(language: str) -> dict[str, str]:
    return tomllib.loads((Path(__file__).parent / f"{language}.toml").read_text(encoding="utf-8"))
