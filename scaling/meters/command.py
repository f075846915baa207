"""Meters a command from its start to its end: every visible GPU, the processors, the memory, and its exit code.

The command runs as a child in the foreground, with this process's own input and output. Signals sent to this process
reach it; its exit code is handed back. The meters see devices, not processes: whatever else runs on the machine
meanwhile is in the host's figures, and a GPU that others use too is marked ``shared``.
"""

import datetime
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import psutil

from scaling.errors import UsageError
from scaling.hardware import Gpu, scan_gpus
from scaling.hardware.nvml import OpenNvml, open_nvml
from scaling.meters.gpu import GpuMeter, open_gpu_meter
from scaling.meters.host import HostEnergy, HostMeter, MakeTracker, make_tracker
from scaling.meters.rapl import CpuMeter, open_cpu_meter
from scaling.meters.window import CpuWindow, GpuWindow
from scaling.provenance import Reading

FORMAT = 1  # version of the document
_WINDOW = "command"
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)  # the terminal sends these to the whole foreground group itself
_LOOK_S = 0.2
_MOST_LOOKS = 2000  # then every other one is dropped and the pace halved


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The machine at one moment of the command.

    Attributes:
        time_s: seconds since the command began.
        cpu_w: mean power of the processor packages since the look before; ``None`` without RAPL.
        cores: processor seconds per second that the command and its children used since the look before.
        memory_bytes: resident memory of the command and its children.
    """

    time_s: float
    cpu_w: float | None
    cores: float
    memory_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """A command that ran, with what its run took.

    Attributes:
        command: program and arguments.
        started: UTC, ISO 8601.
        seconds: wall time.
        returncode: its exit code; below zero the signal that ended it.
        cpu_s: processor seconds of the command and the children it waited for.
        memory_peak_bytes: largest resident memory of one of those processes.
        gpus: each visible board with its window.
        cpu: window of the processor packages' own counter.
        host: codecarbon's figures of the whole machine; the model where there is no counter.
        looks: the machine over time.
    """

    command: tuple[str, ...]
    started: str
    seconds: float
    returncode: int
    cpu_s: float
    memory_peak_bytes: float
    gpus: tuple[tuple[Gpu, GpuWindow], ...]
    cpu: CpuWindow
    host: HostEnergy
    looks: tuple[Look, ...]

    @property
    def exit_code(self) -> int:
        """What a shell would hand on: the command's code, or 128 + the signal that ended it."""
        return self.returncode if self.returncode >= 0 else 128 - self.returncode

    @property
    def energy_cpu_j(self) -> Reading:
        """Joules of the processors: their own counter where it can be read, else codecarbon's model."""
        return self.cpu.energy_j if self.cpu.energy_j.value is not None else self.host.energy_cpu_j

    @property
    def energy_gpu_j(self) -> Reading:
        """Joules of all boards together; missing when one of them is."""
        if not self.gpus:
            return Reading.missing("no NVIDIA GPU is visible")
        first, *others = [window.energy_j for _, window in self.gpus]
        return sum(others, start=first)

    def readings(self) -> dict[str, Reading]:
        """Return joules by component."""
        return {"gpu": self.energy_gpu_j, "cpu": self.energy_cpu_j, "ram": self.host.energy_ram_j}

    def measured_j(self) -> float | None:
        """Return the sum of what was measured; modelled parts never enter it. ``None`` when nothing was."""
        values = [r.value for r in self.readings().values() if r.value is not None and r.provenance.measured]
        return sum(values) if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """How to reach the meters; tests give scripted ones."""

    open_library: OpenNvml = open_nvml
    open_cpu: Callable[[], CpuMeter] = open_cpu_meter
    make_tracker: MakeTracker = make_tracker


@dataclass
class _Meters:
    """The meters of one command, begun together and ended together."""

    gpus: list[tuple[Gpu, GpuMeter]]
    cpu: CpuMeter
    host: HostMeter
    running: bool = False

    @classmethod
    def open(cls, devices: Devices) -> "_Meters":
        boards = scan_gpus(devices.open_library).gpus
        gpus = [(gpu, open_gpu_meter(gpu.uuid, open_library=devices.open_library)) for gpu in boards]
        return cls(gpus, devices.open_cpu(), HostMeter(devices.make_tracker))

    def begin(self) -> None:
        self.host.start()
        self.running = True
        self.host.wait_until_ready()
        self.cpu.begin(_WINDOW)
        for _, meter in self.gpus:
            meter.begin(_WINDOW)

    def end(self) -> tuple[tuple[tuple[Gpu, GpuWindow], ...], CpuWindow, HostEnergy]:
        gpus = tuple((gpu, meter.end(_WINDOW)) for gpu, meter in self.gpus)
        self.running = False
        return gpus, self.cpu.end(_WINDOW), self.host.stop()

    def close(self) -> None:
        if self.running:  # the command could not be started: its tracker must not listen on
            self.host.stop()
        for _, meter in self.gpus:
            meter.close()
        self.cpu.close()


def meter_command(
    command: Sequence[str], *, stdout: int | None = None, devices: Devices | None = None, look_s: float = _LOOK_S
) -> Metered:
    """Run a command to its end and return what it took.

    Args:
        command: program and arguments; no shell reads them.
        stdout: file descriptor for the command's output; this process's own by default.
        devices: how to reach the meters.
        look_s: seconds between two looks at the machine.

    Raises:
        UsageError: there is no such program, or it may not be run.
    """
    meters = _Meters.open(devices or Devices())
    try:
        with _forwarding() as forward:
            meters.begin()
            started, begun_s = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.perf_counter()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            child = _start(command, stdout)
            forward.to(child)
            watch = _Watch(child.pid, meters.cpu, look_s)
            returncode = child.wait()
            seconds = time.perf_counter() - begun_s
            looks = watch.stop()
            gpus, cpu, host = meters.end()
    finally:
        meters.close()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Metered(
        command=tuple(command),
        started=started,
        seconds=seconds,
        returncode=returncode,
        cpu_s=used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        memory_peak_bytes=max([used.ru_maxrss * 1024.0, *(look.memory_bytes for look in looks)]),
        gpus=gpus,
        cpu=cpu,
        host=host,
        looks=looks,
    )


def _start(command: Sequence[str], stdout: int | None) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(list(command), stdout=stdout)
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise UsageError(
            "measure.cannot_run",
            f"{command[0]!r} cannot be run: {error.strerror}",
            where=command[0],
            hint="a program and its arguments follow --; shell syntax needs a shell: -- sh -c '…'",
        ) from error


@dataclass
class _Forward:
    """Sends signals on to the child; those that come before it exists wait for it."""

    child: "subprocess.Popen[bytes] | None" = None
    waiting: list[int] = field(default_factory=list)

    def receive(self, number: int, frame: FrameType | None) -> None:
        if self.child is None:
            self.waiting.append(number)
        elif not (number in _FROM_TERMINAL and _foreground()):
            self.child.send_signal(number)

    def to(self, child: "subprocess.Popen[bytes]") -> None:
        self.child = child
        for number in self.waiting:
            child.send_signal(number)


def _foreground() -> bool:
    """Whether a terminal's Ctrl-C reaches this process group, and with it the child, by itself."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


@contextmanager
def _forwarding() -> Iterator[_Forward]:
    """Forward signals for the length of a command; where the main thread is not ours, they stay as they are."""
    forward = _Forward()
    if threading.current_thread() is not threading.main_thread():
        yield forward
        return
    previous = {number: signal.signal(number, forward.receive) for number in _FORWARDED}
    try:
        yield forward
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Watch:
    """A thread that looks at the command's processes, and at the processors' counter, every so often."""

    def __init__(self, pid: int, cpu: CpuMeter, look_s: float) -> None:
        self._root = pid
        self._cpu = cpu
        self._look_s = look_s
        self._begun_s = time.perf_counter()
        self._looks: list[Look] = []
        self._used: dict[int, float] = {}
        self._last_s = 0.0
        self._stop = threading.Event()
        cpu.begin("look")
        self._thread = threading.Thread(target=self._loop, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> tuple[Look, ...]:
        """Stop, and return every look."""
        self._stop.set()
        self._thread.join()
        self._cpu.end("look")
        return tuple(self._looks)

    def _loop(self) -> None:
        while not self._stop.wait(self._look_s):
            self._look()
            if len(self._looks) >= _MOST_LOOKS:
                self._looks, self._look_s = self._looks[1::2], 2 * self._look_s

    def _look(self) -> None:
        now_s = time.perf_counter() - self._begun_s
        used, memory = self._processes()
        window = self._cpu.end("look")
        self._cpu.begin("look")
        watts = window.energy_j.value
        self._looks.append(
            Look(
                time_s=now_s,
                cpu_w=None if watts is None else watts / window.seconds,
                cores=max(used, 0.0) / (now_s - self._last_s),
                memory_bytes=memory,
            )
        )
        self._last_s = now_s

    def _processes(self) -> tuple[float, float]:
        """Return processor seconds since the last look, and memory, of the command and its descendants."""
        used, memory = 0.0, 0.0
        for process in _family(self._root):
            try:
                times, rss = process.cpu_times(), process.memory_info().rss
            except psutil.Error:
                continue  # it ended between being listed and being asked
            seconds = times.user + times.system
            used += seconds - self._used.get(process.pid, 0.0)
            self._used[process.pid] = seconds
            memory += rss
        return used, memory


def _family(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def to_json(found: Metered) -> dict[str, Any]:
    """Return the document: figures with provenance, and the traces."""
    return {
        "format": FORMAT,
        "command": list(found.command),
        "started": found.started,
        "seconds": found.seconds,
        "exit_code": found.exit_code,
        "signal": -found.returncode if found.returncode < 0 else None,
        "cpu_s": found.cpu_s,
        "memory_peak_bytes": found.memory_peak_bytes,
        "measured_j": found.measured_j(),
        **{f"energy_{part}_j": reading.to_json() for part, reading in found.readings().items()},
        "gpus": [_board(gpu, window) for gpu, window in found.gpus],
        "host": {"tool": found.host.tool, "mode": found.host.mode, "detail": found.host.detail},
        "trace": [
            {"time_s": look.time_s, "cpu_w": look.cpu_w, "cores": look.cores, "memory_bytes": look.memory_bytes}
            for look in found.looks
        ],
    }


def _board(gpu: Gpu, window: GpuWindow) -> dict[str, Any]:
    return {
        "uuid": gpu.uuid,
        "name": gpu.name,
        "energy_j": window.energy_j.to_json(),
        "seconds": window.seconds,
        "notes": list(window.notes),
        "power_limit_w": gpu.power_limit_w,
        "power_w": [list(pair) for pair in window.power_samples],
    }
