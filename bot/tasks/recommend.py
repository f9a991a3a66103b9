"""Advice without a definite product: picks for a need, for the shopper's own tastes, or of what is liked here."""

from __future__ import annotations

from bot.shelf import Found
from bot.state import Topic
from bot.tasks.search import ask_budget, nothing_fits, present, show, tell_unknown
from bot.turn import SLATE, Answer, Turn
from index.filters import Filters
from retrieval.understanding import merge


def recommend(turn: Turn, answer: Answer) -> None:
    """Picks by what was said; with nothing said, by the running topic, the shopper's interests, or the best rated."""
    understanding, voice = turn.understanding, turn.voice
    running = (
        understanding.refining and turn.state.topic is not None and bool(turn.topic.query or turn.topic.filters.brand)
    )
    filters = merge(turn.topic.filters if running else Filters(), understanding)
    query = turn.topic.query if running else understanding.query
    topic = Topic(query=query, filters=filters, sort=understanding.sort or "relevance")
    if understanding.foreign_budget is not None:
        return ask_budget(turn, answer, topic)
    if topic.sort != "relevance":
        return present(turn, answer, topic)
    found = turn.find(query, filters, "relevance" if query else "rating")
    if not found.hits and query:
        # A need in words that no product bears ("for my dad"): what is left are the conditions and the tastes.
        wider = turn.find("", filters, "rating")
        if filters.empty or not wider.hits:
            return nothing_fits(turn, answer, topic)
        found, topic = wider, topic.model_copy(update={"query": ""})
    if not found.hits:
        return nothing_fits(turn, answer, topic)
    show(turn, answer, topic, found)
    if _is_personal(found):
        answer.say(voice.say("recommend.personal"))
    elif topic.query:
        marks = voice.language.tables["language"]
        answer.say(voice.say("recommend.picks_for", for_what=f"{marks['open']}{topic.query}{marks['close']}"))
    else:
        answer.say(voice.say("recommend.picks"))
    return tell_unknown(turn, answer, topic, found)


PERSONAL = frozenset(
    {"viewed_item", "viewed_category", "bought_category", "liked_brand", "liked_attribute", "price_band"}
)


def _is_personal(found: Found) -> bool:
    return any(reason.kind in PERSONAL for each in found.hits[:SLATE] for reason in each.reasons)
