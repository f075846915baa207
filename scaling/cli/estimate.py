"""``scaling estimate``: energy, carbon and money of a run before it is run."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from typer.models import OptionInfo

from scaling.cli import output

if TYPE_CHECKING:
    from scaling.cost.estimate import Estimate
    from scaling.cost.factors import Factor, Range
    from scaling.cost.grid import Intensity

_WORK, _CARD, _PLACE, _PRICE = "What is trained", "On what", "Site and carbon", "Prices"
_ENERGY_UNITS = (("MWh", 1e3), ("kWh", 1.0), ("Wh", 1e-3))


def _option(text: str, panel: str, metavar: str = "NUMBER") -> OptionInfo:
    option: OptionInfo = typer.Option(help=text, rich_help_panel=panel, metavar=metavar, show_default=False)
    return option


def command(
    params: Annotated[str | None, _option("Parameters, active ones if sparse: 175e9, 7B.", _WORK)] = None,
    tokens: Annotated[str | None, _option("Training tokens: 300e9, 15T.", _WORK)] = None,
    flops: Annotated[str | None, _option("Training FLOPs, in place of 6 N D.", _WORK)] = None,
    gpu: Annotated[str | None, _option("Accelerator: V100, H100-PCIe.", _CARD, "NAME")] = None,
    count: Annotated[int | None, _option("Devices; gives days.", _CARD)] = None,
    peak_flops: Annotated[str | None, _option("Dense peak FLOP/s of one device.", _CARD)] = None,
    tdp: Annotated[float | None, _option("Power limit of one device, in watts.", _CARD)] = None,
    mfu: Annotated[float | None, _option("Model FLOPs utilisation of steady steps, 0 to 1.", _CARD)] = None,
    goodput: Annotated[float | None, _option("Share of device time that counts, 0 to 1.", _CARD)] = None,
    node_factor: Annotated[float | None, _option("Machine power over board power.", _PLACE)] = None,
    pue: Annotated[float | None, _option("Site power over machine power.", _PLACE)] = None,
    region: Annotated[str | None, _option("FRA, USA/virginia, gcp/us-central1.", _PLACE, "PLACE")] = None,
    intensity: Annotated[float | None, _option("Carbon intensity, g CO2e per kWh.", _PLACE)] = None,
    price_per_kwh: Annotated[float | None, _option("Electricity price.", _PRICE)] = None,
    price_per_gpu_hour: Annotated[float | None, _option("Rental price of one device.", _PRICE)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Estimate the energy, carbon and cost of a training run, every assumption printed.

    Example:  scaling estimate --params 175e9 --tokens 300e9 --gpu V100 --region USA
    """
    from scaling.cost.estimate import Request, estimate, to_json
    from scaling.hardware import find_accelerator

    request = Request(
        params=_count("--params", params),
        tokens=_count("--tokens", tokens),
        flops=_count("--flops", flops),
        match=None if gpu is None else find_accelerator(gpu),
        peak_flops_per_s=_count("--peak-flops", peak_flops),
        tdp_w=tdp,
        count=count,
        mfu=mfu,
        pue=pue,
        node_factor=node_factor,
        goodput=goodput,
        intensity=_intensity(region, intensity),
        price_per_kwh=price_per_kwh,
        price_per_gpu_hour=price_per_gpu_hour,
    )
    answer = estimate(request)
    if as_json:
        output.print_json(to_json(answer))
    else:
        _print(answer)


def _count(option: str, text: str | None) -> float | None:
    from scaling.errors import UsageError
    from scaling.units import parse_count

    if text is None:
        return None
    try:
        return parse_count(text)
    except ValueError as error:
        raise UsageError("estimate.bad_number", f"{option}: {error}", hint=f"write {option} 175e9") from error


def _intensity(region: str | None, given: float | None) -> "Intensity | None":
    from scaling.cost.grid import find_intensity, given_intensity
    from scaling.errors import UsageError

    if region is not None and given is not None:
        raise UsageError("estimate.two_intensities", "give --region or --intensity, not both")
    if given is not None:
        return given_intensity(given)
    return None if region is None else find_intensity(region)


def _print(answer: "Estimate") -> None:
    console = output.stdout()
    for line in _lines(answer):
        console.print(line, markup=False, soft_wrap=True)


def _lines(answer: "Estimate") -> list[str]:
    from scaling.cost.factors import METHOD

    return [
        f"{'':<24}{'low':>12}{'mid':>12}{'high':>12}",
        *_results(answer),
        "",
        "Assumptions",
        *(line for factor in answer.assumptions for line in _factor_lines(factor)),
        "",
        *(f"note: {text}" for text in answer.warnings),
        METHOD,
    ]


def _results(answer: "Estimate") -> list[str]:
    missing = answer.missing
    return [
        _energy_row("energy, GPU only", answer.energy_gpu_kwh),
        _energy_row("energy, site", answer.energy_site_kwh),
        _row("GPU-hours", answer.gpu_hours, _number),
        _row("days", answer.days, _number, missing.get("days")),
        _row("carbon, t CO2e", answer.carbon_t, _number, missing.get("carbon")),
        *_place(answer.request.intensity),
        _row("electricity cost", answer.electricity_cost, _number, missing.get("electricity_cost")),
        _row("rental cost", answer.rental_cost, _number, missing.get("rental_cost")),
        *_memory(answer),
    ]


def _row(title: str, value: "Range | None", show: Callable[[float], str], reason: str | None = None) -> str:
    if value is None:
        return f"{title:<24}missing: {reason}"
    return f"{title:<24}{show(value.low):>12}{show(value.mid):>12}{show(value.high):>12}"


def _energy_row(title: str, kwh: "Range") -> str:
    """One unit for the whole row, so that the three figures can be compared at a glance."""
    unit, factor = next((u, f) for u, f in _ENERGY_UNITS if kwh.mid >= f or f == _ENERGY_UNITS[-1][1])
    return _row(f"{title}, {unit}", kwh.scaled(1 / factor), lambda value: f"{float(f'{value:.3g}'):,.6g}")


def _number(value: float) -> str:
    from scaling.units import format_si

    return format_si(value)


def _place(grid: "Intensity | None") -> list[str]:
    if grid is None:
        return []
    year = "" if grid.year is None else f", {grid.year}"
    return [f"{'':<24}{grid.g_per_kwh:.4g} g/kWh, {grid.place}{year}; location-based; {grid.basis}; {grid.source}"]


def _memory(answer: "Estimate") -> list[str]:
    from scaling.units import format_bytes

    if answer.memory_bytes is None:
        return [f"{'memory':<24}missing: {answer.missing['memory']}"]
    parts = ", ".join(f"{name} {format_bytes(size)}" for name, size in answer.memory_bytes.items())
    lines = [f"{'memory':<24}{parts}; activations not counted"]
    if answer.devices_at_least is not None:
        lines.append(f"{'devices at least':<24}{answer.devices_at_least}, to hold that memory")
    return lines


def _factor_lines(factor: "Factor") -> list[str]:
    r = factor.range
    certain = r.low == r.high
    span = "" if certain else f" [{r.low:.4g}, {r.high:.4g}]"
    unit = f" {factor.unit}" if factor.unit else ""
    return [f"  {factor.name:<22}{r.mid:.4g}{span}{unit}  ({factor.provenance})", f"      {factor.source}"]
