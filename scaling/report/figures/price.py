"""The price of a size that is not the best one: how much more compute the same loss takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.answers import Law
from scaling.laws.forms import Array
from scaling.laws.frontier import FlopsPerToken, Surface, best_split
from scaling.report.axes import log_axis, plain
from scaling.report.draw import INK, Figure, band, canvas, law, level, marks, words
from scaling.report.intervals import cells, of_row, show
from scaling.report.look import Style
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.report.support import inside, reach
from scaling.units import format_flops, format_si

ANCHOR = "fig-price"
PRICE = Style("compute for the same loss, 95 % band", INK, "", "solid")
BEST = Style("best size", "var(--c-vermillion)", "diamond")
SHARES = tuple(float(2.0 ** (k / 4)) for k in range(-16, 9))  # of the best size: a sixteenth to four times
DEAREST = 30.0  # times the compute; dearer sizes are not drawn
_MIN_DRAWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What other sizes cost, at the loss that the best size of one budget reaches.

    Attributes:
        budget: that budget, training FLOPs by exact count.
        params: best size there.
        rows: share (of the best size), params, tokens, ratio (compute over ``budget``) with low and high, and inside
            (size and tokens lie among those trained); missing where the size cannot reach that loss: in the fit, or
            in too many draws for an end of the interval.
    """

    budget: float
    params: float
    rows: pd.DataFrame


def data(material: Material) -> Price | None:
    """Return the price of other sizes at the largest budget that the data support; ``None`` without a best split."""
    found = material.law
    if found is None:
        return None
    ends = reach(found)
    budget = ends[1] if ends else found.largest
    surface = Surface.of(found.fit)
    best = best_split(surface, np.array([budget]), found.flops)
    if not np.isfinite(best.params[0, 0]):
        return None
    rows = [_row(found, surface, budget, share, best.params[:, 0], best.loss[:, 0]) for share in SHARES]
    return Price(budget=budget, params=float(best.params[0, 0]), rows=pd.DataFrame(rows))


def _row(found: Law, surface: Surface, budget: float, share: float, best: Array, loss: Array) -> dict[str, Any]:
    """Each draw is asked for its own loss at its own best size, so that a ratio is of one law at a time."""
    params = share * best
    tokens = tokens_for(surface, params, loss)
    ratio = compute_of(found.flops, params, tokens) / budget
    low, high = _ends(ratio[1:])
    reached = bool(np.isfinite(ratio[0]))
    return {
        "share": share,
        "params": float(params[0]),
        "tokens": float(tokens[0]) if reached else None,
        "ratio": float(ratio[0]) if reached else None,
        "ratio_low": low,
        "ratio_high": high,
        "inside": reached and inside(found, float(params[0]), float(tokens[0])),
    }


def tokens_for(surface: Surface, params: Array, loss: Array) -> Array:
    """Return the tokens that bring each draw's size to each draw's loss; infinite where no number does."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        left = loss - surface.E - surface.A / params**surface.alpha  # what the data term may still add
        return np.asarray(np.where(left > 0, (surface.B / left) ** (1 / surface.beta), np.inf))


def compute_of(flops: FlopsPerToken, params: Array, tokens: Array) -> Array:
    """Return the training FLOPs of sizes and tokens."""
    return np.asarray(tokens * np.exp(flops.log_value(np.log(params))))


def _ends(draws: Array) -> tuple[float | None, float | None]:
    """Return the 95 % interval; an end that is infinite is none, and so are both with few draws."""
    known = draws[~np.isnan(draws)]
    if len(known) < _MIN_DRAWS:
        return None, None
    low, high = np.quantile(known, [0.025, 0.975], method="nearest")  # no mean of infinities
    return _finite(low), _finite(high)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def draw(found: Price) -> Figure:
    """Draw the compute that the same loss takes, times the least, against size."""
    rows = found.rows[found.rows["ratio"].astype(float) <= DEAREST].reset_index(drop=True)
    highest = [None if v is None else min(v, DEAREST) for v in cells(rows, "ratio_high")]
    reach_of_axis = [*rows["ratio"], *(v for v in highest if v is not None), 0.95]
    figure = canvas(log_axis("Parameters N", rows["params"]), log_axis("", reach_of_axis, lambda v: f"{plain(v)}×"))
    level(figure, 1.0)
    band(figure, rows["params"], cells(rows, "ratio_low"), highest, group=PRICE.label)
    told = "%{x:.3s} parameters: %{y:.3g} times the compute<extra></extra>"
    solid = rows.loc[rows["inside"].astype(bool), "params"]
    ends = (float(solid.min()), float(solid.max())) if len(solid) else (0.0, 0.0)
    law(figure, rows["params"], rows["ratio"], ends, group=PRICE.label, hover=told)
    marks(figure, [found.params], [1.0], BEST, [words([f"best size: {format_si(found.params)} parameters"])], size=11)
    return figure


def panel(material: Material) -> Panel:
    """Return the price of other sizes, or why it is unknown."""
    found = data(material)
    if found is None:
        reason = material.missing("frontier", "L(N,D)", otherwise="It follows from L(N, D), which was not fitted.")
        return absent(ANCHOR, "What a smaller model trained longer costs is unknown", reason)
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            f"A smaller model is cheaper to run, and takes more training compute to the same loss: here that of the "
            f"best size at {format_flops(found.budget)}, {format_si(found.params)} parameters. Solid: size and tokens "
            "lie inside those trained; elsewhere dashed. Where the band is missing, some laws that fit the data never "
            "bring that size to that loss."
        ),
        plots=(Plot("price", "Compute for the same loss, times the least", draw(found), 360),),
        legend=(PRICE, BEST),
        table=_table(found),
    )


def _claim(found: Price) -> str:
    half = found.rows.iloc[SHARES.index(0.5)]
    if pd.isna(half["ratio"]):
        return "A model of half the best size never reaches the loss of the best one"
    return f"Half the best size takes {show(of_row(half, 'ratio'))} times the compute for the same loss"


def _table(found: Price) -> Table:
    columns = (
        Column("share", "Size over the best", "number"),
        Column("params", "N", "count"),
        Column("tokens", "D", "count"),
        Column("ratio", "Compute over the least", "number"),
        Column("ratio_low", "2.5 %", "number"),
        Column("ratio_high", "97.5 %", "number"),
        Column("inside", "Inside the data"),
    )
    rows = [{**row, "inside": "yes" if row["inside"] else "no"} for row in found.rows.to_dict("records")]
    return Table.of(
        "price", "Compute for the same loss by size", columns, [{str(k): v for k, v in r.items()} for r in rows]
    )
