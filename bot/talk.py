"""One turn from message to stored reply: read, fold, understand, decide, act, check, word, keep."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from bot import tracing
from bot.answer_book import AnswerBook
from bot.backend import Backend
from bot.cards import IntentView, Reply
from bot.corrections import meant
from bot.experiments import Experiments
from bot.exploration import Ordering
from bot.grounding import Ledger
from bot.labels import OUT_OF_SCOPE
from bot.language import foreign, language_of
from bot.manners import decent
from bot.memory import Memory, Standing
from bot.novelty import Newcomer, Novelty
from bot.parts import Parts
from bot.policy import Decision, decide
from bot.reply.voice import Voice, languages
from bot.spoken import Event, Spoken
from bot.state import DialogueState, Topic, fold
from bot.tasks import rehearse, run
from bot.tasks.staged import ONCE
from bot.turn import Answer, Turn
from bot.turn_figures import note_llm
from index.clean import clean_text
from index.filters import Filters
from index.hanzi import simplified
from retrieval.path.stage import Position
from retrieval.profile import Profile
from retrieval.retention.consumption import Due
from retrieval.understanding import Language, Understanding
from storage import conversations
from storage.answers import note_unanswered
from storage.consent import consent_of
from storage.database import Database
from storage.desk import present
from storage.errors import NotFound
from storage.principal import Principal
from storage.record import new_id, now_ms
from storage.settings import ShopSettings
from storage.tickets import hand_to_team, leave_absent, leave_contact

if TYPE_CHECKING:
    from bot.llm.advise import Adviser

LONGEST = 4_000
"""Characters of a message that are read; a longer one is refused with this figure, and its start is kept."""
HISTORY = 4
"""Messages that the intent model reads beside the new one."""
_WORDS = re.compile(r"[^\W_]")
_STORED = (
    "query",
    "sort",
    "language",
    "ordinals",
    "deixis",
    "quantity",
    "dropped",
    "relative",
    "attribute_asked",
    "refining",
    "recalled",
)


class Clock:
    """Stages of one turn in milliseconds; `end(stage)` adds the time since the last end to that stage."""

    def __init__(self) -> None:
        self._start = self._last = time.perf_counter()
        self.stages: dict[str, float] = {}

    def end(self, stage: str) -> None:
        """The stage ends here."""
        now = time.perf_counter()
        self.stages[stage] = self.stages.get(stage, 0.0) + 1000 * (now - self._last)
        tracing.record(stage, now - self._last)
        self._last = now

    def ended(self) -> dict[str, float]:
        """All stages and the total."""
        return {**self.stages, "total": 1000 * (time.perf_counter() - self._start)}


class Told(NamedTuple):
    """A reply, how many statements the grounding check took out of it, and how its slate was ordered where search found it."""

    reply: Reply
    removed: int
    ordering: Ordering | None


class Rehearsal(NamedTuple):
    """What would be answered to a stored message, and as what it was understood; an answer that would write is empty."""

    turn: Turn
    answer: Answer
    intent: IntentView


class Talk:
    """Holds a conversation with the parts that are current when the turn begins."""

    def __init__(
        self,
        parts: Parts,
        settings: ShopSettings,
        database: Database,
        actions: Mapping[str, str],
        checkout_url: str,
        profile_of: Callable[[Principal, str], Profile],
        position_of: Callable[[Principal, str, Profile], Position],
        due_of: Callable[[Principal, str], Due | None],
        experiments: Experiments,
        novelty: Novelty | None,
        memory: Memory,
        answers: AnswerBook,
        backend: Backend,
        adviser: Adviser | None,
        told: Callable[[Told], None],
    ) -> None:
        self.parts = parts
        self.settings = settings
        self.database = database
        self.actions = actions
        self.checkout_url = checkout_url
        self.profile_of = profile_of
        self.position_of = position_of
        self.due_of = due_of
        self.experiments = experiments
        self.novelty = novelty
        self.memory = memory
        self.answers = answers
        self.backend = backend
        self.adviser = adviser
        self.told = told

    def turn(
        self,
        principal: Principal,
        user_id: str,
        message: str,
        conversation_id: str | None,
        wanted: str | None,
        channel: conversations.Channel,
        clock: Clock,
    ) -> Iterator[Event]:
        """One turn as it comes: `meta`, `products`, then `text` repeated, as `Assistant.stream` spells them.

        At its end the turn is stored and `told` is given the reply; so it is where nobody reads on, with what was said so far.
        While an agent holds the conversation nothing is said: the message is kept, with what it was understood as.
        """
        if conversation_id is None:
            conversation_id = conversations.start(self.database, principal, user_id, channel)
            standing = Standing()
        else:
            standing = self.memory.of(principal, conversation_id)
            if standing.holder is not None and leave_absent(self.database, principal, conversation_id):
                standing = self.memory.of(principal, conversation_id)
        state = standing.state
        clock.end("storage")
        asked = conversations.Turn(role="user", content=message[:LONGEST])
        message_id = new_id()
        text = simplified(clean_text(message)) if len(message) <= LONGEST else ""
        language = language_of(text, state.language, wanted)
        voice = Voice.of(language, conversation_id, state.said)
        answer = Answer(Ledger(self.settings.currency))
        understanding: Understanding | None = None
        task = "input"
        turn: Turn | None = None
        held = standing.holder is not None
        refused = _refused(message, text, voice)
        if refused:
            intent = IntentView(label="out_of_scope", confidence=1.0)
            answer.say(refused)
            answer.pending = state.pending
        else:
            asking = {"role": "user", "content": self.parts.understander.corrected(text), "language": language}
            prediction = self.parts.intents.predict([*_history(standing.recent), asking])
            text = voice.language.glossed(text)
            asked_for = meant(decent(text) or text)
            clock.end("intent")
            doubt = (prediction.label, prediction.confidence, prediction.out_of_scope)
            understanding, decision = self._decided(state, *doubt, asked_for, text, language)
            task = decision.task
            label = "out_of_scope" if prediction.out_of_scope else prediction.label
            intent = IntentView(label=label, confidence=round(prediction.confidence, 4))
            clock.end("understanding")
            turn = (
                None
                if held
                else self._act(
                    principal,
                    user_id,
                    message_id,
                    asked_for,
                    language,
                    state,
                    decision,
                    understanding,
                    voice,
                    answer,
                    clock,
                )
            )
        consultation = None
        if self.adviser is not None and turn is not None:
            consultation = self.adviser.consult(turn, answer, standing.recent)
        spoken = Spoken(voice, answer, consultation)
        if held:
            task, answer.action, message_id = "agent", "handoff", asked.message_id
        data = {"intent": intent.model_dump(), "task": task, "understanding": _spelled(understanding)}
        asked = asked.model_copy(update={"language": language, "data": data})
        names = {"conversation_id": conversation_id, "message_id": message_id, "language": language}

        def keep() -> None:
            told, cards = (refused, []) if held else (spoken.finish(), spoken.cards or [])
            reply = Reply(
                conversation_id=conversation_id,
                message_id=message_id,
                text=told,
                language=language,
                intent=intent,
                action=answer.action,
                products=tuple(cards),
                citations=tuple(answer.citations),
                cart=answer.cart,
            )
            clock.end("reply")
            removed = answer.ledger.removed + (consultation.removed if consultation is not None else 0)
            part = consultation.record if consultation is not None else None
            if part is not None:
                note_llm(part)
            if held:
                conversations.append(self.database, principal, conversation_id, [asked])
                clock.end("storage")
                return self.told(Told(reply, 0, None))
            answered = conversations.Turn(
                message_id=message_id,
                role="assistant",
                content=told,
                language=language,
                data={
                    "action": answer.action,
                    "said": voice.said,
                    "effects": answer.effects.model_dump(mode="json"),
                    "products": [card.model_dump(mode="json") for card in cards],
                    "citations": [citation.model_dump(mode="json") for citation in answer.citations],
                    "removed": removed,
                    "stage": answer.stage,
                    **({"llm": part} if part is not None else {}),
                },
            )
            # What was done must be told; whatever else is dropped where an agent has come meanwhile, who is never talked over.
            done = answer.cart is not None or answer.changed
            said = conversations.append(
                self.database, principal, conversation_id, [asked, answered], unless_held=not done
            )
            if not said:
                reply = reply.model_copy(update={"text": "", "products": (), "citations": (), "action": "handoff"})
                clock.end("storage")
                return self.told(Told(reply, removed, None))
            if answer.unanswered is not None:
                open_ = answer.unanswered
                note_unanswered(self.database, message_id, text, language, open_.kind, open_.product_id)
            if answer.handed_off:
                hand_to_team(self.database, principal, conversation_id, reason=answer.reason)
            if answer.contact:
                with suppress(NotFound):  # an agent has closed it meanwhile, having answered
                    leave_contact(self.database, principal, conversation_id, answer.contact)
            clock.end("storage")
            return self.told(Told(reply, removed, answer.ordering))

        try:
            yield "meta", {**names, "intent": intent.model_dump(mode="json")}
            if held:
                yield "products", {"products": []}
                if refused:
                    yield "text", {"delta": refused}
                return keep()
            for event in spoken.events():
                # A model's sentences come one by one, over seconds: an agent may have come between two of them.
                if event[0] == "text" and self._held(principal, conversation_id):
                    break
                yield event
        except GeneratorExit:
            keep()
            raise
        keep()

    def _held(self, principal: Principal, conversation_id: str) -> bool:
        """Whether an agent speaks in Aisle's place now."""
        return conversations.conversation(self.database, principal, conversation_id).holder is not None

    def _act(
        self,
        principal: Principal,
        user_id: str,
        message_id: str,
        text: str,
        language: str,
        state: DialogueState,
        decision: Decision,
        understanding: Understanding,
        voice: Voice,
        answer: Answer,
        clock: Clock,
        act: Callable[[Turn, Answer], None] = run,
    ) -> Turn:
        profile_of = cache(lambda: self.profile_of(principal, user_id))  # it is read from the database: once a turn

        def newcomer_of(filters: Filters, shown: Collection[str]) -> Newcomer | None:
            if self.novelty is None:
                return None
            spoken = "zh" if language == "zh" else "en"
            return self.novelty.offer(principal, user_id, self.parts, profile_of(), filters, spoken, shown, message_id)

        turn = Turn(
            principal=principal,
            user_id=user_id,
            message_id=message_id,
            message=text,
            language=language,
            state=state,
            decision=decision,
            understanding=understanding,
            voice=voice,
            shelf=self.parts.shelf,
            understander=self.parts.understander,
            database=self.database,
            backend=self.backend,
            currency=self.settings.currency,
            checkout_url=self.checkout_url,
            crisis_contact=self.settings.care.crisis_contact,
            answers=self.answers,
            exploration=self.settings.exploration.share,
            assigned=self.experiments.running(user_id, now_ms()),
            profile_of=profile_of,
            position_of=lambda: self.position_of(principal, user_id, profile_of()),
            newcomer_of=newcomer_of,
            due_of=lambda: self.due_of(principal, user_id),
            clock=clock.end,
            at_desk=lambda: bool(present(self.database)),
            desk_hours=self.settings.desk.hours.get(language, ""),
            lets_know=lambda: consent_of(self.database, principal, user_id, self.settings.consent).answer,
        )
        act(turn, answer)
        return turn

    def _decided(
        self,
        state: DialogueState,
        label: str,
        confidence: float,
        out_of_scope: bool,
        asked_for: str,
        text: str,
        language: str,
    ) -> tuple[Understanding, Decision]:
        """What was literally said, and what to do about it."""
        topic = state.topic or Topic()
        read_as: Language = "zh" if language == "zh" else "en"
        current = topic.filters if state.topic is not None else None
        understanding = self.parts.understander.read(asked_for, current, read_as, topic.query, state.subjects)
        decision = decide(
            state,
            label,
            confidence,
            out_of_scope,
            understanding,
            text,
            self.actions,
            self.parts.shelf.names,
            self.backend.rules.self_service,
        )
        return understanding, decision

    def rehearse(
        self,
        principal: Principal,
        conversation_id: str,
        before: Sequence[conversations.Turn],
        asked: conversations.Turn,
    ) -> Rehearsal | None:
        """What would be answered to a message that is stored already: nothing is written, logged or handed over.

        Args:
            principal: the customer.
            conversation_id: where it was said.
            before: the turns before it, oldest first.
            asked: the message; its intent is taken from there where it was told before.

        Returns:
            The turn with its answer; None for a message that has no words.
        """
        state = fold(before)
        # An agent offers help in words of their own.
        state = replace(state, said={**state.said, "stage.help": ONCE})
        text = simplified(clean_text(asked.content))
        language = asked.language if asked.language in languages() else language_of(text, state.language, None)
        voice = Voice.of(language, conversation_id, state.said)
        if _refused(asked.content, text, voice):
            return None
        known = asked.data.get("intent")
        if known is None:
            said = [turn for turn in before if turn.role != "system"]
            asking = {"role": "user", "content": self.parts.understander.corrected(text), "language": language}
            found = self.parts.intents.predict([*_history(said), asking])
            label = OUT_OF_SCOPE if found.out_of_scope else found.label
            intent = IntentView(label=label, confidence=round(found.confidence, 4))
        else:
            intent = IntentView.model_validate(known)
        doubt = (intent.label, intent.confidence, intent.label == OUT_OF_SCOPE)
        text = voice.language.glossed(text)
        asked_for = meant(decent(text) or text)
        understanding, decision = self._decided(state, *doubt, asked_for, text, language)
        answer = Answer(Ledger(self.settings.currency))
        turn = self._act(
            principal,
            principal.id,
            asked.message_id,
            asked_for,
            language,
            state,
            decision,
            understanding,
            voice,
            answer,
            Clock(),
            rehearse,
        )
        return Rehearsal(turn, answer, intent)


def _refused(message: str, text: str, voice: Voice) -> str:
    """What to say to a message that cannot be read as words, or an empty string."""
    if len(message) > LONGEST:
        return voice.say("input.too_long", length=f"{len(message):,}", limit=f"{LONGEST:,}")
    if not message.strip():
        return voice.say("input.empty")
    if not _WORDS.search(text):
        return voice.say("input.no_words")
    if foreign(text):
        names = [str(each.tables["language"]["name"]) for each in languages().values()]
        return voice.say("input.language", languages=voice.joined(names, "and"))
    return ""


def _history(turns: Sequence[conversations.Turn]) -> list[dict[str, object]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns[-HISTORY:]]


def _spelled(understanding: Understanding | None) -> dict[str, object]:
    """What is stored of an understanding: enough to see afterwards why the turn was answered as it was."""
    if understanding is None:
        return {}
    found: dict[str, object] = {name: getattr(understanding, name) for name in _STORED}
    found["filters"] = understanding.filters.model_dump(mode="json")
    return found
