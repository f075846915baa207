"""Which devices of this machine a sweep may use: those it was given that nobody else uses, named by UUID."""

from dataclasses import dataclass, replace

from scaling.errors import MachineError
from scaling.executor.protocol import Slot
from scaling.executor.slots import core_slots, gpu_slots
from scaling.hardware import MEASURE, Gpu, GpuScan
from scaling.spec.schema import ExecutorSpec
from scaling.units import format_bytes

# A board without a process of anybody holds at most the driver's reserve (about 0.6 GiB on an H100). In a
# container the processes of others cannot be seen, their memory can.
_IDLE_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """The GPUs a sweep takes, and those it leaves alone.

    Attributes:
        free: to be used, in the order of ``CUDA_VISIBLE_DEVICES``.
        busy: left alone, with the reason.
    """

    free: tuple[Gpu, ...]
    busy: tuple[tuple[Gpu, str], ...] = ()

    def lines(self) -> list[str]:
        """Return what is left alone and why, for people."""
        return [f"GPU {gpu.index} ({gpu.name}, {gpu.uuid}) is left alone: {reason}" for gpu, reason in self.busy]


def choose(scan: GpuScan, *, use_busy: bool = False) -> Devices:
    """Part the visible GPUs into free and busy ones; ``use_busy`` takes them all."""
    busy = () if use_busy else tuple((gpu, why) for gpu in scan.gpus if (why := _busy(gpu)) is not None)
    taken = {gpu.uuid for gpu, _ in busy}
    return Devices(free=tuple(gpu for gpu in scan.gpus if gpu.uuid not in taken), busy=busy)


def _busy(gpu: Gpu) -> str | None:
    if gpu.processes:
        pids = ", ".join(map(str, gpu.processes[:4])) + (" …" if len(gpu.processes) > 4 else "")
        return f"used by process {pids}"
    if gpu.memory_used_bytes is not None and gpu.memory_used_bytes > _IDLE_BYTES:
        return f"{format_bytes(gpu.memory_used_bytes)} of its memory are taken by processes that cannot be seen here"
    return None


def local_slots(spec: ExecutorSpec, found: Devices) -> tuple[Slot, ...]:
    """Return the slots of this machine.

    Args:
        spec: the executor section.
        found: its GPUs.

    Raises:
        MachineError: it has not what one trial asks for, or all its GPUs are busy.
    """
    if spec.gpus_per_trial and (found.free or found.busy):
        _enough(found, spec.gpus_per_trial)
        boards = [(gpu.uuid, gpu.name) for gpu in found.free]
        slots = gpu_slots(boards, spec.gpus_per_trial, spec.cpus_per_trial, spec.trials_per_gpu)
    else:
        processes = max(1, spec.gpus_per_trial)
        wanted = None if spec.slots == "auto" else int(spec.slots)
        slots = core_slots(wanted, max(processes, spec.cpus_per_trial or 1), processes)
    if spec.measure == "all":
        return slots
    return tuple(replace(slot, environment={**slot.environment, MEASURE: "loss"}) for slot in slots)


def _enough(devices: Devices, wanted: int) -> None:
    if len(devices.free) >= wanted or not devices.busy:
        return
    raise MachineError(
        "executor.gpus_busy",
        f"a trial asks for {_count(wanted)}; {len(devices.free)} free here, {len(devices.busy)} busy",
        where="; ".join(devices.lines()),
        why="two users of one GPU spoil each other's speed, and the energy counter counts both",
        hint="wait, choose others with CUDA_VISIBLE_DEVICES, or take them with --set executor.use_busy_gpus=true",
    )


def _count(number: int) -> str:
    return f"{number} GPU" + "s" * (number != 1)
