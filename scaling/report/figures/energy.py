"""Energy against FLOPs: measured solid, modelled hollow, and what is missing said in words."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scaling.provenance import Provenance
from scaling.report.axes import energy_axis, log_axis, plain, power_of_ten
from scaling.report.draw import FAINT, Figure, canvas, line, marks, note, words
from scaling.report.groups import by_keys, texts
from scaling.report.look import COMPONENTS, SYMBOLS, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.report.text import visible
from scaling.units import format_energy, format_flops

ANCHOR = "fig-energy"
_BOARDS = ("var(--c-blue)", "var(--c-orange)", "var(--c-purple)", "var(--c-vermillion)", "var(--c-green)")
MODELLED = Style("modelled (hollow)", "var(--ink-2)", "circle-open")
_COLUMNS = (
    Column("label", "Trial"),
    Column("component", "Component"),
    Column("device", "Device"),
    Column("flops", "FLOPs", "flops"),
    Column("energy_j", "Energy", "energy"),
    Column("joules_per_flop", "J per FLOP", "number"),
    Column("provenance", "Provenance"),
    Column("reason", "Note"),
)


def is_measured(provenance: object) -> bool:
    """Whether a provenance as stored in a frame names a counter or sensor."""
    return isinstance(provenance, str) and provenance in set(Provenance) and Provenance(provenance).measured


def joules_per_flop(points: pd.DataFrame) -> float | None:
    """Return the median measured GPU joules per training FLOP, own windows only; ``None`` when not measured."""
    if points.empty or "energy_gpu_j" not in points:
        return None
    shared = points.get("energy_gpu_shared", pd.Series(False, index=points.index)).fillna(False).astype(bool)
    kept = points[points["energy_gpu_provenance"].map(is_measured) & points["energy_gpu_j"].notna() & ~shared]
    return float((kept["energy_gpu_j"] / kept["flops_train"]).median()) if len(kept) else None


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules of each trial by component.

    Attributes:
        rows: label, component, device, flops, energy_j, joules_per_flop, provenance, measured, reason.
    """

    rows: pd.DataFrame

    @property
    def known(self) -> pd.DataFrame:
        """Rows with a value."""
        return self.rows[self.rows["energy_j"].notna()]

    @property
    def measured(self) -> pd.DataFrame:
        """Rows whose value was measured."""
        return self.known[self.known["measured"]]

    @property
    def boards(self) -> list[str]:
        """The devices whose own joules are known, where there is more than one to tell apart."""
        names = sorted({str(name) for name in self.known.loc[self.known["component"] == "gpu", "device"]})
        return names if len(names) > 1 else []

    def style(self, component: str, device: str) -> Style:
        """Return how a component is drawn; joules of GPUs by the board they were spent on, where several were."""
        boards = self.boards
        if component != "gpu" or device not in boards:
            return COMPONENTS[component]
        rank = boards.index(device)
        return Style(f"GPU: {visible(device)}", _BOARDS[rank % len(_BOARDS)], SYMBOLS[rank % len(SYMBOLS)])

    def styles(self) -> list[Style]:
        """Return the style of everything that is known, in order."""
        pairs = self.known[["component", "device"]].drop_duplicates().sort_values("device")
        order = [(c, str(d)) for name in COMPONENTS for c, d in pairs.itertuples(index=False) if c == name]
        return [self.style(component, device) for component, device in order]

    def reasons(self) -> list[str]:
        """Return why values are missing, each with the component and the number of trials."""
        gone = self.rows[self.rows["energy_j"].isna()]
        named = texts(gone, "reason", "no reason recorded")
        return [
            f"{COMPONENTS[c].label} ({len(part)} trial{'' if len(part) == 1 else 's'}): {why}"
            for (c, why), part in by_keys(named, ["component", "reason"])
        ]


def data(material: Material) -> Energy:
    """Return joules per trial and component against the trial's own training FLOPs."""
    flops = material.points.groupby("trial")["flops_train"].max() if len(material.points) else pd.Series(dtype=float)
    rows = [
        _row(trial, component, flops.get(trial["trial"]))
        for trial in material.trials.sort_values(["params_total", "trial"]).to_dict("records")
        for component in COMPONENTS
        if isinstance(trial.get(f"energy_{component}_provenance"), str)
    ]
    return Energy(pd.DataFrame(rows, columns=["trial", *(c.key for c in _COLUMNS), "measured"]))


def _row(trial: dict[Any, Any], component: str, flops: float | None) -> dict[str, Any]:
    joules = trial.get(f"energy_{component}_j")
    provenance = trial[f"energy_{component}_provenance"]
    joules = None if joules is None or math.isnan(joules) else float(joules)
    return {
        "trial": trial["trial"],
        "label": trial["label"],
        "component": component,
        "device": device if isinstance(device := trial.get("device"), str) else "unknown device",
        "flops": flops,
        "energy_j": joules,
        "joules_per_flop": joules / flops if joules is not None and flops else None,
        "provenance": provenance,
        "measured": is_measured(provenance),
        "reason": trial.get(f"energy_{component}_reason"),
    }


def draw(found: Energy, column: str) -> Figure:
    """Draw joules, or joules per FLOP, against FLOPs by component and device; slope one is the grey guide."""
    rows = found.known[found.known["flops"].notna()]
    up = energy_axis("", rows[column], 0.15) if column == "energy_j" else log_axis("", rows[column], per_flop, 0.15)
    figure = canvas(log_axis("Training FLOPs C", rows["flops"], power_of_ten), up)
    if column == "energy_j":
        _slope_one(figure, rows)
    for (component, device, measured), part in by_keys(rows, ["component", "device", "measured"]):
        style = found.style(component, device)
        hover = [
            words(
                [
                    str(r["label"]),
                    style.label,
                    f"{format_energy(r['energy_j'])} for {format_flops(r['flops'])}",
                    str(r["provenance"]).replace("_", " "),
                ]
            )
            for r in part.to_dict("records")
        ]
        marks(figure, part["flops"], part[column], style, hover, hollow=not measured)
    return figure


def per_flop(joules: float) -> str:
    """Format joules per FLOP as a tick."""
    return f"{plain(joules * 1e12)} pJ"


def _slope_one(figure: Figure, rows: pd.DataFrame) -> None:
    guide = rows[rows["measured"]] if rows["measured"].any() else rows
    guide = guide[guide["component"] == guide["component"].iloc[0]]
    ratio = float((guide["energy_j"] / guide["flops"]).median())
    ends = [float(rows["flops"].min()), float(rows["flops"].max())]
    line(figure, ends, [ratio * c for c in ends], FAINT, width=1)
    note(figure, ends[-1], ratio * ends[-1], "slope 1", "top left", size=10)


def panel(material: Material) -> Panel:
    """Return energy against FLOPs, or what is missing and why."""
    found = data(material)
    known = found.known[found.known["flops"].notna()] if len(found.rows) else found.rows
    why = found.reasons() if len(found.rows) else []
    host = host_energy(material.host)
    if known.empty:
        reason = " · ".join(why) or "No trial has finished, and joules are read at its end."
        return absent(ANCHOR, _claim_without(host), " ".join([host, f"By trial: {reason}"]) if host else reason)
    parts = Energy(known).styles()
    modelled = not known["measured"].all()
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption=(
            "Each mark is one trial’s energy in one component, against its own training FLOPs. Solid marks were "
            "read from a counter or sensor; hollow marks are modelled, time multiplied by a constant, and enter "
            f"no law and no gain per kWh. {host} " + ("Missing: " + " · ".join(why) + "." if why else "")
        ),
        plots=(
            Plot("energy-total", "Energy per trial", draw(found, "energy_j"), 360),
            Plot("energy-per-flop", "Energy per FLOP", draw(found, "joules_per_flop"), 360),
        ),
        legend=legend([*parts, *([MODELLED] if modelled else [])]),
        table=Table.of("energy", "Energy by trial and component", _COLUMNS, found.rows),
    )


def host_energy(host: Mapping[str, Any] | None) -> str:
    """Say in a sentence what the whole machine used over the sweep; empty when nothing was metered."""
    parts = []
    for name, label in (("energy_cpu_j", "processors"), ("energy_ram_j", "memory")):
        reading = (host or {}).get(name)
        if reading and reading["value"] is not None:
            how = "measured" if is_measured(reading["provenance"]) else "modelled"
            parts.append(f"{label} {format_energy(reading['value'])} ({how})")
    return f"The whole machine, over all runs: {', '.join(parts)}." if parts else ""


def _claim_without(host: str) -> str:
    if not host:
        return "Energy was neither measured nor modelled"
    return "No trial’s own energy is known" + ("" if "(measured)" in host else "; that of the whole machine is a model")


def _claim(found: Energy) -> str:
    measured = found.measured
    if measured.empty:
        total = format_energy(float(found.known["energy_j"].sum()))
        return f"No energy was measured on this machine; a model of its load puts the trials at {total}"
    total = format_energy(float(measured["energy_j"].sum()))
    ratios = measured["joules_per_flop"].dropna()
    if len(ratios) < 2:
        return f"Training took {total}, measured"
    spread = f"joules per FLOP differ by a factor of {ratios.max() / ratios.min():.2g} over trials"
    return f"Training took {total}, measured; {spread}{_by_board(found)}"


def _by_board(found: Energy) -> str:
    """Name the board that a FLOP costs least on, where several were used."""
    measured = found.measured[found.measured["component"] == "gpu"]
    if not found.boards or measured.empty:
        return ""
    by_device = measured.groupby("device")["joules_per_flop"].median()
    return f", least on {visible(str(by_device.idxmin()))}"
