"""What is reviewed, as HTML: lists with buttons that carry an id, and what stands beside the forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bot.desk.slots import SLOTS
from bot.desk_figures import Unmet
from bot.labels import OUT_OF_SCOPE
from bot.markup import Content, Markup, joined, label, quoted, tag
from bot.windows.texts import texts
from storage.answers import Status, StoredAnswer
from storage.desk import Macro
from storage.labels import TurnToLabel

STATUSES: Final[tuple[Status, ...]] = ("mined", "approved", "rejected")
GUESSES: Final = 9
"""Labels with a key of their own, 1 to 9: those that the model holds most likely."""

LEAST_SAID: Final = 0.01
"""Less likely labels come without their share."""


class ReviewPage:
    """Renders in one language."""

    def __init__(self, language: str) -> None:
        self._words = texts(language)

    def header(self, shop_name: str, labels_only: bool) -> Markup:
        """The top of the page, with the way to the figures; it says to the style sheet whether there is more than labels."""
        mark = tag("div", class_="mark", aria_hidden="true", data_only="labels" if labels_only else None)
        head = tag("div", tag("h1", f"{shop_name} · {self.of('title')}"), tag("p", self.of("note")))
        leave = tag("form", tag("button", self._words["sign_out"], type="submit"), method="post", action="/logout")
        return joined([mark, head, tag("a", self._words["ops"], href="/ops/", class_="way"), leave])

    def pairs(self, found: Sequence[StoredAnswer], status: Status, current: str | None, most: int) -> Markup:
        """Pairs of a status, the one that is open marked."""
        choices = [
            tag("button", self.of(each), type="button", data_status=each, aria_pressed=_yes(each == status))
            for each in STATUSES
        ]
        rows = [
            self._row(each.answer_id, each.question, self.of("asked_times").format(count=each.asked), current)
            for each in found
        ]
        counted = f"{most}+" if len(found) >= most else str(len(found))
        return joined(
            [
                tag("div", *choices, class_="choices", role="group", aria_label=self.of("status")),
                self._list(rows, self.of("pairs_count").format(count=counted), self.of("pairs_empty")),
            ]
        )

    def pair(self, each: StoredAnswer | None) -> Markup:
        """Where a pair is from and what became of it."""
        if each is None:
            return tag("p", self.of("pairs_done"), class_="note")
        parts = [self.of("from_dialogue").format(source=each.source), self.of("asked_times").format(count=each.asked)]
        if each.decided_by:
            parts.append(self.of(f"by_{each.status}").format(who=each.decided_by))
        return tag("p", " · ".join([each.language, *parts]), class_="note")

    def keys(self, tab: str) -> Markup:
        """The keys of a tab in words."""
        return tag("p", self.of(f"keys_{tab}"), class_="note keys")

    def clusters(self, found: Sequence[Unmet], current: str | None) -> Markup:
        """Groups of questions that nothing answered."""
        rows = [
            self._row(
                each.cluster.question,
                each.cluster.question,
                self._words["ops_answered_now"]
                if each.answered
                else self.of("asked_times").format(count=each.cluster.asked),
                current,
            )
            for each in found
        ]
        return self._list(rows, self.of("clusters_count").format(count=len(found)), self._words["ops_unmet_empty"])

    def cluster(self, each: Unmet | None) -> Markup:
        """The wordings of one group."""
        if each is None:
            return tag("p", self.of("clusters_hint"), class_="note")
        wordings = [tag("li", quoted(text)) for text in (each.cluster.question, *each.cluster.examples)]
        asked = self._words["ops_asked"].format(asked=each.cluster.asked, wordings=each.cluster.wordings)
        return joined([tag("p", f"{each.cluster.language} · {asked}", class_="note"), tag("ul", *wordings)])

    def turn(self, each: TurnToLabel | None, left: int, in_files: int) -> Markup:
        """A turn to label, with what was said before it."""
        counts = [self.of("turns_left").format(count=f"{left:,}")]
        if in_files:
            counts.append(self.of("turns_in_files").format(count=f"{in_files:,}"))
        head = tag("p", " · ".join(counts), class_="note", aria_live="polite")
        if each is None:
            return joined([head, tag("p", self.of("turns_done"), class_="note")])
        before = [
            tag("li", tag("span", self.of(f"role_{role}"), class_="who"), quoted(text, 400), class_=f"by-{role}")
            for role, text in each.before
        ]
        given = None
        if each.label is not None:
            said = self.of("labelled").format(intents=", ".join(each.label.intents), who=each.label.labelled_by)
            given = tag("p", said, class_="note")
        asked = tag("p", quoted(each.text, 2_000), class_="asked", lang=each.language)
        return joined([head, tag("ol", *before, class_="before"), asked, given])

    def labels(self, likely: Mapping[str, float], names: Iterable[str], chosen: Sequence[str]) -> Markup:
        """A button for each label: the likely ones with their keys first, then all others by name."""
        first = list(likely)[:GUESSES]
        rest = sorted(set(names) - set(first) - {OUT_OF_SCOPE})
        rest += [OUT_OF_SCOPE] if OUT_OF_SCOPE not in first else []

        def button(name: str, *more: Content, key: str | None = None) -> Markup:
            pressed = _yes(name in chosen)
            return tag("button", *more, label(name), type="button", data_label=name, data_key=key, aria_pressed=pressed)

        guesses = [
            button(
                name,
                tag("kbd", str(place)),
                tag("span", f"{likely[name]:.0%}", class_="share") if likely[name] >= LEAST_SAID else None,
                key=str(place),
            )
            for place, name in enumerate(first, 1)
        ]
        return joined(
            [
                tag("div", *guesses, class_="labels likely") if guesses else None,
                tag("div", *[button(name) for name in rest], class_="labels"),
            ]
        )

    def macros(self, found: Sequence[Macro], current: str | None) -> Markup:
        """Replies at hand by title."""
        rows = [self._row(each.macro_id, each.title, each.language, current) for each in found]
        return self._list(rows, self.of("macros_count").format(count=len(found)), self.of("macros_empty"))

    def slots(self, unknown: Sequence[str] = ()) -> Markup:
        """The slots there are, and those in a text that nothing fills."""
        known = tag("p", self.of("slots"), " ", *[tag("code", f"{{{slot}}} ") for slot in SLOTS], class_="note")
        if not unknown:
            return tag("div", known, data_confirm=self.of("remove_sure"))
        said = self.of("slots_unknown").format(slots=", ".join(f"{{{slot}}}" for slot in unknown))
        return tag("div", tag("p", said, class_="failure", role="alert"), known, data_confirm=self.of("remove_sure"))

    def of(self, name: str) -> str:
        """A word of this window."""
        return self._words[f"review_{name}"]

    def _row(self, id_: str, text: str, beside: str, current: str | None) -> Markup:
        said = (quoted(text, 120), tag("span", beside, class_="beside"))
        return tag("li", tag("button", *said, type="button", data_id=id_, aria_current=_yes(id_ == current)))

    def _list(self, rows: Sequence[Markup], counted: str, empty: str) -> Markup:
        if not rows:
            return tag("p", empty, class_="note")
        return joined([tag("p", counted, class_="note"), tag("ul", *rows, class_="rows")])


def _yes(is_so: bool) -> str:
    return "true" if is_so else "false"
