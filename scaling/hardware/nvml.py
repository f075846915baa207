"""NVIDIA's management library behind a small protocol, so that meters and tests need no GPU.

The one place that touches ``pynvml`` (the module of the ``nvidia-ml-py`` distribution). Boards are addressed
by UUID throughout: NVML counts in PCI order, CUDA by default fastest first.
"""

from collections.abc import Callable
from enum import StrEnum
from types import ModuleType
from typing import Any, Protocol

_THROTTLES = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}  # nvml.h, nvmlClocksEventReasons; idle and user-set clocks are no throttling


class NvmlFault(StrEnum):
    """Why a query failed, as far as callers tell the cases apart."""

    NO_LIBRARY = "no_library"
    NOT_SUPPORTED = "not_supported"
    GONE = "gone"
    OTHER = "other"


class NvmlError(Exception):
    """A query that NVML refused; ``fault`` says which kind, the text is NVML's own."""

    def __init__(self, fault: NvmlFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Nvml(Protocol):
    """What the project asks of NVML. Every method but ``close`` raises ``NvmlError``."""

    def driver(self) -> str:
        """Return the driver's version."""

    def uuids(self) -> tuple[str, ...]:
        """Return the boards in PCI order."""

    def name(self, uuid: str) -> str:
        """Return the product name."""

    def memory_bytes(self, uuid: str) -> int:
        """Return the board's memory, in bytes."""

    def memory_used_bytes(self, uuid: str) -> int:
        """Return how much of it is taken now, by anyone, the driver's own share included."""

    def power_limit_w(self, uuid: str) -> float:
        """Return the enforced power limit, in watts."""

    def power_w(self, uuid: str) -> float:
        """Return the board's power now (a 1 s mean on most Ampere and newer boards), in watts."""

    def energy_mj(self, uuid: str) -> int:
        """Return millijoules since the driver was loaded (Volta and newer)."""

    def compute_pids(self, uuid: str) -> frozenset[int]:
        """Return the processes with a compute context on the board."""

    def mig_enabled(self, uuid: str) -> bool:
        """Return whether the board is cut into MIG slices."""

    def throttle_reasons(self, uuid: str) -> tuple[str, ...]:
        """Return what lowers the clocks now; empty when nothing does."""

    def close(self) -> None:
        """Release the library."""


class _PyNvml:
    """The real library. One instance per user; NVML itself counts initialisations."""

    def __init__(self, pynvml: ModuleType) -> None:
        self._lib = pynvml
        self._handles: dict[str, Any] = {}

    def _ask(self, function: str, *args: object) -> Any:  # noqa: ANN401  # pynvml has no types
        try:
            return getattr(self._lib, function)(*args)
        except self._lib.NVMLError as error:
            raise NvmlError(self._fault(error.value), str(error)) from error

    def _fault(self, value: int) -> NvmlFault:
        lib = self._lib
        return {
            lib.NVML_ERROR_NOT_SUPPORTED: NvmlFault.NOT_SUPPORTED,
            lib.NVML_ERROR_GPU_IS_LOST: NvmlFault.GONE,
            lib.NVML_ERROR_NOT_FOUND: NvmlFault.GONE,
            lib.NVML_ERROR_LIBRARY_NOT_FOUND: NvmlFault.NO_LIBRARY,
        }.get(value, NvmlFault.OTHER)

    def _of(self, uuid: str, function: str) -> Any:  # noqa: ANN401
        if uuid not in self._handles:
            self._handles[uuid] = self._ask("nvmlDeviceGetHandleByUUID", uuid)
        return self._ask(function, self._handles[uuid])

    def driver(self) -> str:
        return _text(self._ask("nvmlSystemGetDriverVersion"))

    def uuids(self) -> tuple[str, ...]:
        handles = [self._ask("nvmlDeviceGetHandleByIndex", i) for i in range(self._ask("nvmlDeviceGetCount"))]
        return tuple(_text(self._ask("nvmlDeviceGetUUID", handle)) for handle in handles)

    def name(self, uuid: str) -> str:
        return _text(self._of(uuid, "nvmlDeviceGetName"))

    def memory_bytes(self, uuid: str) -> int:
        return int(self._of(uuid, "nvmlDeviceGetMemoryInfo").total)

    def memory_used_bytes(self, uuid: str) -> int:
        return int(self._of(uuid, "nvmlDeviceGetMemoryInfo").used)

    def power_limit_w(self, uuid: str) -> float:
        return float(self._of(uuid, "nvmlDeviceGetEnforcedPowerLimit")) / 1000

    def power_w(self, uuid: str) -> float:
        return float(self._of(uuid, "nvmlDeviceGetPowerUsage")) / 1000

    def energy_mj(self, uuid: str) -> int:
        return int(self._of(uuid, "nvmlDeviceGetTotalEnergyConsumption"))

    def compute_pids(self, uuid: str) -> frozenset[int]:
        return frozenset(int(p.pid) for p in self._of(uuid, "nvmlDeviceGetComputeRunningProcesses"))

    def mig_enabled(self, uuid: str) -> bool:
        try:
            current, _pending = self._of(uuid, "nvmlDeviceGetMigMode")
        except NvmlError as error:
            if error.fault is NvmlFault.NOT_SUPPORTED:
                return False
            raise
        return bool(current)

    def throttle_reasons(self, uuid: str) -> tuple[str, ...]:
        bits = int(self._of(uuid, "nvmlDeviceGetCurrentClocksThrottleReasons"))
        return tuple(text for bit, text in _THROTTLES.items() if bits & bit)

    def close(self) -> None:
        self._handles.clear()
        self._lib.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


OpenNvml = Callable[[], Nvml]


def open_nvml() -> Nvml:
    """Load and initialise NVML. Raises ``NvmlError`` where there is no driver or no library."""
    try:
        import pynvml
    except ImportError as error:
        raise NvmlError(NvmlFault.NO_LIBRARY, f"module pynvml cannot be imported: {error}") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NvmlError(NvmlFault.NO_LIBRARY, str(error)) from error
    return _PyNvml(pynvml)
