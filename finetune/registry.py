"""Which models a shop has, which one serves, and how another takes its place or the one before comes back.

The folders and the pointer file say what serves; the database says where each run wrote, what became of it, and who is in it. So a
server needs no database to know what to serve, and erasure finds every folder.

It is long because pointer and rows change together: what promotes, rolls back and forgets has to be read side by side.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from bot.desk.reply_encoder import KIND as REPLIES_KIND
from bot.desk.reply_encoder import ReplySettings, load_replies, reply_versions
from bot.intent import IntentSettings
from bot.labels import LABELS
from bot.parts import intent_versions, load_intents
from finetune.gate import LATENCY_BUDGET_MS, gate
from finetune.lineage import data_hashes, held_out, read_seen, users_in
from finetune.logs import read_logs
from index.encoders import Encoder
from index.retriever import KIND as RETRIEVER_KIND
from index.retriever import Retriever, retriever_versions
from retrieval.learnt_ranking import KIND as RANKER_KIND
from retrieval.learnt_ranking import LearntRanker, ranker_versions
from retrieval.path.chain import KIND as STAGE_KIND
from retrieval.path.chain import PurchaseChain, stage_versions
from retrieval.reranker import KIND as RERANKER_KIND
from retrieval.reranker import load_reranker, reranker_versions
from retrieval.sequence import KIND as SEQUENCE_KIND
from retrieval.sequence import load_sequence, sequence_versions
from storage.database import Database
from storage.errors import AisleError, Conflict, Damaged, InvalidInput, NotFound
from storage.models import (
    ModelRun,
    Status,
    forget_run,
    list_runs,
    mark_copied,
    mark_failed,
    mark_promoted,
    mark_refused,
    mark_serving,
    mark_trained,
    move_run,
    register_run,
    runs_with_user,
)
from storage.principal import Principal
from storage.publish import MANIFEST, Versions, read_manifest, sha256_file
from storage.rows import Rejects
from storage.secret import load_secret

logger = logging.getLogger(__name__)

BASE_WEIGHTS = "model.safetensors"
"""The file of a base model's folder whose sha256 is the base's hash."""

BUILT_IN = "built-in"
"""What a rollback of the first version of a kind that needs none leads to."""

MAX_REJECTED = 0.01
"""The share of rows to judge by that may be unusable."""


class GateRefusedError(AisleError):
    """The gate did not hold, so nothing was promoted."""

    status = 409
    exit_code = 3

    def __init__(self, name: str, verdict: Ruling) -> None:
        failed = " ".join(reason for reason in verdict.reasons if reason.startswith("Fails"))
        super().__init__(
            f"The {name} model is not promoted. {failed}", "What served goes on; --force overrules the gate."
        )
        self.verdict = verdict


class Ruling(Protocol):
    """What a gate says: whether it holds, and why in sentences of which those of a refusal begin with "Fails"."""

    @property
    def passed(self) -> bool: ...  # noqa: D102
    @property
    def reasons(self) -> tuple[str, ...]: ...  # noqa: D102
    def as_dict(self) -> dict[str, Any]: ...  # noqa: D102


@dataclass(frozen=True)
class Judged:
    """A verdict, and how many of the given dialogues were left out because a model had been trained on them."""

    verdict: Ruling
    left_out: int
    incumbent_says: bool
    """Whether the incumbent's folder says what it was trained on, so that all of that could be left out."""


@dataclass(frozen=True)
class ModelKind:
    """What promotion needs to know of one kind of model.

    `judge(candidate, incumbent, logs, seed)` asks its gate; the folders are those of models, the incumbent's None where there is
    none. Where a kind does not `judges_logs`, its gate goes by what training measured on data that it held out. Where one is
    `built_in`, a rollback of the first leads there. `check` raises for a model that does not work, which not even `--force` may
    promote. `bases` has the hash of the base model by encoder, `labels` those labels that no part of the bot knows by itself.
    """

    versions: Callable[[Path], Versions]
    check: Callable[[Path], object]
    judge: Callable[[Path, Path | None, Sequence[Path], int], Judged]
    bases: Callable[[Path], dict[str, str]]
    labels: Callable[[Path], list[str]]
    judges_logs: bool = True
    built_in: bool = False


def judge_intent(candidate: Path, incumbent: Path | None, logs: Sequence[Path], seed: int) -> Judged:
    """Asks the gate for an intent model on those dialogues of `logs` that neither model was trained on.

    Raises:
        InvalidInput: the candidate does not say what it was trained on, or too few labelled turns are left.
        TooManyRejected: rows of the logs cannot be used.
    """
    reading = read_logs(logs)
    Rejects(reading.problems).check(reading.rows, MAX_REJECTED)
    seen = read_seen(candidate)
    if seen is None:
        raise InvalidInput(
            f"{candidate} does not say what it was trained on, so nothing is known to be held out.",
            "Train it again, or promote it with --force.",
        )
    theirs = None if incumbent is None else read_seen(incumbent)
    unseen = held_out(reading.dialogues, (seen, theirs))
    try:
        verdict = gate(
            load_intents(candidate),
            load_intents(incumbent) if incumbent else None,
            unseen.dialogues,
            seed,
            LATENCY_BUDGET_MS,
        )
    except InvalidInput as error:
        raise InvalidInput(
            f"The gate cannot judge: {error.message} ({unseen.left_out} dialogues were left out as seen in training.)",
            "Give labelled dialogues of later days: finetune --held-out FILE, or models promote --logs FILE.",
        ) from None
    return Judged(verdict, unseen.left_out, incumbent is None or theirs is not None)


def intent_bases(folder: Path) -> dict[str, str]:
    """The hash of each encoder's base model."""
    return {space: encoder.base_hash for space, encoder in IntentSettings.load(folder).encoders.items()}


def own_labels(folder: Path) -> list[str]:
    """The labels that are not built in, which mean nothing to the bot until shop.toml names their action."""
    return [label for label in IntentSettings.load(folder).labels if label not in LABELS]


@dataclass(frozen=True)
class Recorded:
    """A verdict that a model's manifest holds."""

    passed: bool
    reasons: tuple[str, ...]
    values: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return self.values


def judge_recorded(kind: str, candidate: Path) -> Judged:
    """What training measured on queries that it held out, against what served then."""
    gate_facts = read_manifest(candidate, kind).meta.get("gate")
    if not isinstance(gate_facts, dict):
        raise Damaged(f"{candidate} does not say how it was judged.", "Train it again.")
    reasons = tuple(map(str, gate_facts.get("reasons", ())))
    return Judged(Recorded(gate_facts.get("passed") is True, reasons, gate_facts), 0, incumbent_says=True)


def load_retriever(folder: Path) -> Retriever:
    """The retriever in `folder`, each of whose encoders has answered once; raises `NotFound` or `Damaged`."""
    retriever = Retriever.load(folder)
    for space, place in retriever.encoders.items():
        if not np.isfinite(Encoder.load(place).encode_queries(["hello"])).all():
            raise Damaged(f"The {space} encoder in {folder} answers with no number.", "Train it again.")
    return retriever


def base_of(kind: str, folder: Path) -> dict[str, str]:
    """The hash of the base model that it was tuned from, by its space."""
    meta = read_manifest(folder, kind).meta
    return {str(meta.get("space")): str(meta.get("base_hash"))}


KINDS: dict[str, ModelKind] = {
    "intent": ModelKind(intent_versions, load_intents, judge_intent, intent_bases, own_labels),
    "retriever": ModelKind(
        retriever_versions,
        load_retriever,
        lambda candidate, *_: judge_recorded(RETRIEVER_KIND, candidate),
        lambda folder: base_of(RETRIEVER_KIND, folder),
        lambda folder: [],
        judges_logs=False,
        built_in=True,
    ),
    "sequence": ModelKind(
        sequence_versions,
        load_sequence,
        lambda candidate, *_: judge_recorded(SEQUENCE_KIND, candidate),
        lambda folder: {},
        lambda folder: [],
        judges_logs=False,
        built_in=True,
    ),
    "ranker": ModelKind(
        ranker_versions,
        LearntRanker.load,
        lambda candidate, *_: judge_recorded(RANKER_KIND, candidate),
        lambda folder: {},
        lambda folder: [],
        judges_logs=False,
        built_in=True,
    ),
    "reranker": ModelKind(
        reranker_versions,
        load_reranker,
        lambda candidate, *_: judge_recorded(RERANKER_KIND, candidate),
        lambda folder: base_of(RERANKER_KIND, folder),
        lambda folder: [],
        judges_logs=False,
        built_in=True,
    ),
    "replies": ModelKind(
        reply_versions,
        load_replies,
        lambda candidate, *_: judge_recorded(REPLIES_KIND, candidate),
        lambda folder: {space: each.base_hash for space, each in ReplySettings.load(folder).encoders.items()},
        lambda folder: [],
        judges_logs=False,
        built_in=True,
    ),
    "stage": ModelKind(
        stage_versions,
        PurchaseChain.load,
        lambda candidate, *_: judge_recorded(STAGE_KIND, candidate),
        lambda folder: {},
        lambda folder: [],
        judges_logs=False,
        built_in=True,
    ),
}


@dataclass(frozen=True)
class Listed:
    """A line of `models list`: a run, or a version that no run here made.

    `created_at` is ISO 8601; `macro_f1` is an intent model's, `ndcg` (at 10) that of what ranks, `auc` a stage model's. One that is
    to `retrain` has somebody in its data who was erased since.
    """

    name: str
    version: str | None
    status: Status
    current: bool
    created_at: str
    macro_f1: float | None
    ndcg: float | None
    auc: float | None
    parent: str | None
    forced: bool
    folder: Path
    retrain: bool


@dataclass(frozen=True)
class Promotion:
    """What took the place of what, and the gate's verdict; None where it was not asked.

    `left_out` dialogues had been seen in training; with `incumbent_says` false there may be more that the incumbent had seen.
    `unmapped` are the model's labels that the bot has no action for: it takes their turns for doubtful words.
    """

    name: str
    version: str
    parent: str | None
    forced: bool
    left_out: int
    incumbent_says: bool
    verdict: dict[str, Any] | None
    unmapped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rollback:
    """What served, and what serves in its place again."""

    name: str
    from_version: str
    to_version: str


class Registry:
    """The models of one shop. `principal` is an engineer or admin; every method raises `Forbidden` for another."""

    def __init__(self, shop: Path, database: Database, principal: Principal) -> None:
        self._shop = shop
        self._database = database
        self._principal = principal

    @contextmanager
    def run(
        self,
        name: str,
        folder: Path,
        logs: Sequence[Path],
        users: Iterable[str] = (),
        base_model: str | None = None,
    ) -> Iterator[None]:
        """Registers a training run, its data and the people in it before the block, and what came of it after.

        The people are those whom the logs name, `users`, those whose conversations were read from the database, and those whom
        `base_model` has learned from where a run here made it. A run that fails and leaves nothing is forgotten. One that is
        killed, or leaves something, stays registered, since its checkpoints, beside `folder`, have learned from the same people.
        A `name` that is none of `KINDS` is of a model that is not served, such as a base for others.

        Raises:
            Conflict: the folder holds a model already, whose run stays what it is.
            InvalidInput: a log cannot be opened.
        """
        if (folder / MANIFEST).exists():
            raise Conflict(f"{folder} is not empty.", "Give another --output, or remove it.")
        kind = KINDS.get(name)
        versions = kind.versions(self._shop) if kind else None
        if versions:
            self._keep_copied(name, folder, versions)
        run_id = register_run(
            self._database,
            self._principal,
            load_secret(self._shop),
            name=name,
            kind=versions.kind if versions else name,
            folder=folder,
            data_hashes=data_hashes(logs),
            users=users_in(logs) | set(users),
            parent=versions.pointer() if versions else None,
            bases=self._runs_of_base(base_model) if base_model else (),
        )
        try:
            yield
        except BaseException:
            if folder.exists() or any(folder.parent.glob(f".{folder.name}.*")):
                mark_failed(self._database, self._principal, run_id)
            else:
                forget_run(self._database, self._principal, run_id)
            raise
        manifest = read_manifest(folder, versions.kind if versions else name)
        bases = kind.bases(folder) if kind else {name: manifest.files[BASE_WEIGHTS]}
        mark_trained(self._database, self._principal, run_id, _metrics(manifest.meta), bases)

    def models(self, name: str | None = None) -> list[Listed]:
        """All runs and versions, or those of one name, the newest first; raises `NotFound` for an unknown name."""
        runs = list_runs(self._database, self._principal, name)
        if name is not None and not runs:
            kind_of(name)
        places = {each: kind.versions(self._shop) for each, kind in KINDS.items() if name in (None, each)}
        found = [_listed_run(run, places.get(run.name)) for run in runs]
        known = {(each.name, each.version) for each in found}
        found += [
            _listed_version(each, versions, version)
            for each, versions in places.items()
            for version in versions.list()
            if (each, version) not in known
        ]
        return sorted(found, key=lambda each: each.created_at, reverse=True)

    def require_passed(self, name: str, folder: Path) -> None:
        """Asks the gate of a kind that judges by what training held out, where a promotion would first take long.

        Raises:
            GateRefusedError: it does not hold, which the run's row then says.
        """
        kind = kind_of(name)
        verdict = kind.judge(folder, None, (), 0).verdict
        if not verdict.passed:
            run_id = self._registered(name, folder, kind.versions(self._shop))
            mark_refused(self._database, self._principal, run_id, verdict.as_dict())
            raise GateRefusedError(name, verdict)

    def promote(
        self,
        name: str,
        source: str,
        logs: Sequence[Path] = (),
        *,
        force: bool = False,
        seed: int = 0,
        actions: Mapping[str, str] | None = None,
        publish: Callable[[Path | None], object] | None = None,
    ) -> Promotion:
        """Makes a version, or a complete folder, what serves: through the gate, or with `force` past it.

        With `force` and `logs` the gate is asked, and what it says is kept, but not obeyed. `actions` are the shop's own, by label
        (`[intents]` in shop.toml): which labels have none is told and kept beside the verdict, and stops nothing. `publish` is
        called with the folder when the gate has held and before the pointer moves: what else has to serve together with the model.

        Raises:
            NotFound: there is no such kind of model, version or folder.
            InvalidInput: there are no held-out dialogues to judge by, or too few.
            Conflict: it serves already, or another process is promoting.
            Damaged: a file of it is not what was written, or it cannot be loaded.
            GateRefusedError: the gate did not hold.
        """
        kind = kind_of(name)
        versions = kind.versions(self._shop)
        folder = self._folder_of(name, source, versions)
        if kind.judges_logs and not logs and not force:
            raise InvalidInput(
                "The gate needs dialogues to judge by.",
                "Give labelled ones that the model was not trained on: --logs FILE. Or overrule the gate: --force.",
            )
        with versions.lock():
            inside = _inside(folder, versions)
            version = inside or versions.require_free(folder.name).name
            serving = _serving(kind, versions)
            if inside and serving is not None and serving.name == inside:
                raise Conflict(f"The {name} model {inside} serves already.", "Name another, or roll back.")
            kind.check(folder)
            run_id = self._registered(name, folder, versions)
            judged = kind.judge(folder, serving, logs, seed) if logs or not kind.judges_logs else None
            if judged and not judged.verdict.passed and not force:
                mark_refused(self._database, self._principal, run_id, judged.verdict.as_dict())
                raise GateRefusedError(name, judged.verdict)
            if publish:
                publish(folder)
            if inside:
                versions.activate(version)
            else:
                mark_copied(self._database, self._principal, run_id, version)
                versions.adopt(folder)
            parent = serving.name if serving else None
            unmapped = tuple(label for label in kind.labels(folder) if label not in (actions or {}))
            verdict = {**judged.verdict.as_dict(), "unmapped": list(unmapped)} if judged else None
            mark_promoted(self._database, self._principal, run_id, version, parent, verdict)
        return Promotion(
            name=name,
            version=version,
            parent=parent,
            forced=judged is None or not judged.verdict.passed,
            left_out=judged.left_out if judged else 0,
            incumbent_says=judged is None or judged.incumbent_says,
            verdict=verdict,
            unmapped=unmapped,
        )

    def roll_back(self, name: str, publish: Callable[[Path | None], object] | None = None) -> Rollback:
        """Makes the last good version before the current one serve again; without one, the built-in where the kind has that.

        `publish` as in `promote`, called behind the pointer; with None for the built-in one.

        Raises:
            NotFound: there is no such kind of model, nothing serves, or nothing good served before.
            Conflict: another process is promoting.
        """
        kind = kind_of(name)
        versions = kind.versions(self._shop)
        with versions.lock():
            before = versions.pointer()
            if before is None:
                raise NotFound(f"No {name} model serves.", "Promote one: launch.py models promote.")
            folder: Path | None
            try:
                folder = versions.roll_back(kind.check)
            except NotFound:
                if not kind.built_in:
                    raise
                folder = None
                versions.retire()
            if publish:
                publish(folder)
            if folder is not None:
                mark_serving(self._database, self._principal, self._registered(name, folder, versions))
        return Rollback(name, before, folder.name if folder else BUILT_IN)

    def folders_with_user(self, user_id: str) -> list[Path]:
        """Every folder that holds what has learned from a user: the runs' own, checkpoints beside them, and published copies."""
        found: dict[Path, None] = {}
        for run in runs_with_user(self._database, self._principal, user_id, load_secret(self._shop)):
            beside = sorted(run.folder.parent.glob(f".{run.folder.name}.*"))  # checkpoints of a run that was killed
            found.update(dict.fromkeys([run.folder, *beside]))
            if run.version is not None and run.name in KINDS:
                found[(KINDS[run.name].versions(self._shop).root / run.version).absolute()] = None
        return [folder for folder in found if folder.exists()]

    def _keep_copied(self, name: str, folder: Path, versions: Versions) -> None:
        """A run whose folder another one takes, and whose published copy is there still, is from now on that of the copy."""
        for run in list_runs(self._database, self._principal, name):
            copy = versions.root.absolute() / run.version if run.version else None
            if copy and copy.exists() and run.folder == folder.absolute() != copy:
                move_run(self._database, self._principal, run.run_id, copy)

    def _runs_of_base(self, base_model: str) -> list[ModelRun]:
        """The runs that made a base model, by its folder and, since folders are moved and copied, by its weights."""
        folder = Path(base_model)
        weights = folder / BASE_WEIGHTS
        if not weights.is_file():  # an id of a hub, or what training will refuse
            return []
        sha256 = sha256_file(weights)
        found = [
            run
            for run in list_runs(self._database, self._principal)
            if run.name not in KINDS
            and (run.base_hashes.get(run.name) == sha256 or run.folder.resolve() == folder.resolve())
        ]
        if not found and (folder / MANIFEST).is_file():
            logger.warning(
                "No run of this shop made the base model %s: whose texts are in it is not known here.", folder
            )
        return found

    def _folder_of(self, name: str, source: str, versions: Versions) -> Path:
        if source in versions.list():
            return (versions.root / source).resolve()
        if Path(source).is_dir():
            return Path(source).resolve()
        known = ", ".join(versions.list()) or "none"
        raise NotFound(
            f"There is no {name} model {source!r}.", f"Give a model folder, or one of the versions: {known}."
        )

    def _registered(self, name: str, folder: Path, versions: Versions) -> str:
        """The run that made a folder; a model that came from elsewhere gets one, with nobody in it."""
        version = _inside(folder, versions)
        for run in list_runs(self._database, self._principal, name):
            if run.folder.resolve() == folder.resolve() or (version is not None and run.version == version):
                return run.run_id
        manifest = read_manifest(folder, versions.kind)
        run_id = register_run(
            self._database,
            self._principal,
            load_secret(self._shop),
            name=name,
            kind=versions.kind,
            folder=folder,
            data_hashes={},
            users=(),
        )
        mark_trained(self._database, self._principal, run_id, _metrics(manifest.meta), KINDS[name].bases(folder))
        return run_id


def kind_of(name: str) -> ModelKind:
    """What is known of a kind of model; raises `NotFound`, listing those that there are."""
    try:
        return KINDS[name]
    except KeyError:
        raise NotFound(f"There are no models of the name {name!r}.", f"Known are: {', '.join(KINDS)}.") from None


def _metrics(meta: Mapping[str, Any]) -> dict[str, Any]:
    metrics = meta.get("metrics")
    return dict(metrics) if isinstance(metrics, dict) else {}


def _metric(metrics: Mapping[str, Any], name: str) -> float | None:
    value = metrics.get(name)
    return float(value) if isinstance(value, int | float) else None


def _inside(folder: Path, versions: Versions) -> str | None:
    """The version that a folder is, None where it lies elsewhere."""
    return folder.name if folder.parent.resolve() == versions.root.resolve() else None


def _serving(kind: ModelKind, versions: Versions) -> Path | None:
    """The version that a server serves: the first that works, of the current one and those before it."""
    for folder in versions.candidates():
        try:
            kind.check(folder)
        except (Damaged, NotFound) as error:
            logger.warning("The model %s cannot be served: %s", folder.name, error.message)
        else:
            return folder
    return None


def _listed_run(run: ModelRun, versions: Versions | None) -> Listed:
    version = run.version
    if versions and not (version and (versions.root / version).exists()):
        version = _inside(run.folder, versions)
    current = version is not None and versions is not None and version == versions.pointer()
    status = Status.PROMOTED if current else run.status
    if status is Status.PROMOTED and not current:  # the pointer was moved without the registry
        status = Status.RETIRED
    return Listed(
        name=run.name,
        version=version,
        status=status,
        current=current,
        created_at=datetime.fromtimestamp(run.created_at / 1000, UTC).isoformat(timespec="seconds")[:19] + "Z",
        macro_f1=_metric(run.metrics, "macro_f1"),
        ndcg=_metric(run.metrics, "ndcg@10"),
        auc=_metric(run.metrics, "auc"),
        parent=run.parent,
        forced=run.forced,
        folder=run.folder,
        retrain=run.retrain_since is not None,
    )


def _listed_version(name: str, versions: Versions, version: str) -> Listed:
    """A version that came without a run of this shop, as the one that ships does; one that is damaged has no figures."""
    current = version == versions.pointer()
    served = Status.RETIRED if version in versions.history() else Status.TRAINED
    try:
        manifest = read_manifest(versions.root / version, versions.kind)
        created_at, metrics = manifest.created_at, _metrics(manifest.meta)
    except AisleError:
        created_at, metrics = "", {}
    return Listed(
        name=name,
        version=version,
        status=Status.PROMOTED if current else served,
        current=current,
        created_at=created_at,
        macro_f1=_metric(metrics, "macro_f1"),
        ndcg=_metric(metrics, "ndcg@10"),
        auc=_metric(metrics, "auc"),
        parent=None,
        forced=False,
        folder=versions.root / version,
        retrain=False,
    )
