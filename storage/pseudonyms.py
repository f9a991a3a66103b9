"""Names in the place of user ids, for what is looked at outside of the database: the log, figures, reports, lists of odd users.

A pseudonym is keyed with the shop's secret: the same person has the same one in every file, and nobody without the secret can tell
whose it is or try ids until one fits. Who has the secret can. The log of looks knows who is erased by another hash
(`storage.erasure`).
"""

from __future__ import annotations

import hmac
from typing import Final

from storage.secret import derive

DIGITS: Final = 16
"""Hexadecimal digits that are told: two of a million people share one with a chance of 1 to 37 million."""
_PURPOSE: Final = "analytics"


class Pseudonyms:
    """Makes the pseudonyms of one shop; `secret` is `storage.secret.load_secret`'s."""

    def __init__(self, secret: str) -> None:
        self._key = derive(secret, _PURPOSE).encode()

    def of(self, user_id: str) -> str:
        """The name that stands for a person: `u-` and 16 hexadecimal digits, the same each time."""
        said = hmac.new(self._key, user_id.encode("utf-8", errors="replace"), "sha256").hexdigest()
        return f"u-{said[:DIGITS]}"
