"""What a trial will take on this machine: seconds and joules from a calibration, or nothing and the reason.

The model has two terms, both measured once per device: a fixed cost of a step (Python, launches, optimizer) and a
rate of floating-point work. Without a calibration nothing is guessed.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scaling.spec import PlannedTrial

UNCALIBRATED = "uncalibrated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured of a device, for forecasts.

    Attributes:
        device: its name.
        step_overhead_s: seconds of a step beyond its floating-point work.
        flops_per_s: model FLOP/s reached on matrix products and attention.
        power_w: power while training; ``None`` where it cannot be measured.
        power_reason: why it is missing.
    """

    device: str
    step_overhead_s: float
    flops_per_s: float
    power_w: float | None = None
    power_reason: str | None = None

    def __post_init__(self) -> None:
        if not (self.flops_per_s > 0 and self.step_overhead_s >= 0 and math.isfinite(self.step_overhead_s)):
            raise ValueError(f"not a calibration: {self!r}")
        if (self.power_w is None) == (self.power_reason is None):
            raise ValueError("power is given, or the reason why it is missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predicted training time and energy of one trial, or of several one after another.

    Attributes:
        seconds: training steps only; evaluations, samples and start-up come on top.
        seconds_reason: why it is missing.
        energy_j: of the calibrated device alone.
        energy_reason: why it is missing.
    """

    seconds: float | None
    seconds_reason: str | None
    energy_j: float | None
    energy_reason: str | None


def forecast(trial: PlannedTrial, calibration: Calibration | None) -> Forecast:
    """Predict one trial. Without a calibration both figures are ``None``, reason ``uncalibrated``."""
    if calibration is None:
        return Forecast(seconds=None, seconds_reason=UNCALIBRATED, energy_j=None, energy_reason=UNCALIBRATED)
    seconds = trial.steps * calibration.step_overhead_s + trial.flops_total / calibration.flops_per_s
    return Forecast(
        seconds=seconds,
        seconds_reason=None,
        energy_j=None if calibration.power_w is None else seconds * calibration.power_w,
        energy_reason=calibration.power_reason,
    )


def total(forecasts: Iterable[Forecast]) -> Forecast:
    """Add forecasts up; a figure that one of them lacks is missing in the sum, with that reason."""
    forecasts = list(forecasts)
    seconds, seconds_reason = _sum([(f.seconds, f.seconds_reason) for f in forecasts])
    energy_j, energy_reason = _sum([(f.energy_j, f.energy_reason) for f in forecasts])
    return Forecast(seconds=seconds, seconds_reason=seconds_reason, energy_j=energy_j, energy_reason=energy_reason)


def _sum(figures: list[tuple[float | None, str | None]]) -> tuple[float | None, str | None]:
    values = [value for value, _ in figures if value is not None]
    if len(values) == len(figures):
        return math.fsum(values), None
    return None, next(reason for value, reason in figures if value is None)
