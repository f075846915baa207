"""Power of the slots' GPUs now, for display only; the figures of record are the trials' own."""

import time
from collections.abc import Callable, Sequence

from scaling.executor.protocol import Slot

_EVERY_S = 2.0


def power_reader(slots: Sequence[Slot]) -> Callable[[], dict[str, float]]:
    """Return a function that reads watts by slot name, at most every two seconds; empty without GPUs."""
    boards = {slot.name: slot.environment.get("CUDA_VISIBLE_DEVICES", "").split(",") for slot in slots}
    names = {uuid: name for name, uuids in boards.items() for uuid in uuids if uuid}
    last: dict[str, float] = {}
    next_s = 0.0

    def read() -> dict[str, float]:
        nonlocal last, next_s
        if names and time.monotonic() >= next_s:
            from scaling.hardware import devices

            next_s = time.monotonic() + _EVERY_S
            last = {}
            for gpu in devices():
                if gpu.uuid in names and gpu.power_w is not None:
                    last[names[gpu.uuid]] = last.get(names[gpu.uuid], 0.0) + gpu.power_w
        return last

    return read
