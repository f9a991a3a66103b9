"""Writes that fail, told apart from all else that goes wrong around them.

Only Python itself says a full disk in an `OSError` with its number. What is written through a library comes in other words:

    safetensors, tokenizers    SafetensorError, Exception    … No space left on device (os error 28)
    numpy                      OSError without a number      1000000 requested and 12484 written
    OpenVINO                   RuntimeError                  basic_ios::clear: iostream error
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from storage.errors import AisleError, Conflict, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT)
_TOO_LARGE = (errno.EFBIG,)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
_RUST = re.compile(r"\(os error (\d+)\)")
_CUT_SHORT = re.compile(r"iostream error|\d+ requested and \d+ written")


@contextmanager
def disk_trouble(root: Path, shown: Path | None = None) -> Iterator[None]:
    """Turns a write below `root` that failed into an `Unavailable` that says so of `shown`; other errors pass as they are.

    A file elsewhere that may not be read is no failed write, whatever its error looks like.
    """
    try:
        yield
    except AisleError:
        raise
    except Exception as error:
        number = _number(error)
        place = shown or root
        if number in _FULL:
            raise Unavailable(f"The disk that holds {place} is full.", "Free some space and run it again.") from error
        if number in _TOO_LARGE or _CUT_SHORT.search(str(error)):
            raise Unavailable(
                f"{place} cannot be written: the disk is full, or takes no file of that size.",
                "Free some space and run it again.",
            ) from error
        if number in _REFUSED and _is_below(error, root):
            raise Unavailable(
                f"{place} cannot be written: {os.strerror(number or 0)}.", "Give a folder that is writable."
            ) from error
        raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """For a block that does nothing but write to `path`: whatever the system says against it becomes an `Unavailable`."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be written: {error.strerror or error}.",
            "Free some space, or give a place that is writable.",
        ) from error


@contextmanager
def new_file(path: Path, encoding: str = "utf-8") -> Iterator[TextIO]:
    """A text file that is not there yet, lines as they are given; it vanishes when the block fails.

    Raises:
        Conflict: the file is there already: it may hold somebody's work.
        Unavailable: it cannot be written.
    """
    with writing(path):
        try:
            out = path.open("x", encoding=encoding, newline="")
        except FileExistsError:
            raise Conflict(f"{path} is there already.", "It may hold somebody's work: give another name.") from None
        try:
            with out:
                yield out
        except BaseException:
            path.unlink()
            raise


def _number(error: Exception) -> int | None:
    """The system's number for what went wrong, also where a library only spells it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _RUST.search(str(error))
    return int(found[1]) if found else None


def _is_below(error: Exception, root: Path) -> bool:
    """Whether the file that an error names lies below `root`; one that names none may."""
    name = getattr(error, "filename", None)
    return not isinstance(name, str | os.PathLike) or Path(name).absolute().is_relative_to(root.absolute())
