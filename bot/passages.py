"""Which passage of the shop's pages answers a question: meaning and words together, above a threshold or not at all."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from bot.evidence import vector_of
from bot.shelf import Shelf
from index.documents import Passage
from index.encoders import Encoder, Vectors, script_of

CANDIDATES = 8
WORDS_WEIGHT = 0.35
EXCERPT = 320
"""Characters of an answer; half as many in Chinese."""
OPENING, MUCH = 0.2, 0.5
_LATIN = re.compile(r"[A-Za-z]{2,}")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])|\n+")
_FLOORS: Mapping[str, tuple[float, float]] = {"latin": (0.15, 0.45), "han": (0.80, 0.88)}
"""Per space: the cosine that says nothing, and the one that says it all. Measured on the demo shop's pages."""
ENOUGH = 0.5
_MEANS: Mapping[str, str] = {"guarantee": "warranty", "guarantees": "warranty", "postage": "shipping"}
_STOP = frozenset(
    "a an the of for in on is are it its i my me you your do does did can could will would if to with and or what how when where "
    "which who be have has there any get got from at by about please tell this that not much many long shop store".split()
) | frozenset("我 你 您 的 了 吗 呢 是 有 么 怎么 什么 可以 多久 如何 请问 能不 不能 你们 我们".split())


def best_passages(shelf: Shelf, question: str, language: str) -> list[Passage]:
    """The passages that answer, best first; pages in the customer's own language before others.

    Empty where none does.
    """
    return [passage for _, passage in scored_passages(shelf, question, language)]


def scored_passages(shelf: Shelf, question: str, language: str) -> list[tuple[float, Passage]]:
    """The same, each with how well it answers, from `ENOUGH` up to 1.65."""
    documents = shelf.snapshot.documents
    own = [passage for passage in documents.passages if passage.language == language]
    passages = own or documents.passages
    if not passages:
        return []
    space = script_of(question)
    cosines: dict[Passage, float] = {}
    encoder = shelf.encoders.get(space) or shelf.encoders.get("han")
    if encoder is not None and encoder.space in documents.vectors:
        vector = vector_of(encoder, question)  # (dim,)
        found = documents.search(encoder.space, vector, CANDIDATES, language if own else None)
        scale = encoder.on_pretrained_scale(np.array([cosine for _, cosine in found], np.float32))
        cosines = dict(zip((passage for passage, _ in found), scale.tolist(), strict=True))
    shares = coverage(question, passages)
    scored = []
    for passage, share in zip(passages, shares, strict=True):
        score = worth_of(encoder, cosines.get(passage), share)
        if score >= ENOUGH:
            scored.append((score, passage))
    scored.sort(key=lambda pair: -pair[0])
    if not scored and own and space == "han" and (foreign := " ".join(_LATIN.findall(question))):
        # "你们的 opening hours 是什么": what is asked stands in the words of the other language, and so may the answer.
        return scored_passages(shelf, foreign, "en") if language != "en" else []
    return scored


def worth_of(encoder: Encoder | None, cosine: float | None, share: float) -> float:
    """How well a text answers, from 0 to 1.65, by what it means and by the share of the question's words that it has.

    `cosine` is on the scale of the pretrained encoder; None where the text is none of the nearest.
    """
    low, high = _FLOORS[encoder.space if encoder is not None else "latin"]
    meaning = 0.0 if cosine is None else min(2.0, max(0.0, (cosine - low) / (high - low)))
    return (1 - WORDS_WEIGHT) * meaning + WORDS_WEIGHT * share


def excerpt(shelf: Shelf, passage: Passage, question: str) -> str:
    """The part of a passage that answers: its best sentence and those around it, verbatim, up to `EXCERPT` characters."""
    sentences = [part for part in _SENTENCE.split(passage.text) if part.strip()]
    limit = EXCERPT // 2 if script_of(passage.text) == "han" else EXCERPT
    if len(passage.text) <= limit or len(sentences) < 2:
        return passage.text
    shares = shares_of(question, sentences)
    encoder = shelf.encoders.get(script_of(question)) or shelf.encoders.get("han")
    meanings = [0.0] * len(sentences)
    if encoder is not None:
        vector = vector_of(encoder, question)  # (dim,)
        meanings = encoder.on_pretrained_scale(_sentence_vectors(encoder, tuple(sentences)) @ vector).tolist()
    worth = [meaning + WORDS_WEIGHT * share for meaning, share in zip(meanings, shares, strict=True)]
    best = max(range(len(sentences)), key=worth.__getitem__)
    # A page states its rule first and the exceptions after it: a general question wants the rule.
    best = next(
        place
        for place in range(len(sentences))
        if worth[place] >= worth[best] - OPENING and shares[best] - shares[place] < MUCH
    )
    first = last = best
    while True:
        # What follows a sentence explains it, so it is taken before what precedes.
        for start, end in ((first, last + 1), (first - 1, last)):
            text = _between(passage.text, sentences, start, end) if start >= 0 and end < len(sentences) else ""
            if text and len(text) <= limit:
                first, last = start, end
                break
        else:
            break
    return _between(passage.text, sentences, first, last)


def opening(text: str) -> str:
    """The first sentence of a passage, verbatim."""
    return next((part.strip() for part in _SENTENCE.split(text) if part.strip()), text)


def _between(text: str, sentences: Sequence[str], first: int, last: int) -> str:
    """The text from the start of one sentence to the end of another, as it stands."""
    start = text.index(sentences[first])
    end = text.index(sentences[last], start) + len(sentences[last])
    return text[start:end].strip()


@lru_cache(maxsize=512)
def _sentence_vectors(encoder: Encoder, sentences: tuple[str, ...]) -> Vectors:
    """(sentences, dim); the shop's pages are few and asked about again and again."""
    return encoder.encode_documents(list(sentences))


def coverage(question: str, passages: Sequence[Passage]) -> list[float]:
    """For each passage the share of the question's words that it holds, rare words counting more, from 0 to 1."""
    return shares_of(question, [f"{passage.title} {passage.heading} {passage.text}" for passage in passages])


def shares_of(question: str, texts: Sequence[str]) -> list[float]:
    """For each text the share of the question's words that it holds, rare words counting more, from 0 to 1."""
    asked = _words(question)
    if not asked:
        return [0.0] * len(texts)
    held = [_words(text) for text in texts]
    counts = Counter(word for words in held for word in words)
    rarity = {word: math.log(1 + len(texts) / (1 + counts[word])) for word in asked}
    total = sum(rarity.values()) or 1.0
    return [sum(rarity[word] for word in asked & words) / total for words in held]


@lru_cache(maxsize=4_096)
def _words(text: str) -> frozenset[str]:
    low = text.casefold()
    words = {_stem(word) for word in re.findall(r"[a-z0-9]+", low) if word not in _STOP}
    for run in re.findall(r"[\u3400-\u9fff]+", low):
        words |= {pair for pair in (run[place : place + 2] for place in range(len(run) - 1)) if pair not in _STOP}
    return frozenset(words)


def _stem(word: str) -> str:
    """Endings off, so that "returning" and "returns" meet "return"; a guarantee is a warranty."""
    word = _MEANS.get(word, word)
    for ending in ("ings", "ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
