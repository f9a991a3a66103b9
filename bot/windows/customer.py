"""The customer's chat window. Gradio lays it out and streams; the HTML is made in `render`, the answers by the assistant.

Gradio's session is chosen by the browser and bound to nobody, so nothing that matters lives in it: who asks comes with every
request's cookie, and what was said is read from the database for every view, checked against that person in the data layer.

It is long because the window's scripts stand beside the handlers that they call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from bot.admission import Admission
from bot.api.identity import EMBED_HEADER
from bot.cards import Card
from bot.desk.desk import told
from bot.desk.views import Happening, Said
from bot.reply.voice import languages
from bot.service import Assistant
from bot.shelf import title_of
from bot.transcript import day_of, todays
from bot.variants import open_choices
from bot.windows import render
from bot.windows.page import LANGUAGE_COOKIE, WindowPage
from bot.windows.texts import texts, window_language
from index.product import Product
from storage.consent import Consent
from storage.conversations import Channel, Conversation, read_on, start
from storage.errors import AisleError, Busy, NotFound, Unavailable
from storage.feedback import feedback_of, put_feedback
from storage.past_conversations import past_conversations
from storage.principal import Principal, Role
from storage.record import now_ms
from storage.tickets import Ticket, rate, tickets_of

STYLE = Path(__file__).parent / "window.css"
STARTERS = 4
PAST_SHOWN = 20
LARGEST_UPLOAD = "1mb"  # the window takes no files; Gradio's route for them exists all the same
_LONGEST_MESSAGE = 60_000
_FIRST_WORDS = ("placeholder", "send", "shopper")

# One listener on the component's root serves all buttons in it, also those of later renderings.
_BUTTONS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-act]');
  if (!button || ['export', 'close', 'refresh'].includes(button.dataset.act)) return;
  if (button.classList.contains('thumb')) {
    button.parentElement.querySelectorAll('.thumb').forEach((other) => other.setAttribute('aria-pressed', other === button));
  }
  trigger('click', {...button.dataset});
});
"""
# The page's script presses this when something was said elsewhere. It is an event of its own, so that it keeps no button waiting.
_REFRESH = """
element.addEventListener('click', (event) => event.target.matches('[data-act="refresh"]') && trigger('tick', {}));
"""
# A removed line takes its button and the keyboard's place with it: that goes to the panel's head then; a switch is there again.
_FOCUS = """
let within = false, last = '';
element.addEventListener('focusin', (event) => { within = true; last = event.target.id; });
element.addEventListener('focusout', (event) => { within = event.relatedTarget === null && !event.target.isConnected; });
watch('value', () => requestAnimationFrame(() => {
  if (!within || document.activeElement !== document.body) return;
  ((last && document.getElementById(last)) || element.querySelector('summary'))?.focus();
}));
"""
# A new turn goes to where it is read from its start: the question to the top, with the answer below it.
_FOLLOW = """
let seen = null;
watch('value', () => requestAnimationFrame(() => {
  const talk = element.querySelector('.talk');
  document.documentElement.lang = talk?.dataset.language || 'en';
  const turns = [...element.querySelectorAll('.turn')];
  const behavior = seen === null || matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
  if (turns.length > Math.max(seen ?? 0, 1)) {
    const last = turns[turns.length - 1];
    const live = last.matches('.turn-agent, .turn-happened, .turn-rating');
    const asked = turns.filter((turn) => turn.classList.contains('turn-user')).pop();
    if (live) last.scrollIntoView({block: 'nearest', behavior});
    else (last.querySelector('.choices') ? last : asked || last).scrollIntoView({block: 'start', behavior});
  }
  seen = turns.length;
}));
"""
_PICK_SHOPPER = """
async (shopper) => {
  const box = document.querySelector('#shopper input');
  if (box.value === box.dataset.before) return; // the keyboard only went by
  await fetch('/demo/shopper', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({shopper})});
  window.location.reload();
}
"""


@dataclass(frozen=True, slots=True)
class DemoShopper:
    """One that the demo's visitor may shop as."""

    id: str
    name: dict[str, str]


@dataclass(slots=True)
class Talk:
    """What this page shows: which conversation, in which language the window is, and what stands beside what was said.

    `asides` are (behind how many turns, HTML): an error, the word that an answer was stopped or a product is in the cart. `asking`
    is the same for the question which variant is meant. They are gone with the page, the conversation itself is in the database.
    """

    conversation_id: str | None = None
    language: str = "en"
    asides: list[tuple[int, str]] = field(default_factory=list)
    asking: tuple[int, str] | None = None

    def beside(self, place: int) -> list[str]:
        """What stands behind so many turns."""
        return [html for behind, html in (*self.asides, *filter(None, [self.asking])) if behind == place]


@dataclass(frozen=True, slots=True)
class Read:
    """A conversation as it is stored; nothing where none has begun."""

    head: Conversation | None = None
    messages: tuple[Said, ...] = ()
    happenings: tuple[Happening, ...] = ()

    @property
    def holder(self) -> str | None:
        """The agent who speaks in Aisle's place."""
        return self.head.holder if self.head is not None else None


def principal_of(request: gr.Request) -> Principal:
    """Who asks, as the identity middleware found it."""
    assert request.request is not None  # Gradio leaves it out only for events that no browser sent
    principal: Principal = request.request.state.principal
    return principal


class CustomerWindow:
    """Builds the window and holds its handlers, which return what changes by component; all else stays as it is.

    With an `admission` no turn begins while too many others wait.
    """

    def __init__(
        self,
        assistant: Assistant,
        shop_name: str,
        shoppers: tuple[DemoShopper, ...] = (),
        admission: Admission | None = None,
    ) -> None:
        self.assistant = assistant
        self.shop_name = shop_name
        self.shoppers = shoppers
        self.admission = admission
        self._stops: dict[tuple[str, str], threading.Event] = {}
        self._page = self._blocks()

    def mount(self, app: Any) -> None:
        """Mounts the window at the root of a FastAPI app, after every other route: what comes later would not be found."""
        app.add_middleware(WindowPage)
        gr.mount_gradio_app(
            app,
            self._page,
            path="/",
            footer_links=[],
            show_error=False,
            max_file_size=LARGEST_UPLOAD,
            css_paths=[STYLE],
            i18n=gr.I18n(**{each: {name: texts(each)[name] for name in _FIRST_WORDS} for each in languages()}),
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        )

    def _blocks(self) -> Any:
        """The page, with every event wired. Until the first view comes it speaks the browser's language by Gradio's own I18n."""
        words = gr.I18n(en={})
        with gr.Blocks(title=self.shop_name, analytics_enabled=False, fill_width=True) as page:
            self.talk = talk = gr.State(Talk())
            with gr.Row(elem_id="top"):
                self.header = gr.HTML(elem_id="brand")
                self.tools = gr.HTML(elem_id="tools", js_on_load=_BUTTONS, apply_default_css=False)
                self.picker = gr.Dropdown(
                    visible=bool(self.shoppers),
                    show_label=True,
                    label=words("shopper"),
                    elem_id="shopper",
                    scale=0,
                    min_width=260,
                )
            with gr.Row(elem_id="columns"):
                with gr.Column(scale=3, min_width=280, elem_id="chat"):
                    self.transcript = gr.HTML(
                        elem_id="transcript", js_on_load=_BUTTONS + _REFRESH + _FOLLOW, apply_default_css=False
                    )
                    self.live = gr.HTML(elem_id="live", js_on_load=_BUTTONS, apply_default_css=False)
                    with gr.Row(elem_id="starters"):
                        self.starters = [gr.Button(size="sm", visible=False) for _ in range(STARTERS)]
                    with gr.Row(elem_id="ask"):
                        self.box = gr.Textbox(
                            label=words("placeholder"), show_label=False, placeholder=words("placeholder"),
                            container=False, scale=8, lines=1, max_lines=4, elem_id="message", max_length=_LONGEST_MESSAGE,
                        )  # fmt: skip
                        self.send = gr.Button(words("send"), variant="primary", scale=1, min_width=76, elem_id="send")
                with gr.Column(scale=1, min_width=280, elem_id="side"):
                    self.cart = gr.HTML(elem_id="cart", js_on_load=_BUTTONS + _FOCUS, apply_default_css=False)
                    self.profile = gr.HTML(elem_id="profile", js_on_load=_BUTTONS + _FOCUS, apply_default_css=False)
            panels = [self.tools, self.transcript, self.live, self.cart, self.profile, talk]
            frame = [self.header, self.picker, self.box, self.send, *self.starters]
            page.load(self.open, None, [*frame, *panels], show_progress="hidden")
            for event, source in (
                (self.box.submit, self.box),
                (self.send.click, self.box),
                *((starter.click, starter) for starter in self.starters),
            ):
                # What is sent while an answer is on its way waits for its turn; Gradio's default would drop it.
                event(
                    self.say, [source, talk], [self.box, *panels], show_progress="hidden", concurrency_limit=8,
                    trigger_mode="always_last",
                )  # fmt: skip
            self.live.click(self.stop, [talk], None, show_progress="hidden", concurrency_limit=8)
            self.tools.click(self.turn_to, [talk], [*frame, *panels], show_progress="hidden", concurrency_limit=8)
            for panel in (self.transcript, self.cart, self.profile):
                panel.click(self.act, [talk], panels, show_progress="hidden", concurrency_limit=8)
            self.transcript.tick(
                self.refresh, [talk], panels, show_progress="hidden", concurrency_limit=8, trigger_mode="always_last"
            )
            if self.shoppers:
                self.picker.input(None, [self.picker], None, js=_PICK_SHOPPER)
        page.queue(max_size=256, default_concurrency_limit=8)
        return page

    def open(self, request: gr.Request) -> dict[Any, Any]:
        """The first view: the shopper's last conversation, in the language chosen here before or that of page or browser."""
        principal = principal_of(request)
        chosen = request.query_params.get("language") or request.cookies.get(LANGUAGE_COOKIE, "")
        past = past_conversations(self.assistant.database, principal, principal.id, 1) if _shops(principal) else []
        talk = Talk(
            conversation_id=past[0].conversation_id if past else None,
            language=window_language(chosen, request.headers.get("accept-language", "")),
        )
        return self._frame(principal, talk) | self._view(principal, talk)

    def turn_to(self, talk: Talk, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """A button at the top: another conversation, a new one, or another language."""
        principal, data = principal_of(request), _data_of(event)
        match data.get("act"):
            case "new":
                talk = Talk(language=talk.language)
            case "open":
                talk = Talk(data.get("conversation"), talk.language)
            case "language":
                talk.language = window_language(data.get("language", ""), "")
                return self._frame(principal, talk) | self._view(principal, talk)
        return self._view(principal, talk) | {self.live: ""}

    def say(self, message: str, talk: Talk, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """One turn, streamed: the cards as soon as they are known, then the text. Nothing happens where nothing was said.

        Where too many wait already, that is said, and the message stays in its box.
        """
        if not message.strip():
            yield {self.box: gr.skip()}
            return
        try:
            with self.admission.place() if self.admission is not None else nullcontext():
                turn = self._said(message, talk, request)
                try:
                    first = next(turn)
                except Unavailable:  # nothing was begun and nothing can be kept
                    yield self._unkept(message, talk, request)
                    return
                yield first
                yield from turn
        except Busy:
            yield {self.live: render.busy(talk.language)}

    def _unkept(self, message: str, talk: Talk, request: gr.Request) -> dict[Any, Any]:
        """What is answered while the database is away, where an answer on its way would stand."""
        reply = self.assistant.reply(principal_of(request), message)
        now = render.coming(reply.text, reply.products, reply.language, self._record)
        return {self.box: "", self.live: render.unkept(render.user_turn(message, talk.language), now)}

    def _said(self, message: str, talk: Talk, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """A turn that is let in.

        The box is emptied once: the customer may be writing the next message while the answer comes.
        """
        principal = principal_of(request)
        channel = channel_of(request)
        if talk.conversation_id is None and _shops(principal):
            # Before the answer is on its way, so that it can be stopped by the conversation's id.
            talk.conversation_id = start(self.assistant.database, principal, channel=channel)
        language = talk.language
        answers = self._read(principal, talk).holder is None
        asked = render.user_turn(message, language)
        yield {
            self.box: "",
            self.transcript: self.transcript_of(principal, talk, asked),
            # While an agent is there, nobody else answers.
            self.live: render.live(render.thinking(language), language) if answers else "",
            self.talk: talk,
        }
        stopping = threading.Event()
        running = (principal.id, talk.conversation_id or "")
        self._stops[running] = stopping
        failed = ""
        text, cards, spoken = "", list[Card](), language
        try:
            answer: Any = self.assistant.stream(principal, message, talk.conversation_id, channel=channel)
            with closing(answer) as events:
                for name, payload in events:
                    if name == "meta":
                        spoken = payload["language"]
                    elif name == "products":
                        cards = [*map(Card.model_validate, payload["products"])]
                    elif name == "text":
                        text += payload["delta"]
                    elif name == "error":
                        failed = asked + render.failure(*render.described(payload), language)
                    if stopping.is_set():
                        break
                    if name in ("products", "text") and (cards or text):
                        now = render.coming(text, cards, spoken, self._record)
                        yield {self.live: render.live(now, language)}
        finally:
            self._stops.pop(running, None)
        if failed:
            self._beside(principal, talk, failed)
        elif stopping.is_set():
            self._beside(principal, talk, render.note(texts(language)["stopped"]))
        yield self._view(principal, talk) | {self.live: ""}

    def stop(self, talk: Talk, request: gr.Request) -> None:
        """Stops the answer on its way in this shopper's conversation; what was stored by then stays."""
        running = self._stops.get((principal_of(request).id, talk.conversation_id or ""))
        if running is not None:
            running.set()

    def refresh(self, talk: Talk, request: gr.Request) -> dict[Any, Any]:
        """What an agent has said or done meanwhile."""
        return self._view(principal_of(request), talk)

    def act(self, talk: Talk, event: gr.EventData, request: gr.Request) -> dict[Any, Any]:
        """A button on a card, in the cart or in the profile."""
        principal, data = principal_of(request), _data_of(event)
        try:
            self._do(principal, data, talk)
        except AisleError as error:
            gr.Warning(f"{error.message} {error.hint}".strip(), title=texts(talk.language)["failed"])
        view = self._view(principal, talk)
        if data.get("act") not in ("add", "rate"):
            del view[self.transcript]  # nothing changed there, and a reason that is folded out stays so
        return view

    def _do(self, principal: Principal, data: dict[str, str], talk: Talk) -> None:
        """Carries out one button; unknown ones do nothing, for a page can send anything."""
        assistant, line, quantity = self.assistant, data.get("line", ""), data.get("quantity", "0")
        match data.get("act"):
            case "add":
                self._add(principal, data, talk)
            case "more" | "fewer" as act if quantity.isdecimal():
                assistant.change_cart_line(principal, line, int(quantity) + (1 if act == "more" else -1))
            case "remove":
                assistant.remove_cart_line(principal, line)
            case "forget":
                assistant.remove_belief(principal, data.get("kind", ""), data.get("value", ""))
            case "consent" if data.get("purpose") in Consent.model_fields:
                chosen = assistant.consent(principal).model_dump(include=set(Consent.model_fields))
                chosen[data["purpose"]] = data.get("value") == "on"
                assistant.set_consent(principal, Consent.model_validate(chosen), source="window")
            case "up" | "down" as value:
                put_feedback(assistant.database, principal, data.get("message", ""), data.get("product") or None, value)
            case "rate" if data.get("rating", "").isdecimal() and talk.conversation_id is not None:
                rate(assistant.database, principal, talk.conversation_id, int(data["rating"]))
                self._beside(principal, talk, render.note(texts(talk.language)["rated"]))

    def _record(self, product_id: str) -> Product | None:
        """What the catalog says of a product, for how many variants there are: today's prices stand on the cards."""
        return self.assistant.parts.shelf.record(product_id)

    def _add(self, principal: Principal, data: dict[str, str], talk: Talk) -> None:
        """Puts a product into the cart; where the customer has not said which variant, it is asked first.

        A card may show one of several: "red shoes" that of the first red size. Only a button that names it is `exact`.
        """
        product_id, variant_id = data.get("product", ""), data.get("variant")
        record = self.assistant.product_record(product_id)
        if record.variants and not data.get("exact"):
            said = [message.text for message in self._messages(principal, talk) if message.role == "user"]
            open_ = open_choices(self.assistant.parts.understander, record, variant_id, said)
            if len(open_) > 1:
                talk.asking = (len(self._messages(principal, talk)), render.choices(record, open_, talk.language))
                return
            variant_id = open_[0].id if open_ else variant_id
        self.assistant.add_to_cart(principal, product_id, variant_id)
        talk.asking = None
        added = texts(talk.language)["added"].format(title=title_of(record, record.variant(variant_id or "")))
        self._beside(principal, talk, render.note(added))

    def _beside(self, principal: Principal, talk: Talk, html: str) -> None:
        """Puts something behind what has been said until now."""
        talk.asides = [*talk.asides, (len(self._messages(principal, talk)), html)]

    def _messages(self, principal: Principal, talk: Talk) -> tuple[Said, ...]:
        """What was said."""
        return self._read(principal, talk).messages

    def _read(self, principal: Principal, talk: Talk) -> Read:
        """The conversation; one that is not this shopper's (any more: they signed in, or were erased) is left."""
        if talk.conversation_id is None:
            return Read()
        try:
            head, turns = read_on(self.assistant.database, principal, talk.conversation_id)
        except NotFound:
            talk.conversation_id, talk.asides, talk.asking = None, [], None
            return Read()
        return Read(head, *told(turns))

    def transcript_of(self, principal: Principal, talk: Talk, last: str = "") -> str:
        """All that was said and who came and went, and `last` behind it."""
        read, language = self._read(principal, talk), talk.language
        messages = todays(read.messages, self.assistant.parts.shelf)
        thumbs: dict[str, dict[str, str]] = {}
        if messages:
            for message_id, product_id, value in feedback_of(self.assistant.database, principal, principal.id):
                thumbs.setdefault(message_id, {})[product_id or ""] = value
        checkout = self.assistant.cart(principal).checkout_url if messages else ""
        ticket = self._ticket(principal, read)
        day, turns = day_of(now_ms()), [render.hello(language)]

        def between(place: int) -> None:
            happened = [each for each in read.happenings if each.place == place]
            turns.extend(render.happened(each, language) for each in happened)
            if read.happenings and read.happenings[-1] in happened and ticket is not None and ticket.rateable:
                turns.append(render.rating(language))
            turns.extend(talk.beside(place))

        for place, message in enumerate(messages):
            between(place)
            if day_of(message.created_at) != day:
                day = day_of(message.created_at)
                turns.append(render.day(message.created_at, language))
            given = thumbs.get(message.message_id)
            turns.append(render.message(message, language, given, self._record, checkout))
        between(len(messages))
        if read.holder is not None or (ticket is not None and ticket.closed_at is None):
            last += render.company(read.holder, language)
        return render.talk([*turns, last], language, read.head)

    def _ticket(self, principal: Principal, read: Read) -> Ticket | None:
        """The latest handing over to a person; None where there was none."""
        if read.head is None or read.head.team is None:
            return None
        found = tickets_of(self.assistant.database, principal, read.head.conversation_id)
        return found[0] if found else None

    def _view(self, principal: Principal, talk: Talk) -> dict[Any, Any]:
        """The conversation, cart and profile as they stand now; staff, who have neither, may sign out instead."""
        transcript = self.transcript_of(principal, talk)
        view: dict[Any, Any] = {self.transcript: transcript, self.talk: talk}
        if not _shops(principal):
            tools = render.tools((), None, 0, talk.language)
            return view | {self.tools: tools, self.cart: render.staff(principal.role, talk.language), self.profile: ""}
        past = past_conversations(self.assistant.database, principal, principal.id, PAST_SHOWN)
        cart = self.assistant.cart(principal)
        beliefs = self.assistant.profile(principal, language=talk.language)
        return view | {
            self.tools: render.tools(past, talk.conversation_id, cart.pieces, talk.language),
            self.cart: render.cart(cart, talk.language),
            self.profile: render.profile(beliefs, self.assistant.consent(principal), talk.language),
        }

    def _frame(self, principal: Principal, talk: Talk) -> dict[Any, Any]:
        """What changes with the language alone."""
        words = texts(talk.language)
        known = {shopper.id for shopper in self.shoppers}
        choices = [(words["anonymous"], "")] + [
            (shopper.name.get(talk.language, shopper.name["en"]), shopper.id) for shopper in self.shoppers
        ]
        questions = [*self.assistant.starters(talk.language), *[""] * STARTERS][:STARTERS]
        return {
            self.header: render.header(self.shop_name, talk.language),
            self.picker: gr.Dropdown(
                choices=choices, value=principal.id if principal.id in known else "", label=words["shopper"]
            ),
            self.box: gr.Textbox(label=words["placeholder"], placeholder=words["placeholder"]),
            self.send: gr.Button(words["send"]),
            **{
                button: gr.Button(question, visible=bool(question))
                for button, question in zip(self.starters, questions, strict=True)
            },
        }


def channel_of(request: gr.Request) -> Channel:
    """Where the window stands: the frame on a shop's page says so with each request."""
    return "embed" if EMBED_HEADER in request.headers else "window"


def _shops(principal: Principal) -> bool:
    """Whether it is somebody with a cart and conversations of their own."""
    return principal.role in (Role.CUSTOMER, Role.SERVICE)


def _data_of(event: gr.EventData) -> dict[str, str]:
    """What the button carries; a page can send anything."""
    return {str(name): str(value) for name, value in dict(event._data or {}).items()}
