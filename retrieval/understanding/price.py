"""Budgets: amounts of money in a turn and what the words around them make of them.

An amount counts as money when a currency stands at it, or when a comparing word does and neither a unit ("under 2 kg",
"三天内") nor a counted thing ("at least 4 ports", "kids under 12") says otherwise. Model names ("iPhone 15"), packs and
sizes carry neither. What is decided here, once:

* "around 100", "100左右" and a bare "$100 headphones" are a range of ±20 %: a condition, because a shown price far
  from a named one reads as ignored.
* "two hundred something" ("两百多", "200多块") is 200 up to just under 300, "几百块" 200 up to just under 1,000, and "a hundred
  and a bit" ("一百出头") 100 up to 20 % more.
* "for $100", "my budget is 100", a turn that is only "$100": an upper limit.
* A budget for several pieces is shared among them: "two mugs for under $40" is 20 a piece, "under $40 each" is not shared.
* Bounds are inclusive ("under 50" keeps 50.00), which is what shoppers expect of round numbers.
* "块" and "bucks" are the shop's currency in everyday speech; "元", "人民币" and "¥" name CNY (¥ JPY where the shop
  sells in it).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from index.filters import PriceRange
from index.money import minor_digits
from index.product import Money
from retrieval.understanding import en, en_asides, numbers, zh, zh_asides
from retrieval.understanding.text import CLAIMED, Draft, word_set

_DOLLARS = word_set("USD CAD AUD NZD SGD HKD TWD")
AROUND = Decimal("0.2")
LEAST_ALONE = 60  # "300" as a whole turn answers for a budget; below that it may be a size or a position

SHOP = ""  # a word such as "bucks" or "块" that means whatever the shop sells in
_CURRENCY_WORDS: dict[str, str] = {
    "us$": "USD", "usd": "USD", "us dollar": "USD", "us dollars": "USD", "美元": "USD", "美金": "USD", "美刀": "USD",
    "$": "dollar", "dollar": "dollar", "dollars": "dollar", "dollers": "dollar", "刀": "dollar",
    "buck": SHOP, "bucks": SHOP, "块": SHOP, "块钱": SHOP, "蚊": SHOP,
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "欧元": "EUR", "欧": "EUR",
    "£": "GBP", "gbp": "GBP", "quid": "GBP", "pounds sterling": "GBP", "英镑": "GBP", "镑": "GBP",
    "¥": "yen or yuan", "元": "yuan", "圆": "yuan", "元钱": "yuan", "人民币": "CNY", "rmb": "CNY", "cny": "CNY",
    "yuan": "CNY", "元人民币": "CNY", "块人民币": "CNY", "块美金": "USD", "块美元": "USD",
    "yen": "JPY", "jpy": "JPY", "日元": "JPY", "日圆": "JPY", "港币": "HKD", "港元": "HKD", "hk$": "HKD", "hkd": "HKD",
    "台币": "TWD", "新台币": "TWD", "twd": "TWD", "nt$": "TWD", "c$": "CAD", "ca$": "CAD", "cad": "CAD", "a$": "AUD",
    "au$": "AUD", "aud": "AUD", "s$": "SGD", "sgd": "SGD", "krw": "KRW", "韩元": "KRW", "₩": "KRW", "₹": "INR",
    "inr": "INR",
    "rupees": "INR", "chf": "CHF",
}  # fmt: skip
_WRITTEN_BEFORE = word_set(
    "us$ usd $ € eur £ gbp ¥ rmb cny jpy hk$ hkd nt$ twd c$ ca$ cad a$ au$ aud s$ sgd ₩ ₹ inr chf"
    " 人民币 美金 美元 新台币 台币 港币 港元 日元 欧元 英镑"
)
_BEFORE = "|".join(
    re.escape(word)
    for word in sorted(
        _WRITTEN_BEFORE,
        key=len,
        reverse=True,
    )
)
_AFTER = "|".join(re.escape(word) for word in sorted(_CURRENCY_WORDS, key=len, reverse=True))
_AFTER = rf"(?:{_AFTER})(?:(?<![a-z])|(?![a-z]))"
# Not within a number or a code; a comma before it may end a clause ("包,100以内").
_NOT_INSIDE = r"(?<![a-z0-9_./#+-])(?<!\d,)"
_AMOUNT = re.compile(
    rf"(?:(?<![a-z])(?P<before>{_BEFORE})\s?)?"
    rf"(?:{_NOT_INSIDE}(?P<mixed>{numbers.CHINESE_MIXED})"
    rf"|{_NOT_INSIDE}(?P<digits>{numbers.ENGLISH_DIGITS})(?:\s?(?P<k>k|grand)(?![a-z]))?"
    rf"|(?<![a-z-])(?P<words>{numbers.ENGLISH_WORDS})"
    rf"|(?P<few>几[十百千万])|(?P<pair>{numbers.CHINESE_PAIR})|(?P<chinese>{numbers.CHINESE}))"
    rf"(?P<many>多(?:一?点儿?)?|[几来])?(?:\s?(?P<after>{_AFTER}))?(?P<many_after>多)?"
)
# Straight after the digits: "50mm", "10/100", "2-pack", "15pro", "4.5.2"; "ish" and "+" are read as words around it.
_GLUED = re.compile(r"(?!ish\b)[a-z_]|[/.,:x×](?=\d)|-(?=[a-z])|-(?=\d+[a-z])|'s?\b|\"|''|°|%")


CORRECTED: Final = re.compile(
    r"\b(?:no|nope|sorry|actually|rather|i mean|i meant|make (?:it|that)|wait|correction|instead)\b|不对|不是|应该|还是|改成|说错",
    re.IGNORECASE,
)


class _Amount(NamedTuple):
    start: int
    end: int
    low: Decimal
    high: Decimal
    currency: str | None
    spoken: bool  # a number word or numeral, too common in speech to stand without a currency or a strong cue

    @property
    def money(self) -> bool:
        return self.currency is not None


@dataclass(frozen=True, slots=True)
class Budget:
    """What the turn says about price: bounds in the shop's currency, or a limit in another, to be asked about."""

    price: PriceRange | None = None
    foreign: Money | None = None
    clash: tuple[Money, Money] | None = None
    """A lower and an upper limit that one turn names and no price keeps both."""


def minor_units(amount: Decimal, currency: str) -> int:
    """`minor_units(Decimal("49.99"), "USD")` is 4999; JPY counts whole units."""
    return int((amount * 10 ** minor_digits(currency)).to_integral_value())


class PriceReader:
    """Finds the budget in a turn and claims its words."""

    def __init__(self, currency: str) -> None:
        self.currency = currency

    def read(self, draft: Draft, alone: Callable[[str], bool]) -> Budget:
        """Read and claim every budget phrase; `alone` says of the rest of a turn that it holds no product words.

        Of two statements about the same bound the later one wins; "over 50 but under 100" gives both. Of two that cannot both hold
        the later one wins where the turn corrects itself ("over 100, no, under 50"); else they clash.
        """
        clash: tuple[Decimal, Decimal] | None = None
        low: Decimal | None = None
        high: Decimal | None = None
        foreign: Money | None = None
        position = 0
        while (amount := self._next(draft, position)) is not None:
            position = amount.end
            second = self._second(draft, amount)
            said = self._range(draft, amount, second, alone) if second else None
            if said is None and (low is not None or high is not None) and self._merely_named(draft, amount):
                continue  # "between $50 and $100, closer to $50"
            if said is None:
                said = self._single(draft, amount, alone)
            if said is None:
                continue
            start, end, minimum, maximum, word = said
            pieces, end = _pieces(draft, amount, end)
            minimum, maximum = (bound if bound is None else bound / pieces for bound in (minimum, maximum))
            draft.claim(start, end)
            position = max(end, amount.end)
            currency = self._resolve(word)
            if currency != self.currency:
                limit = maximum if maximum is not None else minimum
                foreign = Money(amount=minor_units(limit or Decimal(0), currency), currency=currency)
                continue
            if minimum is not None and maximum is not None:
                low, high = minimum, maximum
            elif maximum is not None:
                high = maximum
                if low is not None and low > high:
                    clash, low = (low, high), None
            else:
                low = minimum
                if high is not None and low is not None and high < low:
                    clash, high = (low, high), None
        if low is None and high is None:
            return Budget(None, foreign)
        if clash is not None and not CORRECTED.search(draft.low):
            ends = tuple(Money(amount=minor_units(end, self.currency), currency=self.currency) for end in clash)
            return Budget(None, foreign, (ends[0], ends[1]))
        bounds = [None if bound is None else minor_units(bound, self.currency) for bound in (low, high)]
        return Budget(PriceRange(min=bounds[0], max=bounds[1], currency=self.currency), foreign)

    def _resolve(self, word: str | None) -> str:
        """ISO code of a currency word, with the shop's own reading of "$", "¥" and "元" first."""
        code = SHOP if word is None else _CURRENCY_WORDS[word]
        if code == SHOP:
            return self.currency
        if code == "dollar":
            return self.currency if self.currency in _DOLLARS else "USD"
        if code == "yuan":
            return self.currency if self.currency in ("CNY", "TWD", "HKD", "SGD") else "CNY"
        if code == "yen or yuan":
            return self.currency if self.currency in ("CNY", "JPY") else "CNY"
        return code

    def _next(self, draft: Draft, position: int) -> _Amount | None:
        for found in _AMOUNT.finditer(draft.view, position):
            amount = self._value(draft, found)
            if amount is not None:
                return amount
        return None

    def _value(self, draft: Draft, found: re.Match[str]) -> _Amount | None:
        currency = found["before"] or found["after"]
        low: Decimal | None
        high: Decimal | None = None
        if found["digits"]:
            low = numbers.digits(found["digits"])
            if found["k"]:
                low *= 1000
        elif found["words"]:
            low = numbers.english_words(found["words"])
        elif found["mixed"]:
            low = numbers.chinese_mixed(found["mixed"])
        elif found["few"]:  # "几十块": from two tens to less than the next scale
            scale = numbers.chinese(f"一{found['few'][1]}") or Decimal(1)
            low, high = 2 * scale, 10 * scale - Decimal("0.01")
        elif found["pair"]:
            scale = numbers.chinese(f"一{found['pair_scale']}") or Decimal(1)
            low = scale * (numbers.chinese(found["pair_low"]) or 0)
            high = scale * (numbers.chinese(found["pair_high"]) or 0)
            if low >= high:
                return None
        else:
            low = numbers.chinese(found["chinese"])
        if low is None or low > numbers.LARGEST or (low == 0 and not currency):
            return None
        if (found["many"] == "几" or found["few"]) and not currency:
            return None  # "十几个", "几百人"
        if not currency and _GLUED.match(draft.view, found.end()):
            return None
        if high is None:
            high = low
            if found["many"] or found["many_after"]:
                high = low + numbers.granularity(low) - Decimal("0.01")
        return _Amount(found.start(), found.end(), low, high, currency, not (found["digits"] or found["mixed"]))

    def _second(self, draft: Draft, first: _Amount) -> _Amount | None:
        joint = _JOINT.match(draft.view, first.end)
        if joint is None:
            return None
        found = _AMOUNT.match(draft.view, joint.end()) or _SECOND_DIGITS.match(draft.view, joint.end())
        return self._value(draft, found) if found else None

    def _range(
        self, draft: Draft, first: _Amount, second: _Amount, alone: Callable[[str], bool]
    ) -> tuple[int, int, Decimal | None, Decimal | None, str | None] | None:
        start, end = first.start, second.end
        left, right = draft.view[max(0, start - 40) : start], draft.view[end : end + 40]
        currency = second.currency or first.currency
        bare = currency is None
        if bare and (_unit_follows(right) or _counted_before(left)):
            return None
        before = en.RANGE_BEFORE.search(left) or zh.RANGE_BEFORE.search(left)
        after = zh.RANGE_AFTER.match(right)
        low, high = first.low, second.high
        if low > high and second.low < 10 <= first.low and first.spoken:
            return None
        if bare and not (before or after):
            rest = f"{draft.view[:start]} {draft.view[end:]}".replace(CLAIMED, " ")
            lonely = alone(rest)
            trailing = not first.spoken and min(low, high) >= 10 and bool(en.AMOUNT_ENDS.match(right))
            spoken_price = min(low, high) >= 50 and zh.OF_AFTER.match(right)
            if (
                not lonely
                and not spoken_price
                and not (trailing and en.PLAIN_WORD_BEFORE.search(left) and high <= 20 * low)
            ):
                return None
        low, high = min(low, high), max(low, high)
        return start - (len(before[0]) if before else 0), end + (len(after[0]) if after else 0), low, high, currency

    def _single(
        self, draft: Draft, amount: _Amount, alone: Callable[[str], bool]
    ) -> tuple[int, int, Decimal | None, Decimal | None, str | None] | None:
        left, right = draft.view[max(0, amount.start - 48) : amount.start], draft.view[amount.end : amount.end + 40]
        if not amount.money and (_unit_follows(right) or _counted_before(left)):
            return None
        kind, before, after = _comparison(left, right)
        start, end = amount.start - before, amount.end + after
        if kind is None and amount.money and (low := en.FROM_AMOUNT.search(left)):
            return amount.start - len(low[0]), amount.end, amount.low, None, amount.currency
        if kind is None:
            return self._uncompared(draft, amount, left, right, alone)
        if kind == "raised":  # "加到150" is a budget, "加到3" a number of pieces
            if not amount.money and amount.low < LEAST_ALONE:
                return None
            kind = "upper"
        if not amount.money and not _may_be_bare(kind, amount, before, left, right[after:]):
            return None
        if kind == "around" or (kind == "budget" and amount.high > amount.low):
            if amount.high > amount.low:
                return start, end, amount.low, amount.high, amount.currency
            return start, end, amount.low * (1 - AROUND), amount.low * (1 + AROUND), amount.currency
        if kind == "little_over":
            return start, end, amount.low, amount.low * (1 + AROUND), amount.currency
        if kind == "lower":
            return start, end, amount.low, None, amount.currency
        return start, end, None, amount.high, amount.currency

    def _merely_named(self, draft: Draft, amount: _Amount) -> bool:
        left, right = draft.view[max(0, amount.start - 48) : amount.start], draft.view[amount.end : amount.end + 40]
        return _comparison(left, right)[0] is None and not (en.HAVE_BEFORE.search(left) or zh.HAVE_BEFORE.search(left))

    def _uncompared(
        self, draft: Draft, amount: _Amount, left: str, right: str, alone: Callable[[str], bool]
    ) -> tuple[int, int, Decimal | None, Decimal | None, str | None] | None:
        if not amount.money and amount.high == amount.low:
            rest = f"{draft.view[: amount.start]} {draft.view[amount.end :]}".replace(CLAIMED, " ")
            if amount.low >= LEAST_ALONE and alone(rest):
                return amount.start, amount.end, None, amount.high, None
            return None
        if amount.high > amount.low and (amount.money or alone(draft.view[: amount.start])):
            return amount.start, amount.end, amount.low, amount.high, amount.currency
        if not amount.money:
            return None
        rest = f"{draft.view[: amount.start]} {draft.view[amount.end :]}".replace(CLAIMED, " ")
        have = en.HAVE_BEFORE.search(left) or zh.HAVE_BEFORE.search(left)
        after = zh.CAN_BUY_AFTER.match(right)
        if have or after or alone(rest):
            start = amount.start - (len(have[0]) if have else 0)
            return start, amount.end + (len(after[0]) if after else 0), None, amount.high, amount.currency
        spread = amount.low * AROUND
        return amount.start, amount.end, amount.low - spread, amount.low + spread, amount.currency


_JOINT = re.compile(r"\s*(?:-|~|\bto\b|\band\b|到|至|和|与|跟)\s*")
_SECOND_DIGITS = re.compile(
    rf"(?P<before>)(?P<mixed>)(?P<digits>{numbers.ENGLISH_DIGITS})(?:\s?(?P<k>k)(?![a-z]))?(?P<words>)(?P<pair>)"
    rf"(?P<few>)(?P<chinese>)"
    rf"(?P<many>[多来])?(?:\s?(?P<after>{_AFTER}))?(?P<many_after>多)?"
)


def _pieces(draft: Draft, amount: _Amount, end: int) -> tuple[int, int]:
    """Among how many pieces a budget is shared, and where the words for it end: "two mugs for under $40" is 20 a piece."""
    left, right = draft.low[max(0, amount.start - 60) : amount.start], draft.view[end : end + 40]
    for language in (en_asides, zh_asides):
        if each := language.EACH_AFTER.match(right):
            return 1, end + each.end()
        total = language.TOTAL_AFTER.match(right)
        counted = (language.COUNT_BEFORE.search(left) if total else None) or language.TOTAL_BEFORE.search(left)
        count = numbers.small_number(counted["count"]) if counted else None
        if count is not None:
            return count, end + (total.end() if total else 0)
    return 1, end


def _comparison(left: str, right: str) -> tuple[str | None, int, int]:
    """Kind of comparison and how many characters of `left` and `right` its words take."""
    for language in (en, zh):
        after = language.PRICE_AFTER.match(right)
        before = language.PRICE_BEFORE.search(left)
        if not (after or before):
            continue
        kind_after = after.lastgroup if after else None
        kind_before = before.lastgroup if before else None
        if kind_after == "refused":  # "超过三百就不要了"
            if kind_before not in _TURNED:
                continue
            return _TURNED[kind_before], len(before[0]), len(after[0])
        # "预算500左右", "budget around 50", "budget 50 or less": the comparing word beats the word "budget".
        if kind_before in (None, "budget"):
            kind = kind_after or kind_before
        elif kind_before == "around" and kind_after in ("upper", "lower"):
            kind = kind_after
        else:
            kind = kind_before
        return kind, len(before[0]) if before else 0, len(after[0]) if after else 0
    return None, 0, 0


_TURNED = {"lower": "upper", "upper": "lower"}


def _unit_follows(right: str) -> bool:
    return bool(en.UNIT_AFTER.match(right) or zh.UNIT_AFTER.match(right))


def _counted_before(left: str) -> bool:
    return bool(en.COUNTED_BEFORE.search(left) or zh.COUNTED_BEFORE.search(left))


def _may_be_bare(kind: str, amount: _Amount, before: int, left: str, rest: str) -> bool:
    """Whether a comparison without a currency is about money.

    Budget words say so; Chinese comparisons do when no unit follows; English ones when the amount ends the phrase, and
    "under 100 headphones" also when the number is too large for a count of things.
    """
    if kind == "budget":
        return True
    if en.BUDGET_WORD.search(left) or zh.BUDGET_WORD.search(left):
        return True
    if amount.low < 5 or (kind == "lower" and amount.low < 10):
        return False
    if en.AMOUNT_ENDS.match(rest) or zh.AMOUNT_ENDS.match(rest):
        return not (amount.spoken and amount.low < 10)
    return kind == "upper" and before > 0 and amount.low >= 20 and bool(en.STRONG_UPPER.search(left))
