"""Text of catalogs made plain: no tags, no entities, no control characters, one space between words, a length limit."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

from index.hanzi import simplified

LONGEST_TEXT: Final = 20_000
_LONGEST_INPUT: Final = 400_000

# An unclosed script or comment swallows the rest, as in a browser; it also keeps the scan linear.
_HIDDEN: Final = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
_INLINE: Final = re.compile(r"</?(?:a|b|i|u|em|strong|span|font|small|sub|sup|mark|code|abbr)\b[^<>]*>", re.IGNORECASE)
_TAG: Final = re.compile(r"</?[a-zA-Z][^<>]*>|<![a-zA-Z][^<>]*>")
_SPACE: Final = re.compile(r"\s+")
# Direction overrides can make a card read differently from its record. Joiners (U+200C, U+200D) stay: emoji need them.
_UNSEEN: Final = frozenset("\u200b\u2060\ufeff\u00ad\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean_text(text: str, limit: int = LONGEST_TEXT) -> str:
    """Plain text of what may be HTML, at most `limit` characters, cut between words.

    "3 < 5" stays; "<b>Big</b>&nbsp;&amp; bold<br>new" becomes "Big & bold new". Entities are resolved twice, because
    feeds often escape their HTML once more.
    """
    text = text[:_LONGEST_INPUT]
    for _ in range(2):
        if "<" in text:
            text = _TAG.sub(" ", _INLINE.sub("", _HIDDEN.sub(" ", text)))
        if "&" not in text:
            break
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", _INLINE.sub("", _HIDDEN.sub(" ", text)))
    text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = "".join(" " if char.isspace() else char for char in text if _kept(char))
    text = _SPACE.sub(" ", text).strip()
    if len(text) <= limit:
        return text
    cut = text[:limit]
    return (cut.rsplit(" ", 1)[0] if " " in cut[-80:] else cut).rstrip()


def _kept(char: str) -> bool:
    return char.isspace() or (char not in _UNSEEN and unicodedata.category(char) not in ("Cc", "Cs", "Co", "Cn"))


def fold(text: str) -> str:
    """The form in which names and values compare, without width, case, spacing and script: "ＬＥＤ  燈" → "led 灯"."""
    return _SPACE.sub(" ", simplified(unicodedata.normalize("NFKC", text).casefold())).strip()


def has_cjk(text: str) -> bool:
    """Whether a text has any such character."""
    return not text.isascii() and any(map(is_cjk, text))


def is_cjk(char: str) -> bool:
    """Whether a character is Han, kana or Hangul: scripts written without spaces, or that MiniLM cannot read."""
    code = ord(char)
    return (
        0x3400 <= code <= 0x4DBF
        or 0x4E00 <= code <= 0x9FFF
        or 0x3040 <= code <= 0x30FF
        or 0xAC00 <= code <= 0xD7AF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x323AF
    )
