"""Calibrates this machine: a measuring process in every slot at once, since trials side by side slow each other."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from scaling.errors import MachineError
from scaling.executor.command import PRELOADED, search_path
from scaling.executor.forging import forgeable
from scaling.executor.processes import signal_on_parent_death
from scaling.executor.protocol import Slot
from scaling.hardware import devices
from scaling.store.calibration import Calibration, cpu_name, merge_calibrations, read_calibration, write_calibration
from scaling.store.files import read_json

_PATIENCE_S = 180.0
_KILL = 9


def slot_device(slots: Sequence[Slot]) -> str:
    """Return what a calibration calls the device of these slots: the first GPU's name, or the processor."""
    visible = slots[0].environment.get("CUDA_VISIBLE_DEVICES", "")
    return next((gpu.name for gpu in devices() if gpu.uuid == visible), cpu_name())


def known_calibration(slots: Sequence[Slot]) -> Calibration | None:
    """Return the calibration of these slots from the cache, or ``None``."""
    return read_calibration(slot_device(slots), len(slots))


def calibrate(
    slots: Sequence[Slot],
    tick: Callable[[float], None] | None = None,
    module: str = "scaling.trial.calibrate",
    preloaded: Sequence[str] = PRELOADED,
) -> Calibration:
    """Measure this machine and keep the result in the cache.

    Args:
        slots: the places of trials; each measures at the same time.
        tick: told the seconds so far, about ten times a second.
        module: what is run as ``python -m MODULE OUT.json``.
        preloaded: what is imported before that where trials are forked, so that the start is the one they pay.

    Raises:
        MachineError: a measuring process failed or hung.
    """
    with tempfile.TemporaryDirectory(prefix="scaling-calibrate-") as folder, ExitStack() as stack:
        began = time.monotonic()
        forged = ["scaling.executor.forge", "once", ",".join(preloaded)] if forgeable(slots) else []
        children = [_start(slot, Path(folder, str(i)), [*forged, module]) for i, slot in enumerate(slots)]
        for child in children:
            stack.callback(child.wait)
            stack.callback(child.kill)
        while any(child.poll() is None for child in children):
            if time.monotonic() - began > _PATIENCE_S:
                raise _failed(f"it did not end within {_PATIENCE_S:g} s", "")
            if tick is not None:
                tick(time.monotonic() - began)
            time.sleep(0.1)
        for child in children:
            if child.returncode != 0:
                raise _failed(f"it ended with code {child.returncode}", Path(folder, "0.log").read_text()[-2000:])
        merged = merge_calibrations([Calibration.from_json(read_json(Path(folder, str(i)))) for i in range(len(slots))])
    write_calibration(merged)
    return merged


def _start(slot: Slot, out: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, **search_path(), **slot.environment}
    with out.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", *words, str(out)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=partial(_settle, slot.cpus, os.getpid()),  # noqa: PLW1509  # no threads here
        )


def _settle(cpus: tuple[int, ...], parent: int) -> None:
    signal_on_parent_death(_KILL, parent)
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)


def _failed(what: str, log: str) -> MachineError:
    return MachineError(
        "calibrate.failed",
        f"the calibration failed: {what}",
        why="forecasts and utilisation need it; training does not",
        hint=f"its last words:\n{log}" if log else "close other programs and repeat `scaling doctor --calibrate`",
    )
