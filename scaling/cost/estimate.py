"""Energy, carbon and money of a training run before it is run.

    E_site = FLOPs / (peak x MFU x goodput) x P_board x node factor x PUE

Board energy ("GPU only") and site energy stand side by side: published figures mix both.
"""

import math
from dataclasses import dataclass

from scaling.cost import rules
from scaling.cost.factors import COVERAGE, METHOD, Factor, Range, combine
from scaling.cost.grid import Intensity
from scaling.errors import UsageError
from scaling.hardware import Accelerator, Match

SCHEMA = 1  # version of the JSON document
_J_PER_KWH = 3.6e6
_OPTIONS = {
    "params": "--params",
    "tokens": "--tokens",
    "flops": "--flops",
    "peak_flops_per_s": "--peak-flops",
    "tdp_w": "--tdp",
    "count": "--count",
    "mfu": "--mfu",
    "goodput": "--goodput",
    "node_factor": "--node-factor",
    "pue": "--pue",
    "price_per_kwh": "--price-per-kwh",
    "price_per_gpu_hour": "--price-per-gpu-hour",
}
_BYTES_PER_PARAM = {"weights": 2.0, "gradients": 2.0, "optimizer": 12.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked. ``None`` is "not given".

    Attributes:
        params: parameters (active ones, where only some take part in a token).
        tokens: tokens trained on.
        flops: training FLOPs, in place of 6 N D.
        match: card of the catalogue.
        peak_flops_per_s: dense peak, in place of the card's.
        tdp_w: power limit, in place of the card's.
        count: devices.
        mfu, pue, node_factor, goodput: factors given.
        intensity: carbon intensity of the place.
        price_per_kwh, price_per_gpu_hour: in the user's currency.
    """

    params: float | None = None
    tokens: float | None = None
    flops: float | None = None
    match: Match | None = None
    peak_flops_per_s: float | None = None
    tdp_w: float | None = None
    count: int | None = None
    mfu: float | None = None
    pue: float | None = None
    node_factor: float | None = None
    goodput: float | None = None
    intensity: Intensity | None = None
    price_per_kwh: float | None = None
    price_per_gpu_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The answer. A part that cannot be given is ``None`` and its reason lies in ``missing``.

    Attributes:
        request: what was asked.
        gpu_hours: device-hours.
        days: wall-clock days.
        energy_gpu_kwh: energy of the boards alone.
        energy_site_kwh: energy of the site.
        carbon_t: tonnes CO2e of the site energy.
        electricity_cost: site energy x price.
        rental_cost: device-hours x price; holds the electricity already, never to be added to it.
        memory_bytes: weights, gradients and optimizer of mixed-precision Adam.
        devices_at_least: devices whose memory together holds them.
        assumptions: every factor.
        warnings: what to beware of.
        missing: part -> reason.
    """

    request: Request
    gpu_hours: Range
    days: Range | None
    energy_gpu_kwh: Range
    energy_site_kwh: Range
    carbon_t: Range | None
    electricity_cost: Range | None
    rental_cost: Range | None
    memory_bytes: dict[str, float] | None
    devices_at_least: int | None
    assumptions: tuple[Factor, ...]
    warnings: tuple[str, ...]
    missing: dict[str, str]


def estimate(request: Request) -> Estimate:
    """Work out an estimate.

    Raises:
        UsageError: too little is given to answer, or a figure is out of range.
    """
    _check(request)
    f = _factors(request)
    work = [f["training FLOPs"]]
    rate = [f["peak"], f["MFU"], f["goodput"]]
    site = [f["node factor"], f["PUE"]]
    gpu_hours = combine(work, rate).scaled(1 / 3600)
    energy_gpu_kwh = combine([*work, f["board power"]], rate).scaled(1 / _J_PER_KWH)
    energy_site_kwh = combine([*work, f["board power"], *site], rate).scaled(1 / _J_PER_KWH)
    memory_bytes = _memory_bytes(request.params)
    devices = _devices_at_least(memory_bytes, request.match)
    price_kwh, price_hour, grid = request.price_per_kwh, request.price_per_gpu_hour, request.intensity
    return Estimate(
        request=request,
        gpu_hours=gpu_hours,
        days=None if request.count is None else gpu_hours.scaled(1 / (24 * request.count)),
        energy_gpu_kwh=energy_gpu_kwh,
        energy_site_kwh=energy_site_kwh,
        carbon_t=None if grid is None else energy_site_kwh.scaled(grid.g_per_kwh / 1e6),
        electricity_cost=None if price_kwh is None else energy_site_kwh.scaled(price_kwh),
        rental_cost=None if price_hour is None else gpu_hours.scaled(price_hour),
        memory_bytes=memory_bytes,
        devices_at_least=devices,
        assumptions=tuple(f.values()),
        warnings=tuple(_warnings(request, devices)),
        missing=_missing(request),
    )


def _check(request: Request) -> None:
    if request.flops is None and (request.params is None or request.tokens is None):
        raise UsageError(
            "estimate.no_work",
            "the amount of training is not given",
            hint="give --params and --tokens, or --flops",
        )
    if request.match is None and (request.peak_flops_per_s is None or request.tdp_w is None):
        raise UsageError(
            "estimate.no_hardware",
            "the hardware is not given",
            hint="give --gpu NAME, or both --peak-flops and --tdp",
        )
    for name in _OPTIONS:
        value = getattr(request, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise UsageError("estimate.not_positive", f"{_OPTIONS[name]} {value:g} is not above zero")
    for name in ("mfu", "goodput"):
        value = getattr(request, name)
        if value is not None and value > 1:
            raise UsageError("estimate.bad_share", f"{_OPTIONS[name]} {value:g} is above 1")
    for name in ("pue", "node_factor"):
        value = getattr(request, name)
        if value is not None and value < 1:
            raise UsageError("estimate.bad_factor", f"{_OPTIONS[name]} {value:g} is below 1")


def _card(request: Request) -> Accelerator | None:
    return None if request.match is None else request.match.accelerator


def _given(name: str, value: float | None, option: str, otherwise: Factor) -> Factor:
    return otherwise if value is None else Factor.certain(name, value, "given", option)


def _factors(request: Request) -> dict[str, Factor]:
    card = _card(request)
    power = _power(request, card)
    mfu = rules.utilisation_factor(request.params, card)
    return {
        "training FLOPs": _flops(request),
        "peak": _peak(request, card),
        "MFU": _given("MFU", request.mfu, "--mfu", mfu),
        "goodput": _given("goodput", request.goodput, "--goodput", rules.goodput_factor(request.mfu is not None)),
        "board power": power,
        "node factor": _given("node factor", request.node_factor, "--node-factor", rules.node_factor(power, card)),
        "PUE": _given("PUE", request.pue, "--pue", rules.pue_factor(card)),
    }


def _flops(request: Request) -> Factor:
    if request.flops is not None:
        return Factor.certain("training FLOPs", request.flops, "given", "--flops", "FLOPs")
    assert request.params is not None
    assert request.tokens is not None
    return rules.flops_factor(request.params, request.tokens)


def _peak(request: Request, card: Accelerator | None) -> Factor:
    if request.peak_flops_per_s is not None:
        return Factor.certain("dense peak", request.peak_flops_per_s, "given", "--peak-flops", "FLOP/s")
    assert card is not None
    source = f"{card.name}, 16-bit with float32 accumulation: {card.source}; confidence {card.confidence}"
    return Factor.certain("dense peak", card.peak_16bit_flops_per_s, "data_sheet", source, "FLOP/s")


def _power(request: Request, card: Accelerator | None) -> Factor:
    if request.tdp_w is not None:
        return rules.power_factor(request.tdp_w, "--tdp", None)
    assert card is not None
    if card.tdp_w is None:
        raise UsageError("estimate.no_power", f"the rated power of {card.name} is not published", hint="give --tdp")
    return rules.power_factor(card.tdp_w, f"rated, {card.source}", card)


def _memory_bytes(params: float | None) -> dict[str, float] | None:
    """Model state of mixed-precision Adam: 16 bytes a parameter (ZeRO, 1910.02054, section 3.1)."""
    if params is None:
        return None
    parts = {name: each * params for name, each in _BYTES_PER_PARAM.items()}
    return {**parts, "total": sum(parts.values())}


def _devices_at_least(memory_bytes: dict[str, float] | None, match: Match | None) -> int | None:
    if memory_bytes is None or match is None:
        return None
    return math.ceil(memory_bytes["total"] / match.accelerator.memory_bytes)


def _warnings(request: Request, devices: int | None) -> list[str]:
    card = _card(request)
    found = []
    if request.match is not None and request.match.note:
        found.append(request.match.note)
    if card is not None and card.note:
        found.append(f"{card.name}: {card.note}")
    if card is not None and card.published_power:
        found.append(f"{card.name} in published runs: {card.published_power}")
    if devices is not None and request.count is not None and request.count < devices:
        found.append(f"{request.count} device(s) cannot hold the model's state: at least {devices} are needed")
    if request.mfu is None:
        found.append("utilisation is a rule of thumb: your own measured tokens/s (--mfu) narrows this most")
    return found


def _missing(request: Request) -> dict[str, str]:
    reasons = {
        "days": None if request.count else "no --count: device-hours only",
        "carbon": None if request.intensity else "no --region and no --intensity: a place decides it tenfold",
        "electricity_cost": None if request.price_per_kwh is not None else "no --price-per-kwh",
        "rental_cost": None if request.price_per_gpu_hour is not None else "no --price-per-gpu-hour",
        "memory": None if request.params is not None else "no --params",
        "devices_at_least": None
        if request.params is not None and request.match is not None
        else "needs --params and a card of the catalogue",
    }
    return {part: reason for part, reason in reasons.items() if reason is not None}


def to_json(answer: Estimate) -> dict[str, object]:
    """Return the JSON document of ``scaling estimate --json``."""
    card = _card(answer.request)
    missing = answer.missing
    return {
        "schema": SCHEMA,
        "interval": {"coverage": COVERAGE, "method": METHOD},
        "accelerator": None if card is None else card.name,
        "count": answer.request.count,
        "gpu_hours": answer.gpu_hours.to_json(),
        "days": _or_null(answer.days),
        "energy_gpu_kwh": answer.energy_gpu_kwh.to_json(),
        "energy_site_kwh": answer.energy_site_kwh.to_json(),
        "carbon": _carbon_json(answer),
        "cost": {"electricity": _or_null(answer.electricity_cost), "rental": _or_null(answer.rental_cost)},
        "memory_bytes": answer.memory_bytes,
        "devices_at_least": answer.devices_at_least,
        "assumptions": [factor.to_json() for factor in answer.assumptions],
        "warnings": list(answer.warnings),
        "missing": dict(missing),
    }


def _or_null(value: Range | None) -> dict[str, float] | None:
    return None if value is None else value.to_json()


def _carbon_json(answer: Estimate) -> dict[str, object]:
    grid = answer.request.intensity
    if answer.carbon_t is None or grid is None:
        return {"tco2e": None, "reason": answer.missing["carbon"]}
    return {
        "tco2e": answer.carbon_t.to_json(),
        "intensity_g_per_kwh": grid.g_per_kwh,
        "place": grid.place,
        "year": grid.year,
        "source": grid.source,
        "basis": f"location-based average; {grid.basis}",
        "embodied": None,
    }
