"""The calibration of this machine, for the commands: find it, make it, say so."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaling.executor.protocol import Slot
    from scaling.spec import PlannedTrial
    from scaling.spec.schema import ExecutorSpec
    from scaling.store.calibration import Calibration

WORTH_STEPS = 5000  # a shorter sweep is over before its forecast would have paid for itself


def planned_slots(spec: "ExecutorSpec") -> "tuple[Slot, ...]":
    """Return the slots that a sweep would have here; none when it runs elsewhere, or this machine cannot run it."""
    from scaling.errors import MachineError
    from scaling.executor.devices import choose, local_slots
    from scaling.hardware import scan_gpus

    if spec.kind != "local":
        return ()
    try:
        return local_slots(spec, choose(scan_gpus(), use_busy=True))  # who is busy now may be free when it runs
    except MachineError:
        return ()  # planned here, to be run on a machine that has what it asks for


def worth_calibrating(trials: "Sequence[PlannedTrial]") -> bool:
    """Whether a sweep is long enough for its forecast to be worth ten seconds."""
    return sum(trial.steps for trial in trials) >= WORTH_STEPS


def make_calibration(slots: "Sequence[Slot]") -> "Calibration":
    """Calibrate, with the seconds so far on a terminal. Raises ``MachineError``."""
    from scaling.executor.calibrate import calibrate

    with _seconds("calibrating this machine, about 15 s, once per device and number of slots") as tick:
        return calibrate(slots, tick)


@contextmanager
def _seconds(what: str) -> "Iterator[Callable[[float], None]]":
    from scaling.cli.output import say, stderr

    if not sys.stderr.isatty():
        say(what)
        yield lambda seconds: None
        return
    with stderr().status(what) as status:
        yield lambda seconds: status.update(f"{what}: {seconds:.0f} s")


def lines(calibration: "Calibration") -> list[str]:
    """Return a calibration for people."""
    from scaling.units import format_duration, format_si

    peaks = ", ".join(f"{format_si(rate, 'FLOP/s')} {name}" for name, rate in calibration.peak_flops_per_s.items())
    fastest = max(calibration.steps, key=lambda t: t.batch_tokens / t.step_s)
    power = calibration.power_w
    return [
        f"calibrated {calibration.device}, {calibration.slots} at a time, on {calibration.measured}",
        f"  matrix product: {peaks} (measured, best square size)",
        f"  start of a trial: {format_duration(calibration.start_s)}; {len(calibration.steps)} shapes timed, "
        f"up to {format_si(fastest.batch_tokens / fastest.step_s, 'tokens/s')}",
        f"  power while training: {power.reason if power.value is None else format_si(power.value, 'W')}",
    ]
