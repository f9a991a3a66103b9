"""Structured personal data in free text becomes a stable placeholder, before the text is logged, trained on or sent on.

What only looks like it stays: a card number must pass the Luhn check (ISO/IEC 7812-1), an IBAN the mod-97 check (ISO 13616), a
phone number needs the shape of one, so that model numbers, GTINs, prices, dates and order numbers survive.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}\s?(?:@|＠|\s\(at\)\s|\[at\])\s?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_IBAN = re.compile(
    r"(?<![a-z0-9])[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?(?![a-z0-9])", re.IGNORECASE | re.ASCII
)
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])", re.ASCII)
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)", re.ASCII)
_IP6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE | re.ASCII)
# International with +, Chinese mobiles, North American groups, and the trunk-zero forms of Europe with separators.
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    r"(?:\+|00)\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}(?:[ .-]?\d{2,5}){1,4}"
    r"|1[3-9]\d[ -]?\d{4}[ -]?\d{4}"
    r"|(?:1[ .-])?\(\d{3}\) ?\d{3}[ .-]\d{4}"
    r"|(?:1[.-])?\d{3}([.-])\d{3}\1\d{4}"
    r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5}"
    r")(?![\w-]|\.\d)",
    re.ASCII,
)


def luhn(digits: str) -> bool:
    """The check digit of payment cards: `luhn("4111111111111111")` is True."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban_holds(text: str) -> bool:
    """The mod-97 check of an IBAN without spaces."""
    moved = text[4:] + text[:4]
    return 15 <= len(text) <= 34 and int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1


def _iban(match: re.Match[str]) -> str:
    compact = re.sub(r"[ -]", "", match[0])
    # The pattern may run on into the next word; the longest prefix that passes the check is the number.
    for end in range(len(compact), 14, -1):
        if iban_holds(compact[:end]):
            return "REDACTED_IBAN" + _after(match[0], end)
    return match[0]


def _after(text: str, count: int) -> str:
    """What follows the first `count` letters and digits of `text`."""
    for place, sign in enumerate(text):
        count -= sign not in " -"
        if count == 0:
            return text[place + 1 :]
    return ""


def _card(match: re.Match[str]) -> str:
    digits = re.sub(r"[ -]", "", match[0])
    grouped = len(digits) != len(match[0])
    # Payment cards begin with 2 to 6; a GTIN-13 or -14 without groups passes Luhn one time in ten and must stay.
    payment = digits[0] in "23456" and luhn(digits) and (len(digits) >= 15 or grouped)
    return "REDACTED_CARD" if payment else match[0]


def _ip(match: re.Match[str]) -> str:
    try:
        ipaddress.ip_address(match[0])
    except ValueError:
        return match[0]
    # "16:9::" is valid IPv6 too; an address in use has a group that no clock and no ratio has.
    return "REDACTED_IP" if "." in match[0] or max(map(len, match[0].split(":"))) > 2 else match[0]


def _phone(match: re.Match[str]) -> str:
    digits = sum(sign.isdigit() for sign in match[0])
    return "REDACTED_PHONE" if 8 <= digits <= 15 else match[0]


_Replace = str | Callable[[re.Match[str]], str]
# In this order: an address may hold digits, a card more digits than a phone.
_RULES: tuple[tuple[re.Pattern[str], _Replace], ...] = (
    (_EMAIL, "REDACTED_EMAIL"),
    (_IBAN, _iban),
    (_CARD, _card),
    (_IP4, _ip),
    (_IP6, _ip),
    (_PHONE, _phone),
)


def redact(text: str) -> str:
    """The text without e-mail addresses, phone, card and IBAN numbers and IP addresses.

    `redact("call +49 170 1234567 or mail a.b@c.de")` is `"call REDACTED_PHONE or mail REDACTED_EMAIL"`.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
