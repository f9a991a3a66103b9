"""What a full disk looks like through each library is taken for what it is, and nothing else is."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from storage.disk import disk_trouble, new_file, writing
from storage.errors import Conflict, InvalidInput, Unavailable
from storage.rows import Rejects

# Each writer hits the limit of a file's size, as it would hit the end of a disk, and says so in its own words.
PROGRAM = """
import resource, signal, sys
from pathlib import Path
import numpy, openvino
from openvino import opset13
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models
from storage.disk import disk_trouble
from storage.errors import Unavailable

folder, zeros = Path(sys.argv[1]), numpy.zeros((300, 300), numpy.float32)
asked = opset13.parameter([1, 300], numpy.float32)
model = openvino.Model([opset13.matmul(asked, opset13.constant(zeros + 1), False, False)], [asked])
words = Tokenizer(models.WordLevel({str(number): number for number in range(5_000)}, unk_token="0"))
writers = {
    "text": lambda path: path.write_text("x" * 100_000),
    "numpy": lambda path: numpy.save(path.open("wb"), zeros),
    "safetensors": lambda path: save_file({"zeros": zeros}, path),
    "tokenizers": lambda path: words.save(str(path)),
    "openvino": lambda path: openvino.save_model(model, path.with_suffix(".xml"), compress_to_fp16=False),
}
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for name, write in writers.items():
    try:
        with disk_trouble(folder):
            write(folder / name)
    except Unavailable as error:
        print(name, error.message)
"""


def test_every_library_that_runs_out_of_disk_is_understood(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = f"{tmp_path} cannot be written: the disk is full, or takes no file of that size."
    names = ("text", "numpy", "safetensors", "tokenizers", "openvino")
    assert done.stdout.splitlines() == [f"{name} {said}" for name in names]


def raised_in(root: Path, error: Exception) -> Exception:
    """What comes out of a block that writes below `root` and fails so."""
    with pytest.raises(type(error) if not isinstance(error, OSError) else Exception) as caught, disk_trouble(root):
        raise error
    return caught.value


def test_a_full_or_closed_disk_is_named(tmp_path: Path) -> None:
    full = raised_in(tmp_path, OSError(errno.ENOSPC, "No space left on device"))
    assert isinstance(full, Unavailable)
    assert full.message == f"The disk that holds {tmp_path} is full."
    closed = raised_in(tmp_path, PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "x")))
    assert isinstance(closed, Unavailable)
    assert "Permission denied" in closed.message


def test_what_is_no_failed_write_keeps_its_own_words(tmp_path: Path) -> None:
    others = [
        PermissionError(errno.EACCES, "Permission denied", "/base/model.safetensors"),
        FileNotFoundError(errno.ENOENT, "No such file", str(tmp_path / "x")),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        RuntimeError("shapes do not match"),
        InvalidInput("The checkpoint cannot be written: I/O error (os error 28).", "Go on from the last."),
    ]
    for error in others:
        assert raised_in(tmp_path, error) is error


def test_what_only_writes_says_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "x"
    with pytest.raises(Unavailable, match="cannot be written: Not a directory"), writing(path):
        path.write_text("x")
    rejects = Rejects()
    rejects.add(1, "bad", {})
    with pytest.raises(Unavailable, match="cannot be written"):
        rejects.write(path)


class TestNewFile:
    def test_it_is_not_written_over(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        with new_file(path) as out:
            out.write("work\n")
        with pytest.raises(Conflict, match="there already"), new_file(path) as out:
            out.write("other\n")
        assert path.read_text() == "work\n"

    def test_half_of_one_vanishes(self, tmp_path: Path) -> None:
        path = tmp_path / "x"

        def write() -> None:
            with new_file(path) as out:
                out.write("half\n")
                raise OSError(errno.ENOSPC, "No space left on device")

        with pytest.raises(Unavailable, match="No space left"):
            write()
        assert not path.exists()
