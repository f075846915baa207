"""What a trial runs on: its name, its queue, its memory and its peak."""

import resource
from collections.abc import Callable

import torch

from scaling.families import FlopsPerToken
from scaling.hardware import peak_flops_per_s
from scaling.meters.gpu import GpuMeter, open_gpu_meter
from scaling.meters.together import GpusTogether
from scaling.store.records import Utilisation
from scaling.training.team import Team


def pick_device() -> torch.device:
    """Return the GPU that the executor left visible, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """Return the driver's name of a GPU, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def gpu_uuid(device: torch.device) -> str | None:
    """Return ``GPU-…`` as NVML writes it; ``None`` for the CPU."""
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}" if device.type == "cuda" else None


def open_meters(device: torch.device, team: Team) -> GpuMeter:
    """Open the meter of the trial's GPU, or in the leading process of a team the meter of all its GPUs together."""
    synchronise = synchroniser(device)
    if device.type != "cuda" or team.size == 1 or not team.leads:
        return open_gpu_meter(gpu_uuid(device), synchronise)
    boards = [gpu_uuid(torch.device("cuda", index)) for index in range(team.size)]
    return GpusTogether([open_gpu_meter(uuid, synchronise) for uuid in boards])


def synchroniser(device: torch.device) -> Callable[[], None] | None:
    """Return what waits for queued work; ``None`` for a device without a queue."""
    return torch.cuda.synchronize if device.type == "cuda" else None


def memory_peak_bytes(device: torch.device) -> dict[str, float | None]:
    """Return the peak of the process (``host_rss``) and of the GPU's allocator (``device``)."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    return {"host_rss": host, "device": torch.cuda.max_memory_allocated() if device.type == "cuda" else None}


def utilisation(device: torch.device, precision: str, flops: FlopsPerToken, tokens_per_s: float | None) -> Utilisation:
    """Return model FLOPs utilisation, or why there is none; above 100 % it is a fault, not a figure."""
    name = device_name(device) if device.type == "cuda" else None
    peak = peak_flops_per_s(name, precision) if name else None
    reason = None
    if name is None:
        reason = "the peak FLOP/s of this CPU is not known"
    elif peak is None:
        reason = f"the peak FLOP/s of {name} in {precision} is not in the catalogue"
    elif tokens_per_s is None:
        reason = "no steady window"
    mfu = None
    if peak is not None and tokens_per_s is not None:
        mfu = flops.train * tokens_per_s / peak.value
        if mfu > 1:
            mfu, reason = None, f"computed {mfu:.0%} of {peak.source}: a count or a peak is wrong"
    return Utilisation(
        mfu=mfu,
        flops_convention="flops_train",
        peak_flops_per_s=peak.value if peak else None,
        peak_source=f"data_sheet:{peak.source}" if peak else None,
        reason=reason,
    )
