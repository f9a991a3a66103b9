"""Publishing by rename and loading by hash: complete folders, a manifest of sha256, and a pointer replaced atomically.

On disk, with `<root>` for example `<shop>/index`:

    <root>/CURRENT                 the name of the version that is served
    <root>/HISTORY                 it and those that were served before, a name a line, the latest last
    <root>/20260102-030405-1a2b    one version: its files and manifest.json
    <root>/.stage-…                being written; swept when no process holds it
    <root>/.lock                   held while somebody publishes

A process killed at any moment leaves either the old pointer or the new one, never half a version.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.disk import disk_trouble
from storage.errors import AisleError, Conflict, Damaged, InvalidInput, NotFound
from storage.metrics import Counter

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
POINTER = "CURRENT"
HISTORY = "HISTORY"
_STAGE = ".stage-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_FORMAT = 1
_KEYS = {"format", "kind", "created_at", "meta", "files"}

REFUSED = Counter(
    "aisle_refused_versions_total", "Versions that were not served because a file is not what was published."
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder promises: its kind, its own facts, and the sha256 of each file by path relative to the folder."""

    kind: str
    meta: dict[str, Any]
    files: dict[str, str]
    created_at: str


def sha256_file(path: Path) -> str:
    """The file's sha256, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sealed(path: Path) -> str:
    """The sha256 of a file that is on the disk for good."""
    _sync(path)
    return sha256_file(path)


def _on_all_cores(of: Callable[[Path], str], paths: Sequence[Path]) -> list[str]:
    """What a function says of each file; hashing and waiting for the disk let other threads run."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(of, paths))


def write_manifest(folder: Path, kind: str, meta: dict[str, Any]) -> Manifest:
    """Hashes and fsyncs every file in `folder`, then writes its manifest.

    Raises:
        InvalidInput: the folder holds a link, which could change after it was hashed.
    """
    paths = _files_of(folder)
    names = [path.relative_to(folder).as_posix() for path in paths]
    files = dict(zip(names, _on_all_cores(_sealed, paths), strict=True))
    created_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    manifest = Manifest(kind=kind, meta=meta, files=files, created_at=created_at)
    _write_manifest(folder, manifest)
    for inner in [path for path in folder.rglob("*") if path.is_dir()]:
        _sync(inner)
    return manifest


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    body = {"format": _FORMAT, **{name: getattr(manifest, name) for name in ("kind", "created_at", "meta", "files")}}
    body["sha256"] = _digest(body)
    write_atomically(folder / MANIFEST, json.dumps(body, ensure_ascii=False, indent=1).encode())


def amend_file(folder: Path, kind: str, name: str, change: Callable[[Path], object]) -> None:
    """Changes or removes one file of a complete folder, which stays complete. Where it is not there, nothing is done.

    Published folders do not change, but for what a person's erasure takes away. Who reads at this very moment may find another
    file than was published, and takes the version before.

    Raises:
        Unavailable: it cannot be written.
    """
    path = folder / name
    if not path.is_file():
        return
    manifest = None
    with suppress(NotFound, Damaged):  # of a folder that is not whole nothing serves: only the file matters
        manifest = read_manifest(folder, kind)
    with disk_trouble(folder):
        change(path)
        if manifest is not None and name in manifest.files:
            files = {other: sha256 for other, sha256 in manifest.files.items() if other != name}
            if path.is_file():
                files[name] = _sealed(path)
            _write_manifest(folder, replace(manifest, files=files))


def read_manifest(folder: Path, kind: str, only: str | None = None) -> Manifest:
    """Reads a folder's manifest and verifies its own hash and that of every file that it names.

    With `only` just the file or folder of that name is verified, and must be named: what is whole of a damaged version.

    Raises:
        NotFound: the folder or its manifest is missing.
        Damaged: the manifest is unreadable or of another kind, or a file is missing or not what was published.
    """
    path = folder / MANIFEST
    again = "Build or publish it again, or activate an older version."
    if not path.is_file():
        raise NotFound(f"{folder} holds no {kind}: {MANIFEST} is missing.", "Check the path, or build it first.")
    try:
        body = json.loads(path.read_bytes())
        digest = body.pop("sha256", None)  # manifests from before there was one are taken without
        manifest = Manifest(body["kind"], dict(body["meta"]), dict(body["files"]), str(body["created_at"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{path} is unreadable ({type(error).__name__}).", again) from None
    if body.get("format") != _FORMAT:
        raise Damaged(f"{path} has format {body.get('format')}, this Aisle reads {_FORMAT}.", again)
    if set(body) != _KEYS or digest not in (None, _digest(body)):
        raise Damaged(f"{path} is not what was published.", again)
    if manifest.kind != kind:
        raise Damaged(f"{folder} is of the kind {manifest.kind!r}, not {kind!r}.", "Give a folder of the right kind.")
    named = {
        name: sha256
        for name, sha256 in manifest.files.items()
        if only is None or name == only or name.startswith(f"{only}/")
    }
    if only is not None and not named:
        raise Damaged(f"{path} names no {only}.", again)
    files = [folder / name for name in named]
    for name, file in zip(named, files, strict=True):
        if not file.resolve().is_relative_to(folder.resolve()):
            raise Damaged(f"{path} names {name}, outside its folder.", again)
        if not file.is_file():
            raise Damaged(f"{file} is missing.", again)
    for file, expected, found in zip(files, named.values(), _on_all_cores(sha256_file, files), strict=True):
        if found != expected:
            raise Damaged(f"{file} has sha256 {found[:12]}…, its manifest says {expected[:12]}….", again)
    return manifest


@dataclass(frozen=True, slots=True)
class Versions:
    """The published versions of one thing (`kind`) under `root`."""

    root: Path
    kind: str

    @contextmanager
    def stage(self) -> Iterator[Path]:
        """A fresh folder under `root` to write a version into; it is removed unless it was published.

        Raises:
            Unavailable: the disk is full or not writable; what was served stays.
        """
        with disk_trouble(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            folder = self.root / f"{_STAGE}{os.getpid()}-{secrets.token_hex(4)}"
            folder.mkdir()
            # The flock on the folder dies with the process, so sweep() knows a live stage from a dead one.
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield folder
            finally:
                os.close(held)
                shutil.rmtree(folder, ignore_errors=True)

    def publish(self, staged: Path, meta: dict[str, Any], version: str | None = None) -> Path:
        """Makes a staged folder a version and the current one; returns where it stands now.

        Order: hash and fsync the files, write the manifest, rename the folder, fsync `root`, replace the pointer.

        Raises:
            Conflict: a version of that name exists.
            Unavailable: the disk is full; what was served stays.
        """
        name = version or f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        target = self.require_free(name)
        with disk_trouble(self.root):
            write_manifest(staged, self.kind, meta)
            _sync(staged)
            staged.rename(target)
            _sync(self.root)
            self._point_at(name)
        return target

    def require_free(self, version: str) -> Path:
        """Where a version of that name would stand; asked before work that a refused name would waste.

        Raises:
            InvalidInput: it cannot name a version.
            Conflict: a version of that name exists.
        """
        target = self._folder(version)
        if target.exists():
            raise Conflict(f"The {self.kind} version {version} exists already.", "Choose another name.")
        return target

    def adopt(self, folder: Path) -> Path:
        """Publishes a copy of a complete folder that was made elsewhere, under its own name; returns where it stands now.

        What its manifest does not name is left behind.

        Raises:
            NotFound, Damaged: the folder is not complete.
            Conflict: a version of that name exists.
            Unavailable: the disk is full; what was served stays.
        """
        manifest = read_manifest(folder, self.kind)
        with self.stage() as staged:
            for name in manifest.files:
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, staged / name)
            return self.publish(staged, manifest.meta, folder.resolve().name)

    def current(self) -> Path | None:
        """The folder to serve, every hash verified, see `verified`; None where nothing was published."""
        found = self.verified()
        return None if found is None else found[0]

    def verified(self) -> tuple[Path, Manifest] | None:
        """The folder to serve with its manifest, every hash verified; None where nothing was published.

        A damaged current version is logged and the last one before it that is whole is taken instead.

        Raises:
            Damaged: there are versions, but none is whole.
        """
        pointed = self.pointer()
        candidates = self.candidates()
        if not candidates:
            return None
        trouble: AisleError | None = None
        for folder in candidates:
            name = folder.name
            try:
                manifest = read_manifest(folder, self.kind)
            except (Damaged, NotFound) as error:
                logger.warning("The %s version %s cannot be served: %s", self.kind, name, error.message)
                REFUSED.add(kind=self.kind)
                trouble = trouble or error
                continue
            if name != pointed:
                logger.warning("Serving the %s version %s instead of %s.", self.kind, name, pointed)
            return folder, manifest
        message = trouble.message if trouble else ""
        raise Damaged(f"No version of the {self.kind} under {self.root} is whole. {message}", "Build it again.")

    def candidates(self) -> list[Path]:
        """The folders to serve, unverified, in the order in which they are tried: the current one, then the last before it.

        A folder under `root` that was never made current is none of them: a model may be trained there and be no good.
        """
        pointed = self.pointer()
        names = [name for name in reversed(self.history()) if name != pointed]
        return [self.root / name for name in ([pointed] if pointed else []) + names]

    def history(self) -> list[str]:
        """The versions that are or were current and still exist, the latest last; one that was rolled back is none of them."""
        names, pointed = self.list(), self.pointer()
        try:
            lines = (self.root / HISTORY).read_text("ascii", errors="replace").split()
        except FileNotFoundError:  # an Aisle that kept none published here: whatever lies here may have been current
            lines = [*(name for name in names if name != pointed), pointed] if pointed else []
        return [name for name in lines if name in names]

    def pointer(self) -> str | None:
        """The name in the pointer file, or None where there is none that could be a version."""
        try:
            name = (self.root / POINTER).read_bytes().decode("ascii", errors="replace").strip()
        except FileNotFoundError:
            return None
        return name if _NAME.fullmatch(name) else None

    def list(self) -> list[str]:
        """The names of all versions, oldest first."""
        if not self.root.is_dir():
            return []
        found = [path for path in self.root.iterdir() if _NAME.fullmatch(path.name) and (path / MANIFEST).is_file()]
        return [path.name for path in sorted(found, key=lambda path: ((path / MANIFEST).stat().st_mtime_ns, path.name))]

    def activate(self, version: str) -> Path:
        """Makes a published version the current one, after verifying it.

        Raises:
            NotFound: there is no such version.
            Damaged: it is not whole.
        """
        folder = self._folder(version)
        if not (folder / MANIFEST).is_file():
            known = ", ".join(self.list()) or "none"
            raise NotFound(f"There is no {self.kind} version {version}.", f"Published are: {known}.")
        read_manifest(folder, self.kind)
        with disk_trouble(self.root):
            self._point_at(version)
        return folder

    def roll_back(self, check: Callable[[Path], object]) -> Path:
        """Makes the last good version before the current one the current one again; returns where it stands.

        `check` raises `Damaged` for a version that is whole and yet of no use. What was current leaves the history, so that
        rolling back once more goes further back and no fallback takes it.

        Raises:
            NotFound: there is no good version before it.
        """
        pointed = self.pointer()
        earlier = [name for name in self.history() if name != pointed]
        while earlier:
            folder = self.root / earlier[-1]
            try:
                read_manifest(folder, self.kind)
                check(folder)
            except (Damaged, NotFound) as error:
                logger.warning("The %s version %s cannot be served: %s", self.kind, folder.name, error.message)
                earlier.pop()
                continue
            with disk_trouble(self.root):
                self._write_pointer(folder.name, earlier)
            return folder
        raise NotFound(
            f"There is no good {self.kind} version before {pointed or 'the first'}.", "Promote another one instead."
        )

    def retire(self) -> None:
        """Leaves nothing current: whatever stands in for a version serves. What was current leaves the history."""
        pointed = self.pointer()
        earlier = [name for name in self.history() if name != pointed]
        with disk_trouble(self.root):
            write_atomically(self.root / HISTORY, "".join(f"{each}\n" for each in earlier).encode())
            (self.root / POINTER).unlink(missing_ok=True)
            _sync(self.root)

    def sweep(self, keep: int = 2) -> None:
        """Removes what killed processes left, and all versions but the `keep` newest and the current one."""
        if not self.root.is_dir():
            return
        for path in self.root.iterdir():
            if path.name.startswith(_STAGE) and path.is_dir() and not _held(path):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith(".tmp-") and path.is_file():
                path.unlink(missing_ok=True)
        pointed = self.pointer()
        for name in self.list()[: -keep or None]:
            if name != pointed:
                # Rename first: a kill in the middle must not leave half a folder under a version's name.
                dying = self.root / f"{_STAGE}dead-{secrets.token_hex(4)}"
                (self.root / name).rename(dying)
                shutil.rmtree(dying, ignore_errors=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes from publishing the same thing; released by the kernel even on SIGKILL.

        Raises:
            Conflict: another process (or another thread of this one) holds it.
        """
        with disk_trouble(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            held = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    f"Another process is building the {self.kind} under {self.root}.",
                    "Wait until it is done, then retry.",
                ) from None
            yield
        finally:
            os.close(held)

    def _folder(self, version: str) -> Path:
        if not _NAME.fullmatch(version):
            raise InvalidInput(f"{version[:100]!r} cannot name a version.", "Use letters, digits, '.', '_', '+', '-'.")
        return self.root / version

    def _point_at(self, name: str) -> None:
        self._write_pointer(name, [*(each for each in self.history() if each != name), name])

    def _write_pointer(self, name: str, history: Sequence[str]) -> None:
        """The history first: killed between the two, the old pointer stays and the fallback has one name more."""
        write_atomically(self.root / HISTORY, "".join(f"{each}\n" for each in history).encode())
        write_atomically(self.root / POINTER, f"{name}\n".encode())


def _digest(body: dict[str, Any]) -> str:
    """The sha256 of a manifest's own content: a bit of it can turn as well as one of the files that it guards."""
    return hashlib.sha256(json.dumps(body, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _files_of(folder: Path) -> list[Path]:
    """All files below `folder` but the manifest, in a stable order."""
    paths = sorted(folder.rglob("*"))
    for path in paths:
        if path.is_symlink():
            raise InvalidInput(f"{path} is a link.", "Copy the file itself into the folder.")
    return [path for path in paths if path.is_file() and path != folder / MANIFEST]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes beside, fsyncs, renames, fsyncs the folder."""
    beside = path.with_name(f".tmp-{path.name}-{secrets.token_hex(4)}")
    try:
        with beside.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _sync(path.parent)


def _held(folder: Path) -> bool:
    """Whether a living process is still writing into a staged folder."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)
