"""Meters one NVIDIA board: the energy counter where there is one, integrated power samples where not.

The counter (millijoules since the driver was loaded, Volta and newer) steps about every 100 ms and covers
the board alone: no host, no power supply loss, no cooling.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from scaling.hardware.nvml import Nvml, NvmlError, NvmlFault
from scaling.meters.owners import foreign_pids
from scaling.meters.trace import SAMPLE_S, PowerTrace, integrate_j
from scaling.meters.window import TOO_SHORT, GpuWindow, PowerSamples
from scaling.provenance import Provenance, Reading

COUNTER_STEP_S = 0.1  # a window's two ends may each miss one step
SHORT_WINDOW_S = 5.0  # below this the steps can cost more than 4 %
MIN_SAMPLED_S = 1.0  # ten samples; fewer are no integral


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """The state of the board at one end of a window."""

    time_s: float
    energy_mj: int | None
    foreign: frozenset[int]
    note: str | None
    fault: str | None


class NvmlMeter:
    """A ``GpuMeter`` on NVML. Owns the library handle it is given.

    Args:
        nvml: the library, real or scripted.
        uuid: the board.
        synchronise: waits for queued work; ``None`` for a device without a queue.
        clock: seconds.
        sample_s: seconds between two power samples.
        foreign: splits foreign processes off those listed on the board.
    """

    def __init__(
        self,
        nvml: Nvml,
        uuid: str,
        synchronise: Callable[[], None] | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
        sample_s: float = SAMPLE_S,
        foreign: Callable[[frozenset[int]], tuple[frozenset[int], str | None]] = foreign_pids,
    ) -> None:
        self._nvml = nvml
        self._uuid = uuid
        self._synchronise = synchronise
        self._clock = clock
        self._foreign = foreign
        self._open: dict[str, _Mark] = {}
        self._closed = False
        self._refusal = self._why_not()
        self._has_counter = self._refusal is None and self._find_counter()
        self._trace = PowerTrace(lambda: nvml.power_w(uuid), lambda: nvml.throttle_reasons(uuid), clock, sample_s)

    def idle_power_w(self, seconds: float) -> Reading:
        """Return the mean of power samples over ``seconds``; blocks that long."""
        if self._refusal is not None:
            return Reading.missing(self._refusal)
        first = self._mark()
        self._trace.start()
        time.sleep(seconds)
        self._trace.sample()
        last = self._mark()
        samples = self._trace.slice(first.time_s, last.time_s)
        if not samples:
            return Reading.missing(f"no power reading: {self._trace.error or 'no sample in the window'}")
        mean = integrate_j(samples, last.time_s - first.time_s) / (last.time_s - first.time_s)
        return Reading(
            value=mean,
            provenance=Provenance.SAMPLED_POWER,
            reason=f"mean of {len(samples)} power samples",
            shared=bool(first.foreign | last.foreign),
        )

    def begin(self, name: str) -> None:
        """Synchronise, read the board, open the window. Raises ``ValueError`` if it is open already."""
        if name in self._open:
            raise ValueError(f"window {name!r} is open already")
        if self._synchronise is not None:
            self._synchronise()
        if self._refusal is None:
            self._trace.start()
        self._open[name] = first = self._mark()
        if len(self._open) == 1:
            self._trace.forget(first.time_s)
        if self._refusal is None:
            self._trace.sample()

    def peek(self, name: str) -> GpuWindow:
        """Synchronise, read the board, return the window so far. Raises ``KeyError`` if it is not open."""
        return self._window(self._open[name])[0]

    def end(self, name: str) -> GpuWindow:
        """Synchronise, read the board, close the window. Raises ``KeyError`` if it is not open."""
        window, last_s = self._window(self._open.pop(name))
        self._trace.forget(min((m.time_s for m in self._open.values()), default=last_s))
        return window

    def _window(self, first: _Mark) -> tuple[GpuWindow, float]:
        """Return the window from ``first`` to now, and the time of now."""
        if self._synchronise is not None:
            self._synchronise()
        if self._refusal is None:
            self._trace.sample()
        last = self._mark()
        samples = self._trace.slice(first.time_s, last.time_s)
        window = GpuWindow(
            energy_j=self._energy_j(first, last, samples),
            seconds=last.time_s - first.time_s,
            power_samples=samples,
            notes=self._notes(first, last),
        )
        return window, last.time_s

    def close(self) -> None:
        """Stop sampling and release NVML. May be called twice."""
        if not self._closed:
            self._closed = True
            self._trace.close()
            self._nvml.close()

    def _why_not(self) -> str | None:
        if self._uuid.startswith("MIG-"):
            return _MIG
        try:
            return _MIG if self._nvml.mig_enabled(self._uuid) else None
        except NvmlError as error:
            return f"GPU {self._uuid} does not answer: {error}"

    def _find_counter(self) -> bool:
        try:
            self._nvml.energy_mj(self._uuid)
        except NvmlError as error:
            # Any other refusal is met again, and reported, at the window's ends.
            return error.fault is not NvmlFault.NOT_SUPPORTED
        return True

    def _mark(self) -> _Mark:
        """Read the counter last, so that both ends of a window lie at the same place in this function."""
        if self._refusal is not None:
            return _Mark(time_s=self._clock(), energy_mj=None, foreign=frozenset(), note=None, fault=self._refusal)
        foreign, note = self._users()
        energy_mj, fault = None, None
        if self._has_counter:
            try:
                energy_mj = self._nvml.energy_mj(self._uuid)
            except NvmlError as error:
                fault = _fault_text(error)
        return _Mark(time_s=self._clock(), energy_mj=energy_mj, foreign=foreign, note=note, fault=fault)

    def _users(self) -> tuple[frozenset[int], str | None]:
        try:
            return self._foreign(self._nvml.compute_pids(self._uuid))
        except NvmlError as error:
            return frozenset(), f"cannot tell whether the GPU was shared: {error}"

    def _energy_j(self, first: _Mark, last: _Mark, samples: PowerSamples) -> Reading:
        fault = first.fault or last.fault
        shared = bool(first.foreign | last.foreign)
        if fault is not None:
            return Reading.missing(fault)
        if first.energy_mj is not None and last.energy_mj is not None:
            return _counter_j(last.energy_mj - first.energy_mj, last.time_s - first.time_s, shared)
        return _sampled_j(samples, last.time_s - first.time_s, self._trace.error, shared)

    def _notes(self, first: _Mark, last: _Mark) -> tuple[str, ...]:
        notes = [first.note, last.note]
        if first.foreign | last.foreign:
            notes.append("other processes used the GPU: its energy is an upper bound")
        notes += [f"throttled: {text}" for text in self._trace.throttles(first.time_s, last.time_s)]
        return tuple(dict.fromkeys(note for note in notes if note))


_MIG = "the GPU is cut into MIG slices: its counter covers the whole board, so a slice is not measured"


def _fault_text(error: NvmlError) -> str:
    return f"the GPU vanished: {error}" if error.fault is NvmlFault.GONE else f"energy counter failed: {error}"


def _counter_j(delta_mj: int, seconds: float, shared: bool) -> Reading:
    if delta_mj < 0:
        return Reading.missing("the energy counter ran backwards: the driver was reloaded in the window")
    if delta_mj == 0:
        return Reading.missing(f"{TOO_SHORT}: the energy counter did not move in {seconds:.2g} s")
    reason = None
    if seconds < SHORT_WINDOW_S:
        share = min(1.0, 2 * COUNTER_STEP_S / seconds)
        reason = f"window of {seconds:.2g} s: the counter's 100 ms steps may be off by {share:.0%}"
    return Reading(value=delta_mj / 1000, provenance=Provenance.MEASURED_COUNTER, reason=reason, shared=shared)


def _sampled_j(samples: PowerSamples, seconds: float, error: NvmlError | None, shared: bool) -> Reading:
    if error is not None:
        return Reading.missing(f"no energy counter, and power sampling failed: {error}")
    if seconds < MIN_SAMPLED_S or len(samples) < 2:
        return Reading.missing(f"{TOO_SHORT}: {len(samples)} power samples in {seconds:.2g} s, no counter")
    return Reading(
        value=integrate_j(samples, seconds),
        provenance=Provenance.SAMPLED_POWER,
        reason=f"no energy counter: integrated from {len(samples)} power samples",
        shared=shared,
    )
