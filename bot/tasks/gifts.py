"""Gifts: what somebody likes decides, not what the shopper looks at; nothing plainly for other people, and no intimate goods.

One question, and only where its answer would change the slate: what the person likes, where nothing is known of that.
"""

# ruff: noqa: E501 -- a pattern reads best an alternative a line
from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Final

from bot.shelf import Found
from bot.state import Pending, Topic
from bot.tasks.search import ask_budget, nothing_fits, show, tell_unknown
from bot.turn import SLATE, Answer, Turn
from index.filters import Filters
from index.product import Product
from retrieval.sensitive import sensitive_product
from retrieval.understanding import merge

LOOKED_AT: Final = 60
"""Hits that gifts are picked from: a range of kinds is wanted, not the best six of one."""
A_KIND: Final = 2
"""Of one category at most so many are shown."""
_SOMEBODY: Final = (
    r"(?:dad|father|mom|mum|mother|husband|wife|boyfriend|girlfriend|partner|brother|sister|friend|colleague|coworker|boss|teacher|"
    r"uncle|aunt|niece|nephew|grand(?:pa|ma|father|mother)|parents|in-laws|neighbou?r)"
)
_GIFT: Final = re.compile(
    r"\b(?:gifts?|presents?)\b(?![ -](?:cards?|wrap\w*|box\w*|bags?|receipts?|certificates?|vouchers?))"
    rf"|\b(?:get|give|buy)\s+(?:for\s+)?(?:an?|my|our|the|his|her)\s+(?:\w+\s+)?{_SOMEBODY}\b(?=\s*(?:$|[,.;!?]|who\b|that\b|for\b|under\b|below\b|up\b|max\b|as\b|this\b|and\b))"
    r"|礼物|礼品|送礼|送(?:给)?(?:我)?(?:爸|妈|老[婆公师]|男友|女友|男朋友|女朋友|朋友|同事|他|她|长辈|孩子|儿子|女儿|爷爷|奶奶|闺蜜|父母|父亲|母亲|妻子|丈夫)",
    re.IGNORECASE,
)
_HE: Final = re.compile(
    r"\b(?:he|him|his|dad|father|husband|boyfriend|brother|son|grand(?:pa|father)|uncle|nephew|boy|man|men)\b"
    r"|爸|父亲|老公|丈夫|男友|男朋友|哥哥|弟弟|儿子|爷爷|外公|叔叔|舅舅|男生|男士",
    re.IGNORECASE,
)
_SHE: Final = re.compile(
    r"\b(?:she|her|mom|mum|mother|wife|girlfriend|sister|daughter|grand(?:ma|mother)|aunt|niece|girl|woman|women)\b"
    r"|妈|母亲|老婆|妻子|女友|女朋友|姐姐|妹妹|女儿|奶奶|外婆|阿姨|闺蜜|女生|女士",
    re.IGNORECASE,
)
_CHILD: Final = re.compile(
    r"\b(?:kids?|child(?:ren)?|bab(?:y|ies)|toddlers?|infants?|boy|girl|son|daughter|niece|nephew|newborn)\b|孩子|宝宝|婴儿|儿子|女儿|小朋友",
    re.IGNORECASE,
)
_FOR_HER: Final = re.compile(r"\b(?:wom[ea]n(?:'s)?|ladies|girls?)\b|女[士款生性童]", re.IGNORECASE)
_FOR_HIM: Final = re.compile(r"\b(?:men(?:'s)?|gents|boys?)\b|男[士款生性童]", re.IGNORECASE)
_FOR_CHILDREN: Final = re.compile(
    r"\b(?:kids?'?|child(?:ren)?(?:'s)?|bab(?:y|ies)|toddlers?|infants?|diapers?)\b|儿童|婴儿|宝宝|童[鞋装]",
    re.IGNORECASE,
)
_TASTE: Final = re.compile(
    r"\b(?:who|that|which|and|but|the|a|an|his|her|their|my|our|is|are|was|loves?|likes?|enjoys?|can|shall|max|into|fond of|fan of|always|often|really|very|lot|"
    r"interested in|keen on|hobby|hobbies|person|someone|somebody|he|she|they|him|them|it|good at|has|have|does|doing|to|of|in|with|for|on|"
    r"gifts?|presents?|ideas?|something|anything|i|we|need|want|looking|find|give|get|buy|show|me|please|birthday|anniversary|christmas|wedding|"
    r"dad|father|mom|mum|mother|husband|wife|boyfriend|girlfriend|brother|sister|son|daughter|friend|colleague|boss|teacher|uncle|aunt|grandpa|"
    r"grandma|grandfather|grandmother|parents?|kids?|child(?:ren)?|man|woman|boy|girl|turning|years?|old|nice|great|best|what|would|could|should|"
    r"suggest|recommend|help|choose|pick|under|around|less than|not|much|budget|so|just|maybe|about)\b|\d+|"
    r"给|送|选|挑|买|个|点|件|份|想|要|我|他|她|的|了|吗|呢|什么|有|没有|推荐|礼物|礼品|生日|节日|爸爸|妈妈|父亲|母亲|老婆|老公|妻子|丈夫|男朋友|女朋友|男友|女友|"
    r"朋友|同事|老师|孩子|儿子|女儿|爷爷|奶奶|姐姐|妹妹|哥哥|弟弟|平时|特别|非常|比较|很|喜欢|爱好|爱|热爱|经常|是|个人|人|岁|好|帮|请|和|也|还|预算|以内|左右|合适|适合",
    re.IGNORECASE,
)  # fmt: skip


def asks_gift(message: str) -> bool:
    """Whether something to give is looked for."""
    return bool(_GIFT.search(message))


def taste_in(words: str) -> str:
    """What somebody likes, of the words of a turn: "gift for my mom who loves gardening" is "gardening"."""
    left = " ".join(re.sub(r"[^\w\s'-]", " ", _TASTE.sub(" ", words)).split())
    return left if re.search(r"[^\W\d_]{2,}|[\u3400-\u9fff]", left) else ""


def gift(turn: Turn, answer: Answer) -> None:
    """Ideas by what the person likes; where that is not said, well rated ones of many kinds, and the question."""
    understanding = turn.understanding
    told = turn.decision.pending
    filters = merge(turn.topic.filters if told is not None else Filters(), understanding)
    recipient = f"{told.text if told is not None else ''} {turn.message}"
    topic = Topic(query=taste_in(understanding.query), filters=filters, advice=True)
    if understanding.foreign_budget is not None:
        return ask_budget(turn, answer, topic)
    # Of somebody of whom nothing is known: what pages call a gift, or is near to that.
    words = topic.query or turn.voice.language.tables["language"]["gift"]
    found = turn.shelf.find(words, filters, limit=LOOKED_AT, clock=turn.clock, advice=True)
    if not found.hits and not topic.query:
        found = turn.shelf.find("", filters, limit=LOOKED_AT, clock=turn.clock, advice=True)
    found = _range(found, [each for each in found.products.values() if suits(each, recipient)], turn.language)
    if not found.hits:
        return nothing_fits(turn, answer, topic)
    show(turn, answer, topic, found)
    voice = turn.voice
    conditions = voice.joined(voice.constraints(filters).values())
    marks = voice.language.tables["language"]
    if topic.query:
        answer.say(voice.say("gift.ideas_for", what=f"{marks['open']}{topic.query}{marks['close']}"))
    else:
        answer.say(voice.say("gift.ideas"))
    if conditions:
        answer.say(voice.say("search.within", constraints=conditions, count=len(answer.cards)))
    tell_unknown(turn, answer, topic, found)
    if not topic.query:
        question = voice.say("gift.taste" if filters.price is not None else "gift.taste_and_budget")
        answer.ask(question, Pending(kind="gift", text=recipient.strip()[:500]))
    return None


def suits(product: Product, recipient: str) -> bool:
    """Whether a product may be given to the person that the words tell of: nothing that is for others, and nothing intimate."""
    if sensitive_product(product):
        return False
    said = " ".join(
        [product.title, *product.categories, *(value for own in product.attributes.values() for value in own)]
    )
    he, she, child = (bool(pattern.search(recipient)) for pattern in (_HE, _SHE, _CHILD))
    for_her, for_him = bool(_FOR_HER.search(said)), bool(_FOR_HIM.search(said))
    if (he and not she and for_her and not for_him) or (she and not he and for_him and not for_her):
        return False
    return child or not _FOR_CHILDREN.search(said)


def _range(found: Found, products: list[Product], language: str) -> Found:
    """What can be had of these products, kinds taking turns; only what has its page in the talk's language, where that is enough."""
    fitting = {product.id for product in products}
    hits = [each for each in found.hits if each.hit.product_id in fitting and found.orderable(each)]
    own = [each for each in hits if found.products[each.hit.product_id].language == language]
    hits = own if len(own) >= SLATE else [*own, *(each for each in hits if each not in own)]
    kinds = defaultdict(list)
    for each in hits:
        product = found.products[each.hit.product_id]
        kinds[product.categories[-1] if product.categories else ""].append(each)
    turns = zip_longest(*(of_kind[:A_KIND] for of_kind in kinds.values()))
    picked = [each for each in chain.from_iterable(turns) if each is not None]
    return replace(found, hits=tuple(picked), total=len(picked))
