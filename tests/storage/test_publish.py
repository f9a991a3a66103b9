from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.errors import Conflict, Damaged, InvalidInput, NotFound, Unavailable
from storage.publish import HISTORY, MANIFEST, POINTER, Versions, read_manifest, sha256_file, write_manifest

REPOSITORY = Path(__file__).resolve().parents[2]
KIND = "thing"


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path / "things", KIND)


def publish(versions: Versions, text: str, version: str | None = None) -> Path:
    with versions.stage() as folder:
        (folder / "part").mkdir()
        (folder / "a.txt").write_text(text)
        (folder / "part" / "b.npy").write_bytes(bytes(range(256)) * 20)
        return versions.publish(folder, {"text": text}, version)


def hidden_files(versions: Versions) -> list[str]:
    return [path.name for path in versions.root.iterdir() if path.name.startswith((".stage", ".tmp"))]


class TestManifest:
    def test_it_says_what_was_written(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"abc")
        written = write_manifest(tmp_path, KIND, {"encoder": "x", "中文": [1, None]})
        assert written.files == {"a": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
        assert read_manifest(tmp_path, KIND) == written
        assert sha256_file(tmp_path / "a") == written.files["a"]

    def test_every_flipped_bit_is_found(self, tmp_path: Path) -> None:
        path = tmp_path / "index.faiss"
        path.write_bytes(random.Random(1).randbytes(4096))
        write_manifest(tmp_path, KIND, {})
        good = path.read_bytes()
        for bit in random.Random(2).sample(range(4096 * 8), 60):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            path.write_bytes(bad)
            with pytest.raises(Damaged, match=r"index\.faiss"):
                read_manifest(tmp_path, KIND)
        path.write_bytes(good)
        read_manifest(tmp_path, KIND)

    def test_every_flipped_bit_of_the_manifest_itself_is_found(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"abc")
        write_manifest(tmp_path, KIND, {"rows": 30, "encoder": "x", "中文": [1, None, 0.5]})
        good = (tmp_path / MANIFEST).read_bytes()
        for bit in range(len(good) * 8):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            (tmp_path / MANIFEST).write_bytes(bad)
            with pytest.raises(Damaged):
                read_manifest(tmp_path, KIND)
        body = json.loads(good)
        del body["sha256"]  # a manifest of an older Aisle
        (tmp_path / MANIFEST).write_text(json.dumps(body))
        assert read_manifest(tmp_path, KIND).meta["rows"] == 30

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe",
            b'{"format": 1}',
            b'{"format": 9, "kind": "thing", "meta": {}, "files": {}, "created_at": ""}',
        ],
    )
    def test_a_broken_manifest_is_damage(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / MANIFEST).write_bytes(content)
        with pytest.raises(Damaged) as found:
            read_manifest(tmp_path, KIND)
        assert found.value.hint

    def test_a_missing_file_is_damage_and_a_missing_manifest_is_not_found(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"abc")
        write_manifest(tmp_path, KIND, {})
        (tmp_path / "a").unlink()
        with pytest.raises(Damaged, match="missing"):
            read_manifest(tmp_path, KIND)
        with pytest.raises(NotFound):
            read_manifest(tmp_path / "nowhere", KIND)

    def test_another_kind_is_refused(self, tmp_path: Path) -> None:
        write_manifest(tmp_path, "intent model", {})
        with pytest.raises(Damaged, match="intent model"):
            read_manifest(tmp_path, "index")

    def test_it_reaches_no_file_outside(self, tmp_path: Path) -> None:
        inside = tmp_path / "inside"
        inside.mkdir()
        (tmp_path / "outside").write_bytes(b"abc")
        write_manifest(inside, KIND, {})
        body = json.loads((inside / MANIFEST).read_text())
        del body["sha256"]
        body["files"]["../outside"] = sha256_file(tmp_path / "outside")
        (inside / MANIFEST).write_text(json.dumps(body))
        with pytest.raises(Damaged, match="outside"):
            read_manifest(inside, KIND)

    def test_links_are_not_published(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("/etc/hostname")
        with pytest.raises(InvalidInput):
            write_manifest(tmp_path, KIND, {})


class TestVersions:
    def test_nothing_published_is_none(self, versions: Versions) -> None:
        assert versions.current() is None
        assert versions.list() == []
        versions.sweep()

    def test_the_last_published_is_current(self, versions: Versions) -> None:
        publish(versions, "one")
        second = publish(versions, "two", "v2")
        assert versions.current() == second == versions.root / "v2"
        assert (second / "a.txt").read_text() == "two"
        assert read_manifest(second, KIND).meta == {"text": "two"}
        assert len(versions.list()) == 2
        assert versions.list()[-1] == "v2"
        assert hidden_files(versions) == []

    def test_a_complete_folder_made_elsewhere_is_adopted(self, versions: Versions, tmp_path: Path) -> None:
        publish(versions, "one", "v1")
        made = tmp_path / "run-1"
        (made / "part").mkdir(parents=True)
        (made / "part" / "a.txt").write_text("made")
        write_manifest(made, KIND, {"method": "lora"})
        (made / "rejected.jsonl").write_text("rows that stay where they are")
        assert versions.adopt(made) == versions.current() == versions.root / "run-1"
        assert read_manifest(versions.root / "run-1", KIND).meta == {"method": "lora"}
        assert not (versions.root / "run-1" / "rejected.jsonl").exists()
        assert hidden_files(versions) == []
        for taken in (versions.adopt, lambda folder: versions.require_free(folder.name)):
            with pytest.raises(Conflict, match="run-1"):
                taken(made)
        with pytest.raises(InvalidInput):
            versions.require_free("a name")

    def test_a_damaged_folder_is_not_adopted(self, versions: Versions, tmp_path: Path) -> None:
        made = tmp_path / "run-1"
        made.mkdir()
        (made / "a.txt").write_text("made")
        write_manifest(made, KIND, {})
        (made / "a.txt").write_text("changed")
        with pytest.raises(Damaged):
            versions.adopt(made)
        assert versions.list() == []

    def test_an_older_version_can_be_activated(self, versions: Versions) -> None:
        publish(versions, "one", "v1")
        publish(versions, "two", "v2")
        versions.activate("v1")
        assert versions.current() == versions.root / "v1"
        with pytest.raises(NotFound, match="v9"):
            versions.activate("v9")
        (versions.root / "v2" / "a.txt").write_text("changed")
        with pytest.raises(Damaged):
            versions.activate("v2")
        assert versions.current() == versions.root / "v1"

    def test_a_name_is_taken_once(self, versions: Versions) -> None:
        publish(versions, "one", "v1")
        with pytest.raises(Conflict):
            publish(versions, "two", "v1")
        assert (versions.root / "v1" / "a.txt").read_text() == "one"

    @pytest.mark.parametrize("name", ["../v1", "a/b", ".hidden", "", "x" * 101, "a b", "版本"])
    def test_names_cannot_leave_the_folder(self, versions: Versions, name: str) -> None:
        with pytest.raises((InvalidInput, NotFound)):
            versions.activate(name)

    @pytest.mark.parametrize("damage", ["content", "file", "manifest", "folder", "pointer", "pointer file"])
    def test_the_last_good_version_is_taken(
        self, versions: Versions, damage: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        publish(versions, "one", "v1")
        publish(versions, "two", "v2")
        current = versions.root / "v2"
        match damage:
            case "content":
                (current / "a.txt").write_text("tw0")
            case "file":
                (current / "part" / "b.npy").unlink()
            case "manifest":
                (current / MANIFEST).write_text("{")
            case "folder":
                shutil.rmtree(current)
            case "pointer":
                (versions.root / POINTER).write_bytes(b"\x00\xff\n")
            case "pointer file":
                (versions.root / POINTER).unlink()
        found = versions.current()
        expected = "v2" if damage.startswith("pointer") else "v1"
        assert found == versions.root / expected
        assert f"Serving the thing version {expected}" in caplog.text

    def test_what_was_never_current_is_not_fallen_back_to(self, versions: Versions) -> None:
        trained = versions.root / "a0"
        trained.mkdir(parents=True)
        (trained / "a.txt").write_text("nobody promoted it")
        write_manifest(trained, KIND, {})
        assert versions.list() == ["a0"]
        assert versions.current() is None
        publish(versions, "one", "v1")
        publish(versions, "two", "v2")
        (versions.root / "v2" / "a.txt").write_text("x")
        (trained / MANIFEST).touch()
        assert versions.current() == versions.root / "v1"
        (versions.root / "v1" / "a.txt").write_text("x")
        with pytest.raises(Damaged):
            versions.current()

    def test_the_history_of_an_older_aisle_is_all_there_is(self, versions: Versions) -> None:
        for number in range(3):
            publish(versions, str(number), f"v{number}")
        (versions.root / HISTORY).unlink()
        versions.activate("v1")
        assert versions.history() == ["v0", "v2", "v1"]

    def test_rolling_back_goes_one_further_each_time(self, versions: Versions) -> None:
        for number in range(4):
            publish(versions, str(number), f"v{number}")
        (versions.root / "v2" / "a.txt").write_text("x")

        def works(folder: Path) -> None:
            if folder.name == "v2b":
                raise Damaged("it does not work")

        publish(versions, "2b", "v2b")
        versions.activate("v3")
        assert versions.roll_back(works) == versions.current() == versions.root / "v1"
        assert versions.history() == ["v0", "v1"]
        versions.activate("v3")
        assert versions.roll_back(works).name == "v1"
        assert versions.roll_back(works).name == "v0"
        with pytest.raises(NotFound, match="v0"):
            versions.roll_back(works)
        assert versions.pointer() == "v0"

    def test_where_none_is_whole_it_says_so(self, versions: Versions) -> None:
        (publish(versions, "one", "v1") / "a.txt").write_text("x")
        with pytest.raises(Damaged, match=r"a\.txt") as found:
            versions.current()
        assert found.value.hint == "Build it again."

    def test_what_fails_while_staged_leaves_nothing(self, versions: Versions) -> None:
        publish(versions, "one", "v1")
        with pytest.raises(shutil.Error), versions.stage() as folder:
            shutil.copytree(Path(__file__).parent, folder, dirs_exist_ok=True, copy_function=_copy_until_it_fails)
        assert hidden_files(versions) == []
        assert versions.current() == versions.root / "v1"

    def test_a_full_disk_is_named_and_the_old_version_stays(self, versions: Versions) -> None:
        publish(versions, "one", "v1")
        with pytest.raises(Unavailable, match="full"), versions.stage():
            raise OSError(errno.ENOSPC, "No space left on device")
        assert versions.current() == versions.root / "v1"
        assert hidden_files(versions) == []

    def test_sweep_keeps_the_newest_and_the_current(self, versions: Versions) -> None:
        for number in range(5):
            publish(versions, str(number), f"v{number}")
        versions.activate("v0")
        (versions.root / ".tmp-CURRENT-dead").write_text("v9")
        with versions.stage() as living:
            versions.sweep(keep=2)
            assert living.is_dir()
        assert versions.list() == ["v0", "v3", "v4"]
        assert versions.current() == versions.root / "v0"
        assert hidden_files(versions) == []


class TestLock:
    def test_two_at_once_conflict(self, versions: Versions) -> None:
        with versions.lock(), pytest.raises(Conflict) as refused, versions.lock():
            pass
        assert refused.value.hint
        with versions.lock():
            pass

    def test_another_process_is_kept_out_until_it_is_killed(self, versions: Versions) -> None:
        code = f"""
import sys, time
from pathlib import Path
from storage.publish import Versions
with Versions(Path({str(versions.root)!r}), "thing").lock():
    print("held", flush=True)
    time.sleep(60)
"""
        with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            with pytest.raises(Conflict), versions.lock():
                pass
            other.send_signal(signal.SIGKILL)
            other.wait()
        with versions.lock():
            pass


def _copy_until_it_fails(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    raise FileNotFoundError(errno.ENOENT, "gone", source)


PUBLISH_FOR_EVER = """
import os, sys
from pathlib import Path
from storage.publish import Versions
versions = Versions(Path(sys.argv[1]), "thing")
print("ready", flush=True)
number = 0
while True:
    number += 1
    with versions.lock():
        with versions.stage() as folder:
            for part in range(3):
                (folder / f"{part}.bin").write_bytes(os.urandom(20_000))
            versions.publish(folder, {"number": number})
        versions.sweep(keep=2)
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_version_that_loads(versions: Versions) -> None:
    publish(versions, "first", "first")
    chance = random.Random(7)
    served = set()
    for _ in range(12):
        command = [sys.executable, "-c", PUBLISH_FOR_EVER, str(versions.root)]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 4)):  # "ready", and with luck a version or two
                writer.stdout.readline()
            time.sleep(chance.uniform(0, 0.08))
            os.kill(writer.pid, signal.SIGKILL)
            writer.wait()
        pointed = versions.pointer()
        assert pointed is not None
        current = versions.current()
        assert current == versions.root / pointed, "the version that the pointer names is whole"
        served.add(current.name)
        for name in versions.list():
            read_manifest(versions.root / name, KIND)
    assert len(served) > 1, "the writers were killed before they published anything"
    with versions.lock():
        versions.sweep(keep=1)
    assert hidden_files(versions) == []
    assert versions.current() == versions.root / str(versions.pointer())
