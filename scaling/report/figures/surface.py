"""Contours of the fitted surface L(N, D), with the points it was fitted to and the efficient frontier."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.report.axes import log_axis, span
from scaling.report.draw import Figure, Hover, canvas, law, marks, words
from scaling.report.figures.coverage import equal_compute, round_budgets
from scaling.report.figures.frontier import main_rows
from scaling.report.figures.laws import pretty
from scaling.report.figures.trust import residual_data, size_label
from scaling.report.groups import by_keys
from scaling.report.lawlines import loss as law_loss
from scaling.report.look import Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.units import format_interval, format_si

ANCHOR = "fig-surface"
GRID = 36
FRONTIER = Style("compute-optimal path", "var(--c-vermillion)", "", "solid")


@dataclass(frozen=True, slots=True)
class Surface:
    """The surface on a grid, the points, and the compute-optimal path.

    Attributes:
        params: grid of N.
        tokens: grid of D.
        loss: fitted loss, ``loss[i][j]`` at ``tokens[i]``, ``params[j]``.
        points: residual rows (see ``Residual``).
        path: params, tokens, inside (whether the budget lies within the data).
        budgets: round numbers of 6ND FLOPs whose lines cross the points.
    """

    params: tuple[float, ...]
    tokens: tuple[float, ...]
    loss: tuple[tuple[float, ...], ...]
    points: pd.DataFrame
    path: pd.DataFrame
    budgets: tuple[float, ...]


def data(material: Material) -> Surface | None:
    """Return the surface over the range of the data; ``None`` without a fit."""
    fit = material.analysis.fits.get("L(N,D)")
    points = residual_data(material).frame
    if fit is None or points.empty:
        return None
    wide, tall = span(points["params"], 0.08), span(points["tokens"], 0.08)
    params, tokens = np.geomspace(*wide, GRID), np.geomspace(*tall, GRID)
    grid = law_loss(fit, N=params[None, :], D=tokens[:, None])
    rows = [(r.params.value, r.tokens.value, r.extrapolation_factor <= 1) for r in main_rows(material.analysis)]
    path = pd.DataFrame(rows, columns=["params", "tokens", "inside"])
    loss = tuple(tuple(row) for row in grid.tolist())
    budgets = round_budgets(6 * points["params"] * points["tokens"])
    return Surface(tuple(params.tolist()), tuple(tokens.tolist()), loss, points, path, budgets)


def draw(found: Surface, look: Look) -> Figure:
    """Draw contours, points in the style of their size, lines of equal compute, and the path (dashed beyond)."""
    import plotly.graph_objects as go

    figure = canvas(log_axis("Parameters N", found.params, pad=0), log_axis("", found.tokens, pad=0))
    figure.add_trace(
        go.Contour(
            x=[float(f"{v:.5g}") for v in found.params],
            y=[float(f"{v:.5g}") for v in found.tokens],
            z=[[float(f"{v:.5g}") for v in row] for row in found.loss],
            colorscale=[[0, "var(--ramp-low)"], [1, "var(--ramp-high)"]],
            contours={"showlabels": True, "labelfont": {"size": 10, "color": "var(--ink)"}},
            ncontours=14,
            line={"width": 0.7, "color": "var(--ramp-line)"},
            showscale=False,
            hovertemplate="%{x:.3s} parameters, %{y:.3s} tokens<br>fitted loss %{z:.4f} nats<extra></extra>",
        )
    )
    wide, tall = (found.params[0], found.params[-1]), (found.tokens[0], found.tokens[-1])
    for budget in found.budgets:
        equal_compute(figure, budget, wide, tall, "var(--ink-2)")
    if len(found.path) > 1:
        inside = found.path.loc[found.path["inside"], "params"]
        ends = (float(inside.min()), float(inside.max())) if len(inside) else (0.0, 0.0)
        law(
            figure,
            list(found.path["params"]),
            list(found.path["tokens"]),
            ends,
            FRONTIER.colour,
            width=2.5,
            group=FRONTIER.label,
        )
    for (params, used), part in by_keys(found.points, ["params", "used"]):
        style = look.size(params, size_label(params))
        hover = Hover(part, _hover)
        marks(figure, part["params"], part["tokens"], style, hover, hollow=not used, of=len(found.points))
    return figure


def _hover(row: dict[Any, Any]) -> str:
    return words(
        [
            f"{size_label(row['params'])}, {format_si(row['tokens'])} tokens, seed {row['seed']}",
            f"measured {row['loss']:.4f}, fitted {row['fitted']:.4f} nats ({100 * row['log_residual']:+.2f} %)",
        ]
    )


def panel(material: Material, look: Look) -> Panel:
    """Return the surface, or why there is none."""
    found = data(material)
    if found is None:
        reason = material.missing("L(N,D)", otherwise="Too few points to fit a surface.")
        return absent(ANCHOR, "No surface L(N, D) could be fitted", reason)
    fit = material.analysis.fits["L(N,D)"]
    table = Table.of(
        "surface",
        "Fitted surface on a grid",
        (
            Column("params", "Parameters", "count"),
            Column("tokens", "Tokens", "count"),
            Column("loss", "Fitted loss (nats)", "loss"),
        ),
        [
            {"params": n, "tokens": d, "loss": found.loss[i][j]}
            for i, d in enumerate(found.tokens)
            for j, n in enumerate(found.params)
            if i % 5 == 0 and j % 5 == 0
        ],
    )
    shown = ", ".join(f"{pretty(name)} = {format_interval(v.value, v.low, v.high)}" for name, v in fit.params.items())
    misses = f"misses by {100 * fit.residual_rms:.2g} % (rms)"
    return Panel(
        anchor=ANCHOR,
        claim=f"One surface, {pretty(fit.form)}, fitted to {fit.n_points} points, {misses}",
        caption=(
            f"Contours of fitted loss ({material.unit}) over the range of the data. {shown}. Hollow: left out. Thin "
            "straight lines: equal compute (6ND)."
        ),
        plots=(Plot("surface", "Tokens D", draw(found, look), 480),),
        legend=legend(
            [
                *(look.size(n, size_label(n)) for n in sorted(found.points["params"].unique())),
                *([FRONTIER] if len(found.path) > 1 else []),
            ]
        ),
        table=table,
    )
