"""The page: complete, safe whatever a log has in it, and readable without network or script at the width of a phone."""

from __future__ import annotations

import shutil
from collections import Counter
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bot.charts import ticks
from bot.labels import OUT_OF_SCOPE
from bot.markup import Markup, quoted, tag
from finetune.charts import doubt_histogram, heat_map, line_chart
from finetune.facts import facts
from finetune.record import (
    Confusion,
    Curve,
    Doubts,
    Epoch,
    LabelScore,
    Latency,
    Mistake,
    RunRecord,
    Search,
    Suspect,
    Trial,
)
from finetune.report import FILE, duration, most_confused, page, write_report
from tests.finetune.records import small_record

CHROMIUM = shutil.which("chromium")
HOSTILE = "<script>alert(1)</script>\"' onload=x <img src=https://evil.example/x.png>\x00\ud800 &amp; \u202eمرحبا"
VOID = {"meta", "link", "wbr"}


class Parsed(HTMLParser):
    """Elements by name, attributes, and the text of the page; a tag that is not closed in its place fails the test."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(markup)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text += data


def hostile_record() -> RunRecord:
    """A record whose every text is hostile."""
    return small_record(
        labels=(HOSTILE, "greet"),
        per_label={HOSTILE: LabelScore(0.5, 0.5, 0.5, 10), "greet": LabelScore(0.9, 0.9, 0.9, 20)},
        confusion=Confusion((HOSTILE, "greet"), ((8, 2), (1, 19))),
        errors=(Mistake(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.9),),
        suspects=(Suspect(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 0.5),),
        data={HOSTILE: HOSTILE, "labels": {HOSTILE: 3}, "nested": {HOSTILE: [HOSTILE]}},
        configuration={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        parent=HOSTILE,
        commit=HOSTILE,
    )


def many_labels(count: int = 150) -> RunRecord:
    """A record with many labels, of which each is sometimes taken for the next."""
    labels = tuple(f"topic_{number}_of_a_shop" for number in range(count))
    counts = tuple(
        tuple(9 if row == column else 1 if column == (row + 1) % count else 0 for column in range(count))
        for row in range(count)
    )
    return small_record(
        labels=labels,
        per_label={name: LabelScore(0.9, 0.9, 0.9, 10) for name in labels},
        confusion=Confusion(labels, counts),
        data={"labels": dict.fromkeys(labels, 10)},
    )


def test_everything_that_a_run_knows_is_on_the_page() -> None:
    text = Parsed(page(small_record())).text
    for said in (
        "It understands 90 of 100 messages",
        "Always guessing the commonest, greet, would get 66.7\u00a0%",
        "The weakest is search with 0.85",
        "2.1 points",
        "0.970",
        "2.4\u00a0ms",
        "34 MB",
        "1 min 35 s",
        "hi, do you have kettles?",
        "labelled search, predicted greet at 93.0\u00a0%",
        "keyboard",
        "−3.0",
        "The model is that of epoch 2",
        "1,830",
        "bye now",
        "17 to 32",
        "lora",
        "0123456789abcdef0123456789abcdef01234567",
        "Rejected",
        "threshold",
        "3.11.7",
    ):
        assert said in text, said


def test_nothing_is_fetched_and_no_script_is_there() -> None:
    found = Parsed(page(hostile_record()))
    assert not {"script", "img", "iframe", "object", "base", "form"} & set(found.tags)
    for name, attribute, value in found.attributes:
        assert not attribute.startswith("on"), (name, attribute)
        if attribute in ("href", "src", "data", "action"):
            assert value.startswith("#") or value == "data:,", value
    assert "url(" not in page(small_record())
    assert "@import" not in page(small_record())


def test_hostile_text_is_shown_as_it_is_and_stays_in_its_place() -> None:
    found = Parsed(page(hostile_record()))
    assert "<script>alert(1)</script>\"'" in found.text
    assert "&amp; \u202eمرحبا" in found.text
    assert "\x00" not in found.text
    assert found.tags["bdi"] >= 4  # a right-to-left text turns nothing around but itself
    assert found.tags["script"] == 0


def test_a_hostile_record_can_be_written(tmp_path: Path) -> None:
    write_report(hostile_record(), tmp_path)
    assert (tmp_path / FILE).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_long_text_is_cut_where_one_sees_it() -> None:
    text = Parsed(page(small_record(errors=(Mistake("d", "x" * 20_000, "search", "greet", 0.9),)))).text
    assert "x" * 280 + " … 19,720 more characters" in text
    assert "x" * 281 not in text


def test_what_is_no_markup_is_escaped_wherever_it_goes() -> None:
    made = tag("a", "1 < 2", Markup("<b>x</b>"), None, class_="it's", stroke_width=1.239, title=None)
    assert made == '<a class="it&#x27;s" stroke-width="1.24">1 &lt; 2<b>x</b></a>'
    assert quoted("a\n b") == '<bdi dir="auto">a b</bdi>'


def test_few_labels_get_numbers_and_many_a_heat_map_and_the_commonest_pairs() -> None:
    few = Parsed(page(small_record()))
    assert ("svg", "aria-label", "Confusion of all labels") not in few.attributes
    assert ("td", "title", "search, taken for greet: 2") in few.attributes
    many = Parsed(page(many_labels()))
    assert ("svg", "aria-label", "Confusion of all labels") in many.attributes
    assert "topic_0_of_a_shop, taken for topic_1_of_a_shop: 1" in many.text
    assert "The other 125 labels" in many.text
    assert len(page(many_labels())) < 400_000


def test_pairs_come_commonest_first() -> None:
    confusion = Confusion(("a", "b", "c"), ((5, 1, 0), (3, 5, 0), (0, 2, 5)))
    assert most_confused(confusion) == [("b", "a", 3), ("c", "b", 2), ("a", "b", 1)]
    assert heat_map(confusion).count("taken for") == 3


def test_a_bare_run_has_a_page_without_empty_sections() -> None:
    metrics = small_record().metrics | {"oos_auroc": None, "oos_fpr95": None}
    record = small_record(
        metrics=metrics,
        noise={},
        curves={},
        suspects=(),
        errors=(),
        commit=None,
        out_of_scope={"latin": Doubts("probability", 0.4, (0.0, 0.4, 0.8), (30, 0), (0, 0))},
        latency=Latency(2.0, 3.0, ()),
    )
    text = Parsed(page(record)).text
    assert "so this was not measured" in text
    assert "no out-of-scope turns to compare with" in text
    assert "Learning curves" not in text
    assert "Typos" not in text
    assert "unlabeled turns" not in text
    assert "search tried" not in text
    assert "unknown: the source is no git checkout" in text


def test_what_unlabeled_turns_and_a_search_gave_is_told() -> None:
    gave: dict[str, float | int] = {"unlabeled_turns": 1_200, "taught_turns": 800}
    scores: dict[str, float | int] = {"macro_f1_without": 0.8, "macro_f1_with": 0.84}
    first = {"method": HOSTILE, "rate_factor": 1.23456, "epochs": 3}
    trials = (Trial(0, {**first, "epochs": 2}, 0.81), Trial(1, first, None), Trial(2, first, 0.9))
    record = small_record(
        unlabeled={"latin": gave | scores, "han": gave | {"taught_turns": 0}},
        search=Search({"method": "full", "rate": None}, trials),
    )
    found = Parsed(page(record))
    for said in ("Latin script", "with them", "1,200", "800", "0.840", "cut short", "1.23", "method full, rate –"):
        assert said in found.text, said
    order = [found.text.index(said) for said in ("0.900", "0.810", "cut short")]
    assert order == sorted(order)
    assert not found.tags["script"]


def test_an_out_of_scope_turn_that_was_answered_is_called_so() -> None:
    record = small_record(errors=(Mistake("d", "write a poem", OUT_OF_SCOPE, "greet", 0.9),))
    assert "labelled out of scope, predicted greet" in Parsed(page(record)).text


@pytest.mark.parametrize(
    "curve",
    [
        Curve(((1, 2.0),), (Epoch(1, 1, 0.0, 1.0),), 1),
        Curve(((1, 0.0), (2, 0.0)), (Epoch(1, 2, 1.0, 1.0), Epoch(2, 2, 1.0, 1.0)), 2),
        Curve((), (), 0),
    ],
)
def test_curves_of_a_point_of_zeros_and_of_nothing_are_drawn(curve: Curve) -> None:
    markup = page(small_record(curves={"latin": curve}))
    assert "nan" not in markup
    Parsed(markup)


def test_charts_place_points_where_they_belong() -> None:
    chart = line_chart([(0, 0.0), (10, 1.0)], "step", "loss")
    assert 'points="46.0,220.0 408.0,' in chart
    assert ticks(0, 9) == [0, 2, 4, 6, 8]
    assert ticks(-1.05, 0.05) == [-1.0, -0.5, 0.0]
    histogram = doubt_histogram(Doubts("energy", -3.0, (-5.0, -3.0, -1.0), (4, 0), (0, 1)))
    assert histogram.count("<rect") == 2
    assert 'class="threshold"' in histogram


def test_plain_objects_of_any_shape_are_shown() -> None:
    text = Parsed(facts({"a_b": None, "on": True, "n": 1234, "x": 0.123456, "list": [1, "z"], "by": {"k": 2}})).text
    for said in ("A b", "–", "yes", "1,234", "0.1235", "By", "k"):
        assert said in text, said
    shown = Parsed(
        facts({"list": [1, "z"], "no": {}, "parts": {"greet": {"training": 7, "test": 0}}, "files": {"a.csv": "ff"}})
    )
    assert (shown.tags["li"], shown.tags["table"]) == (3, 1)
    for said in ("List", "z", "none", "Parts", "Training", "greet", "7", "a.csv: ff"):
        assert said in shown.text, said
    assert "{" not in shown.text


@pytest.mark.parametrize(("seconds", "said"), [(9.6, "10 s"), (95, "1 min 35 s"), (7260, "2 h 1 min")])
def test_durations_read_well(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def note(found: list[str], name: str, event: object) -> None:
    """Keeps one field of what a browser tells."""
    found.append(str(getattr(event, name)))


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_a_request_and_without_scrolling_sideways(width: int, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS

    pages: dict[str, Any] = {"hostile": hostile_record(), "many": many_labels()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, record in pages.items():
            (tmp_path / name).mkdir()
            write_report(record, tmp_path / name)
            tab = browser.new_page(viewport={"width": width, "height": 800})
            requests: list[str] = []
            troubles: list[str] = []
            tab.on("request", partial(note, requests, "url"))
            tab.on("console", partial(note, troubles, "text"))
            tab.on("dialog", partial(note, troubles, "message"))
            tab.goto((tmp_path / name / FILE).as_uri())
            assert [url for url in requests if not url.startswith("data:")] == [(tmp_path / name / FILE).as_uri()]
            assert troubles == []
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.locator("h1").is_visible()
        browser.close()
