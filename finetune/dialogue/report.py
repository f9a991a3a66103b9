"""What journeys and simulated shoppers came to, as figures and as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finetune.dialogue.play import Outcome
from finetune.dialogue.shoppers import Visit

LISTED = 40
"""So many failures are named in the text; the files have all."""


@dataclass(frozen=True)
class DialogueReport:
    """Journeys played and visits simulated; nobody real said any of it, so every figure is labeled as simulated."""

    outcomes: Sequence[Outcome]
    visits: Sequence[Visit]

    def values(self) -> dict[str, Any]:
        """The metrics: counts over journeys and visits together, pass rates over wordings, success over visits.

        `n` and `passed` count wordings of journeys, `skipped` those that the catalog has no product for; `turns_p50` and
        `turns_p95` are turns until a successful shopper has checked out. Times are milliseconds a turn.
        """
        played = [each for each in self.outcomes if not each.skipped]
        done = [each.turns for each in self.visits if each.success]
        both: list[Outcome | Visit] = [*played, *self.visits]
        times = [ms for each in both for ms in each.ms]
        return {
            "n": len(played),
            "passed": sum(each.passed for each in played),
            "pass_rate": _share(each.passed for each in played),
            "skipped": len(self.outcomes) - len(played),
            "shoppers": len(self.visits),
            "success": _share(each.success for each in self.visits),
            "turns_p50": _percentile(done, 50),
            "turns_p95": _percentile(done, 95),
            "needless_questions": sum(each.needless for each in both),
            "violated_constraints": sum(each.violated for each in both),
            "unbacked_claims": sum(each.unbacked for each in both),
            "wrong_writes": sum(each.wrong_writes for each in both),
            "repeats": sum(each.repeats for each in both),
            "by_group": {
                group: _passed([each for each in played if each.group == group])
                for group in dict.fromkeys(each.group for each in played)
            },
            "by_language": {language: self._in(language) for language in dict.fromkeys(each.language for each in both)},
            "by_manner": {
                manner: _share(each.success for each in self.visits if each.manner == manner)
                for manner in dict.fromkeys(each.manner for each in self.visits)
            },
            "simulated": True,
            "p50_ms": _percentile(times, 50),
            "p95_ms": _percentile(times, 95),
        }

    def text(self) -> str:
        """The same for a person, the failures named."""
        values = self.values()
        groups = ", ".join(f"{name} {each['passed']}/{each['n']}" for name, each in values["by_group"].items())
        lines = [
            f"Simulated: nobody real said any of this. {values['passed']} of {values['n']} wordings of journeys pass "
            f"({_percent(values['pass_rate'])}; {values['skipped']} skipped).",
            f"By group: {groups}.",
            f"Simulated shoppers: {_percent(values['success'])} of {values['shoppers']} bought what they needed, in "
            f"{values['turns_p50']} turns (p50), {values['turns_p95']} (p95).",
            f"Violated conditions {values['violated_constraints']}, unbacked claims {values['unbacked_claims']}, wrong writes "
            f"{values['wrong_writes']}, needless questions {values['needless_questions']}, repeats {values['repeats']}.",
            f"A turn takes {values['p50_ms']} ms (p50), {values['p95_ms']} ms (p95).",
        ]
        failed = [each for each in self.outcomes if not each.passed]
        lines += [f"- {each.group}/{each.name} ({each.wording}): {each.failures[0]}" for each in failed[:LISTED]]
        if len(failed) > LISTED:
            lines.append(f"- and {len(failed) - LISTED} more")
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Writes `journeys.txt` and `shoppers.txt`: what went wrong, each with its transcript."""
        folder.mkdir(parents=True, exist_ok=True)
        journeys = [
            _entry(f"{each.group}/{each.name} ({each.wording})", each.failures, each.transcript)
            for each in self.outcomes
            if not each.passed
        ]
        visits = [
            _entry(f"shopper {each.number} ({each.language}, {each.manner})", each.problems, each.transcript)
            for each in self.visits
            if not each.success or each.problems
        ]
        (folder / "journeys.txt").write_text("\n".join(journeys), encoding="utf-8")
        (folder / "shoppers.txt").write_text("\n".join(visits), encoding="utf-8")

    def _in(self, language: str) -> dict[str, Any]:
        played = [each for each in self.outcomes if each.language == language and not each.skipped]
        visits = [each for each in self.visits if each.language == language]
        return {**_passed(played), "shoppers": len(visits), "success": _share(each.success for each in visits)}


def _entry(title: str, problems: Iterable[str], transcript: Iterable[str]) -> str:
    return "\n".join([f"# {title}", *(f"! {problem}" for problem in problems), *transcript, ""])


def _passed(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    passed = sum(each.passed for each in outcomes)
    return {"n": len(outcomes), "passed": passed, "pass_rate": _share(each.passed for each in outcomes)}


def _share(held: Iterable[bool]) -> float | None:
    every = list(held)
    return round(sum(every) / len(every), 4) if every else None


def _percentile(values: Sequence[float], share: int) -> float | None:
    return round(float(np.percentile(values, share)), 2) if values else None


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f} %"
