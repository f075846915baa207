"""Diminishing returns: the local exponent, the gain of the next doubling, and the gain per kWh where measured."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from scaling.laws.analysis import Interval, ReturnsRow
from scaling.report.axes import linear_axis, log_axis, plain, power_of_ten
from scaling.report.draw import INK, band, canvas, end_of_data, law, level
from scaling.report.figures.energy import joules_per_flop
from scaling.report.figures.frontier import _cells
from scaling.report.figures.trust import pooled_noise
from scaling.report.look import Style
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.units import format_flops, format_interval

ANCHOR = "fig-returns"
GAIN = Style("on the compute-optimal path, 95 % band", INK, "", "solid")
NOISE = Style("seed noise (one standard deviation)", "var(--c-vermillion)", "", "dash")
_J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Returns:
    """Returns by compute.

    Attributes:
        rows: flops, and value, low, high of loss, local_exponent, gain (nats per doubling); gain_per_kwh
            (nats per further kWh at that compute, ``None`` where energy was not measured or C is outside it).
        end: largest compute measured.
        noise_nats: seed noise at the end of the data, nats.
        energy_missing: why there is no gain per kWh; ``None`` when there is.
    """

    rows: pd.DataFrame
    end: float
    noise_nats: float | None
    energy_missing: str | None

    @property
    def stop(self) -> float | None:
        """The first budget at which a doubling buys less than the seed noise."""
        if self.noise_nats is None:
            return None
        under = self.rows.loc[self.rows["gain"] < self.noise_nats, "flops"]
        return float(under.min()) if len(under) else None


def data(material: Material) -> Returns | None:
    """Return the returns; ``None`` when no law gives them."""
    rows = sorted(material.analysis.returns, key=lambda r: r.flops)
    if not rows:
        return None
    end = float(material.points["flops_train"].max()) if len(material.points) else 0.0
    energy = joules_per_flop(material.points)
    frame = pd.DataFrame([_flat(r) for r in rows])
    frame["gain_per_kwh"] = [_per_kwh(r, energy, end) for r in rows]
    noise = pooled_noise(material.analysis.seed_noise)
    nearest = min(rows, key=lambda r: abs(r.flops - end))
    missing = None if energy else material.missing("energy", otherwise="it needs a counter or RAPL, and this sweep had neither.")
    return Returns(frame, end, None if noise is None else noise * nearest.loss.value, missing)


def _flat(row: ReturnsRow) -> dict[str, Any]:
    flat: dict[str, Any] = {
        "flops": row.flops,
        "factor_next_percent": row.factor_next_percent,
        "factor_next_001_nat": row.factor_next_001_nat,
    }
    for name, source in (("loss", "loss"), ("local_exponent", "local_exponent"), ("gain", "gain_per_doubling_nats")):
        interval: Interval = getattr(row, source)
        flat |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return flat


def _per_kwh(row: ReturnsRow, joules_per: float | None, end: float) -> float | None:
    """Average gain per kWh over the next doubling, from measured joules per FLOP, inside the data only."""
    if joules_per is None or row.flops > end:
        return None
    return row.gain_per_doubling_nats.value / (row.flops * joules_per / _J_PER_KWH)


def draw_exponent(found: Returns) -> Any:
    """Draw the local exponent against compute."""
    rows = found.rows
    figure = canvas(
        log_axis("Training FLOPs C", rows["flops"], power_of_ten, 0.02), linear_axis("", rangemode="tozero")
    )
    _path(figure, found, "local_exponent", "local exponent %{y:.3f}")
    return figure


def draw_gain(found: Returns) -> Any:
    """Draw the gain of the next doubling with the noise it must beat."""
    rows = found.rows
    heights = [v for c in ("gain", "gain_low", "gain_high") for v in rows[c] if v is not None and v == v and v > 0]
    if found.noise_nats:
        heights.append(found.noise_nats)
    figure = canvas(log_axis("Training FLOPs C", rows["flops"], power_of_ten, 0.02), log_axis("", heights, plain))
    if found.noise_nats:
        level(figure, found.noise_nats, "dash", NOISE.colour)
    _path(figure, found, "gain", "%{y:.3g} nats for the next doubling")
    return figure


def draw_per_kwh(found: Returns) -> Any:
    """Draw the gain per kWh, inside the measured range only."""
    rows = found.rows[found.rows["gain_per_kwh"].notna()]
    figure = canvas(
        log_axis("Training FLOPs C", rows["flops"], power_of_ten, 0.02), log_axis("", rows["gain_per_kwh"], plain)
    )
    law(
        figure, list(rows["flops"]), list(rows["gain_per_kwh"]), (float(rows["flops"].min()), found.end),
        group=GAIN.label, hover="%{y:.3g} nats per kWh at %{x:.2e} FLOPs<extra></extra>",
    )
    return figure


def _path(figure: Any, found: Returns, name: str, text: str) -> None:
    rows = found.rows
    band(figure, list(rows["flops"]), _cells(rows, f"{name}_low"), _cells(rows, f"{name}_high"), group=GAIN.label)
    end_of_data(figure, found.end)
    law(
        figure, list(rows["flops"]), list(rows[name]), (float(rows["flops"].min()), found.end),
        group=GAIN.label, hover=f"{text} at %{{x:.2e}} FLOPs<extra></extra>",
    )


def panel(material: Material) -> Panel:
    """Return diminishing returns, or why they are unknown."""
    found = data(material)
    if found is None:
        reason = material.missing("returns", "frontier", "L(N,D)", otherwise="They follow from L(N, D), which was not fitted.")
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
            "factor of compute; the gain says what that is worth in nats. Dashed beyond the data." + kwh
        ),
        plots=tuple(plots),
        legend=(GAIN, NOISE) if found.noise_nats else (GAIN,),
        table=_table(found),
    )


def _claim(found: Returns) -> str:
    inside = found.rows[found.rows["flops"] <= found.end * (1 + 1e-9)]
    row = (inside if len(inside) else found.rows).iloc[-1 if len(inside) else 0]
    low, high = (None if v is None or v != v else float(v) for v in (row["gain_low"], row["gain_high"]))
    head = f"At {format_flops(row['flops'])}, doubling compute buys {format_interval(row['gain'], low, high, 2)} nats"
    if found.noise_nats is None:
        return head
    if found.stop is None:
        return f"{head}, more than the seed noise of {found.noise_nats:.2g} nats over the whole range"
    return f"{head}; from {format_flops(found.stop, 2)} on it buys less than the seed noise of {found.noise_nats:.2g} nats"


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
        Column("factor_next_percent", "Compute factor for 1 % less loss", "number"),
        Column("factor_next_001_nat", "Compute factor for 0.01 nat less", "number"),
        Column("gain_per_kwh", "Gain per kWh (nats)", "number"),
    )
    return Table.of("returns", "Returns along the compute-optimal path", columns, found.rows)
