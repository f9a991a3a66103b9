from pathlib import Path

import numpy as np
import pytest

from index.strings import Strings, StringsWriter
from index.titles import Titles, TitleWriter
from storage.errors import Damaged

TITLES = [
    "Red LEATHER bag",
    "Reddish scarf",
    "红色 皮革 手提包",
    "Cable USB-C 1.7 L, red",
    "",
    "C++ handbook",
    "red\ud800 bag",
]


@pytest.fixture(scope="module")
def titles(tmp_path_factory: pytest.TempPathFactory) -> Titles:
    folder = tmp_path_factory.mktemp("titles")
    writer = TitleWriter(folder)
    for row, title in enumerate(TITLES):
        writer.add(row, title)
    writer.close(len(TITLES))
    return Titles.load(folder)


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("red", [0, 3, 6]),
        ("leather bag", [0]),
        ("bag leather", []),
        ("red bag", []),
        ("红色", [2]),
        ("提包", [2]),
        ("色红", []),
        ("usb-c", [3]),
        ("usb", [3]),
        ("1.7 l", [3]),
        ("7 l", [3]),
        ("c++", [5]),
        ("c", [3, 5]),
        ("scar", []),
        ("+", []),
        ("", []),
        ("red\nbag", []),
    ],
)
def test_whole_words_in_their_order(titles: Titles, words: str, rows: list[int]) -> None:
    assert titles.having(words).tolist() == rows


def test_titles_are_folded_and_come_back_by_row(titles: Titles) -> None:
    assert len(titles) == len(TITLES)
    assert titles.texts[0] == "red leather bag"
    assert titles.texts.many(np.array([6, 2])) == ["red\ud800 bag", "红色 皮革 手提包"]


def test_no_titles_and_no_files(tmp_path: Path) -> None:
    TitleWriter(tmp_path).close(0)
    assert Titles.load(tmp_path).having("red").tolist() == []
    (tmp_path / "titles.text.npy").unlink()
    with pytest.raises(Damaged, match=r"titles\.text\.npy"):
        Titles.load(tmp_path)


def test_strings_of_all_kinds(tmp_path: Path) -> None:
    values = ["", "a", "杯子 🎧", "", "\ud800", "x" * 10_000]
    writer = StringsWriter()
    for value in values:
        writer.add(value)
    writer.save(tmp_path, "ids")
    strings = Strings.load(tmp_path, "ids")
    assert [strings[place] for place in range(len(strings))] == values
    assert strings.many(np.arange(len(values))) == values
