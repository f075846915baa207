"""Finding boards: order, visibility, fields that a board does not offer."""

import pytest
from support.scripted_nvml import ScriptedNvml, lost, not_supported

from scaling.hardware import devices, scan_gpus
from scaling.hardware.nvml import NvmlError, NvmlFault

BOARDS = ("GPU-aaaa-1", "GPU-aabb-2", "GPU-cccc-3")


def visible(monkeypatch, setting):
    if setting is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    return [gpu.index for gpu in devices(lambda: ScriptedNvml(boards=BOARDS))]


@pytest.mark.parametrize(
    ("setting", "indices"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("2,0", [2, 0]),
        ("1,-1,0", [1]),
        ("0,9,1", [0]),
        ("GPU-cccc-3", [2]),
        ("GPU-c", [2]),
        ("GPU-aa", []),  # fits two boards
        ("GPU-aab,GPU-aaa", [1, 0]),
        ("0,0", []),
        ("MIG-aaaa", []),
        ("cccc", []),
    ],
)
def test_cuda_visible_devices(monkeypatch, setting, indices):
    assert visible(monkeypatch, setting) == indices


def test_hidden_boards_are_told(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert scan_gpus(lambda: ScriptedNvml(boards=BOARDS)).reason == "CUDA_VISIBLE_DEVICES hides 2 GPU(s)"


def test_fields(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvml = ScriptedNvml(pids=[frozenset({9, 4})], power=[not_supported()])
    (gpu,) = devices(lambda: nvml)
    assert (gpu.uuid, gpu.name, gpu.driver) == ("GPU-aaaa-1", "NVIDIA H200", "570.00")
    assert (gpu.memory_bytes, gpu.power_limit_w, gpu.power_w) == (141 * 10**9, 700.0, None)
    assert (gpu.processes, gpu.has_energy_counter, gpu.mig) == ((4, 9), True, False)
    assert nvml.closed == 1


def test_board_without_counter(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert not devices(lambda: ScriptedNvml(energy=[not_supported()]))[0].has_energy_counter


def test_no_driver_is_an_empty_list_with_a_reason():
    def refuse():
        raise NvmlError(NvmlFault.NO_LIBRARY, "NVML Shared Library Not Found")

    assert devices(refuse) == []
    assert "Not Found" in scan_gpus(refuse).reason


def test_board_that_falls_off_the_bus_is_no_exception(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvml = ScriptedNvml()

    def gone(uuid):
        raise lost()

    nvml.name = gone
    assert scan_gpus(lambda: nvml).gpus == ()
    assert nvml.closed == 1


def test_this_machine_never_raises():
    assert isinstance(devices(), list)
