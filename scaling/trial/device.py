"""What a trial runs on: its name, its queue, its memory and its peak."""

import os
import resource
from collections.abc import Callable

import psutil
import torch

from scaling.families import FlopsPerToken
from scaling.hardware import Peak, peak_flops_per_s
from scaling.meters.gpu import GpuMeter, open_gpu_meter
from scaling.meters.together import GpusTogether
from scaling.store.calibration import cpu_name, read_calibration
from scaling.store.records import Utilisation
from scaling.training.team import Team


def pick_device() -> torch.device:
    """Return the GPU that the executor left visible, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """Return the driver's name of a GPU, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def calibrated_name(device: torch.device) -> str:
    """Return what a calibration calls the device."""
    return device_name(device) if device.type == "cuda" else cpu_name()


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


def host_rss_bytes() -> float:
    """Return the resident memory of this process now."""
    return float(psutil.Process().memory_info().rss)


def memory_peak_bytes(device: torch.device, before: float) -> dict[str, float | None]:
    """Return the peak of the process (``host_rss``) and of the GPU's allocator (``device``).

    Args:
        device: what the trial ran on.
        before: ``host_rss_bytes`` before there was a model; kept as ``host_rss_before``.

    Pages that a forked trial shares with the process it was forked from count as its own, as shared libraries do.
    """
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    allocated = torch.cuda.max_memory_allocated() if device.type == "cuda" else None
    return {"host_rss": host, "host_rss_before": before, "device": allocated}


def utilisation(
    device: torch.device, precision: str, flops: FlopsPerToken, tokens_per_s: float | None, slots: int | None
) -> Utilisation:
    """Return model FLOPs utilisation against the data sheet and against the measured peak of this device.

    Args:
        device: what the trial ran on.
        precision: of its matrix products.
        flops: of one token.
        tokens_per_s: in the steady window.
        slots: ``trials_at_once``: the calibration is that of the machine as busy as it was.
    """
    rate = None if tokens_per_s is None else flops.train * tokens_per_s
    sheet, why_no_sheet = _sheet_peak(device, precision)
    mfu, reason, fault = _share(rate, sheet, why_no_sheet)
    measured, why_not_measured = _measured_peak(device, precision, slots)
    mfu_measured, reason_measured, fault_measured = _share(rate, measured, why_not_measured)
    return Utilisation(
        mfu=mfu,
        flops_convention="flops_train",
        peak_flops_per_s=sheet.value if sheet else None,
        peak_source=sheet.source if sheet else None,
        reason=reason,
        mfu_measured=mfu_measured,
        peak_measured_flops_per_s=measured.value if measured else None,
        peak_measured_source=measured.source if measured else None,
        reason_measured=reason_measured,
        fault=fault or fault_measured,
    )


def _share(rate: float | None, peak: Peak | None, why_no_peak: str) -> tuple[float | None, str | None, bool]:
    """Return the share of a peak, why there is none, and whether it is impossible."""
    if peak is None:
        return None, why_no_peak, False
    if rate is None:
        return None, "no steady window", False
    if rate > peak.value:
        return None, f"computed {rate / peak.value:.0%} of {peak.source}: a count or a peak is wrong", True
    return rate / peak.value, None, False


def _sheet_peak(device: torch.device, precision: str) -> tuple[Peak | None, str]:
    if device.type != "cuda":
        return None, "the peak FLOP/s of this CPU is not known from a data sheet"
    name = device_name(device)
    peak = peak_flops_per_s(name, precision)
    return peak, f"the peak FLOP/s of {name} in {precision} is not in the catalogue"


def trials_at_once() -> int | None:
    """Return how many trials run side by side on this machine; ``None`` where an engine shares it out."""
    told = os.environ.get("SCALING_SLOTS", "1")
    return int(told) if told.isdecimal() else None


def _measured_peak(device: torch.device, precision: str, slots: int | None) -> tuple[Peak | None, str]:
    name = calibrated_name(device)
    if slots is None:
        return None, f"how busy {name} was is not known: an engine shares it out"
    found = read_calibration(name, slots)
    if found is None or precision not in found.peak_flops_per_s:
        return None, f"{name} is not calibrated for {slots} at a time; `scaling doctor --calibrate`"
    return Peak(found.peak_flops_per_s[precision], f"measured_matmul:{found.measured[:10]}"), ""
