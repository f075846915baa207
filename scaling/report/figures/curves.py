"""Training curves against compute, with the annealed points and their lower envelope."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.laws.selection import LOSS, quantity_of
from scaling.report.axes import energy_axis, log_axis, plain, power_of_ten
from scaling.report.draw import INK, Figure, Hover, band, canvas, law, line, marks, words
from scaling.report.figures.trust import size_label
from scaling.report.groups import by_number
from scaling.report.lawlines import Line, along
from scaling.report.look import Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Choice, Column, Panel, Plot, Table, absent
from scaling.store.measured import measured_energy
from scaling.units import format_energy, format_flops, format_si

ANCHOR = "fig-curves"
BEYOND = 2.5  # how far past the data L(C) is drawn
CEILING = 1.2  # times the highest annealed loss
MAX_PER_CURVE = 500
MANY = 150  # trials from which curves are joined by size: a browser draws few long paths faster than many short ones
MAX_DISPLAYED = 10_000  # of the page's 25,000; the other figures share the rest
AXES: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "flops_train": ("Training FLOPs C", power_of_ten),
    "tokens": ("Tokens D", format_si),
    "params_total": ("Parameters N", format_si),
    "train_s": ("Seconds of training steps", plain),
    "energy_gpu_j": ("GPU energy, measured", format_energy),
}
NAMES = {
    "flops_train": "compute", "tokens": "tokens", "params_total": "parameters", "train_s": "training time",
    "energy_gpu_j": "kWh",
}  # fmt: skip
UNITS = {"flops_train": "FLOPs", "tokens": "tokens", "train_s": "s"}  # of what grows along a training curve
_THIN = (
    "Thin lines: training loss as it went, at most 500 points per trial, not smoothed; the first steps lie above the "
    "drawing. "
)
_NO_ENERGY = "energy was not measured: it needs a GPU with an energy counter"
ENVELOPE = Style("lower envelope of the annealed points", "var(--c-vermillion)", "", "solid")
LAW = Style("fitted L(C)", INK, "", "solid")


@dataclass(frozen=True, slots=True)
class Curves:
    """Thinned training curves, annealed points and their envelope.

    Attributes:
        lines: trial, label, params_total, step, tokens, flops_train, train_s, loss_nats, in order of compute.
        points: annealed points: trial, label, params_total, tokens, flops_train, train_s, loss_nats.
        envelope: the points below which no cheaper point lies, in order of compute.
        law: L(C), where it was fitted.
    """

    lines: pd.DataFrame
    points: pd.DataFrame
    envelope: pd.DataFrame
    law: Line | None

    @property
    def ceiling(self) -> float:
        """The loss up to which curves are drawn at first: the first steps would flatten all the rest."""
        return CEILING * float(self.points["loss_nats"].max()) if len(self.points) else float("inf")

    def shown(self, by: str = "flops_train") -> pd.DataFrame:
        """What the axes make room for: an amount and loss_nats of points, law, and curves under the ceiling."""
        under = self.lines[self.lines["loss_nats"] <= self.ceiling] if by in UNITS else self.lines.iloc[:0]
        law = under.iloc[:0]
        if self.law is not None and by == "flops_train":
            law = pd.DataFrame({by: self.law.x, "loss_nats": self.law.y})
        return pd.concat([f[[by, "loss_nats"]].astype(float) for f in (under, self.marked(by), law) if len(f)])

    def marked(self, by: str) -> pd.DataFrame:
        """The points that have a place along an amount; along energy those alone whose joules were measured."""
        if by == "energy_gpu_j":
            return self.points[measured_energy(self.points)]
        return self.points[self.points[by].astype(float) > 0]


def thin(n: int, most: int) -> np.ndarray:
    """Return at most ``most`` of the indices 0 … n−1: half even in the logarithm, half even, with both ends."""
    if n <= most:
        return np.arange(n)
    early = np.geomspace(1, n, most // 2).round().astype(int) - 1
    even = np.linspace(n - 1, 0, most - most // 2).round().astype(int)
    return np.unique(np.concatenate([early, even]))


def data(material: Material) -> Curves:
    """Return curves of at most 500 points each, and the envelope over annealed points only.

    No curve where the points are no losses: what was trained on is another quantity than what was measured.
    """
    sizes = material.trials[["trial", "label", "params_total"]]
    logged = material.curves if quantity_of(material.points) == LOSS else material.curves.iloc[:0]
    curves = logged.merge(sizes, on="trial").sort_values(["trial", "step"])
    most = min(MAX_PER_CURVE, max(2, MAX_DISPLAYED // max(1, curves["trial"].nunique())))
    parts = [part.iloc[thin(len(part), most)] for _, part in curves.groupby("trial", sort=True)]
    names = ["trial", "label", "params_total", "step", "tokens", "flops_train", "train_s", "loss_nats"]
    lines = pd.concat(parts)[names] if parts else pd.DataFrame(columns=names)
    points = material.points.sort_values(["flops_train", "trial"])
    return Curves(lines.reset_index(drop=True), points, envelope(points), _law(material, points))


def envelope(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points that no point of the same or less compute beats."""
    ordered = points.sort_values(["flops_train", "loss_nats"])
    best = ordered["loss_nats"].cummin()
    return ordered[(ordered["loss_nats"] <= best) & ~best.duplicated()]


def _law(material: Material, points: pd.DataFrame) -> Line | None:
    fit = material.analysis.fits.get("L(C)")
    if fit is None or points.empty:
        return None
    low, high = float(points["flops_train"].min()), float(points["flops_train"].max())
    return along(fit, "C", low, high * BEYOND, extra=(low, high))


def draw(found: Curves, look: Look, by: str = "flops_train") -> Figure:
    """Draw curves thin and annealed points as marks against one amount; over compute, envelope and L(C) on top."""
    title, text = AXES[by]
    shown = found.shown(by)
    across = energy_axis(title, shown[by], 0.02) if by == "energy_gpu_j" else log_axis(title, shown[by], text, 0.02)
    figure = canvas(across, log_axis("", shown["loss_nats"], plain))
    for name, part in strokes(found.lines) if by in UNITS else ():
        style = look.size(part["params_total"].iloc[0], size_label(part["params_total"].iloc[0]))
        hover = words([name]).replace("%", "&#37;")  # plotly would expand %{…}
        line(
            figure,
            part[by],
            part["loss_nats"],
            style.colour,
            width=1,
            opacity=0.55,
            group=style.label,
            hover=f"{hover}<br>training loss %{{y:.3f}} nats at %{{x:.3s}} {UNITS[by]}<extra></extra>",
        )
    every = found.marked(by)
    for params, part in by_number(every, "params_total"):
        style = look.size(params, size_label(params))
        marks(figure, part[by], part["loss_nats"], style, Hover(part, _hover), size=7, of=len(every))
    if by == "flops_train":
        _draw_laws(figure, found)
    return figure


def strokes(lines: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield what is drawn as one line with its name: a trial, or, of very many, all of a size with gaps between."""
    if lines["trial"].nunique() <= MANY:
        yield from ((str(part["label"].iloc[0]), part) for _, part in lines.groupby("trial", sort=False))
        return
    for params, part in by_number(lines, "params_total"):
        pieces = [piece for _, piece in part.groupby("trial", sort=False)]
        gap = pieces[0].iloc[:1].assign(loss_nats=float("nan"))
        joined = pd.concat([row for piece in pieces for row in (piece, gap)])
        yield f"{size_label(params)}, {len(pieces)} trials", joined


def _draw_laws(figure: Figure, found: Curves) -> None:
    line(figure, found.envelope["flops_train"], found.envelope["loss_nats"], ENVELOPE.colour, group=ENVELOPE.label)
    if found.law is not None:
        inside = (float(found.points["flops_train"].min()), float(found.points["flops_train"].max()))
        band(figure, found.law.x, found.law.low, found.law.high, group=LAW.label)
        law(figure, found.law.x, found.law.y, inside, LAW.colour, width=1.5, group=LAW.label)


def choices(found: Curves, look: Look) -> list[Choice]:
    """Return the drawing against each amount that the points tell, energy only where it was measured."""
    kept = [by for by in AXES if by == "flops_train" or len(found.marked(by))]
    return [Choice(by, NAMES[by], draw(found, look, by)) for by in kept]


def _hover(row: dict[Any, Any]) -> str:
    return words(
        [
            str(row["label"]),
            f"annealed, {format_si(row['tokens'])} tokens, {format_flops(row['flops_train'])}",
            f"validation loss {row['loss_nats']:.4f} nats",
        ]
    )


def panel(material: Material, look: Look) -> Panel:
    """Return the training curves, or why there are none."""
    found = data(material)
    if found.lines.empty and found.points.empty:
        return absent(ANCHOR, "No training curve is recorded", "No trial has logged a step yet.")
    sizes = sorted({*found.lines["params_total"], *found.points["params_total"]})
    extra = [ENVELOPE] if len(found.envelope) > 1 else []
    gone = () if len(found.marked("energy_gpu_j")) else (f"No drawing against kWh: {_NO_ENERGY}.",)
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            f"{_THIN if len(found.lines) else ''}Marks: validation loss of annealed weights, the only points that "
            "enter a fit. " + " ".join([*_annealed(found), *_probes(material), _about_law(found, material), *gone])
        ),
        plots=(
            Plot.switched(
                "curves",
                f"Loss, {material.unit}",
                choices(found, look),
                500,
                gone=((NAMES["energy_gpu_j"], _NO_ENERGY),) if gone else (),
            ),
        ),
        legend=legend([*(look.size(n, size_label(n)) for n in sizes), *extra, *([LAW] if found.law else [])]),
        table=_table(found),
    )


def _annealed(found: Curves) -> list[str]:
    """Say how the marks were annealed: why they may stand in a law though the curves beside them do not."""
    how = {str(v) for v in found.points.get("anneal", pd.Series(dtype=str)).dropna()}
    told = {
        "average": "Annealed by averaging the weights: the learning rate of a trunk never falls.",
        "cooldown": "Annealed by a branch of falling learning rate before each mark; the curves are the trunks.",
    }
    return [told[name] for name in sorted(how) if name in told]


def _probes(material: Material) -> list[str]:
    """Say why curves and marks may lie apart where the training text holds probes."""
    if material.abilities.empty or material.curves.empty:
        return []
    return ["The training text holds probe tasks, the validation text none: the two losses are not of one text."]


def _about_law(found: Curves, material: Material) -> str:
    if found.law is None:
        return f"No L(C): {material.missing('L(C)', otherwise='it was not fitted')}."
    return "The heavy line is L(C), dashed beyond the data."


def _claim(found: Curves) -> str:
    if len(found.envelope) < 2:
        return "Training curves so far; too few finished points for an envelope"
    first, last = found.envelope.iloc[0], found.envelope.iloc[-1]
    return (
        f"The best loss for the compute falls from {first['loss_nats']:.3g} nats at "
        f"{format_flops(first['flops_train'])} to {last['loss_nats']:.3g} nats at {format_flops(last['flops_train'])}"
    )


def _table(found: Curves) -> Table:
    shared = (
        Column("label", "Trial"),
        Column("params_total", "Parameters", "count"),
        Column("tokens", "Tokens", "count"),
        Column("flops_train", "FLOPs", "flops"),
        Column("loss_nats", "Loss (nats)", "loss"),
    )
    told = (Column("bpb", "Bits per byte", "loss"), Column("accuracy", "Accuracy", "percent"))
    further = [c for c in told if c.key in found.points and found.points[c.key].notna().any()]
    points = Table.of("points", "Annealed points", (*shared, *further), found.points)
    lines = found.lines.assign(kind="training")
    both = pd.concat([lines, found.points.assign(kind="annealed")]) if len(found.points) else lines
    columns = (Column("trial", "Trial"), *shared, Column("step", "Step", "whole"), Column("kind", "Kind"))
    return Table.of(
        "curves", "Annealed points; the CSV adds the training curves as drawn", columns, both, summary=points
    )
