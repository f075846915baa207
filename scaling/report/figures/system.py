"""What fits and how well the hardware is used: throughput, MFU and memory by size."""

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from scaling.errors import UsageError
from scaling.hardware import find_accelerator
from scaling.report.axes import linear_axis, log_axis
from scaling.report.draw import Figure, canvas, level, line, marks, words
from scaling.report.figures.trust import size_label
from scaling.report.groups import by_number
from scaling.report.look import Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.report.speeds import spreads
from scaling.units import format_bytes, format_si

ANCHOR = "fig-system"
_SPEED = (
    "Throughput leaves out warm-up, compilation and evaluation; a vertical line runs from the slowest to the fastest "
    "tenth of the intervals between logged steps, over all trials of the size."
)
_READING = {
    "device": f"{_SPEED} Hollow: memory as predicted before the run.",
    "host": f"{_SPEED} Hollow: memory that training itself was predicted to need; the host’s peak also holds the "
    "interpreter, libraries and their workspace, which dwarf small models.",
}
PREDICTED = Style("predicted memory (hollow)", "var(--ink-2)", "circle-open")
ROOM = Style("memory of the device", "var(--c-vermillion)", "", "dash")
_NAMES = (
    "trial", "label", "params_total", "device", "tokens_per_s", "tokens_per_s_reason", "mfu", "mfu_reason",
    "mfu_measured", "mfu_measured_reason", "memory_host_bytes", "memory_host_before_bytes", "memory_device_bytes",
    "memory_predicted_bytes",
)  # fmt: skip
_FINE = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_MFU = {
    "mfu": "MFU, of the data sheet’s peak",
    "mfu_measured": "MFU, of the best product measured here",
}


def data(material: Material) -> pd.DataFrame:
    """Return one row per trial with throughput, MFU and memory, each with its reason when missing."""
    frame = material.trials.reindex(columns=list(_NAMES)).sort_values(["params_total", "trial"], ignore_index=True)
    known = ["tokens_per_s", "mfu", "memory_host_bytes", "memory_device_bytes"]
    frame = frame[frame[known].notna().any(axis=1)].reset_index(drop=True)
    needed = pd.to_numeric(frame["memory_predicted_bytes"], errors="coerce")
    ends = spreads(material.curves).reindex(frame["trial"])
    return frame.assign(
        memory_ratio=pd.to_numeric(frame["memory_device_bytes"], errors="coerce") / needed.where(needed > 0),
        speed_low=ends["low"].to_numpy(),
        speed_high=ends["high"].to_numpy(),
    )


def room_bytes(material: Material) -> float | None:
    """Return the memory of what the trials ran on: of the card, by its data sheet, or of the machine for the CPU.

    ``None`` where trials ran on several devices, or on one that the catalogue does not have.
    """
    told = material.trials["device"] if "device" in material.trials else pd.Series(dtype=str)
    names = {str(name) for name in told.dropna()}
    if names == {"cpu"}:
        held = {e.get("cpu", {}).get("memory_bytes") for e in material.environments if isinstance(e.get("cpu"), dict)}
        return float(next(iter(held))) if len(held) == 1 and None not in held else None
    try:
        return find_accelerator(names.pop()).accelerator.memory_bytes if len(names) == 1 else None
    except UsageError:  # not in the catalogue
        return None


def _by_size(
    figure: Figure,
    frame: pd.DataFrame,
    column: str,
    look: Look,
    say: Callable[[float], str],
    scale: float = 1,
    hollow: bool = False,
) -> None:
    for params, part in by_number(frame[frame[column].notna()], "params_total"):
        style = look.size(params, size_label(params))
        values = [float(v) * scale for v in part[column]]
        hover = [words([str(n), style.label, say(v)]) for n, v in zip(part["label"], part[column], strict=True)]
        marks(figure, part["params_total"], values, style, hover, hollow=hollow)


def draw_throughput(frame: pd.DataFrame, look: Look) -> Figure:
    """Draw tokens per second in the steady window against size, and their spread over logged steps as a line."""
    reach = [v for name in ("tokens_per_s", "speed_low", "speed_high") for v in frame[name].dropna()]
    figure = canvas(log_axis("Parameters N", frame["params_total"]), log_axis("", reach))
    for n, part in by_number(frame[frame["speed_low"].notna()], "params_total"):
        ends = [float(part["speed_low"].min()), float(part["speed_high"].max())]
        line(figure, [n, n], ends, look.size(n).colour, width=1.5, group=size_label(n), opacity=0.7)
    _by_size(figure, frame, "tokens_per_s", look, lambda v: f"{format_si(v)} tokens per second")
    return figure


def draw_mfu(frame: pd.DataFrame, look: Look, column: str = "mfu") -> Figure:
    """Draw MFU in percent against size, from zero."""
    figure = canvas(log_axis("Parameters N", frame["params_total"]), linear_axis(rangemode="tozero", ticksuffix=" %"))
    _by_size(figure, frame, column, look, lambda v: f"MFU {100 * v:.1f} %", 100)
    return figure


def draw_memory(frame: pd.DataFrame, look: Look, column: str, room: float | None = None) -> Figure:
    """Draw peak memory, and the predicted one hollow, against size, under the memory there is."""
    values = [float(v) for c in (column, "memory_predicted_bytes") for v in frame[c].dropna()]
    figure = canvas(log_axis("Parameters N", frame["params_total"]), _bytes_axis([*values, *([room] if room else [])]))
    if room is not None:
        level(figure, room, ROOM.dash, ROOM.colour)
    _by_size(figure, frame, "memory_predicted_bytes", look, lambda v: f"predicted {format_bytes(v)}", hollow=True)
    _by_size(figure, frame, column, look, lambda v: f"peak {format_bytes(v)}")
    return figure


def _bytes_axis(values: list[float]) -> dict[str, Any]:
    """Return a logarithmic axis with ticks at round numbers of KiB, MiB, GiB and TiB."""
    axis = log_axis("", values)
    low, high = axis["range"]
    mantissas = (1, 10, 100) if high - low > 2.6 else (1, 3, 10, 30, 100, 300) if high - low > 1.3 else _FINE
    marks = [float(m * 2**e) for e in (10, 20, 30, 40) for m in mantissas if low <= math.log10(m * 2.0**e) <= high]
    return {**axis, "tickvals": marks, "ticktext": [format_bytes(v) for v in marks]}


def panel(material: Material, look: Look) -> Panel:
    """Return throughput, MFU and memory; what is missing is said in the caption."""
    frame = data(material)
    if frame.empty:
        imported = "imported" in material.sweep
        why = (
            "the table that was imported tells neither"
            if imported
            else "no trial has finished: they are read at its end"
        )
        return absent(ANCHOR, "Speed and memory are unknown", why)
    device = "memory_device_bytes" if frame["memory_device_bytes"].notna().any() else "memory_host_bytes"
    kind = "device" if device == "memory_device_bytes" else "host"
    plots = []
    if frame["tokens_per_s"].notna().any():
        plots.append(Plot("system-throughput", "Tokens per second, steady window", draw_throughput(frame, look), 340))
    kept = next((column for column in _MFU if frame[column].notna().any()), None)
    if kept is not None:
        plots.append(Plot("system-mfu", _MFU[kept], draw_mfu(frame, look, kept), 340))
    room = room_bytes(material)
    if frame[device].notna().any():
        plots.append(Plot("system-memory", f"Peak {kind} memory", draw_memory(frame, look, device, room), 340))
    return Panel(
        anchor=ANCHOR,
        claim=_claim(frame),
        caption=" ".join([_READING[kind], *_absences(frame), *saving(material.points)]),
        plots=tuple(plots),
        legend=legend(
            [
                *(look.size(n, size_label(n)) for n in sorted(frame["params_total"].unique())),
                *([PREDICTED] if frame["memory_predicted_bytes"].notna().any() else []),
                *([ROOM] if room is not None and frame[device].notna().any() else []),
            ]
        ),
        table=_table(frame),
    )


def _absences(frame: pd.DataFrame) -> list[str]:
    """Say for each quantity how often it is missing and why."""
    said = []
    for name, heading in (("tokens_per_s", "Throughput"), ("mfu", "MFU of the data sheet’s peak")):
        gone = frame[frame[name].isna()]
        if len(gone):
            reasons = sorted({str(r) for r in gone[f"{name}_reason"].dropna()}) or ["no reason recorded"]
            said.append(f"{heading} is missing for {len(gone)} of {len(frame)} trials: {'; '.join(reasons)}.")
    return said


def saving(points: pd.DataFrame) -> list[str]:
    """Say what one trunk for all horizons of a trial saves against a run for each; nothing where it saves nothing."""
    if not {"anneal", "trial", "tokens"} <= set(points.columns):
        return []
    trunks = points[points["anneal"] == "average"].groupby("trial")["tokens"]
    trained, apart = float(trunks.max().sum()), float(trunks.sum().sum())
    if apart <= trained:
        return []
    return [
        f"{format_si(trained)} tokens were trained for points that cost {format_si(apart)} tokens as separate runs, "
        f"{apart / trained:.1f} times as many: one trunk serves every horizon of a trial. Each point carries the "
        "FLOPs, seconds and joules of a run to its own horizon."
    ]


def _claim(frame: pd.DataFrame) -> str:
    speed = frame.dropna(subset=["tokens_per_s"])
    if speed.empty:
        return "Throughput could not be measured"
    small, large = speed.iloc[0], speed.iloc[-1]
    head = f"From {format_si(small['tokens_per_s'])} tokens per second at {format_si(small['params_total'])} parameters"
    tail = f" to {format_si(large['tokens_per_s'])} at {format_si(large['params_total'])}"
    for column, whose in (("mfu", ""), ("mfu_measured", " of the best matrix product measured here")):
        used = frame[column].dropna()
        if len(used):
            return f"{head}{tail}; the best MFU is {100 * used.max():.2g} %{whose}"
    return f"{head}{tail}; MFU is not known here"


def _table(frame: pd.DataFrame) -> Table:
    columns = (
        Column("label", "Trial"),
        Column("params_total", "Parameters", "count"),
        Column("device", "Device"),
        Column("tokens_per_s", "Throughput", "per_s"),
        Column("speed_low", "Slowest tenth of its steps", "per_s"),
        Column("speed_high", "Fastest tenth", "per_s"),
        Column("mfu", "MFU", "percent"),
        Column("mfu_measured", "MFU of the measured peak", "percent"),
        Column("memory_host_bytes", "Host memory, peak", "bytes"),
        Column("memory_host_before_bytes", "Before there was a model", "bytes"),
        Column("memory_device_bytes", "Device memory, peak", "bytes"),
        Column("memory_predicted_bytes", "Training memory, predicted", "bytes"),
        Column("memory_ratio", "Device over predicted", "number"),
        Column("tokens_per_s_reason", "Throughput missing because"),
        Column("mfu_reason", "MFU missing because"),
        Column("mfu_measured_reason", "MFU of the measured peak missing because"),
    )
    return Table.of("system", "Throughput, MFU and memory by trial", columns, frame)
