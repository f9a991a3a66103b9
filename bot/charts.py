"""Charts as SVG that a style sheet colors: no script, no image file, readable at the width of a phone.

Each has a name and says in words what it shows; no line is told from another by its color alone.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bot.markup import Markup, joined, tag

WIDTH, HEIGHT = 420.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 12.0, 40.0
MOST_CURVES: Final = 6
"""As many colors as can be told apart."""
_NAMES: Final = 138.0  # room for the names of bars
_BAR_WIDE: Final = 190.0  # of the longest bar, with room for what it says
_BAR_TOP, _BAR_STEP, _BAR_TALL = 8.0, 26.0, 17.0
_UNTOLD: Final = 14.0
_ALL_MARKED: Final = 6  # of the horizontal axis
_HALF_A_LABEL: Final = 70.0
_LONGEST_NAME: Final = 22


@dataclass(frozen=True)
class Frame:
    """The plane of a chart: ranges of both axes in the data's units, and where they lie in the picture."""

    x: tuple[float, float]
    y: tuple[float, float]
    bottom: float = HEIGHT - BOTTOM

    def across(self, value: float) -> float:
        """Where `value` of the horizontal axis lies."""
        return LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)

    def up(self, value: float) -> float:
        """Where `value` of the vertical axis lies."""
        return self.bottom - (value - self.y[0]) / (self.y[1] - self.y[0]) * (self.bottom - TOP)

    def axes(
        self,
        x_name: str,
        y_name: str,
        x_marks: Sequence[float],
        y_marks: Sequence[float],
        x_said: Callable[[float], str] | None = None,
        y_said: Callable[[float], str] | None = None,
    ) -> Markup:
        """Lines and numbers of both axes, with their names; `x_said` and `y_said` spell the numbers."""
        lines = [
            tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=self.up(each), y2=self.up(each), class_="grid")
            for each in y_marks
        ]
        numbers = [
            tag("text", (y_said or _number)(each), x=LEFT - 6, y=self.up(each) + 4, text_anchor="end")
            for each in y_marks
        ] + [
            tag("text", (x_said or _number)(each), x=self.across(each), y=HEIGHT - BOTTOM + 16, text_anchor="middle")
            for each in x_marks
        ]
        names = [
            tag("text", x_name, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 5, text_anchor="middle", class_="name"),
            tag("text", y_name, transform=f"translate(11 {(TOP + self.bottom) / 2:g}) rotate(-90)",
                text_anchor="middle", class_="name"),
        ]  # fmt: skip
        return joined([*lines, *numbers, *names])


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two, at most so many: `ticks(0, 9)` is [0, 2, 4, 6, 8]."""
    raw = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(each for each in (1, 2, 5, 10) if each * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def svg(label: str, *parts: Markup, description: str | None = None, height: float = HEIGHT) -> Markup:
    """The picture with its name, and what it shows in words for those who do not see it."""
    told = () if description is None else (tag("title", label), tag("desc", description))
    box = f"0 0 {WIDTH:g} {height:g}"
    return tag("svg", *told, *parts, viewBox=box, role="img", aria_label=label)


@dataclass(frozen=True, slots=True)
class Bar:
    """`said` stands at the bar's end. Without a value, for one that is not told, there is an empty bar in its place."""

    name: str
    value: float | None
    said: str


def bar_chart(label: str, description: str, bars: Sequence[Bar]) -> Markup:
    """Bars from the left, one below the other in their order, each with its name and what it says; at least one."""
    most = max([bar.value for bar in bars if bar.value is not None] + [0.0]) or 1.0
    parts = []
    for place, bar in enumerate(bars):
        top = _BAR_TOP + place * _BAR_STEP
        wide = _UNTOLD if bar.value is None else max(1.0, bar.value / most * _BAR_WIDE)
        middle = top + _BAR_TALL / 2 + 4
        parts += [
            tag(
                "text",
                _shortened(bar.name),
                tag("title", bar.name),
                x=_NAMES - 8,
                y=middle,
                text_anchor="end",
                class_="of",
            ),
            tag(
                "rect",
                tag("title", f"{bar.name}: {bar.said}"),
                x=_NAMES,
                y=top,
                width=wide,
                height=_BAR_TALL,
                rx=3,
                class_="untold" if bar.value is None else "good",
            ),
            tag("text", bar.said, x=_NAMES + wide + 6, y=middle, class_="value"),
        ]
    return svg(label, *parts, description=description, height=2 * _BAR_TOP + len(bars) * _BAR_STEP)


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y); where y is None there is a gap."""

    name: str
    points: Sequence[tuple[float, float | None]]


def curve_chart(
    label: str,
    description: str,
    curves: Sequence[Curve],
    x_name: str,
    *,
    x_labels: Callable[[float], str] = lambda x: f"{x:g}",
    counts: bool = False,
) -> Markup:
    """Shares over whole numbers, at most `MOST_CURVES` lines of different colors, dashes and marks; `legend` has their names.

    With `counts` they are counts instead of shares.
    """
    xs = sorted({x for curve in curves for x, _ in curve.points})
    known = [y for curve in curves for _, y in curve.points if y is not None]
    margin = 0.5 if len(xs) == 1 else 0.02 * (xs[-1] - xs[0])
    frame = Frame((xs[0] - margin, xs[-1] + margin), (0.0, max([*known, 1.0 if counts else 0.01]) * 1.08))
    marks = xs if len(xs) <= _ALL_MARKED else [x for x in ticks(*frame.x) if float(x).is_integer()]
    heights = [y for y in ticks(*frame.y) if not counts or float(y).is_integer()]
    parts = [frame.axes(x_name, "", marks, heights, x_labels, _number if counts else lambda y: f"{100 * y:.3g} %")]
    for place, curve in enumerate(curves[:MOST_CURVES]):
        for run in _runs(curve.points):
            path = " ".join(f"{frame.across(x):.1f},{frame.up(y):.1f}" for x, y in run)
            parts.append(tag("polyline", points=path, class_=f"line series-{place}"))
        for x, y in curve.points:
            if y is not None:
                said = tag("title", f"{curve.name}, {x_labels(x)}: {f'{y:,.0f}' if counts else f'{y:.1%}'}")
                parts.append(_mark(place, frame.across(x), frame.up(y), said))
    return svg(label, *parts, description=description)


def legend(names: Sequence[str]) -> Markup:
    """The names of curves with a piece of each line."""
    rows = [
        tag(
            "li",
            tag(
                "svg",
                tag("line", x1=0, x2=30, y1=7, y2=7, class_=f"line series-{place}"),
                _mark(place, 15, 7),
                viewBox="0 0 30 14",
                aria_hidden="true",
            ),
            name,
        )
        for place, name in enumerate(names[:MOST_CURVES])
    ]
    return tag("ul", *rows, class_="legend")


@dataclass(frozen=True, slots=True)
class Span:
    """A figure with the bounds of its interval, and how it is spelled."""

    name: str
    value: float
    low: float
    high: float
    said: str


def interval_chart(label: str, description: str, spans: Sequence[Span]) -> Markup:
    """Each figure as a dot on the line of its interval, one below the other, with a line at zero; at least one."""
    low, high = min([0.0, *(span.low for span in spans)]), max([0.0, *(span.high for span in spans)])
    room = max(high - low, 1e-9)

    def across(value: float) -> float:
        return _NAMES + 8 + (value - low) / room * (WIDTH - _NAMES - 2 * RIGHT)

    foot = _BAR_TOP + len(spans) * 2 * _BAR_STEP
    parts = [tag("line", x1=across(0), x2=across(0), y1=_BAR_TOP / 2, y2=foot, class_="even")]
    for mark in ticks(min(low, 0.0), max(high, low + room), 5):
        parts.append(tag("text", f"{mark:g}", x=across(mark), y=foot + 14, text_anchor="middle"))
    for place, span in enumerate(spans):
        y = _BAR_TOP + place * 2 * _BAR_STEP + _BAR_TALL / 2
        under = min(max(across(span.value), _NAMES + _HALF_A_LABEL), WIDTH - _HALF_A_LABEL)
        parts += [
            tag(
                "text",
                _shortened(span.name),
                tag("title", span.name),
                x=_NAMES - 8,
                y=y + 4,
                text_anchor="end",
                class_="of",
            ),
            tag("line", x1=across(span.low), x2=across(span.high), y1=y, y2=y, class_="line series-0"),
            tag("circle", tag("title", f"{span.name}: {span.said}"), cx=across(span.value), cy=y, r=4, class_="dot"),
            tag("text", span.said, x=under, y=y + 20, text_anchor="middle", class_="value"),
        ]
    return svg(label, *parts, description=description, height=foot + 20)


def _runs(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The pieces of a curve between its gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [run for run in runs if len(run) > 1]


def _mark(place: int, x: float, y: float, *inside: Markup) -> Markup:
    """A mark of its own shape for each curve, for not everybody tells colors apart."""
    class_ = f"dot series-{place}"
    if place % 3 == 0:
        return tag("circle", *inside, cx=x, cy=y, r=3.5, class_=class_)
    if place % 3 == 1:
        return tag("rect", *inside, x=x - 3.2, y=y - 3.2, width=6.4, height=6.4, class_=class_)
    return tag("path", *inside, d=f"M{x:.1f} {y - 4.4:.1f}l4.4 7.6h-8.8z", class_=class_)


def _shortened(name: str) -> str:
    """A name that fits beside the bars: letters of Chinese are twice as wide."""
    room = _LONGEST_NAME
    for place, letter in enumerate(name):
        room -= 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if room < 0:
            return name[: max(1, place - 1)].rstrip() + "…"
    return name


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1 else f"{value:g}"
