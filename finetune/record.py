"""What a run knows, in one record: `metrics.json` keeps it, and the report and the model card are made from it alone."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from storage.errors import Damaged, NotFound
from storage.record import reasons_of, storable

FILE = "metrics.json"
MOST_ERRORS = 100

_PACKAGES = ("aisle", "torch", "transformers", "openvino")


@dataclass(frozen=True)
class LabelScore:
    """One label's precision, recall and F1 (0 where they have no denominator), and how many turns have it as gold."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Confusion:
    """Turns by gold (row) and predicted label (column); both go by `labels`: counts (labels, labels)."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Bin:
    """Turns whose top probability lies in [low, high): mean confidence and accuracy, null where there are none."""

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Doubts:
    """How one encoder's doubt spreads: turns of each kind between two edges; a turn above `threshold`, an edge, is out of scope.

    `edges` has one number more than `in_scope` and `out_of_scope`; `score` names what doubt is, as `bot.intent.doubt` does.
    """

    score: str
    threshold: float
    edges: tuple[float, ...]
    in_scope: tuple[int, ...]
    out_of_scope: tuple[int, ...]


@dataclass(frozen=True)
class Mistake:
    """A turn that the model got wrong; `text` is redacted. A turn that was out of scope and answered has that as its gold."""

    dialogue_id: str
    text: str
    gold: str
    predicted: str
    confidence: float


@dataclass(frozen=True)
class Bucket:
    """Milliseconds of the turns of `low` to `high` tokens, history included."""

    low: int
    high: int
    n: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one turn, tokenizing included."""

    p50_ms: float
    p95_ms: float
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What a model's predictions on held-out dialogues say; `finetune.assess` computes it.

    `metrics` are the contract's; `out_of_scope` is by encoder; `errors` come worst first.
    """

    metrics: dict[str, float | int | None]
    per_label: dict[str, LabelScore]
    confusion: Confusion
    reliability: tuple[Bin, ...]
    out_of_scope: dict[str, Doubts]
    errors: tuple[Mistake, ...]
    latency: Latency


@dataclass(frozen=True)
class Noise:
    """Accuracy on turns with one kind of noise, and how much less that is than without (.02 is two points)."""

    accuracy: float
    drop: float


@dataclass(frozen=True)
class Epoch:
    """Validation after an epoch: the steps and seconds of training until then."""

    epoch: int
    step: int
    macro_f1: float
    seconds: float


@dataclass(frozen=True)
class Curve:
    """The learning curve of one encoder: (step, training loss) at even distances, its epochs, and the number of the kept one."""

    losses: tuple[tuple[int, float], ...]
    epochs: tuple[Epoch, ...]
    kept: int


@dataclass(frozen=True)
class Suspect:
    """A training turn whose label may be wrong, the label that would fit better, and by how much; `text` is redacted."""

    dialogue_id: str
    text: str
    label: str
    suggested: str
    margin: float


@dataclass(frozen=True)
class Trial:
    """Settings that a search tried, and their macro-F1 on validation; None where the trial was cut short."""

    number: int
    values: dict[str, Any]
    macro_f1: float | None


@dataclass(frozen=True)
class Search:
    """What a search chose, and all that it tried, in order."""

    best: dict[str, Any]
    trials: tuple[Trial, ...]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True)
class RunRecord(Assessment):
    """A whole run.

    `data` and `configuration` are plain JSON objects; `noise` is by kind and `curves` by encoder, and so is `unlabeled`: how many
    turns without labels there were and were learnt from, and macro-F1 on validation with and without them. `search` is None
    where none was asked for; `commit` is that of the source, None where it is no checkout; `parent` the version that the run
    started from.
    """

    kind: Literal["intent"]
    labels: tuple[str, ...]
    data: dict[str, Any]
    configuration: dict[str, Any]
    seeds: tuple[int, ...]
    size_bytes: int
    seconds: float
    noise: dict[str, Noise] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    suspects: tuple[Suspect, ...] = ()
    unlabeled: dict[str, dict[str, float | int]] = field(default_factory=dict)
    search: Search | None = None
    parent: str | None = None
    commit: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    created_at: str = field(default_factory=_now)

    def save(self, folder: Path) -> None:
        """Writes `metrics.json`."""
        body = json.dumps(storable(asdict(self)), ensure_ascii=False, allow_nan=False, indent=1)
        (folder / FILE).write_text(body + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> RunRecord:
        """Reads `metrics.json`.

        Raises:
            NotFound: the folder has none.
            Damaged: it is not what `save` writes; the message names the field.
        """
        path = folder / FILE
        if not path.is_file():
            raise NotFound(f"{folder} has no {FILE}.", "Give the output folder of a fine-tuning run.")
        try:
            return _ADAPTER.validate_json(path.read_bytes())
        except ValidationError as error:
            raise Damaged(f"{path} cannot be used: {reasons_of(error)}.", "Train the model again.") from None


_ADAPTER = TypeAdapter(RunRecord)


def source_commit() -> str | None:
    """The commit of the checkout that this source lies in, with "-dirty" where files were changed since; None without one."""
    here = Path(__file__).resolve()
    # An installed copy may lie inside some other project's checkout, whose commit says nothing of this source.
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        return None
    commit = _git(here.parent, "rev-parse", "HEAD")
    changed = _git(here.parent, "status", "--porcelain", "--untracked-files=no", ":/")
    return f"{commit}-dirty" if commit and changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def software_versions() -> dict[str, str]:
    """The versions that a run depends on, by package, and Python's."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return {**found, "python": platform.python_version()}


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
