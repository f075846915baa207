"""The few drawing verbs all figures share: marks, lines that turn dashed beyond the data, bands, quiet labels.

Plotly is imported here and nowhere else in the room's modules that hold data. All traces are SVG.
"""

import html
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, overload

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from scaling.report.look import WEIGHT, Style
from scaling.report.text import signed, visible

Figure: TypeAlias = go.Figure

INK, MUTED, FAINT = "var(--ink)", "var(--ink-2)", "var(--ink-3)"


def short(values: Iterable[Any]) -> list[Any]:
    """Round to six significant digits: finer than a pixel, half the bytes."""
    return [None if v is None or v != v else float(f"{v:.6g}") for v in values]


def words(lines: Iterable[str]) -> str:
    """Return hover text of several lines; names are made visible and escaped, as plotly reads a little HTML."""
    return "<br>".join(html.escape(signed(visible(line)), quote=False) for line in lines)


MAX_MARKS = 800  # per drawing; all figures of a page together stay below 25,000 displayed points


class Hover(Sequence[str]):
    """Hover text of the rows of a frame, written only of those that are drawn."""

    def __init__(self, rows: pd.DataFrame, say: Callable[[dict[Any, Any]], str]) -> None:
        self._rows, self._say = rows, say

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Return the text of one row, or of some."""
        if isinstance(index, slice):
            return self.of(list(range(len(self)))[index])
        return self.of([index])[0]

    def of(self, indices: Sequence[int]) -> list[str]:
        """Return the text of some rows."""
        return [self._say(row) for row in self._rows.iloc[list(indices)].to_dict("records")]


def kept(count: int, of: int) -> list[int]:
    """Return which of ``count`` marks are drawn where the drawing has ``of``: a fixed random choice, one at least."""
    if of <= MAX_MARKS:
        return list(range(count))
    most = max(1, round(MAX_MARKS / of * count))
    return sorted(np.random.default_rng(count).permutation(count)[:most].tolist())


def canvas(xaxis: Mapping[str, Any], yaxis: Mapping[str, Any]) -> Figure:
    """Return an empty figure; fonts, grids and margins come from the page's one template."""
    figure = go.Figure(layout={"xaxis": dict(xaxis), "yaxis": dict(yaxis), "showlegend": False})
    figure.layout.template = None
    figure.layout.template = go.layout.Template()
    return figure


def marks(
    figure: Figure,
    x: Iterable[float],
    y: Iterable[float],
    style: Style,
    hover: Sequence[str] = (),
    *,
    hollow: bool = False,
    size: float = 9,
    opacity: float = 1.0,
    error: Iterable[float] | None = None,
    of: int = 0,
) -> None:
    """Add markers in a category's colour and shape; hollow ones are modelled or left out.

    Args:
        figure: what to add to.
        x: places across.
        y: places up.
        style: colour and marker.
        hover: text of each mark.
        hollow: draw its outline alone.
        size: of the marker.
        opacity: of the marker.
        error: half-length of each vertical bar.
        of: marks of the whole drawing, where they are many: then a share is drawn, and ``meta`` keeps the number.
    """
    across, up = list(x), list(y)
    chosen = kept(len(across), of)
    if of > MAX_MARKS:
        figure.layout.meta = {"marks": of}
        across, up = [across[i] for i in chosen], [up[i] for i in chosen]
    told = hover.of(chosen) if isinstance(hover, Hover) else [hover[i] for i in chosen] if hover else []
    bars = None if error is None else list(error)
    thin = style.symbol.endswith(("-thin", "-open"))
    symbol = style.symbol if thin or not hollow else f"{style.symbol}-open"
    edge = {"width": 2, "color": style.colour} if thin or hollow else {"width": 0.6, "color": "var(--paper)"}
    figure.add_trace(
        go.Scatter(
            x=short(across),
            y=short(up),
            mode="markers",
            marker={
                "color": style.colour,
                "symbol": symbol,
                "size": size * WEIGHT.get(style.symbol, 1.0),
                "line": edge,
            },
            opacity=opacity,
            legendgroup=style.label,
            hoverinfo="text" if told else "skip",
            hovertext=told or None,
            error_y=None
            if bars is None
            else {"array": short(bars[i] for i in chosen), "color": style.colour, "thickness": 1.2, "width": 3},
        )
    )


def line(
    figure: Figure,
    x: Iterable[float],
    y: Iterable[float],
    colour: str = INK,
    *,
    dash: str = "solid",
    width: float = 2,
    group: str = "",
    opacity: float = 1.0,
    hover: str | None = None,
    shape: str = "linear",
) -> None:
    """Add a line; ``hover`` is a plotly template over ``%{x}`` and ``%{y}``."""
    figure.add_trace(
        go.Scatter(
            x=short(x),
            y=short(y),
            mode="lines",
            line={"color": colour, "dash": dash, "width": width, "shape": shape},
            opacity=opacity,
            legendgroup=group,
            hoverinfo="skip" if hover is None else None,
            hovertemplate=hover,
        )
    )


def law(
    figure: Figure,
    x: Iterable[float],
    y: Iterable[float],
    inside: tuple[float, float],
    colour: str = INK,
    *,
    width: float = 2,
    group: str = "",
    hover: str | None = None,
) -> None:
    """Add a fitted line: solid inside the data, dashed beyond on either side."""
    low, high = inside
    points = list(zip(x, y, strict=True))
    parts = (
        ("dash", [p for p in points if p[0] <= low * (1 + 1e-9)]),
        ("solid", [p for p in points if low * (1 - 1e-9) <= p[0] <= high * (1 + 1e-9)]),
        ("dash", [p for p in points if p[0] >= high * (1 - 1e-9)]),
    )
    for dash, part in parts:
        if len(part) > 1:
            across, up = zip(*part, strict=True)
            line(figure, across, up, colour, dash=dash, width=width, group=group, hover=hover)


def band(
    figure: Figure,
    x: Iterable[float],
    low: Iterable[float | None],
    high: Iterable[float | None],
    colour: str = INK,
    group: str = "",
    opacity: float = 0.13,
) -> None:
    """Add an interval as one closed area, leaving out places where there is none."""
    known = [(a, b, c) for a, b, c in zip(x, low, high, strict=True) if b is not None and c is not None]
    if len(known) < 2:
        return
    edge = [(a, b) for a, b, _ in known] + [(a, c) for a, _, c in reversed(known)]
    figure.add_trace(
        go.Scatter(
            x=short(a for a, _ in edge),
            y=short(b for _, b in edge),
            mode="lines",
            fill="toself",
            fillcolor=colour,
            line={"width": 0, "color": colour},
            opacity=opacity,
            legendgroup=group,
            hoverinfo="skip",
        )
    )


def note(
    figure: Figure, x: float, y: float, text: str, where: str = "top right", colour: str = MUTED, size: int = 11
) -> None:
    """Write a small label at a place in data coordinates."""
    figure.add_trace(
        go.Scatter(
            x=short([x]),
            y=short([y]),
            mode="text",
            text=[html.escape(text, quote=False)],
            textposition=where,
            textfont={"color": colour, "size": size},
            hoverinfo="skip",
            cliponaxis=False,
        )
    )


def end_of_data(figure: Figure, x: float) -> None:
    """Draw the thin vertical mark where the data end."""
    figure.add_vline(x=x, line={"color": FAINT, "width": 1, "dash": "dot"})


def level(figure: Figure, y: float, dash: str = "solid", colour: str = FAINT) -> None:
    """Draw a thin horizontal reference line."""
    figure.add_hline(y=y, line={"color": colour, "width": 1, "dash": dash})
