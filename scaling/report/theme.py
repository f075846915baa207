"""The one plotly template of the page and the plotly configuration; colours are CSS variables."""

from typing import Any

_AXIS: dict[str, Any] = {
    "automargin": True,
    "gridcolor": "var(--grid)",
    "linecolor": "var(--line)",
    "showline": True,
    "ticks": "outside",
    "ticklen": 4,
    "tickcolor": "var(--line)",
    "zerolinecolor": "var(--line)",
    "title": {"font": {"size": 12, "color": "var(--ink-2)"}, "standoff": 8},
    "tickfont": {"size": 11.5, "color": "var(--ink-2)"},
}

TEMPLATE: dict[str, Any] = {
    "layout": {
        "font": {"family": "var(--sans)", "size": 12, "color": "var(--ink)"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 46, "r": 14, "t": 10, "b": 46},
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": "var(--paper)",
            "bordercolor": "var(--line)",
            "font": {"family": "var(--sans)", "size": 12, "color": "var(--ink)"},
            "align": "left",
        },
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
}

CONFIG: dict[str, Any] = {"displayModeBar": False, "displaylogo": False, "responsive": True, "scrollZoom": False}
