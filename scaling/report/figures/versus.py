"""Several studies side by side: their best loss against compute, their exponents, and the gap of every two."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.answers import Comparison, Law, Side
from scaling.answers.compare import Pair
from scaling.laws.bootstrap import interval
from scaling.laws.frontier import MAX_EXTRAPOLATION, Surface, best_split
from scaling.report.axes import energy_axis, linear_axis, log_axis, plain, power_of_ten
from scaling.report.draw import Figure, band, canvas, end_of_data, law, level, line, marks, words
from scaling.report.intervals import cells, flat, show
from scaling.report.look import SYMBOLS, Style
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.report.text import visible
from scaling.units import format_energy, format_flops

PATHS, EXPONENTS, ENERGY, APART = "fig-paths", "fig-exponents", "fig-energy-paths", "fig-apart"
APART_TITLE = "Studies that do not compare"
SEE_APART = f"Exponents of other data, objectives or counts do not compare: the table “{APART_TITLE}” says which."
_COLOURS = ("blue", "vermillion", "green", "purple", "orange")
_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "a": "a"}
_SURFACE = "L(N,D)"
_POINTS = 49
_BEWARE = " Studies whose losses do not compare stand in drawings of their own."


def styles(sides: Sequence[Side]) -> dict[str, Style]:
    """Return one colour and marker for each study, fixed over all figures of the page."""
    return {
        side.name: Style(visible(side.name), f"var(--c-{_COLOURS[i % len(_COLOURS)]})", SYMBOLS[i % len(SYMBOLS)])
        for i, side in enumerate(sides)
    }


@dataclass(frozen=True, slots=True)
class Path:
    """Best loss of one study along compute: rows of flops, loss, loss_low, loss_high; the largest fitted compute."""

    law: Law
    rows: pd.DataFrame


def paths(sides: Iterable[Side]) -> dict[str, Path]:
    """Return the compute-optimal path of every study that has L(N,D), to a hundred times its largest compute."""
    return {side.name: _path(side.law) for side in sides if side.law is not None}


def _path(found: Law) -> Path:
    ends = (found.smallest, MAX_EXTRAPOLATION * found.largest)
    budgets = np.unique([*np.geomspace(*ends, _POINTS), found.largest])
    loss = best_split(Surface.of(found.fit), budgets, found.flops).loss
    rows = [
        {"flops": float(c), **flat("loss", interval(float(loss[0, i]), loss[1:, i]))}
        for i, c in enumerate(budgets)
        if math.isfinite(loss[0, i])
    ]
    return Path(found, pd.DataFrame(rows, columns=["flops", "loss", "loss_low", "loss_high"]))


def draw_paths(found: dict[str, Path], look: dict[str, Style]) -> Figure:
    """Draw every path with its band, solid inside its own data, dashed beyond."""
    every = pd.concat([path.rows for path in found.values()])
    reach = [v for name in ("loss", "loss_low", "loss_high") for v in cells(every, name) if v is not None and v > 0]
    figure = canvas(log_axis("Training FLOPs C", every["flops"], power_of_ten, 0.02), log_axis("", reach, plain))
    for name, path in found.items():
        style, rows = look[name], path.rows
        band(figure, rows["flops"], cells(rows, "loss_low"), cells(rows, "loss_high"), style.colour, style.label)
        hover = f"{words([name]).replace('%', '&#37;')}<br>loss %{{y:.4g}} at %{{x:.2e}} FLOPs<extra></extra>"
        inside = (path.law.smallest, path.law.largest)
        law(figure, rows["flops"], rows["loss"], inside, style.colour, group=style.label, hover=hover)
        last = rows[rows["flops"] <= path.law.largest * (1 + 1e-9)].iloc[-1]
        marks(figure, [last["flops"]], [last["loss"]], style, [words([name, "largest fitted compute"])], size=9)
    return figure


def comparable(comparison: Comparison) -> list[list[str]]:
    """Return the studies in groups whose losses compare, in order; one that compares with none stands alone."""
    groups: list[list[str]] = [[side.name] for side in comparison.sides]
    for pair in comparison.pairs:
        if pair.gap is None:
            continue
        one, other = (next(g for g in groups if name in g) for name in (pair.left, pair.right))
        if one is not other:
            one.extend(other)
            groups.remove(other)
    return groups


def paths_panel(comparison: Comparison, look: dict[str, Style]) -> Panel:
    """Return best loss against compute of all studies."""
    found = {name: path for name, path in paths(comparison.sides).items() if len(path.rows)}
    if not found:
        return absent(PATHS, "Nothing says which is ahead", "no study has an L(N, D) with a best split")
    rows = [
        {"study": name, **{str(k): v for k, v in row.items()}}
        for name, path in found.items()
        for row in path.rows.to_dict("records")
    ]
    columns = (
        Column("study", "Study"),
        Column("flops", "Compute", "flops"),
        Column("loss", "Loss (nats)", "loss"),
        Column("loss_low", "2.5 %", "loss"),
        Column("loss_high", "97.5 %", "loss"),
    )
    apart = [
        {name: path for name, path in found.items() if name in names}
        for names in comparable(comparison)
        if any(name in found for name in names)
    ]
    return Panel(
        anchor=PATHS,
        claim="What the best split reaches against compute, by study",
        caption=(
            "Each line is one study’s own law, with the interval of the law; its mark is the largest compute it was "
            f"fitted to, and beyond it the line is dashed.{_BEWARE if len(apart) > 1 else ''}"
        ),
        plots=tuple(
            Plot(
                _ranked("paths", rank),
                _heading([side for side in comparison.sides if side.name in part], len(apart) > 1),
                draw_paths(part, look),
                460,
            )
            for rank, part in enumerate(apart)
        ),
        legend=tuple(look[name] for name in found),
        table=Table.of("paths", "Best loss by study and compute", columns, rows),
    )


def energy_panel(comparison: Comparison, look: dict[str, Style]) -> Panel:
    """Return the lowest loss for each measured energy of all studies, or why there is none."""
    known = [side for side in comparison.sides if side.spent]
    without = "; ".join(f"{side.name}: {side.spent_missing}" for side in comparison.sides if not side.spent)
    if not known:
        reasons = {side.spent_missing for side in comparison.sides}
        return absent(
            ENERGY, "Loss against measured energy is not known", reasons.pop() if len(reasons) == 1 else without
        )
    rows = [
        {"study": side.name, "trial": p.label, "energy": p.energy_j, "loss": p.loss_nats}
        for side in known
        for p in side.spent
        if p.frontier
    ]
    columns = (
        Column("study", "Study"),
        Column("trial", "Trial"),
        Column("energy", "GPU energy (J)", "number"),
        Column("loss", "Loss (nats)", "loss"),
    )
    missing = f" Not measured: {without}." if without else ""
    apart = [[side for side in known if side.name in names] for names in comparable(comparison)]
    apart = [sides for sides in apart if sides]
    return Panel(
        anchor=ENERGY,
        claim="Lowest loss that each study reached for as much GPU energy",
        caption="Points that no other of their study beats, by measured joules of training alone."
        f"{_BEWARE if len(apart) > 1 else ''}{missing}",
        plots=tuple(
            Plot(_ranked("energy-paths", rank), _heading(sides, len(apart) > 1), draw_energy(sides, look), 380)
            for rank, sides in enumerate(apart)
        ),
        legend=tuple(look[side.name] for side in known),
        table=Table.of("energy-paths", "Lowest loss by energy and study", columns, rows),
    )


def draw_energy(sides: Sequence[Side], look: dict[str, Style]) -> Figure:
    """Draw the frontier of loss against measured energy of every study: steps down, a mark at each."""
    best = {side.name: [p for p in side.spent if p.frontier] for side in sides}
    every = [p for points in best.values() for p in points]
    figure = canvas(
        energy_axis("GPU energy", [p.energy_j for p in every]), log_axis("", [p.loss_nats for p in every], plain)
    )
    for name, points in best.items():
        x, y = [p.energy_j for p in points], [p.loss_nats for p in points]
        line(figure, x, y, look[name].colour, width=1.5, group=look[name].label, shape="hv")
        hover = [words([name, p.label, f"{format_energy(p.energy_j)}, loss {p.loss_nats:.4g}"]) for p in points]
        marks(figure, x, y, look[name], hover, size=7)
    return figure


def _ranked(name: str, rank: int) -> str:
    """Return the name of one of several drawings of a figure."""
    return name if rank == 0 else f"{name}-{rank + 1}"


def _heading(sides: Sequence[Side], apart: bool) -> str:
    """Return what the axis of a drawing shows, with its studies where others stand in drawings of their own."""
    return _measured(sides) + (f": {visible(', '.join(side.name for side in sides))}" if apart else "")


def _measured(sides: Sequence[Side]) -> str:
    """Return what an axis of these studies shows: "Loss, nats per token"."""
    quantities = {side.quantity for side in sides}
    return f"{(quantities.pop() if len(quantities) == 1 else 'loss').capitalize()}, {_unit(sides)}"


def _unit(sides: Iterable[Side]) -> str:
    """Return the unit that the losses of all studies share, or that they share none."""
    units = {side.unit for side in sides}
    return units.pop() if len(units) == 1 else "each in the unit of its own objective"


def exponents(comparison: Comparison) -> pd.DataFrame:
    """Return one row per study, law and exponent, with interval; ``a`` is beta / (alpha + beta)."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for pair in comparison.pairs:
        for row in pair.differences:
            for name, value in ((pair.left, row.left), (pair.right, row.right)):
                key = (row.law, row.parameter, name)
                rows[key] = {"law": row.law, "exponent": row.parameter, "study": name, **flat("value", value)}
    return pd.DataFrame(list(rows.values()), columns=["law", "exponent", "study", "value", "value_low", "value_high"])


def draw_exponents(frame: pd.DataFrame, look: dict[str, Style], exponent: str) -> Figure:
    """Draw one exponent of L(N,D): a mark and its interval for each study, one below the other."""
    part = frame[(frame["law"] == _SURFACE) & (frame["exponent"] == exponent)].reset_index(drop=True)
    places = list(range(len(part)))[::-1]
    figure = canvas(
        linear_axis(title={"text": _GREEK[exponent]}, range=_room(part)),
        linear_axis(range=[-0.7, len(part) - 0.3], showticklabels=False, showgrid=False, ticks=""),
    )
    for place, row in zip(places, part.to_dict("records"), strict=True):
        style = look[row["study"]]
        if not pd.isna(row["value_low"]):
            law(figure, [row["value_low"], row["value_high"]], [place, place], (-math.inf, math.inf), style.colour)
        told = [row["study"], f"{_GREEK[exponent]} = {_interval(row)}"]
        marks(figure, [row["value"]], [place], style, [words(told)], size=11)
    return figure


def _room(part: pd.DataFrame) -> list[float]:
    """Return an axis with a little room on both sides of every interval."""
    ends = [v for name in ("value", "value_low", "value_high") for v in cells(part, name) if v is not None]
    pad = 0.06 * (max(ends) - min(ends) or 1.0)
    return [min(ends) - pad, max(ends) + pad]


def _interval(row: dict[Any, Any]) -> str:
    from scaling.laws import Interval

    low, high = (None if pd.isna(row[k]) else float(row[k]) for k in ("value_low", "value_high"))
    return show(Interval(value=float(row["value"]), low=low, high=high))


def exponents_panel(comparison: Comparison, look: dict[str, Style]) -> Panel:
    """Return the exponents of L(N,D) of all studies."""
    frame = exponents(comparison)
    known = [e for e in ("alpha", "beta", "a") if ((frame["law"] == _SURFACE) & (frame["exponent"] == e)).any()]
    if not known:
        told = [pair.why_no_differences for pair in comparison.pairs if pair.why_no_differences]
        why = SEE_APART if len(told) > 1 else told[0] if told else "no two studies have an L(N, D)"
        return absent(EXPONENTS, "No two exponents may be set side by side", why)
    columns = (
        Column("law", "Law"),
        Column("exponent", "Exponent"),
        Column("study", "Study"),
        Column("value", "Value", "number"),
        Column("value_low", "2.5 %", "number"),
        Column("value_high", "97.5 %", "number"),
    )
    return Panel(
        anchor=EXPONENTS,
        claim=_exponent_claim(comparison),
        caption=(
            "α of size, β of data in L(N, D), and a of N* ∝ C^a under C = 6ND, each with its 95 % interval from "
            "resampled trials. Overlapping intervals do not show equality: the table of differences decides."
        ),
        plots=tuple(
            Plot(f"exponents-{e}", _GREEK[e], draw_exponents(frame, look, e), 90 + 42 * len(comparison.sides))
            for e in known
        ),
        legend=tuple(style for name, style in look.items() if (frame["study"] == name).any()),
        table=Table.of("exponents", "Exponents by study", columns, frame),
    )


def _exponent_claim(comparison: Comparison) -> str:
    rows = [(p, d) for p in comparison.pairs for d in p.differences if d.law == _SURFACE]
    differing = sorted({_GREEK[d.parameter] for _, d in rows if d.differ})
    if not differing:
        return "No exponent of L(N, D) is seen to differ between studies"
    apart = list(dict.fromkeys(f"{p.left} and {p.right}" for p, d in rows if d.differ))
    alike = list(dict.fromkeys(f"{p.left} and {p.right}" for p, _ in rows))
    rest = [pair for pair in alike if pair not in apart]
    tail = f"; {', '.join(rest)}: no difference seen" if rest else ""
    return f"{', '.join(apart)} differ in {', '.join(differing)}{tail}"


def gap_anchor(rank: int) -> str:
    """Return the anchor of the figure of one pair."""
    return f"fig-gap-{rank + 1}"


def gap_panel(pair: Pair, rank: int, look: dict[str, Style]) -> Panel:
    """Return how much the one is ahead of the other at equal compute, or why that cannot be said."""
    anchor = gap_anchor(rank)
    if pair.gap is None:
        return absent(anchor, f"{pair.left} and {pair.right}: which is ahead is not known", pair.verdict)
    gap = pair.gap
    rows = [
        {"flops": c, "gap": v, "gap_low": low, "gap_high": high}
        for c, v, low, high in zip(gap.flops, gap.value, gap.low, gap.high, strict=True)
    ]
    columns = (
        Column("flops", "Compute", "flops"),
        Column("gap", "Left less right (nats)", "number"),
        Column("gap_low", "Band, low", "number"),
        Column("gap_high", "Band, high", "number"),
    )
    return Panel(
        anchor=anchor,
        claim=f"{pair.left} against {pair.right}: {pair.verdict}",
        caption=(
            f"Loss of {pair.left} less loss of {pair.right} at equal compute, best split each; below zero "
            f"{pair.left} is ahead. The band holds at all budgets together with 95 %. The mark is the compute to which "
            "both have points. The line takes the colour of the study that is ahead, grey where none is. Compute: "
            f"{pair.flops_convention}."
        ),
        plots=(Plot(anchor.removeprefix("fig-"), f"Difference of loss, {pair.unit}", draw_gap(pair, look), 360),),
        legend=(look[pair.left], look[pair.right]),
        table=Table.of(anchor.removeprefix("fig-"), f"{pair.left} less {pair.right}", columns, rows),
    )


def apart_words(apart: Sequence[Pair], pairs: int) -> str:
    """Say how many pairs do not compare."""
    whole = len(apart) == pairs
    many = "No two studies compare" if whole else f"{len(apart)} of {pairs} pairs of studies do not compare"
    return f"{many}: their losses are of other data, of another objective or in another unit."


def apart_panel(apart: Sequence[Pair], pairs: int) -> Panel:
    """Return what stands for the figures of pairs that do not compare."""
    names = "; ".join(f"{pair.left} and {pair.right}" for pair in apart)
    which = "" if len(apart) == pairs else f" These are {names}."
    why = f"{apart_words(apart, pairs)}{which} The table has the reasons."
    return absent(APART, APART_TITLE, why)


def draw_gap(pair: Pair, look: dict[str, Style]) -> Figure:
    """Draw the gap with its band, in the colour of whoever is ahead, grey where none is."""
    assert pair.gap is not None
    assert pair.fitted_to is not None
    gap = pair.gap
    figure = canvas(log_axis("Training FLOPs C", gap.flops, power_of_ten, 0.02), linear_axis())
    ends = [(low, high) if math.isfinite(low) else (None, None) for low, high in zip(gap.low, gap.high, strict=True)]
    band(figure, gap.flops, [low for low, _ in ends], [high for _, high in ends])
    level(figure, 0)
    end_of_data(figure, pair.fitted_to)
    for span in pair.spans:
        part = [(c, v) for c, v in zip(gap.flops, gap.value, strict=True) if span.from_flops <= c <= span.to_flops]
        colour = "var(--ink-2)" if span.ahead is None else look[span.ahead].colour
        who = words([f"{span.ahead or 'none'} ahead"]).replace("%", "&#37;")
        hover = f"{who}<br>difference %{{y:.4f}} nats at %{{x:.2e}} FLOPs<extra></extra>"
        inside = (0.0, pair.fitted_to)
        law(figure, [c for c, _ in part], [v for _, v in part], inside, colour, width=2.5, hover=hover)
    return figure


def span_rows(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Return who is ahead from what compute on, a row each."""
    return [
        {
            "pair": f"{pair.left} and {pair.right}",
            "from": span.from_flops,
            "to": span.to_flops,
            "ahead": span.ahead or "none",
            "support": "inside both" if span.to_flops <= (pair.fitted_to or 0) else f"beyond {_reach(pair)}",
        }
        for pair in pairs
        for span in pair.spans
    ]


def _reach(pair: Pair) -> str:
    return "the data" if pair.fitted_to is None else f"{format_flops(pair.fitted_to)} extrapolated"
