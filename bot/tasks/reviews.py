"""What customers wrote about a product, as an answer: a sentence of a review word for word, how many say so, where they differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.cards import Citation
from bot.evidence import JUDGES, Mode, cosines_of, features_of, sentences_of, stance_of, without_title, words_of
from bot.turn import Answer, Turn
from index.encoders import script_of
from index.product import Product
from storage.reviews import Review, reviews_of

READ: Final = 30
"""The newest reviews of a product that are read for an answer."""
WEIGHED: Final = 40
"""Sentences that are compared by meaning: 1 to 3 ms each the first time, nothing once they are remembered.

Reviews are read, the newest first, while they fit; so every sentence of those that "2 of 3 reviews" counts was compared.
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A sentence that answers, its score from 0 to 1, and the review that it stands in; None where it is the product's page."""

    sentence: str
    score: float
    review: Review | None = None


def from_page(turn: Turn, product: Product, question: str, about: re.Pattern[str] | None = None) -> str:
    """The sentence of the description that answers, verbatim; empty where none does."""
    found = _answering(turn, product, question, [(each, None) for each in sentences_of(product.description)], about)
    return max(found, key=lambda each: each.score).sentence if found else ""


def from_reviews(
    turn: Turn, answer: Answer, product: Product, title: str, question: str, about: re.Pattern[str] | None = None
) -> list[str]:
    """What the reviews say on it, cited; empty where none does. `about` are other words for what is asked."""
    pairs: list[tuple[str, Review]] = []
    read = 0
    for review in _reviews(turn, product):
        sentences = sentences_of(review.text)
        if len(pairs) + len(sentences) > WEIGHED and read:
            break
        pairs += [(each, review) for each in sentences[:WEIGHED]]
        read += 1
    found = _answering(turn, product, question, pairs, about)
    if not found:
        return []
    best: dict[str, Found] = {}
    for each in found:
        assert each.review is not None
        known = best.get(each.review.review_id)
        if known is None or each.score > known.score:
            best[each.review.review_id] = each
    return _told(turn, answer, product, title, list(best.values()), read)


def digest(turn: Turn, answer: Answer, product: Product, title: str) -> list[str]:
    """What is praised most recently and what is complained about, for a question about the reviews as such."""
    written = _reviews(turn, product)
    found = []
    for review in written:
        stances = [(stance_of(each), each) for each in sentences_of(review.text)]
        telling = next((pair for pair in stances if pair[0]), None)
        if telling is not None:
            found.append(Found(telling[1], float(telling[0]), review))
    good, bad = ([each for each in found if each.score * sign > 0] for sign in (1, -1))
    said = []
    for key, kind in (("review.praise", good), ("review.complaint", bad)):
        if kind:
            said.append(turn.voice.say(key, title=title, quote=_cited(answer, product, kind[0])))
    return said


def _told(turn: Turn, answer: Answer, product: Product, title: str, found: Sequence[Found], total: int) -> list[str]:
    """`found` has one sentence a review."""
    voice = turn.voice
    ranked = sorted(found, key=lambda each: -each.score)
    good = [each for each in ranked if stance_of(each.sentence) > 0]
    bad = [each for each in ranked if stance_of(each.sentence) < 0]
    counts = {"title": title, "count": len(ranked), "total": total}
    if good and bad:
        first, second = _cited(answer, product, good[0]), _cited(answer, product, bad[0])
        return [voice.say("review.differ", **counts, good=len(good), bad=len(bad), quote=first, other=second)]
    quote = _cited(answer, product, ranked[0])
    if total == 1:
        return [voice.say("review.only", title=title, quote=quote)]
    agreed = len(ranked) > 1 and len(ranked) in (len(good), len(bad))
    return [voice.say("review.agree" if agreed else "review.some", **counts, quote=quote)]


def _cited(answer: Answer, product: Product, found: Found) -> str:
    """The sentence, entered in the ledger and cited."""
    review = found.review
    assert review is not None
    answer.ledger.text(found.sentence)
    title = review.title or product.title
    answer.citations.append(
        Citation(kind="review", id=review.review_id, title=title, quote=found.sentence, url=product.url)
    )
    return found.sentence


def _reviews(turn: Turn, product: Product) -> list[Review]:
    """The newest reviews of a product and of its variants."""
    ids = [product.id, *(variant.id for variant in product.variants)]
    written = [review for each in reviews_of(turn.database, ids, READ).values() for review in each]
    return sorted(written, key=lambda review: -(review.timestamp or 0))[:READ]


def _answering(
    turn: Turn,
    product: Product,
    question: str,
    pairs: Sequence[tuple[str, Review | None]],
    about: re.Pattern[str] | None,
) -> list[Found]:
    """The sentences that answer, with their scores."""
    known = words_of(product.title)
    question = without_title(question, product.title)
    pairs = pairs[:WEIGHED]
    found = []
    for mode in ("latin", "han", "crossed"):
        these = [pair for pair in pairs if _mode(turn, question, pair[0]) == mode]
        encoder = turn.shelf.encoders.get("latin" if mode == "latin" else "han")
        if not these or encoder is None:
            continue
        sentences = [sentence for sentence, _ in these]
        judge = JUDGES[mode]
        features = features_of(question, sentences, cosines_of(encoder, question, sentences), known, about)
        scores = judge.scores(features)
        found += [
            Found(*these[place][:1], float(scores[place]), these[place][1])
            for place in np.flatnonzero(scores > judge.enough).tolist()
        ]
    return found


def _mode(turn: Turn, question: str, sentence: str) -> Mode:
    asked = script_of(question)
    return asked if script_of(sentence) == asked else "crossed"
