"""What a figure or table is to the page: plain data that a template can print without knowing the figure."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from scaling.report.look import Style
from scaling.units import format_bytes, format_duration, format_energy, format_flops, format_mass, format_si

MAX_TABLE_ROWS = 100  # rows printed as HTML; the CSV has all
MAX_FILTERED_ROWS = 2000  # rows of a table in which one looks things up


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−", 1) if value < 0 else f"{value:.4g}"


def _text(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _score(value: float) -> str:
    """Format a share of right answers: what is as good as none is not told in powers of ten."""
    return "< 0.001" if 0 < value < 5e-4 else f"{value:.3f}"


_FORMATS: dict[str, Callable[[Any], str]] = {
    "text": _text,
    "count": format_si,
    "whole": lambda v: f"{v:,.0f}".replace(",", "\u202f"),
    "flops": format_flops,
    "loss": lambda v: f"{v:.4f}" if abs(v) >= 0.1 else _number(v),
    "number": _number,
    "score": _score,
    "percent": lambda v: "< 0.01 %" if 0 < v < 1e-4 else f"{100 * v:.3g} %",
    "signed_percent": lambda v: f"{100 * v:+.2f} %".replace("-", "−"),
    "seconds": format_duration,
    "energy": format_energy,
    "mass": format_mass,
    "bytes": format_bytes,
    "watts": lambda v: format_si(v, "W"),
    "per_s": lambda v: format_si(v, "tok/s"),
    "learning_rate": lambda v: f"{v:.3g}",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key in the data and the CSV, its heading, how it reads (see ``_FORMATS``)."""

    key: str
    heading: str
    kind: str = "text"

    @property
    def numeric(self) -> bool:
        """Whether it is set flush right."""
        return self.kind != "text"

    def show(self, value: object) -> str | None:
        """Return the cell as people read it, ``None`` where the value is missing."""
        return None if value is None else _FORMATS[self.kind](value)


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with full-precision rows, for HTML and, to nine digits, for the CSV.

    Attributes:
        summary: rows for the HTML where the full rows are too many to read; ``None`` prints ``rows``.
        empty: what is said in place of a table without rows.
        filterable: rows are looked up by text, so more of them are printed.
        note: what to know to read it.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    summary: "Table | None" = None
    empty: str = "Nothing to list."
    filterable: bool = False
    note: str = ""

    @classmethod
    def of(
        cls,
        name: str,
        caption: str,
        columns: Sequence[Column],
        rows: pd.DataFrame | Iterable[Mapping[str, Any]],
        *,
        summary: "Table | None" = None,
        empty: str = "Nothing to list.",
        filterable: bool = False,
        note: str = "",
    ) -> "Table":
        """Return a table of a frame or of mappings; NaN and absent keys become ``None``."""
        records = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else list(rows)
        cells = tuple(tuple(plain_value(r.get(c.key)) for c in columns) for r in records)
        return cls(name, caption, tuple(columns), cells, summary, empty, filterable, note)

    @property
    def printed(self) -> "Table":
        """The table that goes into the HTML."""
        return self.summary or self

    @property
    def sortable(self) -> bool:
        """Whether the page may put the printed rows in another order: they are the rows of the CSV."""
        return self.summary is None and len(self.rows) > 2

    def shown(self) -> list[list[str | None]]:
        """Return formatted cells of the rows that are printed."""
        most = MAX_FILTERED_ROWS if self.filterable else MAX_TABLE_ROWS
        return [[c.show(v) for c, v in zip(self.columns, row, strict=True)] for row in self.rows[:most]]

    def payload(self) -> dict[str, Any]:
        """Return what the page embeds for the CSV: column by column, as that packs into two thirds of the bytes."""
        cells = [[_told(row[i]) for row in self.rows] for i in range(len(self.columns))]
        return {"name": self.name, "columns": [c.key for c in self.columns], "cells": cells}


def _told(value: object) -> object:
    """Round a number to nine significant digits: all of a float32; the store, and `scaling export`, hold the rest."""
    return float(f"{value:.9g}") if isinstance(value, float) else value


def plain_value(value: object) -> str | int | float | bool | None:
    """Return a JSON value: NumPy scalars unboxed; NaN, infinity and ``NaT`` as ``None``."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str | int | float | bool):
        return value
    return str(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several ways to draw a plot: its key, what the switch calls it, and the plotly figure."""

    key: str
    label: str
    figure: Any


@dataclass(frozen=True, slots=True)
class Plot:
    """One drawing area: a heading that names the y axis, and a plotly figure.

    Attributes:
        choices: the same marks against other axes, the first of them being ``figure``; the page shows a switch.
        switch: what stands before the switch.
        gone: choices that cannot be drawn: what the switch would call each, and why it is missing.
    """

    id: str
    heading: str
    figure: Any
    height: int = 420
    choices: tuple[Choice, ...] = ()
    switch: str = "Against"
    gone: tuple[tuple[str, str], ...] = ()

    @classmethod
    def switched(
        cls,
        id: str,
        heading: str,
        choices: Sequence[Choice],
        height: int = 420,
        switch: str = "Against",
        gone: tuple[tuple[str, str], ...] = (),
    ) -> "Plot":
        """Return a plot with a switch of its axis; with one choice there is nothing to switch."""
        kept = tuple(choices) if len(choices) > 1 else ()
        return cls(id, heading, choices[0].figure, height, kept, switch, gone if kept else ())

    def drawings(self) -> dict[str, Any]:
        """Return every figure by the key under which the page finds it."""
        return {self.id: self.figure, **{f"{self.id}~{c.key}": c.figure for c in self.choices[1:]}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One numbered figure: its claim, what to know to read it, drawings, legend and table.

    Attributes:
        missing: why there is nothing to draw; then ``plots`` is empty.
        broad: its drawings need more width than those that stand four in a row.
    """

    anchor: str
    claim: str
    caption: str
    plots: tuple[Plot, ...] = ()
    legend: tuple[Style, ...] = ()
    table: Table | None = None
    missing: str | None = None
    notes: tuple[str, ...] = field(default=())
    broad: bool = False


def absent(anchor: str, claim: str, reason: str) -> Panel:
    """Return a panel that says what is missing and why."""
    sentence = reason[:1].upper() + reason[1:].rstrip(".") + "."
    return Panel(anchor=anchor, claim=claim, caption="", missing=sentence)
