"""What is recorded of the machine and the code with every trial: versions, threads, git state. No torch."""

import hashlib
import os
import platform
import socket
import subprocess
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from scaling import __version__

_PACKAGES = ("torch", "numpy", "codecarbon", "nvidia-ml-py")
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
MEASURE = "SCALING_MEASURE"  # what a trial is to measure: all, or its loss only
FORKED = "SCALING_FORKED"  # the process id of a trial that is a fork of a process with its modules


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuFacts:
    """The processor.

    Attributes:
        model: as the kernel names it; ``None`` when it does not.
        logical_cores: hardware threads of the machine.
        usable_cores: hardware threads that this process may run on.
        memory_bytes: memory of the machine.
    """

    model: str | None
    logical_cores: int
    usable_cores: int
    memory_bytes: int


def cpu_facts() -> CpuFacts:
    """Return what is known of the processor."""
    logical = os.cpu_count() or 1
    return CpuFacts(
        model=_cpu_model(),
        logical_cores=logical,
        usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical,
        memory_bytes=psutil.virtual_memory().total,
    )


def _cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    if not cpuinfo.is_file():
        return platform.processor() or None
    for line in cpuinfo.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine() or None


def process_age_s() -> float:
    """Return the seconds since this process was started or forked, to a hundredth."""
    try:
        stat = Path("/proc/self/stat").read_bytes()
    except OSError:
        return time.time() - psutil.Process().create_time()
    ticks = int(stat[stat.rindex(b")") + 2 :].split()[19])
    # By the clock that the kernel counts them in: as a date, the boot is known to the second alone.
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def not_measured() -> str | None:
    """Return why this trial's speed and energy are not to be measured; ``None`` where they are."""
    if os.environ.get(MEASURE, "all") == "all":
        return None
    return "executor.measure is loss: trials may share a device, whose speed and energy are then none of one trial"


def environment() -> dict[str, object]:
    """Return the environment of this process as plain JSON: versions without importing, threads, machine.

    The host is a hash: enough to tell two machines apart, not to name one in a shared store.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": asdict(cpu_facts()),
        "versions": {"scaling": __version__, **{name: package_version(name) for name in _PACKAGES}},
        "variables": {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ},
        "forked": os.environ.get(FORKED) == str(os.getpid()),
        "host": hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12],
    }


def package_version(name: str) -> str | None:
    """Return an installed distribution's version without importing it; ``None`` when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def git_state(path: Path) -> dict[str, object] | None:
    """Return ``{"sha": …, "dirty": …}`` of the checkout that holds ``path``.

    Untracked files, such as a sweep's own store, do not make it dirty.

    Returns:
        ``None`` outside a checkout, without git, or when git does not answer within five seconds.
    """
    sha = _git(path, "rev-parse", "HEAD")
    status = _git(path, "status", "--porcelain", "--untracked-files=no")
    if sha is None or status is None:
        return None
    return {"sha": sha, "dirty": bool(status)}


def _git(path: Path, *args: str) -> str | None:
    folder = path if path.is_dir() else path.parent
    try:
        done = subprocess.run(["git", "-C", str(folder), *args], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
