"""The adapter of pynvml, against a scripted module with its functions and error classes."""

from types import SimpleNamespace

import pytest

from scaling.hardware.nvml import NvmlError, NvmlFault, _PyNvml


class ScriptedError(Exception):
    def __init__(self, value):
        super().__init__(f"error {value}")
        self.value = value


class Library:
    """A scripted pynvml module."""

    NVMLError = ScriptedError
    NVML_ERROR_NOT_SUPPORTED = 3
    NVML_ERROR_NOT_FOUND = 6
    NVML_ERROR_LIBRARY_NOT_FOUND = 12
    NVML_ERROR_GPU_IS_LOST = 15

    def __init__(self):
        self.fail = {}
        self.shut = 0

    def _give(self, name, value):
        if name in self.fail:
            raise ScriptedError(self.fail[name])
        return value

    def __getattr__(self, name):
        values = {
            "nvmlSystemGetDriverVersion": b"570.1",
            "nvmlDeviceGetCount": 2,
            "nvmlDeviceGetHandleByIndex": "handle",
            "nvmlDeviceGetHandleByUUID": "handle",
            "nvmlDeviceGetUUID": "GPU-1",
            "nvmlDeviceGetName": b"NVIDIA H200",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=10),
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetPowerUsage": 123_456,
            "nvmlDeviceGetTotalEnergyConsumption": 42,
            "nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=7), SimpleNamespace(pid=8)],
            "nvmlDeviceGetMigMode": [1, 1],
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0x04 | 0x40 | 0x01,
        }
        return lambda *args: self._give(name, values[name])

    def nvmlShutdown(self):
        self.shut += 1


def test_units_and_types():
    nvml = _PyNvml(Library())
    assert nvml.driver() == "570.1"
    assert nvml.uuids() == ("GPU-1", "GPU-1")
    assert nvml.name("GPU-1") == "NVIDIA H200"
    assert (nvml.memory_bytes("GPU-1"), nvml.energy_mj("GPU-1")) == (10, 42)
    assert (nvml.power_limit_w("GPU-1"), nvml.power_w("GPU-1")) == (700.0, 123.456)
    assert nvml.compute_pids("GPU-1") == {7, 8}
    assert nvml.mig_enabled("GPU-1")
    assert nvml.throttle_reasons("GPU-1") == ("power cap", "hardware thermal slowdown")


@pytest.mark.parametrize(
    ("code", "fault"),
    [(3, NvmlFault.NOT_SUPPORTED), (15, NvmlFault.GONE), (6, NvmlFault.GONE), (999, NvmlFault.OTHER)],
)
def test_faults_are_told_apart(code, fault):
    library = Library()
    library.fail["nvmlDeviceGetTotalEnergyConsumption"] = code
    with pytest.raises(NvmlError) as caught:
        _PyNvml(library).energy_mj("GPU-1")
    assert caught.value.fault is fault


def test_board_without_mig_is_not_an_error():
    library = Library()
    library.fail["nvmlDeviceGetMigMode"] = 3
    assert not _PyNvml(library).mig_enabled("GPU-1")
    library.fail["nvmlDeviceGetMigMode"] = 15
    with pytest.raises(NvmlError):
        _PyNvml(library).mig_enabled("GPU-1")


def test_every_function_used_exists_in_pynvml():
    pynvml = pytest.importorskip("pynvml")
    import inspect
    import re

    import scaling.hardware.nvml

    names = set(re.findall(r'"(nvml[A-Z]\w+)"', inspect.getsource(scaling.hardware.nvml)))
    assert len(names) > 8
    assert not {name for name in names if not hasattr(pynvml, name)}


def test_close_shuts_the_library_down():
    library = Library()
    _PyNvml(library).close()
    assert library.shut == 1
