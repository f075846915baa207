"""``scaling predict`` with a budget of kilowatt-hours, money or hours."""

from typing import Any

from scaling.answers.analysed import Law
from scaling.answers.spend import Bought, Budget, buy
from scaling.cli.estimate_inputs import split_count
from scaling.cli.estimate_view import energy_row, row
from scaling.cost.calibrated import Calibrated, calibrated
from scaling.cost.document import to_json
from scaling.cost.estimate import Estimate
from scaling.cost.request import Request
from scaling.errors import UsageError
from scaling.hardware import find_accelerator
from scaling.store import Store
from scaling.units import format_flops, format_si


def spend(
    store: Store,
    law: Law,
    budget: Budget,
    gpus: str | None,
    prices: tuple[float | None, float | None],
    *,
    extrapolate: bool,
) -> Bought:
    """Return what the budget buys on the named devices, or on the sweep's own where none is named.

    Raises:
        UsageError: the budget is not above zero, or a device or price is missing.
        NotEnoughData: the sweep measured nothing to reckon with, or the budget is beyond reach.
    """
    if not budget.amount > 0:
        raise UsageError("predict.number", f"{budget} must be above zero")
    per_hour, per_kwh = prices
    count, name = (1, None) if gpus is None else split_count(gpus)
    request = Request(
        match=None if name is None else find_accelerator(name),
        count=count or 1,
        price_per_gpu_hour=per_hour,
        price_per_kwh=per_kwh,
    )

    def own(params: float) -> Calibrated:
        return calibrated(law.name, store.points(), store.trials(), params)

    return buy(law, budget, request, own if name is None else None, extrapolate=extrapolate)


def document(found: Bought) -> dict[str, Any]:
    """Return the JSON form of what is known beside the prediction."""
    return {
        "kind": found.budget.kind,
        "amount": found.budget.amount,
        "flops": found.flops.to_json(),
        "loss_at_low": found.loss_at_low,
        "loss_at_high": found.loss_at_high,
        "cost": None if found.cost is None else to_json(found.cost),
    }


def lines(found: Bought) -> list[str]:
    """Return the budget and the run it buys as lines of text."""
    cost, f = found.cost, found.flops
    return [
        f"{found.budget} buys {format_flops(f.mid)}, 80 % interval {format_flops(f.low)} to {format_flops(f.high)}: "
        f"best loss {found.loss_at_low:.4g} to {found.loss_at_high:.4g}",
        *([] if cost is None else _cost_lines(cost)),
    ]


def _cost_lines(cost: Estimate) -> list[str]:
    days = None if cost.days is None else cost.days.scaled(24)
    money = [("rental cost", cost.rental_cost), ("electricity cost", cost.electricity_cost), ("hours", days)]
    return [
        energy_row("energy, site", cost.energy_site_kwh),
        *(row(title, value, format_si) for title, value in money if value is not None),
        *(f"assumed: {f.name} {f.range.mid:.4g} {f.unit} ({f.provenance}; {f.source})" for f in cost.assumptions[1:]),
        *(f"note: {text}" for text in cost.warnings),
    ]
