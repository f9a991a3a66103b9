"""Reading prices as shops write them, and writing them for people. Amounts are integer minor units (ISO 4217)."""

from __future__ import annotations

import re
import unicodedata
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from index.product import Money

# Digits behind the point where ISO 4217 says other than two.
_MINOR_DIGITS: Final = {
    "BHD": 3, "BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "IQD": 3, "ISK": 0, "JOD": 3, "JPY": 0, "KMF": 0, "KRW": 0,
    "KWD": 3, "LYD": 3, "OMR": 3, "PYG": 0, "RWF": 0, "TND": 3, "UGX": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0,
    "XPF": 0,
}  # fmt: skip

_CODES: Final = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG "
    "HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA "
    "MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD "
    "RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD "
    "UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW".split()
)

# A sign that several currencies share means the shop's own where that is one of them, else the first.
_SIGNS: Final[dict[str, tuple[str, ...]]] = {
    "us$": ("USD",), "c$": ("CAD",), "ca$": ("CAD",), "a$": ("AUD",), "au$": ("AUD",), "nz$": ("NZD",), "s$": ("SGD",),
    "hk$": ("HKD",), "nt$": ("TWD",), "mx$": ("MXN",), "r$": ("BRL",),
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "CLP", "COP", "ARS"),
    "€": ("EUR",), "£": ("GBP",), "₩": ("KRW",), "₹": ("INR",), "rs": ("INR", "PKR", "LKR"), "₽": ("RUB",),
    "₫": ("VND",), "฿": ("THB",), "₺": ("TRY",), "₪": ("ILS",), "₴": ("UAH",), "zł": ("PLN",), "kč": ("CZK",),
    "ft": ("HUF",), "kr": ("SEK", "NOK", "DKK", "ISK"), "fr": ("CHF",), "₱": ("PHP",), "₦": ("NGN",),
    "cn¥": ("CNY",), "jp¥": ("JPY",), "¥": ("CNY", "JPY"), "元": ("CNY", "TWD", "HKD"), "圆": ("CNY",),
    "块": ("CNY",), "块钱": ("CNY",), "rmb": ("CNY",), "人民币": ("CNY",), "美元": ("USD",), "美金": ("USD",),
    "欧元": ("EUR",), "英镑": ("GBP",), "港币": ("HKD",), "港元": ("HKD",), "日元": ("JPY",), "円": ("JPY",),
    "euro": ("EUR",), "euros": ("EUR",), "dollars": ("USD", "CAD", "AUD", "NZD", "SGD"),
}  # fmt: skip

# Where "1.299" is one thousand two hundred and ninety-nine.
_DOT_GROUPS: Final = frozenset("EUR BRL DKK NOK SEK PLN TRY RUB ARS COP CLP IDR VND CZK HUF RON BGN RSD".split())

_NUMBER: Final = re.compile(r"\d+(?:[.,'’ ]\d+)*")
_LARGEST: Final = Decimal(10) ** 15

_NAMES: Final[dict[str, dict[str, str]]] = {
    "en": {
        "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "CN¥", "INR": "₹", "KRW": "₩", "CAD": "CA$",
        "AUD": "A$", "NZD": "NZ$", "HKD": "HK$", "TWD": "NT$", "BRL": "R$", "MXN": "MX$", "ILS": "₪", "VND": "₫",
    },
    "zh": {
        "CNY": "¥", "USD": "US$", "EUR": "€", "GBP": "£", "JPY": "JP¥", "KRW": "₩", "INR": "₹", "CAD": "CA$",
        "AUD": "AU$", "NZD": "NZ$", "HKD": "HK$", "TWD": "NT$", "BRL": "R$", "MXN": "MX$", "ILS": "₪", "VND": "₫",
    },
}  # fmt: skip
# CLDR: languages that write a decimal comma and the currency behind the number, by what groups their thousands.
_COMMA: Final = {
    **dict.fromkeys("da de el es id it nl pt ro tr vi".split(), "."),
    **dict.fromkeys("bg cs fi fr hu nb no pl ru sk sv uk".split(), "\N{NO-BREAK SPACE}"),
}


def minor_digits(currency: str) -> int:
    """Digits behind the decimal point: 2 for USD, 0 for JPY, 3 for KWD."""
    return _MINOR_DIGITS.get(currency, 2)


def currency_of(text: str, default: str) -> str | None:
    """The ISO code that a sign or word ("$", "元", "eur") means in a shop whose currency is `default`; None if none.

    A sign of several currencies means the shop's own where it is among them: "$" is CAD in a Canadian shop.
    """
    mark = unicodedata.normalize("NFKC", text).strip().rstrip(".").casefold()
    if mark.upper() in _CODES:
        return mark.upper()
    known = _SIGNS.get(mark)
    if known is None:
        return None
    return default if default in known else known[0]


def parse_money(value: Any, default_currency: str) -> Money | None:
    """A price in whatever form a catalog has it; None where it is none, or not one (a range, "on request", below 0).

    Objects are minor units, everything else is major units; a currency that is not written is the shop's::

        {"amount": 129900, "currency": "USD"} → 129900 USD      "1.299,00 €" → 129900 EUR
        12.5                                  →   1250 default   "1299元"     → 129900 CNY
        "$1,299.00"                           → 129900 USD      "1.2万元"    → 1200000 CNY
    """
    if isinstance(value, Money):
        return value
    if isinstance(value, dict):
        return _from_object(value, default_currency)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float | Decimal):
        return _money(Decimal(str(value)), default_currency)
    return _from_text(value, default_currency) if isinstance(value, str) else None


def format_money(money: Money, language: str = "en", *, short: bool = False) -> str:
    """The price as people of that language write it: "$1,299.00", "CN¥15.00" (en), "¥15.00" (zh), "12,00 €" (de), "12.00 CHF".

    `short` leaves out what is zero behind the point: "$50".
    """
    digits = minor_digits(money.currency)
    digits = 0 if short and money.amount % 10**digits == 0 else digits
    number = f"{Decimal(money.amount).scaleb(-minor_digits(money.currency)):,.{digits}f}"
    sign = _NAMES["zh" if language.startswith("zh") else "en"].get(money.currency)
    if language in _COMMA:
        number = number.replace(",", " ").replace(".", ",").replace(" ", _COMMA[language])
        return f"{number}\N{NO-BREAK SPACE}{sign or money.currency}"
    return f"{sign}{number}" if sign else f"{number} {money.currency}"


def _from_object(value: dict[str, Any], default_currency: str) -> Money | None:
    """{"amount": integer minor units, "currency": code}; text or fractions as amount are refused as ambiguous."""
    amount = value.get("amount")
    currency = str(value.get("currency") or default_currency).strip().upper()
    if isinstance(amount, float) and amount.is_integer():
        amount = int(amount)
    if isinstance(amount, bool) or not isinstance(amount, int) or currency not in _CODES:
        return None
    return Money(amount=amount, currency=currency) if 0 <= amount <= _LARGEST else None


def _from_text(text: str, default_currency: str) -> Money | None:
    text = unicodedata.normalize("NFKC", text[:100]).replace("\u2212", "-").strip()
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) != 1:
        return None
    number = numbers[0]
    before, after = text[: number.start()].strip(), text[number.end() :].strip()
    tenthousand = after.startswith("万")
    marks = [mark.rstrip("-").strip() for mark in (before, after.removeprefix("万").strip()) if mark]
    currencies = [currency_of(mark, default_currency) for mark in marks if mark]
    if before.endswith("-") or None in currencies:
        return None
    # "$12.99 USD" names it twice: the code, which stands last, is the exact one.
    currency = currencies[-1] if currencies else default_currency
    amount = _number(number.group(), currency or default_currency)
    if amount is None:
        return None
    return _money(amount * 10_000 if tenthousand else amount, currency or default_currency)


def _number(text: str, currency: str) -> Decimal | None:
    """The value of "1,299.00", "1.299,00", "1 299,5", "1'299" or "12.5"; None where the groups make no sense."""
    text = re.sub(r"['’ ]", "\N{NO-BREAK SPACE}", text)
    separators = [char for char in text if not char.isdigit()]
    kinds = list(dict.fromkeys(separators))
    decimal = ""
    if kinds and kinds[-1] in ".,":
        last = kinds[-1]
        tail = len(text) - text.rindex(last) - 1
        if separators.count(last) == 1 and (len(kinds) > 1 or not _groups(last, tail, text, currency)):
            decimal = last
    whole, _, fraction = text.partition(decimal) if decimal else (text, "", "")
    parts = re.split(r"[.,\N{NO-BREAK SPACE}]", whole)
    grouped = len(parts) > 1
    # Indian lakhs group by two: 1,29,900. The last group always has three digits.
    if grouped and (len(parts[-1]) != 3 or not 1 <= len(parts[0]) <= 3 or any(len(p) not in (2, 3) for p in parts[1:])):
        return None
    try:
        return Decimal("".join(parts) + ("." + fraction if fraction else ""))
    except InvalidOperation:
        return None


def _groups(separator: str, tail: int, text: str, currency: str) -> bool:
    """Whether the only separator of a number groups thousands ("1,299") rather than starting the fraction ("12,5")."""
    if tail != 3 or text.startswith("0") or minor_digits(currency) == 3:
        return False
    return separator == "," or currency in _DOT_GROUPS or minor_digits(currency) == 0


def _money(major: Decimal, currency: str) -> Money | None:
    if not major.is_finite() or not 0 <= major <= _LARGEST:
        return None
    amount = major.scaleb(minor_digits(currency)).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return Money(amount=int(amount), currency=currency) if amount <= _LARGEST else None
