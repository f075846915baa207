"""Budgets of a sweep in GPU-hours, measured joules and money, over all its runs, failed attempts included.

Energy is what counters measured. An attempt whose counter was not read (it was killed together with its supervisor) is
charged at the highest mean power measured so far, and said to be so: a budget is kept on the safe side.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scaling.provenance import Reading

_J_PER_KWH = 3.6e6
_MARGIN = 0.05  # at most this share of a budget is held back for the checkpoints of a clean stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of a sweep; ``None`` is no limit.

    Attributes:
        gpu_s: seconds of one GPU.
        energy_j: measured joules of the GPUs.
        cost: money, from the two prices.
        per_gpu_hour, per_kwh: prices.
        currency: of ``cost`` and prices, for people.
    """

    gpu_s: float | None = None
    energy_j: float | None = None
    cost: float | None = None
    per_gpu_hour: float = 0.0
    per_kwh: float = 0.0
    currency: str = "USD"

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.gpu_s, self.energy_j, self.cost))

    @property
    def needs_energy(self) -> bool:
        """Whether it can only be kept where joules are measured."""
        return self.energy_j is not None or (self.cost is not None and self.per_kwh > 0)


@dataclass(frozen=True, slots=True)
class Use:
    """What was used: seconds of one GPU, measured joules, and GPU seconds whose joules nobody measured."""

    gpu_s: float = 0.0
    energy_j: float = 0.0
    unmetered_gpu_s: float = 0.0
    attempts: int = 0

    def __add__(self, other: "Use") -> "Use":
        return Use(
            self.gpu_s + other.gpu_s,
            self.energy_j + other.energy_j,
            self.unmetered_gpu_s + other.unmetered_gpu_s,
            self.attempts + other.attempts,
        )


def use_of(gpus: int, seconds: float, energy: Reading) -> Use:
    """Return what one attempt used."""
    gpu_s = gpus * seconds
    measured = energy.value is not None and energy.provenance.measured
    return Use(gpu_s, float(energy.value or 0.0) if measured else 0.0, 0.0 if measured else gpu_s, 1)


def use_of_record(record: Mapping[str, Any]) -> Use:
    """Return what an ``exit.json`` books. Raises ``KeyError``/``TypeError``/``ValueError`` on a damaged one."""
    energy = record.get("energy_gpu_j")
    reading = Reading.missing("not booked") if energy is None else Reading.from_json(energy)
    return use_of(int(record.get("gpus", 0)), float(record["seconds"]), reading)


class Purse:
    """Keeps a budget while a sweep runs.

    Args:
        budget: the limits.
        before: what earlier runs of the sweep used.
        grace_s: time that a clean stop may take.
    """

    def __init__(self, budget: Budget, before: Use, grace_s: float) -> None:
        self._budget, self._grace_s = budget, grace_s
        self.used = before
        self._watts = 0.0  # highest mean power of one GPU so far
        self._learn(before)

    def book(self, use: Use) -> None:
        """Add an attempt that ended."""
        self.used += use
        self._learn(use)

    def _learn(self, use: Use) -> None:
        metered_s = use.gpu_s - use.unmetered_gpu_s
        if metered_s > 0:
            self._watts = max(self._watts, use.energy_j / metered_s)

    def exceeded(self, running: Iterable[Use]) -> str | None:
        """Return which budget is about to be passed by what runs now, or ``None``."""
        uses = list(running)
        for use in uses:
            self._learn(use)
        now = sum(uses, self.used)
        soon = now + self._ahead(self._grace_s * sum(1 for use in uses if use.gpu_s > 0))
        for name, limit, spent, ahead in self._lines(now, soon):
            if max(spent, min(ahead, spent + _MARGIN * limit)) >= limit:
                return self._words(name, limit, spent)
        return None

    def affords(self, gpus: int, seconds: float, running: Iterable[Use]) -> bool:
        """Whether a trial of about so many seconds may start beside what runs now and is still to come of it."""
        total = sum(running, self.used) + self._ahead(gpus * seconds)
        return all(spent <= limit for _, limit, spent, _ in self._lines(total, total))

    def expected(self, gpu_s: float) -> Use:
        """Return what so many further GPU seconds are expected to use."""
        return self._ahead(gpu_s)

    def _ahead(self, gpu_s: float) -> Use:
        return Use(gpu_s, gpu_s * self._watts)

    def _joules(self, use: Use) -> float:
        return use.energy_j + use.unmetered_gpu_s * self._watts

    def _cost(self, use: Use) -> float:
        b = self._budget
        return use.gpu_s / 3600 * b.per_gpu_hour + self._joules(use) / _J_PER_KWH * b.per_kwh

    def _lines(self, now: Use, soon: Use) -> list[tuple[str, float, float, float]]:
        """Return (name, limit, now, soon) of each budget that is set."""
        b = self._budget
        rows = (
            ("gpu_hours", b.gpu_s, now.gpu_s, soon.gpu_s),
            ("energy", b.energy_j, self._joules(now), self._joules(soon)),
            ("cost", b.cost, self._cost(now), self._cost(soon)),
        )
        return [(name, limit, used, ahead) for name, limit, used, ahead in rows if limit is not None]

    def _words(self, name: str, limit: float, spent: float) -> str:
        shown = {
            "gpu_hours": (f"{spent / 3600:.4g}", f"{limit / 3600:.4g} GPU-hours"),
            "energy": (f"{spent / _J_PER_KWH:.4g}", f"{limit / _J_PER_KWH:.4g} kWh"),
            "cost": (f"{spent:.4g}", f"{limit:.4g} {self._budget.currency}"),
        }[name]
        return f"the budget of {shown[1]} is used up ({shown[0]} so far)"
