"""Several boards that train one trial, metered as one."""

from collections.abc import Sequence
from functools import reduce
from operator import add

from scaling.meters.gpu import GpuMeter
from scaling.meters.window import GpuWindow
from scaling.provenance import Reading


class GpusTogether:
    """The sum of the boards' meters; a board that has no figure leaves the sum without one.

    Args:
        meters: one for each board; at least one.
    """

    def __init__(self, meters: Sequence[GpuMeter]) -> None:
        self._meters = meters

    def idle_power_w(self, seconds: float) -> Reading:
        """Return the sum of the boards' idle power, taken one after the other within ``seconds``."""
        return reduce(add, [meter.idle_power_w(seconds / len(self._meters)) for meter in self._meters])

    def begin(self, name: str) -> None:
        """Open a window on every board."""
        for meter in self._meters:
            meter.begin(name)

    def peek(self, name: str) -> GpuWindow:
        """Return a window so far on every board."""
        return self._sum([meter.peek(name) for meter in self._meters])

    def end(self, name: str) -> GpuWindow:
        """Close a window on every board; the power samples are those of the first."""
        return self._sum([meter.end(name) for meter in self._meters])

    def _sum(self, windows: Sequence[GpuWindow]) -> GpuWindow:
        return GpuWindow(
            energy_j=reduce(add, [window.energy_j for window in windows]),
            seconds=max(window.seconds for window in windows),
            power_samples=windows[0].power_samples,
            notes=tuple(dict.fromkeys(note for window in windows for note in window.notes)),
        )

    def close(self) -> None:
        """Release every board."""
        for meter in self._meters:
            meter.close()
