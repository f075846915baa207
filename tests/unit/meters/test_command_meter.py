"""Real children metered, their exit codes and signals passed on; boards and tracker are scripted."""

import logging
import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from support.scripted_nvml import ScriptedNvml

from scaling.errors import UsageError
from scaling.hardware.nvml import NvmlError, NvmlFault
from scaling.meters.command import Devices, meter_command, to_json
from scaling.meters.rapl import CpuMeter
from scaling.provenance import Provenance


class Tracker:
    """Books 10 J of a modelled processor and 5 J of memory."""

    def __init__(self):
        self._hardware = [SimpleNamespace(_mode="cpu_load", _is_generic_tdp=False, _tdp=10)]
        self.final_emissions_data = SimpleNamespace(
            cpu_energy=10 / 3.6e6, ram_energy=5 / 3.6e6, duration=1.0, cpu_model="scripted"
        )

    def start(self):
        pass

    def stop(self):
        pass


def no_driver():
    raise NvmlError(NvmlFault.NO_LIBRARY, "no driver")


def run(*code, board=None, look_s=0.05):
    devices = Devices(
        open_library=no_driver if board is None else lambda: board,
        open_cpu=lambda: CpuMeter((), "no RAPL here"),
        make_tracker=Tracker,
    )
    return meter_command([sys.executable, "-c", *code], devices=devices, look_s=look_s)


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_commands(code):
    assert run(f"raise SystemExit({code})").exit_code == code


def test_death_by_a_signal_is_told_as_a_shell_tells_it():
    found = run("import os; os.kill(os.getpid(), 9)")
    assert found.returncode == -9
    assert found.exit_code == 137
    assert to_json(found)["signal"] == 9


def test_a_signal_to_the_meter_reaches_the_command(tmp_path):
    ready = tmp_path / "ready"
    code = (
        "import signal, sys, time, pathlib\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(30)\n"
    )

    def send():
        while not ready.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    sender.start()
    assert run(code).exit_code == 42
    sender.join()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_without_sensors_joules_are_modelled_and_never_called_measured():
    found = run("pass")
    document = to_json(found)
    assert document["energy_gpu_j"]["value"] is None
    assert document["energy_cpu_j"] == {
        "value": pytest.approx(10), "provenance": "modelled_load", "shared": False,
        "reason": document["energy_cpu_j"]["reason"],
    }  # fmt: skip
    assert document["measured_j"] is None


def test_boards_are_metered_and_summed():
    board = ScriptedNvml(boards=("GPU-a", "GPU-b"), energy=[0] * 6 + [90_000], power=[200.0])
    found = run("import time; time.sleep(0.3)", board=board)
    assert len(found.gpus) == 2
    assert found.energy_gpu_j.provenance is Provenance.MEASURED_COUNTER
    assert found.measured_j() == found.energy_gpu_j.value
    assert board.closed >= 2


def test_processor_time_and_memory_are_the_commands():
    found = run(
        "x = bytearray(80_000_000)\nimport time\nend = time.process_time() + .4\nwhile time.process_time() < end: pass"
    )
    assert 0.35 < found.cpu_s < 2
    assert found.memory_peak_bytes > 80e6
    assert found.looks
    assert all(a.time_s < b.time_s for a, b in zip(found.looks, found.looks[1:], strict=False))


def test_no_such_program():
    with pytest.raises(UsageError) as caught:
        meter_command(["/no/such/program"], devices=Devices(open_library=no_driver, make_tracker=Tracker))
    assert caught.value.code == "measure.cannot_run"
    assert not logging.getLogger("codecarbon").filters
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
