"""Corrections: "no, I meant for kids", "不是，我是说男款"."""

# ruff: noqa: E501 -- a pattern reads best an alternative a line
from __future__ import annotations

import re

_CORRECTS = re.compile(
    r"^\W*(?:(?:no|nope|nah|sorry|wait|oops|actually|hmm|not (?:that|those|these)|i mean)\b[\s,.!—-]*)+(?:(?:i|we)\s+(?:meant?|said|was (?:thinking|looking)|were looking)\b"
    r"|(?:it'?s|they'?re|it is|that'?s) for\b|not\b.*\b(?:but|rather)\b|for\b)"
    r"|^\W*(?:i|we) meant?\b|^\W*(?:no|sorry|wait|actually)\W+(?:i|we) (?:wanted|want|need|asked for)\b"
    r"|^\W*[哦噢喔啊呃诶]?[，,\s]*(?:不是|不对|错了|说错了|搞错了|弄错了|不不)[，,。!！\s的]*(?:我|是|要|应该|给)|^\W*(?:我)?(?:是说|说的是|的意思是|指的是|意思是)",
    re.IGNORECASE,
)


_LEAD = re.compile(
    r"^\W*[哦噢喔啊呃诶]?[，,\s]*(?:不是|不对|错了|说错了|搞错了|弄错了|不不)[，,。!！\s的]*(?:我?(?:是说|说的是|的意思是|意思是|指的是|要的是|是要|想要|应该是|要|是))?"
    r"|^\W*(?:我)?(?:是说|说的是|的意思是|指的是|意思是)"
    r"|^\W*(?:(?:no|nope|nah|sorry|wait|oops|actually|hmm|not (?:that|those|these)|i mean)\b[\s,.!—-]*)*"
    r"(?:(?:i|we)\s+(?:meant?|said|was (?:thinking(?: of)?|looking(?: for)?)|were looking(?: for)?|wanted|want|need|asked for)\b"
    r"|(?:it'?s|they'?re|it is|that'?s)(?=\s+for\b))?\s*",
    re.IGNORECASE,
)


_NOT_THIS = re.compile(
    r"^\W*(?:(?:no|wait|sorry|oh|actually|oops)\b\W*)*not (?:an? |the )?[\w' -]{2,40}?[,;] *(?:but )?(?=(?:an?|the|some) )"
    r"|^\W*(?:等等|不是|不对)?[，,\s]*不是(?:要)?[^，,。]{1,12}[，,](?:而)?是(?:要)?",
    re.IGNORECASE,
)
"""Before what is meant: "not a gaming chair, an office chair"."""


def corrects(message: str) -> bool:
    """Whether the message takes back what was understood and says what was meant: "no, I meant for kids", "不是，我是说男款"."""
    return bool(_CORRECTS.search(message) or _NOT_THIS.search(message))


def meant(message: str) -> str:
    """What a correction says without the words that make it one: "no, I meant for kids" is "for kids"; other messages as they are."""
    if _NOT_THIS.search(message):
        return _NOT_THIS.sub("", message, count=1).strip() or message
    return (_LEAD.sub("", message, count=1).strip() or message) if corrects(message) else message


_AUDIENCE = re.compile(
    r"\s*\b(?:for\s+)?(?:(?:a|an|my|the)\s+)?(?:wom[ea]n|ladies|lady|m[ea]n|gents|guys|girls?|boys?|kids?|child(?:ren)?|toddlers?|bab(?:y|ies)|teens?|adults?|unisex)(?:'s|s')?(?![a-z-])"
    r"|(?:适合|给)?(?:女[士款性生童]?|男[士款性生童]?|儿童|小孩子?|孩子|宝宝|婴儿|童款?|成人|中性)(?:穿|用)?的?(?!鞋|装)",
    re.IGNORECASE,
)


def audience_in(text: str) -> str:
    """The words that say whom something is for: "running shoes for women" has "for women"; empty where there are none."""
    found = _AUDIENCE.search(text)
    return found[0].strip() if found else ""


_WORN = re.compile(r"(?:适合|给)?(女[士性生]?|男[士性生]?|儿童|小孩子?|孩子|宝宝|婴儿|成人)(?:[穿用]的?)?")


def plain_audience(text: str) -> str:
    """The text with its Chinese audience alone: "给小孩穿的" is "小孩", which pages have."""
    return _WORN.sub(r"\1", text)


def for_others(query: str) -> str:
    """A query without the words that say whom it is for, as it is where nothing else would be left."""
    return " ".join(_AUDIENCE.sub(" ", query).split()) or query
