"""Words around a phrasing that carry no intent: greetings before a request, hedges, stories, politeness, emoji."""

from __future__ import annotations

from demo.phrasings.slots import Filler
from demo.phrasings.style import Persona

_SOCIAL = frozenset({"greet", "goodbye", "thank", "chitchat", "accept", "reject"})
_AFTER_NO = frozenset({"refine", "search", "handoff", "recommend", "compare", "ask_product", "cart_add"})
_DECLINABLE = frozenset(
    {"list", "detail", "picked", "compared", "offer_add", "offer_show", "offer_human", "offer_pay", "empty"}
)
_YES_OR_NO = (
    "yes",
    "no",
    "nope",
    "yeah",
    "ok",
    "sure",
    "thank",
    "hi",
    "hello",
    "hey",
    "不",
    "好",
    "可以",
    "谢",
    "你好",
    "您好",
)


def wrap(core: str, label: str, situation: str, persona: Persona, filler: Filler) -> str:
    """Put words of no intent around the core, as much as the persona likes to talk.

    The same greetings, thanks and "no," stand before many labels, so that the model cannot go by them.
    """
    rng, affixes = filler.rng, filler.bank.affixes
    chinese = filler.bank.language == "zh"

    def draw(name: str) -> str:
        return filler.say(rng.choice(affixes[name]))

    emoji = f"{'' if chinese else ' '}{draw('emoji_sad' if label == 'complaint' else 'emoji')}"
    emoji = emoji if rng.random() < persona.emoji else ""
    if label in _SOCIAL:
        if label in ("accept", "reject", "chitchat") and rng.random() < persona.openers * 0.25:
            core = _join(draw("social_opener"), core, chinese)
        return core + emoji
    if label == "out_of_scope" and rng.random() < 0.4:
        return core
    front = ""
    starts_socially = core.startswith(_YES_OR_NO)
    chance = rng.random()
    if situation == "start":
        if chance < 0.22 and not starts_socially:
            front = draw("hello")
    elif not starts_socially:
        if chance < 0.06 and label != "complaint":
            front = draw("thanks_first")
        elif chance < 0.12 and label in _AFTER_NO and situation in _DECLINABLE:
            front = draw("no_first")
        elif chance < 0.15:
            front = draw("hello")
    if rng.random() < persona.story * (1.0 if situation == "start" else 0.5):
        core = _join(draw("story"), core, chinese)
    elif not starts_socially and rng.random() < persona.openers:
        core = _join(draw("opener" if situation == "start" or rng.random() < 0.4 else "later_opener"), core, chinese)
    if front:
        core = _join(front, core, chinese)
    if rng.random() < persona.closers:
        core = _close(core, draw("closer"), chinese)
    elif rng.random() < persona.story * 0.4:
        core = _close(core, draw("tail"), chinese, sentence=True)
    return core + emoji


def _join(front: str, core: str, chinese: bool) -> str:
    if not chinese:
        return f"{front} {core}"
    return (
        f"{front}{core}"
        if front[-1] in ",。!?~:,!:?\uff0c\uff01\uff1f\uff1a" or len(front) == 1
        else f"{front}\uff0c{core}"
    )


def _close(core: str, closer: str, chinese: bool, sentence: bool = False) -> str:
    if closer in core:
        return core
    last = core[-1]
    if chinese:
        return f"{core}{closer}" if last in "。!?~\uff1f\uff01\uff0c" else f"{core}\uff0c{closer}"
    if sentence:
        return f"{core} {closer}" if last in ".?!" else f"{core}. {closer}"
    if last == "?" and closer.split()[0] in ("please", "pls", "if", "asap", "today", "right", "for"):
        return f"{core[:-1]} {closer}?"
    return f"{core} {closer}" if last in "?!." else f"{core}, {closer}"
