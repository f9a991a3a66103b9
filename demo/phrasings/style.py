"""Make a sentence sound like one particular person: casing, punctuation, typos, slang, emoji, words around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

_NEIGHBORS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl", "p": "ol",
    "a": "sqz", "s": "adw", "d": "sfe", "f": "dgr", "g": "fht", "h": "gjy", "j": "hku", "k": "jli", "l": "ko", "z": "xa",
    "x": "zc", "c": "xv", "v": "cb", "b": "vn", "n": "bm", "m": "n",
}  # fmt: skip
_TEXTING = (
    (r"\byou\b", "u"), (r"\byour\b", "ur"), (r"\bare\b", "r"), (r"\bplease\b", "pls"), (r"\bthanks\b", "thx"),
    (r"\bwith\b", "w/"), (r"\bbecause\b", "cuz"), (r"\bto\b", "2"), (r"\bfor\b", "4"), (r"\bokay\b", "k"),
    (r"\bgoing to\b", "gonna"), (r"\bwant to\b", "wanna"), (r"\bsomething\b", "smth"), (r"\bi'm\b", "im"),
    (r"\bdon't\b", "dont"), (r"\bcan't\b", "cant"), (r"\bwhat's\b", "whats"), (r"\bpeople\b", "ppl"),
    (r"\border\b", "ordr"), (r"\babout\b", "abt"), (r"\bi don't know\b", "idk"), (r"\bmessage\b", "msg"),
)  # fmt: skip
_FORMAL = (
    (r"\bi'm\b", "i am"), (r"\bi'd\b", "i would"), (r"\bdon't\b", "do not"), (r"\bcan't\b", "cannot"), (r"\bi'll\b", "i will"),
    (r"\bwhat's\b", "what is"), (r"\bdoesn't\b", "does not"), (r"\bit's\b", "it is"), (r"\bthat's\b", "that is"),
    (r"\bwon't\b", "will not"), (r"\bisn't\b", "is not"), (r"\bi've\b", "i have"), (r"\bwanna\b", "want to"),
)  # fmt: skip
FULL_WIDTH = str.maketrans({",": "\uff0c", "?": "\uff1f", "!": "\uff01", ":": "\uff1a"})
"""Chinese punctuation for the half-width signs that the phrasing files are written with."""
_HOMOPHONES = (("在", "再"), ("的", "地"), ("吗", "嘛"), ("什么", "啥"), ("怎么", "咋"), ("没有", "木有"), ("这个", "介个"),
               ("有没有", "有木有"), ("想要", "想买"), ("喜欢", "稀饭"), ("你们", "你门"), ("订单", "定单"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Persona:
    """How one shopper types. Rates are probabilities a turn; `typos` is a probability a character."""

    name: str
    weight: float
    case: str = "sentence"
    punctuation: float = 0.8
    typos: float = 0.002
    openers: float = 0.25
    closers: float = 0.15
    story: float = 0.05
    emoji: float = 0.03
    texting: float = 0.0
    formal: float = 0.0
    drop_articles: float = 0.0


PERSONAS = (
    Persona("plain", 5),
    Persona("typist", 4, case="lower", punctuation=0.15, openers=0.05, closers=0.03, story=0.0),
    Persona("lower", 4, case="lower", punctuation=0.5, typos=0.004),
    Persona("teenager", 2, case="lower", punctuation=0.1, typos=0.006, emoji=0.25, texting=0.7),
    Persona("grandmother", 1.5, punctuation=0.95, openers=0.5, closers=0.4, story=0.3, typos=0.006, formal=0.4),
    Persona("storyteller", 1.5, openers=0.5, closers=0.3, story=0.6),
    Persona("formal", 1.5, punctuation=1.0, typos=0.0, openers=0.3, closers=0.4, formal=0.9),
    Persona("shouter", 0.7, case="upper", punctuation=0.5, typos=0.004),
    Persona("hasty", 1.5, case="lower", punctuation=0.2, typos=0.03, texting=0.2),
    Persona("learner", 1.5, case="lower", punctuation=0.5, typos=0.01, drop_articles=0.6),
)


def draw_persona(rng: Random) -> Persona:
    """One of `PERSONAS` by weight."""
    return rng.choices(PERSONAS, [persona.weight for persona in PERSONAS])[0]


def write_as(text: str, persona: Persona, language: str, rng: Random) -> str:
    """The sentence as this person would type it; never empty."""
    text = _english(text, persona, rng) if language == "en" else _chinese(text, persona, rng)
    return text.strip() or "?"


def _english(text: str, persona: Persona, rng: Random) -> str:
    if rng.random() < persona.texting:
        for pattern, short in rng.sample(_TEXTING, 7):
            text = re.sub(pattern, short, text)
    if rng.random() < persona.formal:
        for pattern, full in _FORMAL:
            text = re.sub(pattern, full, text)
    if rng.random() < persona.drop_articles:
        text = re.sub(r"\b(a|an|the) ", "", text)
    text = _typos(text, persona.typos, rng)
    if rng.random() >= persona.punctuation:
        text = re.sub(r"[?!,.;]+(?=\s|$)", "", text).replace("'", rng.choice(("'", "")))
    elif text[-1].isalnum() and rng.random() < 0.35:
        text += rng.choice(".....!")
    if persona.case == "upper":
        return text.upper()
    if persona.case == "sentence":
        text = re.sub(r"\bi\b(?!\.e)", "I", text)
        text = re.sub(r"(^|[.?!] )([a-z])", lambda found: found[1] + found[2].upper(), text)
    return text


def _typos(text: str, rate: float, rng: Random) -> str:
    if not rate or len(text) < 6:
        return text
    characters = []
    for character in text:
        if character.isalpha() and character.isascii() and rng.random() < rate:
            kind = rng.randrange(4)
            if kind == 0:  # dropped
                continue
            if kind == 1:  # doubled
                characters.append(character)
            elif kind == 2 and characters and characters[-1].isalpha():  # swapped with the one before
                characters.insert(len(characters) - 1, character)
                continue
            else:
                character = rng.choice(_NEIGHBORS.get(character.lower(), character))
        characters.append(character)
    return "".join(characters)


def _chinese(text: str, persona: Persona, rng: Random) -> str:
    if rng.random() < persona.typos * 15:
        for right, wrong in rng.sample(_HOMOPHONES, 4):
            text = text.replace(right, wrong, 1)
    if rng.random() >= persona.punctuation:
        text = re.sub(r"[,.?!\u3002]+$", "", text)
        if rng.random() < 0.5:
            text = re.sub(r"[,?!\u3002]", rng.choice((" ", "")), text)
    elif text[-1].isalnum() and rng.random() < 0.35:
        text += rng.choice(("\u3002", "\u3002", "!", "~", "~~", "哈", "呀"))
    # most phones type full-width punctuation, some people do not care
    return text if rng.random() < 0.3 else text.translate(FULL_WIDTH)
