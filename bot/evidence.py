"""Which sentence answers a question about a product, and how sure that is.

A sentence is judged by what it means, by the words that it shares with the question, and by whether it is of the kind that the
question asks for (a figure, an opinion). Sentences are quoted as they stand or not at all; nothing is worded anew.
"""

from __future__ import annotations

import math
import re
from collections import Counter, OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from threading import Lock
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from index.encoders import Encoder, Vectors, script_of

LONGEST: Final = 300
"""Characters of a quote."""
SHORTEST: Final = {"latin": 8, "han": 5}
FEATURES: Final = ("bias", "meaning", "above", "share", "telling", "mismatch")
_NAMED = 0.5
"""Share of the question's words that other words for what is asked are worth."""
_LEAST_NAMED: Final = {"latin": 9, "han": 3}
"""Characters that question and title must have in common for them to be the product's name."""
_ARTICLE_IT = re.compile(r"\b(?:the|an?|this|your) it\b", re.IGNORECASE)
_STANDS_FOR: Final = {"latin": "it", "han": "它"}
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[a-z0-9)][.!?])(?=[A-Z])|(?<=[。！？；!?])|\n+")
_WORD = re.compile(r"[a-z0-9]+")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_STOP = frozenset(
    "a an the of for in on is are was were be been am it its i my me you your he she they them their we our do does did done can "
    "could will would shall should may might must if to with without and or but not no so too very what how when where which who "
    "whom why have has had there here any some get got from at by as about into out up down off than then this that these those "
    "just really much many well good bad like kind tell know think say said please thing things one ones s t re ve ll d m product "
    "item".split()
)
_STOP_HAN = frozenset(
    "怎么 什么 可以 如何 请问 能不 不能 你们 我们 这个 那个 一个 时候 是不 不是 会不 不会 有没 "
    "没有 多少 几个 这款 那款 大家 觉得 样子 么样".split()
)
_ASKS_FIGURE = re.compile(
    r"\bhow (?:many|long|big|large|heavy|tall|wide|deep|thick|often)\b"
    r"|\bhow much (?:does (?:it|this|that) (?:weigh|hold)|memory|storage)\b"
    r"|\bwhat (?:size|weight|length|capacity|wattage)\b|多[久长大重高宽深厚]|多少|几[个天年小斤升次]",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|hours?|days?|weeks?|months?|years?)\b"
    r"|[一二两三四五六七八九十半几]",
    re.IGNORECASE,
)
_GOOD = re.compile(
    r"\b(?:good|great|excellent|perfect(?:ly)?|love[ds]?|lovely|nice(?:ly)?|amazing|awesome|fantastic|superb|best|"
    r"better|comfortable|"
    r"comfy|easy|easily|quiet(?:ly)?|silent|sturdy|solid|durable|reliable|fast|quick|bright|clear|crisp|sharp|soft|smooth|"
    r"light|accurate|true|happy|pleased|impressed|recommend|well|fine|works?|worked|plenty|generous|strong|fits?|beautiful|"
    r"holds up|warm|survived)\b|好用|不错|很好|喜欢|舒服|舒适|方便|安静|结实|耐用|清晰|清楚|柔软|轻便|准确|很准|"
    r"满意|推荐|漂亮|"
    r"合适|够用|牢固|顺滑|简单|保暖|扎实",
    re.IGNORECASE,
)
_BAD = re.compile(
    r"\b(?:bad(?:ly)?|poor(?:ly)?|terrible|awful|horrible|worst|worse|hate[ds]?|disappoint\w*|uncomfortable|hard|"
    r"difficult|noisy|noise|"
    r"loud|flimsy|cheap|broken?|broke|breaks|fail(?:ed|s)?|slow|dim|blurry|rough|stiff|heavy|heavier|wrong|useless|waste|"
    r"return(?:ed|ing)|regret|weak|wobbl\w+|tight|leak\w*|scratch\w*|faded?|fades|shrank|shrink|shrinks|dies|died|"
    r"annoying|pain|painful|"
    r"hurts?|problems?|issues?|rash|itch\w*|loose|muffled|tinny|runs small|too small|too big|nightmare|crushed|freezing)\b"
    r"|不好|很差|太差|难用|失望|难受|麻烦|很吵|吵得|噪音|松垮|坏了|模糊|粗糙|太重|偏小|偏大|后悔|退货|漏水|掉色|"
    r"缩水|褪色|刺鼻|起疹|发痒|费劲|太紧|难清|发闷",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"(?:\b(?:not|no|never|isn't|wasn't|aren't|don't|doesn't|didn't|won't|can't|cannot|without|hardly|barely|"
    r"nothing|neither|nor)\b"
    r"(?:\W+\w+){0,3}\W*|(?:不|没有?|别|未|无)[\u4e00-\u9fff]{0,2})$",
    re.IGNORECASE,
)
_KEPT_OUT = re.compile(
    r"https?:|www\.|\]\(|REDACTED_|[<>{}]|@|\b[\w-]+\.(?:com|net|org|io|cn|shop|example)\b"
    r"|[$€£¥￥]\s?\d|\d\s?(?:[$€£¥]|\b(?:usd|dollars?|bucks|euros?|pounds?)\b|元|块钱?|美元)",
    re.IGNORECASE | re.ASCII,
)

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judge:
    """Weights of `FEATURES`, and the score above which a sentence answers; scores are from 0 to 1."""

    weights: tuple[float, ...]
    enough: float

    def scores(self, features: Vector) -> Vector:
        """(sentences, features) → (sentences,)."""
        scores: Vector = 1.0 / (1.0 + np.exp(-(features @ np.array(self.weights))))
        return scores


Mode = Literal["latin", "han", "crossed"]
"""Question and sentence both in Latin script, both in Chinese, or one in each."""
JUDGES: Final[dict[Mode, Judge]] = {
    "latin": Judge((-5.2, 10.21, 7.4, 1.13, 0.22, -1.0), 0.662),
    "han": Judge((-6.53, 4.93, 4.24, 1.86, 3.02, -1.0), 0.766),
    "crossed": Judge((-6.51, 5.63, 4.8, 1.86, 3.02, -1.0), 0.5),
}
"""The first two are fitted on the demo shop's reviews: `python -m benchmarks.product_questions demo SHOP --fit`.

Across languages meaning alone does not tell (AUROC .64): the threshold is so high that other words for what is asked must be there.
"""


def sentences_of(text: str) -> list[str]:
    """The sentences of a text that may be quoted, verbatim and in order.

    Left out are those too short to say anything or too long to quote, and those with links, prices, markup or personal data: a
    price in a review is not the shop's, and nothing that a customer wrote may look like a link.
    """
    found = (part.strip() for part in _SENTENCE.split(text[:20_000]) if part)
    return [each for each in found if SHORTEST[script_of(each)] <= len(each) <= LONGEST and not _KEPT_OUT.search(each)]


def features_of(
    question: str,
    sentences: Sequence[str],
    cosines: Sequence[float] | Vectors,
    known: Collection[str] = (),
    about: re.Pattern[str] | None = None,
) -> Vector:
    """What is judged: (sentences, len(FEATURES)) for one question.

    Args:
        question: what was asked.
        sentences: what may answer, all of one product or page: rare words are told from them.
        cosines: of question and sentence on the scale of the pretrained encoder, (sentences,).
        known: words that every sentence is about, such as the product's title: they tell nothing.
        about: other words for what is asked, in any language; a sentence with one counts as if it had the question's.
    """
    asked = words_of(question) - set(known)
    held = [words_of(each) for each in sentences]
    counts = Counter(word for words in held for word in words)
    rarity = {word: math.log(1 + len(sentences) / (0.5 + counts[word])) for word in asked}
    total = sum(rarity.values()) or 1.0
    # Of the question's words that any sentence has, the one that fewest have.
    telling = max((word for word in asked if counts[word]), key=lambda word: (rarity[word], word), default="")
    figure = bool(_ASKS_FIGURE.search(question))
    meaning = np.asarray(cosines, np.float64)
    middle = float(np.median(meaning)) if len(meaning) else 0.0
    rows = [
        (
            1.0,
            float(cosine),
            float(cosine) - middle,
            max(sum(rarity[word] for word in asked & words) / total, _NAMED * named),
            max(float(telling in words), float(named)),
            float(figure and not _FIGURE.search(each)),
        )
        for each, words, cosine in zip(sentences, held, meaning, strict=True)
        for named in [about is not None and about.search(each) is not None]
    ]
    return np.array(rows, np.float64).reshape(len(sentences), len(FEATURES))


def cosines_of(encoder: Encoder, question: str, sentences: Sequence[str]) -> Vectors:
    """(sentences,) on the scale of the pretrained encoder; sentences that were asked about lately are remembered."""
    return encoder.on_pretrained_scale(_REMEMBERED.of(encoder, sentences) @ vector_of(encoder, question))


@lru_cache(maxsize=256)
def vector_of(encoder: Encoder, question: str) -> NDArray[np.float32]:
    """(dim,); page, reviews and answers given before are asked with the same question."""
    vector: NDArray[np.float32] = encoder.encode_queries([question])[0]
    return vector


def stance_of(sentence: str) -> Literal[-1, 0, 1]:
    """Whether a sentence praises (1) or complains (-1), by its words and what negates them; 0 where it does neither, or both."""
    good = bad = 0
    for pattern, sign in ((_GOOD, 1), (_BAD, -1)):
        for match in pattern.finditer(sentence):
            turned = -sign if _NOT.search(sentence[max(0, match.start() - 30) : match.start()]) else sign
            good, bad = good + (turned > 0), bad + (turned < 0)
    return 1 if good > bad else -1 if bad > good else 0


@lru_cache(maxsize=4_096)
def words_of(text: str) -> frozenset[str]:
    """The words that tell something, by their stems; of Chinese each pair of signs."""
    low = text.casefold()
    words = {stem_of(word) for word in _WORD.findall(low) if word not in _STOP}
    for run in _HAN.findall(low):
        words |= {pair for pair in (run[place : place + 2] for place in range(len(run) - 1)) if pair not in _STOP_HAN}
    return frozenset(words)


def without_title(question: str, title: str) -> str:
    """The question without the words of the product's title: what is left is what is asked.

    `without_title("Is Oak desk lamp bright?", "Oak desk lamp, brass")` is `"Is it bright?"`.
    """
    low, name = question.casefold(), title.casefold()
    while len(low) == len(question):
        match = SequenceMatcher(None, low, name, autojunk=False).find_longest_match()
        found = low[match.a : match.a + match.size]
        least = _LEAST_NAMED[script_of(found)]
        if len(found.strip()) < least:
            break
        question = f"{question[: match.a].rstrip()} {_STANDS_FOR[script_of(found)]} {question[match.a + match.size :].lstrip()}"
        low = question.casefold()
        name = name.replace(found, " ")
    return " ".join(_ARTICLE_IT.sub("it", question).split())


def stem_of(word: str) -> str:
    """Endings off, so that "batteries" meets "battery" and "charging" meets "charge"."""
    for ending, put in (
        ("ies", "y"),
        ("ing", ""),
        ("ers", ""),
        ("er", ""),
        ("ed", ""),
        ("es", ""),
        ("ly", ""),
        ("s", ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + put
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith(("e", "y")) else word


class _Remembered:
    """Vectors of the sentences that were asked about lately: those of a product are asked about again and again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._vectors: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def of(self, encoder: Encoder, sentences: Sequence[str]) -> Vectors:
        """(sentences, dim)."""
        keys = [(encoder.hash, each) for each in sentences]
        with self._lock:
            found = {key: self._vectors[key] for key in keys if key in self._vectors}
        missing = list(dict.fromkeys(key for key in keys if key not in found))
        found |= zip(missing, encoder.encode_documents([sentence for _, sentence in missing]), strict=True)
        with self._lock:
            for key in keys:
                self._vectors[key] = found[key]
                self._vectors.move_to_end(key)
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)
        return np.stack([found[key] for key in keys]) if keys else np.empty((0, encoder.dim), np.float32)


_REMEMBERED = _Remembered(most=10_000)
