"""Columns as float64: counts with suffixes, thousands separators, whole numbers past 2^63.

Everything becomes float64 at the door: 6·N·D passes 2^63 at the scale of GPT-2, where 64-bit integers wrap to negative
values without a word.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.tables.table import Problem
from scaling.units import parse_count

INT64_END = 2.0**63
_WRAP_TOLERANCE = 2048.0  # a float64 near 2^63 is exact to 1024
_ABSENT = frozenset({"", "-", "–", "na", "n/a", "nan", "none", "null", "missing"})


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column read as numbers.

    Attributes:
        values: float64, NaN where missing or not a number.
        bad: rows that hold something that is not a number.
        example: one such text.
    """

    values: "pd.Series[float]"
    bad: tuple[int, ...] = ()
    example: str = ""


def to_numbers(column: pd.Series) -> Numbers:
    """Read a column as float64; ``124M``, ``1,024`` and whole numbers of any length are numbers."""
    if pd.api.types.is_bool_dtype(column):
        return Numbers(pd.Series(np.nan, index=column.index), tuple(column.index), str(column.iloc[0]))
    if pd.api.types.is_numeric_dtype(column):
        return Numbers(column.astype("float64"))
    values = pd.Series(_plain(column), index=column.index, dtype="float64")
    unread = column[values.isna() & column.notna()]
    counts = [_count(text) for text in unread]
    values[unread.index] = [np.nan if count is None else count for count in counts]
    bad = [(int(row), text) for row, text, count in zip(unread.index, unread, counts, strict=True) if count is None]
    return Numbers(values, tuple(row for row, _ in bad), str(bad[0][1]) if bad else "")


def _plain(column: pd.Series) -> NDArray[np.float64]:
    """Return what ``float`` reads; whole numbers beyond 64 bits included."""
    try:
        return np.asarray(column.to_numpy(dtype=object, na_value=np.nan), dtype=np.float64)
    except (TypeError, ValueError):
        return np.array([_float(value) for value in column], dtype=np.float64)


def _float(value: object) -> float:
    if isinstance(value, bool):
        return np.nan
    try:
        return float(value)  # type: ignore[arg-type]  # anything else than a number or text raises
    except (TypeError, ValueError):
        return np.nan


def _count(value: object) -> float | None:
    """Return a count with a suffix; NaN for a word that means "missing"; ``None`` for anything else."""
    if not isinstance(value, str):
        return np.nan if isinstance(value, float) else None
    text = value.strip().replace(",", "")
    if text.lower() in _ABSENT:
        return np.nan
    try:
        return parse_count(text)
    except ValueError:
        return None


def unwrap(
    flops: "pd.Series[float]", params: "pd.Series[float]", tokens: "pd.Series[float]"
) -> tuple["pd.Series[float]", Problem | None]:
    """Restore FLOPs that are 6·N·D wrapped around 64 bits; such a value is recognised exactly, never guessed.

    Returns:
        FLOPs with those values replaced by 6·N·D, and the problem to tell.
    """
    product = 6 * params * tokens
    odd = ((flops < 0) | ((flops - product).abs() > 0.5 * product)) & (product >= INT64_END) & (product < np.inf)
    rows = [
        int(row)
        for row, n, d, c in zip(flops.index[odd], params[odd], tokens[odd], flops[odd], strict=True)
        if _is_wrapped(n, d, c)
    ]
    if not rows:
        return flops, None
    what = "the FLOPs are 6ND wrapped around 64-bit integers (past 9.2e18 they turn negative or small); 6ND is used"
    return flops.mask(flops.index.isin(rows), product), Problem.at("flops_wrapped", rows, what)


def _is_wrapped(params: float, tokens: float, flops: float) -> bool:
    if not (params.is_integer() and tokens.is_integer() and np.isfinite(flops)):
        return False
    wrapped = (6 * int(params) * int(tokens) + 2**63) % 2**64 - 2**63
    return abs(wrapped - flops) <= _WRAP_TOLERANCE
