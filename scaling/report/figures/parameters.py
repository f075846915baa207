"""How well the parameters of L(N, D) are known: bootstrap clouds of pairs, with published laws as crosses."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.families import NATS_PER_TOKEN
from scaling.laws.analysis import Fit
from scaling.report.axes import linear_axis
from scaling.report.draw import INK, Figure, canvas, marks, note, words
from scaling.report.figures.laws import pretty
from scaling.report.intervals import show
from scaling.report.look import Style
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.report.published import PUBLISHED, PublishedLaw

ANCHOR = "fig-parameters"
DRAW = Style("bootstrap draws", "var(--c-blue)", "circle")
POINT = Style("this fit", INK, "diamond")
PAPER = Style("published", "var(--c-vermillion)", "x-thin")
PAIRS = (("alpha", "beta"), ("E", "alpha"))
MAX_DRAWN = 400
_KEPT = (0.5, 99.5)  # percentiles of the draws that the axes make room for: one stray resample would flatten the rest


@dataclass(frozen=True, slots=True)
class Cloud:
    """Draws of the parameters.

    Attributes:
        draws: one column per parameter.
        fit: the point fit.
        correlation: of the draws of alpha and beta; ``None`` with too few draws.
    """

    draws: pd.DataFrame
    fit: Fit

    @property
    def correlation(self) -> float | None:
        """How far alpha and beta move together over the draws."""
        if len(self.draws) < 3 or not (self.draws[["alpha", "beta"]].std() > 0).all():
            return None
        return float(np.corrcoef(self.draws["alpha"], self.draws["beta"])[0, 1])


def data(material: Material) -> Cloud | None:
    """Return the draws of L(N, D); ``None`` without a fit or without draws."""
    fit = material.analysis.fits.get("L(N,D)")
    if fit is None or not len(fit.draws):
        return None
    return Cloud(pd.DataFrame(list(fit.draws), columns=list(fit.params)), fit)


def crosses(x: str, y: str) -> list[tuple[PublishedLaw, float, float]]:
    """Return published laws that have both parameters and count all parameters."""
    key = {"E": "floor", "alpha": "alpha", "beta": "beta"}
    found = [(p, getattr(p, key[x]), getattr(p, key[y])) for p in PUBLISHED if p.counting == "total"]
    return [(p, a, b) for p, a, b in found if a is not None and b is not None]


def draw(found: Cloud, x: str, y: str, unit: str = NATS_PER_TOKEN) -> Figure:
    """Draw the cloud of two parameters; crosses only where the pair compares across tokenizers."""
    papers = crosses(x, y) if x != "E" else []
    figure = canvas(_axis(found, x, [a for _, a, _ in papers], f", {unit}"), _axis(found, y, [b for _, _, b in papers]))
    shown = found.draws.iloc[:: max(1, -(-len(found.draws) // MAX_DRAWN))]
    marks(figure, shown[x], shown[y], DRAW, size=4.5, opacity=0.7)
    for rank, (paper, a, b) in enumerate(sorted(papers, key=lambda p: p[2])):
        marks(figure, [a], [b], PAPER, [words([paper.paper, f"{x} = {a:g}, {y} = {b:g}", paper.source])], size=10)
        side = "top right" if rank == len(papers) - 1 else "bottom right"  # neighbours do not cover each other
        note(figure, a, b, f"   {paper.paper.split(',')[0]}", side, size=10)
    values = found.fit.params
    told = f"this fit: {x} {show(values[x])}, {y} {show(values[y])}"
    marks(figure, [values[x].value], [values[y].value], POINT, [words([told])], size=11)
    return figure


def _axis(found: Cloud, name: str, more: list[float], unit: str | None = None) -> dict[str, object]:
    low, high = np.percentile(found.draws[name], _KEPT)
    ends = [float(low), float(high), found.fit.params[name].value, *more]
    room = 0.06 * (max(ends) - min(ends) or 1.0)
    spelled = f"E{unit}" if name == "E" else pretty(name)
    return linear_axis(range=[min(ends) - room, max(ends) + room], title={"text": "" if unit is None else spelled})


def panel(material: Material) -> Panel:
    """Return the clouds, or why there are none."""
    found = data(material)
    if found is None or not {"alpha", "beta", "E"} <= set(found.fit.params):
        reason = material.missing("L(N,D)", otherwise="the fit has no bootstrap draws")
        return absent(ANCHOR, "The uncertainty of the parameters is unknown", reason)
    columns = [Column(name, pretty(name), "number") for name in found.fit.params]
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            f"Every dot is the law refitted to resampled trials ({found.fit.interval_method}), "
            f"{min(MAX_DRAWN, len(found.draws))} of {len(found.draws)} drawn. In a long thin cloud the data "
            "would fix a combination, not each number. Crosses: published laws that count all parameters; E, A and B "
            "depend on tokenizer and text and are not compared."
        ),
        plots=tuple(Plot(f"parameters-{x}-{y}", pretty(y), draw(found, x, y, material.unit), 380) for x, y in PAIRS),
        legend=(DRAW, POINT, PAPER),
        table=Table.of("parameters", "Bootstrap draws of the parameters", columns, found.draws),
    )


def _claim(found: Cloud) -> str:
    values = found.fit.params
    head = f"α = {show(values['alpha'], 2)} and β = {show(values['beta'], 2)}"
    tie = found.correlation
    if tie is None:
        return head
    together = "move together" if tie > 0.5 else "trade off" if tie < -0.5 else "are fixed apart from each other"
    return f"{head}; over resampled trials the two {together} (correlation {tie:+.2f})".replace("-", "−")
