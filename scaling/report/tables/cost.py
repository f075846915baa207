"""What the sweep cost by what became of its trials: time, FLOPs, joules, money and carbon, each known or missing."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scaling.report.figures.energy import is_measured
from scaling.report.material import Material
from scaling.report.panel import Column, Table

ENDS: Mapping[str, tuple[str, ...]] = {
    "results: finished trials": ("done",),
    "diverged: a result without a point": ("diverged",),
    "lost: failed or interrupted": ("failed", "interrupted"),
}
_COLUMNS = (
    Column("what", "Spent on"),
    Column("trials", "Trials", "whole"),
    Column("wall_s", "Slot time", "seconds"),
    Column("share", "Share of it", "percent"),
    Column("flops", "Training FLOPs", "flops"),
    Column("gpu_j", "GPU energy, measured", "energy"),
    Column("modelled_j", "Energy, modelled", "energy"),
    Column("note", "Note"),
)


def cost(material: Material) -> Table:
    """Return one row per outcome; time and joules are those of the attempt that ended each trial."""
    frame = material.trials
    if "wall_s" not in frame or frame["wall_s"].isna().all():
        return Table.of("cost", "What the sweep cost", _COLUMNS, [], empty="No trial has ended: nothing is known.")
    flops = material.points.groupby("trial")["flops_train"].max() if len(material.points) else pd.Series(dtype=float)
    total = float(frame["wall_s"].sum())
    rows = [
        _row(what, frame[frame["state"].isin(states)], flops, total)
        for what, states in ENDS.items()
        if frame["state"].isin(states).any()
    ]
    return Table.of("cost", "What the sweep cost, by what came of it", _COLUMNS, rows)


def _row(what: str, part: pd.DataFrame, flops: "pd.Series[float]", total: float) -> dict[str, Any]:
    wall = float(part["wall_s"].sum())
    spent = flops.reindex(part["trial"]).dropna()
    untold = int(part["wall_s"].isna().sum())
    return {
        "what": what,
        "trials": len(part),
        "wall_s": wall,
        "share": wall / total if total else None,
        "flops": float(spent.sum()) if len(spent) else None,
        "gpu_j": _joules(part, ("gpu",), measured=True),
        "modelled_j": _joules(part, ("gpu", "cpu", "ram"), measured=False),
        "note": f"{untold} of them recorded no time" if untold else None,
    }


def _joules(part: pd.DataFrame, components: tuple[str, ...], *, measured: bool) -> float | None:
    """Add up joules of one kind; ``None`` where no trial has any."""
    found: list[float] = []
    for name in components:
        value, how = f"energy_{name}_j", f"energy_{name}_provenance"
        if value in part and how in part:
            kept = part[part[value].notna() & (part[how].map(is_measured) == measured)]
            found += [float(v) for v in kept[value]]
    return sum(found) if found else None
