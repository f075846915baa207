"""What a run is expected to take, and the record of what it took."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaling.cost.forecast import Forecast
    from scaling.executor.protocol import Slot
    from scaling.spec import PlannedTrial
    from scaling.spec.schema import ExecutorSpec
    from scaling.store.calibration import Calibration
    from scaling.store.layout import StoreFolder

_WORTH_SAYING_S = 30.0  # shorter runs are mostly starts


@dataclass(slots=True)
class Expected:
    """The forecast of one run and, once it has begun, where its seconds are written.

    Attributes:
        forecasts: of its trials, by id, in the order they start.
        slots: trials side by side.
        calibration: what the forecasts rest on; ``None``: uncalibrated.
        groups: ids of the trials that each process trains.
        began: when this run began.
    """

    forecasts: "Mapping[str, Forecast]"
    slots: int
    calibration: "Calibration | None"
    groups: "Sequence[Sequence[str]]"
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def train_s(self) -> float | None:
        """Seconds until the last trial ends; ``None`` without a calibration."""
        from scaling.cost.forecast import makespan_s, total

        return makespan_s([total(self.forecasts[name] for name in group) for group in self.groups], self.slots)

    def astray(self, took_s: float) -> str | None:
        """Return what to do where a whole run took less than half or more than twice its forecast, else ``None``."""
        from scaling.units import format_duration

        if self.calibration is None or not self.train_s or max(took_s, self.train_s) < _WORTH_SAYING_S:
            return None
        if 0.5 <= took_s / self.train_s <= 2:
            return None
        took, said = format_duration(took_s), format_duration(self.train_s)
        return (
            f"training took {took}, {said} were forecast by the calibration of {self.calibration.measured}: this "
            "machine was or is busy with other work; measure it again while it is idle: scaling doctor --calibrate"
        )

    def write(self, store: "StoreFolder", phases_s: Mapping[str, float], trials: Sequence[str]) -> None:
        """Write what the run took so far, beside its forecast. Raises ``MachineError``."""
        from scaling.cost.forecast import total
        from scaling.store.timing import RunTiming, write_timing

        whole = total(self.forecasts.values())
        timing = RunTiming(
            began=self.began.isoformat(timespec="seconds"),
            slots=self.slots,
            phases_s=dict(phases_s),
            trials=tuple(trials),
            predicted_trial_s={name: f.seconds for name, f in self.forecasts.items() if f.seconds is not None},
            predicted_train_s=self.train_s,
            predicted_energy_j=whole.energy_j,
            calibrated=None if self.calibration is None else self.calibration.measured,
            reason=whole.seconds_reason,
        )
        write_timing(store.timing_dir / f"{self.began:%Y%m%dT%H%M%SZ}-{os.getpid()}.json", timing)


def expect(
    trials: "Sequence[PlannedTrial]", asked: "ExecutorSpec", slots: "Sequence[Slot]", calibrate: bool | None
) -> Expected:
    """Forecast the trials of a run on this machine.

    Args:
        trials: those that will run, in order.
        asked: whether trials of one shape are trained together.
        slots: where; none for trials that run elsewhere, which have no forecast.
        calibrate: measure the machine when it is not calibrated; ``None``: when the sweep is long enough.

    Raises:
        MachineError: the calibration failed.
    """
    from scaling.cli.calibration import make_calibration, worth_calibrating
    from scaling.cost.forecast import forecasts
    from scaling.executor.calibrate import known_calibration
    from scaling.executor.grouping import groups_of

    calibration = known_calibration(slots) if slots else None
    wanted = worth_calibrating(trials) if calibrate is None else calibrate
    if calibration is None and wanted and slots:
        calibration = make_calibration(slots)
    groups = [[trials[i].id for i in group] for group in groups_of([t.spec for t in trials], asked, slots)]
    found = forecasts(trials, calibration, {name: len(group) for group in groups for name in group})
    return Expected(
        forecasts={t.id: f for t, f in zip(trials, found, strict=True)},
        slots=len(slots),
        calibration=calibration,
        groups=groups,
    )
