"""An index that is killed while it is written, or of which a bit turns: what is served is whole, and the old or the new one."""

from __future__ import annotations

import logging
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from index.build import build_index
from index.filters import Filters
from index.snapshot import Snapshot, current_index, index_versions
from storage.publish import MANIFEST, REFUSED
from storage.settings import ShopSettings
from tests.fixtures import REPOSITORY, SOAK
from tests.index.catalogs import hash_encoders, plain_rows, write_jsonl

KILLS = 3_000 if SOAK else 60
FLIPS = 40 if SOAK else 4  # of each file
PUBLISHING = 90  # of the last steps of a run: hashing, renaming, sweeping
# Products, all above what the tests take for small, so that every kind of file is written. From the first to the second and back is
# a whole build, from the second to the third a few changes laid over a copy.
SIZES = OLD, NEW, NEXT = 48, 64, 60

# A server that forks: loading libraries takes longer than all the steps of a run. The run counts what it does to files, and kills
# itself just before the step that it is told; or it is killed from outside after some milliseconds, also inside native code.
SERVER = """
import os, signal, sys
from pathlib import Path
import index.build, index.parts, index.snapshot, index.vectors
from index.build import build_index
from storage.settings import ShopSettings
from tests.index.catalogs import hash_encoders
import faiss, tantivy
index.parts.SMALL_CATALOG = index.snapshot.SMALL_CATALOG = index.vectors.EXACT_UP_TO = 20
faiss.omp_set_num_threads(1)
STEPS = ("open", "os.", "shutil.", "sqlite3.", "tempfile.")
catalogs, shop = [Path(each) for each in sys.argv[1:4]], Path(sys.argv[4])

def run(catalog, last):
    steps = 0
    def count(event, _):
        nonlocal steps
        if event.startswith(STEPS):
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(count)
    build_index(catalog, shop, ShopSettings(), hash_encoders(), allow_shrink=True)
    return steps

print("ready", flush=True)
for line in sys.stdin:
    catalog, how, amount = line.split()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        if how == "time":
            # SIGALRM, like SIGKILL, ends a process that does not handle it at once, wherever it is.
            signal.setitimer(signal.ITIMER_REAL, float(amount))
        steps = run(catalogs[int(catalog)], int(amount) if how == "step" else 0)
        os.write(writing, str(steps).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        steps = pipe.read()
    _, status = os.waitpid(child, 0)
    print(f"{os.waitstatus_to_exitcode(status)} {steps or 0}", flush=True)
"""


@pytest.fixture(autouse=True)
def every_kind_of_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog of 20 products counts as large: a graph of vectors and n-grams of titles are written too."""
    for name in ("index.parts.SMALL_CATALOG", "index.snapshot.SMALL_CATALOG", "index.vectors.EXACT_UP_TO"):
        monkeypatch.setattr(name, 20)


def catalogs(folder: Path) -> list[Path]:
    return [write_jsonl(folder / f"{count}.jsonl", plain_rows(count)) for count in SIZES]


@contextmanager
def killer(folder: Path, shop: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SERVER, *map(str, catalogs(folder)), str(shop)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=REPOSITORY, **pipes) as server:  # type: ignore[call-overload]
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield server
        assert server.stdin is not None
        server.stdin.close()


def ask(server: subprocess.Popen[str], catalog: int, how: str, amount: float) -> tuple[int, int]:
    """The exit status of a run and, of one that was not killed, the number of its steps."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(f"{catalog} {how} {amount}\n")
    server.stdin.flush()
    status, steps = server.stdout.readline().split()
    return int(status), int(steps)


def served(shop: Path) -> int:
    """How many products the version has that is served; it must be the very one that the pointer names."""
    folder = current_index(shop)
    assert folder is not None
    assert folder.name == index_versions(shop).pointer()
    snapshot = Snapshot.load(folder)
    assert snapshot.keywords.search(f"number {len(snapshot) - 1}", 1)[0].tolist() == [len(snapshot) - 1]
    assert snapshot.facets.mask(Filters(brand=("Acme",))).allowed.sum() == len(snapshot.vectors["latin"])
    return len(snapshot)


@pytest.mark.timeout(7_200 if SOAK else 300)
def test_a_run_that_is_killed_at_any_step_leaves_the_old_version_or_the_new(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    with killer(tmp_path, shop) as server:
        runs = [ask(server, catalog, "step", 0) for catalog in (0, 1, 2, 0, 1, 2)]
        assert [status for status, _ in runs] == [0] * 6
        steps = [count for _, count in runs[3:]]  # of each on top of the one before it
        assert min(steps) > 100, "the steps of a run are counted"
        chance = random.Random(7)
        before, kills, published = served(shop), 0, set()
        for trial in range(KILLS):
            catalog = trial // 3 % 3
            if trial % 3 == 0:
                status, _ = ask(server, catalog, "time", chance.uniform(0.001, 0.25))
            elif trial % 3 == 1:  # spread over the whole run, from the first step to the last
                status, _ = ask(server, catalog, "step", 1 + int(trial * (steps[catalog] - 1) / KILLS))
            else:  # and once more where it is published and older versions are swept
                status, _ = ask(server, catalog, "step", steps[catalog] - chance.randrange(PUBLISHING))
            assert status in (0, -signal.SIGKILL, -signal.SIGALRM)
            kills += status != 0
            now = served(shop)
            assert now in (before, SIZES[catalog])
            assert status != 0 or now == SIZES[catalog]
            published.add(now)
            before = now
            hidden = [path.name for path in (shop / "index").iterdir() if path.name.startswith((".stage", ".tmp"))]
            assert len(hidden) <= 3, "each run sweeps at its start what the one before left"
        assert kills > 0.6 * KILLS
        assert published == set(SIZES), "some were killed before they published and some after"
        assert ask(server, 1, "step", 0)[0] == 0
    assert served(shop) == NEW
    assert len(index_versions(shop).list()) <= 2
    assert not [path for path in (shop / "index").iterdir() if path.name.startswith((".stage", ".tmp"))]


@pytest.mark.parametrize(("built", "mode"), [((0, 1), "whole"), ((1, 2), "changes")])
def test_every_bit_that_turns_in_any_file_is_found_and_the_last_good_version_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, built: tuple[int, int], mode: str
) -> None:
    shop, chance, paths = tmp_path / "shop", random.Random(3), catalogs(tmp_path)
    reports = [build_index(paths[each], shop, ShopSettings(), hash_encoders(), allow_shrink=True) for each in built]
    assert reports[-1].mode == mode
    versions = index_versions(shop)
    good, newest = (shop / "index" / name for name in versions.list())
    files = sorted(path for path in newest.rglob("*") if path.is_file())
    assert {"hnsw.faiss", "titles.norms.npy", "words.rows.npy", "products.sqlite", MANIFEST} <= {
        each.name for each in files
    }
    assert versions.current() == newest
    caplog.set_level(logging.WARNING)
    for path in files:
        content = path.read_bytes()
        for _ in range(FLIPS):
            bit = chance.randrange(len(content) * 8)
            turned = bytearray(content)
            turned[bit // 8] ^= 1 << bit % 8
            path.write_bytes(turned)
            counted = REFUSED.value(kind="index")
            caplog.clear()
            assert versions.current() == good, f"bit {bit} of {path.relative_to(newest)}"
            assert f"{newest.name} cannot be served" in caplog.text
            assert f"Serving the index version {good.name}" in caplog.text
            assert REFUSED.value(kind="index") == counted + 1
        path.write_bytes(content)
    assert versions.current() == newest
