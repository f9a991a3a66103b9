"""Quantities as catalogs and customers write them: "1.5 L", "4-6 qt", "1 1/2 cups", "5 ft 11 in", "27英寸", "16G", "4 ports".

A unit leads to a kind ("volume") and a factor to the kind's base unit (ml); what two units share can be compared. Some are
written alike: "oz" is a volume of a mug and a mass of tea, "16G" a memory and a mass. Then a quantity has several readings, and
the attribute it is compared with decides. Whatever else a number counts ("4 ports", "12件") is a kind of its own, named
by its noun.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from retrieval.understanding import numbers
from retrieval.understanding.text import lower, normalise
from retrieval.understanding.vocabulary import stem


class Unit(NamedTuple):
    """What one unit measures, its size in the kind's base unit, and the tradition it is of: converted values are rounded."""

    kind: str
    factor: float
    system: str = "metric"


def _units(lines: str) -> dict[str, tuple[Unit, ...]]:
    found: dict[str, tuple[Unit, ...]] = {}
    for line in filter(None, (line.strip() for line in lines.splitlines())):
        head, _, words = line.partition("|")
        kind, factor, *system = head.split()
        unit = Unit(kind, float(factor), *system)
        for word in words.split(","):
            found[word.strip()] = (*found.get(word.strip(), ()), unit)
    return found


# Kind, factor to its base unit, tradition | every spelling in lower case.
UNITS: dict[str, tuple[Unit, ...]] = _units("""
    volume 1 | ml, milliliter, millilitre, milliliters, millilitres, cc, 毫升
    volume 10 | cl, centiliter, centilitre, centiliters, centilitres
    volume 1000 | l, liter, litre, liters, litres, 升, 公升
    volume 29.5735 us | oz, ounce, ounces, fl oz, fl. oz, fl.oz, floz, fluid ounce, fluid ounces, 盎司, 液盎司
    volume 236.588 us | cup, cups
    volume 473.176 us | pint, pints, pt
    volume 946.353 us | quart, quarts, qt, qts
    volume 3785.41 us | gallon, gallons, gal, 加仑
    mass 0.001 | mg, milligram, milligrams, 毫克
    mass 1 | g, gram, grams, gm, gr, 克
    mass 1000 | kg, kgs, kilo, kilos, kilogram, kilograms, 公斤, 千克
    mass 500 | 斤, 市斤
    mass 50 | 两
    mass 28.3495 us | oz, ounce, ounces, 盎司
    mass 453.592 us | lb, lbs, pound, pounds, 磅
    length 1 | mm, millimeter, millimetre, millimeters, millimetres, 毫米
    length 10 | cm, cms, centimeter, centimetre, centimeters, centimetres, 厘米, 公分
    length 1000 | m, meter, metre, meters, metres, 米
    length 25.4 us | in, in., inch, inches, ", 英寸, 寸, 吋
    length 304.8 us | ft, ft., foot, feet, 英尺
    length 914.4 us | yd, yard, yards
    area 1 | m2, m², sqm, sq m, square meter, square metre, square meters, square metres, 平方米, 平米, ㎡, 平方
    area 0.092903 us | sq ft, sqft, square foot, square feet, ft2, ft²
    data 1 | mb, megabyte, megabytes
    data 1000 | gb, g, gig, gigs, gigabyte, gigabytes
    data 1000000 | tb, t, terabyte, terabytes
    power 1 | w, watt, watts, 瓦
    power 1000 | kw, kilowatt, kilowatts, 千瓦
    energy 1 | wh, watt hour, watt hours, watt-hours, 瓦时
    energy 1000 | kwh
    time 1 | s, sec, secs, second, seconds, 秒
    time 60 | min, mins, minute, minutes, 分钟
    time 3600 | h, hr, hrs, hour, hours, 小时, 个小时, 钟头, 个钟头
    time 86400 | day, days, 天
    time 604800 | week, weeks, 周, 个星期, 星期
    time 2629800 | month, months, 个月
    time 31557600 | year, years, yr, yrs, 年
    charge 1 | mah, 毫安时, 毫安
    charge 1000 | ah, 安时
    voltage 1 | v, volt, volts, 伏
    frequency 1 | hz, hertz, 赫兹
    frequency 1000 | khz
    frequency 1000000 | mhz
    frequency 1000000000 | ghz
    loudness 1 | db, dba, decibel, decibels, 分贝
    light 1 | lm, lumen, lumens, 流明
    pressure 1 | bar, bars, 巴
    pressure 0.0689476 us | psi
    torque 1 | nm, n·m, newton meters, 牛·米, 牛米
    pixels 1 | mp, megapixel, megapixels, 万像素
    sensitivity 1 | dpi
    lines 1 | p
    lines 540 | k
    speed 1 | mb/s, mbps
    speed 1000 | gb/s, gbps
    celsius 1 | °c, ℃, c, celsius, degrees celsius, degree celsius, degrees c, 摄氏度, 度
    fahrenheit 1 | °f, f, fahrenheit, degrees fahrenheit, degree fahrenheit, degrees f, 华氏度
""")
# Nouns of counts that say the same: each of a row is read as its first.
_SAME_NOUN = {
    word: row[0]
    for row in (
        ("piece", "pieces", "pc", "pcs", "件", "片"), ("person", "persons", "people", "人"), ("port", "ports", "接口"),
        ("sheet", "sheets", "张"), ("page", "pages", "页"), ("slot", "slots", "槽", "卡位"), ("player", "players"),
    )
    for word in row
}  # fmt: skip
_NUMBER = r"\d+\s+\d{1,2}\s*[/\u2044]\s*\d{1,2}|\d+\s*[/\u2044]\s*\d{1,2}(?!\d)|\d+(?:[.,]\d+)*"
_ONE = (
    r"(?:half )?an?(?= (?:pounds?|lb|kilo|kg|lit(?:er|re)|gallon|quart|pint|cup|ounce|met(?:er|re)|foot|yard|inch|hour|day|week"
    r"|minute|terabyte|gigabyte)\b)|半(?=升|斤|公斤|米|小时)"
)
_SPELLED = rf"{_ONE}|{numbers.ENGLISH_WORDS}|{numbers.CHINESE}"
NUMBER = re.compile(rf"(?<![a-z\d_./#\x02-])(?<!\d,)(?:(?P<digits>-?(?:{_NUMBER}))|(?<![a-z])(?P<spelled>{_SPELLED}))")
_SIGNED = re.compile(rf"-?(?:{_NUMBER})")
_BETWEEN = re.compile(r"\s*(?:-|~|\bto\b|至|到)\s*")
_AND = re.compile(r"\s*(?:\band\b|和|与)\s*")
_BETWEEN_BEFORE = re.compile(r"\b(?:between|anywhere from|from)\s+(?:about |around )?$|在$|介于$")
_UNIT_WORD = re.compile(
    r"[\s-]{0,2}(?P<word>"
    + "|".join(
        # A Latin unit ends with its word; "in" is one only where no phrase goes on with it ("27 in black").
        re.escape(word) + (r"(?![a-z0-9²])" if word[-1].isascii() and word[-1].isalnum() else "")
        for word in sorted(UNITS, key=len, reverse=True)
    )
    + ")"
)
_PREPOSITION_IN = re.compile(r"\s+(?!or\b|and\b|wide|long|tall|high|deep|thick|screen|display|\+|max|min|minimum)[a-z]")
# "IPX7", "SPF 50+": a number behind its mark. Of IP67 the second figure is the one for water.
_MARKED = re.compile(
    r"(?<![a-z0-9])(?:(?P<ip>ip)[x\d](?P<water>\d)|(?P<mark>[a-z]{2,5})[\s-]?(?P<number>\d{1,3}))(?![\d.a-z])\+?"
)
_NOUN = re.compile(r"[\s-]{0,2}(?:个)?(?P<word>[a-z]{3,}|pc|[\u3400-\u9fff]{1,3})")
_NOUN_BEHIND = re.compile(r"\s(?!or\b|and\b)[a-z][a-z-]{1,9}\s(?P<word>[a-z]{3,})")  # "8 card slots"
_LEAD = re.compile(r"\s*(?:approx(?:imately|\.)?|about|ca\.?|up to|max\.?|~|≈|约|长达|最长|可达)\s*")
_TAIL = re.compile(r"\s*(?:$|[(,;/]|(?:with|per|each|max|approx|total|at|of|when|by)\b|[左右约])")
_BY = re.compile(r"\s*[x×*]\s*")
_NAMED_UNIT = re.compile(r"[(\[_,/\s]\s*(?P<unit>[a-z\"°²/]{1,12}|[\u3400-\u9fff]{1,3})\s*[)\]]?$")
_NO_NOUNS: frozenset[str] = frozenset()
_SIDES = re.compile(r"(?:\b|_|\()(length|width|height|depth|l|w|h|d|长|宽|高)\s*[x×*/]\s*")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A range of one kind in base units, `low` and `high` alike for a single number; `system` is the unit's tradition."""

    kind: str
    low: float
    high: float
    system: str = "metric"


class Said(NamedTuple):
    """A quantity in a text at `[start, end)` with its readings; `ranged` tells "20-30 L" from "30 L"."""

    start: int
    end: int
    readings: tuple[Quantity, ...]
    unit: str
    ranged: bool


def number(text: str) -> float | None:
    """`number("1,5")` is 1.5, "2,000" and "2 000" 2000, "1 1/2" 1.5; None where it is no number.

    A comma before three digits groups thousands unless a zero stands before it; a point is the decimal mark unless there
    are several.
    """
    text = text.strip()
    sign = -1.0 if text.startswith("-") else 1.0
    text = text.lstrip("-")
    fraction = re.fullmatch(r"(?:(\d+)\s+)?(\d+)\s*[/\u2044]\s*(\d+)", text)
    if fraction:
        over = int(fraction[3])
        return sign * (int(fraction[1] or 0) + int(fraction[2]) / over) if over else None
    if text.count(".") > 1 or re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", text):
        text = text.replace(",", "") if text.count(".") <= 1 else text.replace(".", "").replace(",", ".")
    text = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text.replace(",", "")
    try:
        return sign * float(text)
    except ValueError:
        return None


def spelled(text: str) -> float | None:
    """Number words of either language: "two", "twenty", "half a", "两", "十五"."""
    if text in ("a", "an", "半") or text.startswith("half"):
        return 1.0 if text.startswith("a") else 0.5
    if text.isascii():
        return float(numbers.english_words(text))
    value = numbers.chinese(text)
    return None if value is None else float(value)


def of_unit(low: float, high: float, word: str) -> tuple[Quantity, ...]:
    """Every reading of a quantity in the unit of that spelling; none where the word is no unit."""
    found = []
    for unit in UNITS.get(word, ()):
        if word == "k" and 2 <= low < 2.7:
            found.append(Quantity("lines", 1440.0, 1440.0))  # what shops call 2K
        elif unit.kind == "fahrenheit":
            found.append(Quantity("celsius", (low - 32) / 1.8, (high - 32) / 1.8, "us"))
        else:
            found.append(Quantity(unit.kind, low * unit.factor, high * unit.factor, unit.system))
    return tuple(found)


def noun_of(word: str) -> str:
    """The kind of what is counted: "ports", "port" and "接口" are "count of port"."""
    return f"count of {_SAME_NOUN.get(word) or _SAME_NOUN.get(stem(word), stem(word))}"


def said_in(view: str, nouns: frozenset[str]) -> Iterator[Said]:
    """The quantities of a turn; counts and marks ("SPF 50") only of `nouns`, the kinds that the catalog has."""
    for marked in _MARKED.finditer(view):
        if (of_mark := _mark(marked)).kind in nouns:
            yield Said(marked.start(), marked.end(), (of_mark,), of_mark.kind, False)
    position = 0
    while (found := NUMBER.search(view, position)) is not None:
        position = found.end()
        place = found.end()
        said = found["digits"] or found["spelled"]
        if re.fullmatch(r"[一三四五六七八九]两", said):  # the numeral is a unit as well: "三两"
            said, place = said[0], place - 1
        first = number(said) if found["digits"] else spelled(said)
        if first is None:
            continue
        end, unit = _unit_after(view, place, nouns)
        # "20+ L" and "20 or more L" carry their comparison inside; the reader of limits finds it behind the number.
        if unit is None and (plus := re.match(r"\s?\+\s?", view[found.end() : found.end() + 3])):
            end, unit = _unit_after(view, found.end() + plus.end(), nouns)
            if unit is not None:
                yield Said(found.start(), end, _readings(first, first, unit), unit, False)
                position = end
                continue
        between = _BETWEEN.match(view, end) or (
            _AND.match(view, end) if _BETWEEN_BEFORE.search(view, max(0, found.start() - 20), found.start()) else None
        )
        second = NUMBER.match(view, between.end()) or _SIGNED.match(view, between.end()) if between else None
        if second is not None:
            last = number(second[0]) if second[0][-1].isdigit() else spelled(second[0])
            far, other = _unit_after(view, second.end(), nouns)
            if last is not None and other is not None and (first < last or unit is not None):
                low = _readings(first, first, unit or other)
                high = _readings(last, last, other)
                joined = tuple(
                    Quantity(one.kind, min(one.low, two.low), max(one.low, two.low), two.system)
                    for one in low
                    for two in high
                    if one.kind == two.kind
                )
                if joined:
                    yield Said(found.start(), far, joined, other, True)
                    position = far
                    continue
        if unit is not None:
            if view.startswith("半", end) and unit in UNITS:  # "一斤半"
                first, end = first + 0.5, end + 1
            readings = _readings(first, first, unit)
            end, readings = _with_rest(view, end, readings, nouns)
            yield Said(found.start(), end, readings, unit, False)
            position = end


def _mark(found: re.Match[str]) -> Quantity:
    value = float(found["water"] or found["number"])
    return Quantity(f"mark {found['ip'] or found['mark']}", value, value)


def _readings(low: float, high: float, unit: str) -> tuple[Quantity, ...]:
    return of_unit(low, high, unit) or (Quantity(unit, low, high),)


def _with_rest(
    view: str, end: int, readings: tuple[Quantity, ...], nouns: frozenset[str]
) -> tuple[int, tuple[Quantity, ...]]:
    """Add the smaller unit of "5 ft 11 in" and "2小时30分钟"."""
    rest = re.compile(rf"[\s,]{{0,2}}(?P<digits>{_NUMBER})").match(view, end)
    if rest is None:
        return end, readings
    far, unit = _unit_after(view, rest.end(), nouns)
    value = number(rest["digits"])
    if unit is None or value is None:
        return end, readings
    smaller = {reading.kind: reading.low for reading in of_unit(value, value, unit)}
    joined = tuple(
        Quantity(each.kind, each.low + smaller[each.kind], each.high + smaller[each.kind], each.system)
        for each in readings
        if each.kind in smaller and 0 < smaller[each.kind] < each.low
    )
    return (far, joined) if joined else (end, readings)


def _unit_after(view: str, end: int, nouns: frozenset[str]) -> tuple[int, str | None]:
    """Where the unit behind a number ends, and its spelling; the kind of a count is its own spelling."""
    unit = _UNIT_WORD.match(view, end)
    if unit and not (unit["word"] == "in" and _PREPOSITION_IN.match(view, unit.end())):
        return unit.end(), unit["word"]
    for noun in (_NOUN.match(view, end), _NOUN_BEHIND.match(view, end) if nouns else None):
        if noun is None:
            continue
        word = noun["word"]
        for length in range(len(word), 0, -1) if not word.isascii() else (len(word),):
            if noun_of(word[:length]) in nouns:
                return noun.start("word") + length, noun_of(word[:length])
    return end, None


def side_of(name: str) -> list[str]:
    """The sides that a name puts in order: "Dimensions (W x D x H)" → ["w", "d", "h"]; empty where it does not say."""
    folded = f"{lower(normalise(name))} x "
    sides = [side[0] for side in _SIDES.findall(folded)]
    return sides if len(sides) > 1 else []


def unit_named(name: str) -> str:
    """The unit that a name carries for its numbers: "Weight (kg)" → "kg"; "" where none does."""
    found = _NAMED_UNIT.search(lower(normalise(name)).strip())
    return found["unit"] if found and found["unit"] in UNITS else ""


def sides_in(value: str) -> list[Quantity]:
    """Each number of "60 x 45 cm" in turn as a quantity of its unit; empty where the value is no such product."""
    text = lower(normalise(value)).strip()
    parts, position = [], 0
    while (found := re.compile(_NUMBER).match(text, position)) is not None:
        end, unit = _unit_after(text, found.end(), _NO_NOUNS)
        parts.append((number(found[0]), unit))
        by = _BY.match(text, end)
        if by is None:
            break
        position = by.end()
    unit = parts[-1][1] if parts else None
    if len(parts) < 2 or unit is None:
        return []
    return [
        reading
        for value_, own in parts
        if value_ is not None
        for reading in of_unit(value_, value_, own or unit)
        if reading.kind == "length"
    ]


def quantity_of(value: str, unit: str = "") -> tuple[Quantity, ...]:
    """The readings of an attribute's value, none where it is no quantity.

    `unit` is the one that the attribute's name carries. What begins with a number and its unit is a quantity with an
    explanation ("40 hours with the case"); what has more numbers in it is not. A bare number is of the kind "".

    >>> quantity_of("4-6 qt")
    (Quantity(kind='volume', low=3785.412, high=5678.118, system='us'),)
    """
    text = lower(normalise(value)).strip()
    if marked := _MARKED.fullmatch(text):
        return (_mark(marked),)
    lead = _LEAD.match(text)
    first = _SIGNED.match(text, lead.end() if lead else 0)
    low = number(first[0]) if first else None
    if first is None or low is None:
        return ()
    end, own = _unit_after(text, first.end(), _NO_NOUNS)
    between = _BETWEEN.match(text, end)
    second = _SIGNED.match(text, between.end()) if between else None
    high = number(second[0]) if second else low
    if second is not None:
        if high is None or high < low:
            return ()
        end, own_second = _unit_after(text, second.end(), _NO_NOUNS)
        own = own_second or own
    if own is None:
        return _unitless(text, end, low, high or low, unit)
    readings = of_unit(low, high or low, own)
    if second is None:
        end, readings = _with_rest(text, end, readings, _NO_NOUNS)
    rest = text[end:].lstrip(".")
    if not _TAIL.match(rest) or re.search(r"\d", rest.partition("(")[0]):
        return ()
    return readings


def _unitless(text: str, end: int, low: float, high: float, unit: str) -> tuple[Quantity, ...]:
    text = text.removesuffix("个")
    noun = _NOUN.match(text, end)
    if noun and noun.end() == len(text):
        return (Quantity(noun_of(noun["word"]), low, high),)
    if text[end:].strip():
        return ()
    return of_unit(low, high, unit) if unit else (Quantity("", low, high),)
