"""MFU against two peaks: each named, and nothing above a hundred percent passes for a figure."""

import dataclasses

import pytest
import torch
from support.calibrated import make_calibration

from scaling.families import FlopsPerToken
from scaling.hardware import package_version
from scaling.store.calibration import cpu_name, write_calibration
from scaling.trial import device as hardware

FLOPS = FlopsPerToken(train=1e6, train_full_attention=1.2e6, rough_6n=9e5, forward=1e6 / 3)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path))


def calibrated(peak=1e11, name=None):
    found = dataclasses.replace(make_calibration(name or cpu_name(), 2, peaks={"float32": peak}))
    write_calibration(dataclasses.replace(found, torch=package_version("torch")))


def test_a_processor_has_a_measured_peak_and_no_data_sheet():
    calibrated()
    found = hardware.utilisation(CPU, "float32", FLOPS, 4e4, slots=2)
    assert found.mfu is None
    assert "data sheet" in found.reason
    assert found.mfu_measured == pytest.approx(0.4)
    assert found.flops_convention == "flops_train"
    assert found.peak_measured_source == "measured_matmul:2026-01-02"
    assert not found.fault


def test_without_a_calibration_it_says_how_to_get_one():
    found = hardware.utilisation(CPU, "float32", FLOPS, 4e4, slots=1)
    assert found.mfu_measured is None
    assert "doctor --calibrate" in found.reason_measured


def test_a_precision_that_was_not_measured_is_missing():
    calibrated()
    assert hardware.utilisation(CPU, "bfloat16", FLOPS, 4e4, slots=2).mfu_measured is None


def test_above_a_hundred_percent_is_a_fault_not_a_figure():
    calibrated(peak=1e10)
    found = hardware.utilisation(CPU, "float32", FLOPS, 4e4, slots=2)
    assert found.mfu_measured is None
    assert found.reason_measured == "computed 400% of measured_matmul:2026-01-02: a count or a peak is wrong"
    assert found.fault


def test_a_card_is_held_against_its_data_sheet(monkeypatch):
    monkeypatch.setattr(hardware, "device_name", lambda device: "NVIDIA H100 80GB HBM3")
    gpu = torch.device("cuda")
    found = hardware.utilisation(gpu, "bfloat16", FLOPS, 4e8, slots=1)
    assert found.mfu == pytest.approx(4e14 / 989.4e12, rel=1e-3)
    assert found.peak_source == "data_sheet:H100-SXM5-80GB"
    assert hardware.utilisation(gpu, "bfloat16", FLOPS, 1e9, slots=1).fault


def test_no_steady_window_no_figure():
    calibrated()
    assert hardware.utilisation(CPU, "float32", FLOPS, None, slots=2).reason_measured == "no steady window"


@pytest.mark.parametrize(("told", "known"), [(None, 1), ("1", 1), ("2", 2), ("shared", None)])
def test_trials_at_once_are_a_number_or_unknown_where_an_engine_shares_the_machine(monkeypatch, told, known):
    monkeypatch.delenv("SCALING_SLOTS", raising=False)
    if told is not None:
        monkeypatch.setenv("SCALING_SLOTS", told)
    assert hardware.trials_at_once() == known


def test_on_a_shared_machine_the_measured_peak_is_missing_with_its_reason():
    calibrated()
    found = hardware.utilisation(CPU, "float32", FLOPS, 1e4, slots=None)
    assert found.mfu_measured is None
    assert "an engine shares it out" in found.reason_measured
