from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bot.doubt import REFERENCE, Reference
from storage.errors import Damaged


def reference() -> Reference:
    draw = np.random.default_rng(0)
    return Reference(*(draw.normal(size=shape).astype(np.float32) for shape in ((7, 4), (4, 4), (2, 4))))


@pytest.mark.parametrize(("score", "parts"), [("neighbor", 1), ("mahalanobis", 2), ("energy", 0), ("probability", 0)])
def test_only_what_the_score_reads_is_kept_on_disk(score: str, parts: int, tmp_path: Path) -> None:
    reference().needed_by(score).save(tmp_path)
    assert (tmp_path / REFERENCE).is_file() == bool(parts)
    found = Reference.load(tmp_path, score, 4)
    kept = [
        (each, getattr(reference(), each)) for each in ("neighbors", "whitening", "means") if getattr(found, each).size
    ]
    assert len(kept) == parts
    for name, expected in kept:
        assert getattr(found, name) == pytest.approx(expected, abs=2e-3)


def test_a_reference_that_is_missing_broken_or_of_another_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match=r"reference\.safetensors"):
        Reference.load(tmp_path, "neighbor", 4)
    reference().needed_by("neighbor").save(tmp_path)
    with pytest.raises(Damaged, match="does not fit"):
        Reference.load(tmp_path, "neighbor", 5)
    with pytest.raises(Damaged, match="does not fit"):
        Reference.load(tmp_path, "mahalanobis", 4)
    (tmp_path / REFERENCE).write_bytes(b"broken")
    with pytest.raises(Damaged, match="Train the intent model again"):
        Reference.load(tmp_path, "neighbor", 4)
