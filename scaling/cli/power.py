"""Power of the slots' GPUs now, for display only; the figures of record are the trials' own."""

import time
from collections.abc import Callable, Sequence

from scaling.executor.protocol import Slot

_EVERY_S = 2.0


def power_reader(slots: Sequence[Slot]) -> Callable[[], dict[str, float]]:
    """Return a function that reads watts by slot name, at most every two seconds; empty without GPUs."""
    names = {slot.environment.get("CUDA_VISIBLE_DEVICES", ""): slot.name for slot in slots}
    names.pop("", None)
    last: dict[str, float] = {}
    next_s = 0.0

    def read() -> dict[str, float]:
        nonlocal last, next_s
        if names and time.monotonic() >= next_s:
            from scaling.hardware import devices

            next_s = time.monotonic() + _EVERY_S
            last = {names[gpu.uuid]: gpu.power_w for gpu in devices() if gpu.uuid in names and gpu.power_w is not None}
        return last

    return read
