"""Words of each language that a language model may not say unbacked, one TOML file each."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The words of one language.

    `promises` are never said in a model's own words, nor `refusals`; `properties` only of a product whose record has the word;
    words `around` a figure, by its field ("rating"), only with that figure. A sentence of a record that holds one of `commands` is
    not handed to a model. A customer who speaks of `buying` may be asked about the cart. `end` is what stands between sentences.
    """

    name: str
    end: re.Pattern[str]
    promises: re.Pattern[str]
    properties: re.Pattern[str]
    refusals: re.Pattern[str]
    buying: re.Pattern[str]
    commands: re.Pattern[str]
    around: dict[str, re.Pattern[str]]


@cache
def lexicons() -> dict[str, Lexicon]:
    """The lexicon of each language by its code."""
    found = {}
    for file in resources.files("bot.llm.words").iterdir():
        if file.name.endswith(".toml"):
            words = tomllib.loads(file.read_text(encoding="utf-8"))
            found[file.name.removesuffix(".toml")] = Lexicon(
                name=words["name"],
                end=re.compile(words["end"]),
                promises=_any(words["promises"]),
                properties=_any(words["properties"]),
                refusals=_any(words["refusals"]),
                buying=_any(words["buying"]),
                commands=_any(words["commands"]),
                around={field: _any(patterns) for field, patterns in words["around"].items()},
            )
    return found


def _any(patterns: list[str]) -> re.Pattern[str]:
    """Any of the patterns, of Latin words only whole ones."""
    return re.compile(rf"(?<![A-Za-z])(?:{'|'.join(patterns)})(?![A-Za-z])", re.IGNORECASE)
