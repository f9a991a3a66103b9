"""The drawings, one a shape of product, and the paint they are filled with. Hand-drawn SVG fragments in TOML files."""

from __future__ import annotations

import colorsys
import tomllib
from dataclasses import dataclass
from pathlib import Path

_ACCENTS = ("#e8853a", "#3f76c9", "#4f9a5a", "#c94545", "#8061b5", "#2b8a8c", "#eabf3c")


@dataclass(frozen=True)
class Paint:
    """A product's color with its lighter and darker neighbors, its edge, and an accent that differs from it."""

    main: str
    light: str
    shade: str
    edge: str
    accent: str

    @classmethod
    def of(cls, color: str, number: int) -> Paint:
        """Mix the paint for a color like "#3f76c9"; `number` chooses the accent."""
        others = [accent for accent in _ACCENTS if accent != color]
        return cls(
            main=color,
            light=_toward(color, 1.0, 0.28),
            shade=_toward(color, 0.12, 0.26),
            edge=_toward(color, 0.1, 0.4),
            accent=others[number % len(others)],
        )


def _toward(color: str, lightness: float, share: float) -> str:
    """Move a color's lightness (0 black, 1 white) by a share of the way."""
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    hue, old, saturation = colorsys.rgb_to_hls(red, green, blue)
    mixed = colorsys.hls_to_rgb(hue, old + (lightness - old) * share, saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in mixed)


def read_shapes() -> dict[str, str]:
    """Return every drawing by name."""
    shapes: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("*.toml")):
        shapes |= tomllib.loads(path.read_text("utf-8"))
    return shapes


SHAPES = read_shapes()
