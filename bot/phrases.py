"""What the words of a turn make plain whatever a model says: a topic to return to, other picks, new goods, a set, the same again.

Each pattern stands for the whole wish, not for a word in it, so that a product's name sets none of them off.
"""

# ruff: noqa: E501 -- a pattern reads best an alternative a line
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bot.state import Topic

_END: Final = r"[\s?.!,。？！~吧呢啊呀]*$"

_BACK: Final = re.compile(
    r"\b(?:(?:let'?s )?(?:go|get|come|going|coming|head) back to|back to|return to|returning to|again to)\s+(?:looking at )?(?:the |those |my |our )?(?P<what>.+?)"
    rf"(?: (?:again|please|from (?:before|earlier)|you showed(?: me)?(?: before| earlier| first)?|now))*{_END}|"
    r"\b(?:what about|show me|how about|and)\s+(?:the |those )?(?P<what2>.+?) (?:from (?:before|earlier)|you showed(?: me)? (?:before|earlier))"
    rf"{_END}|"
    r"(?:回到|返回|还是(?:看|说)(?:回)?|说回|接着(?:看|说)|继续看|再看看?)(?:一?下)?(?:之前|刚才|刚刚|前面|先前|最开始|一开始)?(?:的|那些|那个|说的|看的)*"
    rf"(?P<zh>[^，。！？]+?)(?:的?话题)?{_END}|"
    rf"(?:之前|刚才|刚刚|前面|先前)(?:说|看|聊)?(?:过)?(?:的|那些|那几款|那个)+(?P<zh2>[^，。！？]+?)(?:呢|再看看|还有吗)?{_END}",
    re.IGNORECASE,
)
_OTHERS: Final = re.compile(
    r"^\W*(?:(?:no|hmm|well|ok|okay|thanks)[,. ]+)?(?:(?:do you have|have you got|got|can you (?:show|suggest|recommend)|show me|suggest|give me|are there|is there)\s+)?"
    r"(?:any |some |a few )?(?:(?:other|more|further|different)\s+(?:ideas?|suggestions?|picks?|options?|recommendations?|ones?|alternatives?|gifts?)|"
    r"something (?:else|different)|anything (?:else|different))(?: (?:please|then|maybe|instead|for (?:him|her|them|me)))*"
    r"(?:[,.;!] ?(?:he|she|they|i|we)\b.*|[\s?.!]*)$|"
    rf"^\W*(?:还有|有没有|有|给我|再|换)?(?:没有)?(?:什么|点|些|个)?(?:别的|其他的?|其它的?|另外的|不一样的)(?:推荐|建议|选择|款式?|想法|礼物)?(?:吗|么|没有|看看|试试)*"
    rf"(?:[，,]?(?:他|她|我|这个).*|{_END})|^\W*换(?:一|几)?(?:个|些|批|款)(?:别的)?(?:推荐|看看|吧)*{_END}",
    re.IGNORECASE,
)
_NEW: Final = re.compile(
    r"^\W*(?:(?:show me|do you have|have you got|is there|are there|got|see|any|what(?:'?s| is| are)(?: your| the)?)\s+)*"
    r"(?:(?:anything|something|some|any)\s+)?(?:the )?(?:new(?:est)?(?: (?:arrivals?|products?|items?|stuff|things|in))?|latest(?: (?:arrivals?|products?|items?))?|"
    r"just (?:arrived|in))(?: (?:today|this week|here|in (?:the )?(?:shop|store)|please))*[\s?.!]*$|"
    rf"^\W*(?:最近|这周|今天|你们|店里|现在)*(?:有|上)?(?:没有|什么|哪些|了)*(?:新品|新货|新款|新到的?|新上(?:架|市)的?|上新)(?:了)?(?:吗|么|有哪些|有什么|推荐|看看)*{_END}",
    re.IGNORECASE,
)
_AGAIN: Final = re.compile(
    r"\b(?:re-?order|buy (?:it |that |them |the same )?again|order (?:it |that |the same )again|repurchase|same (?:(?:thing|order) )?(?:as|again (?:as|like)) (?:last|before)|"
    r"(?:the )?same .{0,40}(?:as|like) (?:last time|before|the last order)|(?:the )?usual(?: order)?(?: please)?$|"
    r"(?:what|the \w+) i (?:bought|ordered|got) (?:last time|before|last month|last week))\b|"
    r"(?:再|重新)(?:买|订|下单|来|购买)(?:一次|一份|一单|一遍)?[^。！？]{0,6}(?:上次|以前|之前|一样)|(?:上次|以前|之前)(?:买|订|下单)?(?:过)?的[^。！？]{0,16}(?:再(?:买|来|订|要|下)|还要|又要|来一(?:份|单|个))|"
    r"(?:再|重新)(?:买|订|来)(?:一次|一份|一遍)?(?:上次|以前|之前)|上次(?:那|的)?(?:单|份)[^。！？]{0,4}(?:再|来一)|(?:和|跟|同|像)(?:上次|以前|之前)(?:买的)?(?:一样|同款)|复购|回购|老样子",
    re.IGNORECASE,
)
_BUNDLE: Final = re.compile(
    r"\b(?:everything|all(?: the (?:things|stuff|gear|equipment))?|the (?:full|whole|complete) (?:set|kit|gear|outfit)|a (?:full|complete|starter) (?:set|kit|outfit)|"
    r"a (?:set|kit|bundle)|gear|equipment|what)\s+(?:that |do |would |will )?(?:i|we|you)?\s*(?:'ll |will )?(?:need (?:to (?:start |go |begin )?|for )|to (?:start|go|begin) |(?:required )?for )"
    r"(?:(?:a|an|the|my|our|going|some)\s+)*(?P<what>[a-z][a-z' -]{2,40}?)"
    r"(?=\s*(?:[,.;?!]|$|\b(?:under|below|within|for (?:less|under)|less than|up to|max|on a budget|in total|around|about|with a budget|budget|at most|please)\b))|"
    r"(?:(?:全套|一整套|整套|一套|成套)(?:的)?(?P<zh>[\u3400-\u9fff]{2,6}?)(?:装备|用品|东西|用具|设备)?(?=[，。！？,\s\d]|预算|总共|一共|不超过|以内|$)|"
    r"(?P<zh2>[\u3400-\u9fff]{2,6}?)(?:需要|要用|要买|得买|要准备)(?:的)?(?:所有|全部|哪些|什么)(?:的)?(?:东西|装备|用品)?"
    r"|(?P<zh3>[\u3400-\u9fff]{2,6}?)(?:需要|要用)的(?:东西|装备|用品)(?:都|全)?(?:配齐|备齐|买齐|凑齐)"
    r"|(?:布置|准备|打造|置办|筹备)(?:一个|个)?(?P<zh4>[\u3400-\u9fff]{2,6}?)(?=[，,\d])[^。！？]*需要(?:买|准备)?(?:些|点)?(?:什么|哪些))"
    r"|\b(?:complete|full|whole) (?P<what2>[a-z][a-z' -]{2,30}?) (?:setup|set-up|kit|gear|outfit|equipment)\b"
    r"|\b(?:setting up|starting|planning|preparing|furnishing) (?:(?:a|an|the|my|our|for)\s+)*(?P<what3>[a-z][a-z' -]{2,30}?)[,;] what (?:do|will|would) (?:i|we) need\b",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]")
_FEWEST: Final = 0.5
"""The share of the words named that an earlier topic must have."""


def returned_to(topics: Sequence[Topic], message: str) -> Topic | None:
    """The earlier topic that a turn goes back to by name; None where it names none, or only the running one.

    `topics` are oldest first, the running one last.
    """
    match = _BACK.search(message)
    if match is None:
        return None
    wanted = set(words_in(next(filter(None, match.groups()), "")))
    shares = [(len(wanted & set(words_in(topic.query))) / max(1, len(wanted)), topic) for topic in reversed(topics)]
    best = max(shares, key=lambda each: each[0], default=(0.0, None))
    return best[1] if best[0] >= _FEWEST else None


def asks_others(message: str) -> bool:
    """Whether a turn wants picks that were not shown: "any other ideas?", "something else, he already has that"."""
    return bool(_OTHERS.match(message))


def asks_new(message: str) -> bool:
    """Whether a turn asks what is new in the shop."""
    return bool(_NEW.match(message))


def asks_again(message: str) -> bool:
    """Whether a turn wants what was bought before: "same coffee as last time"."""
    return bool(_AGAIN.search(message))


def bundled(message: str) -> str | None:
    """What a turn wants everything for: "everything for a weekend hike under $300" is "weekend hike"; else None."""
    match = _BUNDLE.search(message)
    return next(filter(None, match.groups()), None) if match else None


def words_in(text: str) -> list[str]:
    """The words of a text without a plural's ending, and single Chinese characters."""
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in _WORD.findall(text.casefold())]
