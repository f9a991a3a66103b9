"""What in a reply is of one case alone, told from the words: numbers, names, dates, amounts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_CODE = r"(?P<value>(?=[A-Za-z-]*\d)[A-Za-z]{0,6}-?\d(?:[\w-]*\w)?)(?![\w-])"
_NO = r"(?: (?:no\.?|number|id|code))?"
_SHORTEST_CODE = 4
"""Digits of a number of one case: "order 2" is an item of a list, "parcel 3" one of several."""
_CODES: Final = (
    (
        "tracking",
        re.compile(r"(?<![\w-])(?P<value>(?:TRK\d{6,}|1Z[0-9A-Z]{16}|[A-Z]{2}\d{9}[A-Z]{2}))(?![\w-])", re.ASCII),
    ),
    (
        "tracking",
        re.compile(
            rf"(?:\b(?:tracking|parcel|package|shipment){_NO}|运单号?|快递单?号?|包裹|单号)[ :：#]*{_CODE}",
            re.IGNORECASE | re.ASCII,
        ),
    ),
    ("order_id", re.compile(rf"(?:\border{_NO}|订单号?|单子)[ :：#]*{_CODE}", re.IGNORECASE | re.ASCII)),
)
_HAN_NAME = r"[\u4e00-\u9fff]{2,3}"
_NAMES: Final = (
    (
        "agent",
        re.compile(
            r"\b(?:this is|my name is|I'm|I am) (?P<value>[A-Z][a-z]+)(?=[.,!]| from| of| here)"
            r"|\b(?P<other>[A-Z][a-z]+) (?:here|from customer care)\b"
        ),
    ),
    (
        "first_name",
        re.compile(
            r"\b(?:[Hh]i|[Hh]ello|[Dd]ear|[Hh]ey|[Gg]ood (?:day|morning|afternoon|evening)),? (?P<value>[A-Z][a-z]+)(?=[ ,.!])"
            r"|\b(?:[Tt]hank you|[Tt]hanks|[Ss]orry|[Ww]elcome|[Hh]elp(?: you)?|[Pp]leasure),? (?P<other>[A-Z][a-z]+)(?=[.,!])"
        ),
    ),
    (
        "agent",
        re.compile(
            rf"(?:我叫|我是(?:客服|售后的|客服专员|客户服务部的)?|客服)(?P<value>{_HAN_NAME})(?=[,，。.!！]|为您|很高兴)"
        ),
    ),
    (
        "first_name",
        re.compile(
            rf"(?:^|[,，。！!])(?P<value>{_HAN_NAME})[,，]?您好"
            rf"|您好[,，]?(?P<other>(?!我|这|请|客|很|感|欢|售){_HAN_NAME})(?=[,，。！!])"
        ),
    ),
)
_NO_NAMES: Final = frozenset(
    "There All Everyone Team Sir Madam Customer Sorry Happy Glad Sure Great Good Thanks Monday Tuesday Wednesday Thursday Friday "
    "Saturday Sunday January February March April May June July August September October November December 亲爱的".split()
)
"""Where a name could stand and these do; a customer named May is known by records."""

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_AMOUNT = r"\d[\d,]*(?:\.\d+)?"
# In this order: an amount has its sign before it, a date is made of numbers.
_BLANKS: Final = (
    (
        "money",
        re.compile(
            rf"(?:US|CN|HK|CA|AU)?[$€£¥￥]\s?{_AMOUNT}"
            rf"|(?<![A-Za-z0-9_.]){_AMOUNT}\s?(?:[$€£¥￥]|(?:usd|eur|gbp|cny|dollars?|euros?|pounds?)\b|元|块钱?|美元)",
            re.IGNORECASE,
        ),
    ),
    (
        "date",
        re.compile(
            rf"(?<![A-Za-z0-9_])20\d\d-\d\d-\d\d(?![A-Za-z0-9_])|(?:20\d\d\s?年\s?)?\d{{1,2}}\s?月\s?\d{{1,2}}\s?[日号]"
            rf"|\b{_DAY}(?: of)? {_MONTH}\b(?:,? 20\d\d)?|\b{_MONTH}\.? {_DAY}\b(?:,? 20\d\d)?"
            r"|(?<![A-Za-z0-9_/])\d{1,2}/\d{1,2}(?:/(?:20)?\d\d)?(?![A-Za-z0-9_/])",
            re.IGNORECASE,
        ),
    ),
    # Not the "1000XM4" of a product: a number of one case has a "#", or five digits in a row, or six among letters.
    (
        "number",
        re.compile(r"(?<![\w{-])(?:#(?=[\w-]*\d)[\w-]+|\d{5,}|(?=\w*(?:\d\w*){6})\w+(?:-\w+)*)(?![\w}])", re.ASCII),
    ),
)


def known_in(messages: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Slot by value: the numbers and names that a conversation of (role, text) names as what they are.

    `user "order A100042 never came"` makes "A100042" an order number wherever else it stands; names are read from what agents say.
    """
    found: dict[str, str] = {}
    for role, text in messages:
        for slot, pattern in _CODES:
            for match in pattern.finditer(text):
                if sum(map(str.isdigit, match["value"])) >= _SHORTEST_CODE:
                    found.setdefault(match["value"], slot)
        if role == "user":
            continue
        for slot, pattern in _NAMES:
            for match in pattern.finditer(text):
                name = match["value"] or match["other"]
                if name not in _NO_NAMES:
                    found.setdefault(name, slot)
    return found


def blanked(text: str) -> str:
    """The text with a blank for every amount, date and long number: "back by {date}", "{money} is on its way"."""
    for blank, pattern in _BLANKS:
        text = pattern.sub(f"{{{blank}}}", text)
    return text
