"""Energy as the budget: losses at equal joules, the frontier of loss against energy, and what a FLOP costs by size.

Only measured joules are drawn. Sizes below the plateau of efficiency are hollow, and stay out of the optimum.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from scaling.errors import NotEnoughData
from scaling.families import NATS_PER_TOKEN
from scaling.hardware import find_accelerator, peak_flops_per_s
from scaling.laws.isoflop import IsoFlop
from scaling.laws.isojoule import IsoJoule, isojoule
from scaling.report.axes import energy_axis, linear_axis, log_axis, plain
from scaling.report.draw import FAINT, INK, Figure, band, canvas, level, line, marks, note, words
from scaling.report.figures.energy import per_flop
from scaling.report.figures.trust import size_label
from scaling.report.intervals import flat
from scaling.report.look import Look, Style, legend
from scaling.report.material import Material
from scaling.report.panel import Column, Panel, Plot, Table, absent
from scaling.units import format_energy, format_si

ANCHOR, EFFICIENCY = "fig-isojoule", "fig-efficiency"
BY_ENERGY = Style("best size for the energy, 95 % band", "var(--c-vermillion)", "", "solid")
BY_COMPUTE = Style("compute-optimal size of that energy", INK, "", "dash")
MINIMUM = Style("minimum of a profile", "var(--c-vermillion)", "diamond")
FRONTIER = Style("frontier: no run did better for less", "var(--c-blue)", "", "solid")
HOLLOW = Style("below the plateau of efficiency", "var(--ink-2)", "circle-open")
FLOOR = Style("floor of the device: rated power over peak", "var(--ink-3)", "", "dot")


@dataclass(frozen=True, slots=True)
class Floor:
    """The least joules per FLOP that a device's data sheet allows: rated power over dense 16-bit peak."""

    device: str
    j_per_flop: float


def floor_of(devices: "pd.Series[Any]") -> Floor | None:
    """Return the floor of the one device of a sweep; ``None`` for several, or one without a data sheet."""
    names = sorted({str(name) for name in devices.dropna()})
    if len(names) != 1 or peak_flops_per_s(names[0], "float16") is None:
        return None
    card = find_accelerator(names[0]).accelerator
    if card.tdp_w is None:
        return None
    return Floor(card.name, card.tdp_w / card.peak_16bit_flops_per_s)


def data(material: Material) -> IsoJoule | str:
    """Return energy against loss, or why there is none."""
    try:
        return isojoule(material.points, material.analysis.fits.get("L(N,D)"), resamples=0)
    except NotEnoughData as error:
        return f"{error.what}: {error.hint}"


def rows_frame(found: IsoJoule) -> pd.DataFrame:
    """Return the energy budgets: kwh, flops, and value, low, high of params, compute, loss, excess, per_kwh."""
    return pd.DataFrame(
        [
            {
                "energy_j": row.energy_j,
                "flops": row.flops,
                "extrapolation": row.extrapolation_factor,
                **flat("params", row.params),
                **flat("compute", row.params_compute),
                **flat("loss", row.loss),
                **flat("excess", row.excess_nats),
                **flat("per_kwh", row.per_kwh_nats),
            }
            for row in found.rows
        ]
    )


def draw_sizes(frame: pd.DataFrame, end: float) -> Figure:
    """Draw the best size of each energy, and the compute-optimal size of the same energy."""
    figure = canvas(
        energy_axis("GPU energy", frame["energy_j"]),
        log_axis("", [*frame["params"], *frame["compute"].dropna()], format_si),
    )
    band(figure, frame["energy_j"], frame["params_low"], frame["params_high"], BY_ENERGY.colour, BY_ENERGY.label)
    for column, style in (("params", BY_ENERGY), ("compute", BY_COMPUTE)):
        known = frame[frame[column].notna()]
        hover = "%{y:.3s} parameters for %{x:.3g} J<extra></extra>"
        line(figure, known["energy_j"], known[column], style.colour, dash=style.dash, group=style.label, hover=hover)
    figure.add_vline(x=end, line={"color": FAINT, "width": 1, "dash": "dot"})
    return figure


def draw_profiles(found: IsoFlop, unit: str = NATS_PER_TOKEN) -> Figure:
    """Draw the loss against size at equal energy, one line a budget, with the minima that can be seen."""
    shown = [p for p in found.profiles if len(p.sizes) > 1]
    figure = canvas(
        log_axis("Parameters N", [n for p in shown for n in p.sizes]),
        linear_axis(title={"text": f"Loss, {unit}"}),
    )
    for profile in shown:
        energy = format_energy(profile.flops)  # the profile's budget is joules here
        hover = f"{energy}: %{{y:.4f}} at %{{x:.3s}}<extra></extra>"
        line(figure, profile.sizes, profile.losses, FAINT, width=1.3, hover=hover)
        note(figure, profile.sizes[-1], profile.losses[-1], energy, "top right", size=10)
        if profile.params is not None and profile.loss is not None:
            told = [words([energy, f"least loss at {format_si(profile.params.value)} parameters"])]
            marks(figure, [profile.params.value], [profile.loss.value], MINIMUM, told)
    return figure


def draw_frontier(found: IsoJoule, look: Look, unit: str = NATS_PER_TOKEN) -> Figure:
    """Draw every measured point by energy and loss, and the frontier through those that no other beats."""
    spent = found.spent
    figure = canvas(
        energy_axis("GPU energy", [p.energy_j for p in spent]),
        linear_axis(title={"text": f"Loss, {unit}"}),
    )
    best = [p for p in spent if p.frontier]
    line(
        figure, [p.energy_j for p in best], [p.loss_nats for p in best], FRONTIER.colour,
        width=1.5, group=FRONTIER.label, shape="hv",
    )  # fmt: skip
    for size in sorted({p.params for p in spent}):
        mine = [p for p in spent if p.params == size]
        hover = [words([p.label, f"{format_energy(p.energy_j)}, loss {p.loss_nats:.4g}"]) for p in mine]
        style = look.size(size, size_label(size))
        marks(
            figure, [p.energy_j for p in mine], [p.loss_nats for p in mine], style, hover,
            hollow=not mine[0].saturated, size=7,
        )  # fmt: skip
    return figure


def draw_efficiency(found: IsoJoule, look: Look, column: str, floor: Floor | None) -> Figure:
    """Draw joules per FLOP, or per token, against size; hollow below the plateau; the floor where it is known."""
    values = [getattr(size, column) for size in found.sizes]
    shown = values if floor is None or column != "j_per_flop" else [*values, floor.j_per_flop]
    text = per_flop if column == "j_per_flop" else plain
    figure = canvas(log_axis("Parameters N", [s.params for s in found.sizes]), log_axis("", shown, text))
    for size, value in zip(found.sizes, values, strict=True):
        hover = [words([size_label(size.params), f"{value:.3g} J per {column.removeprefix('j_per_')}"])]
        style = look.size(size.params, size_label(size.params))
        marks(figure, [size.params], [value], style, hover, hollow=not size.saturated)
    if floor is not None and column == "j_per_flop":
        level(figure, floor.j_per_flop, "dot", FLOOR.colour)
        note(figure, found.sizes[0].params, floor.j_per_flop, f"{floor.device}: rated power / peak", "top right")
    return figure


def panels(material: Material, look: Look) -> tuple[Panel, Panel]:
    """Return what a FLOP costs by size, and the best size at fixed energy; or what is missing and why."""
    found = data(material)
    if isinstance(found, str):
        return (
            absent(EFFICIENCY, "What a FLOP costs by size is unknown", found),
            absent(ANCHOR, "Energy as the budget is unknown", found),
        )
    return _efficiency_panel(found, material, look), _panel(found, look, material.unit)


def _panel(found: IsoJoule, look: Look, unit: str) -> Panel:
    plots = [
        Plot("frontier-energy", "Loss against energy, every measured point", draw_frontier(found, look, unit), 380)
    ]
    frame, end = rows_frame(found), max(p.energy_j for p in found.spent)
    if len(frame):
        plots.insert(0, Plot("isojoule-size", "Best size of an energy budget", draw_sizes(frame, end), 380))
    lines = [BY_ENERGY, BY_COMPUTE] if len(frame) else []
    if found.profiles is not None and any(len(p.sizes) > 1 for p in found.profiles.profiles):
        plots.insert(
            1, Plot("isojoule-profiles", "Loss against size at equal energy", draw_profiles(found.profiles, unit), 380)
        )
        lines.append(MINIMUM)
    return Panel(
        anchor=ANCHOR,
        claim=_claim(found),
        caption="Measured GPU joules alone. The dashed size is the compute-optimal one of the same energy; where the "
        "two part, a FLOP does not cost the same at every size. Hollow sizes leave their device waiting: they are "
        "drawn, and stay out of the law of energy and of the optimum.",
        plots=tuple(plots),
        legend=legend(
            [*lines, FRONTIER, *_size_styles(found, look), *([] if all(s.saturated for s in found.sizes) else [HOLLOW])]
        ),
        table=_rows_table(frame) if len(frame) else _spent_table(found),
        notes=() if found.reason is None else (f"No best size: {found.reason}.",),
    )


def _efficiency_panel(found: IsoJoule, material: Material, look: Look) -> Panel:
    devices = material.trials["device"] if "device" in material.trials else pd.Series(dtype=str)
    floor = floor_of(devices)
    low = [size for size in found.sizes if not size.saturated]
    styles = [*_size_styles(found, look), *([FLOOR] if floor else []), *([HOLLOW] if low else [])]
    return Panel(
        anchor=EFFICIENCY,
        claim=_efficiency_claim(found, floor),
        caption="Median over the trials of a size at their longest horizon, measured GPU joules."
        + (" The dotted line is rated power over dense peak: no run can pass it for long." if floor else ""),
        plots=(
            Plot("j-per-flop", "Energy per FLOP", draw_efficiency(found, look, "j_per_flop", floor), 340),
            Plot("j-per-token", "Joules per token", draw_efficiency(found, look, "j_per_token", floor), 340),
        ),
        legend=legend(styles),
        table=_efficiency_table(found),
    )


def _size_styles(found: IsoJoule, look: Look) -> list[Style]:
    return [look.size(size.params, size_label(size.params)) for size in found.sizes]


def _claim(found: IsoJoule) -> str:
    inside = [row for row in found.rows if row.extrapolation_factor <= 1 + 1e-9]
    if not inside:
        return "The frontier of loss against energy; no best size at fixed energy can be told"
    row = inside[-1]
    ratio = row.params.value / row.params_compute.value
    same = abs(ratio - 1) < 0.05
    head = f"At {format_energy(row.energy_j)} the best size is {format_si(row.params.value)} parameters"
    return head + (", as for compute" if same else f", {ratio:.2g}x the compute-optimal one of that energy")


def _efficiency_claim(found: IsoJoule, floor: Floor | None) -> str:
    best = min(found.sizes, key=lambda size: size.j_per_flop or float("inf"))
    assert best.j_per_flop is not None
    claim = f"{best.j_per_flop * 1e12:.3g} pJ per FLOP at best, at {format_si(best.params)} parameters"
    return claim if floor is None else f"{claim}: {best.j_per_flop / floor.j_per_flop:.2g}x the floor of the device"


def _spent_table(found: IsoJoule) -> Table:
    columns = (
        Column("label", "Trial"),
        Column("params", "Parameters", "count"),
        Column("tokens", "Tokens", "count"),
        Column("energy_j", "GPU energy", "energy"),
        Column("loss_nats", "Loss (nats)", "loss"),
        Column("frontier", "On the frontier"),
    )
    rows = [
        {**{c.key: getattr(p, c.key) for c in columns}, "frontier": "yes" if p.frontier else "no"} for p in found.spent
    ]
    return Table.of("spent", "Energy and loss of every measured point", columns, rows)


def _rows_table(frame: pd.DataFrame) -> Table:
    columns = (
        Column("energy_j", "GPU energy", "energy"),
        Column("extrapolation", "Over the largest", "number"),
        *_three("params", "Best size", "count"),
        *_three("compute", "Compute-optimal", "count"),
        *_three("loss", "Loss", "number"),
        *_three("excess", "Loss of following compute", "number"),
        *_three("per_kwh", "Nats per further kWh", "number"),
    )
    return Table.of("isojoule", "Best size at fixed energy", columns, frame)


def _three(key: str, heading: str, kind: str) -> tuple[Column, Column, Column]:
    return (
        Column(key, heading, kind),
        Column(f"{key}_low", f"{heading}, low", kind),
        Column(f"{key}_high", f"{heading}, high", kind),
    )


def _efficiency_table(found: IsoJoule) -> Table:
    columns = (
        Column("params", "Parameters", "count"),
        Column("j_per_flop", "J per FLOP", "number"),
        Column("j_per_token", "J per token", "number"),
        Column("tokens_per_s", "Tokens per second", "number"),
        Column("plateau", "On the plateau"),
    )
    rows = [
        {
            "params": size.params,
            "j_per_flop": size.j_per_flop,
            "j_per_token": size.j_per_token,
            "tokens_per_s": size.tokens_per_s,
            "plateau": "yes" if size.saturated else "no",
        }
        for size in found.sizes
    ]
    return Table.of("efficiency", "Energy per FLOP and per token by size", columns, rows)
