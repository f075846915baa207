"""Trials one by one: loss, learning rate and speed as training went, and the power of the GPU with what it idles at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.laws.selection import LOSS, quantity_of
from scaling.report.axes import linear_axis, log_axis, plain
from scaling.report.draw import MUTED, Figure, canvas, level, line
from scaling.report.figures.curves import thin
from scaling.report.groups import evenly
from scaling.report.look import Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Choice, Column, Panel, Plot, Table, absent
from scaling.report.runs import MAX_RUNS, OneRun
from scaling.report.speeds import spreads, with_speed
from scaling.report.text import visible
from scaling.units import format_duration, format_si

ANCHOR, POWER = "fig-runs", "fig-power"
MAX_POINTS = 300  # of each line
MAX_SAMPLES = 600
_ROWS = (
    ("loss_nats", "Training loss{unit}", (0.58, 1.0)),
    ("lr", "Learning rate of hidden matrices", (0.33, 0.51)),
    ("tokens_per_s", "Tokens per second between logged steps", (0.0, 0.26)),
)
TRAIN = Style("training", "var(--c-blue)", "", "solid")
OTHER = Style("a step replayed to meter it", "var(--c-green)", "", "solid")
THROTTLED = Style("clocks lowered meanwhile", "var(--c-vermillion)", "", "solid")
IDLE = Style("idle, before the trial", MUTED, "", "dash")
_HOVER = "%{y:.4~g} after %{x:.3~g} s<extra></extra>"
_KINDS = {"train": TRAIN, "replay": OTHER}


@dataclass(frozen=True, slots=True)
class Course:
    """How one trial went.

    Attributes:
        run: the trial.
        rows: seconds, step, tokens, loss_nats, lr (missing where the recipe tells no rate), tokens_per_s (since the
            row before), at most ``MAX_POINTS``.
        marks: seconds of training at which a point was annealed.
        spread: the slowest and the fastest tenth of its speeds; ``None`` with too few logged steps.
    """

    run: OneRun
    rows: pd.DataFrame
    marks: tuple[float, ...]
    spread: tuple[float, float] | None


def courses(material: Material) -> list[Course]:
    """Return how each of the trials went that are shown one by one and have logged steps."""
    names = [run.trial for run in material.runs]
    logged = material.curves[material.curves["trial"].isin(names)]
    by_trial = dict(iter(with_speed(logged).groupby("trial", sort=False)))
    ends = spreads(logged)
    peaks = _told(material, "lr_hidden")
    timed = {str(name): part["train_s"].tolist() for name, part in material.points.groupby("trial")}
    found = []
    for run in material.runs:
        curve = by_trial.get(run.trial)
        if curve is None or len(curve) < 2:
            continue
        rows = curve.iloc[thin(len(curve), MAX_POINTS)]
        rows = rows.assign(
            lr=pd.to_numeric(rows["lr_scale"], errors="coerce") * peaks.get(run.trial, math.nan),
            seconds=rows["train_s"],
        )
        marks = tuple(float(s) for s in timed.get(run.trial, ()) if s == s and s > 0)
        spread = tuple(map(float, ends.loc[run.trial])) if run.trial in ends.index else None
        found.append(Course(run, rows.reset_index(drop=True), marks, (spread[0], spread[1]) if spread else None))
    return found


def _told(material: Material, column: str) -> dict[str, float]:
    """Return what is known of a column, by trial."""
    frame = material.every_trial.reindex(columns=["trial", column])
    numbers = pd.to_numeric(frame[column], errors="coerce")
    return {str(trial): float(v) for trial, v in zip(frame["trial"], numbers, strict=True) if v == v}


def draw(course: Course, look: Look, params: float, unit: str) -> Figure:
    """Draw loss, learning rate and speed below each other, over the seconds of training."""
    rows = course.rows
    figure = canvas(linear_axis(title={"text": "Seconds of training steps"}, anchor="y3"), _upper(rows, unit))
    colour = look.size(params).colour
    for rank, (column, heading, domain) in enumerate(_ROWS, start=1):
        known = rows[rows[column].notna()]
        axis = f"y{rank}" if rank > 1 else "y"
        if rank > 1:
            figure.layout[f"yaxis{rank}"] = linear_axis(domain=domain, anchor="x", rangemode="tozero", nticks=4)
        line(figure, known["seconds"], known[column], colour, width=1.3, hover=_HOVER)
        figure.data[-1].update(yaxis=axis)
        place = {"xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
        text = heading.format(unit=unit) + ("" if len(known) else ": not recorded")
        figure.add_annotation(
            x=0, y=domain[1], text=text, font={"size": 11, "color": MUTED}, bgcolor="var(--card)", **place
        )
    for seconds in course.marks:
        edge = {"color": "var(--ink-3)", "width": 1, "dash": "dot"}
        figure.add_shape(type="line", x0=seconds, x1=seconds, y0=0, y1=1, yref="paper", line=edge)
    figure.update_layout(margin={"l": 52, "r": 14, "t": 26, "b": 46})
    return figure


def _upper(rows: pd.DataFrame, unit: str) -> dict[str, Any]:
    axis = log_axis("", rows["loss_nats"].dropna(), plain)
    return {**axis, "domain": _ROWS[0][2], "anchor": "x"}


def panel(material: Material, look: Look) -> Panel:
    """Return single trials as they went, or why none is shown."""
    found = courses(material)
    if not found:
        imported = "imported" in material.sweep
        why = (
            "the table that was imported has no steps of training" if imported else "no trial has logged two steps yet"
        )
        return absent(ANCHOR, "No single run can be shown", why)
    sizes = _told(material, "params_total")
    choices = [
        Choice(c.run.trial, visible(_name(c.run)), draw(c, look, sizes[c.run.trial], _unit(material))) for c in found
    ]
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            f"{len(found)} of {len(material.every_trial)} trials, {MAX_RUNS} at most: the longest of each size, and "
            "some that did not end as planned. Dotted: a point was annealed and evaluated there. Speed leaves "
            "evaluations out; a dip is a machine that was shared, throttled or waiting for data."
        ),
        plots=(Plot.switched("run", "As training went", choices, 560, "Trial"),),
        table=_table(found),
    )


def _unit(material: Material) -> str:
    """Return the unit of the training loss after a comma; empty where what is measured is no loss, and tells none."""
    return f", {material.unit}" if quantity_of(material.points) == LOSS else ""


def _name(run: OneRun) -> str:
    return run.label if run.state == "done" else f"{run.label} ({run.state})"


def _claim(found: Sequence[Course]) -> str:
    known = [c for c in found if c.spread is not None]
    head = f"{len(found)} single trials as training went"
    if not known:
        return head
    widest = max(known, key=lambda c: c.spread[1] / c.spread[0] if c.spread else 0.0)
    assert widest.spread is not None
    low, high = (format_si(v) for v in widest.spread)
    return f"{head}; speed varied most in {widest.run.label}, from {low} to {high} tokens per second"


def _table(found: Sequence[Course]) -> Table:
    columns = (
        Column("label", "Trial"),
        Column("step", "Step", "whole"),
        Column("seconds", "Training time", "seconds"),
        Column("tokens", "Tokens", "count"),
        Column("loss_nats", "Training loss", "loss"),
        Column("lr", "LR hidden", "learning_rate"),
        Column("tokens_per_s", "Tokens per second", "per_s"),
    )
    rows = pd.concat([course.rows.assign(label=course.run.label) for course in found])
    return Table.of("runs", "Single trials, step by step, as drawn", columns, rows)


def power_panel(material: Material) -> Panel:
    """Return the power of single trials over time, or why it is missing."""
    traced = [run for run in material.runs if run.power is not None and run.power.samples]
    if not traced:
        imported = "imported" in material.sweep
        why = (
            "the table that was imported has no power samples"
            if imported
            else "no sample was taken: it needs a GPU whose driver tells its power"
        )
        return absent(POWER, "Power over time is unknown", why)
    idle = _told(material, "power_idle_w")
    choices = [Choice(run.trial, visible(_name(run)), draw_power(run, idle.get(run.trial))) for run in traced]
    throttled = sorted({text for run in traced if run.power for *_, text in run.power.samples if text})
    torn = sum(run.power.unreadable for run in traced if run.power)
    return Panel(
        anchor=POWER,
        claim=_power_claim(traced, idle),
        caption=(
            "Samples of the driver, about ten a second, over the seconds that were metered; evaluations lie between "
            "them. Joules come from the counter where there is one, not from these samples. "
            + (f"Clocks were lowered: {', '.join(throttled)}." if throttled else "Nothing lowered the clocks.")
            + (f" {torn} lines could not be read." if torn else "")
        ),
        plots=(Plot.switched("run-power", "Power of the trial’s GPUs, watts", choices, 340, "Trial"),),
        legend=legend(
            [
                *(style for run in traced if run.power for *_, style in stretches(run.power.samples)),
                *([IDLE] if any(run.trial in idle for run in traced) else []),
            ]
        ),
        table=_power_table(traced),
    )


def draw_power(run: OneRun, idle: float | None) -> Figure:
    """Draw watts over metered seconds, each stretch in the colour of what was done, over the idle level."""
    assert run.power is not None
    samples = [run.power.samples[i] for i in evenly(len(run.power.samples), MAX_SAMPLES)]
    figure = canvas(linear_axis(title={"text": "Seconds metered"}), linear_axis(rangemode="tozero"))
    for first, last, style in stretches(samples):
        part = samples[first:last]
        hover = "%{y:.0f} W after %{x:.3~g} s<extra></extra>"
        line(
            figure,
            [t for t, *_ in part],
            [w for _, w, *_ in part],
            style.colour,
            width=1.3,
            group=style.label,
            hover=hover,
        )
    if idle is not None:
        level(figure, idle, IDLE.dash, IDLE.colour)
    return figure


def stretches(samples: Sequence[tuple[float, float, str, str]]) -> list[tuple[int, int, Style]]:
    """Return where one kind of work, or throttling, begins and ends, each with its style; neighbours share a sample."""
    found: list[tuple[int, int, Style]] = []
    for i, (_, _, window, throttled) in enumerate(samples):
        style = THROTTLED if throttled else _KINDS.get(window, OTHER)
        if found and found[-1][2] is style:
            found[-1] = (found[-1][0], i + 1, style)
        else:
            found.append((max(0, i - 1), i + 1, style))
    return found


def _power_claim(traced: Sequence[OneRun], idle: dict[str, float]) -> str:
    run = max(traced, key=lambda one: len(one.power.samples) if one.power else 0)
    assert run.power is not None
    mean = float(np.mean([w for _, w, *_ in run.power.samples]))
    rest = idle.get(run.trial)
    over = "" if rest is None else f", {rest:.3g} W idle"
    return f"{run.label} drew {mean:.3g} W on average over {format_duration(run.power.samples[-1][0])}{over}"


def _power_table(traced: Sequence[OneRun]) -> Table:
    columns = (
        Column("label", "Trial"),
        Column("attempt", "Attempt", "whole"),
        Column("seconds", "Seconds", "number"),
        Column("power_w", "Power", "watts"),
        Column("window", "What was done"),
        Column("throttled", "Clocks lowered by"),
    )
    rows = [
        {
            "label": run.label,
            "attempt": run.power.attempt,
            "seconds": t,
            "power_w": w,
            "window": window,
            "throttled": why or None,
        }
        for run in traced
        if run.power is not None
        for t, w, window, why in (run.power.samples[i] for i in evenly(len(run.power.samples), MAX_SAMPLES))
    ]
    return Table.of("power", "Power samples as drawn", columns, rows)
