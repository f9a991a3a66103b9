"""Text inside Markdown that stays text: no link, picture or element is made of what a person or a feed wrote."""

from __future__ import annotations

import re
from typing import Final

# What makes a link of the words before it, opens an element, or is an address that many renderers make a link of by themselves.
_MAKES: Final = re.compile(r"\\|\](?=[(\[:])|<(?=[a-z/!?])|:(?=//)|(?<=www)\.", re.IGNORECASE)


def unlinked(text: str) -> str:
    r"""The text with a backslash before each sign that would make something of it.

    `[here](https://a.example)` becomes `[here\](https\://a.example)`, which Markdown shows as it was written;
    "Lamp [2-pack]" stays.
    """
    return _MAKES.sub(r"\\\g<0>", text)
