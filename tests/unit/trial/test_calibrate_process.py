"""The measuring process for real: small enough to run in a test, on the processor."""

import json
import sys

import pytest
import torch

from scaling.errors import MachineError
from scaling.executor.calibrate import calibrate, known_calibration
from scaling.executor.slots import core_slots
from scaling.meters.gpu import open_gpu_meter
from scaling.trial import calibrate as measuring

CPU = torch.device("cpu")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(measuring, "_MATMUL_S", 0.01)
    monkeypatch.setattr(measuring, "_TIMED_S", 0.01)
    monkeypatch.setattr(measuring, "CPU_SHAPES", measuring.CPU_SHAPES[:2])
    monkeypatch.setitem(measuring._MATMUL_SIZES, "cpu", (64,))


def test_it_times_steps_evaluation_and_matrix_products(quick):
    found = measuring.calibrate(CPU, "here", 1.5, open_gpu_meter(None))
    assert found.device == "here"
    assert [t.model["d_model"] for t in found.steps] == [8, 16]
    assert all(1e-5 < t.step_s < 1 and 1e-9 < t.evaluate_s_per_token < 1e-3 for t in found.steps)
    assert all(1e8 < rate < 1e14 for rate in found.peak_flops_per_s.values())
    assert found.power_w.value is None
    assert found.power_w.reason


FAKE = """
import sys, json
from support.calibrated import make_calibration
open(sys.argv[1], "w").write(json.dumps(make_calibration("{device}").to_json()))
"""


def test_one_process_a_slot_and_the_result_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    (tmp_path / "fake_calibrate.py").write_text(FAKE.format(device="one"))
    monkeypatch.setenv("PYTHONPATH", ":".join([str(tmp_path), *sys.path]))
    found = calibrate(core_slots(2), module="fake_calibrate", preloaded=["json"])
    assert found.slots == 2
    assert json.loads(next((tmp_path / "cache" / "calibration").iterdir()).read_text())["slots"] == 2
    assert known_calibration(core_slots(2)) is None  # of another device than this one


def test_a_measuring_process_that_fails_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    (tmp_path / "broken_calibrate.py").write_text("raise SystemExit('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MachineError) as caught:
        calibrate(core_slots(1), module="broken_calibrate", preloaded=["json"])
    assert "no torch here" in caught.value.hint
