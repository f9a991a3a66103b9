"""Pairs of question and answer out of past dialogues, for a supervisor to approve.

A question is a customer's turn that asks about the shop, and its answer the reply to it, where the dialogue went on well: nobody
complained, asked for a person or asked the same again, and no thumb points down. What only holds for one customer or one day is
refused with its reason. Questions that mean the same become one pair, with the answer that was given best: a person's before a
machine's, then the one that was thanked for, then the commonest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from finetune.logs import Dialogue, Message
from index.encoders import Encoder, script_of
from storage.answers import Proposal, answer_id_of
from storage.speakable import problem_of

SAME: Final[Mapping[str, float]] = {"latin": 0.9, "han": 0.96}
"""Cosines from which on two questions mean the same, by script."""
ABOUT: Final[Mapping[str, float]] = {"latin": 0.2, "han": 0.8}
"""Cosines of question and answer below which the answer speaks of something else, by script."""
ASKING: Final = frozenset({"ask_policy", "out_of_scope"})
"""Labels of turns that ask for a fact of the shop; unlabelled turns are told by their words."""
TROUBLE: Final = frozenset({"complaint", "handoff"})
BLOCK: Final = 2_000
"""Questions that are compared at a time."""
_ASKS = re.compile(
    r"[?？]|^\W*(?:(?:hi|hello|hey)\W+)?(?:do|does|can|could|is|are|will|what|how|when|where|which|who|why)\b|"
    r"[吗呢么]|什么|怎么|多久|多少|哪|几|能不能|可不可以",
    re.IGNORECASE,
)
_UNHAPPY = re.compile(
    r"\b(?:not what i asked|that'?s wrong|doesn'?t (?:help|answer)|useless|real person|human|speak to (?:a|an|"
    r"some)|complain)\b|答非所问|不是问这个|没用|转人工|真人|投诉",
    re.IGNORECASE,
)
_TURNS_DOWN = re.compile(
    r"\b(?:i can only|can(?:'t|not) help|not able to help|beyond what i|i am afraid i|don'?t know)\b|只能帮|帮不了|"
    r"帮不上|无法回答|不清楚|不知道",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"^\W*(?:(?:hi|hello|hey|good (?:morning|afternoon|evening))(?: there)?|sure(?: thing)?|of course|certainly|"
    r"great question|thanks? (?:you )?for (?:asking|reaching out|your (?:question|message))|"
    r"happy to help|no problem|您好|你好|亲|好的|当然|没问题|感谢您的咨询)[^.!?。！？,，]{0,12}[.!?。！？,，~～]\s*",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"\s*(?:[^.!?。！？]*\b(?:anything else|help (?:you )?with anything|let (?:me|us) know|have a (?:nice|great|"
    r"good)|happy to help)\b[^.!?]*[.!?]*"
    r"|[^.!?。！？]*(?:还有(?:什么|其他)|别的(?:问题|需要)|随时(?:联系|找)|祝您)[^。！？]*[。！？~～]*)\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A question whose answer is not proposed, and why."""

    question: str
    source: str
    reason: str


@dataclass
class Mined:
    """What came out of dialogues: pairs to decide on, and what was refused; `turns` are the customers' turns that were read."""

    pairs: list[Proposal] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    turns: int = 0

    @property
    def by_reason(self) -> dict[str, int]:
        """Refused questions a reason, the commonest first."""
        return dict(Counter(each.reason for each in self.refused).most_common())


@dataclass(frozen=True, slots=True)
class _Asked:
    question: str
    answer: str
    language: str
    source: str
    by_person: bool
    thanked: bool
    kept: bool


def mine(
    dialogues: Iterable[Dialogue],
    encoders: Mapping[str, Encoder],
    kept: bool = False,
    people_only: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Mined:
    """The pairs of dialogues whose texts are redacted already.

    Args:
        dialogues: where from.
        encoders: by script; what has none is merged by its words alone.
        kept: whether they are conversations of the database, which erasure must find.
        people_only: take the answers of people alone; the database's other answers are Aisle's own.
        progress: called with (questions compared, all).
    """
    mined, asked = Mined(), list[_Asked]()
    for dialogue in dialogues:
        for question, reply, after in _exchanges(dialogue):
            mined.turns += 1
            if people_only and reply.role != "agent":
                continue
            answer = trimmed(reply.content)
            language = "zh" if script_of(question.content) == "han" else "en"
            problem = (
                "it names products of that talk"
                if reply.products
                else problem_of(question.content.strip(), answer, language)
            )
            if problem is None and _went_badly(question, reply, after):
                problem = "the customer was not content with it"
            if problem is None and _TURNS_DOWN.search(answer):
                problem = "the answer turns it down"
            if problem is None and (script_of(answer) == "han") != (language == "zh"):
                problem = "question and answer are in two languages"
            if problem is not None:
                mined.refused.append(Refused(question.content[:200], dialogue.id, problem))
                continue
            thanked = reply.feedback == "up" or any("thank" in each.intents for each in after[:1])
            asked.append(
                _Asked(question.content.strip(), answer, language, dialogue.id, reply.role == "agent", thanked, kept)
            )
    mined.pairs = _merged(_about(asked, encoders, mined), encoders, progress)
    return mined


def _about(asked: list[_Asked], encoders: Mapping[str, Encoder], mined: Mined) -> list[_Asked]:
    """Those whose answer speaks of the question; the others are refused."""
    close = [True] * len(asked)
    for language, space in (("en", "latin"), ("zh", "han")):
        encoder = encoders.get(space)
        places = [place for place, each in enumerate(asked) if each.language == language]
        for start in range(0, len(places) if encoder is not None else 0, BLOCK):
            assert encoder is not None
            some = places[start : start + BLOCK]
            questions = encoder.encode_queries([asked[place].question for place in some])  # (some, dim)
            answers = encoder.encode_documents([asked[place].answer for place in some])
            cosines = encoder.on_pretrained_scale((questions * answers).sum(axis=1))
            for place, cosine in zip(some, cosines.tolist(), strict=True):
                close[place] = cosine >= ABOUT[space]
    for each, is_close in zip(asked, close, strict=True):
        if not is_close:
            mined.refused.append(Refused(each.question[:200], each.source, "the answer speaks of something else"))
    return [each for each, is_close in zip(asked, close, strict=True) if is_close]


def trimmed(answer: str) -> str:
    """The answer without greeting and offers of more help, which belong to the moment."""
    text = " ".join(answer.split())
    for _ in range(2):
        text = _GREETING.sub("", text, count=1)
    text = _CLOSING.sub("", text, count=1).strip()
    return text[:1].upper() + text[1:]


def _exchanges(dialogue: Dialogue) -> Iterator[tuple[Message, Message, list[Message]]]:
    """(a customer's turn that asks, the reply to it, the customer's turns after)."""
    said = [
        message for message in dialogue.messages if message.role in ("user", "assistant", "agent") and message.content
    ]
    for place, message in enumerate(said[:-1]):
        reply = said[place + 1]
        if message.role != "user" or reply.role == "user":
            continue
        asks = bool(ASKING.intersection(message.intents)) if message.intents else _ASKS.search(message.content)
        if asks:
            yield message, reply, [each for each in said[place + 2 :] if each.role == "user"]


def _went_badly(question: Message, reply: Message, after: list[Message]) -> bool:
    if reply.feedback == "down":
        return True
    for message in after[:2]:
        if TROUBLE.intersection(message.intents) or _UNHAPPY.search(message.content):
            return True
    again = {answer_id_of(message.content, "") for message in after}
    return answer_id_of(question.content, "") in again


def _merged(
    asked: list[_Asked], encoders: Mapping[str, Encoder], progress: Callable[[int, int], None]
) -> list[Proposal]:
    """One pair for questions that mean the same."""
    groups: dict[str, list[_Asked]] = {}
    for each in asked:
        groups.setdefault(answer_id_of(each.question, each.language), []).append(each)
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0].question))
    pairs = []
    done = 0
    for language in ("en", "zh"):
        own = [group for group in ordered if group[0].language == language]
        for cluster in _clusters(own, encoders.get("han" if language == "zh" else "latin")):
            pairs.append(_pair([each for group in cluster for each in group]))
        done += len(own)
        progress(done, len(ordered))
    return sorted(pairs, key=lambda pair: (-pair.asked, pair.question))


def _clusters(groups: list[list[_Asked]], encoder: Encoder | None) -> Iterator[list[list[_Asked]]]:
    """Each group joins the first that leads a cluster and means the same, the commonest leading."""
    if encoder is None or not groups:
        yield from ([group] for group in groups)
        return
    clusters: list[list[list[_Asked]]] = []
    leaders: list[int] = []
    embedded = [
        encoder.encode_queries([group[0].question for group in groups[start : start + BLOCK]])
        for start in range(0, len(groups), BLOCK)
    ]
    vectors = np.concatenate(embedded)  # (groups, dim)
    for place, group in enumerate(groups):
        if leaders:
            cosines = encoder.on_pretrained_scale(vectors[leaders] @ vectors[place])
            nearest = int(cosines.argmax())
            if cosines[nearest] >= SAME[encoder.space]:
                clusters[nearest].append(group)
                continue
        leaders.append(place)
        clusters.append([group])
    yield from clusters


def _pair(asked: list[_Asked]) -> Proposal:
    common = Counter(each.answer for each in asked)
    best = max(
        asked, key=lambda each: (each.by_person, each.thanked, common[each.answer], -len(each.answer), each.answer)
    )
    # Question and answer of one dialogue: they belong together, and erasing it erases both.
    source = best.source if best.kept else None
    return Proposal(best.question, best.answer, best.language, best.source, len(asked), source)
