"""What became of slates: by place, version and day, counted by hand."""

from __future__ import annotations

from retrieval.slate_metrics import slate_metrics
from storage.slates import FEEDBACK, Audience, Response, ShownCard, ShownSlate

DAY = 86_400_000
START = 1_767_225_600_000  # 2026-01-01


def slate(slate_id: str, at: int, *items: str, version: str | None = "v1", places: tuple[int, ...] = ()) -> ShownSlate:
    positions = places or tuple(range(len(items)))
    cards = tuple(ShownCard(item, place, 1.0, None, None) for item, place in zip(items, positions, strict=True))
    return ShownSlate(slate_id, START + at, version, cards)


ALICE = Audience(
    "0",
    [slate("s1", 0, "a", "b"), slate("s2", DAY, "a", "c", version="v2", places=(1, 0))],
    [
        Response("view_item", "a", None, START + 10),
        Response("add_to_cart", "a", None, START + 20),
        Response("purchase", "c", None, START + DAY + 5),
        Response(FEEDBACK, "b", "s1", START + 30, up=False),
        Response("view_item", "b", None, START + 3 * DAY),
    ],
)
BEN = Audience(
    "1",
    [slate("s3", 50, "a", "b"), slate("s3", 60, "a", "b")],
    [Response("view_item", "b", "s3", START + 70)],
)


def test_cards_by_place_and_slates_by_version_and_day() -> None:
    found = slate_metrics([ALICE, BEN], DAY)
    assert (found.slates.shown, len(found.slates.people)) == (3, 2)
    assert found.slates.reached == {"clicked": 3, "carted": 2, "bought": 1}
    assert found.slates.takers["clicked"] == {"0", "1"}
    assert {place: tally.shown for place, tally in found.positions.items()} == {1: 3, 2: 3}
    assert found.positions[1].reached == {"clicked": 2, "carted": 2, "bought": 1}
    assert found.positions[2].reached == {"clicked": 1}
    assert {key: tally.shown for key, tally in found.days.items()} == {("v1", "2026-01-01"): 2, ("v2", "2026-01-02"): 1}
    assert found.thumbs["down"].shown == 1
    assert found.thumbs["up"].shown == 0


def test_versions_are_counted_under_the_name_they_are_given() -> None:
    bare = Audience("2", [slate("s4", 0, "a", version=None)])
    found = slate_metrics([ALICE, bare], DAY, lambda version: version[:1])
    assert sorted(found.days) == [("", "2026-01-01"), ("v", "2026-01-01"), ("v", "2026-01-02")]


def test_nobody_was_shown_anything() -> None:
    found = slate_metrics([], DAY)
    assert found.slates.shown == 0
    assert not found.positions
