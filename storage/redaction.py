"""Structured personal data in free text becomes a stable placeholder, before the text is logged, trained on or sent on.

What only looks like it stays: a card number must pass the Luhn check (ISO/IEC 7812-1), an IBAN the mod-97 check
(ISO 13616), a phone number needs the shape of one or a word like "call" before it, so that model numbers, GTINs, prices,
dates and order numbers survive.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

# Read as if typed on a Latin keyboard. One sign for one, so that places in both texts are the same.
_FULL_WIDTH = {0xFF10 + digit: str(digit) for digit in range(10)} | dict(
    # Not the colon, which Chinese text writes before an address as we write ": ".
    zip(map(ord, "＠．＋－（）‐‑–—\u00a0\u2009\u202f\u3000"), "@.+-()----    ", strict=True)
)

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64} ?(?:@| ?\(at\) ?| ?\[at\] ?) ?"
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
# Addresses that are not all Latin: the text around them is cut off at anything but letters, digits and . + - _
_EMAIL_OF_OTHER_SCRIPTS = re.compile(
    r"(?:(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]{1,64}@(?:[\w-]{1,63}\.)+(?:中国|中國|公司|网络|香港|台湾|рф|[A-Za-z]{2,24}(?![A-Za-z]))"
    r"|(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}(?![A-Za-z]))"
)
_IBAN = re.compile(
    r"(?<![a-z0-9])[a-z]{2}\d{2}(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?(?![a-z0-9])", re.IGNORECASE | re.ASCII
)
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])", re.ASCII)
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)", re.ASCII)
_IP6 = re.compile(
    r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{0,4}|(?:\d{1,3}\.){3}\d{1,3})(?![\w:]|\.\d)",
    re.IGNORECASE | re.ASCII,
)
_VERSION = re.compile(r"(?:(?<![A-Za-z])(?:version|firmware|driver|rev|ver|v)\.?|版本|固件)[ :]*$", re.IGNORECASE)
# International with + or 00, Chinese mobiles, North American groups (neither area nor exchange begins with 0 or 1), and
# the trunk-zero forms of Europe and Asia, which need a separator but in China.
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    r"(?:\+|00)[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}(?:[ .-]?\d{2,5}){1,4}"
    r"|(?:86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}"
    r"|(?:1[ .-])?\([2-9]\d{2}\) ?[2-9]\d{2}[ .-]\d{4}"
    r"|(?:1[.-])?[2-9]\d{2}([.-])[2-9]\d{2}\1\d{4}"
    r"|\(0\d{1,4}\) ?\d{3,4}[ -]?\d{3,5}"
    r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5}"
    r"|0[1-9](?:[ .]\d{2}){4}"
    r"|0(?:10|2\d)\d{8}|0[3-9]\d{9,10}|400[ -]\d{3}[ -]\d{4}"
    r")(?![\w-]|\.\d)",
    re.ASCII,
)
# A plain number is a phone's where a word says so; so are those listed after it.
_PLAIN = r"(?:(?:1[ .-]?)?[2-9]\d{2}[ .-]?[2-9]\d{2}[ .-]?\d{4}|0\d{9,10}|[2-9]\d{6,7}|\d{10})"
_CALLED = re.compile(
    r"((?:(?<![A-Za-z])(?:call|dial|phone|tel|telephone|mobile|cell|fax|whatsapp|text|reach|my number)\b"
    r"|电话|手机|热线|座机|致电|拨打|微信)"
    r"(?:(?:\s|[:：.,#]|\b(?:me|us|my|number|no|nr|is|at|on)\b|号码|号|是|为|我|请)*))"
    rf"({_PLAIN}(?:(?: or | and |[ ,、，/和或]){{1,3}}{_PLAIN})*)(?![\w-]|\.\d|\s*(?:mah|ml|mm|w\b|gb|元))",
    re.IGNORECASE | re.ASCII,
)


def email_in(text: str) -> str | None:
    """The first e-mail address that a text names, None where it names none."""
    found = _EMAIL_OF_OTHER_SCRIPTS.search(text)
    return found.group() if found else None


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


def gtin_holds(digits: str) -> bool:
    """The check digit of a GTIN-8, -12, -13 or -14 (GS1 General Specifications): `gtin_holds("4006381333931")`."""
    if len(digits) not in (8, 12, 13, 14):
        return False
    return sum(int(digit) * (1 + 2 * (place % 2)) for place, digit in enumerate(reversed(digits))) % 10 == 0


# What a rule makes of a match: the placeholder and where the personal part begins and ends, or None to leave it.
_Found = tuple[str, int, int] | None


def _whole(placeholder: str) -> Callable[[re.Match[str]], _Found]:
    return lambda match: (placeholder, match.start(), match.end())


def _iban(match: re.Match[str]) -> _Found:
    compact = re.sub(r"[ -]", "", match[0])
    # The pattern may run on into the next word; the longest prefix that passes the check is the number.
    for length in range(len(compact), 14, -1):
        if iban_holds(compact[:length]):
            return "REDACTED_IBAN", match.start(), match.start() + _reach(match[0], length)
    return None


def _reach(text: str, count: int) -> int:
    """How long the prefix of `text` is that holds `count` letters and digits."""
    for place, sign in enumerate(text):
        count -= sign not in " -"
        if count == 0:
            return place + 1
    return len(text)


def _card(match: re.Match[str]) -> _Found:
    digits = re.sub(r"[ -]", "", match[0])
    grouped = len(digits) != len(match[0])
    # Payment cards begin with 2 to 6; a GTIN-13 or -14 without groups passes Luhn one time in ten and must stay.
    payment = digits[0] in "23456" and luhn(digits) and (len(digits) >= 15 or grouped)
    return ("REDACTED_CARD", match.start(), match.end()) if payment else None


def _ip(match: re.Match[str]) -> _Found:
    try:
        ipaddress.ip_address(match[0])
    except ValueError:
        return None
    # "a::b" is one too, to the letter, but nobody's; it is more often a name in a program.
    if not any(map(str.isdigit, match[0])) or _VERSION.search(match.string, max(0, match.start() - 12), match.start()):
        return None
    return "REDACTED_IP", match.start(), match.end()


def _phone(match: re.Match[str]) -> _Found:
    digits = re.sub(r"\D", "", match[0])
    product_code = match[0].isdigit() and gtin_holds(digits)
    return ("REDACTED_PHONE", match.start(), match.end()) if 8 <= len(digits) <= 15 and not product_code else None


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], _Found]]

_AT = re.compile(r"@|[(\[]at[)\]]", re.IGNORECASE)
_DIGIT = re.compile("[0-9]")

# In this order: an address may hold digits, a card more digits than a phone.
_ADDRESSES: tuple[_Rule, ...] = (
    (_EMAIL, _whole("REDACTED_EMAIL")),
    (_EMAIL_OF_OTHER_SCRIPTS, _whole("REDACTED_EMAIL")),
)
# Each with the fewest digits that it can match: most text has none, and a price has too few for most of them.
_NUMBERS: tuple[tuple[int, _Rule], ...] = (
    (2, (_IBAN, _iban)),
    (13, (_CARD, _card)),
    (1, (_IP6, _ip)),  # may end in the other kind
    (4, (_IP4, _ip)),
    (8, (_PHONE, _phone)),
    (7, (_CALLED, lambda match: ("REDACTED_PHONE", *match.span(2)))),
)


def redact(text: str, name: Callable[[str, str], str] = lambda placeholder, _: placeholder) -> str:
    """The text without e-mail addresses, phone, card and IBAN numbers and IP addresses.

    `redact("call +49 170 1234567 or mail a.b@c.de")` is `"call REDACTED_PHONE or mail REDACTED_EMAIL"`. `name` may tell them
    apart: it is given the placeholder and what it stands for, and returns what is written.
    """
    plain = _plain(text)
    if _AT.search(plain):
        for rule in _ADDRESSES:
            text = _applied(rule, text, name)
    digits = len(_DIGIT.findall(plain))
    for fewest, rule in _NUMBERS:
        if digits >= fewest:
            text = _applied(rule, text, name)
    return text


def _plain(text: str) -> str:
    return text if text.isascii() else text.translate(_FULL_WIDTH)


def _applied(rule: _Rule, text: str, name: Callable[[str, str], str]) -> str:
    pattern, judge = rule
    kept, end = [], 0
    for match in pattern.finditer(_plain(text)):
        found = judge(match)
        if found is not None:
            placeholder, start, stop = found
            kept += [text[end:start], name(placeholder, text[start:stop])]
            end = stop
    return "".join([*kept, text[end:]]) if kept else text
