"""Energy, carbon and money of a training run before it is run.

    E_site = FLOPs / (peak x MFU x goodput) x P_board x node factor x PUE

With a sweep of one's own, its measured joules per FLOP stand in place of P_board / (peak x MFU x goodput). Board
energy ("GPU only") and site energy stand side by side: published figures mix both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scaling.cost import rules
from scaling.cost.embodied import embodied_t
from scaling.cost.factors import Factor, Range, Swing, combine, tornado
from scaling.cost.memory import Memory, memory
from scaling.cost.request import Request
from scaling.cost.stages import Stage, stages
from scaling.cost.utilisation import SMALLEST_PARAMS, utilisation_factor
from scaling.errors import UsageError
from scaling.hardware import Accelerator

_J_PER_KWH = 3.6e6
ENERGY_PER_FLOP, SPEED = "board energy per FLOP", "device speed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The answer. A part that cannot be given is ``None`` and its reason lies in ``missing``.

    Attributes:
        request: what was asked.
        gpu_hours: device-hours.
        days: wall-clock days.
        energy_gpu_kwh: energy of the boards alone.
        energy_site_kwh: energy of the site.
        carbon_t: tonnes CO2e of the site energy, in operation.
        embodied_t: tonnes CO2e of making the devices, the share that this run uses up; never in ``carbon_t``.
        electricity_cost: site energy x price.
        rental_cost: device-hours x price; holds the electricity already, never to be added to it.
        memory: what training keeps in memory, and what holds it.
        stages: fine-tuning, RLHF and inference, each apart.
        tornado: what each assumption alone does to the site energy.
        assumptions: every factor.
        warnings: what to beware of.
        missing: part -> reason.
    """

    request: Request
    gpu_hours: Range | None
    days: Range | None
    energy_gpu_kwh: Range
    energy_site_kwh: Range
    carbon_t: Range | None
    embodied_t: Range | None
    electricity_cost: Range | None
    rental_cost: Range | None
    memory: Memory | None
    stages: tuple[Stage, ...]
    tornado: tuple[Swing, ...]
    assumptions: tuple[Factor, ...]
    warnings: tuple[str, ...]
    missing: dict[str, str]


def estimate(request: Request) -> Estimate:
    """Work out an estimate.

    Raises:
        UsageError: too little is given to answer, or a figure is out of range.
    """
    request.check()
    f = _factors(request)
    above, below = _energy(f)
    site = [f["node factor"], f["PUE"]]
    gpu_hours = _hours(f)
    energy_site_kwh = combine([*above, *site], below).scaled(1 / _J_PER_KWH)
    held = memory(request)
    price_kwh, price_hour, grid = request.price_per_kwh, request.price_per_gpu_hour, request.intensity
    return Estimate(
        request=request,
        gpu_hours=gpu_hours,
        days=None if request.count is None or gpu_hours is None else gpu_hours.scaled(1 / (24 * request.count)),
        energy_gpu_kwh=combine(above, below).scaled(1 / _J_PER_KWH),
        energy_site_kwh=energy_site_kwh,
        carbon_t=None if grid is None else energy_site_kwh.scaled(grid.g_per_kwh / 1e6),
        embodied_t=embodied_t(gpu_hours) if request.embodied and gpu_hours is not None else None,
        electricity_cost=None if price_kwh is None else energy_site_kwh.scaled(price_kwh),
        rental_cost=None if price_hour is None or gpu_hours is None else gpu_hours.scaled(price_hour),
        memory=held,
        stages=stages(request, f, energy_site_kwh),
        tornado=tornado(energy_site_kwh.mid, [*above, *site], below),
        assumptions=tuple(f.values()),
        warnings=tuple(_warnings(request, held)),
        missing=_missing(request, gpu_hours, held),
    )


def _energy(f: dict[str, Factor]) -> tuple[Sequence[Factor], Sequence[Factor]]:
    """Return the factors of the boards' joules: those that multiply and those that divide."""
    if ENERGY_PER_FLOP in f:
        return [f["training FLOPs"], f[ENERGY_PER_FLOP]], []
    if SPEED in f:
        return [f["training FLOPs"], f["board power"]], [f[SPEED], f["goodput"]]
    return [f["training FLOPs"], f["board power"]], [f["peak"], f["MFU"], f["goodput"]]


def _hours(f: dict[str, Factor]) -> Range | None:
    """Return device-hours; ``None`` where only joules were measured and no card is named."""
    rate = [f[name] for name in ((SPEED, "goodput") if SPEED in f else ("peak", "MFU", "goodput")) if name in f]
    if SPEED not in f and "peak" not in f:
        return None
    return combine([f["training FLOPs"]], rate).scaled(1 / 3600)


def _given(name: str, value: float | None, option: str, otherwise: Factor) -> Factor:
    return otherwise if value is None else Factor.certain(name, value, "given", option)


def _factors(request: Request) -> dict[str, Factor]:
    card, own = request.card, request.calibrated
    found = {"training FLOPs": _flops(request)}
    if own is not None:
        found |= {f.name: f for f in (own.j_per_flop, own.flops_per_s) if f is not None}
    if request.match is not None or request.peak_flops_per_s is not None:
        found["peak"] = _peak(request, card)
    if own is None:
        mfu = utilisation_factor(request.params, card, request.count, request.params_total)
        found["MFU"] = _given("MFU", request.mfu, "--mfu", mfu)
    steady = request.mfu is not None or own is not None
    found["goodput"] = _given("goodput", request.goodput, "--goodput", rules.goodput_factor(steady))
    power = _power(request, card) if request.tdp_w is not None or card is not None else None
    if power is not None:
        found["board power"] = power
    node = rules.node_factor(power, card)
    found["node factor"] = _given("node factor", request.node_factor, "--node-factor", node)
    found["PUE"] = _given("PUE", request.pue, "--pue", rules.pue_factor(card))
    return found


def _flops(request: Request) -> Factor:
    if request.flops is not None:
        return Factor.certain("training FLOPs", request.flops, "given", request.flops_source, "FLOPs")
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


def _warnings(request: Request, held: Memory | None) -> list[str]:
    card = request.card
    found = []
    if request.match is not None and request.match.note:
        found.append(request.match.note)
    if card is not None and card.note:
        found.append(f"{card.name}: {card.note}")
    if card is not None and card.published_power:
        found.append(f"{card.name} in published runs: {card.published_power}")
    if held is not None and held.fits is False:
        needed = "no number of devices, sharded by parameters alone," if held.devices is None else f"{held.devices}"
        found.append(f"{request.count} device(s) cannot hold the model's state: {needed} are needed at least")
    if request.calibrated is not None:
        found += request.calibrated.warnings
    elif request.mfu is None:
        if request.params is not None and request.params < SMALLEST_PARAMS:
            found.append(
                "no published run is this small: such a model keeps a device waiting, and can take many times this"
            )
        found.append("utilisation is a rule of thumb: your own sweep (--from STORE) or --mfu narrows this most")
    return found


def _missing(request: Request, gpu_hours: Range | None, held: Memory | None) -> dict[str, str]:
    no_time = None if gpu_hours is not None else "the sweep recorded joules and no training time"
    own = request.calibrated is not None
    reasons = {
        "gpu_hours": no_time,
        "days": no_time or (None if request.count else "no --count: device-hours only"),
        "carbon": None if request.intensity else "no --region and no --intensity: a place decides it tenfold",
        "embodied": None if request.embodied and not no_time else no_time or "not asked for (--embodied)",
        "electricity_cost": None if request.price_per_kwh is not None else "no --price-per-kwh",
        "rental_cost": no_time or (None if request.price_per_gpu_hour is not None else "no --price-per-gpu-hour"),
        "memory": None if held is not None else "no --params",
        "devices_at_least": _why_no_devices(request, held),
        "inference": None
        if request.params is not None and (request.card is not None or not own)
        else "needs --params and the hardware's peak (--gpu)",
    }
    return {part: reason for part, reason in reasons.items() if reason is not None}


def _why_no_devices(request: Request, held: Memory | None) -> str | None:
    if held is None or request.card is None:
        return "needs --params and a card of the catalogue"
    return None if held.devices is not None else "one sequence's activations alone overflow a device: shorter --context"
