"""Two scripted boards, for processes that look for NVML: a byte in the file of its UUID in ``BOARDS`` is a joule."""

import os
from pathlib import Path
from types import SimpleNamespace

NVML_ERROR_NOT_SUPPORTED, NVML_ERROR_NOT_FOUND, NVML_ERROR_LIBRARY_NOT_FOUND, NVML_ERROR_GPU_IS_LOST = 3, 6, 12, 15
UUIDS = ("GPU-0", "GPU-1")


class NVMLError(Exception):
    def __init__(self, value):
        super().__init__(f"error {value}")
        self.value = value


def nvmlInit():
    if "BOARDS" not in os.environ:
        raise NVMLError(NVML_ERROR_LIBRARY_NOT_FOUND)


def nvmlShutdown():
    pass


def nvmlSystemGetDriverVersion():
    return "scripted"


def nvmlDeviceGetCount():
    return len(UUIDS)


def nvmlDeviceGetHandleByIndex(index):
    return UUIDS[index]


def nvmlDeviceGetHandleByUUID(uuid):
    return uuid


def nvmlDeviceGetUUID(handle):
    return handle


def nvmlDeviceGetName(handle):
    return "Scripted Board"


def nvmlDeviceGetMemoryInfo(handle):
    return SimpleNamespace(total=2**34, used=0)


def nvmlDeviceGetEnforcedPowerLimit(handle):
    return 100_000


def nvmlDeviceGetPowerUsage(handle):
    return 50_000


def nvmlDeviceGetTotalEnergyConsumption(handle):
    path = Path(os.environ["BOARDS"], handle)
    return 1000 * path.stat().st_size if path.exists() else 0


def nvmlDeviceGetComputeRunningProcesses(handle):
    return []


def nvmlDeviceGetMigMode(handle):
    raise NVMLError(NVML_ERROR_NOT_SUPPORTED)


def nvmlDeviceGetCurrentClocksThrottleReasons(handle):
    return 0
