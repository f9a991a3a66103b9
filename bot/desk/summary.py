"""A conversation in three to five sentences: what is wanted, what it is about, what was shown and promised, and what is still open.

Extractive: figures are records', quotes are what was said, word for word. Where `[llm] may` names "summary", a language model words
it anew; it is given these sentences and the transcript, without personal data, and each of its sentences is kept only where what it
says stands in them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Final

from bot.desk.context import Context
from bot.desk.next_action import Signs
from bot.desk.slots import late, order_meant
from bot.desk.views import Summary
from bot.desk.words import desk_voice
from bot.grounding import Ledger
from bot.language import foreign
from bot.llm import prompts
from bot.llm.advise import LONGEST, Adviser, Piece
from bot.llm.check import plain, sentences
from bot.llm.handout import enclosed
from bot.llm.masking import Mask
from bot.llm.model import ModelFailed, Request, Used
from bot.llm.words import lexicons
from bot.reply.voice import WHOLE, Voice
from bot.shelf import title_of
from bot.tasks.orders import date_of
from storage.record import now_ms

MOST: Final = 5
SHOWN: Final = 3
QUOTE: Final = 160
"""Characters of what was said that are quoted; half as many in Chinese."""
TURNS: Final = 20
"""Messages that a model is given."""
_LOGGER = logging.getLogger(__name__)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_PROMISE = re.compile(
    r"\b(?:i|we)(?:'ll|’ll| will| am going to| are going to)\b"
    r"|\b(?:i|we)(?:'m|’m| am|'re|’re| are) (?:looking|checking|asking|sending|arranging)\b"
    r"|\b(?:you(?:'ll|’ll| will) (?:get|receive|have|hear))\b|\bi promise\b"
    r"|(?:我|我们|这边)(?:会|马上|这就|尽快|帮您|给您|为您|正在)|(?:马上|尽快|稍后)(?:为|帮|给|回复|处理|联系)|保证",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"(?<=[\w,;:)’'”] )[A-Z][\w’'-]+|\b[A-Z]{2,}[\w-]*", re.ASCII)
_LATIN = re.compile(r"[A-Za-z][\w-]+", re.ASCII)
_HAN = re.compile(r"[\u3400-\u9fff]")
_MARKUP = re.compile(r"<[/!?a-z]|https?:|www\.|\]\(", re.IGNORECASE)


def summary_of(context: Context, language: str = "") -> Summary:
    """The summary in the agent's `language`, by default the customer's."""
    voice = desk_voice(language or context.language)
    signs = Signs(context)
    told = list(_told(context, signs, voice))[:MOST]
    open_issue = _open(context, signs, voice)
    adviser = context.assistant.adviser
    if adviser is not None and "summary" in adviser.settings.may and len(context.said) > 1:
        worded = _worded(adviser, context, [*told, open_issue], voice)
        if worded:
            return Summary(sentences=tuple(worded), open_issue=open_issue, by_model=True)
    return Summary(sentences=tuple(told), open_issue=open_issue)


def _told(context: Context, signs: Signs, voice: Voice) -> Iterator[str]:
    """The sentences, the most telling first."""
    if not context.said:
        yield voice.word("summary", "began")
        return
    yield from _wants(context, voice)
    yield from _order(context, signs, voice)
    yield from _shown(context, voice)
    yield from _promised(context, voice)
    if context.state.complaints:
        yield voice.word("summary", "complained", count=context.state.complaints)
    yield from _cart(context, voice)
    if context.head.holder is None and signs.ticket is not None:
        yield voice.word("summary", "handed")


def _wants(context: Context, voice: Voice) -> Iterator[str]:
    """What is looked for with its conditions; without that, what the customer began with."""
    topic = context.state.topic
    if topic is None:
        first = next((turn for turn in context.said if turn.role == "user" and not _small(turn.data)), None)
        if first is not None and first is not context.asked:
            yield voice.word("summary", "said", quote=_quoted(first.content))
        return
    conditions = voice.joined(voice.constraints(topic.filters).values())
    what = voice.written(topic.query[:QUOTE])
    if what and conditions:
        yield voice.word("summary", "wants", what=what, conditions=conditions)
    elif what:
        yield voice.word("summary", "wants_plain", what=what)
    elif conditions:
        yield voice.word("summary", "conditions", conditions=conditions)


def _order(context: Context, signs: Signs, voice: Voice) -> Iterator[str]:
    order = order_meant(context)
    if order is None or not (signs.about_orders or _named(context, order.order_id)):
        return
    status = voice.word("order", order.status)
    if late(order, now_ms()) and order.tracking is not None and order.tracking.expected_at is not None:
        date = date_of(order.tracking.expected_at, voice.language.code)
        yield voice.word("summary", "order_late", order=order.order_id, status=status, date=date)
    else:
        yield voice.word("summary", "order", order=order.order_id, status=status)


def _named(context: Context, order_id: str) -> bool:
    return any(order_id.casefold() in turn.content.casefold() for turn in context.said)


def _shown(context: Context, voice: Voice) -> Iterator[str]:
    """The last slate by its titles, and the one that is talked about."""
    state, shelf = context.state, context.assistant.parts.shelf
    items = state.shown[:SHOWN] or state.focus
    products = shelf.products(item.product_id for item in (*items, *state.focus))
    titles = [products[item.product_id].title for item in items if item.product_id in products]
    if not titles:
        return
    focus = state.focus[0] if len(state.focus) == 1 else None
    chosen = products.get(focus.product_id) if focus is not None else None
    if focus is None or chosen is None:
        yield voice.word("summary", "shown", titles=voice.joined(titles, "and"))
        return
    variant = chosen.variant(focus.variant_id) if focus.variant_id else None
    facts = {"titles": voice.joined(titles, "and"), "chosen": title_of(chosen, variant)}
    yield voice.word("summary", "chosen", **facts)


def _promised(context: Context, voice: Voice) -> Iterator[str]:
    """The last thing that an agent promised, in the agent's own words."""
    for turn in reversed(context.said):
        if turn.role == "agent":
            for sentence in reversed(_SENTENCE.split(turn.content)):
                if _PROMISE.search(sentence):
                    yield voice.word("summary", "promised", quote=_quoted(sentence))
                    return


def _cart(context: Context, voice: Voice) -> Iterator[str]:
    cart = context.cart
    if not cart.lines:
        return
    titles = voice.joined([line.title for line in cart.lines[:SHOWN]], "and")
    if cart.subtotal is None:
        yield voice.word("summary", "cart_unpriced", titles=titles)
    else:
        yield voice.word("summary", "cart", titles=titles, total=voice.money(cart.subtotal))


def _open(context: Context, signs: Signs, voice: Voice) -> str:
    """What nobody has answered, in the customer's words, with what it was understood as."""
    if signs.asked is None or not signs.waits:
        return voice.word("summary", "nothing_open")
    quote = _quoted(signs.asked.content)
    if not signs.label:
        return voice.word("summary", "open_plain", quote=quote)
    return voice.word("summary", "open", quote=quote, intent=voice.word("intent", signs.label))


def _small(data: dict[str, object]) -> bool:
    """Whether a turn was understood as small talk."""
    return data.get("task") in ("greet", "thank", "goodbye", "chitchat", "input")


def _quoted(text: str) -> str:
    """The start of what was said, on one line, ended where it was cut."""
    text = " ".join(text.split())
    most = QUOTE // 2 if _HAN.search(text) else QUOTE
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _worded(adviser: Adviser, context: Context, told: Sequence[str], voice: Voice) -> list[str]:
    """The model's sentences that the records and the transcript back; none after a failure, or where it is busy or left alone."""
    language = voice.language.code if voice.language.code in WHOLE else "en"
    mask = Mask()
    transcript = [{turn.role: mask.hide(turn.content)[: 3 * QUOTE]} for turn in context.said[-TURNS:]]
    facts = [mask.hide(sentence) for sentence in told]
    asked = prompts.SUMMARY.format(
        language=lexicons()[language].name, records=enclosed({"known": facts, "transcript": transcript})
    )
    sources = [*facts, *(text for each in transcript for text in each.values())]
    ledger = Ledger(context.assistant.settings.currency)
    ledger.text(*sources)
    known = "\n".join(sources)
    heard = _heard(adviser, Request(prompts.SUMMARIES, (("user", asked),), ()), language)
    kept = [said for sentence in heard if (said := plain(sentence)) and _backed(said, known, ledger, language)]
    return [mask.restore(sentence) for sentence in kept[:MOST]]


def _backed(sentence: str, known: str, ledger: Ledger, language: str) -> bool:
    """Whether all that a sentence states as a figure or a name stands in what it was made from."""
    if _MARKUP.search(sentence) or len(sentence) > 2 * QUOTE or foreign(sentence) or not ledger.backs(sentence):
        return False
    if not set(_FIGURE.findall(sentence)) <= set(_FIGURE.findall(known)):
        return False
    low = known.casefold()
    if language == "zh":
        return bool(_HAN.search(sentence)) and all(word.casefold() in low for word in _LATIN.findall(sentence))
    return all(name.casefold().removesuffix("'s") in low for name in _NAME.findall(sentence))


def _heard(adviser: Adviser, request: Request, language: str) -> list[str]:
    """What the model says, as sentences; nothing where it fails, takes too long, or is not to be asked now."""
    if not adviser.slots.acquire(blocking=False):
        return []
    if not adviser.breaker.allows():
        adviser.slots.release()
        return []
    pieces: SimpleQueue[Piece] = SimpleQueue()
    stop = Event()
    Thread(target=_ask, args=(adviser, request, pieces, stop), name="llm-summary", daemon=True).start()
    try:
        found = list(sentences(_deltas(pieces, monotonic() + adviser.settings.timeout_s), language))
        adviser.breaker.succeeded()
    except ModelFailed as failure:
        adviser.breaker.failed()
        _LOGGER.warning("The language model %s gave no summary: %s.", adviser.model.name, failure.reason)
        return []
    finally:
        stop.set()
    return found


def _deltas(pieces: SimpleQueue[Piece], until: float) -> Iterator[str]:
    length = 0
    while True:
        try:
            piece = pieces.get(timeout=max(0.0, until - monotonic()))
        except Empty:
            raise ModelFailed("timeout") from None
        if isinstance(piece, ModelFailed):
            raise piece
        if piece is None:
            return
        if not isinstance(piece, Used):
            length += len(piece)
            if length > LONGEST:
                raise ModelFailed("endless")
            yield piece


def _ask(adviser: Adviser, request: Request, pieces: SimpleQueue[Piece], stop: Event) -> None:
    """Runs in a thread of its own: a model that hangs must not hold the desk."""
    try:
        for piece in adviser.model.stream(request, stop.is_set):
            pieces.put(piece)
            if stop.is_set():
                break
        pieces.put(None)
    except ModelFailed as failure:
        pieces.put(failure)
    except Exception as error:
        _LOGGER.exception("The language model's thread failed.")
        pieces.put(ModelFailed(type(error).__name__))
    finally:
        adviser.slots.release()
