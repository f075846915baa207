"""Arithmetic in a sweep file, such as ``12 * n_layer * d_model**2``: numbers, names and a few functions, no code.

Parsed by Python's own parser and walked here; everything that is not arithmetic is refused.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping

_MAX_CHARS = 1000
_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "round": lambda x: float(round(x)),
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "sqrt": math.sqrt,
    "log2": math.log2,
}


def names_in(text: str) -> set[str]:
    """Return the names that an expression uses, functions left out. Raises ``ValueError`` when it is none."""
    return {node.id for node in ast.walk(_parse(text)) if isinstance(node, ast.Name)} - set(FUNCTIONS)


def evaluate(text: str, values: Mapping[str, float]) -> float:
    """Return the value of an expression; floats throughout, so that no power can grow without bound.

    Raises:
        ValueError: it is not arithmetic, uses an unknown name, or has no finite value.
    """
    try:
        value = _value(_parse(text).body, values)
    except (ZeroDivisionError, OverflowError, TypeError) as error:
        raise ValueError(f"{text!r}: {error}") from error
    if isinstance(value, complex) or not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite number here")
    return value


def _parse(text: str) -> ast.Expression:
    if len(text) > _MAX_CHARS:
        raise ValueError(f"an expression has at most {_MAX_CHARS} characters")
    try:
        return ast.parse(text.strip(), mode="eval")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} is not arithmetic such as 12 * n_layer * d_model**2") from error


def _value(node: ast.expr, values: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]  # type() has told
    if isinstance(node, ast.Name):
        if node.id not in values:
            raise ValueError(f"unknown name {node.id!r}; known: {', '.join(sorted(values))}")
        return values[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, values)
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and node.args:
        return FUNCTIONS[node.func.id](*(_value(argument, values) for argument in node.args))
    raise ValueError(f"{ast.unparse(node)!r} is not arithmetic: use numbers, names, + - * / // % ** and functions")
