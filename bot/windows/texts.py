"""The words of the windows, one TOML file a language beside this module."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh")


@cache
def texts(language: str) -> dict[str, str]:
    """All words of one language by name; English for a language that has no file."""
    name = language if language in LANGUAGES else "en"
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))


def language_of(accept_language: str) -> str:
    """The window's language from the browser's header: `"zh-CN,zh;q=0.9,en;q=0.8"` gives `"zh"`."""
    first = accept_language.split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


def window_language(chosen: str, accept_language: str) -> str:
    """The language that was chosen in the window or that the page around it has, else the browser's."""
    return language_of(chosen or accept_language)
