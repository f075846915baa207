"""Three readings of one load on one NVIDIA board: its counter, its integrated power samples, and codecarbon.

The counter is the headline of every energy figure here, so this says how far to trust it on this board: how often it
steps, what the others say of the same seconds, what the board draws when idle, and what a short window gets wrong.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from scaling.errors import MachineError
from scaling.hardware import Gpu
from scaling.hardware.nvml import Nvml, NvmlError, OpenNvml, open_nvml
from scaling.meters.host import gpu_energy_j, make_tracker
from scaling.meters.nvml import NvmlMeter
from scaling.meters.trace import integrate_j
from scaling.meters.window import GpuWindow
from scaling.provenance import Provenance, Reading

LOAD_S, IDLE_S, WARM_UP_S = 30.0, 5.0, 3.0
AGREE = 0.02  # relative difference between two readings of one load above which something is wrong
_CADENCE_S = 3.0  # about thirty steps of a counter that steps every 100 ms
_SHORT_S = (1.0, 2.0, 5.0)  # windows at the head of the long one
_SLACK_S = 10.0  # the load outlives the window
_LOAD = """
import sys, time, torch
torch.cuda.init()
a = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)
b = torch.empty_like(a)
torch.mm(a, a, out=b); torch.cuda.synchronize()
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    for _ in range(20):
        torch.mm(a, a, out=b)
    torch.cuda.synchronize()
"""
Load = Callable[[Gpu, float], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortWindow:
    """A short window in the load: its mean power over that of the long one, less one."""

    seconds: float
    bias: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deep:
    """What the board's readings are worth.

    Attributes:
        gpu: the board's name.
        seconds: length of the load's window.
        counter_j, samples_j, codecarbon_j: joules of that window by the three ways; ``None`` with a reason.
        missing: reading -> why it is absent.
        samples_off, codecarbon_off: relative difference from the counter.
        counter_step_s: median seconds between two steps of the counter.
        idle_w: mean power before the load.
        load_w: mean power in the load, by the counter, or by samples where there is none.
        short: windows cut out of the load.
        warnings: what does not agree, and what it means.
    """

    gpu: str
    seconds: float
    counter_j: float | None
    samples_j: float | None
    codecarbon_j: float | None
    missing: dict[str, str]
    samples_off: float | None
    codecarbon_off: float | None
    counter_step_s: float | None
    idle_w: float | None
    load_w: float | None
    short: tuple[ShortWindow, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the plain JSON form."""
        return asdict(self)


@contextmanager
def torch_load(gpu: Gpu, seconds: float) -> Iterator[None]:
    """Multiply matrices on the board in a child process, for so long; ready when the block begins.

    Raises:
        MachineError: torch cannot compute on that board.
    """
    child = subprocess.Popen(
        [sys.executable, "-c", _LOAD, str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": gpu.uuid},
    )
    try:
        assert child.stdout is not None
        if child.stdout.readline().strip() != "ready":
            _, told = child.communicate()
            raise MachineError(
                "doctor.no_load",
                "the load does not run on this board",
                where=gpu.name,
                why=(told.strip().splitlines() or ["torch gave no reason"])[-1],
                hint="scaling doctor --torch",
            )
        yield
    finally:
        child.kill()
        child.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the check is run with; tests give scripted parts.

    Attributes:
        load: context manager that keeps the board busy for so many seconds.
        open_library: how to reach NVML.
        make: builds codecarbon's tracker for the board with a UUID.
        sleep: waits.
        clock: seconds.
    """

    load: Load = torch_load
    open_library: OpenNvml = open_nvml
    make: Callable[[str], Any] = lambda uuid: make_tracker(gpu_ids=(uuid,))
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.perf_counter


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The readings of one load."""

    window: GpuWindow
    codecarbon: Reading
    step_s: float | None
    short: tuple[tuple[float, GpuWindow], ...]


def deep_check(
    gpu: Gpu,
    *,
    seconds: float = LOAD_S,
    idle_s: float = IDLE_S,
    warm_up_s: float = WARM_UP_S,
    bench: Bench | None = None,
) -> Deep:
    """Run the load and read it three ways.

    Args:
        gpu: the board.
        seconds: of the load's window.
        idle_s: seconds of idle power before the load.
        warm_up_s: seconds of load before the window.
        bench: what to run it with.

    Raises:
        MachineError: NVML or the load does not work on it.
    """
    bench = bench or Bench()
    nvml = _open(bench.open_library, gpu)
    meter = NvmlMeter(nvml, gpu.uuid, clock=bench.clock)
    try:
        idle = meter.idle_power_w(idle_s) if idle_s else Reading.missing("not asked for")
        with bench.load(gpu, warm_up_s + _CADENCE_S + seconds + _SLACK_S):
            bench.sleep(warm_up_s)
            read = _read(bench, nvml, meter, gpu.uuid, seconds)
    finally:
        meter.close()
    return _judge(gpu.name, read, idle)


def _read(bench: Bench, nvml: Nvml, meter: NvmlMeter, uuid: str, seconds: float) -> _Read:
    step_s = counter_step_s(nvml, uuid, bench.clock)
    tracker = bench.make(uuid)
    tracker.start()
    meter.begin("load")
    short = []
    for length in _SHORT_S:
        meter.begin("short")
        bench.sleep(length)
        short.append((length, meter.end("short")))
    bench.sleep(max(seconds - sum(_SHORT_S), 0.0))
    window = meter.end("load")
    tracker.stop()
    return _Read(window=window, codecarbon=gpu_energy_j(tracker), step_s=step_s, short=tuple(short))


def _judge(name: str, read: _Read, idle: Reading) -> Deep:
    window, energy = read.window, read.window.energy_j
    samples = integrate_j(window.power_samples, window.seconds) if window.power_samples else None
    counter = energy.value if energy.provenance is Provenance.MEASURED_COUNTER else None
    best = counter if counter is not None else samples
    rate = None if best is None else best / window.seconds
    missing = {
        "counter": None if counter is not None else energy.reason or "no energy counter on this board",
        "samples": None if samples is not None else "no power sample was read",
        "codecarbon": None if read.codecarbon.value is not None else read.codecarbon.reason,
        "idle": None if idle.value is not None else idle.reason,
    }
    return Deep(
        gpu=name,
        seconds=window.seconds,
        counter_j=counter,
        samples_j=samples,
        codecarbon_j=read.codecarbon.value,
        missing={part: why for part, why in missing.items() if why is not None},
        samples_off=_off(samples, counter),
        codecarbon_off=_off(read.codecarbon.value, counter),
        counter_step_s=read.step_s,
        idle_w=idle.value,
        load_w=rate,
        short=tuple(_short(read.short, rate)),
        warnings=tuple(_warnings(counter, samples, read.codecarbon.value, energy.shared)),
    )


def _open(open_library: OpenNvml, gpu: Gpu) -> Nvml:
    try:
        return open_library()
    except NvmlError as error:
        raise MachineError("doctor.no_nvml", f"NVML does not answer: {error}", where=gpu.name) from error


def _short(windows: Sequence[tuple[float, GpuWindow]], rate: float | None) -> Iterator[ShortWindow]:
    for length, window in windows:
        if rate and window.energy_j.value is not None:
            yield ShortWindow(seconds=length, bias=window.energy_j.value / window.seconds / rate - 1)


def counter_step_s(nvml: Nvml, uuid: str, clock: Callable[[], float] = time.perf_counter) -> float | None:
    """Read the counter as fast as it answers and return the median seconds between its steps; ``None`` without one."""
    begun, last, steps = clock(), None, []
    while clock() - begun < _CADENCE_S:
        try:
            now = nvml.energy_mj(uuid)
        except NvmlError:
            return None
        if now != last:
            steps.append(clock())
            last = now
    gaps = [b - a for a, b in pairwise(steps[1:])]  # the first reading is no step
    return statistics.median(gaps) if gaps else None


def _off(value: float | None, counter: float | None) -> float | None:
    return None if value is None or not counter else value / counter - 1


def _warnings(counter: float | None, samples: float | None, carbon: float | None, shared: bool) -> Iterator[str]:
    for name, value in (("integrated samples", samples), ("codecarbon", carbon)):
        off = _off(value, counter)
        if off is not None and abs(off) > AGREE:
            yield f"{name} and the counter differ by {off:+.1%}, more than {AGREE:.0%}"
    if shared:
        yield "other processes used the board meanwhile: repeat on an idle one"
