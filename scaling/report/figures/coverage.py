"""Which sizes and horizons were trained: is the sweep fit to answer at all, and what to run next."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scaling.report.axes import log_axis, power_of_ten, span
from scaling.report.draw import FAINT, Figure, Hover, canvas, line, marks, note, words
from scaling.report.figures.system import room_bytes
from scaling.report.look import STATES, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.units import format_bytes, format_flops, format_si

ANCHOR = "fig-coverage"
EXCLUDED = Style("left out of the fit", "var(--ink-2)", "circle-open")
TOO_LARGE = Style("predicted memory above the device’s", "var(--c-vermillion)", "", "dot")
DODGE = 0.016  # seeds of one size stand side by side, this share of the axis apart
_COLUMNS = (
    Column("label", "Trial"),
    Column("params_total", "Parameters", "count"),
    Column("tokens", "Tokens", "count"),
    Column("flops_6nd", "6ND", "flops"),
    Column("tokens_per_param", "Tokens per parameter", "number"),
    Column("state", "State"),
    Column("excluded", "Left out because"),
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Cells of the sweep and the guide lines across them.

    Attributes:
        cells: one row per trial and horizon: label, params_total, tokens, state, excluded (a reason or ``None``).
        budgets: round numbers of 6ND FLOPs whose lines cross the cells.
        memory: predicted training memory of the largest size, bytes; ``None`` where nothing predicts it.
        room: memory of the device, bytes; ``None`` where it is not known.
        limit: parameters from which predicted memory passes ``room``; ``None`` where no size of the sweep does.
    """

    cells: pd.DataFrame
    budgets: tuple[float, ...]
    memory: float | None
    room: float | None
    limit: float | None

    @property
    def decades(self) -> dict[str, float]:
        """Decades spanned by the finished cells in parameters, tokens and 6ND FLOPs."""
        done = self.cells[self.cells["state"] == "done"]
        return {k: _decades(done[k]) for k in ("params_total", "tokens", "flops_6nd")}


def data(material: Material) -> Coverage:
    """Return every planned cell with what became of it."""
    dropped = {(d.trial, d.tokens): d.reason for fit in _surface_fit(material) for d in fit.dropped}
    points = material.points
    finished = set(zip(points["trial"], points["tokens"], strict=True)) if len(points) else set()
    rows = [
        _cell(trial, tokens, (trial["trial"], tokens) in finished, dropped.get((trial["trial"], tokens)))
        for trial in material.trials.to_dict("records")
        if trial["state"] != "orphaned"
        for tokens in _horizons(trial)
    ]
    names = [c.key for c in _COLUMNS]
    cells = pd.DataFrame(rows, columns=["trial", "seed", *names])
    needed = material.trials.reindex(columns=["params_total", "memory_predicted_bytes"]).astype(float).dropna()
    sizes = needed.groupby("params_total")["memory_predicted_bytes"].max()
    room = room_bytes(material)
    return Coverage(
        cells,
        round_budgets(cells["flops_6nd"]),
        float(sizes.max()) if len(sizes) else None,
        room,
        None if room is None else _limit(sizes, room),
    )


def _limit(sizes: "pd.Series[float]", room: float) -> float | None:
    """Return the size at which memory passes the room: in logs, between the last size that fits and the next."""
    over, under = sizes[sizes > room], sizes[sizes <= room]
    if over.empty:
        return None
    if under.empty:
        return float(over.index[0])
    (n0, m0), (n1, m1) = (float(under.index[-1]), float(under.iloc[-1])), (float(over.index[0]), float(over.iloc[0]))
    return float(n0 * (n1 / n0) ** (math.log(room / m0) / math.log(m1 / m0)))


def _surface_fit(material: Material) -> list[Any]:
    fit = material.analysis.fits.get("L(N,D)")
    return [] if fit is None else [fit]


def _horizons(trial: dict[Any, Any]) -> list[float]:
    return [float(h) for h in str(trial["horizons"]).split()]


def _cell(trial: dict[Any, Any], tokens: float, finished: bool, excluded: str | None) -> dict[str, Any]:
    n = float(trial["params_total"])
    reached = finished and trial["state"] != "diverged"
    return {
        "trial": trial["trial"],
        "label": trial["label"],
        "seed": trial["seed"],
        "params_total": n,
        "tokens": tokens,
        "flops_6nd": 6 * n * tokens,
        "tokens_per_param": tokens / n,
        "state": "done" if reached else "pending" if trial["state"] == "done" else trial["state"],
        "excluded": excluded,
    }


def _decades(values: pd.Series) -> float:
    return math.log10(values.max() / values.min()) if len(values) else 0.0


def round_budgets(flops: "pd.Series[float]") -> tuple[float, ...]:
    """Return the powers of ten among some FLOPs."""
    if flops.empty:
        return ()
    low, high = math.log10(flops.min()), math.log10(flops.max())
    return tuple(10.0**k for k in range(math.ceil(low - 0.2), math.floor(high + 0.2) + 1))


def draw(found: Coverage) -> Figure:
    """Draw cells on log N by log D with lines of equal compute and of 20 tokens per parameter."""
    cells = found.cells
    figure = canvas(log_axis("Parameters N", cells["params_total"], pad=0.1), log_axis("", cells["tokens"], pad=0.14))
    wide, tall = span(cells["params_total"], 0.1), span(cells["tokens"], 0.14)
    for budget in found.budgets:
        equal_compute(figure, budget, wide, tall)
    if found.limit is not None:
        edge = {"width": 1.5, "color": TOO_LARGE.colour, "dash": TOO_LARGE.dash}
        figure.add_vrect(x0=found.limit, x1=wide[1], fillcolor=TOO_LARGE.colour, opacity=0.08, line_width=0)
        figure.add_vline(x=found.limit, line=edge)
    line(figure, wide, [20 * n for n in wide], "var(--c-orange)", width=1.5)
    _label_ratio(figure, wide, tall)
    places = _dodged(cells)
    for state, style in STATES.items():
        part = cells[cells["state"] == state]
        if len(part):
            across = [places[i] for i in part.index]
            marks(figure, across, part["tokens"], style, Hover(part, _hover), size=9, of=len(cells))
    out = cells[cells["excluded"].notna()]
    if len(out):
        marks(figure, [places[i] for i in out.index], out["tokens"], EXCLUDED, size=15, of=len(cells))
    return figure


def _dodged(cells: pd.DataFrame) -> list[float]:
    """Return where each cell is drawn along N: seeds of one size side by side, centred on their size."""
    low, high = span(cells["params_total"], 0.1)
    seeds = pd.to_numeric(cells["seed"]).fillna(-1)  # a table of runs may tell no seed: one place for them all
    rank = seeds.groupby(cells["params_total"]).rank("dense") - 1
    middle = rank.groupby(cells["params_total"]).transform("max") / 2
    return [n * (high / low) ** (DODGE * s) for n, s in zip(cells["params_total"], rank - middle, strict=True)]


def equal_compute(
    figure: Figure, budget: float, wide: tuple[float, float], tall: tuple[float, float], colour: str = FAINT
) -> None:
    """Draw and label the line of one 6ND budget across log N by log D."""
    line(figure, wide, [budget / 6 / n for n in wide], colour, width=1, opacity=0.55)
    at_right = budget / 6 / wide[1]
    if tall[0] < at_right < tall[1]:
        note(figure, wide[1], at_right, f"{power_of_ten(budget)} FLOPs", "bottom left", size=10)
    elif wide[0] < budget / 6 / tall[0] < wide[1]:
        bottom = tall[0] * 1.02  # text exactly on the edge is not drawn
        note(figure, budget / 6 / bottom, bottom, f"{power_of_ten(budget)} FLOPs", "top left", size=10)


def _label_ratio(figure: Figure, wide: tuple[float, float], tall: tuple[float, float]) -> None:
    n = min(wide[1], tall[1] / 20)
    if wide[0] < n and tall[0] < 20 * n:
        note(figure, n * 0.9, 20 * n * 0.9, "20 tokens per parameter ", "middle left", "var(--c-orange-text)")


def _hover(row: dict[Any, Any]) -> str:
    lines = [
        str(row["label"]),
        f"{format_si(row['params_total'])} parameters × {format_si(row['tokens'])} tokens",
        f"{row['tokens_per_param']:.3g} tokens per parameter, {format_flops(row['flops_6nd'])} (6ND)",
        STATES[row["state"]].label,
    ]
    return words(lines + ([f"left out: {row['excluded']}"] if row["excluded"] else []))


def panel(material: Material) -> Panel:
    """Return the coverage figure with its claim."""
    found = data(material)
    if found.cells.empty:
        return absent(ANCHOR, "No trial is planned", "The store lists no trials, so there is nothing to cover.")
    styles = [STATES[s] for s in STATES if (found.cells["state"] == s).any()]
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            "Each mark is one planned measurement: a size trained to a horizon. Grey lines join cells of equal "
            "compute (6ND); the orange line is 20 tokens per parameter. Seeds of one size stand side by side. A ring "
            f"marks points that were measured but left out of the fit. {_memory(found)}"
        ),
        plots=(Plot("coverage", "Tokens D", draw(found), 460),),
        legend=legend(
            [
                *styles,
                *([EXCLUDED] if found.cells["excluded"].notna().any() else []),
                *([TOO_LARGE] if found.limit else []),
            ]
        ),
        table=Table.of("coverage", "Every planned measurement", _COLUMNS, found.cells),
    )


def _memory(found: Coverage) -> str:
    if found.memory is None:
        return "Memory: nothing here predicts it."
    if found.room is None:
        return (
            f"Memory: the largest size needs {format_bytes(found.memory)} by prediction; what there was is not known."
        )
    if found.limit is None:
        return (
            f"Memory limits nothing here: the largest size needs {format_bytes(found.memory)} by prediction, "
            f"of {format_bytes(found.room)}."
        )
    return f"Shaded: from {format_si(found.limit)} parameters on, predicted memory passes {format_bytes(found.room)}."


def _claim(found: Coverage) -> str:
    done = int((found.cells["state"] == "done").sum())
    total = len(found.cells)
    if not done:
        return f"None of the {total} planned measurements is done yet"
    wide = found.decades
    share = f"All {total}" if done == total else f"{done} of {total}"
    return (
        f"{share} planned measurements are done; they span {wide['params_total']:.1f} decades of parameters, "
        f"{wide['tokens']:.1f} of tokens and {wide['flops_6nd']:.1f} of compute"
    )
