"""What was measured of a device for forecasts and utilisation: one file per device in the user's cache.

Written by a process that trains (``scaling.trial.calibrate``), read by the plan and by every trial. Not part of any
store: it describes a machine, not a sweep. ``scaling doctor --calibrate`` renews it.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from scaling.hardware import cpu_facts, package_version
from scaling.provenance import Reading
from scaling.store.files import BadRecord, dump_json, read_json, write_atomic

FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTiming:
    """Seconds of one shape under one recipe, all slots of the machine busy.

    Attributes:
        family, model: as in a trial's spec.
        vocab_size, context: tokens in the vocabulary and in a window.
        batch_tokens: tokens in an optimizer step.
        optimizer, precision, compile: as in a trial's recipe.
        step_s: one optimizer step of every member, weight average included.
        members: models of this shape that one process trains together.
        evaluate_s_per_token: one evaluated token.
    """

    family: str
    model: Mapping[str, Any]
    vocab_size: int
    context: int
    batch_tokens: int
    optimizer: str
    precision: str
    compile: bool
    step_s: float
    evaluate_s_per_token: float
    members: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """One device, as forecasts and utilisation need it.

    Attributes:
        device: its name.
        slots: trials that ran side by side while it was measured.
        measured: when, in UTC.
        torch: version of torch.
        seconds: how long the measurement took.
        start_s: from the start of a trial's process to its first step, the corpus not included.
        peak_flops_per_s: best square matrix product by precision.
        steps: timings of whole training steps.
        power_w: mean power of the device over the timed steps.
    """

    device: str
    slots: int
    measured: str
    torch: str | None
    seconds: float
    start_s: float
    peak_flops_per_s: Mapping[str, float]
    steps: tuple[StepTiming, ...]
    power_w: Reading
    format: int = field(default=FORMAT)

    def to_json(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        plain = dataclasses.asdict(self)
        return {**plain, "power_w": self.power_w.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Calibration":
        """Rebuild a calibration. Raises ``KeyError``/``TypeError``/``ValueError`` on what is not one."""
        steps = tuple(StepTiming(**step) for step in data["steps"])
        return cls(**{**data, "steps": steps, "power_w": Reading.from_json(data["power_w"])})


def cpu_name() -> str:
    """Return what a calibration calls this machine's processor: its model and logical cores."""
    facts = cpu_facts()
    return f"{facts.model or 'unknown processor'}, {facts.logical_cores} logical cores"


def calibration_path(device: str, slots: int) -> Path:
    """Return where the calibration of a device lies, for so many trials side by side."""
    chosen = os.environ.get("SCALING_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "scaling"
    key = hashlib.sha256(f"{device}|{slots}".encode()).hexdigest()[:16]
    return base / "calibration" / f"{key}.json"


def write_calibration(calibration: Calibration) -> Path:
    """Replace the calibration of its device. Raises ``MachineError`` when the cache cannot be written."""
    path = calibration_path(calibration.device, calibration.slots)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, dump_json(calibration.to_json()))
    return path


def read_calibration(device: str, slots: int) -> Calibration | None:
    """Return the calibration of a device, or ``None``: never made, made with another torch, or not readable.

    It is measured anew in all three cases; a cache is no record.
    """
    try:
        found = Calibration.from_json(read_json(calibration_path(device, slots)))
    except (FileNotFoundError, BadRecord, KeyError, TypeError, ValueError):
        return None
    same_code = found.format == FORMAT and found.torch == package_version("torch")
    return found if same_code else None


def merge_calibrations(parts: Sequence[Calibration]) -> Calibration:
    """Average what the slots of one machine measured side by side. Raises ``ValueError`` without any."""
    first, *_ = parts
    power = first.power_w
    for part in parts[1:]:
        power = power + part.power_w
    return dataclasses.replace(
        first,
        slots=len(parts),
        seconds=max(part.seconds for part in parts),
        start_s=fmean(part.start_s for part in parts),
        peak_flops_per_s={
            name: fmean(part.peak_flops_per_s[name] for part in parts) for name in first.peak_flops_per_s
        },
        steps=tuple(_mean_steps(parts)),
        power_w=power.scaled(1 / len(parts)),
    )


def _mean_steps(parts: Sequence[Calibration]) -> Iterator[StepTiming]:
    for same in zip(*(part.steps for part in parts), strict=True):
        yield dataclasses.replace(
            same[0],
            step_s=fmean(step.step_s for step in same),
            evaluate_s_per_token=fmean(step.evaluate_s_per_token for step in same),
        )
