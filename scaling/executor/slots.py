"""The slots of this machine: one per GPU, or one per physical core where there is no GPU.

One thread per slot: eight trials that each start eight threads fight over the cores, and their throughput
would be fiction.
"""

import os
from pathlib import Path

from scaling.errors import MachineError
from scaling.executor.protocol import Slot

THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# glibc gives large blocks back to the kernel at once and asks for them again on the next step; keeping them
# saves the page faults. Ignored by other C libraries.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MALLOC_TOP_PAD_": "67108864",
}
_TOPOLOGY = Path("/sys/devices/system/cpu")


def _siblings(cpu: int) -> tuple[int, ...]:
    """Logical CPUs of the physical core that ``cpu`` belongs to; itself where the machine does not tell."""
    try:
        text = (_TOPOLOGY / f"cpu{cpu}/topology/thread_siblings_list").read_text(encoding="ascii")
    except OSError:
        return (cpu,)
    return parse_cpu_list(text)


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Parse the kernel's list of CPUs: ``parse_cpu_list("0-2,8") == (0, 1, 2, 8)``."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus += range(int(first), int(last or first) + 1)
    return tuple(cpus)


def physical_cores() -> list[tuple[int, ...]]:
    """Return the physical cores this process may use, each as its logical CPUs."""
    if not hasattr(os, "sched_getaffinity"):
        return [(cpu,) for cpu in range(os.cpu_count() or 1)]
    allowed = os.sched_getaffinity(0)
    cores = {tuple(c for c in _siblings(cpu) if c in allowed) for cpu in allowed}
    return sorted(cores)


def quota_cores() -> int | None:
    """Whole cores that the control group's quota allows (``docker run --cpus``); ``None`` without one."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, int(quota) // int(period))


def core_slots(wanted: int | None = None) -> tuple[Slot, ...]:
    """Return one slot per physical core, or ``wanted`` slots that take the cores in turn."""
    cores = physical_cores()
    count = wanted or min(len(cores), quota_cores() or len(cores))
    return tuple(
        Slot(
            name=f"core {index % len(cores)}",
            cpus=cores[index % len(cores)],
            environment={**THREADS, **ALLOCATOR, "CUDA_VISIBLE_DEVICES": ""},
        )
        for index in range(count)
    )


def gpu_slots(devices: list[tuple[str, str]]) -> tuple[Slot, ...]:
    """Return one slot per GPU, given as (UUID, name); the cores are shared out evenly.

    By UUID, since indices differ between CUDA (fastest first) and NVML (bus order), and the joules of the
    wrong GPU would be booked.
    """
    cores = physical_cores()
    share = max(1, len(cores) // max(1, len(devices)))
    slots = []
    for index, (uuid, name) in enumerate(devices):
        mine = [cores[(index * share + k) % len(cores)] for k in range(share)]
        threads = {key: str(share) for key in THREADS}
        slots.append(
            Slot(
                name=f"{name} {index}",
                cpus=tuple(sorted({cpu for core in mine for cpu in core})),
                environment={**threads, **ALLOCATOR, "CUDA_VISIBLE_DEVICES": uuid},
            )
        )
    if not slots:
        raise MachineError("executor.no_gpu", "no GPU was given", hint="see `scaling doctor`")
    return tuple(slots)
