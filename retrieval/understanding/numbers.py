"""Numbers as people write them: "1,200", "1.5k", "three hundred", "1.299,00", "一千五", "3百", "两三百"."""

from __future__ import annotations

import re
from decimal import Decimal

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_SCALE = {"hundred": 100, "thousand": 1000, "grand": 1000}
_WORD = "|".join(sorted([*_SMALL, *_SCALE], key=len, reverse=True))

ENGLISH_DIGITS = r"\d{1,3}(?:[,.]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d{1,9}(?:[.,]\d{1,2})?(?!\d)"
ENGLISH_WORDS = (
    rf"(?:an?[\s-]+(?=hundred|thousand|grand))?(?:{_WORD})"
    # "Two hundred and fifty" is one number, "twenty and forty" are two.
    rf"(?:(?:[\s-]+|(?:(?<=hundred)|(?<=thousand)|(?<=grand))[\s-]+and[\s-]+)(?:{_WORD})){{0,6}}(?![a-z])"
)
ONES = "一二两三四五六七八九"
CHINESE = rf"[{ONES}十百千万零〇]{{1,10}}"
CHINESE_MIXED = r"\d{1,6}(?:\.\d{1,2})?[百千万](?:\d|[一二两三四五六七八九])?"
CHINESE_PAIR = rf"(?P<pair_low>[{ONES}])(?P<pair_high>[{ONES}])(?P<pair_scale>[十百千万])"

_CHINESE_DIGIT = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CHINESE_SCALE = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_MIXED = re.compile(r"(\d+(?:\.\d+)?)([百千万])([\d一二两三四五六七八九])?")

LARGEST = Decimal(10**9)


def digits(text: str) -> Decimal:
    """Read digits with separators of either tradition.

    "1,299.00" and "1.299,00" are 1299; a lone separator with exactly three digits after it groups thousands ("1.200" is
    1200: no price has three decimals), with one or two it is the decimal mark.
    """
    last = max(text.rfind(","), text.rfind("."))
    if last < 0:
        return Decimal(text)
    tail = text[last + 1 :]
    if len(tail) == 3:
        return Decimal(re.sub(r"[.,]", "", text))
    return Decimal(f"{re.sub(r'[.,]', '', text[:last])}.{tail}")


def english_words(text: str) -> Decimal:
    """Read number words: "two thousand five hundred" is 2500, "a hundred" is 100."""
    total = current = 0
    for word in re.findall(r"[a-z]+", text):
        if word in _SMALL:
            current += _SMALL[word]
        elif word in _SCALE:
            scale = _SCALE[word]
            current = max(current, 1) * scale
            if scale > 100:
                total, current = total + current, 0
    return Decimal(total + current)


def chinese(text: str) -> Decimal | None:
    """Read Chinese numerals; the colloquial last digit takes the next lower scale: "一千五" is 1500, "两百五" is 250.

    None where the characters are no number ("百万千", "十十").
    """
    total = section = 0
    digit: int | None = None
    scale = last_scale = 0
    zero = False
    for char in text:
        if char in _CHINESE_DIGIT:
            if digit is not None and digit != 0:
                return None
            digit = _CHINESE_DIGIT[char]
            zero = zero or digit == 0
            continue
        scale = _CHINESE_SCALE[char]
        if scale == 10_000:
            total = (total + section + (digit or 0)) * scale
            section, digit, last_scale, zero = 0, None, scale, False
            if total == 0:
                return None
        else:
            if last_scale and last_scale != 10_000 and scale >= last_scale:
                return None
            section += (1 if digit is None else digit) * scale
            digit, last_scale, zero = None, scale, False
    if digit:
        colloquial = last_scale >= 100 and not zero
        section += digit * (last_scale // 10 if colloquial else 1)
    return Decimal(total + section)


def chinese_mixed(text: str) -> Decimal | None:
    """Read digits with a Chinese scale: "3百" is 300, "1.5万" is 15000, "2千5" is 2500."""
    found = _MIXED.fullmatch(text)
    if found is None:
        return None
    scale = _CHINESE_SCALE[found[2]]
    value = Decimal(found[1]) * scale
    if found[3]:
        last = int(found[3]) if found[3].isdigit() else _CHINESE_DIGIT[found[3]]
        value += last * (scale // 10)
    return value


def granularity(value: Decimal) -> Decimal:
    """The unit that "多" leaves open: 200 → 100 ("两百多" is 200 to 300), 1500 → 100, 30 → 10."""
    whole = int(value)
    unit = 1
    while whole and whole % (unit * 10) == 0:
        unit *= 10
    return Decimal(unit)


def small_number(text: str) -> int | None:
    """A count of 1 to 99 in digits, English words or Chinese numerals, else None."""
    if text.isascii() and text.isdigit():
        value = int(text[:4])
    elif text in _SMALL:
        value = _SMALL[text]
    elif text and all(char in _CHINESE_DIGIT or char in "十" for char in text):
        read = chinese(text)
        value = int(read) if read is not None else 0
    else:
        return None
    return value if 1 <= value <= 99 else None
