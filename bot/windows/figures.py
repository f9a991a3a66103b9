"""The figures of a shop as HTML: each a picture, what it says in words, and the same as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

from bot.charts import MOST_CURVES, Bar, Curve, Span, bar_chart, curve_chart, interval_chart, legend
from bot.figures import Difference, Experiment, Interests, Part, Shoppers, Shown, Slates
from bot.markup import Content, Markup, folded, joined, table, tag
from bot.windows.texts import texts
from retrieval.audience import Audience, Exported
from retrieval.slate_metrics import STEPS
from storage.settings import AudienceSettings

REVIEW_PATH: Final = "/review"
"""Where answers are approved and written."""


class Page:
    """Renders figures in one language."""

    def __init__(self, language: str) -> None:
        self._words = texts(language)

    def shoppers(self, found: Shoppers) -> Markup:
        """Cohorts, bands and what is due."""
        bands = {self._of("band", band): count for band, count in found.bands.items()}
        weeks = {self._of("due", place): count for place, count in enumerate(found.due)}
        return self._section(
            self._of("customers").format(count=self._count(found.customers)),
            self._cohorts(found),
            self._people("bands", "band", bands) if bands else tag("p", self._of("bands_few")),
            self._people("due", "week", weeks) if weeks else None,
        )

    def interests(self, found: Interests) -> Markup:
        """Categories, brands and stages."""
        stages = {self._of("stage", stage): count for stage, count in found.stages.items()}
        return self._section(
            self._of("active").format(count=self._count(found.people)),
            self._people("stages", "stage", stages),
            self._people("categories", "category", found.categories, lead="liked"),
            self._people("brands", "brand", found.brands, lead="liked"),
        )

    def slates(self, found: Slates) -> Markup:
        """What became of what was shown."""
        if found.slates.shown == 0:
            return self._section(self._of("slates_empty"))
        return self._section(
            self._of("slates_lead"),
            self._funnel(found.slates),
            self._positions(found.positions),
            self._versions(found.versions),
            self._thumbs(found.thumbs),
        )

    def experiments(self, found: Sequence[Experiment]) -> Markup:
        """How far each is, and what came of those that are over."""
        if not found:
            return self._section(self._of("experiments_empty"))
        return self._section(self._of("experiments_lead"), *map(self._experiment, found))

    def audiences(self, found: Mapping[Audience, Exported | None], settings: AudienceSettings, few: int) -> Markup:
        """What an export of each band would come to, and the form that does it.

        Args:
            found: by band; None where too few came back to learn from.
            settings: share of the control group and days of rest.
            few: people below which a group is not counted out.
        """
        lead = self._of("audiences_lead").format(share=f"{settings.control_share:.0%}", rest=settings.rest_days)
        rows, forms = [], []
        for band, exported in found.items():
            name = self._of("audience", band)
            counts = (exported.contacted, exported.control, exported.capped) if exported is not None else ()
            said = [self._count(None if 0 < count < few else count) for count in counts]
            rows.append([name, *(said or ["–"] * 3)])
            if exported is not None and exported.contacted:
                forms.append(self._form(band, name, settings.rest_days))
        head = [self._of(each) for each in ("audience", "contacted", "control", "resting")]
        missing = None if all(found.values()) else tag("p", self._of("bands_few"), class_="note")
        return self._section(lead, tag("div", table(head, rows, numbers=3), missing, *forms, class_="plot"))

    def not_for(self, reason: str) -> Markup:
        """Why a section stays empty: a key of the words, or an error's own."""
        return self._section(self._words.get(f"ops_{reason}", reason))

    def header(self, shop_name: str) -> Markup:
        """The top of the page, with the way to the review."""
        note = self._of("note").format(few=self._of("few"))
        mark = tag("div", class_="mark", aria_hidden="true")
        leave = tag("form", tag("button", self._words["sign_out"], type="submit"), method="post", action="/logout")
        head = tag("div", tag("h1", f"{shop_name} · {self._words['ops']}"), tag("p", note))
        return joined([mark, head, tag("a", self._words["review_title"], href=f"{REVIEW_PATH}/", class_="way"), leave])

    def _cohorts(self, found: Shoppers) -> Markup | None:
        if not found.cohorts:
            return None
        drawn = [row for row in found.cohorts if row.returned][-MOST_CURVES:]
        curves = [
            Curve(row.month, [(month, part.share) for month, part in enumerate(row.returned, 1)]) for row in drawn
        ]
        longest = max((len(row.returned) for row in found.cohorts), default=0)
        head = [self._of("month"), self._of("people"), *map(str, range(1, longest + 1))]
        rows = [
            [row.month, self._count(row.people), *map(self._part, row.returned), *[""] * (longest - len(row.returned))]
            for row in found.cohorts
        ]
        title = self._of("cohorts")
        chart = curve_chart(title, self._of("table"), curves, self._of("cohorts_axis")) if curves else None
        return self._plot(
            title,
            self._of("cohorts_lead").format(most=MOST_CURVES),
            [chart, legend([curve.name for curve in curves])] if chart else [],
            table(head, rows, numbers=longest + 1),
        )

    def _people(self, name: str, column: str, counts: Mapping[str, int | None], lead: str = "") -> Markup:
        """Counts of people as bars."""
        title = self._of(name)
        bars = [Bar(each, count, self._count(count)) for each, count in counts.items()]
        rows = [[bar.name, bar.said] for bar in bars]
        return self._plot(
            title,
            self._of(f"{lead or name}_lead"),
            [bar_chart(title, told(bars), bars)] if any(bar.value != 0 for bar in bars) else [],
            table([self._of(column), self._of("people")], rows, numbers=1),
        )

    def _funnel(self, found: Shown) -> Markup:
        title = self._of("funnel")
        bars = [Bar(self._of("shown"), found.shown, self._count(found.shown))]
        bars += [Bar(self._of(step), found.steps[step].count, self._part(found.steps[step])) for step in STEPS]
        rows = [[bar.name, bar.said] for bar in bars]
        return self._plot(
            title, "", [bar_chart(title, told(bars), bars)], table(["", self._of("slate_count")], rows, numbers=1)
        )

    def _positions(self, found: Mapping[int, Shown]) -> Markup:
        title = self._of("positions")
        curves = [
            Curve(self._of(step), [(place, shown.steps[step].share) for place, shown in found.items()])
            for step in STEPS
        ]
        head = [self._of("place"), self._of("card_count"), *map(self._of, STEPS)]
        rows = [[str(place), *self._row(shown)] for place, shown in found.items()]
        chart = curve_chart(title, self._of("table"), curves, self._of("positions_axis"))
        pictures = [chart, legend([curve.name for curve in curves])]
        return self._plot(title, self._of("positions_lead"), pictures, table(head, rows, numbers=4))

    def _versions(self, found: Mapping[str, Mapping[str, Shown]]) -> Markup:
        title, step = self._of("versions"), STEPS[0]
        names = {version: version or self._of("version_none") for version in found}
        curves = [
            Curve(names[version], [(date.fromisoformat(day).toordinal(), days[day].steps[step].share) for day in days])
            for version, days in list(found.items())[:MOST_CURVES]
        ]
        head = [self._of("version"), self._of("day"), self._of("slate_count"), *map(self._of, STEPS)]
        rows = [
            [names[version], day, *self._row(shown)] for version, days in found.items() for day, shown in days.items()
        ]
        chart = curve_chart(
            title,
            self._of("table"),
            curves,
            self._of("versions_axis"),
            x_labels=lambda day: f"{date.fromordinal(int(day)):%m-%d}",
        )
        pictures = [chart, legend([curve.name for curve in curves])]
        return self._plot(title, self._of("versions_lead"), pictures, table(head, rows, numbers=4))

    def _thumbs(self, found: Mapping[str, int | None]) -> Markup:
        title = self._of("thumbs")
        bars = [Bar(self._of(value), count, self._count(count)) for value, count in found.items()]
        rows = [[bar.name, bar.said] for bar in bars]
        charts = [bar_chart(title, told(bars), bars)] if any(bar.value != 0 for bar in bars) else []
        return self._plot(title, "", charts, table(["", self._of("card_count")], rows, numbers=1))

    def _experiment(self, found: Experiment) -> Markup:
        progress = self._of("progress").format(day=found.day, days=found.days, users=self._count(found.users))
        parts: list[Content] = [
            tag("h3", f"{found.name}: {self._of(found.status)}"),
            tag("progress", value=found.day, max=found.days, aria_label=progress),
            tag("p", progress, class_="note"),
            tag("p", self._of("broken"), class_="failure") if found.broken else None,
        ]
        if found.differences:
            title = self._of("difference").format(control=found.control, metric=found.metric)
            spans = [
                Span(each.arm, each.value, each.low, each.high, _spelled(each))
                for each in found.differences
                if each.value is not None and each.low is not None and each.high is not None
            ]
            description = "; ".join(f"{span.name}: {span.said}" for span in spans)
            head = [self._of(each) for each in ("arm", "interval", "verdict", "why")]
            rows = [
                [each.arm, _spelled(each), self._of(each.verdict), "; ".join(each.reasons)]
                for each in found.differences
            ]
            parts += [tag("p", title), interval_chart(title, description, spans) if spans else None, table(head, rows)]
        return tag("figure", *parts, class_="plot")

    def _form(self, band: Audience, name: str, rest_days: int) -> Markup:
        """Exporting writes down who was drawn, so it is asked once more."""
        confirm = self._of("confirm").format(rest=rest_days)
        options = [tag("option", each, value=each) for each in ("csv", "jsonl")]
        return folded(
            self._of("export").format(band=name),
            tag(
                "form",
                tag("input", type="hidden", name="band", value=band),
                tag(
                    "label",
                    self._of("campaign"),
                    tag("input", name="campaign", placeholder=self._of("campaign_hint"), maxlength=200),
                ),
                tag("label", self._of("file"), tag("select", *options, name="format")),
                tag("label", tag("input", type="checkbox", name="confirm", value="yes", required=""), confirm),
                tag("button", self._of("download"), type="submit"),
                method="post",
                action="/ops/audience",
                class_="export",
            ),
        )

    def _row(self, shown: Shown) -> list[str]:
        return [self._count(shown.shown), *[self._part(shown.steps[step]) for step in STEPS]]

    def _count(self, count: int | None) -> str:
        return self._of("few") if count is None else f"{count:,}"

    def _part(self, part: Part) -> str:
        if part.count is None:
            return self._of("few")
        return f"{part.count:,}" if part.share is None else f"{part.count:,} ({part.share:.1%})"

    def _plot(self, title: str, lead: str, pictures: Iterable[Content], behind: Markup) -> Markup:
        shown = list(pictures) or [tag("p", self._of("empty"), class_="note")]
        caption = tag("figcaption", tag("h3", title), tag("p", lead, class_="note") if lead else None)
        return tag("figure", caption, *shown, folded(self._of("table"), behind), class_="plot")

    def _section(self, lead: str, *parts: Content) -> Markup:
        return joined([tag("p", lead, class_="lead"), tag("div", *parts, class_="plots")])

    def _of(self, *names: object) -> str:
        return self._words[f"ops_{'_'.join(map(str, names))}"]


def told(bars: Iterable[Bar]) -> str:
    """What bars say, for those who do not see them."""
    return "; ".join(f"{bar.name}: {bar.said}" for bar in bars)


def _spelled(found: Difference) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "–"
    return f"{found.value:+.4f} ({found.low:+.4f} … {found.high:+.4f})"
