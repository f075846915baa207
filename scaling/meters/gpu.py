"""The contract of a GPU meter, the meter of a trial without a GPU, and how to open the right one."""

import time
from collections.abc import Callable
from typing import Protocol

from scaling.hardware.facts import not_measured
from scaling.hardware.nvml import NvmlError, OpenNvml, open_nvml
from scaling.meters.nvml import NvmlMeter
from scaling.meters.window import GpuWindow
from scaling.provenance import Reading

__all__ = ["GpuMeter", "GpuWindow", "MissingGpuMeter", "open_gpu_meter"]


class GpuMeter(Protocol):
    """Opens and closes windows by name; windows may nest and overlap. Never raises for want of a figure."""

    def idle_power_w(self, seconds: float) -> Reading:
        """Return the board's mean power over ``seconds`` of doing nothing; blocks that long."""

    def begin(self, name: str) -> None:
        """Synchronise the device and open a window. Raises ``ValueError`` if it is open already."""

    def peek(self, name: str) -> GpuWindow:
        """Synchronise the device and return a window so far; it stays open. Raises ``KeyError``."""

    def end(self, name: str) -> GpuWindow:
        """Synchronise the device and close a window. Raises ``KeyError`` if it is not open."""

    def close(self) -> None:
        """Stop sampling and release the device. May be called twice."""


class MissingGpuMeter:
    """Meters nothing, and says why; windows still tell their seconds."""

    def __init__(self, reason: str, synchronise: Callable[[], None] | None = None) -> None:
        self._reason = reason
        self._synchronise = synchronise
        self._open: dict[str, float] = {}

    def idle_power_w(self, seconds: float) -> Reading:
        """Return at once: there is nothing to wait for."""
        return Reading.missing(self._reason)

    def begin(self, name: str) -> None:
        """Note the time."""
        if name in self._open:
            raise ValueError(f"window {name!r} is open already")
        self._open[name] = self._now()

    def peek(self, name: str) -> GpuWindow:
        """Return the window so far with its seconds and a missing energy."""
        return GpuWindow(energy_j=Reading.missing(self._reason), seconds=self._now() - self._open[name])

    def end(self, name: str) -> GpuWindow:
        """Return a window with its seconds and a missing energy."""
        window = self.peek(name)
        del self._open[name]
        return window

    def close(self) -> None:
        """Nothing to release."""

    def _now(self) -> float:
        if self._synchronise is not None:
            self._synchronise()
        return time.perf_counter()


def open_gpu_meter(
    uuid: str | None,
    synchronise: Callable[[], None] | None = None,
    *,
    open_library: OpenNvml = open_nvml,
) -> GpuMeter:
    """Open the meter of one NVIDIA board.

    Args:
        uuid: the board (``GPU-…``), or ``None`` for a trial on the CPU.
        synchronise: waits for all work queued on the device; called at both ends of a window, since
            the counter otherwise misses work that is still queued.
        open_library: how to reach NVML; tests give a scripted one.

    Returns:
        A meter. Where nothing can be metered its readings are missing and name the reason.
    """
    if (why := not_measured()) is not None:
        return MissingGpuMeter(why, synchronise)
    if uuid is None:
        return MissingGpuMeter("no NVIDIA GPU: this trial runs on the CPU", synchronise)
    try:
        nvml = open_library()
    except NvmlError as error:
        return MissingGpuMeter(f"no NVIDIA GPU: NVML does not answer ({error})", synchronise)
    return NvmlMeter(nvml, uuid, synchronise)
