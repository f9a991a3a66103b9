"""`report.html`: a run on one page, for a person at a shop. It needs no network and no script, and all of it comes from the record.

Sections are functions of the record that return markup, or None where the run has nothing to say there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bot.labels import OUT_OF_SCOPE
from bot.markup import Content, Markup, bar, folded, joined, label, quoted, table, tag
from finetune.charts import doubt_histogram, heat_map, line_chart, reliability_diagram, strength
from finetune.facts import SHOWN_LABELS, facts
from finetune.record import Confusion, Mistake, RunRecord

FILE = "report.html"
STYLE = Path(__file__).with_name("report.css")

_TABLE_LABELS = 20
"""With more labels the confusion matrix is a heat map: nobody reads 22,500 numbers."""
_PAIRS = 12
_SHOWN_ERRORS = 12
_SHOWN_SUSPECTS = 20
_MOST_DROP = 0.05
"""A kind of noise that costs more than this stands out."""

_SCRIPTS = {"latin": "Latin script", "han": "Chinese"}


def write_report(record: RunRecord, folder: Path) -> None:
    """Writes `report.html` into the folder."""
    (folder / FILE).write_text(page(record), encoding="utf-8")


def page(record: RunRecord) -> str:
    """The whole page."""
    sections = [(name, title, made) for name, title, make in _SECTIONS if (made := make(record))]
    links = [tag("a", title, href=f"#{name}") for name, title, _ in sections]
    body = joined(
        [
            _verdict(record),
            tag("nav", *links, aria_label="Sections"),
            *[tag("section", tag("h2", title), made, id=name) for name, title, made in sections],
        ]
    )
    head = joined(
        [
            Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
            # Nothing may be fetched and nothing run, whatever a log had in it.
            Markup(
                '<meta http-equiv="Content-Security-Policy" '
                "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
            ),
            Markup('<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'),
            tag("title", f"Intent model, {record.created_at[:10]}"),
            tag("style", Markup(STYLE.read_text(encoding="utf-8"))),
        ]
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body><main>{body}</main></body></html>\n'


def _verdict(record: RunRecord) -> Markup:
    metrics, support = record.metrics, {name: score.support for name, score in record.per_label.items()}
    n, accuracy = int(metrics["n"] or 0), metrics["accuracy"] or 0.0
    commonest = max(support, key=lambda name: support[name])
    guessing = support[commonest] / n
    weakest = min((name for name in support if support[name]), key=lambda name: record.per_label[name].f1)
    auroc, lost = metrics["oos_auroc"], metrics["oos_fpr95"]
    limits = (
        "The logs had no out-of-scope messages, so this was not measured."
        if auroc is None or lost is None
        else f"Of two messages, one with a label and one without, it doubts the right one {_of_hundred(auroc)} times. "
        f"To stop at 95 % of those without, it would stop at {percent(lost)} of the others."
    )
    tiles: Sequence[tuple[str, str, Content]] = (
        (
            "Right label",
            percent(accuracy),
            joined(["Always guessing the commonest, ", label(commonest), f", would get {percent(guessing)}."]),
        ),
        (
            "Macro-F1",
            f"{metrics['macro_f1']:.3f}",
            joined(
                [
                    "Every label counts the same here, however rare. The weakest is ",
                    label(weakest),
                    f" with {record.per_label[weakest].f1:.2f}.",
                ]
            ),
        ),
        (
            "Calibration error",
            _points(metrics["ece"] or 0.0),
            "How far its stated confidence is from how often it is right, on average. Zero would be perfect.",
        ),
        ("Knows its limits", "–" if auroc is None else f"{auroc:.3f}", limits),
        (
            "Speed",
            milliseconds(record.latency.p50_ms),
            f"Half of the messages take no longer, 95 of 100 at most {milliseconds(record.latency.p95_ms)}, one at a time.",
        ),
        (
            "Size",
            size(record.size_bytes),
            f"On disk, with everything that serving needs. Training took {duration(record.seconds)}.",
        ),
    )
    return tag(
        "header",
        tag("p", f"Intent model · {record.created_at.replace('T', ' ').removesuffix('Z')} UTC", class_="eyebrow"),
        tag("h1", f"It understands {_of_hundred(accuracy)} messages"),
        tag(
            "p",
            f"Measured on {n:,} customer messages that training never saw, with {len(record.labels)} labels.",
            class_="lead",
        ),
        tag(
            "div",
            *[
                tag(
                    "div", tag("p", figure, class_="figure"), tag("div", tag("h3", name), tag("p", said)), class_="tile"
                )
                for name, figure, said in tiles
            ],
            class_="tiles",
        ),
        tag(
            "p",
            "The same messages decided when training stopped and how confident the model says it is, so a fresh log may come "
            "out a little lower: launch.py evaluate intent measures it.",
            class_="small",
        ),
    )


def _labels(record: RunRecord) -> Markup:
    ordered = sorted(record.per_label.items(), key=lambda item: (item[1].support == 0, item[1].f1, item[0]))

    def rows(of: slice) -> Markup:
        return table(
            ("Label", "", "F1", "Precision", "Recall", "Turns"),
            [
                (
                    label(name),
                    bar(score.f1),
                    f"{score.f1:.2f}",
                    f"{score.precision:.2f}",
                    f"{score.recall:.2f}",
                    f"{score.support:,}",
                )
                for name, score in ordered[of]
            ],
            numbers=4,
            class_="labels scores",
        )

    return joined(
        [
            tag(
                "p",
                "The weakest label first. Precision: of the turns that got the label, how many have it. Recall: of the turns that "
                "have it, how many got it. F1 is high only where both are.",
            ),
            rows(slice(SHOWN_LABELS)),
            folded(f"The other {len(ordered) - SHOWN_LABELS} labels", rows(slice(SHOWN_LABELS, None)))
            if len(ordered) > SHOWN_LABELS
            else None,
        ]
    )


def _confusion(record: RunRecord) -> Markup:
    confusion = record.confusion
    pairs = most_confused(confusion)
    totals = dict(zip(confusion.labels, map(sum, confusion.counts), strict=True))
    found = table(
        ("Labelled", "Taken for", "Turns", "Of the label"),
        [
            (
                label(gold),
                label(predicted),
                f"{count:,}",
                percent(count / totals[gold]),
            )
            for gold, predicted, count in pairs[:_PAIRS]
        ],
        numbers=2,
    )
    if len(confusion.labels) <= _TABLE_LABELS:
        said = "A row is what the label says, a column what the model says; columns are numbered like the rows."
        matrix = _matrix(confusion)
    else:
        said = (
            "From top to bottom what the label says, from left to right what the model says, both in one order. A perfect model "
            "paints the diagonal alone. Point at a cell to read it."
        )
        matrix = heat_map(confusion)
    return joined(
        [
            tag("h3", "Most confused"),
            found if pairs else tag("p", "Nothing was confused."),
            tag("h3", "All of them"),
            tag("p", said),
            matrix,
        ]
    )


def _matrix(confusion: Confusion) -> Markup:
    head = tag("tr", tag("th"), *[tag("th", str(at), title=name) for at, name in enumerate(confusion.labels, 1)])
    rows = []
    for row, (gold, counts) in enumerate(zip(confusion.labels, confusion.counts, strict=True)):
        cells = []
        for column, count in enumerate(counts):
            force = strength(count / sum(counts)) if count else 0.0
            paint = "good" if row == column else "bad"
            said = gold if row == column else f"{gold}, taken for {confusion.labels[column]}"
            cells.append(
                tag(
                    "td",
                    f"{count:,}" if count else "",
                    title=f"{said}: {count}",
                    class_=f"{paint}{' strong' if force > 0.6 else ''}" if count else None,
                    style=f"--force:{force:.2f}" if count else None,
                )
            )
        rows.append(tag("tr", tag("th", tag("i", f"{row + 1} "), label(gold)), *cells))
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide matrix")


def _errors(record: RunRecord) -> Markup:
    if not record.errors:
        return tag("p", "There were none.")
    shown, rest = record.errors[:_SHOWN_ERRORS], record.errors[_SHOWN_ERRORS:]
    return joined(
        [
            tag(
                "p",
                "What the model was surest of and wrong. Some of these are wrong labels: mending them in the log helps more than "
                "another run. Addresses and numbers of persons are replaced.",
            ),
            tag("ol", *map(_mistake, shown), class_="errors"),
            folded(f"{len(rest)} more", tag("ol", *map(_mistake, rest), class_="errors")) if rest else None,
        ]
    )


def _mistake(mistake: Mistake) -> Markup:
    return tag(
        "li",
        tag("blockquote", quoted(mistake.text)),
        tag(
            "p",
            "labelled ",
            label("out of scope" if mistake.gold == OUT_OF_SCOPE else mistake.gold),
            ", predicted ",
            label(mistake.predicted, "wrong"),
            f" at {percent(mistake.confidence)} · dialogue ",
            quoted(mistake.dialogue_id, 60),
        ),
    )


def _confidence(record: RunRecord) -> Markup:
    return figures(
        (
            reliability_diagram(record.reliability),
            "Bars show how often the model is right at each confidence; the orange mark is what it claims. A bar below its mark "
            "is overconfident. Faint bars stand on fewer than five turns; the strip below shows how many there are.",
        )
    )


def _scope(record: RunRecord) -> Markup:
    shown: list[tuple[Markup, Content]] = []
    for space, doubts in record.out_of_scope.items():
        at = doubts.edges.index(doubts.threshold)
        lost = sum(doubts.in_scope[at:]) / max(1, sum(doubts.in_scope))
        said = f"{_script(space)}. {percent(lost)} of {sum(doubts.in_scope):,} in-scope turns lie above the threshold"
        if sum(doubts.out_of_scope):
            caught = sum(doubts.out_of_scope[at:]) / sum(doubts.out_of_scope)
            said += f", and {percent(caught)} of {sum(doubts.out_of_scope):,} out-of-scope turns."
        else:
            said += "; there were no out-of-scope turns to compare with."
        shown.append((doubt_histogram(doubts), said))
    return joined(
        [
            tag(
                "p",
                "Above the threshold the model says that it does not know. Green, upwards: turns that have a label. Orange, "
                "downwards: turns that are about something else. Each is a share of its kind.",
            ),
            figures(*shown),
        ]
    )


def _noise(record: RunRecord) -> Markup | None:
    if not record.noise:
        return None
    rows: list[Sequence[Content]] = [
        (
            kind,
            bar(each.drop / 0.15, "bad"),
            percent(each.accuracy),
            tag("b", _signed(-each.drop), class_="wrong") if each.drop > _MOST_DROP else _signed(-each.drop),
        )
        for kind, each in record.noise.items()
    ]
    mean = sum(each.drop for each in record.noise.values()) / len(record.noise)
    rows.append((tag("b", "mean"), "", "", tag("b", _signed(-mean))))
    said = "The same held-out turns, made as noisy as people are. In points of accuracy; more than five points lost stand out."
    return joined([tag("p", said), table(("Noise", "", "Accuracy", "Change"), rows, numbers=2, class_="noise")])


def _training(record: RunRecord) -> Markup | None:
    charts: list[tuple[Markup, Content]] = []
    for space, curve in record.curves.items():
        if curve.losses:
            charts.append(
                (line_chart(curve.losses, "step", "training loss"), f"{_script(space)}: loss while training.")
            )
        if curve.epochs:
            points = [(each.epoch, each.macro_f1) for each in curve.epochs]
            said = f"{_script(space)}: macro-F1 on held-out turns. The model is that of epoch {curve.kept}."
            charts.append((line_chart(points, "epoch", "macro-F1", dots=True, top=1.0), said))
    return figures(*charts) if charts else None


def _unlabeled(record: RunRecord) -> Markup | None:
    if not record.unlabeled:
        return None
    rows: list[Sequence[Content]] = []
    for space, found in record.unlabeled.items():
        without, taught = found.get("macro_f1_without"), found.get("macro_f1_with")
        kept = "–" if without is None or taught is None else "with them" if taught >= without else "without them"
        scores = ("–" if each is None else f"{each:.3f}" for each in (without, taught))
        rows.append(
            (_script(space), kept, f"{found['unlabeled_turns']:,}", f"{found['taught_turns']:,}", *scores),
        )
    head = ("Encoder", "Kept", "Turns", "Learnt from", "Macro-F1 without", "Macro-F1 with")
    said = (
        "A first model labelled the turns that nobody had, a second one learnt from those that the first was sure of. The better "
        "of the two on held-out turns is this model."
    )
    return joined([tag("p", said), table(head, rows, numbers=4)])


def _search(record: RunRecord) -> Markup | None:
    if record.search is None:
        return None
    tried = sorted(record.search.trials, key=lambda each: (each.macro_f1 is None, -(each.macro_f1 or 0.0), each.number))
    names = list(dict.fromkeys(name for each in tried for name in each.values))
    rows: list[Sequence[Content]] = [
        (
            str(each.number + 1),
            *(_setting(each.values.get(name)) for name in names),
            "cut short" if each.macro_f1 is None else f"{each.macro_f1:.3f}",
        )
        for each in tried
    ]
    head = ("Trial", *(name.replace("_", " ").capitalize() for name in names), "Macro-F1")
    best = ", ".join(f"{name.replace('_', ' ')} {_setting(value)}" for name, value in record.search.best.items())
    said = (
        f"The best first: the model was trained with {best}. The held-out turns chose among them, so the figures on this page "
        "flatter the best."
    )
    return joined([tag("p", said), table(head, rows, numbers=1)])


def _setting(value: object) -> str:
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _data(record: RunRecord) -> Markup:
    parts: list[Content] = [facts(record.data)]
    if record.suspects:
        suspects = [
            (quoted(each.text, 160), label(each.label),
             label(each.suggested), f"{each.margin:.2f}", quoted(each.dialogue_id, 60))
            for each in record.suspects[:_SHOWN_SUSPECTS]
        ]  # fmt: skip
        more = len(record.suspects) - len(suspects)
        parts += [
            tag("h3", "Labels worth a second look"),
            tag("p", "Training turns whose label does not fit the turns like them, the least fitting first."),
            table(("Turn", "Labelled", "Fits better", "By", "Dialogue"), suspects),
            tag("p", f"{more:,} more are in metrics.json.", class_="small") if more else None,
        ]
    return joined(parts)


def _latency(record: RunRecord) -> Markup:
    rows: list[Sequence[Content]] = [
        (f"{each.low} to {each.high}", f"{each.n:,}", milliseconds(each.p50_ms), milliseconds(each.p95_ms))
        for each in record.latency.buckets
    ]
    rows.append((tag("b", "all"), "", milliseconds(record.latency.p50_ms), milliseconds(record.latency.p95_ms)))
    said = "One turn at a time on the machine that trained, with its history and tokenizing included."
    return joined([tag("p", said), table(("Tokens", "Turns", "Median", "95th percentile"), rows, numbers=3)])


def _run(record: RunRecord) -> Markup:
    origin = {
        "created": record.created_at,
        "commit": record.commit or "unknown: the source is no git checkout",
        "seeds": ", ".join(map(str, record.seeds)),
        "parent": record.parent or "none",
    }
    return joined(
        [
            tag("h3", "Configuration"),
            facts(record.configuration),
            tag("h3", "Origin"),
            facts(origin),
            tag("h3", "Versions"),
            facts(record.versions),
        ]
    )


_SECTIONS: Sequence[tuple[str, str, Callable[[RunRecord], Markup | None]]] = (
    ("labels", "Label by label", _labels),
    ("confusion", "What is taken for what", _confusion),
    ("errors", "Worst errors", _errors),
    ("confidence", "Can its confidence be trusted?", _confidence),
    ("scope", "Out of scope", _scope),
    ("noise", "Typos and other noise", _noise),
    ("training", "Learning curves", _training),
    ("unlabeled", "What unlabeled turns gave", _unlabeled),
    ("search", "What the search tried", _search),
    ("data", "The data", _data),
    ("speed", "Speed", _latency),
    ("run", "How it was made", _run),
)


def most_confused(confusion: Confusion) -> list[tuple[str, str, int]]:
    """(gold, predicted, turns) of every pair of different labels that occurs, the commonest first."""
    pairs = [
        (gold, predicted, count)
        for gold, counts in zip(confusion.labels, confusion.counts, strict=True)
        for predicted, count in zip(confusion.labels, counts, strict=True)
        if count and gold != predicted
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def figures(*shown: tuple[Markup, Content]) -> Markup:
    """Charts with their captions, side by side where there is room."""
    return tag("div", *[tag("figure", chart, tag("figcaption", caption)) for chart, caption in shown], class_="figures")


def percent(share: float) -> str:
    """`percent(0.8871)` is "88.7 %", with a blank that does not break."""
    return f"{100 * share:.1f}\u00a0%"


def milliseconds(value: float) -> str:
    """`milliseconds(2.41)` is "2.4 ms"."""
    return f"{value:,.1f}\u00a0ms" if value < 100 else f"{value:,.0f}\u00a0ms"


def size(count: int) -> str:
    """`size(34_000_000)` is "34 MB"; megabytes are of a million bytes."""
    return f"{count / 1e6:,.0f} MB" if count >= 10_000_000 else f"{count / 1e6:,.1f} MB"


def duration(seconds: float) -> str:
    """`duration(95)` is "1 min 35 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _of_hundred(share: float) -> str:
    """How many of 100, never more than is so: `.9999` is not all of them."""
    return f"{int(100 * share + 1e-9)} of 100"


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _signed(share: float) -> str:
    said = f"{100 * share:+.1f}"
    return "0.0" if said in ("+0.0", "-0.0") else said.replace("-", "−")


def _script(space: str) -> str:
    return _SCRIPTS.get(space, space)
