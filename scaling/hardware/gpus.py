"""Finds NVIDIA boards without importing torch, honouring ``CUDA_VISIBLE_DEVICES``."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from scaling.hardware.nvml import Nvml, NvmlError, OpenNvml, open_nvml

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One NVIDIA board. ``None`` where the board does not tell.

    Attributes:
        uuid: ``GPU-…``; what ``CUDA_VISIBLE_DEVICES`` should be given.
        name: product name as the driver spells it.
        index: place in PCI order (``nvidia-smi``'s, not always CUDA's).
        memory_bytes: memory of the board.
        memory_used_bytes: what is taken of it now.
        power_limit_w: enforced power limit.
        power_w: power now.
        processes: process ids with a compute context on the board now.
        driver: driver version.
        has_energy_counter: whether it counts joules (Volta and newer).
        mig: whether it is cut into MIG slices.
    """

    uuid: str
    name: str
    index: int
    memory_bytes: int | None
    memory_used_bytes: int | None
    power_limit_w: float | None
    power_w: float | None
    processes: tuple[int, ...] | None
    driver: str
    has_energy_counter: bool
    mig: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuScan:
    """The visible boards, and why there is none or why some were left out."""

    gpus: tuple[Gpu, ...]
    reason: str | None = None


def scan_gpus(open_library: OpenNvml = open_nvml) -> GpuScan:
    """Look for boards. Never raises: without a driver there are none, and ``reason`` says so."""
    try:
        nvml = open_library()
    except NvmlError as error:
        return GpuScan(gpus=(), reason=f"NVML does not answer: {error}")
    try:
        uuids = nvml.uuids()
        visible = _visible(uuids, os.environ.get("CUDA_VISIBLE_DEVICES"))
        gpus = tuple(_describe(nvml, uuid, uuids.index(uuid)) for uuid in visible)
        hidden = len(uuids) - len(visible)
        return GpuScan(gpus=gpus, reason=f"CUDA_VISIBLE_DEVICES hides {hidden} GPU(s)" if hidden else None)
    except NvmlError as error:
        return GpuScan(gpus=(), reason=f"NVML failed: {error}")
    finally:
        nvml.close()


def devices(open_library: OpenNvml = open_nvml) -> list[Gpu]:
    """Return the visible boards, in the order of ``CUDA_VISIBLE_DEVICES``; empty without NVML, never raises."""
    return list(scan_gpus(open_library).gpus)


def _visible(uuids: tuple[str, ...], setting: str | None) -> tuple[str, ...]:
    """Apply CUDA's rules: indices or UUID prefixes, everything after the first wrong entry is dropped."""
    if setting is None:
        return uuids
    chosen: list[str] = []
    for entry in setting.split(","):
        uuid = _entry(uuids, entry.strip())
        if uuid is None:
            break
        if uuid in chosen:
            return ()  # CUDA shows no device at all when one is named twice
        chosen.append(uuid)
    return tuple(chosen)


def _entry(uuids: tuple[str, ...], entry: str) -> str | None:
    if entry.isdecimal():
        return uuids[int(entry)] if int(entry) < len(uuids) else None
    matches = [uuid for uuid in uuids if entry.startswith("GPU-") and uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def _describe(nvml: Nvml, uuid: str, index: int) -> Gpu:
    pids = _or_none(lambda: nvml.compute_pids(uuid))
    return Gpu(
        uuid=uuid,
        name=nvml.name(uuid),
        index=index,
        memory_bytes=_or_none(lambda: nvml.memory_bytes(uuid)),
        memory_used_bytes=_or_none(lambda: nvml.memory_used_bytes(uuid)),
        power_limit_w=_or_none(lambda: nvml.power_limit_w(uuid)),
        power_w=_or_none(lambda: nvml.power_w(uuid)),
        processes=None if pids is None else tuple(sorted(pids)),
        driver=nvml.driver(),
        has_energy_counter=_or_none(lambda: nvml.energy_mj(uuid)) is not None,
        mig=_or_none(lambda: nvml.mig_enabled(uuid)),
    )


def _or_none(ask: Callable[[], _T]) -> _T | None:
    try:
        return ask()
    except NvmlError:
        return None  # a field that this board does not offer reads None; the others stand
