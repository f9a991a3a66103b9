from pathlib import Path

import pytest

from benchmarks.retrieval import JudgedSet, nothing, shoppers, table, write
from finetune.evaluate_search import Query
from storage.errors import InvalidInput

JUDGED = JudgedSet(
    "shop", [Query("en-1", "a"), Query("zh-1", "b"), Query("en-2", "c")], {"en-1": {"x": 3}, "zh-1": {"y": 1}}
)
WAYS = {"first": lambda query: ["x"], "none": lambda query: []}


def test_the_table_has_a_row_for_every_set_and_system() -> None:
    english = JUDGED.of_language("en", "English")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table([JUDGED, english], WAYS)]
    assert [row[0] for row in cells] == ["shop, 2 queries", "", "English, 1 queries", ""]
    assert [row[-7:-2] for row in cells[:3]] == [
        ["first", "0.500", "0.500", "0.500", "0.500"],
        ["none", "0.000", "0.000", "0.000", "0.000"],
        ["first", "1.000", "1.000", "1.000", "1.000"],
    ]


def test_what_is_not_sold_is_counted_apart() -> None:
    assert nothing(JUDGED, WAYS) == [
        "| shows nothing | of 1 queries for what is not sold | of 2 for what is |",
        "| --- | --- | --- |",
        "| first | 0 | 0 |",
        "| none | 1 | 2 |",
    ]


def test_the_table_is_written_between_the_markers_again_and_again(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n<!-- retrieval -->\nold\n<!-- /retrieval -->\n\nAfter.\n", encoding="utf-8")
    for _ in range(2):
        write(["| new |"], page)
    expected = "Before.\n\n<!-- retrieval -->\n\n| new |\n\n<!-- /retrieval -->\n\nAfter.\n"
    assert page.read_text(encoding="utf-8") == expected


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Nothing here.\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="has no place for the table"):
        write(["| new |"], page)


def test_the_demo_shops_queries_stand_in_all_and_by_language(catalog: Path) -> None:
    whole, english, chinese = shoppers(catalog.parent)
    assert [len(judged.queries) for judged in (whole, english, chinese)] == [200, 140, 60]
