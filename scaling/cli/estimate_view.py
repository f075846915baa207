"""An estimate as lines of text."""

from collections.abc import Callable

from scaling.cost.estimate import Estimate
from scaling.cost.factors import METHOD, Factor, Range, Swing
from scaling.cost.grid import Intensity
from scaling.cost.memory import Memory
from scaling.cost.stages import Stage
from scaling.units import format_bytes, format_si

_ENERGY_UNITS = (("GWh", 1e6), ("MWh", 1e3), ("kWh", 1.0), ("Wh", 1e-3))
_BAR = 24  # characters of the longest bar of the tornado


def lines(answer: Estimate) -> list[str]:
    """Return the answer, its assumptions with sources, each one's share of the interval, and notes."""
    return [
        f"{'':<24}{'low':>12}{'mid':>12}{'high':>12}",
        *_results(answer),
        *_memory(answer),
        *_stages(answer),
        "",
        "Assumptions",
        *(line for factor in answer.assumptions for line in _factor_lines(factor)),
        "",
        *tornado_lines(answer.tornado),
        "",
        *(f"note: {text}" for text in answer.warnings),
        METHOD,
    ]


def _results(answer: Estimate) -> list[str]:
    missing = answer.missing
    return [
        energy_row("energy, GPU only", answer.energy_gpu_kwh),
        energy_row("energy, site", answer.energy_site_kwh),
        row("GPU-hours", answer.gpu_hours, format_si, missing.get("gpu_hours")),
        row("days", answer.days, format_si, missing.get("days")),
        row("carbon, t CO2e", answer.carbon_t, format_si, missing.get("carbon")),
        *_place(answer.request.intensity),
        row("embodied, t CO2e", answer.embodied_t, format_si, missing.get("embodied")),
        row("electricity cost", answer.electricity_cost, format_si, missing.get("electricity_cost")),
        row("rental cost", answer.rental_cost, format_si, missing.get("rental_cost")),
    ]


def row(title: str, value: Range | None, show: Callable[[float], str], reason: str | None = None) -> str:
    """Return low, mid and high in columns, or why they are missing."""
    if value is None:
        return f"{title:<24}missing: {reason}"
    return f"{title:<24}{show(value.low):>12}{show(value.mid):>12}{show(value.high):>12}"


def energy_row(title: str, kwh: Range) -> str:
    """Return low, mid and high in one unit, so that the three can be compared at a glance."""
    unit, factor = next((u, f) for u, f in _ENERGY_UNITS if kwh.mid >= f or f == _ENERGY_UNITS[-1][1])
    return row(f"{title}, {unit}", kwh.scaled(1 / factor), lambda value: f"{float(f'{value:.3g}'):,.6g}")


def _place(grid: Intensity | None) -> list[str]:
    if grid is None:
        return []
    year = "" if grid.year is None else f", {grid.year}"
    return [f"{'':<24}{grid.g_per_kwh:.4g} g/kWh, {grid.place}{year}; location-based; {grid.basis}; {grid.source}"]


def _memory(answer: Estimate) -> list[str]:
    held = answer.memory
    if held is None:
        return [f"{'memory':<24}missing: {answer.missing['memory']}"]
    parts = ", ".join(f"{name} {format_bytes(getattr(held, name))}" for name in ("weights", "gradients", "optimizer"))
    activations = (
        f"activations {format_bytes(held.activations)} for one sequence of {answer.request.context} tokens "
        f"({format_bytes(held.activations_recomputed)} recomputed)"
    )
    return [f"{'memory':<24}{parts}; {activations}", *_fit(held, answer)]


def _fit(held: Memory, answer: Estimate) -> list[str]:
    if held.devices is None:
        return [f"{'devices at least':<24}missing: {answer.missing['devices_at_least']}"]
    how = ", activations recomputed" if held.recompute else ""
    found = [f"{'devices at least':<24}{held.devices}, sharded evenly, 90 % of each used{how}"]
    if held.per_device is not None and held.device_bytes is not None:
        verdict = "fits" if held.fits else "does not fit"
        found.append(
            f"{f'on {answer.request.count} device(s)':<24}{verdict}: {format_bytes(held.per_device)} of "
            f"{format_bytes(held.device_bytes)} usable on each"
        )
    return found


def _stages(answer: Estimate) -> list[str]:
    found = [line for stage in answer.stages for line in _stage(stage)]
    if "inference" in answer.missing:
        found.append(f"{'inference':<24}missing: {answer.missing['inference']}")
    return found


def _stage(stage: Stage) -> list[str]:
    title = "inference, 1M tokens" if stage.name == "inference" else stage.name
    found = [energy_row(title, stage.energy_kwh), f"{'':<24}{stage.words}"]
    if stage.break_even_tokens is not None:
        found.append(row("break-even, tokens", stage.break_even_tokens, format_si))
    return found


def _factor_lines(factor: Factor) -> list[str]:
    r = factor.range
    span = "" if r.low == r.high else f" [{r.low:.4g}, {r.high:.4g}]"
    unit = f" {factor.unit}" if factor.unit else ""
    return [f"  {factor.name:<22}{r.mid:.4g}{span}{unit}  ({factor.provenance})", f"      {factor.source}"]


def tornado_lines(swings: tuple[Swing, ...]) -> list[str]:
    """Return a bar for each uncertain assumption, by its share of the interval."""
    if not swings:
        return ["Every assumption is given: the interval has no width"]
    most = max(swing.share for swing in swings)
    head = "Share of the interval of the site energy, and that energy with this assumption alone at its ends"
    return [head, *(_bar(swing, most) for swing in swings)]


def _bar(swing: Swing, most: float) -> str:
    unit, factor = next((u, f) for u, f in _ENERGY_UNITS if swing.high >= f or f == _ENERGY_UNITS[-1][1])
    bar = "█" * max(1, round(_BAR * swing.share / most))
    ends = f"{swing.low / factor:.3g} to {swing.high / factor:.3g} {unit}"
    return f"  {swing.name:<22}{swing.share:>5.0%}  {ends:<22}{bar}"
