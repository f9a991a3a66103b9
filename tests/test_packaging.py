"""What an installation has that is not the working copy."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.fixtures import REPOSITORY

PACKAGES = ("storage", "index", "retrieval", "bot", "finetune", "demo")
CACHES = shutil.ignore_patterns("__pycache__", ".*_cache")


def test_a_wheel_has_every_file_of_the_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, source / package, ignore=CACHES)
    for file in ("pyproject.toml", "README.md", "LICENSE", "launch.py"):
        shutil.copy(REPOSITORY / file, source)
    files = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "."]
    subprocess.run([*command, "--wheel-dir", tmp_path], cwd=source, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        missing = files - set(archive.namelist()) - {"pyproject.toml", "README.md", "LICENSE"}
    assert not missing
