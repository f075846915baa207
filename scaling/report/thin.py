"""Fewer marks where there are more than a page can draw: a fixed choice per drawing, said under the figure.

Axes are laid out on all marks before, and tables and CSV hold all, so thinning costs density and nothing else.
"""

from dataclasses import replace

import plotly.graph_objects as go
from plotly.basedatatypes import BaseTraceType

from scaling.report.draw import MAX_MARKS, Figure, kept
from scaling.report.groups import evenly
from scaling.report.look import SIZE_COLOUR
from scaling.report.panel import Choice, Panel, Plot

MAX_KEYS = 12  # sizes that a key names where there are more


def thinned(panel: Panel) -> Panel:
    """Return the panel with at most ``MAX_MARKS`` marks in each drawing, and a note where some are left out."""
    most = max((_marks(figure) for plot in panel.plots for figure in plot.drawings().values()), default=0)
    if most <= MAX_MARKS:
        return panel
    note = f"About {MAX_MARKS} of {most:,} marks are drawn, a fixed random choice; the CSV has all."
    plots = tuple(_thin_plot(plot) for plot in panel.plots)
    return replace(panel, plots=plots, notes=(*panel.notes, note.replace(",", "\u202f", 1)))


def keyed(panel: Panel) -> Panel:
    """Return the panel with at most ``MAX_KEYS`` sizes in its key, evenly spread with both ends, and a note."""
    sizes = [s for s in panel.legend if s.colour.startswith(SIZE_COLOUR)]
    if len(sizes) <= MAX_KEYS:
        return panel
    named = [sizes[i] for i in evenly(len(sizes), MAX_KEYS)]
    rest = [s for s in panel.legend if s not in sizes]
    note = f"The key names {len(named)} of {len(sizes)} sizes; hover tells that of a mark."
    return replace(panel, legend=(*named, *rest), notes=(*panel.notes, note))


def _thin_plot(plot: Plot) -> Plot:
    figures = {key: _thin(figure) for key, figure in plot.drawings().items()}
    first = figures[plot.id]
    choices = tuple(
        Choice(c.key, c.label, first if i == 0 else figures[f"{plot.id}~{c.key}"]) for i, c in enumerate(plot.choices)
    )
    return replace(plot, figure=first, choices=choices)


def _is_marks(trace: BaseTraceType) -> bool:
    return trace.type == "scatter" and trace.mode == "markers" and trace.x is not None


def _marks(figure: Figure) -> int:
    """How many marks there are to draw: of a figure that drew a share at once, how many there were."""
    return _drawn(figure) if figure.layout.meta is None else int(figure.layout.meta["marks"])


def _drawn(figure: Figure) -> int:
    return sum(len(trace.x) for trace in figure.data if _is_marks(trace))


def _thin(figure: Figure) -> Figure:
    """Thin every trace of marks by the same share, in place; one mark of each is always left."""
    every = _drawn(figure)
    if figure.layout.meta is None and every > MAX_MARKS:
        for trace in figure.data:
            if _is_marks(trace):
                _keep(trace, kept(len(trace.x), every))
    return figure


def _keep(trace: go.Scatter, chosen: list[int]) -> None:
    for name in ("x", "y", "hovertext"):
        values = getattr(trace, name)
        if values is not None and not isinstance(values, str):
            setattr(trace, name, [values[i] for i in chosen])
    if trace.error_y.array is not None:
        trace.error_y.array = [trace.error_y.array[i] for i in chosen]
