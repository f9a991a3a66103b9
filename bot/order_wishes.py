"""What a customer's words ask to change about an order: the kind, the order's number, which items, how many, where to.

Pure, and careful: words that only ask about a rule ("how do I return something?") ask for no change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from bot.state import DialogueState, Pending
from storage.settings import ChangeKind

NUMBER: Final = re.compile(r"#?\b(?=[\w-]*\d)[A-Za-z]{0,6}[-_]?\d[\w-]{2,}\b", re.ASCII)
_ASKS = re.compile(
    r"\bi(?:'d|’d| would)? (?:want|wanna|like|need|have|wish)\b|\bi(?:'m|’m| am) (?:sending|returning|trying)\b"
    r"|\b(?:can|could|may) (?:i|we|you)\b|\bplease\b|\blet me\b|\bhelp me\b"
    r"|^\W*(?:cancel|return|exchange|swap|send|change|modify|update|refund)\b"
    r"|想|要|帮|请|麻烦|能不能|可以|可否|给我|申请|办|把|我(?:得|需)",
    re.IGNORECASE,
)
"""Wants something done, in whichever words."""
_RULE = re.compile(
    r"\b(?:policy|policies|how (?:do|does|can|long|many|much)|what happens|when (?:can|do|does)|within|is it possible"
    r"|am i allowed|deadline|do you (?:accept|take|allow|offer)|why)\b"
    r"|政策|规则|规定|怎么(?:退|换|取消|改)|如何|多久|几天|多少天|为什么|为啥|期限|运费谁",
    re.IGNORECASE,
)
"""Asks how things are done here."""
_ORDER = re.compile(
    r"\b(?:orders?|purchases?|parcels?|package|delivered|received|bought|arrived)\b|订单|单子|[这那]单|买的|收到|到货|包裹",
    re.IGNORECASE,
)
_DEFAULT = re.compile(r"\b(?:default|account|profile)\b|默认|账户|账号|资料", re.IGNORECASE)
_ADDRESS = re.compile(
    r"\b(?:change|update|correct|fix|modify|edit|switch|set|new|wrong|different)\b.{0,40}\baddress\b|\baddress\b.{0,30}\b(?:wrong|incorrect|changed?|updated?)\b"
    r"|\b(?:ship|send|deliver|redirect)\b.{0,40}\bto (?:a |an |my )?(?:different|another|new|other)\b"
    r"|(?:改|换|修改|更改|变更|更新).{0,12}地址|地址.{0,8}(?:错|改|换|不对)",
    re.IGNORECASE,
)
_PAYMENT = re.compile(
    r"\b(?:change|switch|update|modify|use)\b.{0,40}\b(?:payment|pay(?:ing)?|paypal|card)\b|(?:改|换|修改|更改|用).{0,10}(?:支付|付款|礼品卡付)",
    re.IGNORECASE,
)
_CANCEL = re.compile(
    r"\bcancel(?:l?ed|l?ing|lation)?\b|\bcall off\b|取消|退单|撤单|不要(?:这|那)?个?(?:订单|单)", re.IGNORECASE
)
_RETURN = re.compile(
    r"\b(?:return(?:ing)?|refund(?:ed)?|money back|give back)\b|\bsen[dt](?:ing)?\b.{0,40}\bback\b"
    r"|退货|退款|退掉|退回|退了|想退|要退|申请退|退[这那]|把.{1,30}退",
    re.IGNORECASE,
)
_EXCHANGE = re.compile(
    r"\b(?:exchang(?:e|ing)|swap(?:ping)?|replace)\b|换货|调换|换(?:成|一[个件双条]|尺码|颜色|[大小]一?码|[这那])|更换",
    re.IGNORECASE,
)
_ITEMS = re.compile(r"\b(?:change|modify|switch)\b|改成|换成|改(?:一下)?(?:尺码|颜色)", re.IGNORECASE)
_CALLED_OFF = re.compile(r"(?:订单|单子|[这那]单).{0,12}取消|取消.{0,14}(?:订单|单)")
_NOT_CANCEL = re.compile(
    r"\b(?:was|got|been|is|were)\b.{0,12}\bcancel|\b(?:don'?t|do not) cancel|已(?:经)?取消|被取消|别取消|不(?:要|用)取消",
    re.IGNORECASE,
)
"""Tells that it was cancelled, or that it shall not be."""
_OWN_RETURN = re.compile(
    r"\bi(?:'d|’d| would)? (?:want|wanna|like|need|have) (?:to )?(?:return|send|give|a refund|exchange)\b"
    r"|\bi(?:'m|’m| am) returning\b|^\W*(?:please )?return (?:the|my|this|these|both|all)\b"
    r"|(?:想|要|帮我|申请|给我|办理?).{0,6}退(?:货|款|掉|了)|把.{1,30}退(?:了|掉|货)",
    re.IGNORECASE,
)
"""Something of one's own is to go back, said without the word order: "I want to return the kettle", "我要退货"."""
_LATEST = re.compile(r"\b(?:last|latest|newest|(?:most )?recent)\b|最近|最新|上一?[个单笔]|刚(?:才|刚)?", re.IGNORECASE)
_ALL = re.compile(
    r"\b(?:all|everything|both|entire|whole|each|every item)\b|全部|全都|所有|都(?:要|退|换)|整单|两[个件样]都|一起",
    re.IGNORECASE,
)
_EXCEPT = re.compile(
    r"\b(?:except|but not|not|without|keep(?:ing)?|excluding|leave)\b|除了|除开|不含|留(?:着|下)|不(?:要)?退|不换",
    re.IGNORECASE,
)
_AMENDS = re.compile(
    r"\b(?:only|just|not|except|instead|rather|also|both|all|actually)\b|只|仅|除了|还有|也|都|改|换", re.IGNORECASE
)
_SAME = re.compile(
    r"\b(?:the )?(?:exact(?:ly)? )?same (?:item|one|product|thing|kind|model)\b|同款|一样的|一模一样|同样的",
    re.IGNORECASE,
)
_ADDS = re.compile(r"\b(?:too|also|as well|and|plus)\b|也|还有|再加|加上", re.IGNORECASE)
_FROM = re.compile(r"\b(?:for|to|into|with)\b|换成|改成|换为|改为|换个|换一|要", re.IGNORECASE)
_TO = re.compile(
    r"\baddress(?: on| of| for| in)?\b.*?\b(?:to|is|should be)\b|\b(?:ship|send|deliver|redirect)\b.*?\bto\b|\bto\b"
    r"|(?:改成|改为|换成|换到|改到|寄到|送到|寄往|发到|发往)|地址(?:是|为|:|：)",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\d|[路街道号室楼弄巷村镇]|\b(?:street|st|road|rd|avenue|ave|lane|drive|suite|apt)\b", re.IGNORECASE
)
_NO_PLACE = re.compile(r"\b(?:same|orders?|items?)\b|订单|商品|一样", re.IGNORECASE)
"""Points at another record instead of spelling an address."""
_PIECES = re.compile(
    r"\b(one|two|three|four|five|1|2|3|4|5)\b(?: (?:piece|pieces))?(?: of|\b)|([一二两三四五1-5])[个件只双条台]",
    re.IGNORECASE,
)
_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5}
_WORD = re.compile(r"[a-z]{3,}|[a-z]*\d[a-z0-9]*|[\u3400-\u9fff]")
_COMMON = frozenset(
    "the and for with from order item items one that this return exchange cancel want please only just not keep all".split()
) | frozenset("我想要退换货的了把订单请个件只和跟那这取消帮给一下")
_SAYS_YES_BUT = re.compile(
    r"\b(?:but|only|except|instead|not|wait|rather|first)\b|但|只|仅|别|不|等|先|除", re.IGNORECASE
)
ABOUT_ORDERS: Final = ("order_status", "order_change")
_SWAPPED = re.compile(rf"{_EXCHANGE.pattern}|{_ITEMS.pattern}|\b(?:instead|different|another)\b|换|改", re.IGNORECASE)
_NAMES: Final[Mapping[ChangeKind, re.Pattern[str]]] = {
    "cancel": re.compile(
        rf"{_CANCEL.pattern}|\bcall\w* \w+ off\b|\b(?:don'?t|do not|no longer) (?:want|need)|\bmistake\b|不(?:想)?要了|不需要",
        re.IGNORECASE,
    ),
    "return": re.compile(rf"{_RETURN.pattern}|\b(?:return|refund)\w*\b", re.IGNORECASE),
    "exchange": _SWAPPED,
    "items": _SWAPPED,
    "address": re.compile(
        r"\baddress\b|\b(?:ship|send|deliver|redirect)\w*\b|地址|[寄送发](?:到|往|去)", re.IGNORECASE
    ),
    "payment": re.compile(r"\b(?:pay\w*|card)\b|付|[礼信][品金用]卡", re.IGNORECASE),
    "default_address": re.compile(rf"{_DEFAULT.pattern}|\bmov(?:e|ed|ing)\b|搬", re.IGNORECASE),
}
"""How a customer names each kind of change, whatever they say of it."""


def wanted(message: str, about_orders: bool) -> ChangeKind | None:
    """The kind of change that a message asks for, None for none.

    `about_orders` where the talk is about orders already, by the model's label or the turn before: then "cancel it" suffices. An
    exchange in an order that has not left yet is asked for in the same words; the order's status tells which it is.
    """
    order = speaks_of_orders(message)
    asks = bool(_ASKS.search(message))
    if _RULE.search(message) and not (order and asks):
        return None
    if _ADDRESS.search(message):
        if _DEFAULT.search(message):
            return "default_address"
        return "address" if order or about_orders or asks else None
    sure = order or about_orders
    if _CANCEL.search(message) and (about_orders or (order and (asks or _CALLED_OFF.search(message)))):
        return None if _NOT_CANCEL.search(message) else "cancel"
    if _PAYMENT.search(message) and sure and not _RETURN.search(message):
        return "payment"
    if _EXCHANGE.search(message) and sure and (asks or about_orders):
        return "exchange"
    if _RETURN.search(message) and (_OWN_RETURN.search(message) or (sure and (asks or about_orders))):
        return "return"
    return "items" if _ITEMS.search(message) and order and asks else None


def kinds_named(message: str) -> frozenset[ChangeKind]:
    """All kinds of change that a message has a word for: what nobody spoke of need not be proposed.

    Far looser than `wanted`: "what if I returned it?" names a return and asks for none.
    """
    named = {kind for kind, words in _NAMES.items() if words.search(message)}
    return frozenset(named - {"cancel"} if _NOT_CANCEL.search(message) else named)


def speaks_of_orders(message: str) -> bool:
    """Whether a message speaks of something that was ordered."""
    return bool(_ORDER.search(message)) or unknown_number(message) is not None


def named_order(message: str, ids: Sequence[str]) -> str | None:
    """The order id that stands in the message, of several the longest; a "#" before it does not count."""
    low = message.casefold()
    found = [
        each
        for each in ids
        if re.search(rf"(?<![\w-]){re.escape(each.casefold().lstrip('#'))}(?![\w-])", low, re.ASCII)
    ]
    return max(found, key=len, default=None)


def unknown_number(message: str) -> str | None:
    """What reads as an order's number: it has a letter or a "#" beside its figures, or at least six of them."""
    for found in NUMBER.findall(message):
        if found.startswith("#") or len(found) >= 6 or any(char.isalpha() for char in found):
            return str(found)
    return None


def latest(message: str) -> bool:
    """Whether the newest order is meant."""
    return bool(_LATEST.search(message))


def named_lines(message: str, titles: Sequence[str]) -> tuple[int, ...]:
    """Which of the titles a message names, 0-based: the ones it has most words of; with "except" before them the others.

    `named_lines("everything but not the red mug", ["Red mug", "Kettle"]) == (1,)`
    """
    cut = _EXCEPT.search(message)
    kept = named(message[: cut.start()], titles) if cut else named(message, titles)
    if cut:
        left = named(message[cut.end() :], titles)
        if kept:
            return tuple(line for line in kept if line not in left)
        return tuple(line for line in range(len(titles)) if line not in left) if left else ()
    if kept:
        return kept
    return tuple(range(len(titles))) if _ALL.search(message) else ()


def named(message: str, titles: Sequence[str]) -> tuple[int, ...]:
    """The titles that a message has the most words of, 0-based; all of several that it has different words of."""
    said = words_in(message)
    shared = [words_in(title) & said for title in titles]
    # "The red mug": of two mugs the one with more words; a title whose words another has all and more is not meant.
    return tuple(
        number for number, words in enumerate(shared) if words and not any(words < others for others in shared)
    )


def words_in(text: str) -> set[str]:
    """Words and Chinese characters that tell things apart, the plural's "s" taken off."""
    return {word.removesuffix("s") for word in _WORD.findall(text.casefold()) if word not in _COMMON}


def pieces(message: str) -> int | None:
    """How many pieces of a line: "one of the mugs", "两个"; None where no number stands there."""
    found = _PIECES.search(re.sub(NUMBER, " ", message))
    if found is None:
        return None
    word = (found[1] or found[2]).casefold()
    return _COUNTS.get(word) or int(word)


def wish(message: str, titles: Sequence[str], number: int) -> str:
    """What a message says of the title of that number: what stands behind its name, up to the name of the next one.

    `wish("the mug for a red one and the shoes in 42 for 43", ["Mug", "Shoes"], 1) == " 43"`: of that, what stands behind the last
    word that leads to what is wanted. The whole message where the title is not named.
    """
    places = [_last_word_of(title, message) for title in titles]
    start = max(places[number], 0)
    end = (
        min((place for place in places if place > start), default=len(message)) if places[number] >= 0 else len(message)
    )
    parts = _FROM.split(message[start:end])
    return parts[-1] if len(parts) > 1 else message[start:end]


def _last_word_of(title: str, message: str) -> int:
    """Where the last of a title's words that the message has stands in it; -1 where it has none."""
    low = message.casefold()
    return max((low.find(word) for word in words_in(title) if not any(map(str.isdigit, word))), default=-1)


def wants_same(message: str) -> bool:
    """Whether an item is to be exchanged for another one like it."""
    return bool(_SAME.search(message))


def address_in(message: str, asked_for: bool) -> str | None:
    """The new address in a message, as it was written; `asked_for` where the message answers that very question."""
    text = " ".join(message.split())
    cuts = [text[cut.end() :] for cut in _TO.finditer(text)] or ([text] if asked_for else [])
    # "I want to change it to 5 Elm Road": the last lead that an address follows.
    said = next((each for each in reversed(cuts) if _PLACE.search(each)), "")
    said = re.sub(
        r"^(?:\W*(?:be\b|it(?:'s| is)|please|use|my new address is|the new (?:one|address) is|新地址|是|为))*[\s:：,，]+",
        "",
        f" {said}",
    ).strip(" .。!！")
    return said if len(said) >= 5 and _PLACE.search(said) and not _NO_PLACE.search(said) else None


def amends(kind: ChangeKind, message: str) -> bool:
    """Whether a message changes what was proposed instead of agreeing to it: "only the kettle", "no, to 5 Elm Road"."""
    if kind in ("address", "default_address"):
        return address_in(message, asked_for=False) is not None
    return bool(_AMENDS.search(message)) or (kind == "return" and len(message) <= 30 and pieces(message) is not None)


def adds(message: str) -> bool:
    """Whether what a message names comes on top of what was named before: "the mug too"."""
    return bool(_ADDS.search(message))


def answers(pending: Pending, message: str) -> bool:
    """Whether a message can be the answer to what is still missing for a change."""
    if pending.field == "address":
        return bool(_PLACE.search(message)) and len(message) >= 5
    if pending.field in ("order", "lines") and unknown_number(message):
        return True
    if pending.field == "lines" and (_ALL.search(message) or _EXCEPT.search(message)):
        return True
    said = words_in(message)
    return any(said & words_in(option) for option in pending.options)


def plain_yes(message: str) -> bool:
    """Whether a message that agrees adds nothing else: no number, no "but"."""
    return len(message) <= 40 and not re.search(r"\d", message) and not _SAYS_YES_BUT.search(message)


def in_talk(state: DialogueState, label: str) -> bool:
    """Whether the talk is about orders already."""
    return label == "order_status" or (state.last_task in ABOUT_ORDERS and bool(state.order_id))
