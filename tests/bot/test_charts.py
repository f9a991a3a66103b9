"""Charts: complete for those who do not see them, gaps where nothing is told, and no text of a shop becomes a tag."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from bot.charts import Bar, Curve, Span, bar_chart, curve_chart, interval_chart, legend
from bot.markup import Markup

HOSTILE = '<script>alert("1")</script>'


def parsed(chart: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(chart)


def widths(chart: ElementTree.Element) -> list[float]:
    return [float(each.attrib["width"]) for each in chart.findall("rect")]


def test_bars_are_as_long_as_their_values_and_what_is_not_told_is_drawn_empty() -> None:
    chart = parsed(
        bar_chart("Bands", "new: 10; gone: few", [Bar("new", 10, "10"), Bar("old", 5, "5"), Bar("gone", None, "few")])
    )
    whole, half, untold = widths(chart)
    assert half == pytest.approx(whole / 2)
    assert untold < half
    assert chart.findall("rect")[-1].attrib["class"] == "untold"
    assert [chart.findtext("title"), chart.findtext("desc")] == ["Bands", "new: 10; gone: few"]


def test_a_long_name_is_cut_and_told_whole_in_its_title() -> None:
    chart = parsed(bar_chart("x", "x", [Bar("巧克力和糖果以及其他各种各样的甜食", 1, "1")]))
    name = chart.find("text")
    assert name is not None
    assert (name.text or "").endswith("…")
    assert name.findtext("title") == "巧克力和糖果以及其他各种各样的甜食"


def test_a_curve_breaks_where_a_value_is_not_told() -> None:
    points = [(1.0, 0.5), (2.0, 0.4), (3.0, None), (4.0, 0.2), (5.0, 0.1), (6.0, None), (7.0, 0.1)]
    chart = parsed(curve_chart("x", "x", [Curve("2026-01", points)], "months"))
    assert [len(each.attrib["points"].split()) for each in chart.findall("polyline")] == [2, 2]
    assert len(chart.findall("circle")) == 5
    assert chart.findall("circle")[0].findtext("title") == "2026-01, 1: 50.0%"


@pytest.mark.parametrize("points", [[(1.0, 0.0)], [(1.0, None)], [(1.0, 1.0), (900.0, 0.0)]])
def test_odd_curves_are_drawn(points: list[tuple[float, float | None]]) -> None:
    assert parsed(curve_chart("x", "x", [Curve("a", points)], "x")) is not None


def test_curves_differ_in_more_than_color() -> None:
    curves = [Curve(name, [(1, 0.1), (2, 0.2)]) for name in "abc"]
    chart = parsed(curve_chart("x", "x", curves, "x"))
    assert [len(chart.findall(shape)) for shape in ("circle", "rect", "path")] == [2, 2, 2]
    assert legend(list("abc")).count("<li>") == 3


def test_an_interval_lies_where_its_bounds_are() -> None:
    chart = parsed(interval_chart("x", "x", [Span("taste", 0.1, -0.1, 0.3, "+0.1")]))
    zero, line = chart.findall("line")
    dot = chart.find("circle")
    assert dot is not None
    low, middle, high = (float(value) for value in (line.attrib["x1"], dot.attrib["cx"], line.attrib["x2"]))
    assert low < float(zero.attrib["x1"]) < middle < high
    assert middle == pytest.approx((low + high) / 2, abs=0.1)


def test_no_text_becomes_a_tag() -> None:
    for chart in (
        bar_chart(HOSTILE, HOSTILE, [Bar(HOSTILE, 1, HOSTILE)]),
        curve_chart(HOSTILE, HOSTILE, [Curve(HOSTILE, [(1, 1)])], HOSTILE),
        interval_chart(HOSTILE, HOSTILE, [Span(HOSTILE, 1, 0, 2, HOSTILE)]),
        legend([HOSTILE]),
    ):
        assert "<script" not in chart
