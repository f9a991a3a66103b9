from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from finetune.dialogue.journeys import EACH, language_of_wording, read_journeys
from storage.errors import InvalidInput
from tests.finetune.dialogue.conftest import JOURNEYS

GOOD = """\
[[journey]]
name = "kettle"
about = "A kettle."

[[journey.turn]]
en = "kettle"
zh = "水壶"
mixed = "kettle 有吗"
cards = [1, 6]
kinds = ["Kettles"]
"""


def test_the_shipped_journeys_are_many_and_speak_both_languages_alike() -> None:
    journeys = read_journeys(JOURNEYS)
    assert len(journeys) >= 60
    assert all(len(journey.wordings) == EACH for journey in journeys)
    said = Counter(language_of_wording(wording) for journey in journeys for wording in journey.wordings)
    assert abs(said["en"] - said["zh"]) <= 0.15 * (said["en"] + said["zh"])
    assert said["mixed"] >= 20
    groups = {journey.group for journey in journeys}
    assert {
        "search",
        "constraints",
        "references",
        "corrections",
        "topics",
        "relaxing",
        "compare",
        "questions",
    } <= groups
    assert {"policies", "gifts", "bundles", "cart", "checkout", "reorder", "orders", "support", "honest_no"} <= groups
    assert {"injections", "contradictions", "hostile"} <= groups


@pytest.mark.parametrize(
    ("change", "line", "word"),
    [
        (("kinds =", "kind ="), 10, "kind"),
        (("cards = [1, 6]", "cards = [3, 1]"), 9, "cards"),
        (("cards = [1, 6]", "cards = [1, 60]"), 9, "cards"),
        (('zh = "水壶"\n', ""), 5, "three|3 wordings"),
        (('about = "A kettle."', 'abut = "A kettle."'), 3, "abut"),
        (('kinds = ["Kettles"]', "keep = { first = 9 }"), 10, "keep"),
        (('cards = [1, 6]\nkinds = ["Kettles"]', "cards = [0, 6]"), 9, "anything would pass"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_line(
    tmp_path: Path, change: tuple[str, str], line: int, word: str
) -> None:
    (tmp_path / "wrong.toml").write_text(GOOD.replace(*change), "utf-8")
    with pytest.raises(InvalidInput, match=word) as caught:
        read_journeys(tmp_path)
    assert f"wrong.toml, line {line}" in str(caught.value)


def test_what_is_no_toml_or_no_journey_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no journeys"):
        read_journeys(tmp_path)
    (tmp_path / "a.toml").write_text("[[journey]\n", "utf-8")
    with pytest.raises(InvalidInput, match="is not TOML"):
        read_journeys(tmp_path)
    (tmp_path / "a.toml").write_text(GOOD + "\n" + GOOD, "utf-8")
    with pytest.raises(InvalidInput, match="Two journeys are named 'kettle'"):
        read_journeys(tmp_path)
    (tmp_path / "a.toml").write_text("shop = 1\n" + GOOD, "utf-8")
    with pytest.raises(InvalidInput, match="'shop'"):
        read_journeys(tmp_path)
