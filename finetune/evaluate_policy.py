"""What other orders of the cards that were shown would have earned, or why nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from finetune.off_policy import Estimate, Interval, effective_users, evaluate
from finetune.slate_log import FIXED, IMPOSSIBLE, UNKNOWN, SlateLog, read_slates
from retrieval.slates import REWARDS, THUMB
from storage.consent import Consent
from storage.database import Database
from storage.errors import InvalidInput
from storage.principal import Principal
from storage.record import now_ms
from storage.slates import training_slates

POLICIES: Mapping[str, str] = {
    "ranked": "the shop's own order, never by lot",
    "relevance": "the search's order, without taste, ratings and popularity",
    "random": "an order drawn by lot each time",
}
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class PolicyReport:
    """What the log holds and what follows from it; `policies` has None where there is no estimate, and the reasons why."""

    log: SlateLog
    window_hours: int
    users: int
    effective_users: float
    logged: Interval | None
    policies: Mapping[str, Estimate | tuple[str, ...]]

    def values(self) -> dict[str, Any]:
        """As `launch.py evaluate policy --json` prints it."""
        log = self.log
        return {
            "shown": log.shown,
            "slates": len(log.slates.user) if log.slates else 0,
            "cards": len(log.slates.slate) if log.slates else 0,
            "users": self.users,
            "effective_users": round(self.effective_users, 1),
            "left_out": dict(log.left_out),
            "policy_versions": dict(log.versions),
            "window_hours": self.window_hours,
            "reward": {**REWARDS, "thumb_up": THUMB, "thumb_down": -THUMB},
            "rewarded": dict(log.rewards),
            "logged": asdict(self.logged) if self.logged else None,
            "policies": {name: _values(each) for name, each in self.policies.items()},
        }

    def text(self) -> str:
        """The same for a person."""
        log = self.log
        left = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in log.left_out.items())
        lines = [
            f"{log.shown} slates were shown to people who let models learn from them; {len(log.slates.user) if log.slates else 0} "
            f"of {self.users} users can be used." + (f" Left out: {left}." if left else ""),
            f"A card earns, within {self.window_hours} hours: a click {REWARDS['view_item']:g}, a cart {REWARDS['add_to_cart']:g}, "
            f"a purchase {REWARDS['purchase']:g} (the furthest counts), a thumb ±{THUMB:g}.",
        ]
        if self.logged is not None:
            lines.append(f"Earned a slate: {_spelled(self.logged)}")
        for name, each in self.policies.items():
            lines.append("")
            if isinstance(each, tuple):
                lines.append(f"{name} ({POLICIES[name]}): inconclusive")
                lines += [f"  because {reason}" for reason in each]
                continue
            lines.append(f"{name} ({POLICIES[name]}): {each.verdict}")
            lines += [f"  because {reason}" for reason in each.reasons]
            lines += [
                f"  {estimator.upper():<5} {_spelled(value)}   less what was earned: {_spelled(each.differences[estimator], '+')}"
                for estimator, value in each.values.items()
            ]
            lines.append(
                f"  worth {each.effective_cards:.0f} cards; weights to {each.max_weight:.1f}, {each.mean_weight:.3f} on average"
            )
        return "\n".join(lines)


def evaluate_policy(
    db: Database, principal: Principal, default: Consent, window_hours: int, seed: int = 0, now: int | None = None
) -> PolicyReport:
    """Estimates what each of `POLICIES` would have earned on the slates whose order was partly drawn by lot.

    Args:
        db: the shop's database.
        principal: who reads.
        default: the consent of people who never chose.
        window_hours: how long after it was shown a card earns; slates whose window is not over are left out.
        seed: of the folds and the bootstrap.
        now: milliseconds since 1970, this moment where left out.

    Raises:
        Forbidden: the role may not train.
        InvalidInput: nothing was shown to anybody who lets models learn from it.
    """
    log = read_slates(training_slates(db, principal, default), window_hours * HOUR_MS, now_ms() if now is None else now)
    if not log.shown:
        raise InvalidInput(
            "No slate was shown to anybody whose consent says train.",
            "Let the shop serve for a while; [consent] in shop.toml says what holds for people who never chose.",
        )
    if log.slates is None:
        return PolicyReport(log, window_hours, 0, 0.0, None, dict.fromkeys(POLICIES, (_way_out(log),)))
    logged, found = evaluate(log.slates, log.policies, seed)
    unknown = ("the log does not say where search alone had the cards (index)",)
    return PolicyReport(
        log,
        window_hours,
        int(log.slates.user.max()) + 1,
        effective_users(log.slates),
        logged,
        {name: found.get(name, unknown) for name in POLICIES},
    )


def _way_out(log: SlateLog) -> str:
    """Why no slate can be used, by what most of them lack."""
    ways = {
        FIXED: "every slate came in the one order that was possible (propensity 1), which says nothing about another; "
        "set [exploration] share in shop.toml, such as 0.1, and wait",
        UNKNOWN: "the slates do not say with which chance each card stood where it did; log its propensity",
        IMPOSSIBLE: "the propensities are not above 0 and at most 1; log the chance of the place that each card had",
        "too_recent": "the time in which the cards may earn is not over; wait, or give fewer --window-hours",
    }
    most = max(log.left_out, key=lambda name: log.left_out[name])
    return ways.get(most, f"no slate can be used ({most.replace('_', ' ')}); log each card once, with its position")


def _values(found: Estimate | tuple[str, ...]) -> dict[str, Any]:
    if isinstance(found, tuple):
        return {"verdict": "inconclusive", "reasons": list(found)}
    return {
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        **{
            name: {**asdict(value), "difference": asdict(found.differences[name])}
            for name, value in found.values.items()
        },
        "ess": found.effective_cards,
        "max_weight": found.max_weight,
        "mean_weight": found.mean_weight,
    }


def _spelled(interval: Interval, sign: str = "") -> str:
    if interval.value is None or interval.low is None or interval.high is None:
        return "unknown" if interval.value is None else f"{interval.value:{sign}.4f} (no interval)"
    return f"{interval.value:{sign}.4f} ({interval.low:{sign}.4f} to {interval.high:{sign}.4f})"
