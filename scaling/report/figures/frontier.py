"""How to split a compute budget: N*, D* and D/N against C, with bands and published slopes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.answers import Law
from scaling.laws.analysis import Analysis, Fit, Interval, OptimumRow
from scaling.laws.frontier import rows as optima
from scaling.report.axes import log_axis, power_of_ten
from scaling.report.draw import INK, Figure, band, canvas, end_of_data, law, line, marks, words
from scaling.report.intervals import cells, flat, heights, of_row, show
from scaling.report.look import Style
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.report.support import reach
from scaling.units import format_flops, format_si

ANCHOR = "fig-frontier"
OPTIMUM = Style("optimum, 95 % band", INK, "", "solid")
PROFILE = Style("IsoFLOP minima", "var(--c-vermillion)", "x-thin")
KAPLAN = Style("slope of Kaplan et al. 2020", "var(--c-orange)", "", "dot")
CHINCHILLA = Style("slope of Hoffmann et al. 2022", "var(--c-blue)", "", "dot")
# Exponents of N*(C): Kaplan et al. 2020 (2001.08361, eq. 6.1), Hoffmann et al. 2022 (2203.15556, approach 1).
PUBLISHED = ((KAPLAN, 0.73), (CHINCHILLA, 0.50))
QUANTITIES = (("params", "Parameters N*"), ("tokens", "Tokens D*"), ("tokens_per_param", "Tokens per parameter D*/N*"))


def main_rows(analysis: Analysis) -> list[OptimumRow]:
    """Return the optima in the sweep's main FLOP convention (the first listed), by budget."""
    if not analysis.frontier:
        return []
    convention = analysis.frontier[0].flops_convention
    return sorted((r for r in analysis.frontier if r.flops_convention == convention), key=lambda r: r.flops)


def allocation_exponent(fit: Fit) -> Interval | None:
    """Return ``a`` of N* ∝ C^a, beta / (alpha + beta), with the interval of the bootstrap draws."""
    if not {"alpha", "beta"} <= set(fit.params):
        return None
    names = list(fit.params)
    alpha, beta = fit.params["alpha"].value, fit.params["beta"].value
    draws = [d[names.index("beta")] / (d[names.index("alpha")] + d[names.index("beta")]) for d in fit.draws]
    if len(draws) < 20:
        return Interval(value=beta / (alpha + beta))
    low, high = np.percentile(draws, [2.5, 97.5])
    return Interval(value=beta / (alpha + beta), low=float(low), high=float(high))


@dataclass(frozen=True, slots=True)
class Frontier:
    """Optima by budget: flops, and value, low and high of each quantity; published slopes through the middle.

    Attributes:
        rows: flops, extrapolation_factor, loss, and ``NAME``, ``NAME_low``, ``NAME_high`` per quantity.
        end: largest budget inside the fitted compute.
        inside: the least and largest budget whose best size and data lie inside the fitted ones; ``None`` without.
        claimed: the largest budget of the analysis among those; ``None`` without.
        exponent: ``a`` of N* ∝ C^a.
        minima: flops, params, tokens, tokens_per_param of every IsoFLOP profile that shows its minimum.
    """

    rows: pd.DataFrame
    end: float
    inside: tuple[float, float] | None
    claimed: float | None
    exponent: Interval | None
    minima: pd.DataFrame

    def published(self, quantity: str, exponent: float) -> tuple[list[float], list[float]]:
        """Return a published slope of a quantity, drawn through this sweep's middle budget."""
        power = {"params": exponent, "tokens": 1 - exponent, "tokens_per_param": 1 - 2 * exponent}[quantity]
        inside = self.rows[self.rows["flops"] <= self.end] if self.end else self.rows
        middle = (inside if len(inside) else self.rows).iloc[len(inside) // 2 if len(inside) else 0]
        flops = [float(self.rows["flops"].iloc[0]), float(self.rows["flops"].iloc[-1])]
        return flops, [float(middle[quantity]) * (c / float(middle["flops"])) ** power for c in flops]


def data(material: Material) -> Frontier | None:
    """Return the frontier in the main FLOP convention; ``None`` when there is none."""
    rows = main_rows(material.analysis)
    if not rows:
        return None
    ends = None if material.law is None else reach(material.law)
    extra = [] if ends is None or material.law is None else _optima(material.law, ends)
    frame = pd.DataFrame([_flat(r) for r in sorted([*rows, *extra], key=lambda r: r.flops)])
    fitted = frame.loc[frame["extrapolation_factor"] <= 1 + 1e-9, "flops"]
    end = float(fitted.max()) if len(fitted) else 0.0
    fit = material.analysis.fits.get("L(N,D)")
    exponent = allocation_exponent(fit) if fit else None
    claimed = max((r.flops for r in rows if ends and ends[0] <= r.flops <= ends[1]), default=None)
    return Frontier(frame, end, ends, claimed, exponent, _minima(material))


def _optima(law_: Law, budgets: tuple[float, float]) -> list[OptimumRow]:
    return optima(law_.fit, np.array(budgets), law_.largest, law_.flops)


def _minima(material: Material) -> pd.DataFrame:
    profiles = material.isoflop.profiles if material.isoflop else ()
    rows = [
        (p.flops, p.params.value, p.tokens.value, p.tokens.value / p.params.value)
        for p in profiles
        if p.params is not None and p.tokens is not None
    ]
    return pd.DataFrame(rows, columns=["flops", "params", "tokens", "tokens_per_param"])


def _flat(row: OptimumRow) -> dict[str, Any]:
    return {
        "flops": row.flops,
        "extrapolation_factor": row.extrapolation_factor,
        "flops_convention": row.flops_convention,
        **flat("params", row.params),
        **flat("tokens", row.tokens),
        **flat("tokens_per_param", row.tokens_per_param),
        **flat("loss", row.loss),
    }


def draw(found: Frontier, quantity: str) -> Figure:
    """Draw one quantity against compute: band, published slopes dotted, solid inside the data."""
    rows = found.rows
    flops = rows["flops"]
    minima = found.minima
    figure = canvas(
        log_axis("Training FLOPs C", [*flops, *minima["flops"]], power_of_ten, 0.02),
        log_axis("", [*heights(rows, quantity), *minima[quantity]]),
    )
    for style, exponent in PUBLISHED:
        x, y = found.published(quantity, exponent)
        line(figure, x, y, style.colour, dash="dot", width=1.5, group=style.label)
    band(figure, flops, cells(rows, f"{quantity}_low"), cells(rows, f"{quantity}_high"), group=OPTIMUM.label)
    if found.end:
        end_of_data(figure, found.end)
    hover = "%{y:.3s} at %{x:.2e} FLOPs<extra></extra>"
    law(figure, flops, rows[quantity], found.inside or (0.0, 0.0), group=OPTIMUM.label, hover=hover)
    if len(minima):
        told = [
            words([f"IsoFLOP minimum at {format_flops(c)}", format_si(v)])
            for c, v in minima[["flops", quantity]].values
        ]
        marks(figure, minima["flops"], minima[quantity], PROFILE, told, size=8)
    return figure


def panel(material: Material) -> Panel:
    """Return the frontier, or why there is none."""
    found = data(material)
    if found is None:
        reason = material.missing("frontier", "L(N,D)", otherwise="It follows from L(N, D), which was not fitted.")
        return absent(ANCHOR, "How to split a budget is unknown", reason)
    convention = found.rows["flops_convention"].iloc[0]
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            "For each budget, the size and data that minimise the fitted L(N, D). Dotted lines have published "
            "slopes and pass through this sweep’s middle budget; only their slope is meant. The thin vertical "
            f"mark is the largest compute measured. Solid: best size and data both lie inside those trained; elsewhere "
            f"dashed. Compute in {convention}."
        ),
        plots=tuple(Plot(f"frontier-{q}", heading, draw(found, q), 340) for q, heading in QUANTITIES),
        legend=(OPTIMUM, *([PROFILE] if len(found.minima) else []), KAPLAN, CHINCHILLA),
        table=_table(material),
    )


def _claim(found: Frontier) -> str:
    end = found.claimed or found.end
    last = found.rows[found.rows["flops"] <= end].iloc[-1] if end else found.rows.iloc[0]
    where = "" if found.claimed else " (extrapolated)"
    head = (
        f"At {format_flops(last['flops'])} the best split{where} is {format_si(last['params'])} parameters × "
        f"{format_si(last['tokens'])} tokens, {show(of_row(last, 'tokens_per_param'), 2)} tokens per parameter"
    )
    return head if found.exponent is None else f"{head}; N* grows as C to the {show(found.exponent, 2)}"


def _table(material: Material) -> Table:
    columns = [Column("flops", "Budget", "flops"), Column("flops_convention", "FLOPs counted as")]
    kinds = {"params": "count", "tokens": "count", "tokens_per_param": "number", "loss": "loss"}
    heads = {"params": "N*", "tokens": "D*", "tokens_per_param": "D*/N*", "loss": "Loss (nats)"}
    for name, kind in kinds.items():
        columns += [
            Column(name, heads[name], kind),
            Column(f"{name}_low", "2.5 %", kind),
            Column(f"{name}_high", "97.5 %", kind),
        ]
    columns.append(Column("extrapolation_factor", "Beyond the data by", "number"))
    rows = [_flat(r) for r in sorted(material.analysis.frontier, key=lambda r: (r.flops_convention, r.flops))]
    return Table.of("frontier", "Compute-optimal size, data and loss", columns, rows)
