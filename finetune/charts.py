"""The report's charts as SVG that a style sheet colors: no script, no image file, readable at the width of a phone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bot.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Frame, svg, ticks
from bot.markup import Markup, tag
from finetune.record import Bin, Confusion, Doubts

_FEW = 5
"""A bin of fewer turns says little and is drawn faintly."""

_HEAT_MAP = 640.0


def line_chart(
    points: Sequence[tuple[float, float]], x_name: str, y_name: str, *, dots: bool = False, top: float | None = None
) -> Markup:
    """A line through (x, y), with a dot and the value at each point if `dots`; y begins at 0 unless `top` bounds it."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low = 0.0 if top is None else max(0.0, math.floor((min(ys) - 0.02) * 10) / 10)
    high = top if top is not None else max([*ys, 1e-9]) * 1.05
    whole = all(float(x).is_integer() for x in xs)
    margin = 0.4 if dots else 0.5 if len(set(xs)) == 1 else 0.0
    frame = Frame((min(xs) - margin, max(xs) + margin), (low, high))
    marks = (
        sorted(set(xs))
        if dots and len(xs) <= 12
        else [x for x in ticks(*frame.x) if not whole or float(x).is_integer()]
    )
    path = " ".join(f"{frame.across(x):.1f},{frame.up(y):.1f}" for x, y in points)
    marked: list[Markup] = []
    if dots:
        for x, y in points:
            marked.append(tag("circle", cx=frame.across(x), cy=frame.up(y), r=3.5, class_="dot"))
    if dots and len(points) <= 12:
        for x, y in points:
            beneath = y > high - 0.06 * (high - low)  # above it would stand outside the picture
            level = frame.up(y) + (18 if beneath else -8)
            name = tag("text", f"{y:.3f}", x=frame.across(x), y=level, text_anchor="middle", class_="value")
            marked.append(name)
    return svg(
        f"{y_name} by {x_name}",
        frame.axes(x_name, y_name, marks, ticks(low, high)),
        tag("polyline", points=path, class_="line"),
        *marked,
    )


def reliability_diagram(bins: Sequence[Bin]) -> Markup:
    """Accuracy of each bin of confidence as a bar, the diagonal where both agree, and below how many turns a bin has."""
    strip = 34.0  # of the counts
    frame = Frame((0, 1), (0, 1), bottom=HEIGHT - BOTTOM - strip - 6)
    most = max([each.n for each in bins] + [1])
    parts = [frame.axes("confidence", "right", (0, 0.2, 0.4, 0.6, 0.8, 1), (0, 0.2, 0.4, 0.6, 0.8, 1))]
    for each in bins:
        left, width = frame.across(each.low) + 1, frame.across(each.high) - frame.across(each.low) - 2
        tall = strip * math.sqrt(each.n / most)
        said = f"{each.n} turns with confidence {each.low:.2f} to {each.high:.2f}"
        foot = HEIGHT - BOTTOM
        parts.append(tag("rect", tag("title", said), x=left, width=width, y=foot - tall, height=tall, class_="count"))
        if each.accuracy is None or each.confidence is None:
            continue
        said += f": {each.accuracy:.1%} right, {each.confidence:.1%} sure"
        class_ = "good" if each.n >= _FEW else "good faint"
        top = frame.up(each.accuracy)
        parts.append(
            tag("rect", tag("title", said), x=left, width=width, y=top, height=frame.bottom - top, class_=class_)
        )
        level = frame.up(each.confidence)
        parts.append(tag("line", x1=left - 1, x2=left + width + 1, y1=level, y2=level, class_="bad-line"))
    parts.append(tag("line", x1=frame.across(0), y1=frame.up(0), x2=frame.across(1), y2=frame.up(1), class_="even"))
    return svg("Accuracy by confidence", *parts)


def doubt_histogram(doubts: Doubts) -> Markup:
    """In-scope turns upwards and out-of-scope turns downwards, each as shares of their own kind, and the threshold."""
    middle = (TOP + HEIGHT - BOTTOM) / 2
    whole = Frame((doubts.edges[0], doubts.edges[-1]), (0, 1))
    parts = [whole.axes(f"doubt ({doubts.score})", "share of turns", ticks(*whole.x), ())]
    for counts, class_, sign in ((doubts.in_scope, "good", 1), (doubts.out_of_scope, "bad", -1)):
        shares = [count / max(1, sum(counts)) for count in counts]
        most = max(*shares, 1e-9) * 1.1
        room = sign * (middle - TOP) / most
        for each in ticks(0, most, 4) if any(shares) else ():
            y = middle - each * room
            parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
            parts.append(tag("text", f"{each:.0%}", x=LEFT - 6, y=y + 4, text_anchor="end"))
        for low, high, share in zip(doubts.edges, doubts.edges[1:], shares, strict=False):
            if share:
                said = f"{share:.1%} with doubt {low:.3g} to {high:.3g}"
                y, tall = min(middle, middle - share * room), abs(share * room)
                left, width = whole.across(low), whole.across(high) - whole.across(low) - 0.6
                parts.append(tag("rect", tag("title", said), x=left, width=width, y=y, height=tall, class_=class_))
    at = whole.across(doubts.threshold)
    side, anchor = (-5, "end") if at > WIDTH / 2 else (5, "start")
    parts.append(tag("line", x1=at, x2=at, y1=TOP, y2=whole.bottom, class_="threshold"))
    parts.append(tag("text", "threshold", x=at + side, y=TOP + 9, text_anchor=anchor, class_="value"))
    return svg("Doubt of in-scope and out-of-scope turns", *parts)


def heat_map(confusion: Confusion) -> Markup:
    """All labels against all: a cell is as strong as its share of the gold's turns; its title says which it is."""
    size = _HEAT_MAP / len(confusion.labels)
    cells = []
    for row, counts in enumerate(confusion.counts):
        for column, count in enumerate(counts):
            if count:
                gold, predicted = confusion.labels[row], confusion.labels[column]
                said = f"{gold}: {count}" if row == column else f"{gold}, taken for {predicted}: {count}"
                cells.append(
                    tag(
                        "rect",
                        tag("title", said),
                        x=column * size,
                        y=row * size,
                        width=size,
                        height=size,
                        class_="good" if row == column else "bad",
                        fill_opacity=strength(count / sum(counts)),
                    )
                )
    frame = tag("rect", x=0, y=0, width=_HEAT_MAP, height=_HEAT_MAP, class_="frame")
    box = f"-1 -1 {_HEAT_MAP + 2:g} {_HEAT_MAP + 2:g}"
    return tag("svg", frame, *cells, viewBox=box, role="img", aria_label="Confusion of all labels", class_="square")


def strength(share: float) -> float:
    """How strongly a share is painted; a small one shall still be seen."""
    return 0.12 + 0.88 * math.sqrt(share)
