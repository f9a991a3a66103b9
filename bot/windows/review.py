"""The window of supervisors and of who labels: answers are approved, unanswered questions answered, turns labelled, replies kept.

Who acts comes with every request's cookie and is checked in the data layer; what the page remembers is only what it shows. An
engineer sees the labels alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import gradio as gr
from pydantic import ValidationError

from bot.desk.slots import SLOTS
from bot.desk_figures import Period, SupportFigures, Unmet
from bot.labels import OUT_OF_SCOPE
from bot.reply.voice import languages
from bot.service import Assistant
from bot.windows.customer import LARGEST_UPLOAD, STYLE, principal_of
from bot.windows.figures import REVIEW_PATH
from bot.windows.ops import OPS_STYLE
from bot.windows.review_page import STATUSES, ReviewPage
from bot.windows.texts import language_of, texts
from storage.answers import APPROVERS, Proposal, Status, decide, import_answers, list_answers
from storage.desk import Macro, macros_of, put_macro, remove_macro
from storage.errors import AisleError, Fault, InvalidInput, NotFound, Unavailable
from storage.labels import TurnToLabel, labels_by_turn, put_labels, turn_to_label, turns_to_label
from storage.principal import Principal
from storage.record import new_id
from storage.settings import ShopSettings

PATH: Final = REVIEW_PATH
REVIEW_STYLE = Path(__file__).parent / "review.css"
_SCRIPT = Path(__file__).parent / "scripts" / "review.js"
MOST_LISTED: Final = 50
SOURCE: Final = "review"
"""Where answers and labels that are given here are said to come from."""
_LONGEST: Final = 4_000
UNMET_DAYS: Final[Period] = 30
_SLOT = re.compile(r"\{([a-z_]{1,40})\}")
_LOGGER = logging.getLogger(__name__)
# One listener on the list's root serves its buttons, also those of later renderings.
_BUTTONS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) trigger('click', {...button.dataset, more: event.shiftKey ? 'yes' : ''});
});
"""
View = dict[Any, Any]


@dataclass(slots=True)
class Shown:
    """What a page shows: of each tab the one that is open. Nothing here decides who may do what.

    `place` is where the open pair stands in its list, `chosen` the labels that are picked already for the open turn, `skipped`
    turns to go on after, and `past` those that were skipped or labelled here, the latest last.
    """

    language: str = "en"
    status: Status = "mined"
    pair: str | None = None
    place: int = 0
    cluster: str | None = None
    asked: int = 1
    turn: str | None = None
    chosen: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    past: list[str] = field(default_factory=list)
    macro: str | None = None


class ReviewWindow:
    """Builds the window and holds its handlers, which return what changes by component."""

    def __init__(self, assistant: Assistant, figures: SupportFigures, settings: ShopSettings) -> None:
        self.assistant = assistant
        self.figures = figures
        self.settings = settings
        self._page = self._blocks()

    def mount(self, app: Any) -> None:
        """Mounts the window below `PATH`, before the customer's, which takes all that is left."""
        gr.mount_gradio_app(
            app,
            self._page,
            path=PATH,
            footer_links=[],
            show_error=False,
            max_file_size=LARGEST_UPLOAD,
            css_paths=[STYLE, OPS_STYLE, REVIEW_STYLE],
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        )

    def _blocks(self) -> Any:
        """The page, with every event wired; its words come with the first view."""
        with gr.Blocks(title=self.settings.name, analytics_enabled=False, fill_width=True) as page:
            self.shown = gr.State(Shown())
            self.header = gr.HTML(elem_id="brand")
            with gr.Tabs(elem_id="sections") as self.tabs:
                self.tab = {}
                with gr.Tab(id="pairs") as self.tab["pairs"], gr.Row(elem_classes="review"):
                    self.pairs = _list("pairs")
                    with _form():
                        self.pair = gr.HTML(elem_id="pair", apply_default_css=False)
                        self.question, self.answer = _box("pair-question", 2), _box("pair-answer", 4)
                        self.approve, self.reject, self.skip = _buttons("approve", "reject", "skip-pair")
                        self.pair_keys = gr.HTML(apply_default_css=False)
                with gr.Tab(id="unanswered") as self.tab["unanswered"], gr.Row(elem_classes="review"):
                    self.clusters = _list("clusters")
                    with _form():
                        self.cluster = gr.HTML(elem_id="cluster", apply_default_css=False)
                        self.asked, self.said = _box("new-question", 2), _box("new-answer", 4)
                        self.spoken = self._language("new-language")
                        (self.publish,) = _buttons("publish")
                with gr.Tab(id="labels") as self.tab["labels"], gr.Column(elem_classes="labelling"):
                    self.turn = gr.HTML(elem_id="turn", apply_default_css=False)
                    self.labels = gr.HTML(elem_id="labels", js_on_load=_BUTTONS, apply_default_css=False)
                    self.back, self.skip_turn = _buttons("back-turn", "skip-turn", primary=False)
                    self.label_keys = gr.HTML(apply_default_css=False)
                with gr.Tab(id="macros") as self.tab["macros"], gr.Row(elem_classes="review"):
                    self.macros = _list("macros")
                    with _form():
                        self.title, self.text = _box("macro-title", 1), _box("macro-text", 6)
                        self.macro_language = self._language("macro-language")
                        self.slots = gr.HTML(elem_id="slots", apply_default_css=False)
                        self.save, self.new, self.remove = _buttons("save-macro", "new-macro", "remove-macro")
            self._wire(page)
        page.queue(max_size=64, default_concurrency_limit=4)
        return page

    def _language(self, elem_id: str) -> Any:
        languages = list(self.settings.languages)
        return gr.Dropdown(languages, value=languages[0], elem_id=elem_id, allow_custom_value=True, show_label=True)

    def _wire(self, page: Any) -> None:
        shown = self.shown
        pair = [shown, self.pairs, self.pair, self.question, self.answer]
        cluster = [shown, self.clusters, self.cluster, self.asked, self.said, self.spoken]
        turn = [shown, self.turn, self.labels]
        macro = [shown, self.macros, self.title, self.text, self.macro_language, self.slots]
        words = [self.header, self.tabs, self.pair_keys, self.label_keys, *self.tab.values(), *self._words()]
        first = list(dict.fromkeys([*words, *pair, *cluster, *turn, *macro]))
        events: tuple[tuple[Any, Callable[..., View], list[Any], list[Any]], ...] = (
            (page.load, self.open, [], first),
            (self.pairs.click, self.open_pair, [shown], pair),
            (self.approve.click, self.approve_pair, [self.question, self.answer, shown], pair),
            (self.reject.click, self.reject_pair, [shown], pair),
            (self.skip.click, self.next_pair, [shown], pair),
            (self.tab["unanswered"].select, self.view_clusters, [shown], cluster),
            (self.clusters.click, self.open_cluster, [shown], cluster),
            (self.publish.click, self.publish_answer, [self.asked, self.said, self.spoken, shown], cluster),
            (self.tab["labels"].select, self.view_turn, [shown], turn),
            (self.labels.click, self.label_turn, [shown], turn),
            (self.skip_turn.click, self.next_turn, [shown], turn),
            (self.back.click, self.turn_before, [shown], turn),
            (self.tab["macros"].select, self.view_macros, [shown], macro),
            (self.macros.click, self.open_macro, [shown], macro),
            (self.save.click, self.save_macro, [self.title, self.text, self.macro_language, shown], macro),
            (self.new.click, self.new_macro, [shown], macro),
            (self.remove.click, self.drop_macro, [shown], macro),
        )
        for event, handler, given, out in events:
            event(handler, given, out, show_progress="hidden", concurrency_limit=4)
        page.load(None, None, None, js=_SCRIPT.read_text(encoding="utf-8"))

    def _words(self) -> dict[Any, str]:
        """What has a name of its own, by component."""
        return {
            self.question: "question", self.answer: "answer", self.asked: "question", self.said: "answer",
            self.spoken: "language", self.title: "macro_title", self.text: "macro_text", self.macro_language: "language",
            self.approve: "approve", self.reject: "reject", self.skip: "skip", self.publish: "publish",
            self.skip_turn: "skip", self.back: "back", self.save: "save", self.new: "new", self.remove: "remove",
        }  # fmt: skip

    def open(self, request: gr.Request) -> View:
        """The first view, in the browser's language; the address may bring a question to answer."""
        principal, shown = principal_of(request), Shown(language_of(request.headers.get("accept-language", "")))
        page, approver = ReviewPage(shown.language), principal.role in APPROVERS
        question = str(request.query_params.get("question", ""))[:_LONGEST]
        view: View = {
            self.shown: shown,
            self.header: page.header(self.settings.name, labels_only=not approver),
            self.pair_keys: page.keys("pairs"),
            self.label_keys: page.keys("labels"),
        }
        for name, tab in self.tab.items():
            view[tab] = gr.Tab(page.of(name))
        for component, name in self._words().items():
            # A component is updated by another of its kind, which says only what changes.
            word = page.of(name)
            view[component] = gr.update(value=word) if isinstance(component, gr.Button) else gr.update(label=word)
        if not approver:
            return view | {self.tabs: gr.Tabs(selected="labels")} | self._turn(principal, shown)
        view |= self._named(self._pairs(principal, shown) | {self.macro_language: shown.language}, view)
        if question:
            shown.cluster = question
            language = str(request.query_params.get("language", ""))[:3] or shown.language
            brought = {
                self.asked: question,
                self.said: "",
                self.spoken: language,
                self.tabs: gr.Tabs(selected="unanswered"),
            }
            view |= self._named(self._clusters(principal, shown) | brought, view)
        return view

    def _named(self, values: View, words: View) -> View:
        """Values for components that get their words too."""
        return {
            each: words[each] | {"value": value} if each in self._words() else value for each, value in values.items()
        }

    # Pairs of question and answer

    def open_pair(self, shown: Shown, event: gr.EventData, request: gr.Request) -> View:
        """Another pair, or the pairs of another status."""
        data = _data_of(event)
        if data.get("status") in STATUSES:
            shown.status, shown.pair, shown.place = _status(data["status"]), None, 0
        elif "id" in data:
            shown.pair = data["id"]
        return self._pairs(principal_of(request), shown)

    def approve_pair(self, question: str, answer: str, shown: Shown, request: gr.Request) -> View:
        """Approves the open pair in the words that stand in the form, and goes on."""
        return self._decide(shown, principal_of(request), "approved", question, answer)

    def reject_pair(self, shown: Shown, request: gr.Request) -> View:
        """Rejects the open pair, and goes on."""
        return self._decide(shown, principal_of(request), "rejected")

    def next_pair(self, shown: Shown, request: gr.Request) -> View:
        """Goes on without a decision."""
        shown.pair, shown.place = None, shown.place + 1
        return self._pairs(principal_of(request), shown, around=True)

    def _decide(
        self,
        shown: Shown,
        principal: Principal,
        status: Literal["approved", "rejected"],
        question: str | None = None,
        answer: str | None = None,
    ) -> View:
        pair, database = shown.pair, self.assistant.database
        if pair is None:
            return {self.shown: shown}
        if not _done(shown, lambda: decide(database, principal, pair, status, question, answer, was=shown.status)):
            return {self.shown: shown}
        if status != shown.status:
            shown.pair = None  # the next one has moved up to its place
        return self._pairs(principal, shown)

    def _pairs(self, principal: Principal, shown: Shown, around: bool = False) -> View:
        """The list and the open pair: the one that was open, else the one at its place."""
        found = list_answers(self.assistant.database, principal, shown.status, MOST_LISTED)
        places = {each.answer_id: place for place, each in enumerate(found)}
        if shown.pair in places:
            shown.place = places[shown.pair]
        elif found:
            shown.place = shown.place % len(found) if around else min(shown.place, len(found) - 1)
        current = found[shown.place] if found else None
        shown.pair = current.answer_id if current else None
        page = ReviewPage(shown.language)
        return {
            self.shown: shown,
            self.pairs: page.pairs(found, shown.status, shown.pair, MOST_LISTED),
            self.pair: page.pair(current),
            self.question: current.question if current else "",
            self.answer: current.answer if current else "",
        }

    # What nothing answered

    def view_clusters(self, shown: Shown, request: gr.Request) -> View:
        """The list anew; the form stays as it is."""
        return self._clusters(principal_of(request), shown)

    def open_cluster(self, shown: Shown, event: gr.EventData, request: gr.Request) -> View:
        """Another group: its central question into the form. The one that is open already leaves what is written."""
        before, shown.cluster = shown.cluster, _data_of(event).get("id", shown.cluster)
        view = self._clusters(principal_of(request), shown)
        found = self._unmet(principal_of(request), shown)
        if found is None or shown.cluster == before:
            return view
        return view | {self.asked: found.cluster.question, self.said: "", self.spoken: found.cluster.language}

    def publish_answer(self, question: str, answer: str, language: str, shown: Shown, request: gr.Request) -> View:
        """Keeps an answer as approved; Aisle says it from the next question on."""
        principal = principal_of(request)
        found = self._unmet(principal, shown)
        pair = Proposal(question, answer, language, SOURCE, asked=found.cluster.asked if found else 1)

        def publish() -> None:
            if language not in languages():
                raise InvalidInput(f"Aisle speaks no {language[:20]!r}.", f"Choose one: {', '.join(languages())}.")
            import_answers(self.assistant.database, principal, [pair])

        if not _done(shown, publish):
            return {self.shown: shown}
        gr.Info(ReviewPage(shown.language).of("published"))
        shown.cluster = None
        return self._clusters(principal, shown) | {self.asked: "", self.said: ""}

    def _unmet(self, principal: Principal, shown: Shown) -> Unmet | None:
        found = self.figures.unmet(principal, UNMET_DAYS)
        return next((each for each in found if each.cluster.question == shown.cluster), None)

    def _clusters(self, principal: Principal, shown: Shown) -> View:
        page = ReviewPage(shown.language)
        return {
            self.shown: shown,
            self.clusters: page.clusters(self.figures.unmet(principal, UNMET_DAYS), shown.cluster),
            self.cluster: page.cluster(self._unmet(principal, shown)),
        }

    # Labels

    def view_turn(self, shown: Shown, request: gr.Request) -> View:
        """The open turn, or the next one."""
        return self._turn(principal_of(request), shown)

    def label_turn(self, shown: Shown, event: gr.EventData, request: gr.Request) -> View:
        """A label for the open turn: with Shift one of several, else the last one, and on to the next turn."""
        principal, data = principal_of(request), _data_of(event)
        name, key = data.get("label", ""), shown.turn
        if key is None or name not in self._names(principal):
            return self._turn(principal, shown)
        if data.get("more") and name != OUT_OF_SCOPE:
            shown.chosen = [each for each in shown.chosen if each != name] + [name] * (name not in shown.chosen)
            return self._turn(principal, shown)
        intents = [name] if name == OUT_OF_SCOPE else list(dict.fromkeys([*shown.chosen, name]))
        if not _done(shown, lambda: put_labels(self.assistant.database, principal, {key: intents}, SOURCE)):
            return {self.shown: shown}
        self._leave(shown)
        return self._turn(principal, shown)

    def next_turn(self, shown: Shown, request: gr.Request) -> View:
        """Goes on without a label."""
        if shown.turn is not None:
            shown.skipped.append(shown.turn)
            self._leave(shown)
        return self._turn(principal_of(request), shown)

    def turn_before(self, shown: Shown, request: gr.Request) -> View:
        """Back to the turn before, to label it otherwise."""
        if shown.past:
            shown.turn, shown.chosen = shown.past.pop(), []
            shown.skipped = [each for each in shown.skipped if each != shown.turn]
        return self._turn(principal_of(request), shown)

    def _leave(self, shown: Shown) -> None:
        if shown.turn is not None:
            shown.past.append(shown.turn)
        shown.turn, shown.chosen = None, []

    def _turn(self, principal: Principal, shown: Shown) -> View:
        page, database, consent = ReviewPage(shown.language), self.assistant.database, self.settings.consent
        waiting = turns_to_label(database, principal, consent, len(shown.skipped) + 1)
        turn = None
        if shown.turn is not None:
            try:
                turn = turn_to_label(database, principal, consent, shown.turn)
            except NotFound:
                shown.turn = None  # erased, or no longer agreed to, while it was open
        if turn is None:
            turn = next((each for each in waiting.first if each.turn_key not in shown.skipped), None)
        if turn is None and waiting.first:
            turn, shown.skipped = waiting.first[0], []  # around again to those that were skipped
        shown.turn = turn.turn_key if turn else None
        given = page.labels(self._likely(turn), self._names(principal), shown.chosen) if turn else ""
        return {self.shown: shown, self.turn: page.turn(turn, waiting.turns, waiting.in_files), self.labels: given}

    def _likely(self, turn: TurnToLabel) -> dict[str, float]:
        """What the intent model thinks, the likeliest first; nothing where the shop has none."""
        said = [{"role": "user" if role == "user" else "assistant", "content": text} for role, text in turn.before]
        try:
            told = self.assistant.parts.intents.predict([*said, {"role": "user", "content": turn.text}])
        except Unavailable:
            return {}
        return dict(sorted(told.scores.items(), key=lambda each: -each[1]))

    def _names(self, principal: Principal) -> set[str]:
        """Labels that may be given: the model's, and those that people have given before."""
        given = labels_by_turn(self.assistant.database, principal).values()
        known = {name for label in given if label is not None for name in label.intents}
        return {*self.assistant.parts.intents.labels, *known, OUT_OF_SCOPE}

    # Replies at hand

    def view_macros(self, shown: Shown, request: gr.Request) -> View:
        """The list anew; the form stays as it is."""
        page = ReviewPage(shown.language)
        found = macros_of(self.assistant.database, principal_of(request))
        return {self.shown: shown, self.macros: page.macros(found, shown.macro), self.slots: page.slots()}

    def open_macro(self, shown: Shown, event: gr.EventData, request: gr.Request) -> View:
        """Another reply into the form."""
        wanted = _data_of(event).get("id")
        found = macros_of(self.assistant.database, principal_of(request))
        macro = next((each for each in found if each.macro_id == wanted), None)
        return self._macro(shown, found, macro)

    def new_macro(self, shown: Shown, request: gr.Request) -> View:
        """An empty form."""
        return self._macro(shown, macros_of(self.assistant.database, principal_of(request)), None)

    def save_macro(self, title: str, text: str, language: str, shown: Shown, request: gr.Request) -> View:
        """Keeps what stands in the form, in place of the reply that is open."""
        principal, database = principal_of(request), self.assistant.database
        fields = {"title": title, "text": text, "language": language}
        macro_id = shown.macro or new_id()

        def save() -> None:
            try:
                put_macro(database, principal, Macro.model_validate(fields | {"macro_id": macro_id}))
            except ValidationError as error:
                where = ", ".join(str(part) for part in error.errors()[0]["loc"])
                raise InvalidInput(
                    f"This reply cannot be kept: {where}.", "Give a title, a text and a language."
                ) from None

        if not _done(shown, save):
            return {self.shown: shown}
        found = macros_of(database, principal)
        gr.Info(ReviewPage(shown.language).of("saved"))
        return self._macro(shown, found, next((each for each in found if each.macro_id == macro_id), None))

    def drop_macro(self, shown: Shown, request: gr.Request) -> View:
        """Removes the reply that is open."""
        principal, macro_id = principal_of(request), shown.macro
        if macro_id is None:
            return {self.shown: shown}
        if not _done(shown, lambda: remove_macro(self.assistant.database, principal, macro_id)):
            return {self.shown: shown}
        return self._macro(shown, macros_of(self.assistant.database, principal), None)

    def _macro(self, shown: Shown, found: Sequence[Macro], macro: Macro | None) -> View:
        page = ReviewPage(shown.language)
        shown.macro = macro.macro_id if macro else None
        unknown = [slot for slot in dict.fromkeys(_SLOT.findall(macro.text if macro else "")) if slot not in SLOTS]
        return {
            self.shown: shown,
            self.macros: page.macros(found, shown.macro),
            self.title: macro.title if macro else "",
            self.text: macro.text if macro else "",
            self.macro_language: macro.language if macro else shown.language,
            self.slots: page.slots(unknown),
        }


def _list(name: str) -> Any:
    return gr.HTML(elem_id=f"list-{name}", elem_classes="list", js_on_load=_BUTTONS, apply_default_css=False)


def _form() -> Any:
    return gr.Column(scale=3, min_width=280, elem_classes="editor")


def _box(elem_id: str, lines: int) -> Any:
    return gr.Textbox(elem_id=elem_id, lines=lines, max_lines=14, max_length=_LONGEST)


def _buttons(*ids: str, primary: bool = True) -> list[Any]:
    """In a row; the first one is what is mostly done."""
    with gr.Row(elem_classes="acts"):
        return [
            gr.Button(elem_id=each, variant="primary" if primary and place == 0 else "secondary", min_width=90)
            for place, each in enumerate(ids)
        ]


def _done(shown: Shown, act: Callable[[], object]) -> bool:
    """Does it; where that fails says why, and what stands in the form stays."""
    failed = texts(shown.language)["failed"]
    try:
        act()
    except AisleError as error:
        gr.Warning(f"{error.message} {error.hint}".strip(), title=failed)
        return False
    except Exception:
        _LOGGER.exception("Something in the review window failed.")
        gr.Warning(str(Fault()), title=failed)
        return False
    return True


def _status(name: str) -> Status:
    return next(status for status in STATUSES if status == name)


def _data_of(event: gr.EventData) -> dict[str, str]:
    """What the button carries; a page can send anything."""
    return {str(name): str(value) for name, value in dict(event._data or {}).items()}
