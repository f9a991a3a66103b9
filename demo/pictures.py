"""Product pictures drawn by code: the shape of the product's type in its own color, on its department's background."""

from __future__ import annotations

import zlib
from html import escape

from demo.catalog import DemoProduct
from demo.shapes import SHAPES, Paint


def picture_of(product: DemoProduct) -> str:
    """Return an SVG of 400 × 400, at most 4 KB."""
    top, bottom = product.type.department.background
    number = zlib.crc32(product.product.id.encode())
    paint = Paint.of(product.colors[0].hex, number)
    title = product.type.name.in_("zh" if product.product.language == "zh" else "en")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img">'
        f"<title>{escape(title)}</title><style>{_style(paint)}</style>"
        f'<defs><linearGradient id="b" x2=".6" y2="1"><stop stop-color="{top}"/>'
        f'<stop offset="1" stop-color="{bottom}"/></linearGradient>'
        f'<linearGradient id="g" x2=".35" y2="1"><stop stop-color="{paint.light}"/>'
        f'<stop offset=".5" stop-color="{paint.main}"/><stop offset="1" stop-color="{paint.shade}"/>'
        "</linearGradient></defs>"
        '<rect width="400" height="400" fill="url(#b)"/>'
        f'<circle cx="{90 + number % 220}" cy="{90 + number // 220 % 80}" r="130" fill="#fff" opacity=".3"/>'
        '<ellipse cx="200" cy="336" rx="122" ry="12" fill="#1d2433" opacity=".14"/>'
        f"{SHAPES[product.type.shape]}</svg>\n"
    )


def _style(paint: Paint) -> str:
    """Return the paint as the classes that the shapes are drawn with."""
    round_line = "fill:none;stroke-linecap:round;stroke-linejoin:round"
    return (
        f".m{{fill:url(#g);stroke:{paint.edge};stroke-width:1.5}}.s{{fill:{paint.shade}}}.l{{fill:{paint.light}}}"
        f".a{{fill:{paint.accent}}}.k{{fill:#2f3340}}.g{{fill:#a3abb5}}.w{{fill:#fffdf9}}.h{{fill:#fff;opacity:.3}}"
        f".n{{{round_line};stroke:{paint.main}}}.u{{{round_line};stroke:{paint.accent}}}"
        ".n:not([stroke-width]){stroke-width:16}"
        f".t{{{round_line};stroke:#2f3340;stroke-width:8}}"
    )
