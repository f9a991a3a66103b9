"""What `/metrics` and traces tell of turns: how many, as what they ended, how long each stage took, how a language model did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.tracing import record
from storage.metrics import Counter, Histogram

TURNS = Counter(
    "aisle_turns_total",
    "Turns that were answered, by action; `handoff` with an agent's turn that Aisle kept silent in.",
)
SECONDS = Histogram(
    "aisle_turn_duration_seconds", "From a message's arrival to its stored reply, a language model's time included."
)
STAGES = Histogram("aisle_turn_stage_duration_seconds", "The stages of a turn.")
REMOVED = Counter("aisle_statements_removed_total", "Statements that the grounding check took out of replies.")
LLM = Counter("aisle_llm_turns_total", "Turns for which a language model was asked, by use and outcome.")
LLM_SECONDS = Histogram("aisle_llm_duration_seconds", "How long a turn's part of a language model took.")
_OUTCOMES: Final = frozenset(
    "complete nothing_held no_plan stopped busy circuit_open timeout empty endless loop backend defect".split()
)


def note_turn(action: str, removed: int, stages: Mapping[str, float]) -> None:
    """Counts a turn; `stages` in milliseconds, `total` among them, as `Clock.ended` has them."""
    TURNS.add(action=action)
    if removed:
        REMOVED.add(removed)
    for stage, ms in stages.items():
        if stage == "total":
            SECONDS.observe(ms / 1000)
        else:
            STAGES.observe(ms / 1000, stage=stage)


def note_llm(part: Mapping[str, Any]) -> None:
    """Counts a language model's part in a turn, as `Consultation.record` has it; what a provider calls its failure is `failed`."""
    outcome = part["reason"] if part["reason"] in _OUTCOMES else "failed"
    LLM.add(use=part["use"], outcome=outcome)
    LLM_SECONDS.observe(part["ms"] / 1000, use=part["use"])
    record("llm", part["ms"] / 1000, use=part["use"], outcome=outcome, sentences=part["sentences"])
