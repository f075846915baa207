"""Diminishing returns: the local exponent, the gain of the next doubling, and the gain per kWh where measured."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scaling.laws.analysis import ReturnsRow
from scaling.laws.isojoule import MIN_RUNS, EnergyOfCompute
from scaling.laws.noise import pooled
from scaling.laws.returns import NOISE_ERRORS
from scaling.report.axes import linear_axis, log_axis, plain, power_of_ten
from scaling.report.draw import INK, Figure, band, canvas, end_of_data, law, line
from scaling.report.intervals import cells, flat, heights, of_row, show
from scaling.report.look import Style
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.report.support import reach
from scaling.store.measured import measured_energy
from scaling.units import format_flops, format_si

ANCHOR = "fig-returns"
GAIN = Style("on the compute-optimal path, 95 % band", INK, "", "solid")
NOISE = Style("what chance makes of two runs", "var(--c-vermillion)", "", "dash")
_J_PER_KWH = 3.6e6
_TWO_RUNS = NOISE_ERRORS * math.sqrt(2)  # as the finding has it


@dataclass(frozen=True, slots=True)
class Returns:
    """Returns by compute.

    Attributes:
        rows: flops, and value, low, high of loss, local_exponent, gain (nats per doubling); gain_per_kwh
            (nats per further kWh at that compute, ``None`` where energy was not measured or C is outside it); chance
            (difference that chance makes of two runs at that loss, nats; ``None`` where seed noise is unknown).
        end: largest compute measured.
        inside: the least and largest compute whose best size and data lie inside those trained; ``None`` without.
        noise_nats: ``chance`` at the end of the data: two standard errors.
        stop: compute from which a doubling buys less than chance makes, as the finding has it; ``None`` where none is.
        energy_missing: why there is no gain per kWh; ``None`` when there is.
    """

    rows: pd.DataFrame
    end: float
    inside: tuple[float, float] | None
    noise_nats: float | None
    stop: float | None
    energy_missing: str | None


def data(material: Material) -> Returns | None:
    """Return the returns; ``None`` when no law gives them."""
    rows = sorted(material.analysis.returns, key=lambda r: r.flops)
    if not rows:
        return None
    end = float(material.points["flops_train"].max()) if len(material.points) else 0.0
    energy = EnergyOfCompute.of(material.points)
    frame = pd.DataFrame([_flat(r) for r in rows])
    frame["gain_per_kwh"] = [_per_kwh(r, energy, end) for r in rows]
    noise = pooled(material.analysis.seed_noise)
    nearest = min(rows, key=lambda r: abs(r.flops - end))
    missing = None if energy else material.missing("energy", otherwise=_why_no_energy(material.points))
    inside = None if material.law is None else reach(material.law)
    frame["chance"] = None if noise is None else _TWO_RUNS * noise * frame["loss"]
    at_end = None if noise is None else _TWO_RUNS * noise * nearest.loss.value
    return Returns(frame, end, inside, at_end, _stop(material), missing)


def _stop(material: Material) -> float | None:
    return next((s.flops.value for s in material.analysis.stops if s.rule == "seed noise" and s.flops), None)


def _why_no_energy(points: pd.DataFrame) -> str:
    if measured_energy(points).any():
        return f"fewer than {MIN_RUNS} measured runs lie on the plateau of efficiency."
    return "it needs a GPU with an energy counter, and this sweep had none."


def _flat(row: ReturnsRow) -> dict[str, Any]:
    return {
        "flops": row.flops,
        "factor_next_percent": row.factor_next_percent,
        "factor_next_001_nat": row.factor_next_001_nat,
        **flat("loss", row.loss),
        **flat("local_exponent", row.local_exponent),
        **flat("gain", row.gain_per_doubling_nats),
    }


def _per_kwh(row: ReturnsRow, energy: EnergyOfCompute | None, end: float) -> float | None:
    """Average gain per measured kWh over the next doubling of compute, inside the data only."""
    if energy is None or row.flops > end:
        return None
    further_j = energy.joules(2 * row.flops) - energy.joules(row.flops)
    return row.gain_per_doubling_nats.value / (further_j / _J_PER_KWH)


def draw_exponent(found: Returns) -> Figure:
    """Draw the local exponent against compute."""
    figure = canvas(_budgets(found.rows), linear_axis(rangemode="tozero"))
    _path(figure, found, "local_exponent", "local exponent %{y:.3f}")
    return figure


def draw_gain(found: Returns) -> Figure:
    """Draw the gain of the next doubling with the noise it must beat."""
    reach = heights(found.rows, "gain") + ([] if found.noise_nats is None else list(found.rows["chance"]))
    figure = canvas(_budgets(found.rows), log_axis("", reach, plain))
    if found.noise_nats:
        line(figure, found.rows["flops"], found.rows["chance"], NOISE.colour, dash="dash", width=1)
    _path(figure, found, "gain", "%{y:.3g} nats for the next doubling")
    return figure


def draw_per_kwh(found: Returns) -> Figure:
    """Draw the gain per kWh, inside the measured range only."""
    rows = found.rows[found.rows["gain_per_kwh"].notna()]
    figure = canvas(_budgets(rows), log_axis("", rows["gain_per_kwh"], format_si))
    hover = "%{y:.3g} nats per kWh at %{x:.2e} FLOPs<extra></extra>"
    law(figure, rows["flops"], rows["gain_per_kwh"], (0.0, found.end), group=GAIN.label, hover=hover)
    return figure


def _budgets(rows: pd.DataFrame) -> dict[str, Any]:
    return log_axis("Training FLOPs C", rows["flops"], power_of_ten, 0.02)


def _path(figure: Figure, found: Returns, name: str, text: str) -> None:
    rows = found.rows
    band(figure, rows["flops"], cells(rows, f"{name}_low"), cells(rows, f"{name}_high"), group=GAIN.label)
    end_of_data(figure, found.end)
    hover = f"{text} at %{{x:.2e}} FLOPs<extra></extra>"
    across, up = _through_ends(rows, name, found.inside)
    law(figure, across, up, found.inside or (0.0, 0.0), group=GAIN.label, hover=hover)


def _through_ends(
    rows: pd.DataFrame, name: str, ends: tuple[float, float] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the path with a place at both ends of the solid part, read between its budgets in log-log."""
    known = np.log(rows[["flops", name]].to_numpy(dtype=float))
    within = [e for e in ends or () if known[0, 0] < math.log(e) < known[-1, 0]]
    across = np.union1d(known[:, 0], np.log(within))
    return np.exp(across), np.exp(np.interp(across, known[:, 0], known[:, 1]))


def panel(material: Material) -> Panel:
    """Return diminishing returns, or why they are unknown."""
    found = data(material)
    if found is None:
        reason = material.missing(
            "returns", "frontier", "L(N,D)", otherwise="They follow from L(N, D), which was not fitted."
        )
        return absent(ANCHOR, "What more compute buys is unknown", reason)
    plots = [
        Plot("returns-gain", "Loss bought by the next doubling, nats", draw_gain(found), 360),
        Plot("returns-exponent", "Local exponent −d ln(L − E) / d ln C", draw_exponent(found), 360),
    ]
    if found.rows["gain_per_kwh"].notna().sum() > 1:
        plots.append(Plot("returns-kwh", "Nats per kWh over the next doubling", draw_per_kwh(found), 360))
    kwh = "" if found.energy_missing is None else f" Gain per kWh is missing: {found.energy_missing}"
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            "Along the compute-optimal path. The local exponent says how fast the reducible loss shrinks per "
            "factor of compute; the gain says what that is worth in nats. Solid: best size and data both lie inside "
            "those trained; elsewhere dashed. The thin vertical mark is the largest compute measured." + kwh
        ),
        plots=tuple(plots),
        legend=(GAIN, NOISE) if found.noise_nats else (GAIN,),
        table=_table(found),
    )


def _claim(found: Returns) -> str:
    inside = found.rows[found.rows["flops"] <= found.end * (1 + 1e-9)]
    row = inside.iloc[-1] if len(inside) else found.rows.iloc[0]
    head = f"At {format_flops(row['flops'])}, doubling compute buys {show(of_row(row, 'gain'), 2)} nats"
    if found.noise_nats is None:
        return head
    noise = "what chance makes of two runs"
    if found.stop is None:
        return f"{head}; nowhere within reach does it fall to {noise}, {found.noise_nats:.2g} nats"
    return f"{head}; from {format_flops(found.stop)} on it buys less than {noise}"


def _table(found: Returns) -> Table:
    columns = (
        Column("flops", "Compute", "flops"),
        Column("loss", "Loss (nats)", "loss"),
        Column("local_exponent", "Local exponent", "number"),
        Column("local_exponent_low", "2.5 %", "number"),
        Column("local_exponent_high", "97.5 %", "number"),
        Column("gain", "Gain per doubling (nats)", "number"),
        Column("gain_low", "2.5 %", "number"),
        Column("gain_high", "97.5 %", "number"),
        Column("chance", "What chance makes of two runs (nats)", "number"),
        Column("factor_next_percent", "Compute factor for 1 % less loss", "number"),
        Column("factor_next_001_nat", "Compute factor for 0.01 nat less", "number"),
        Column("gain_per_kwh", "Gain per kWh (nats)", "number"),
    )
    return Table.of("returns", "Returns along the compute-optimal path", columns, found.rows)
