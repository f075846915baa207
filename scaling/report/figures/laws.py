"""Loss against size at the longest horizon, and against data for every size."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from scaling.laws.analysis import Fit
from scaling.laws.curves import data_curve, size_curve
from scaling.report.axes import log_axis, plain
from scaling.report.draw import FAINT, INK, MUTED, Figure, Hover, band, canvas, law, level, line, marks, note, words
from scaling.report.figures.trust import size_label
from scaling.report.groups import by_number, evenly
from scaling.report.lawlines import Line, along
from scaling.report.look import Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Choice, Column, Panel, Plot, Table, absent
from scaling.units import format_interval, format_si

_SPELLING = (
    ("^alpha_", "^α_"), ("^alpha", "ᵅ"), ("^beta", "ᵝ"), ("^gamma", "ᵞ"),
    ("alpha", "α"), ("beta", "β"), ("gamma", "γ"), ("kappa", "κ"), ("*", "·"),
)  # fmt: skip
MAX_LABELS = 8
BEYOND = 4.0  # how far past the data a one-dimensional law is drawn
MAX_SLICES = 12  # more would be one grey area
LAW = Style("fitted law", INK, "", "solid")
FLOOR = Style("floor of this fit", MUTED, "", "dot")
_AXIS = {"N": ("params_total", "Parameters N"), "D": ("tokens", "Tokens D")}
_FIXED = {"N": "tokens", "D": "params_total"}
_COLUMNS = (
    Column("label", "Trial"),
    Column("params_total", "Parameters", "count"),
    Column("tokens", "Tokens", "count"),
    Column("loss_nats", "Loss (nats)", "loss"),
    Column("loss_se_nats", "Standard error (nats)", "loss"),
    Column("fitted_with", "Shown by the law"),
)


@dataclass(frozen=True, slots=True)
class OneLaw:
    """Points along one amount and the law through those at the largest value of the other.

    Attributes:
        amount: ``N`` or ``D``.
        points: annealed points; ``fitted_with`` says whether the law runs through them, ``height`` is what is drawn.
        fixed: the value of the other amount that the law belongs to.
        law: the fitted line, ``None`` when there is no fit.
        slices: lines of the L(N,D) surface at each value of the other amount.
        fit: the fit itself.
    """

    amount: str
    points: pd.DataFrame
    fixed: float
    law: Line | None
    slices: dict[float, Line]
    fit: Fit | None

    @property
    def inside(self) -> tuple[float, float]:
        """The ends of the fitted data along the amount."""
        values = self.points.loc[self.points["fitted_with"] == "yes", _AXIS[self.amount][0]]
        return float(values.min()), float(values.max())

    @property
    def floor(self) -> float | None:
        """E, where it was fitted and lies close enough below the data to be drawn with them."""
        value = self.fit.params["E"].value if self.fit and "E" in self.fit.params else 0.0
        return value if value > 0.6 * float(self.points["loss_nats"].min()) else None


def data(material: Material, amount: str) -> OneLaw:
    """Return the points and the law along ``N`` (at the horizon most sizes share) or ``D`` (at the largest size)."""
    column, other = _AXIS[amount][0], _FIXED[amount]
    points = material.points.sort_values(["params_total", "trial", "tokens"], ignore_index=True)
    fit = material.analysis.fits.get(f"L({amount})")
    through = _fitted(points, fit, amount)
    fixed = float(through[other].iloc[0]) if len(through) else float(points[other].max())
    points = points.assign(
        fitted_with=["yes" if i in through.index else "no" for i in points.index], height=points["loss_nats"]
    )
    line_of = None
    if fit is not None and len(through):
        low, high = float(through[column].min()), float(through[column].max())
        line_of = along(fit, amount, low, high * BEYOND, extra=(low, high))
    return OneLaw(amount, points, fixed, line_of, _slices(material, points, amount), fit)


def _fitted(points: pd.DataFrame, fit: Fit | None, amount: str) -> pd.DataFrame:
    """Return the points that a one-dimensional fit runs through; none without a fit."""
    if fit is None:
        return points.iloc[:0]
    dropped = {(d.trial, d.tokens) for d in fit.dropped}
    kept = [key not in dropped for key in zip(points["trial"], points["tokens"], strict=True)]
    used = points[kept].assign(params=points["params_total"])
    return size_curve(used).points if amount == "N" else data_curve(used).points


def _slices(material: Material, points: pd.DataFrame, amount: str) -> dict[float, Line]:
    surface = material.analysis.fits.get("L(N,D)")
    if surface is None or points.empty:
        return {}
    column, other = _AXIS[amount][0], _FIXED[amount]
    low, high = float(points[column].min()), float(points[column].max())
    held = "D" if amount == "N" else "N"
    every = sorted(float(v) for v in points[other].unique())
    values = [every[i] for i in evenly(len(every), MAX_SLICES)]
    return {v: along(surface, amount, low, high, n=24, fixed={held: v}) for v in values}


def above_floor(found: OneLaw) -> OneLaw | None:
    """Return the same points and lines with the fitted E taken off, for log–log; ``None`` without a floor to take."""
    floor = found.fit.params["E"].value if found.fit and "E" in found.fit.params else 0.0
    points = found.points.assign(height=found.points["height"] - floor)
    if floor <= 0 or found.law is None or not (points["height"] > 0).all():
        return None
    slices = {v: piece for v, s in found.slices.items() if min((piece := _less(s, floor)).y) > 0}
    return replace(found, points=points, law=_less(found.law, floor), slices=slices, fit=None)


def _less(line_: Line, floor: float) -> Line:
    """Return a line and its band with a constant taken off; the band ends where it would cross zero."""
    low = tuple(v - floor if v is not None and v > floor else None for v in line_.low)
    high = tuple(v - floor if v is not None and a is not None else None for v, a in zip(line_.high, low, strict=True))
    return Line(line_.x, tuple(v - floor for v in line_.y), low, high)


def choices(found: OneLaw, look: Look) -> list[Choice]:
    """Return the drawing of the loss and, where a floor was fitted, of the loss above it."""
    reduced = above_floor(found)
    above = [] if reduced is None else [Choice("above", "loss above E", draw(reduced, look))]
    return [Choice("loss", "loss", draw(found, look)), *above]


def draw(found: OneLaw, look: Look) -> Figure:
    """Draw points by size, the surface's slices in grey, the law in black, E as its floor."""
    column, title = _AXIS[found.amount]
    reach = [*found.points[column], *(found.law.x if found.law else ())]
    losses = [*found.points["height"], *(found.law.y if found.law else ()), *([found.floor] if found.floor else [])]
    figure = canvas(log_axis(title, reach), log_axis("", losses, plain))
    for fixed, piece in found.slices.items():
        style = look.size(fixed)
        colour = FAINT if found.amount == "N" else style.colour
        line(figure, piece.x, piece.y, colour, width=1, opacity=0.7)
    if found.law is not None:
        band(figure, found.law.x, found.law.low, found.law.high, group=LAW.label)
        law(figure, found.law.x, found.law.y, found.inside, INK, group=LAW.label)
    if found.floor is not None:
        level(figure, found.floor, "dot", MUTED)
    _draw_points(figure, found, look)
    if found.amount == "N":
        _label_slices(figure, found)
    return figure


def _draw_points(figure: Figure, found: OneLaw, look: Look) -> None:
    column = _AXIS[found.amount][0]
    for params, part in by_number(found.points, "params_total"):
        style = look.size(params, size_label(params))
        for on, piece in part.groupby("fitted_with"):
            faded = 0.55 if found.amount == "N" and found.law is not None and on == "no" else 1.0
            size = 9 if faded == 1 else 7
            hover = Hover(piece, _hover)
            marks(figure, piece[column], piece["height"], style, hover, opacity=faded, size=size, of=len(found.points))


def _label_slices(figure: Figure, found: OneLaw) -> None:
    """Name the horizon at the right end of each slice; only the outer two where there are many."""
    others = sorted(v for v in found.slices if v != found.fixed)
    for fixed in others if len(others) <= MAX_LABELS else (others[0], others[-1]):
        piece = found.slices[fixed]
        # with a law, the drawing goes on beyond the data
        where = "middle right" if found.law is not None else "top left"
        note(figure, piece.x[-1], piece.y[-1], f"  D = {format_si(fixed)}", where, size=11)


def _hover(row: dict[Any, Any]) -> str:
    return words(
        [
            str(row["label"]),
            f"{format_si(row['params_total'])} parameters, {format_si(row['tokens'])} tokens",
            _with_error(row["loss_nats"], row["loss_se_nats"]),
        ]
    )


def panel(material: Material, look: Look, amount: str) -> Panel:
    """Return L(N) or L(D); points are drawn even when there is no fit."""
    anchor = "fig-ln" if amount == "N" else "fig-ld"
    if material.points.empty:
        return absent(anchor, f"L({amount}) cannot be drawn", "No trial has published a point yet.")
    found = data(material, amount)
    return Panel(
        anchor=anchor,
        claim=_claim(found),
        caption=_caption(found, material),
        plots=(
            Plot.switched(anchor.removeprefix("fig-"), f"Loss, {material.unit}", choices(found, look), 440, "Draw"),
        ),
        legend=legend(
            [
                *(look.size(n, size_label(n)) for n in sorted(found.points["params_total"].unique())),
                *([LAW] if found.law else []),
                *([FLOOR] if found.floor else []),
            ]
        ),
        table=Table.of(f"loss-against-{amount}", f"Points of L({amount})", _COLUMNS, found.points),
    )


def _claim(found: OneLaw) -> str:
    what, other = ("size", "tokens") if found.amount == "N" else ("data", "parameters")
    exponent = {"N": "alpha", "D": "beta"}[found.amount]
    if found.fit is None:
        return f"Loss against {what}: measured, but no law could be fitted"
    power = found.fit.params.get(exponent)
    if power is None:
        return f"At {format_si(found.fixed)} {other}, loss falls with {what} as {found.fit.form}"
    sign = "α" if exponent == "alpha" else "β"
    unsure = "" if power.low is not None else ", interval unknown"
    return (
        f"At {format_si(found.fixed)} {other}, loss above its floor falls with {what} to the power "
        f"{sign} = {format_interval(power.value, power.low, power.high, 2)}{unsure}"
    )


def _caption(found: OneLaw, material: Material) -> str:
    dropped = " or were left out" if found.fit is not None and found.fit.dropped else ""
    away = "" if found.law is None else f"; faded marks lie at other horizons{dropped}"
    which = "one per" if len(found.slices) < MAX_SLICES else f"{MAX_SLICES} at most, each at one"
    slices = (
        f"Thin lines are slices of the L(N, D) surface, {which} horizon{away}."
        if found.amount == "N"
        else f"Thin lines are slices of the L(N, D) surface, {which} size."
    )
    if found.fit is None:
        why = material.missing(f"L({found.amount})", otherwise="not fitted")
        return f"No law: {why}. {slices if found.slices else ''}"
    band = " with its 95 % band" if found.law and found.law.low[0] is not None else ""
    head = f"Heavy line: {pretty(found.fit.form)}{band}, solid inside the data, dashed beyond."
    return f"{head}{_floor_words(found)} {slices if found.slices else ''}"


def _floor_words(found: OneLaw) -> str:
    """Say why the dotted floor is not the E of L(N, D): what the fixed amount lacks is in it."""
    if found.floor is None:
        return ""
    held = f"{'D' if found.amount == 'N' else 'N'} = {format_si(found.fixed)}"
    return f" Dotted: the floor E of this fit at {held}; what {held} lacks is in it, so it lies above that of L(N, D)."


def pretty(form: str) -> str:
    """Return a formula with Greek letters and proper signs."""
    for word, letter in _SPELLING:
        form = form.replace(word, letter)
    return form


def _with_error(loss: float, error: float) -> str:
    """Return a loss with its standard error; imported points tell none."""
    return f"{loss:.4f} nats" if pd.isna(error) else f"{loss:.4f} ± {error:.4f} nats"
