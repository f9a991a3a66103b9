"""HTML and SVG by functions: what is not `Markup` is escaped wherever it goes in, so that no text of a log becomes a tag."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from storage.record import storable

_VOID = frozenset({"input"})
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Markup(str):
    """Text that is markup already; only functions of this module make it from anything else."""

    __slots__ = ()


Content = str | Markup | None


def tag(name: str, /, *content: Content, **attributes: str | float | None) -> Markup:
    """An element: `tag("p", "1 < 2", class_="small")` is `<p class="small">1 &lt; 2</p>`.

    Underscores in attributes become dashes, one at the end vanishes; numbers are rounded to two places; None is left out. What can
    hold nothing has no end.
    """
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            said = f"{round(value, 2):g}" if isinstance(value, int | float) else value
            parts.append(f'{key.removesuffix("_").replace("_", "-")}="{_escaped(said)}"')
    end = "" if name in _VOID else f"</{name}>"
    return Markup(f"<{' '.join(parts)}>{joined(content)}{end}")


def joined(content: Iterable[Content]) -> Markup:
    """The parts one after the other, those that are no markup escaped."""
    return Markup("".join(each if isinstance(each, Markup) else _escaped(each) for each in content if each is not None))


def quoted(text: str, limit: int = 280) -> Markup:
    """Text that a person wrote: in its own direction, isolated from what stands beside it, and visibly cut at `limit`."""
    whole = " ".join(text.split())
    if len(whole) <= limit:
        return tag("bdi", whole, dir="auto")
    more = tag("span", f" … {len(whole) - limit:,} more characters", class_="cut")
    return joined([tag("bdi", whole[:limit], dir="auto"), more])


def label(name: str, class_: str = "") -> Markup:
    """A label's name, which may break into lines after its underscores."""
    parts = [part for piece in name.split("_") for part in (piece, Markup("_<wbr>"))][:-1]
    return tag("span", *parts, class_=f"label {class_}".strip())


def table(head: Sequence[Content], rows: Iterable[Sequence[Content]], *, numbers: int = 0, class_: str = "") -> Markup:
    """A table that scrolls by itself where it is too wide; the last `numbers` columns are numbers."""
    align = ["" if at < len(head) - numbers else "number" for at in range(len(head))]
    return tag(
        "div",
        tag(
            "table",
            tag(
                "thead", tag("tr", *[tag("th", each, class_=of or None) for each, of in zip(head, align, strict=True)])
            ),
            tag(
                "tbody",
                *[
                    tag("tr", *[tag("td", each, class_=of or None) for each, of in zip(row, align, strict=True)])
                    for row in rows
                ],
            ),
        ),
        class_=f"wide {class_}".strip(),
    )


def bar(share: float, class_: str = "good") -> Markup:
    """A horizontal bar of `share` (0 to 1) of the room there is."""
    width = 100 * min(1.0, max(0.0, share))
    return tag("span", tag("span", style=f"width:{width:.1f}%", class_=class_), class_="bar")


def _escaped(text: str) -> str:
    return escape(_CONTROLS.sub("\ufffd", str(storable(text))))


def folded(title: str, content: Markup) -> Markup:
    """Content that is shown when its title is clicked, without a script."""
    return tag("details", tag("summary", title), content)
