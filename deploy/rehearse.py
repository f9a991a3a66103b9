"""Runs the steps of the Dockerfile in a fresh folder, where there is no Docker: its copies, installation and entry point.

    python deploy/rehearse.py FOLDER                the steps but the packages that Aisle needs: this interpreter's are used
    python deploy/rehearse.py FOLDER --install      all of them, as the image has them (2 GB, minutes)

`/opt`, `/src` and `/shop` are folders below FOLDER. Steps of the system's (apt-get, useradd) are named and passed over, and the
base image, its user and the read-only root are not tried: this is no image. Prints one JSON object and exits 1 where a step fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import site
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dockerfile_parse.parser import DockerfileParser

ROOT = Path(__file__).resolve().parent.parent
_OURS = re.compile(r"(?<![\w/.])/(opt|src|shop)\b")
_OF_THE_SYSTEM = ("apt-get ", "useradd ")


@dataclass
class Rehearsal:
    """The fresh folder, and what was done in it."""

    folder: Path
    install: bool
    workdir: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    entry: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def here(self, text: str) -> str:
        """A text with the image's folders in their places below the fresh one."""
        return _OURS.sub(lambda found: str(self.folder / found[1]), text)

    def step(self, instruction: str, value: str) -> None:
        """One instruction."""
        match instruction:
            case "WORKDIR":
                self.workdir = self.here(value)
                Path(self.workdir).mkdir(parents=True, exist_ok=True)
            case "ENV":
                for name, told in re.findall(r"(\w+)=(\S+)", value):
                    self.environment[name] = self.here(told).replace("$PATH", os.environ["PATH"])
            case "COPY" if value.startswith("--from="):
                source, target = value.split()[1:]
                if source != target:
                    raise SystemExit(f"COPY {value}: between stages only to the same place.")
            case "COPY":
                self._copy(*value.split())
            case "RUN":
                self._run(value)
            case "ENTRYPOINT":
                self.entry = json.loads(value)
            case "CMD":
                self.command = [self.here(part) for part in json.loads(value)]
            case _:
                self.passed_over.append(f"{instruction} {value}")
                return
        if instruction != "RUN":
            self.done.append(f"{instruction} {value}")

    def _copy(self, *names: str) -> None:
        target = Path(self.workdir) / names[-1]
        for name in names[:-1]:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, target)

    def _run(self, value: str) -> None:
        if value.startswith(_OF_THE_SYSTEM):
            self.passed_over.append(f"RUN {value}")
            return
        line = self.here(value)
        if not self.install:
            # pip and setuptools are this interpreter's, too: those that venv brings are as old as Python is.
            line = line.replace("-m venv", "-m venv --without-pip")
            line = line.replace("pip install", "pip install --no-deps --no-build-isolation --no-compile --quiet")
            line = line.partition(" && ")[0]  # behind it stands a look at the torch that was installed
        subprocess.run(["sh", "-ec", line], cwd=self.workdir, check=True, env={**os.environ, "TORCH_INDEX": _index()})
        if "-m venv" in value and not self.install:
            (packages,) = (self.folder / "opt").rglob("site-packages")
            (packages / "of-this-interpreter.pth").write_text(f"{site.getsitepackages()[0]}\n")
        self.done.append(f"RUN {value}")

    def start(self) -> subprocess.CompletedProcess[str]:
        """The entry point with its command, in the image's environment and nothing else of this one; unless installed, its help."""
        program = shutil.which(self.entry[0], path=self.environment["PATH"])
        if program is None or not Path(program).is_relative_to(self.folder):
            raise SystemExit(f"{self.entry[0]} is not the image's own: {program}.")
        return subprocess.run(
            [program, *self.entry[1:], *self.command, *([] if self.install else ["--help"])],
            check=False,
            cwd=self.workdir,
            env=self.environment,
            capture_output=True,
            text=True,
        )


def _index() -> str:
    return os.environ.get("TORCH_INDEX", "")


def files_below(folder: Path) -> dict[str, int]:
    """All files by their last change, in nanoseconds, but for one that Gradio writes where it can and else does without."""
    every = (path for path in folder.rglob("*") if path.is_file() and path.parts[-2:] != ("gradio", "hash_seed.txt"))
    return {str(path): path.stat().st_mtime_ns for path in every}


def rehearse(folder: Path, install: bool) -> dict[str, Any]:
    """All steps, then a start on a shop without an index, which must end with the line that says so; unless installed, its help."""
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty: give a fresh one.")
    rehearsal = Rehearsal(folder.absolute(), install)
    parser = DockerfileParser(path=str(ROOT / "deploy" / "Dockerfile"), cache_content=True)  # type: ignore[no-untyped-call]
    for each in parser.structure:
        if each["instruction"] not in ("COMMENT", "FROM", "ARG"):
            rehearsal.step(each["instruction"], each["value"])
    before = files_below(folder / "opt")
    started = rehearsal.start()
    return {
        "installed": install,
        "done": rehearsal.done,
        "passed_over": rehearsal.passed_over,
        "exit_status": started.returncode,
        "said": (started.stderr or started.stdout).strip().splitlines()[-1:],
        "written_in_opt": sorted(set(files_below(folder / "opt").items()) - set(before.items())),
    }


def main() -> None:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--install", action="store_true", help="install all packages, as the image does")
    given = arguments.parse_args()
    told = rehearse(given.folder, given.install)
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    said = "".join(told["said"])
    started = told["exit_status"] == 1 and "has no index" in said if given.install else told["exit_status"] == 0
    raise SystemExit(0 if started and not told["written_in_opt"] else 1)


if __name__ == "__main__":
    main()
