"""The slots of this machine: one per GPU, or one per physical core where there is no GPU.

One thread per slot: eight trials that each start eight threads fight over the cores, and their throughput
would be fiction.
"""

import os
from collections.abc import Iterable, Sequence
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


def core_slots(wanted: int | None = None, per_slot: int = 1, processes: int = 1) -> tuple[Slot, ...]:
    """Return as many slots as there are physical cores for, or ``wanted`` slots that take the cores in turn.

    Args:
        wanted: slots; as many as fit by default.
        per_slot: cores of one slot.
        processes: processes of one trial, which share its slot's cores.

    Raises:
        MachineError: one trial asks for more cores than there are.
    """
    cores = physical_cores()
    available = min(len(cores), quota_cores() or len(cores))
    if per_slot > available:
        raise MachineError(
            "executor.too_few_cores",
            f"a trial asks for {per_slot} cores, this machine lends {available}",
            hint="lower executor.cpus_per_trial (or executor.gpus_per_trial: without a GPU it counts processes)",
        )
    count = wanted or available // per_slot
    taken = [[cores[(index * per_slot + k) % len(cores)] for k in range(per_slot)] for index in range(count)]
    return tuple(
        Slot(
            name="core " + "+".join(str((index * per_slot + k) % len(cores)) for k in range(per_slot)),
            cpus=_flat(mine),
            environment={**_threads(per_slot // processes), **ALLOCATOR, "CUDA_VISIBLE_DEVICES": ""},
        )
        for index, mine in enumerate(taken)
    )


def gpu_slots(
    devices: Sequence[tuple[str, str]], per_slot: int = 1, cpus: int | None = None, sharers: int = 1
) -> tuple[Slot, ...]:
    """Return slots of ``per_slot`` GPUs, each given as (UUID, name); the cores are shared out evenly.

    By UUID, since indices differ between CUDA (fastest first) and NVML (bus order), and the joules of the
    wrong GPU would be booked.

    Args:
        devices: the GPUs to use.
        per_slot: GPUs of one slot; what does not fill a slot is left idle.
        cpus: cores of one slot; an even share by default.
        sharers: slots on the same GPUs; the first slots are one to each, so that few trials do not meet on one GPU.

    Raises:
        MachineError: there are not GPUs enough for one slot.
    """
    count = len(devices) // per_slot
    if count == 0:
        raise MachineError(
            "executor.no_gpu",
            f"a trial asks for {per_slot} GPUs, this machine has {len(devices)} to give",
            hint="see `scaling doctor`; executor.gpus_per_trial: 0 trains on the CPU",
        )
    cores = physical_cores()
    share = cpus or max(1, len(cores) // (count * sharers))
    slots = []
    for index in range(count * sharers):
        turn, board = divmod(index, count)
        mine = devices[board * per_slot : (board + 1) * per_slot]
        places = "+".join(str(board * per_slot + k) for k in range(per_slot))
        slots.append(
            Slot(
                name=f"{mine[0][1]} {places}" + (f", {turn + 1} of {sharers}" if sharers > 1 else ""),
                cpus=_flat([cores[(index * share + k) % len(cores)] for k in range(share)]),
                environment={
                    **_threads(share // per_slot),
                    **ALLOCATOR,
                    "CUDA_VISIBLE_DEVICES": ",".join(uuid for uuid, _ in mine),
                },
            )
        )
    return tuple(slots)


def _threads(number: int) -> dict[str, str]:
    return {key: str(max(1, number)) for key in THREADS}


def _flat(cores: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted({cpu for core in cores for cpu in core}))
