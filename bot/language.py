"""In which language a turn is answered: that of the turn, and for a very short one that of the talk so far."""

from __future__ import annotations

import re

from bot.reply.voice import WHOLE, languages
from index.tokens import STOPWORDS

DEFAULT = "en"
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LATIN_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)?")
_FOREIGN_LETTER = re.compile(
    r"[\u0370-\u03ff\u0400-\u052f\u0530-\u058f\u0590-\u05ff\u0600-\u06ff\u0900-\u0dff\u0e00-\u0e7f\u10a0-\u10ff\u3040-\u30ff\uac00-\ud7af]"
)
_MODEL = re.compile(r"\b(?=\w*\d)\w+(?:-\w+)*\b", re.ASCII)
_FOREIGN_WORD = re.compile(
    r"bonjour|je|vous|avez|voudrais|cherche|pour|une|est|les|des|avec|merci|salut|combien|quel|quelle|"
    r"hola|quiero|busco|necesito|tienes|tienen|una|para|por|gracias|cuanto|cuesta|donde|los|las|"
    r"ich|suche|haben|sie|einen|eine|und|für|nicht|bitte|danke|guten|wieviel|möchte|brauche|"
    r"ciao|vorrei|cerco|avete|grazie|quanto|costa|olá|quero|você|obrigado|preciso|procuro",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_CHINESE_FRAME = re.compile(r"有没有|[我您你想要找买帮给吗呢的]|推荐|多少|怎么|什么|哪")
_ENGLISH_FRAME = re.compile(
    r"\b(?:i|i'm|i'd|do|does|is|are|have|has|show|need|want|looking|find|can|could|please|what|which|where|how|the|my|me|you)\b",
    re.IGNORECASE,
)
_SHORT = 2


def language_of(message: str, before: str = "", wanted: str | None = None) -> str:
    """The language code to answer in.

    `wanted` (the API's `language`) wins where there is such a language. A Chinese character weighs about as much
    as half an English word; model numbers and a turn of up to two words say nothing against the language so far.
    A language that has a file beside English and Chinese is told by its frequent words.
    """
    if wanted in languages():
        return str(wanted)
    if further := _further(message, before):
        return further
    han = len(_HAN.findall(message))
    words = len([word for word in _LATIN_WORD.findall(_MODEL.sub(" ", message)) if len(word) > 1])
    if han == 0 and words <= _SHORT and before:
        return before
    if han == 0 and words == 0:
        return before or DEFAULT
    if han and words and _CHINESE_FRAME.search(message) and not _ENGLISH_FRAME.search(message):
        return "zh"  # "有没有 waterproof 的 jacket" is a Chinese sentence with English words in it
    return "zh" if han >= 2 * words or (han and not words) else "en"


def _further(message: str, before: str) -> str:
    """The language, neither English nor Chinese, that most of the telling words are of; "" where none is."""
    words = {word.casefold() for word in _WORD.findall(_MODEL.sub(" ", message))}
    best, most = "", 0
    for code, language in languages().items():
        if code in WHOLE:
            continue
        own = len(words & language.marks)
        english = len((words & STOPWORDS) - language.marks)
        going_on = code == before and not english and not _HAN.search(message)
        if own - english > most and (own >= 2 or going_on or len(words) <= _SHORT):
            best, most = code, own - english
        elif going_on and not best:
            best = code
    return best


def spoken(wanted: str) -> str:
    """The language code where there is such a language, else the default."""
    return wanted if wanted in languages() else DEFAULT


def foreign(message: str) -> bool:
    """Whether the turn is plainly in a language that has no file here: by its letters, or by three function words."""
    if _further(message, ""):
        return False
    letters = len(_FOREIGN_LETTER.findall(message))
    known = len(_HAN.findall(message)) + len(re.findall(r"[A-Za-z]", message))
    if letters > known:
        return True
    words = {word.casefold() for word in re.findall(r"[^\W\d_]+", message)}
    strange = sum(bool(_FOREIGN_WORD.fullmatch(word)) for word in words)
    return strange >= 3 or (strange == 2 and len(words) <= 5)
