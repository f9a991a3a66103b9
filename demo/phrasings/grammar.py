"""Expand one phrasing: `[a|b|]` picks an alternative, `{name}` is filled by a function."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from random import Random

Node = str | tuple[str, object]
_TOKEN = re.compile(r"[\[\]|]|\{[a-z_0-9]+\}|[^\[\]|{}]+")


@cache
def parse(pattern: str) -> tuple[Node, ...]:
    """Parse `"hi [there|]{name}"` into `("hi ", ("choice", (("there",), ())), ("slot", "name"))`.

    Raises:
        ValueError: brackets that do not match, or a stray brace.

    """
    tokens = _TOKEN.findall(pattern)
    if "".join(tokens) != pattern:
        raise ValueError(f"stray brace in phrasing {pattern!r}: write slots as {{name}}")
    nodes, rest = _sequence(tokens, 0, pattern, nested=False)
    if rest != len(tokens):
        raise ValueError(f"unmatched ']' or '|' outside brackets in phrasing {pattern!r}")
    return nodes


def _sequence(tokens: list[str], at: int, pattern: str, *, nested: bool) -> tuple[tuple[Node, ...], int]:
    nodes: list[Node] = []
    while at < len(tokens):
        token = tokens[at]
        if token == "[":
            options = []
            while True:
                option, at = _sequence(tokens, at + 1, pattern, nested=True)
                options.append(option)
                if at >= len(tokens):
                    raise ValueError(f"unmatched '[' in phrasing {pattern!r}")
                if tokens[at] == "]":
                    break
            nodes.append(("choice", tuple(options)))
        elif token in "]|":
            if not nested:
                raise ValueError(f"unmatched {token!r} in phrasing {pattern!r}")
            break
        elif token.startswith("{"):
            nodes.append(("slot", token[1:-1]))
        else:
            nodes.append(token)
        at += 1
    return tuple(nodes), at


def slots_in(pattern: str) -> set[str]:
    """Names of all slots that occur anywhere in the pattern."""
    return set(re.findall(r"\{([a-z_0-9]+)\}", pattern))


def expand(pattern: str, rng: Random, fill: Callable[[str], str]) -> str:
    """One sentence of the pattern; runs of blanks shrink to one."""
    return re.sub(r" {2,}", " ", _render(parse(pattern), rng, fill)).strip()


def _render(nodes: tuple[Node, ...], rng: Random, fill: Callable[[str], str]) -> str:
    parts: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            parts.append(node)
        elif node[0] == "slot":
            parts.append(fill(str(node[1])))
        else:
            options = node[1]
            assert isinstance(options, tuple)
            parts.append(_render(rng.choice(options), rng, fill))
    return "".join(parts)
