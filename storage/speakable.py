"""Whether an answer that one customer got may be given to another.

What speaks of one person's order, name or dates does not, nor do figures that change: those are rendered from records.
"""

from __future__ import annotations

import re
from typing import Final

SHORTEST_QUESTION: Final = {"en": 10, "zh": 4}
SHORTEST_ANSWER: Final = {"en": 12, "zh": 6}
"""Characters, in languages that are not listed as in English."""
LONGEST: Final = 1_000
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)"
)
_MONEY = (
    r"[$€£¥￥]\s?\d|\d(?:[\d.,]*\d)?\s?(?:[$€£¥￥]|\b(?:usd|eur|gbp|cny|dollars?|bucks|euros?|pounds?|cents?)\b|元|块|"
    r"美元|欧元|英镑)"
)
# The first that is found names the reason.
_BOTH: Final = (
    ("personal data", re.compile(r"REDACTED_[A-Z]+|\b[\w.+-]+@[\w-]+\.\w+")),
    (
        "a link",
        re.compile(r"https?:|www\.|\]\(|\b[\w-]+\.(?:com|net|org|io|cn|shop|example|de|co)\b", re.IGNORECASE | re.ASCII),
    ),
    ("a price", re.compile(_MONEY, re.IGNORECASE)),
    ("a discount", re.compile(r"\d\s?[%％]\s?(?:off|discount)|\d\s?折|立减|优惠\s?\d", re.IGNORECASE)),
    (
        "a number of one case",
        re.compile(
            r"#\s?\w*\d|\d{5,}|\b(?=\w*\d\w*\d\w*\d)(?=\w*[A-Za-z])\w{5,}\b"
            r"|(?:order|ticket|case|tracking|parcel)\s(?:no\.?|number|id)?\s?[a-z]*-?\d{2,}|(?:订单|单号|运单|"
            r"工单)号?[:：\s]*[A-Za-z]*\d{2,}",
            re.IGNORECASE | re.ASCII,
        ),
    ),
    (
        "a date",
        re.compile(
            rf"\b(?:today|tomorrow|yesterday|tonight)\b|\b(?:by|this|next|last) (?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
            rf"|\b(?:this|next|last) (?:week|month|morning|evening)\b|\b{_MONTH}\.? \d{{1,2}}\b|\b\d{{1,2}}(?:st|"
            rf"nd|rd|th)?(?: of)? {_MONTH}\b"
            r"|\b\d{1,2}/\d{1,2}\b|\b20\d\d\b|今天|明天|昨天|后天|今晚|(?:本|这|下|上)(?:个)?(?:周|星期|月)|"
            r"\d{1,2}\s?月\s?\d{1,2}|\d{1,2}[号日](?!内|之)",
            re.IGNORECASE,
        ),
    ),
    (
        "a name",
        re.compile(
            r"(?i:\b(?:hi|hello|hey|dear|thanks|thank you|sorry)),? (?!(?:There|All|Everyone|Team|For|To|And|We|"
            r"I)\b)[A-Z][a-z]+\b"
            r"|\b(?:Mr|Mrs|Ms|Miss|Dr)\.? [A-Z]|(?i:\b(?:my name is|this is|i am|i'm)) (?!(?:There|Our|The|A)\b)[A-Z][a-z]+\b"
            r"|[\u4e00-\u9fff](?:先生|女士|小姐|太太)|我叫[\u4e00-\u9fff]|客服小?[\u4e00-\u9fff]{1,2}为您"
        ),
    ),
    ("stock, which changes", re.compile(r"\b(?:in|out of|back in) stock\b|\b\d+ left\b|有货|缺货|库存|补货", re.IGNORECASE)),
)  # fmt: skip
_THINGS = r"(?:\w+ )?(?:orders?|parcels?|packages?|shipments?|delivery|refund|replacement)"
_OWN_QUESTION = re.compile(
    rf"\b(?:where(?:'s| is| are)|when (?:will|does|is)|has|have|did|status of|what happened to|why (?:is|was|"
    rf"has))\b.{{0,20}}\bmy {_THINGS}\b"
    r"|我的?(?:那个|这个)?(?:订单|包裹|快递|退款|单子)",
    re.IGNORECASE,
)
_OWN_ANSWER = re.compile(
    rf"\byour {_THINGS} (?:is|was|has|had|will|should|left|shipped|arrived|got)\b"
    r"|\b(?:i've|i have|we've|we have) (?:just )?(?:refunded|cancell?ed|sent|shipped|issued|changed|updated|looked|"
    r"checked|passed)\b"
    r"|(?:您的?|你的?)(?:那个|这个)?(?:订单|包裹|快递|退款|单子)|已(?:经)?(?:为您|帮您|给您)|帮您(?:查|看|登记)",
    re.IGNORECASE,
)
# Not where it only holds a place ("is it possible to …") or joins ("products that you sold").
_POINTS = re.compile(
    r"\b(?:it(?! (?:possible|ok|okay|allowed|true|take)\b)|its|this(?! (?:shop|store|site|website)\b)"
    r"|that(?! (?:you|i|we|they|are|were|the)\b)|these|those|them|the (?:first|second|third|last|other) one)\b"
    r"|[这那](?:个|款|件|双|些|种|条|台)|它|第[一二三]",
    re.IGNORECASE,
)
_ASKS_BACK = re.compile(r"[?？]\s*$")
_NOT_YET = re.compile(
    r"\b(?:let me (?:check|look|see|find)|i(?:'ll| will) (?:check|look|ask|get back)|one moment|hold on|"
    r"bear with me|just a (?:second|moment|minute))\b"
    r"|稍等|稍候|我(?:来|去|先)?(?:查|看|问)一下|马上为您",
    re.IGNORECASE,
)


def problem_of(question: str, answer: str, language: str) -> str | None:
    """Why a pair may not be given to others, such as "it holds a price"; None where it may."""
    if len(question) < SHORTEST_QUESTION.get(language, SHORTEST_QUESTION["en"]):
        return "the question is too short to stand alone"
    if len(answer) < SHORTEST_ANSWER.get(language, SHORTEST_ANSWER["en"]):
        return "the answer is too short to stand alone"
    if len(question) > LONGEST or len(answer) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    for what, pattern in _BOTH:
        if pattern.search(question) or pattern.search(answer):
            return f"it holds {what}"
    if _OWN_QUESTION.search(question) or _OWN_ANSWER.search(answer):
        return "it speaks of one customer's records"
    if _POINTS.search(question):
        return "the question points at something said before"
    if _ASKS_BACK.search(answer):
        return "the answer asks back"
    if _NOT_YET.search(answer):
        return "the answer puts off"
    return None
