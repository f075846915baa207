"""What a run of a sweep took, by phase, beside what was predicted of it: one file per run, for the report."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scaling.store.files import bad_record, dump_json, read_json, write_atomic
from scaling.store.layout import StoreFolder

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTiming:
    """One ``scaling run``.

    Attributes:
        began: when, in UTC.
        slots: trials that could run side by side.
        phases_s: wall seconds by phase: ``plan``, ``calibrate``, ``train`` (all trials), ``fit``, ``report``.
        trials: the trials that ended in it.
        predicted_trial_s: predicted seconds of each of its trials, by id: start, training and evaluation.
        predicted_train_s: predicted seconds of its ``train`` phase; ``None`` without a calibration.
        predicted_energy_j: of the devices in training; ``None`` where power is not measured.
        calibrated: when the calibration was made.
        reason: why predictions are missing.
    """

    began: str
    slots: int
    phases_s: Mapping[str, float]
    trials: tuple[str, ...]
    predicted_trial_s: Mapping[str, float]
    predicted_train_s: float | None
    predicted_energy_j: float | None
    calibrated: str | None
    reason: str | None
    format: int = field(default=FORMAT)


def timing_files(store: StoreFolder) -> list[Path]:
    """Return the files of a store's runs, oldest first."""
    if not store.timing_dir.is_dir() or store.timing_dir.is_symlink():
        return []
    return sorted(p for p in store.timing_dir.iterdir() if p.suffix == ".json" and not p.name.startswith("."))


def write_timing(path: Path, timing: RunTiming) -> None:
    """Write the record of a run; it is written again when the report is there. Raises ``MachineError``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, dump_json(dataclasses.asdict(timing)))


def read_timing(path: Path) -> RunTiming:
    """Read the record of a run. Raises ``BadRecord``."""
    data: dict[str, Any] = read_json(path)
    try:
        return RunTiming(**{**data, "trials": tuple(data["trials"])})
    except (KeyError, TypeError) as error:
        raise bad_record(path, f"{path.name} is not a record of a run's seconds: {error}") from error
