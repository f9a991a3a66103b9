"""Loading files of events, good and bad."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from storage import event_file
from storage.consent import Consent
from storage.database import Database
from storage.errors import InvalidInput, TooManyRejected
from storage.event_file import REPEATED, Loaded, load_events
from storage.events import events_of
from storage.principal import Principal
from storage.record import now_ms

NOON = 1_767_323_045_000


def row(number: int, **fields: Any) -> dict[str, Any]:
    event = {"event_id": f"e{number}", "event": "view_item", "user_id": "alice", "timestamp": NOON + 60_000 * number}
    return event | {"session_id": "s", "items": [{"item_id": "p1"}], "dwell_ms": 9_000} | fields


def load(db: Database, who: Principal, folder: Path, rows: Iterable[Any], **options: Any) -> Loaded:
    path = folder / "events.jsonl"
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows), "utf-8")
    return load_events(
        db,
        who,
        path,
        folder / "rejected.jsonl",
        Consent(),
        options.pop("max_rejected", 0.5),
        **{"pseudonym": str.upper} | options,
    )


def test_dirt_is_kept_out_named_and_counted(database: Database, backend: Principal, tmp_path: Path) -> None:
    rows: list[Any] = [row(number) for number in range(20)]
    rows += [
        "{broken",
        row(30, timestamp=now_ms() + 3 * 86_400_000),
        row(31, timestamp="1970-01-01T00:00:00Z"),
        row(32, user_id=None),
        row(33, items=[]),
        row(34, items=[{"item_id": "gone", "price": -4}], value="much"),
        row(5, event_id="other"),  # what e5 says
        row(6),  # e6 again
        row(35, dwell_ms=-5),
        row(36, dwell_ms=10**8),
    ]
    loaded = load(database, backend, tmp_path, rows, known={"p1"}.__contains__)
    quality = loaded.quality
    assert (loaded.read, loaded.accepted, loaded.duplicates, loaded.rejected) == (30, 24, 1, 4)
    assert list(quality.rejected_by_reason.values()) == [1, 1, 1, 1]
    assert {reason.split(":")[0] for reason in quality.rejected_by_reason} == {"not JSON", "timestamp", "user_id"}
    assert quality.dropped == {"items.price": 1, "value": 1, "dwell_ms": 1}
    assert (quality.repeated, quality.dwell.impossible, quality.unknown_items) == (1, 1, ("gone",))
    assert quality.without_items_share == pytest.approx(1 / 26)
    kept = {event.event_id: event for event in events_of(database, backend, "alice")}
    assert "other" not in kept
    assert kept["e36"].dwell_ms is None
    out = [json.loads(line) for line in Path(str(loaded.rejected_file)).read_text("utf-8").splitlines()]
    assert [each["line"] for each in out] == [21, 22, 23, 24, 27], "nothing is lost"
    assert out[-1]["reason"] == REPEATED
    assert out[-1]["row"]["event_id"] == "other"
    report = Path(loaded.report_file).read_text("utf-8")
    for said in ("view_item 26", "lies in the future", "stands for no date", "1 x items.price", "(gone)"):
        assert said in report


def test_again_changes_nothing(database: Database, backend: Principal, tmp_path: Path) -> None:
    rows = [row(number) for number in range(30)]
    assert load(database, backend, tmp_path, rows).accepted == 30
    again = load(database, backend, tmp_path, rows)
    assert (again.accepted, again.duplicates, again.rejected_file) == (0, 30, None)


def test_too_much_dirt_loads_nothing_and_is_reported(database: Database, backend: Principal, tmp_path: Path) -> None:
    rows = [row(number, timestamp=5) for number in range(20)] + [row(number) for number in range(50, 80)]
    with pytest.raises(TooManyRejected, match=r"20 of 50.*2000"):
        load(database, backend, tmp_path, rows, max_rejected=0.01)
    assert events_of(database, backend, "alice") == []
    assert len((tmp_path / "rejected.jsonl").read_text("utf-8").splitlines()) == 20
    assert "20 x timestamp" in (tmp_path / "rejected.report.txt").read_text("utf-8")


def test_repeated_events_stop_no_file(database: Database, backend: Principal, tmp_path: Path) -> None:
    rows = [row(number, event_id=f"{number}-{copy}") for number in range(20) for copy in range(3)]
    loaded = load(database, backend, tmp_path, rows, max_rejected=0)
    assert (loaded.accepted, loaded.quality.repeated, loaded.rejected) == (20, 40, 0)


def test_one_bot_among_people(
    database: Database, backend: Principal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_file, "BATCH", 500)
    rows = [row(number, user_id="bot", timestamp=NOON + 10 * number, session_id=None) for number in range(5_000)]
    rows += [row(number, user_id="person", event_id=f"p{number}") for number in range(3)]
    seen: list[tuple[int, int]] = []
    loaded = load(database, backend, tmp_path, rows, progress=lambda _, done, total: seen.append((done, total)))
    assert [(bot.user_id, bot.events) for bot in loaded.quality.bots] == [("BOT", 5_000)], "by its pseudonym"
    assert loaded.accepted == 5_003, "kept"
    assert seen[-1] == (5_003, 5_003)
    assert "BOT: " in Path(loaded.report_file).read_text("utf-8")


@pytest.mark.parametrize("text", ["", "\n\n", "{}\n"])
def test_a_file_without_events(database: Database, backend: Principal, tmp_path: Path, text: str) -> None:
    loaded = load(database, backend, tmp_path, [text])
    assert (loaded.accepted, loaded.quality.first) == (0, None)


def test_a_file_that_is_not_there(database: Database, backend: Principal, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no file"):
        load_events(database, backend, tmp_path / "none", tmp_path / "rejected.jsonl", Consent(), 0.01, pseudonym=str)
