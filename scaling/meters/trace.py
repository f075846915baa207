"""A thread that samples a board's power, for the trace and for boards without an energy counter."""

import threading
import time
from collections.abc import Callable
from itertools import pairwise

from scaling.hardware.nvml import NvmlError
from scaling.meters.window import PowerSamples

SAMPLE_S = 0.1  # NVML refreshes its power reading about every 100 ms; faster only repeats it
_THROTTLE_EVERY = 10  # samples between two looks at the throttle reasons


class PowerTrace:
    """Samples power until closed; hands out the stretch of a window.

    Args:
        read_power_w: returns watts now; raises ``NvmlError``.
        read_throttles: returns what lowers the clocks now; raises ``NvmlError``.
        clock: returns seconds; shared with the meter.
        sample_s: seconds between two samples.
    """

    def __init__(
        self,
        read_power_w: Callable[[], float],
        read_throttles: Callable[[], tuple[str, ...]],
        clock: Callable[[], float] = time.perf_counter,
        sample_s: float = SAMPLE_S,
    ) -> None:
        self._read_power_w = read_power_w
        self._read_throttles = read_throttles
        self._clock = clock
        self._sample_s = sample_s
        self._samples: list[tuple[float, float]] = []
        self._throttles: list[tuple[float, str]] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: NvmlError | None = None

    def start(self) -> None:
        """Start sampling, unless it runs."""
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._loop, name="power-trace", daemon=True)
            self._thread.start()

    def sample(self) -> None:
        """Take one sample now; a refusal is kept in ``error``."""
        try:
            watts = self._read_power_w()
        except NvmlError as error:
            self.error = error
            return
        with self._lock:
            self._samples.append((self._clock(), watts))

    def slice(self, first_s: float, last_s: float) -> PowerSamples:
        """Return the samples of a stretch, as (seconds since ``first_s``, watts)."""
        with self._lock:
            inside = [(t - first_s, w) for t, w in self._samples if first_s <= t <= last_s]
        return tuple(sorted(inside))

    def throttles(self, first_s: float, last_s: float) -> tuple[str, ...]:
        """Return the throttle reasons seen in a stretch."""
        with self._lock:
            return tuple(sorted({text for t, text in self._throttles if first_s <= t <= last_s}))

    def forget(self, before_s: float) -> None:
        """Drop samples that no open window can need."""
        with self._lock:
            self._samples = [s for s in self._samples if s[0] >= before_s]
            self._throttles = [s for s in self._throttles if s[0] >= before_s]

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _loop(self) -> None:
        ticks = 0
        while not self._stop.is_set() and self.error is None:
            self.sample()
            if ticks % _THROTTLE_EVERY == 0:
                self._look_for_throttling()
            ticks += 1
            self._stop.wait(self._sample_s)

    def _look_for_throttling(self) -> None:
        try:
            reasons = self._read_throttles()
        except NvmlError:
            return  # a board that cannot tell has no throttle notes; the power samples are unaffected
        with self._lock:
            self._throttles += [(self._clock(), text) for text in reasons]


def integrate_j(samples: PowerSamples, seconds: float) -> float:
    """Integrate power over a window by trapezoids, the first and last sample held to the window's ends.

    Raises:
        ValueError: without a sample.
    """
    if not samples:
        raise ValueError("no power samples to integrate")
    held = ((0.0, samples[0][1]), *samples, (seconds, samples[-1][1]))
    return sum((t1 - t0) * (w0 + w1) / 2 for (t0, w0), (t1, w1) in pairwise(held))
