"""Roll-outs: how wrong the law was each time smaller computes were fitted and larger ones predicted."""

from typing import Any

import pandas as pd

from scaling.report.axes import linear_axis, log_axis
from scaling.report.draw import Figure, canvas, level, marks, words
from scaling.report.look import Style
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.units import format_flops, format_si

ANCHOR = "fig-rollout"
MEAN = Style("mean error", "var(--c-blue)", "circle")
WORST = Style("largest error", "var(--c-vermillion)", "triangle-up")
_COLUMNS = (
    Column("cut_flops", "Fitted up to", "flops"),
    Column("extrapolation_factor", "Predicted up to, times that", "number"),
    Column("n_trials", "Trials fitted", "whole"),
    Column("n_fitted", "Points fitted", "whole"),
    Column("n_predicted", "Points predicted", "whole"),
    Column("mean_abs_error", "Mean error", "percent"),
    Column("max_abs_error", "Largest error", "percent"),
    Column("coverage", "Inside the 90 % interval", "percent"),
    Column("stretch", "Half-widths needed, times", "number"),
)


def data(material: Material) -> pd.DataFrame:
    """Return one row per cut, smallest compute first."""
    names = [c.key for c in _COLUMNS]
    rows = [[getattr(r, name) for name in names] for r in material.analysis.rollouts]
    return pd.DataFrame(rows, columns=names).sort_values("cut_flops", ignore_index=True)


def draw_error(frame: pd.DataFrame) -> Figure:
    """Draw the errors in percent against how far was predicted."""
    figure = canvas(_distance(frame), linear_axis(rangemode="tozero", ticksuffix=" %"))
    hover = [_hover(row) for row in frame.to_dict("records")]
    for style, column in ((WORST, "max_abs_error"), (MEAN, "mean_abs_error")):
        marks(figure, frame["extrapolation_factor"], 100 * frame[column], style, hover)
    return figure


def draw_coverage(frame: pd.DataFrame, wanted: float) -> Figure:
    """Draw the share of predicted points inside their interval, with the share that was promised."""
    figure = canvas(_distance(frame), linear_axis(range=[0, 105], ticksuffix=" %"))
    level(figure, 100 * wanted, "dash")
    hover = [_hover(row) for row in frame.to_dict("records")]
    marks(figure, frame["extrapolation_factor"], 100 * frame["coverage"], MEAN, hover)
    return figure


def _distance(frame: pd.DataFrame) -> dict[str, Any]:
    return log_axis("Largest predicted over largest fitted compute", frame["extrapolation_factor"], lambda v: f"{v:g}×")


def _hover(row: dict[Any, Any]) -> str:
    return words(
        [
            f"fitted up to {format_flops(row['cut_flops'])}, predicted {row['extrapolation_factor']:.3g}× further",
            f"mean error {_two(100 * row['mean_abs_error'])} %, largest {_two(100 * row['max_abs_error'])} %",
            f"{100 * row['coverage']:.3g} % of {row['n_predicted']:g} points inside their interval",
        ]
    )


def _two(value: float) -> str:
    return format_si(value, digits=2)


def panel(material: Material) -> Panel:
    """Return the roll-outs, or why there are none."""
    frame = data(material)
    if frame.empty:
        reason = material.missing("rollouts", "L(N,D)", otherwise="too few trials to hold some back")
        return absent(ANCHOR, "The law’s own extrapolation was not tested", reason)
    wanted = material.analysis.rollouts[0].level
    far = frame.sort_values("extrapolation_factor").iloc[-1]
    return Panel(
        anchor=ANCHOR,
        claim=(
            f"Predicting {_two(far['extrapolation_factor'])} times the fitted compute, the law was wrong by "
            f"{_two(100 * far['mean_abs_error'])} % on average; its {100 * wanted:.0f} % intervals held "
            f"{100 * far['coverage']:.0f} % of the points"
        ),
        caption=(
            "Trials up to one compute are fitted and all larger ones predicted, at growing cuts. Where intervals held "
            "too little, those of predictions beyond the data are stretched by what they lacked here."
        ),
        plots=(
            Plot("rollout-error", "Error of the predicted loss", draw_error(frame), 320),
            Plot(
                "rollout-coverage",
                f"Points inside their {100 * wanted:.0f} % interval",
                draw_coverage(frame, wanted),
                320,
            ),
        ),
        legend=(MEAN, WORST),
        table=Table.of("rollouts", "Roll-outs", _COLUMNS, frame),
    )
