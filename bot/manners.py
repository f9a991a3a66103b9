"""Swearing: what is asked is read without it, and who only swears gets a calm word and a way on."""

# ruff: noqa: E501 -- a pattern reads best an alternative a line
from __future__ import annotations

import re

_CURSES = re.compile(
    r"\b(?:(?:mother)?f+u+c+k+(?:ing|in|er|ers|ed)?|f\*+k?(?:ing)?|fck(?:ing)?|wtf|stfu|(?:bull)?shit(?:ty|ter)?|sh\*t|bitch(?:es)?|ass ?holes?|(?:god ?)?damn(?:ed|it)?"
    r"|bastards?|dick ?heads?|cunts?|crap(?:py)?|bloody hell|arse ?hole|piss off|goddamn)\b"
    r"|[操肏艹](?:你(?:妈|大爷|们)?)?(?=[,，。!！\s]|$)|你妈的|他妈的?|[妈特]{1}的(?=[,，!！\s]|$)|tmd|nmsl|傻[逼比叉屄]|煞笔|sb(?=[,，。!！\s]|$)|去死吧?(?=[,，。!！\s]|$)"
    r"|滚(?:蛋|开)?(?=[,，。!！\s]|$)|王八蛋|混蛋|卧槽|我[操靠草]|狗屁|放屁|脑残|白痴|智障",
    re.IGNORECASE,
)
_AT_US = re.compile(
    r"^\W*(?:(?:what|the|hell|heck|oh|man|my|god|you|u|your|you're|ur|are|is|this|the|a|an|so|such|very|bot|off|stupid|idiots?|morons?|dumb|useless|piece|of|go|to|hell|just|it|oh|all|yourself"
    r"|你们?|真|是|个|这|这个|太|的|们|给我|都|了|吧|啊|就|客服|机器人|东西|玩意儿?|什么)\W*)*$",
    re.IGNORECASE,
)


def decent(message: str) -> str:
    """The message without its swear words: `decent("show me some fucking headphones")` is `"show me some headphones"`."""
    return " ".join(_CURSES.sub(" ", message).split()) if _CURSES.search(message) else message


def only_swears(message: str) -> bool:
    """Whether a message swears, at the shop or at large, and asks for nothing."""
    return bool(_CURSES.search(message)) and bool(_AT_US.match(decent(message)))
