"""Joules and FLOP/s of the user's own sweep, size by size, carried to a larger run.

Small models keep a device waiting, so joules per FLOP fall with size until the device is busy. Sizes that still lie
below that plateau say nothing about a large run: they are shown, named, and left out. The nearest size below the
target speaks; the interval is the scatter among the plateau's sizes, widened with the distance to the target.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from scaling.cost.factors import Factor, Range
from scaling.errors import NotEnoughData
from scaling.store.measured import PLATEAU, SizeEfficiency, efficiency_by_size

_PER_E_FOLD = 0.03  # relative drift of efficiency per factor e in size, one side of the 80 % interval
_LEAST_SPREAD = 0.05  # relative; a single size has no scatter to show
_RISING = 0.25  # further one-sided width where the plateau is not in sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What a sweep says of larger runs on its own device.

    Attributes:
        name: the sweep's.
        device: as the driver names it; ``None`` where the store does not tell.
        sizes: every size, smallest first.
        j_per_flop, flops_per_s: factors for a run of ``params``; ``None`` when not measured.
        plateau: whether the two largest sizes agree; if not, every figure comes from sub-saturated runs.
        warnings: what was left out, and how far the answer reaches.
    """

    name: str
    device: str | None
    sizes: tuple[SizeEfficiency, ...]
    j_per_flop: Factor | None
    flops_per_s: Factor | None
    plateau: bool
    warnings: tuple[str, ...]


def calibrated(name: str, points: pd.DataFrame, trials: pd.DataFrame, params: float) -> Calibrated:
    """Calibrate on a store.

    Args:
        name: the store's.
        points: its points (columns of ``scaling.store.columns.POINTS``).
        trials: its trials.
        params: size of the run to estimate.

    Raises:
        NotEnoughData: the store has neither measured energy nor throughput.
    """
    rows = efficiency_by_size(points)
    if not rows:
        raise NotEnoughData(
            "estimate.uncalibrated",
            f"{name} has no measured GPU energy and no training time",
            why="an estimate from a sweep needs joules or seconds of its runs",
            hint="run a sweep on a GPU with an energy counter, or name the hardware: --gpu NAME",
        )
    kept = [row for row in rows if row.saturated]
    plateau = _plateau(rows)
    energy = _factor("board energy per FLOP", "J/FLOP", kept, "j_per_flop", params, plateau, name)
    speed = _factor("device speed", "FLOP/s", kept, "flops_per_s", params, plateau, name)
    devices = sorted({str(d) for d in trials.get("device", pd.Series(dtype=str)).dropna()})
    return Calibrated(
        name=name,
        device=devices[0] if len(devices) == 1 else None,
        sizes=rows,
        j_per_flop=energy,
        flops_per_s=speed,
        plateau=plateau,
        warnings=tuple(_warnings(rows, kept, plateau, params)),
    )


def _plateau(rows: Sequence[SizeEfficiency]) -> bool:
    """Whether the largest size and another one lie on the plateau."""
    return len(rows) > 1 and rows[-1].saturated and sum(row.saturated for row in rows) > 1


def _factor(
    name: str, unit: str, rows: Sequence[SizeEfficiency], column: str, params: float, plateau: bool, store: str
) -> Factor | None:
    known = [(row.params, value) for row in rows if (value := getattr(row, column)) is not None]
    if not known:
        return None
    size, mid = min(known, key=lambda pair: abs(math.log(pair[0] / params)))
    values = [value for _, value in known]
    scatter = max(math.log(max(values) / min(values)), _LEAST_SPREAD)
    away = _PER_E_FOLD * abs(math.log(params / size))
    sides = [math.hypot(scatter, away)] * 2
    if not plateau:
        sides[column == "flops_per_s"] += _RISING  # larger sizes cost fewer joules and run faster
    return Factor(
        name=name,
        unit=unit,
        range=Range(low=mid * math.exp(-sides[0]), mid=mid, high=mid * math.exp(sides[1])),
        provenance="measured",
        source=f"{store}: {len(known)} size(s) on the plateau, the nearest of {size:.3g} parameters; "
        f"{params / size:.3g}x its size",
    )


def _warnings(
    rows: Sequence[SizeEfficiency], kept: Sequence[SizeEfficiency], plateau: bool, params: float
) -> list[str]:
    low = [f"{row.params:.3g}" for row in rows if not row.saturated]
    found = []
    if low:
        found.append(
            f"sub-saturated, left out: {', '.join(low)} parameters reach below {PLATEAU:.0%} of the sweep's best "
            f"FLOPs per {'joule' if rows[0].j_per_flop is not None else 'second'}"
        )
    if not plateau:
        found.append("no plateau is in sight: extrapolated from sub-saturated runs, larger ones may do better")
    if params > 10 * kept[-1].params:
        found.append(f"{params / kept[-1].params:.3g}x the largest size that was measured")
    if rows[0].j_per_flop is None:
        found.append("no energy was measured in that sweep: its speed is used, power is a rule of thumb")
    return found
