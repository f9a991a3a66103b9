"""Whether a server can answer: index, intent model and database, each by name."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from bot.parts import NoIntents
from bot.service import Assistant
from storage.errors import AisleError


@dataclass(frozen=True, slots=True)
class Check:
    """One part: the version that serves, where it has one, or what is wrong with it and the way out."""

    part: str
    version: str | None = None
    trouble: str = ""
    hint: str = ""


def checks(assistant: Assistant) -> list[Check]:
    """All three, whatever is wrong with one. Never raises for what is wrong."""
    versions = assistant.parts.versions
    return [Check("index", versions.snapshot), _model(assistant, versions.intent), _database(assistant)]


def _model(assistant: Assistant, version: str | None) -> Check:
    if isinstance(assistant.parts.intents, NoIntents):
        return Check("model", None, "There is no intent model.", "Train one: launch.py finetune intent --promote.")
    return Check("model", version)


def _database(assistant: Assistant) -> Check:
    try:
        with assistant.database.read() as connection:
            connection.execute(select(1))
    except AisleError as error:
        # Anybody may ask for readiness, and the error names the database's address: that is for the log.
        return Check("database", None, "It does not answer.", error.hint)
    return Check("database")
