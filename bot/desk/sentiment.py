"""How a customer feels, from their last messages: by words, what turns them around, signs, capitals, and asking the same again.

"not bad at all!"     an idiom counts as one word, before its parts are looked at           pleased
"not happy with it"   a word that is turned around counts for the other side                upset
"the best tent?"      praise inside a question or a search says what is wanted              neutral
"WHERE IS MY ORDER"   no such word at all, but capitals                                     upset
"""

# ruff: noqa: E501 -- a pattern reads best an alternative a line
from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from bot.desk.views import Sentiment
from bot.manners import decent
from storage.conversations import Turn

READ: Final = 3
"""So many of the customer's last messages are read, each with half the weight of the one after it."""
UPSET, PLEASED = -0.9, 0.9
_ALIKE = 0.8
"""Messages that are so alike, by difflib's ratio, ask the same."""
_COMPARED = 300
"""Characters of a message that are compared with others."""
_SHORTEST_ASKED = 6  # "yes" twice is no impatience

_TURNED_TO_GOOD = re.compile(
    r"\b(?:not|isn'?t|wasn'?t) (?:too |so |half |all that )?(?:bad|shabby)\b|\b(?:can(?:'?t|not)|cannot|couldn'?t|no) complain(?:ts?)?\b|\bnothing to complain\b"
    r"|\bcould(?:n'?t| not) (?:be|have been|have asked for|ask for|wish for) (?:happier|better|more|a better|easier)\b|\bnever (?:had|have had) (?:a |any )?(?:single )?(?:problems?|issues?)\b"
    r"|\bmuch appreciated\b|\bpleasantly surprised\b|\bexactly what i (?:wanted|needed)\b|\bjust what i (?:wanted|needed)\b|\bworks like a charm\b|\byou(?:'?re| are) (?:a star|the best|awesome|amazing|great)\b"
    r"|再好不过|没得说|没话说|没(?:什么)?可挑剔|挑不出(?:什么)?毛病|没(?:有)?(?:什么)?毛病|没(?:什么|啥)好(?:抱怨|挑)的?|不错|帮了?(?:我)?(?:个)?大忙|好极了|一如既往|物超所值|正是我(?:想)?要的|就是我(?:想)?要的",
    re.IGNORECASE,
)
_TURNED_TO_BAD = re.compile(
    r"\bthanks for nothing\b|\bso much for\b|\bcould(?:n'?t| not) be worse\b|\bcould (?:be|have been) (?:a lot |much )?better\b|\bleaves? (?:much|a lot) to be desired\b|\b(?:nothing|not (?:at all|anything)) like the (?:photo|picture|description)s?\b"
    r"|\bno ?(?:body|one) (?:answer\w*|cares?|respond\w*|repl\w+|help\w*)\b|\b(?:third|fourth|fifth) time\b.{0,30}\b(?:i|we|now|ask\w*|writ\w+|call\w*)\b|\b(?:already|again and again|how many times)\b.{0,12}\b(?:told|asked|said)\b|\b(?:told|asked|said)\b.{0,16}\balready\b"
    r"|\bstill (?:waiting|no (?:answer|reply|news|order))\b|\b(?:want|give me|need) my money back\b|\bnever (?:buy(?:ing)?|order(?:ing)?|shop(?:ping)?|again)\b.{0,20}|\b(?:is anyone|anybody|anyone) there\W*[?？]{2,}"
    r"|不怎么样|好什么好|怎么回事|什么(?:垃圾|破|玩意|态度)\w{0,2}|(?:说|问|催|讲)了?(?:多少|好几|三|四|五|几|无数)[遍次]|没(?:有)?人(?:理|管|回|答|处理|负责)\w{0,2}|再也不(?:会)?(?:在|来|买|从)?\w{0,6}|到底(?:什么时候|怎么|要|是|还|能不能)|呵呵|根本(?:不|没)\w{0,3}|都?\w{0,4}[天周月]了?还(?:没|不)\w{0,3}|怎么又|还(?:没|不)(?:发货|到账|处理|解决)",
    re.IGNORECASE,
)
_GOOD = re.compile(
    r"\b(?:love|loved|loving|perfect(?:ly)?|excellent|great|awesome|amazing|wonderful|fantastic|brilliant|superb|delighted|happy|pleased|glad|impressed|helpful|thank you so much|thanks (?:so much|a lot|a million)|many thanks|appreciate[ds]?|satisfied"
    r"|(?:is|was|are|were|it'?s|that'?s|so|very|really|all|looks?|works?) (?:good|nice|the best|quick|fast|lovely|beautiful(?:ly)?|well)|the best \w+ (?:i'?ve|i have|ever)|that (?:solved|helped|fixed)|solved it|will (?:buy|order|come) (?:here )?again|wow)\b"
    r"|太好了|很好|真好|挺好|非常好|特别好|超级?好|满意|喜欢|感谢|多谢|点赞|好评(?!返)|好用|完美|超快|真快|很快(?!点)|漂亮|惊喜|棒|给力|解决了|还来|回购|推荐给|五星|太赞|耐心|态度(?:真|很|特别)?好|帮大忙|开心|舒服",
    re.IGNORECASE,
)
_BAD = re.compile(
    r"\b(?:terribl[ey]|awful|horrible|horrendous|unacceptable|ridiculous|disgust\w+|disgraceful|worst|furious|angry|outrag\w+|pathetic|appalling|a (?:total |complete |bad )?joke|scam(?:mers?)?|rip[- ]?off|fraud|liars?|lied|cheated|useless|worthless|garbage|rubbish|trash|nightmare"
    r"|disappoint\w*|annoy(?:ed|ing)|frustrat\w+|fed up|sick of|upset|unhappy|dissatisfied|letdown|let down|waste|(?:is|are|was|were|arrived|came|got) (?:broken|damaged|ruined|defective)|broke|fell apart|charged (?:me )?twice|does(?:n'?t| not) work|did(?:n'?t| not) work|not working|stopped working|never (?:arrived|came|received|got)"
    r"|wrong (?:size|item|one|product|colou?r|order) again|sent (?:me )?the wrong|you promised|another delay|hate[ds]?|complaint|regret|(?:really|so|very|too) (?:slow|bad|late|poor)|poor (?:quality|service))\b"
    r"|太差|很差|真差|差劲|差评|差太多|垃圾(?![袋桶箱篓铲]|分类|处理器)|骗|坑(?:人|爹|我)|投诉|气(?:死|人|愤)|生气|愤怒|失望|后悔|无语|离谱|过分|寒心|恶心|糟糕|敷衍|忽悠|欺负|不负责|难用|难看|(?:是|就|又|都|全)坏(?:了|的)|[次天]就坏了?|完全不符|急死|太慢|发错|漏发|烦死|受够|忍无可忍|火大|糊弄|态度(?:差|恶劣)|这种态度",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"(?:\b(?:not|no|never|isn'?t|wasn'?t|aren'?t|don'?t|doesn'?t|didn'?t|won'?t|can'?t|cannot|hardly|barely|far from|anything but)\b(?:\W+(?:a|an|the|at|all|so|too|very|really|that|been|any|much|exactly|particularly)\b)*\W*"
    r"|(?:不|(?<!有)没有?|(?<!特)别|未|一点都不|一点也不|并不|谈不上|算不上)(?:太|很|怎么|是很|那么|够|觉得)?)$",
    re.IGNORECASE,
)
_NOT_GOOD = re.compile(
    r"\bnot (?:good|great|nice|impressed|happy|satisfied|acceptable|okay|ok|right)\b|\bnot good enough\b|(?:不|(?<!有)没有?|并不)(?:太|很|怎么|那么|够|是很)?(?:好(?!意思|了)(?:用|看|吃|穿)?|满意|喜欢|开心|靠谱|舒服|行)(?![?？吗])",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"[?？]\s*$|吗\W*$|呢\W*$|\b(?:do you have|looking for|i(?:'?d| would)? (?:need|want|like)|show me|find me|which|what(?:'s| is) (?:your|the)|how (?:do|much|long)|can i|could you)\b|有没有|想(?:买|要(?!的)|看)|哪[个款]|推荐(?!给)|送\w{1,4}(?:什么|礼)|的话",
    re.IGNORECASE,
)
"""Asks or looks for something: good and bad words in it are the goods', not the mood's."""
_GLAD_SIGNS = re.compile("[😀😃😄😁😆😊🥰😍😘🤩🥳👍👏🙌🙏💯🎉✨💖💕❤♥🌹💪]")
_SAD_SIGNS = re.compile("[😠😡🤬😤😞😒🙄😩😫😢😭💢👎🤮🖕😾💔]")
_LETTERS = re.compile(r"[A-Za-z]")
_DEMANDS = re.compile(
    r"^\W*(?:where|why|when|who|answer|stop|hello)\b|\b(?:now|again|already|waiting)\b", re.IGNORECASE
)
_CAPITALS = 0.7
_SHOUTED = 8  # letters; "OK" and "USB-C" are no shouting


def sentiment_of(turns: Sequence[Turn]) -> Sentiment:
    """How the customer of these turns feels now, oldest turn first; neutral where they have said nothing."""
    said = [turn for turn in turns if turn.role == "user"][-READ:]
    latest, *earlier = [_mood(turn) for turn in reversed(said)] or [0.0]
    before: float = sum(felt * 0.5**back for back, felt in enumerate(earlier, 1))
    # What was said before is made good by the latest word, or spoilt, and adds to one of its own kind.
    total = latest if latest * before < 0 else latest + before
    if len(said) > 1 and asks_again(said):
        total -= 0.6
    return "upset" if total <= UPSET else "pleased" if total >= PLEASED else "neutral"


def asks_again(turns: Sequence[Turn]) -> bool:
    """Whether the customer's latest message says nearly what one of the few before it said."""
    said = [turn.content[:_COMPARED].casefold().strip() for turn in turns if turn.role == "user"]
    *before, last = said[-READ - 1 :] or [""]
    if len(last) < _SHORTEST_ASKED // (1 if last.isascii() else 2):
        return False
    return any(SequenceMatcher(None, each, last, autojunk=False).ratio() >= _ALIKE for each in before)


def _mood(turn: Turn) -> float:
    """One message: below 0 where it is upset. What the intent model called a complaint weighs as half a bad word."""
    complains = bool((turn.data.get("intent") or {}).get("label") == "complaint")
    return mood(turn.content) - 0.5 * complains


def mood(text: str) -> float:
    """The balance of one message: about 1 for each good word, -1 for each bad one, more where it is shouted."""
    text = text[:2_000].replace("’", "'")
    asks = bool(_ASKS.search(text))
    score = 0.0
    left = text
    for pattern, worth in ((_TURNED_TO_GOOD, 1.0), (_TURNED_TO_BAD, -1.0), (_NOT_GOOD, -1.0)):
        found = [match[0] for match in pattern.finditer(left)]
        # "Any that are not bad?" says what is wanted.
        score += 0.0 if asks and worth > 0 else worth * len(found)
        left = pattern.sub("  ", left)
    for pattern, worth in ((_GOOD, 1.0), (_BAD, -1.0)):
        for match in pattern.finditer(left):
            if asks and worth > 0:
                continue
            turned = _NOT.search(left[max(0, match.start() - 24) : match.start()]) is not None
            score += -worth if turned and worth > 0 else 0.3 if turned else worth
    if decent(text) != text and score <= 0:
        score -= 1.0
    score += len(_GLAD_SIGNS.findall(text)) * 0.6 - len(_SAD_SIGNS.findall(text))
    return _as_loud(text, score)


def _as_loud(text: str, score: float) -> float:
    """The score, stronger where it is shouted; shouting alone is not friendly."""
    letters = _LETTERS.findall(text)
    shouts = len(letters) >= _SHOUTED and sum(map(str.isupper, letters)) >= _CAPITALS * len(letters)
    presses = re.search(r"[?？]{3,}|[?？][!！]|[!！][?？]|[!！]{2,}", text) is not None
    if score:
        return score * (1.5 if shouts or presses else 1.0)
    if shouts and _DEMANDS.search(text):  # there are those who write everything so
        return -1.0
    return -0.9 if re.search(r"[?？]{3,}|[?？][!！]", text) else 0.0
