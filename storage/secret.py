"""The shop's secret: one file that only its owner may read, from which every signature is made."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
from pathlib import Path

from storage.errors import Damaged, Unavailable

logger = logging.getLogger(__name__)

_NAME = "secret"
_SHAPE = re.compile(r"[0-9a-f]{64,}")


def load_secret(shop: Path) -> str:
    """The secret in `<shop>/secret`, at least 64 hexadecimal digits; it is made where there is none.

    Two processes that start at once get the same one: the file appears whole or not at all, and the first one stays.

    Raises:
        Damaged: the file holds something else.
        Unavailable: it cannot be read or made.
    """
    path = shop / _NAME
    try:
        if not path.exists():
            _make(path)
        text = path.read_text(encoding="ascii", errors="replace").strip()
        if path.stat().st_mode & 0o077:
            logger.warning("%s could be read by others; it is closed to them now.", path)
            path.chmod(0o600)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be used: {error.strerror}.", "Give a folder that this user may write."
        ) from None
    if not _SHAPE.fullmatch(text):
        raise Damaged(
            f"{path} holds no secret.", "Delete it and start again: a new one is made, and everybody signs in anew."
        )
    return text


def derive(secret: str, purpose: str) -> str:
    """A key for one purpose alone, so that what was signed for one is worth nothing for another."""
    return hmac.new(secret.encode(), purpose.encode(), hashlib.sha512).hexdigest()


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".tmp-secret-{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as out:
            out.write(secrets.token_hex(32) + "\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            path.hardlink_to(beside)  # unlike a rename, this never replaces one that is there
        except FileExistsError:
            logger.debug("Another process made %s first.", path)
    finally:
        beside.unlink()
