"""The limits of a run: those of the sweep file, tightened by the options of the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaling.executor.budget import Budget, Purse
    from scaling.executor.protocol import Executor
    from scaling.executor.runner import Limits
    from scaling.spec.schema import LimitsSpec
    from scaling.store.layout import StoreFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Limits as typed on the command line; empty and ``None`` are not given."""

    time: str = ""
    gpu_hours: float | None = None
    energy: str = ""
    cost: float | None = None
    trials: int | None = None


def runner_limits(spec: "LimitsSpec", options: Options) -> "Limits":
    """Return the limits of the runner. Raises ``UsageError`` on a duration that is none."""
    from scaling.executor.runner import Limits
    from scaling.units import parse_duration_s

    typed = _parsed("--max-time", options.time, parse_duration_s)
    return Limits(
        trial_s=spec.trial_time,
        sweep_s=_least(spec.sweep_time, typed),
        hang_s=spec.hang_time,
        trials=options.trials,
        same_failures=spec.same_failures,
    )


def open_purse(spec: "LimitsSpec", options: Options, store: "StoreFolder", executor: "Executor") -> "Purse | None":
    """Return the sweep's budget with what its earlier runs used, or ``None`` when it has none.

    Raises:
        UsageError: an energy that is none, or a cost without a price.
        MachineError: a budget of measured energy where nothing measures it.
    """
    from scaling.executor.budget import Purse, Use
    from scaling.executor.runner import GRACE_S
    from scaling.executor.spent import uses_of_store

    budget = _budget(spec, options)
    if not budget:
        return None
    if budget.needs_energy:
        _need_counters(executor)
    purse = Purse(budget, Use(), GRACE_S)
    for use in uses_of_store(store):
        purse.book(use)
    return purse


def _budget(spec: "LimitsSpec", options: Options) -> "Budget":
    from scaling.errors import UsageError
    from scaling.executor.budget import Budget
    from scaling.units import parse_energy_j

    hours = _least(spec.gpu_hours, options.gpu_hours)
    cost = _least(spec.cost, options.cost)
    if cost is not None and not (spec.price_per_gpu_hour or spec.price_per_kwh):
        raise UsageError(
            "run.no_price",
            "a budget of cost needs a price",
            where="--max-cost",
            hint="add --set limits.price_per_gpu_hour=2.5, or limits.price_per_kwh",
        )
    return Budget(
        gpu_s=None if hours is None else hours * 3600,
        energy_j=_least(spec.energy, _parsed("--max-energy", options.energy, parse_energy_j)),
        cost=cost,
        per_gpu_hour=spec.price_per_gpu_hour,
        per_kwh=spec.price_per_kwh,
        currency=spec.currency,
    )


def _need_counters(executor: "Executor") -> None:
    from scaling.errors import MachineError
    from scaling.executor.booking import Booking

    slots = executor.capacity()
    if slots is None:
        return  # the nodes tell: their supervisors book what their counters say
    bookings = [Booking(slot.environment) for slot in slots]
    measured = [booking.energy_so_far().value is not None for booking in bookings]
    for booking in bookings:
        booking.close()
    if not all(measured):
        raise MachineError(
            "run.no_counter",
            "a budget of energy cannot be kept: no counter here measures the joules of a trial",
            why="modelled joules are no measurement, and a budget in them would be a guess",
            hint="limit GPU-hours or time instead: --max-gpu-hours, --max-time",
        )


def _least(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _parsed(option: str, text: str, parse: "Callable[[str], float]") -> float | None:
    from scaling.errors import UsageError

    if not text:
        return None
    try:
        value = parse(text)
    except ValueError as error:
        raise UsageError("run.bad_limit", str(error), where=option) from error
    if value <= 0:
        raise UsageError("run.bad_limit", f"{text!r} is not above zero", where=option)
    return value
