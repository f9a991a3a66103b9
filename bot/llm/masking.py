"""Personal data on the way to a model and back: numbered placeholders go out, the customer's own words come back."""

from __future__ import annotations

import re

from storage.redaction import redact

_LAST_FOUR = re.compile(r"(?:\bending (?:in|with)|尾号(?:为|是)?)\s*(\d{4})(?!\d)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"REDACTED_[A-Z]+_\d+")


class Mask:
    """One turn's placeholders: the same address is the same `REDACTED_EMAIL_1` in all texts of the turn."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._told: list[str] = []

    def learn(self, address: str) -> None:
        """A postal address that the talk has agreed on, which no pattern knows: wherever it stands it is hidden from now on."""
        if address.strip() and address not in self._told:
            self._told = sorted((*self._told, address), key=len, reverse=True)

    def hide(self, text: str) -> str:
        """The text as it may leave the shop."""
        for address in self._told:
            text = re.sub(
                re.escape(address), lambda match: self._name("REDACTED_ADDRESS", match[0]), text, flags=re.IGNORECASE
            )
        text = _LAST_FOUR.sub(lambda match: match[0].replace(match[1], self._name("REDACTED_CARD", match[1])), text)
        return redact(text, self._name)

    def restore(self, text: str) -> str:
        """A sentence for the customer, who wrote what is put back. Nothing else is ever restored: no tool sees it."""
        originals = {name: original for original, name in self._names.items()}
        return _PLACEHOLDER.sub(lambda match: originals.get(match[0], match[0]), text)

    def without(self, text: str) -> str:
        """The text without this turn's placeholders, which are no words of the model's own."""
        known = self._names.values()
        return _PLACEHOLDER.sub(lambda match: " " if match[0] in known else match[0], text)

    def _name(self, placeholder: str, original: str) -> str:
        kind = sum(name.startswith(f"{placeholder}_") for name in self._names.values())
        return self._names.setdefault(original, f"{placeholder}_{kind + 1}")
