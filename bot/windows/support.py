"""The agents' desk in figures as HTML, for supervisors: each a picture, what exactly it counts, a table and that table as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from bot.charts import Bar, Curve, bar_chart, curve_chart, legend
from bot.desk_export import TableName, day_of, mean_distance
from bot.desk_figures import PERIODS, Period, Spread, Support, Unmet, acceptance
from bot.markup import Content, Markup, folded, joined, quoted, table, tag
from bot.windows.figures import REVIEW_PATH, Page, told
from storage.desk_figures import Use

CLUSTERS_SHOWN: Final = 15
AGENTS_DRAWN: Final = 12
_UNITS: Final = (("days", 86_400), ("hours", 3_600), ("minutes", 60))


class SupportPage(Page):
    """Renders the desk's figures over so many days in one language."""

    def __init__(self, language: str, days: Period = 30) -> None:
        super().__init__(language)
        self._days = days

    def support(self, found: Support, unmet: Sequence[Unmet]) -> Markup:
        """The whole section."""
        plots = (
            self._volumes(found),
            self._automation(found),
            self._times(found),
            self._named("reasons", "reason", found.reasons),
            self._proposals(found.kinds),
            self._satisfaction(found),
            self._named("codes", "code", found.codes),
            self._agents(found),
        )
        return joined(
            [
                tag("div", self._periods(), self._backlog(found), class_="support-head"),
                self._section(self._of("support_lead"), *plots),
                self._unmet(unmet),
            ]
        )

    def duration(self, milliseconds: float | None) -> str:
        """In the two largest units that say something: "2 h 5 min"."""
        if milliseconds is None:
            return "–"
        seconds = round(milliseconds / 1000)
        for place, (unit, size) in enumerate(_UNITS):
            if seconds >= size:
                said = self._of(unit).format(count=seconds // size)
                smaller, less = (*_UNITS, ("seconds", 1))[place + 1]
                rest = seconds % size // less
                return f"{said} {self._of(smaller).format(count=rest)}" if rest else said
        return self._of("seconds").format(count=seconds)

    def _periods(self) -> Markup:
        buttons = [
            tag(
                "button",
                self._of("period").format(days=days),
                type="button",
                data_days=str(days),
                aria_pressed="true" if days == self._days else "false",
            )
            for days in PERIODS
        ]
        return tag("div", *buttons, class_="periods", role="group", aria_label=self._of("periods"))

    def _backlog(self, found: Support) -> Markup:
        """What is open now, as large numbers."""
        now = found.backlog
        waited = self.duration(None if now.oldest is None else max(0, found.now - now.oldest))
        rate = found.automation.rate
        tiles = (
            (f"{now.waiting:,}", self._of("waiting_now")),
            (waited, self._of("longest")),
            (f"{now.held:,}", self._of("held_now")),
            ("–" if rate is None else f"{rate:.0%}", self._of("automation")),
            (self.duration(found.first_response.median), self._of("first_response_median")),
        )
        return tag("dl", *[tag("div", tag("dt", name), tag("dd", figure)) for figure, name in tiles], class_="tiles")

    def _volumes(self, found: Support) -> Markup:
        title = self._of("volumes")
        series = {
            self._of("begun"): [(each.day, each.begun) for each in found.volumes],
            self._of("handed"): [(each.day, each.handed) for each in found.volumes],
            self._of("closed"): [(each.day, each.closed) for each in found.volumes],
        }
        curves = [Curve(name, [(float(day), float(count)) for day, count in days]) for name, days in series.items()]
        totals = "; ".join(f"{name}: {sum(count for _, count in days):,}" for name, days in series.items())
        chart = curve_chart(
            title, totals, curves, self._of("versions_axis"), x_labels=lambda day: day_of(int(day))[5:], counts=True
        )
        rows = [[day_of(each.day), f"{each.begun:,}", f"{each.handed:,}", f"{each.closed:,}"] for each in found.volumes]
        head = [self._of("day"), *series]
        drawn = any(count for days in series.values() for _, count in days)
        pictures = [chart, legend([curve.name for curve in curves])] if drawn else []
        return self._told("volumes", self._of("volumes_lead"), pictures, table(head, rows, numbers=3))

    def _automation(self, found: Support) -> Markup:
        each = found.automation
        counts = {"begun": each.all, "alone": each.alone, "unanswered": each.unanswered}
        bars = [
            Bar(self._of(name), count, f"{count:,} ({count / each.all:.0%})" if each.all else "0")
            for name, count in counts.items()
        ]
        return self._bars("automation", self._of("automation_lead"), "conversations", bars if each.all else [])

    def _times(self, found: Support) -> Markup:
        spreads = {"first_response": found.first_response, "resolution": found.resolution}
        bars = [
            Bar(f"{self._of(name)}, {part}", value, self.duration(value))
            for name, spread in spreads.items()
            for part, value in (("50 %", spread.median), ("90 %", spread.p90))
            if value is not None
        ]
        rows = [[self._of(name), *self._spread(spread)] for name, spread in spreads.items()]
        head = ["", *(self._of(each) for each in ("tickets", "median", "p90"))]
        title = self._of("times")
        return self._told(
            "times",
            self._of("times_lead").format(unanswered=f"{found.unanswered:,}"),
            [bar_chart(title, told(bars), bars)] if bars else [],
            table(head, rows, numbers=3),
        )

    def _named(self, name: TableName, column: str, counts: Mapping[str, int]) -> Markup:
        """Tickets by reason or code; a code of the shop's own is called as the shop calls it."""
        total = sum(counts.values())
        bars = [
            Bar(self._words.get(f"ops_{column}_{each}", each), count, f"{count:,} ({count / total:.0%})")
            for each, count in counts.items()
        ]
        return self._bars(name, self._of(f"{name}_lead"), "tickets", bars)

    def _satisfaction(self, found: Support) -> Markup:
        each = found.satisfaction
        lead = self._of("satisfaction_none").format(answered=f"{each.answered:,}")
        bars: list[Bar] = []
        if each.mean is not None and each.satisfied is not None:
            lead = self._of("satisfaction_lead").format(
                mean=f"{each.mean:.2f}",
                share=f"{each.satisfied:.0%}",
                rated=f"{each.rated:,}",
                answered=f"{each.answered:,}",
            )
            bars = [Bar("★" * stars, count, f"{count:,}") for stars, count in sorted(each.counts.items(), reverse=True)]
        return self._bars("satisfaction", lead, "tickets", bars)

    def _proposals(self, kinds: Sequence[Use]) -> Markup:
        bars = [Bar(self._of("kind", use.name), acceptance(use), self._share(acceptance(use))) for use in kinds]
        rows = [[self._of("kind", use.name), *self._use(use)] for use in kinds]
        head = [self._of("kind"), *(self._of(each) for each in _USE)]
        title = self._of("proposals")
        pictures = [bar_chart(title, told(bars), bars)] if bars else []
        return self._told("proposals", self._of("proposals_lead"), pictures, table(head, rows, numbers=len(_USE)))

    def _agents(self, found: Support) -> Markup:
        busiest = sorted(found.agents, key=lambda each: (-each.closed, each.agent))[:AGENTS_DRAWN]
        bars = [Bar(each.agent, each.closed, f"{each.closed:,}") for each in busiest]
        rows = [
            [
                each.agent,
                f"{each.closed:,}",
                *self._spread(each.first_response)[1:],
                f"{each.use.messages if each.use else 0:,}",
                self._share(acceptance(each.use) if each.use else None),
            ]
            for each in found.agents
        ]
        head = [self._of(each) for each in ("agent", "closed_by", "median", "p90", "messages", "acceptance")]
        title = self._of("agents")
        pictures = [bar_chart(title, told(bars), bars)] if bars else []
        return self._told("agents", self._of("agents_lead"), pictures, table(head, rows, numbers=5))

    def _unmet(self, found: Sequence[Unmet]) -> Markup:
        """What nothing answered, each group with the way to an answer."""
        parts: list[Content] = [tag("h3", self._of("unmet")), tag("p", self._of("unmet_lead"), class_="note")]
        if not found:
            parts.append(tag("p", self._of("unmet_empty"), class_="note"))
        else:
            parts.append(tag("ol", *[self._cluster(each) for each in found[:CLUSTERS_SHOWN]], class_="clusters"))
        if len(found) > CLUSTERS_SHOWN:
            parts.append(tag("p", self._of("unmet_more").format(count=len(found) - CLUSTERS_SHOWN), class_="note"))
        return tag("section", *parts, self._csv("unanswered"), class_="plot unmet")

    def _cluster(self, found: Unmet) -> Markup:
        cluster = found.cluster
        examples = tag("ul", *[tag("li", quoted(each)) for each in cluster.examples])
        asked = self._of("asked").format(asked=f"{cluster.asked:,}", wordings=f"{cluster.wordings:,}")
        # The window there takes both from its address.
        to = f"{REVIEW_PATH}/?{urlencode({'question': cluster.question, 'language': cluster.language})}"
        kinds = ", ".join(self._words.get(f"ops_about_{kind}", kind) for kind in cluster.kinds)
        return tag(
            "li",
            self._trend(cluster.trend),
            tag(
                "div",
                tag("p", quoted(cluster.question), class_="question", lang=cluster.language),
                tag("p", f"{asked} · {kinds}", class_="note"),
                folded(self._of("other_wordings"), examples) if cluster.examples else None,
            ),
            tag("span", self._of("answered_now"), class_="done")
            if found.answered
            else tag("a", self._of("write_answer"), href=to, class_="write"),
        )

    def _trend(self, trend: Sequence[int]) -> Markup:
        """Bars of equal parts of the period, the latest at the right."""
        most, wide, tall = max(trend) or 1, 9, 30
        said = self._of("trend").format(counts=", ".join(map(str, trend)))
        bars = [
            tag("rect", x=place * wide, y=tall - max(1.0, count / most * tall), width=wide - 2,
                height=max(1.0, count / most * tall), class_="good")
            for place, count in enumerate(trend)
        ]  # fmt: skip
        return tag(
            "svg", tag("title", said), *bars, viewBox=f"0 0 {wide * len(trend)} {tall}", role="img", aria_label=said
        )

    def _bars(self, name: TableName, lead: str, column: str, bars: Sequence[Bar]) -> Markup:
        title = self._of(name)
        rows = [[bar.name, bar.said] for bar in bars]
        pictures = [bar_chart(title, told(bars), bars)] if any(bar.value for bar in bars) else []
        return self._told(name, lead, pictures, table(["", self._of(column)], rows, numbers=1))

    def _told(self, name: TableName, lead: str, pictures: Sequence[Content], behind: Markup) -> Markup:
        return self._plot(self._of(name), lead, pictures, joined([behind, self._csv(name)]))

    def _csv(self, name: TableName) -> Markup:
        to = f"/ops/support.csv?{urlencode({'table': name, 'days': self._days})}"
        return tag("p", tag("a", self._of("csv"), href=to, download=""), class_="note")

    def _use(self, use: Use) -> list[str]:
        distance = mean_distance(use)
        counts = [f"{each:,}" for each in (use.messages, use.shown, use.inserted, use.sent, use.unchanged)]
        return [
            *counts,
            "–" if distance is None else f"{distance:.1f}",
            f"{use.dismissed:,}",
            self._share(acceptance(use)),
        ]

    def _spread(self, spread: Spread) -> list[str]:
        return [f"{spread.count:,}", self.duration(spread.median), self.duration(spread.p90)]

    def _share(self, share: float | None) -> str:
        return "–" if share is None else f"{share:.0%}"


_USE: Final = ("messages", "proposed", "inserted", "sent", "unchanged", "distance", "dismissed", "acceptance")
