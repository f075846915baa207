"""Intervals in frames: the columns ``NAME``, ``NAME_low``, ``NAME_high``, and back."""

import math
from typing import Any

import pandas as pd

from scaling.laws.analysis import Interval
from scaling.report.text import signed
from scaling.units import format_interval


def flat(name: str, interval: Interval) -> dict[str, float | None]:
    """Return an interval as three cells of a row."""
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def cells(frame: pd.DataFrame, name: str) -> list[float | None]:
    """Return a column as plain floats, ``None`` where there is no value."""
    return [_known(v) for v in frame[name]]


def heights(frame: pd.DataFrame, name: str) -> list[float]:
    """Return every value of an interval's three columns: what an axis must make room for."""
    return [v for column in (name, f"{name}_low", f"{name}_high") for v in cells(frame, column) if v is not None]


def of_row(row: "pd.Series[Any]", name: str) -> Interval:
    """Return the interval that a row holds under a name."""
    return Interval(value=float(row[name]), low=_known(row[f"{name}_low"]), high=_known(row[f"{name}_high"]))


def show(interval: Interval, digits: int = 3) -> str:
    """Format an interval for people."""
    return signed(format_interval(interval.value, interval.low, interval.high, digits))


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
