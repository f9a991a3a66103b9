"""Sums as a person writes them, calculated exactly: what a language model may not do in its head."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal, DecimalException
from typing import Final

from storage.errors import InvalidInput

LONGEST: Final = 200
"""Characters of an expression."""
_HINT = "Write numbers with + - * / and parentheses."
_BINARY: Mapping[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculate(expression: str) -> Decimal:
    """The value of an expression of numbers, `+ - * /` and parentheses, as decimals: `calculate("0.1 + 0.2") == Decimal("0.3")`.

    Raises:
        InvalidInput: it is something else, too long, or has no value.
    """
    if len(expression) > LONGEST:
        raise InvalidInput(f"The expression has {len(expression)} characters; {LONGEST} are read.", _HINT)
    try:
        return _value(ast.parse(expression.strip(), mode="eval").body, expression.strip())
    except (SyntaxError, ValueError, RecursionError, DecimalException):
        raise InvalidInput(f"{expression[:LONGEST]!r} is no sum.", _HINT) from None


def _value(node: ast.expr, text: str) -> Decimal:
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return Decimal((ast.get_source_segment(text, node) or "").replace("_", ""))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, text)
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _BINARY:
            return _BINARY[type(sign)](_value(left, text), _value(right, text))
    raise ValueError("not a sum")
