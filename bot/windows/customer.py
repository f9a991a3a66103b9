"""The customer's chat window. Gradio lays it out and streams; the HTML is made in `render`, the answers by the assistant.

Gradio's session is chosen by the browser and bound to nobody, so nothing that matters lives in it: who asks comes with every
request's cookie, and the conversation's id that the page carries is checked against that person in the data layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from bot.cards import Card, Reply
from bot.service import Assistant
from bot.variants import open_choices
from bot.windows import render
from bot.windows.texts import language_of, texts
from index.product import Product
from storage.errors import AisleError
from storage.feedback import put_feedback
from storage.principal import Principal, Role

STYLE = Path(__file__).parent / "window.css"
STARTERS = 4
LARGEST_UPLOAD = "1mb"  # the window takes no files; Gradio's route for them exists all the same
_LONGEST_MESSAGE = 60_000

# One listener on the component's root serves all buttons in it, also those of later renderings.
_BUTTONS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-act]');
  if (!button) return;
  if (button.classList.contains('thumb')) {
    button.parentElement.querySelectorAll('.thumb').forEach((other) => other.setAttribute('aria-pressed', other === button));
  }
  trigger('click', {...button.dataset});
});
"""
# A new turn goes to where it is read from its start: the question to the top, with the answer below it.
_FOLLOW = """
let seen = 0;
watch('value', () => requestAnimationFrame(() => {
  const turns = [...element.querySelectorAll('.turn')];
  if (turns.length !== seen && turns.length > 1) {
    const last = turns[turns.length - 1];
    const asked = turns.filter((turn) => turn.classList.contains('turn-user')).pop();
    (last.querySelector('.choices') ? last : asked || last).scrollIntoView({block: 'start', behavior: 'smooth'});
  }
  seen = turns.length;
}));
"""
_PICK_SHOPPER = """
async (shopper) => {
  await fetch('/demo/shopper', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({shopper})});
  window.location.reload();
}
"""


Record = Callable[[str], Product | None]


@dataclass(frozen=True, slots=True)
class DemoShopper:
    """One that the demo's visitor may shop as."""

    id: str
    name: dict[str, str]


@dataclass(slots=True)
class Talk:
    """What this page shows: kept by the page only, and gone with it; the conversation itself is in the database."""

    conversation_id: str | None = None
    language: str = "en"
    turns: tuple[tuple[str, Any], ...] = ()
    thumbs: dict[str, dict[str, str]] | None = None

    def html(self, record: Record) -> list[str]:
        """Each turn rendered; `record` gives the product of a card."""
        thumbs = self.thumbs or {}
        return [_turn(kind, value, self.language, thumbs, record) for kind, value in self.turns]


def _turn(kind: str, value: Any, language: str, thumbs: dict[str, dict[str, str]], record: Record) -> str:
    if kind == "user":
        return render.user_turn(value, language)
    if kind == "html":
        return str(value)
    reply: Reply = value
    given = thumbs.get(reply.message_id)
    return render.assistant_turn(
        reply.text, reply.products, reply.citations, reply.language, reply.message_id, given, record
    )


def principal_of(request: gr.Request) -> Principal:
    """Who asks, as the identity middleware found it."""
    assert request.request is not None  # Gradio leaves it out only for events that no browser sent
    principal: Principal = request.request.state.principal
    return principal


class CustomerWindow:
    """Builds the window and holds its handlers."""

    def __init__(self, assistant: Assistant, shop_name: str, shoppers: tuple[DemoShopper, ...] = ()) -> None:
        self.assistant = assistant
        self.shop_name = shop_name
        self.shoppers = shoppers

    def mount(self, app: Any) -> None:
        """Mounts the window at the root of a FastAPI app, after every other route: what comes later would not be found."""
        gr.mount_gradio_app(
            app,
            self.blocks(),
            path="/",
            footer_links=[],
            show_error=False,
            max_file_size=LARGEST_UPLOAD,
            css_paths=[STYLE],
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        )

    def blocks(self) -> Any:
        """The page, with every event wired."""
        words = texts("en")
        with gr.Blocks(title=self.shop_name, analytics_enabled=False, fill_width=True) as page:
            talk = gr.State(Talk())
            with gr.Row(elem_id="top"):
                header = gr.HTML(elem_id="brand")
                picker = gr.Dropdown(
                    visible=bool(self.shoppers),
                    show_label=True,
                    label=words["shopper"],
                    elem_id="shopper",
                    scale=0,
                    min_width=300,
                )
            with gr.Row(elem_id="columns"):
                with gr.Column(scale=3, min_width=320, elem_id="chat"):
                    transcript = gr.HTML(elem_id="transcript", js_on_load=_BUTTONS + _FOLLOW, apply_default_css=False)
                    live = gr.HTML(elem_id="live", apply_default_css=False)
                    with gr.Row(elem_id="starters"):
                        starters = [gr.Button(size="sm", visible=False) for _ in range(STARTERS)]
                    with gr.Row(elem_id="ask"):
                        box = gr.Textbox(
                            show_label=False, placeholder=words["placeholder"], container=False, scale=8, lines=1,
                            max_lines=4, elem_id="message", max_length=_LONGEST_MESSAGE,
                        )  # fmt: skip
                        send = gr.Button(words["send"], variant="primary", scale=1, min_width=90, elem_id="send")
                with gr.Column(scale=1, min_width=280, elem_id="side"):
                    cart = gr.HTML(elem_id="cart", js_on_load=_BUTTONS, apply_default_css=False)
                    profile = gr.HTML(elem_id="profile", js_on_load=_BUTTONS, apply_default_css=False)
            out = [box, transcript, live, cart, profile, talk]
            first = [header, picker, transcript, cart, profile, box, send, *starters, talk]
            page.load(self.open, None, first, show_progress="hidden")
            for event in (box.submit, send.click):
                # What is sent while an answer is on its way waits for its turn; Gradio's default would drop it.
                event(
                    self.say, [box, talk], out, show_progress="hidden", concurrency_limit=8, trigger_mode="always_last"
                )
            for starter in starters:
                starter.click(self.say, [starter, talk], out, show_progress="hidden", concurrency_limit=8)
            for panel in (transcript, cart, profile):
                panel.click(
                    self.act, [talk], [transcript, cart, profile, talk], show_progress="hidden", concurrency_limit=8
                )
            if self.shoppers:
                picker.input(None, [picker], None, js=_PICK_SHOPPER)
        page.queue(max_size=256, default_concurrency_limit=8)
        return page

    def open(self, request: gr.Request) -> list[Any]:
        """The first view, in the browser's language."""
        language = language_of(request.headers.get("accept-language", ""))
        words = texts(language)
        principal = principal_of(request)
        talk = Talk(language=language, turns=(("html", render.hello(language)),))
        choices = [(words["anonymous"], "")] + [
            (shopper.name.get(language, shopper.name["en"]), shopper.id) for shopper in self.shoppers
        ]
        known = {shopper.id for shopper in self.shoppers}
        picker = gr.Dropdown(
            choices=choices, value=principal.id if principal.id in known else "", label=words["shopper"]
        )
        questions = [*self.assistant.starters(language), *[""] * STARTERS][:STARTERS]
        return [
            render.header(self.shop_name, language),
            picker,
            render.talk(talk.html(self._record), language),
            *self._panels(principal, language),
            gr.Textbox(placeholder=words["placeholder"]),
            gr.Button(words["send"]),
            *[gr.Button(question, visible=bool(question)) for question in questions],
            talk,
        ]

    def say(self, message: str, talk: Talk, request: gr.Request) -> Iterator[list[Any]]:
        """One turn, streamed: the cards as soon as they are known, then the text. Nothing happens where nothing was said.

        The box is emptied once: the customer may be writing the next message while the answer comes.
        """
        same: Any = gr.skip()
        if not message.strip():
            yield [same] * 6
            return
        principal = principal_of(request)
        asked = [*talk.html(self._record), render.user_turn(message, talk.language)]
        shown = render.talk(asked, talk.language)
        yield ["", shown, render.talk([render.thinking(talk.language)], talk.language), same, same, same]
        text, partial, language = "", Reply.model_construct(products=(), citations=()), talk.language
        turns = (*talk.turns, ("user", message))
        for name, payload in self.assistant.stream(principal, message, talk.conversation_id):
            if name == "meta":
                language = payload["language"]
                talk.conversation_id = payload["conversation_id"]
            elif name == "products":
                cards = [*map(Card.model_validate, payload["products"])]
                partial = Reply.model_construct(products=tuple(cards), citations=())
            elif name == "text":
                text += payload["delta"]
                now = render.assistant_turn(text, partial.products, (), language, "", record=self._record)
                yield [same, shown, render.talk([now], language), same, same, same]
            elif name == "done":
                turns = (*turns, ("reply", Reply.model_validate(payload)))
            elif name == "error":
                turns = (*turns, ("html", render.failure(*render.described(payload), language)))
        talk = Talk(talk.conversation_id, language, turns, talk.thumbs)
        yield [same, render.talk(talk.html(self._record), language), "", *self._panels(principal, language), talk]

    def act(self, talk: Talk, event: gr.EventData, request: gr.Request) -> list[Any]:
        """A button on a card, in the cart or in the profile."""
        principal = principal_of(request)
        data: dict[str, str] = dict(event._data or {})
        try:
            self._do(principal, data, talk)
        except AisleError as error:
            gr.Warning(f"{error.message} {error.hint}".strip(), title=texts(talk.language)["failed"])
        return [render.talk(talk.html(self._record), talk.language), *self._panels(principal, talk.language), talk]

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
            case "up" | "down" as value:
                message, product = data.get("message", ""), data.get("product", "")
                put_feedback(assistant.database, principal, message, product or None, value)
                talk.thumbs = {**(talk.thumbs or {})}
                talk.thumbs[message] = {**talk.thumbs.get(message, {}), product: value}

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
            said = [value for kind, value in talk.turns if kind == "user"]
            open_ = open_choices(self.assistant.parts.understander, record, variant_id, said)
            if len(open_) > 1:
                talk.turns = (*talk.turns, ("html", render.choices(record, open_, talk.language)))
                return
            variant_id = open_[0].id if open_ else variant_id
        self.assistant.add_to_cart(principal, product_id, variant_id)

    def _panels(self, principal: Principal, language: str) -> list[str]:
        """Cart and profile as they stand now; staff, who have neither, may sign out instead."""
        if principal.role not in (Role.CUSTOMER, Role.SERVICE):
            return [render.staff(principal.role, language), ""]
        view = self.assistant.profile(principal, language=language)
        return [render.cart(self.assistant.cart(principal), language), render.profile(view, language)]
