"""`launch.py doctor`: what stands in the way of serving a shop, each with the way to mend it.

It only looks: nothing is built, migrated or made. A check that itself fails is a finding like any other, so that a broken shop gets
its list and no traceback.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

from bot.desk.reply_encoder import reply_versions
from bot.intent import KIND as INTENT_KIND
from bot.parts import intent_versions
from bot.policy import check_actions
from index.encoders import KIND as ENCODER_KIND
from index.encoders import PRETRAINED
from index.pretrained import weights_file
from index.products import ProductStore
from index.retriever import FOLDER as TUNED
from index.snapshot import Layout, index_versions
from retrieval.learnt_ranking import ranker_versions
from retrieval.path.chain import stage_versions
from retrieval.reranker import reranker_versions
from retrieval.retention.customers import customer_versions
from retrieval.sequence import sequence_versions
from storage.errors import AisleError, Damaged, NotFound
from storage.health import database_health
from storage.migrate import head_revision, knows
from storage.publish import MANIFEST, Manifest, Versions, read_manifest
from storage.record import now_ms
from storage.settings import ShopSettings, TelemetrySettings, parse_settings

State = Literal["ok", "warn", "fail"]

LEAST_FREE = 2 * 2**30
"""Bytes: an index of 100,000 products and the one before it."""
HARDLY_FREE = 200 * 2**20
MEMORY = 2 * 2**30
"""Bytes: with less, the encoders, models and a small shop may not fit beside what else runs."""
SKEW_MS = 300_000
SAMPLE = 200
BUILT = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right shows an earlier day."""
_CPU_INFO: Final = Path("/proc/cpuinfo")
_MEMORY_INFO: Final = Path("/proc/meminfo")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;#]+)")
_NAME = re.compile(r"^[A-Za-z0-9._-]+")
_LOOPBACK = re.compile(r"^http://(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: how it is, what was found, and for what is not ok how to mend it."""

    check: str
    state: State
    found: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined.

    Args:
        shop: the shop's folder.
        constraints: the file with the versions that were tested; it may be missing, as it is in an installed package.
        shipped: the folder of the intent model that ships.
        database_url: from the environment; None where the settings decide.
        host: where the server is to listen.
        port: where the server is to listen.
    """

    shop: Path
    constraints: Path
    shipped: Path
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 7860


def examine(patient: Patient) -> list[Finding]:
    """All findings, in a fixed order."""
    settings, first = _settings(patient.shop)
    checks: tuple[tuple[str, Callable[[], Iterable[Finding]]], ...] = (
        ("python", _python),
        ("packages", lambda: _packages(patient.constraints)),
        ("processor", _processor),
        ("memory", _memory),
        ("disk", lambda: _disk(patient.shop)),
        ("clock", _clock),
        ("weights", _weights),
        ("settings", lambda: _conflicts(patient, settings)),
        ("secret", lambda: _secret(patient.shop)),
        ("index", lambda: _index(patient.shop, settings)),
        ("encoders", lambda: _encoders(patient.shop)),
        ("models", lambda: _models(patient)),
        ("database", lambda: _database(patient, settings)),
        ("rejected", lambda: _rejected(patient.shop)),
        ("port", lambda: _port(patient.host, patient.port)),
    )
    return [*first, *(finding for name, check in checks for finding in _guarded(name, check))]


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether nothing fails; warnings may stay."""
    return all(finding.state != "fail" for finding in findings)


def _guarded(name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a check finds, up to where it breaks off, which is a finding too."""
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except AisleError as error:
        findings.append(Finding(name, "fail", error.message, error.hint))
    except OSError as error:
        told = f"It could not be read: {error}."
        findings.append(Finding(name, "fail", told, "Let this user read the shop's folder and what is in it."))
    except Exception as error:  # whatever is broken, the list goes on
        told = f"It could not be checked: {type(error).__name__}: {error}."
        findings.append(Finding(name, "fail", told, "Report it with this line: the check itself is broken."))
    return findings


def _settings(shop: Path) -> tuple[ShopSettings, list[Finding]]:
    path = shop / "shop.toml"
    if not shop.is_dir():
        mend = "Give --shop DIR, or make one: launch.py index CATALOG --shop DIR."
        return ShopSettings(), [Finding("shop", "fail", f"There is no folder {shop}.", mend)]
    if not path.is_file():
        return ShopSettings(), [Finding("shop.toml", "ok", "There is none; all settings have their defaults.")]
    try:
        return parse_settings(path.read_bytes()), [Finding("shop.toml", "ok", f"{path} can be read.")]
    except AisleError as error:
        return ShopSettings(), [Finding("shop.toml", "fail", error.message, error.hint)]
    except OSError as error:
        mend = "Let this user read it."
        return ShopSettings(), [Finding("shop.toml", "fail", f"{path} cannot be read: {error.strerror}.", mend)]


def _python() -> Iterator[Finding]:
    here = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}."
    yield Finding("python", "ok", here)


def _packages(constraints: Path) -> Iterator[Finding]:
    """What Aisle requires is there, and in the versions that were tested."""
    pins = {}
    if constraints.is_file():
        found = map(_PIN.match, constraints.read_text(encoding="utf-8").splitlines())
        pins = {_spelled(match[1]): match[2] for match in found if match}
    try:
        required = [text for text in metadata.requires("aisle") or () if "extra ==" not in text]
    except metadata.PackageNotFoundError:
        yield Finding("packages", "warn", "Aisle itself is not installed.", "Run: pip install -c constraints.txt -e .")
        return
    names = [match[0] for text in required if (match := _NAME.match(text))]
    here = {name: _version(name) for name in names}
    if missing := [name for name, version in here.items() if version is None]:
        mend = "Run: pip install -c constraints.txt -e ."
        yield Finding("packages", "fail", f"Missing: {', '.join(missing)}.", mend)
    other = [
        f"{name} {version} (tested: {pins[_spelled(name)]})"
        for name, version in here.items()
        if version is not None and _spelled(name) in pins and version.split("+")[0] != pins[_spelled(name)]
    ]
    if other:
        mend = "If something fails: pip install -c constraints.txt -e ."
        yield Finding("packages", "warn", f"Other versions than were tested: {', '.join(other)}.", mend)
    if not missing and not other:
        told = "in the versions that were tested" if pins else "installed; there is no constraints.txt to compare with"
        yield Finding("packages", "ok", f"All {len(names)} are {told}.")


def _spelled(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = _CPU_INFO.read_text(encoding="ascii", errors="replace") if _CPU_INFO.is_file() else ""
    line = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    flags = set(line[1].split()) if line else set()
    told = f"{cores} core{'s' if cores > 1 else ''}"
    if not flags:
        yield Finding("processor", "ok", f"{told}; its instruction sets cannot be read here.")
    elif fast := sorted(flags & {"amx_bf16", "avx512_bf16"}):
        yield Finding("processor", "ok", f"{told} with {', '.join(fast)}: models run in bf16, their fastest.")
    elif "avx2" in flags:
        yield Finding("processor", "ok", f"{told} with AVX2 and without bf16: models run in f32, a third slower.")
    else:
        mend = "Serve on a processor with AVX2, as nearly all since 2015 have."
        yield Finding("processor", "warn", f"{told} without AVX2: models and search run slowly.", mend)
    if cores == 1:
        yield Finding(
            "processor", "warn", "One core: training and serving wait for each other.", "Give it two or more."
        )


def _memory() -> Iterator[Finding]:
    text = _MEMORY_INFO.read_text("ascii") if _MEMORY_INFO.is_file() else ""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    if found is None:
        yield Finding("memory", "ok", "How much is free cannot be read here.")
        return
    free = int(found[1]) * 1024
    if free < MEMORY:
        mend = f"Free some: with less than {_size(MEMORY)} the models may not fit beside other programs."
        yield Finding("memory", "warn", f"{_size(free)} are available.", mend)
    else:
        yield Finding("memory", "ok", f"{_size(free)} are available.")


def _disk(shop: Path) -> Iterator[Finding]:
    place = next((each for each in (shop.absolute(), *shop.absolute().parents) if each.exists()), Path("/"))
    free = shutil.disk_usage(place).free
    mend = "Free some space: an index is written beside the one that serves."
    state: State = "fail" if free < HARDLY_FREE else "warn" if free < LEAST_FREE else "ok"
    yield Finding("disk", state, f"{_size(free)} are free at {place}.", "" if state == "ok" else mend)
    if not os.access(place, os.W_OK):
        yield Finding("disk", "fail", f"{place} cannot be written.", "Let this user write it.")


def _clock() -> Iterator[Finding]:
    now = datetime.now(UTC)
    if now < BUILT:
        mend = "Set the clock: tokens, prices and events go by it."
        yield Finding("clock", "fail", f"It shows {now:%Y-%m-%d}, before this program was made.", mend)
    else:
        yield Finding("clock", "ok", f"It shows {now:%Y-%m-%d %H:%M} UTC.")


def _weights() -> Iterator[Finding]:
    """The pretrained encoders inside their packages."""
    for name in PRETRAINED.values():
        path = weights_file(name)
        yield Finding("weights", "ok", f"{name}: {path.name} is the file that is trusted.")


def _conflicts(patient: Patient, settings: ShopSettings) -> Iterator[Finding]:
    """Settings that are valid each by itself and do not go together, or not with this machine."""
    before: list[Finding] = []
    try:
        check_actions(settings.intents)
    except AisleError as error:
        before.append(Finding("settings", "fail", error.message, error.hint))
    if patient.database_url and settings.database.url and patient.database_url != settings.database.url:
        mend = "Unset AISLE_DATABASE_URL, or take [database] url out."
        told = "AISLE_DATABASE_URL names another database than [database] url, and wins."
        before.append(Finding("settings", "warn", told, mend))
    if not settings.checkout_url:
        mend = 'Set checkout_url = "https://…/{cart_id}".'
        before.append(Finding("settings", "warn", "There is no checkout_url: carts have no link to pay.", mend))
    elif "{cart_id}" not in settings.checkout_url:
        mend = "Put {cart_id} where the cart's id belongs."
        before.append(Finding("settings", "warn", "checkout_url is the same for every cart.", mend))
    if plain := [each for each in settings.embed.origins if each.startswith("http://") and not _LOOPBACK.match(each)]:
        mend = "Serve the pages by https: what they send can be read on the way."
        before.append(Finding("settings", "warn", f"[embed] origins without https: {', '.join(plain)}.", mend))
    if settings.tracking.wandb_project and _version("wandb") is None:
        told = "[tracking] wandb_project is set, but wandb is not installed."
        before.append(Finding("settings", "warn", told, 'Run: pip install -c constraints.txt -e ".[wandb]".'))
    before += _traced(settings.telemetry)
    yield from before or [Finding("settings", "ok", "They go together.")]


def _traced(telemetry: TelemetrySettings) -> Iterator[Finding]:
    endpoint = telemetry.otlp_endpoint
    if endpoint and _version("opentelemetry-exporter-otlp-proto-http") is None:
        told = "[telemetry] otlp_endpoint is set, but OpenTelemetry is not installed: the server does not start."
        yield Finding("settings", "fail", told, 'Run: pip install -c constraints.txt -e ".[telemetry]".')
    if endpoint.startswith("http://") and not _LOOPBACK.match(endpoint.rstrip("/")):
        mend = "Use https, or a collector on this machine: what the shop does can be read on the way."
        yield Finding("settings", "warn", f"[telemetry] otlp_endpoint {endpoint} is without https.", mend)


def _secret(shop: Path) -> Iterator[Finding]:
    path = shop / "secret"
    if not path.exists():
        yield Finding("secret", "ok", "There is none yet; the first start makes it.")
        return
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding("secret", "warn", f"Others can read {path}.", f"Run: chmod 600 {path}")
    if not re.fullmatch(r"[0-9a-f]{64,}", path.read_text("ascii", errors="replace").strip()):
        mend = "Delete it and start again: a new one is made, and everybody signs in anew."
        yield Finding("secret", "fail", f"{path} holds no secret.", mend)
    else:
        yield Finding("secret", "ok", "It is there.")


def _index(shop: Path, settings: ShopSettings) -> Iterator[Finding]:
    versions = index_versions(shop)
    if versions.pointer() is None:
        mend = f"Build one: launch.py index CATALOG --shop {shop}."
        yield Finding("index", "fail", f"{shop} has no index.", mend)
        return
    serving = _serving(versions)
    mend = f"Build it again: launch.py index CATALOG --shop {shop}."
    yield from _told("index", versions, serving, mend, required=True)
    manifest, folder, _ = serving
    if manifest is None or folder is None:
        return
    spaces: Mapping[str, str] = manifest.meta.get("encoders", {})
    yield from _made_by(shop, folder, spaces)
    yield from _priced(folder, settings.currency)
    if "zh" in settings.languages and "han" not in spaces:
        mend = 'Index a catalog with Chinese, or set languages = ["en"].'
        yield Finding("index", "warn", "languages names zh, but nothing in the index is Chinese.", mend)


def _made_by(shop: Path, index: Path, spaces: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the encoders that will ask are those that made the vectors. One tuned lies in the index itself."""
    for space, expected in spaces.items():
        tuned = index / TUNED / space
        exported = Versions(shop / "models" / "encoder" / space, ENCODER_KIND).candidates()
        folder = tuned if tuned.is_dir() else next(iter(exported), None)
        if folder is None or not (folder / MANIFEST).is_file():
            continue
        found = json.loads((folder / MANIFEST).read_bytes())["meta"].get("hash")
        if found != expected:
            told = f"The index was made by the {space} encoder {expected[:12]}…, the one here is {str(found)[:12]}…."
            yield Finding("index", "fail", told, f"Build it again: launch.py index CATALOG --shop {shop}.")


def _priced(index: Path, currency: str) -> Iterator[Finding]:
    """Whether the catalog's prices are in the shop's currency; in another one no budget finds anything."""
    products = ProductStore(Layout(index).products)
    sample = [products.get(row) for row in range(0, len(products), max(1, len(products) // SAMPLE))]
    found = {product.price.currency for product in sample if product.price is not None}
    if found and currency not in found:
        told = f"The catalog's prices are in {', '.join(sorted(found))}, the shop's currency is {currency}."
        yield Finding("index", "fail", told, "Set currency in shop.toml, or index prices in that currency.")


def _encoders(shop: Path) -> Iterator[Finding]:
    for space in PRETRAINED:
        versions = Versions(shop / "models" / "encoder" / space, ENCODER_KIND)
        if versions.pointer() is None:
            yield Finding("encoders", "ok", f"{space}: not exported yet; the first use does it in 15 seconds.")
        else:
            yield from _verified("encoders", versions, f"Delete {versions.root}: it is exported anew.", label=space)


def _models(patient: Patient) -> Iterator[Finding]:
    """The shop's models, each hash checked; only the intent model is needed to talk, and one ships."""
    shop = patient.shop
    read_manifest(patient.shipped, json.loads((patient.shipped / MANIFEST).read_bytes())["kind"])
    if intent_versions(shop).pointer() is None:
        yield Finding("models", "ok", f"{INTENT_KIND}: none of its own; the first start takes the one that ships.")
    else:
        mend = f"Train it again, or roll back: launch.py models rollback --shop {shop}."
        yield from _verified("models", intent_versions(shop), mend, label=INTENT_KIND, required=True)
    for places in (
        reranker_versions,
        stage_versions,
        sequence_versions,
        customer_versions,
        ranker_versions,
        reply_versions,
    ):
        versions = places(shop)
        if versions.pointer() is not None:
            yield from _verified(
                "models", versions, f"Train it again; without it {versions.kind} is left out.", label=versions.kind
            )


def _verified(check: str, versions: Versions, mend: str, label: str = "", required: bool = False) -> Iterator[Finding]:
    """Whether the version that serves is the one that should."""
    yield from _told(check, versions, _serving(versions), mend, label, required)


def _serving(versions: Versions) -> tuple[Manifest | None, Path | None, str]:
    """The manifest and folder that serve, every hash checked, and what is wrong with the one that should."""
    trouble = ""
    for folder in versions.candidates():
        try:
            return read_manifest(folder, versions.kind), folder, trouble
        except (Damaged, NotFound) as error:
            trouble = trouble or error.message
    return None, None, trouble or f"No version under {versions.root} is left."


def _told(
    check: str,
    versions: Versions,
    serving: tuple[Manifest | None, Path | None, str],
    mend: str,
    label: str = "",
    required: bool = False,
) -> Iterator[Finding]:
    manifest, folder, trouble = serving
    named = f"{label}: " if label else ""
    if manifest is None or folder is None:
        yield Finding(check, "fail" if required else "warn", f"{named}{trouble}", mend)
        return
    if trouble or folder.name != versions.pointer():
        yield Finding(check, "warn", f"{named}{trouble} {folder.name} serves in its place.", mend)
    else:
        yield Finding(check, "ok", f"{named}{folder.name} is whole, {len(manifest.files)} files.")
    if datetime.fromisoformat(manifest.created_at).timestamp() * 1000 > now_ms() + SKEW_MS:
        told = f"{named}{folder.name} was made later than it is now: {manifest.created_at}."
        yield Finding("clock", "warn", told, "Set the clock of this machine.")


def _database(patient: Patient, settings: ShopSettings) -> Iterator[Finding]:
    url = patient.database_url or settings.database.url_for(patient.shop)
    health = database_health(url)
    if health.trouble:
        yield Finding("database", "fail", health.trouble, health.hint)
        return
    if not health.exists:
        yield Finding("database", "ok", "There is none yet; the first start makes it.")
        return
    head = head_revision()
    if health.revision is None:
        yield Finding("database", "warn", f"{health.where} has no tables yet.", "The first start makes them.")
    elif not knows(health.revision):
        told = f"A newer Aisle wrote {health.where} (revision {health.revision})."
        yield Finding("database", "fail", told, "Update Aisle, or restore a backup.")
    elif health.revision != head:
        told = f"{health.where} has revision {health.revision}, this Aisle {head}."
        yield Finding("database", "warn", told, "The next start brings it up to date: back it up before.")
    else:
        yield Finding("database", "ok", f"{health.where} answers, its tables are up to date.")
    if health.journal not in (None, "wal"):
        told = f"SQLite's journal is {health.journal!r}, not WAL: readers wait for writers."
        yield Finding("database", "warn", told, "Put the file on a local disk; the next start turns WAL on.")
    if health.newest is not None and health.newest > now_ms() + SKEW_MS:
        told = "The last turn was said later than it is now."
        yield Finding("clock", "warn", told, "Set the clock of this machine.")


def _rejected(shop: Path) -> Iterator[Finding]:
    files = sorted((shop / "rejected").glob("*.jsonl")) if (shop / "rejected").is_dir() else []
    rows = {path: _lines(path) for path in files}
    if total := sum(rows.values()):
        last = max(files, key=lambda path: path.stat().st_mtime)
        told = f"{total:,} rejected row{'s' if total > 1 else ''} wait in {shop / 'rejected'}, the last in {last.name}."
        yield Finding(
            "rejected", "warn", told, "Read the reasons, mend the rows at their source, then delete the files."
        )
    else:
        yield Finding("rejected", "ok", "No rejected rows wait.")


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())


def _port(host: str, port: int) -> Iterator[Finding]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            mend = "Stop what listens there (this shop's own server does, while it runs), or serve with --port."
            yield Finding("port", "warn", f"{host}:{port} cannot be used: {error.strerror}.", mend)
            return
    yield Finding("port", "ok", f"{host}:{port} is free.")


def _size(number: float) -> str:
    return f"{number / 2**30:.1f} GiB"


def as_values(findings: Sequence[Finding]) -> dict[str, Any]:
    """`{"healthy": bool, "findings": [{"check", "state", "found", "mend"}]}`."""
    rows = [{name: getattr(each, name) for name in ("check", "state", "found", "mend")} for each in findings]
    return {"healthy": healthy(findings), "findings": rows}


def as_lines(findings: Sequence[Finding]) -> str:
    """One line each: `fail  index      var has no index. Build one: …`."""
    return "\n".join(f"{each.state:<5} {each.check:<10} {f'{each.found} {each.mend}'.strip()}" for each in findings)
