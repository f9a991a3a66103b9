"""Names in the place of ids."""

from __future__ import annotations

from pathlib import Path

from storage.pseudonyms import Pseudonyms
from storage.secret import load_secret


def test_one_name_for_one_person_and_another_in_another_shop(tmp_path: Path) -> None:
    one, other = (Pseudonyms(load_secret(tmp_path / name)) for name in ("one", "other"))
    assert one.of("maya") == one.of("maya") == Pseudonyms(load_secret(tmp_path / "one")).of("maya")
    assert len({one.of("maya"), one.of("omar"), other.of("maya")}) == 3
    assert one.of("maya").startswith("u-")
    assert len(one.of("\ud800")) == len("u-") + 16
    assert "maya" not in one.of("maya")
