"""The plot of `benchmarks.assist_week`: macro-F1 on the later week after each night."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560.0, 280.0, 44.0, 120.0, 34.0, 38.0
_COLORS = {"corrections": "#2b6cb0", "random": "#c05621", "confirmed": "#2f855a", "unlabeled": "#6b46c1"}
_NAMES = {
    "corrections": "corrections",
    "random": "as many at random",
    "confirmed": "and confirmed turns",
    "unlabeled": "and unlabelled turns",
}


def draw(base: float, arms: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """An SVG; `base` is the first model's macro-F1, and each arm has (the night's model, the one that serves then) a night.

    The line is what serves, the dots are what each night made, filled where the gate let it through.
    """
    nights = max(map(len, arms.values()))
    everything = [base, *(value for values in arms.values() for pair in values for value in pair)]
    low, high = math.floor(20 * min(everything) - 0.2) / 20, math.ceil(20 * max(everything) + 0.2) / 20

    def across(night: float) -> float:
        return _LEFT + night / nights * (_WIDTH - _LEFT - _RIGHT)

    def up(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = ['<text x="6" y="16" font-weight="bold">macro-F1 on a later week, simulated</text>']
    for step in range(round(20 * (high - low)) + 1):
        value = low + step / 20
        parts.append(_line((across(0), up(value)), (across(nights), up(value)), 'stroke="#ddd"'))
        parts.append(f'<text x="{_LEFT - 6:g}" y="{up(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    for night in range(nights + 1):
        parts.append(f'<text x="{across(night):.1f}" y="{_HEIGHT - 20:g}" text-anchor="middle">{night}</text>')
    middle = across(nights / 2)
    parts.append(f'<text x="{middle:.1f}" y="{_HEIGHT - 4:g}" text-anchor="middle">nights of fine-tuning</text>')
    parts.append(_line((across(0), up(base)), (across(nights), up(base)), 'stroke="#777" stroke-dasharray="5 4"'))
    names = [(up(base), "nobody corrects", "#777")]
    for name, values in arms.items():
        color = _COLORS[name]
        served = [base, *(serves for _, serves in values)]
        points = [(across(0), up(base))]
        for night, (before, after) in enumerate(pairwise(served), 1):
            points += [(across(night), up(before)), (across(night), up(after))]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        for night, (made, serves) in enumerate(values, 1):
            fill = color if made == serves else "white"
            x, y = across(night), up(made)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}" stroke="{color}"/>')
        names.append((points[-1][1], _NAMES[name], color))
    level = -math.inf
    for y, name, color in sorted(names):
        level = max(y, level + 13)  # one below the other where lines end together
        parts.append(f'<text x="{across(nights) + 8:.1f}" y="{level + 4:.1f}" fill="{color}">{name}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" font-family="sans-serif" font-size="11">'
        f'<rect width="{_WIDTH:g}" height="{_HEIGHT:g}" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _line(start: tuple[float, float], end: tuple[float, float], style: str) -> str:
    return f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" {style}/>'
