"""What a closed window yields."""

from dataclasses import dataclass

from scaling.provenance import Reading

TOO_SHORT = "window too short"  # how the reason of such a missing reading begins
PowerSamples = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuWindow:
    """One named stretch of work, metered.

    Attributes:
        energy_j: joules of the board in the window.
        seconds: length of the window.
        power_samples: (seconds since the window began, watts of the board), for the trace beside the counter.
        notes: what a reader of the figure should know: throttling, short window, hidden processes.
    """

    energy_j: Reading
    seconds: float
    power_samples: PowerSamples = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuWindow:
    """One named stretch of work, metered by the processor's own counter.

    Attributes:
        energy_j: joules of all processor packages in the window (memory not included).
        seconds: length of the window.
    """

    energy_j: Reading
    seconds: float
