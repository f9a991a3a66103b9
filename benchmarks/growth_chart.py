"""The plot of `benchmarks.growth`: four panels over the number of products, on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_PANEL, _HEIGHT, _LEFT, _TOP, _BOTTOM = 270.0, 210.0, 44.0, 34.0, 34.0
_COLORS = ("#2b6cb0", "#c05621")
_PANELS: tuple[tuple[str, tuple[tuple[str, str], ...], float | None], ...] = (
    ("search without filters, ms", (("p50", "p50"), ("p95", "p95")), 10),
    ("search with filters, ms", (("p50", "p50_filtered"), ("p95", "p95_filtered")), 10),
    ("vectors and keywords, bytes a product", (("resident", "bytes_a_product"),), 1_200),
    ("build, s", (("seconds", "build_s"),), None),
)
"""Title, lines (name, key of the figures), and the aim, drawn as a dashed line."""


def draw(figures: Sequence[Mapping[str, Any]]) -> str:
    """An SVG of all panels; each of `figures` has "products" and the keys of the panels."""
    panels = "".join(_panel(place, figures, *each) for place, each in enumerate(_PANELS))
    width = _PANEL * len(_PANELS)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {_HEIGHT:g}" font-family="sans-serif" font-size="11">'
        f'<rect width="{width:g}" height="{_HEIGHT:g}" fill="white"/>{panels}</svg>\n'
    )


def _panel(
    place: int,
    figures: Sequence[Mapping[str, Any]],
    title: str,
    lines: tuple[tuple[str, str], ...],
    aim: float | None,
) -> str:
    xs = [float(each["products"]) for each in figures]
    values = [float(each[key]) for each in figures for _, key in lines] + ([aim] if aim else [])
    low, high = _decade(min(values), math.floor), _decade(max(values), math.ceil)

    def across(value: float) -> float:
        span = math.log10(max(xs) / min(xs)) or 1.0
        return place * _PANEL + _LEFT + math.log10(value / min(xs)) / span * (_PANEL - _LEFT - 26)

    def up(value: float) -> float:
        return _TOP + (1 - math.log10(value / low) / math.log10(high / low)) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<text x="{place * _PANEL + 6:g}" y="14" font-weight="bold">{title}</text>']
    mark = low
    while mark <= high * 1.001:
        parts.append(_line((across(xs[0]), up(mark)), (across(xs[-1]), up(mark)), 'stroke="#ddd"'))
        parts.append(f'<text x="{across(xs[0]) - 5:.1f}" y="{up(mark) + 4:.1f}" text-anchor="end">{mark:g}</text>')
        mark *= 10
    for x in xs:
        text = f"{x / 1e6:g}M" if x >= 1e6 else f"{x / 1e3:g}k"
        parts.append(f'<text x="{across(x):.1f}" y="{_HEIGHT - 18:g}" text-anchor="middle">{text}</text>')
    if aim:
        parts.append(_line((across(xs[0]), up(aim)), (across(xs[-1]), up(aim)), 'stroke="#777" stroke-dasharray="5 4"'))
        parts.append(f'<text x="{across(xs[0]) + 4:.1f}" y="{up(aim) - 4:.1f}" fill="#777">aim {aim:g}</text>')
    for (name, key), color in zip(lines, _COLORS, strict=False):
        points = [(across(x), up(float(each[key]))) for x, each in zip(xs, figures, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in points]
        if len(lines) > 1:  # else the title says what it is
            x, y = points[-1]
            parts.append(f'<text x="{x + 5:.1f}" y="{y + 4:.1f}" fill="{color}">{name}</text>')
    return "".join(parts)


def _decade(value: float, rounded: Any) -> float:
    return float(10.0 ** rounded(math.log10(max(value, 1e-3))))


def _line(start: tuple[float, float], end: tuple[float, float], style: str) -> str:
    return f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" {style}/>'
