"""What a budget of kilowatt-hours, money or hours buys: training FLOPs on a device, then N, D and loss by the law.

The device is the sweep's own, by its measured joules and seconds, or one of the catalogue by the rules of
``scaling.cost``. Its cost of a FLOP depends on the size of the model, and the best size on the FLOPs: the two are
solved together.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from scaling.answers.analysed import Law
from scaling.answers.predict import Prediction, predict_budget
from scaling.cost.calibrated import Calibrated
from scaling.cost.estimate import Estimate, estimate
from scaling.cost.factors import Factor, Range, combine
from scaling.cost.request import Request
from scaling.cost.rules import goodput_factor
from scaling.errors import NotEnoughData, UsageError
from scaling.laws.frontier import MAX_EXTRAPOLATION

KINDS = ("kwh", "money", "hours")
_ROUNDS = 50
_SAME = 1e-9  # in ln C


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent.

    Attributes:
        kind: ``kwh`` of the site, ``money`` in the currency of the prices, or ``hours`` of wall time.
        amount: how much.
    """

    kind: str
    amount: float

    def __str__(self) -> str:
        """Return the option that asks for it."""
        return f"--{self.kind} {self.amount:.3g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """What a budget buys.

    Attributes:
        budget: the budget.
        flops: training FLOPs, with the 80 % interval of what the device makes of it.
        prediction: the best run of the middle of it, by the law.
        loss_at_low, loss_at_high: best loss by the law at the ends of ``flops``.
        cost: energy, hours and money of that run; ``None`` where the sweep's own device told its speed alone.
    """

    budget: Budget
    flops: Range
    prediction: Prediction
    loss_at_low: float
    loss_at_high: float
    cost: Estimate | None


def buy(
    law: Law,
    budget: Budget,
    request: Request,
    calibrate: Callable[[float], Calibrated] | None = None,
    *,
    extrapolate: bool = False,
) -> Bought:
    """Return what a budget buys.

    Args:
        law: L(N,D) of a store.
        budget: what may be spent.
        request: device, count, prices; its work is filled in here.
        calibrate: measured cost on the sweep's own device for runs of a size; ``None`` for the rules of thumb.
        extrapolate: answer beyond 100x the largest fitted compute too.

    Raises:
        NotEnoughData: the budget buys more than the law reaches, or the sweep measured nothing to reckon with.
        UsageError: a price or the device is missing.
    """
    flops, cost = _solve(law, budget, request, calibrate)
    reach = MAX_EXTRAPOLATION * law.largest
    if flops.mid > reach * (1 + 1e-9) and not extrapolate:
        nearest = replace(budget, amount=budget.amount * reach / flops.mid)
        raise NotEnoughData(
            "predict.too_far",
            f"{budget} buys {flops.mid / law.largest:.3g}x the largest fitted compute",
            where=law.name,
            why=f"beyond {MAX_EXTRAPOLATION:g}x no part of the data checks the law",
            hint=f"about {nearest} can be answered; train larger trials, or take the risk with --extrapolate",
        )
    at = {end: predict_budget(law, getattr(flops, end), extrapolate=True) for end in ("low", "high")}
    return Bought(
        budget=budget,
        flops=flops,
        prediction=predict_budget(law, flops.mid, extrapolate=True),
        loss_at_low=at["low"].loss.value,
        loss_at_high=at["high"].loss.value,
        cost=cost,
    )


def _solve(
    law: Law, budget: Budget, request: Request, calibrate: Callable[[float], Calibrated] | None
) -> tuple[Range, Estimate | None]:
    """Return the FLOPs whose best run takes the budget, and the cost of that run."""
    flops = law.largest
    for _ in range(_ROUNDS):
        params = predict_budget(law, flops, extrapolate=True).params.value
        own = None if calibrate is None else calibrate(params)
        source = f"{budget}, by the law of {law.name}"
        asked = replace(request, params=params, flops=flops, flops_source=source, calibrated=own)
        cost = None if _only_time(asked) else estimate(asked)
        taken = _hours(asked) if cost is None else _taken(cost, budget.kind)
        bought = Range(**{a: flops * budget.amount / getattr(taken, b) for a, b in _TURNED})
        if abs(math.log(bought.mid / flops)) < _SAME:
            break
        flops = bought.mid
    if cost is None and budget.kind != "hours":
        raise _nothing_measured(law.name)
    return bought, cost


_TURNED = (("low", "high"), ("mid", "mid"), ("high", "low"))  # what costs most buys least


def _only_time(asked: Request) -> bool:
    """Whether the sweep's own device is meant and told its speed alone: hours can be reckoned, joules not."""
    own = asked.calibrated
    return own is not None and own.j_per_flop is None and asked.match is None


def _hours(asked: Request) -> Range:
    own = asked.calibrated
    if own is None or own.flops_per_s is None:
        raise _nothing_measured("this sweep")
    assert asked.flops is not None
    work = Factor.certain("training FLOPs", asked.flops, "derived", "the budget", "FLOPs")
    seconds = combine([work], [own.flops_per_s, goodput_factor(mfu_given=True)])
    return seconds.scaled(1 / 3600 / (asked.count or 1))


def _nothing_measured(name: str) -> NotEnoughData:
    return NotEnoughData(
        "predict.unmeasured",
        f"{name} measured no energy on its own device",
        why="joules or a price per hour of a device turn a budget into FLOPs",
        hint="name the device: --gpus 4xA100",
    )


def _taken(cost: Estimate, kind: str) -> Range:
    """Return how much of the budget's kind a run takes."""
    if kind == "kwh":
        return cost.energy_site_kwh
    if kind == "hours":
        if cost.days is None:
            raise NotEnoughData(
                "predict.no_time",
                "the sweep recorded no training time, so hours say nothing",
                hint="name the device: --gpus 4xA100",
            )
        return cost.days.scaled(24)
    found = cost.rental_cost if cost.rental_cost is not None else cost.electricity_cost
    if found is None:
        raise UsageError(
            "predict.no_price",
            "money without a price buys nothing",
            hint="give --price-per-gpu-hour, or --price-per-kwh for hardware of your own",
        )
    return found
