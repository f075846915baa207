"""The cache of calibrations: read back as written, and never trusted when it is stale or damaged."""

import dataclasses

import pytest
from support.calibrated import make_calibration

from scaling.hardware import package_version
from scaling.provenance import Provenance, Reading
from scaling.store.calibration import (
    calibration_path,
    cpu_name,
    merge_calibrations,
    read_calibration,
    write_calibration,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path))


def current(**keys):
    return dataclasses.replace(make_calibration(**keys), torch=package_version("torch"))


def test_it_reads_back_what_was_written():
    found = current(device="card", slots=2)
    write_calibration(found)
    assert read_calibration("card", 2) == found
    assert read_calibration("card", 1) is None
    assert read_calibration("other card", 2) is None


def test_another_torch_is_another_device():
    write_calibration(dataclasses.replace(current(device="card"), torch="0.0.1"))
    assert read_calibration("card", 1) is None


@pytest.mark.parametrize("text", ["", "{", "{}", '{"format": 1, "steps": [{"x": 1}], "power_w": {}}'])
def test_a_damaged_cache_counts_as_none(text):
    path = calibration_path("card", 1)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert read_calibration("card", 1) is None


def test_slots_measured_side_by_side_are_averaged():
    fast, slow = current(), current()
    slow = dataclasses.replace(
        slow,
        start_s=4.0,
        peak_flops_per_s={name: value / 2 for name, value in slow.peak_flops_per_s.items()},
        steps=tuple(dataclasses.replace(t, step_s=2 * t.step_s) for t in slow.steps),
        power_w=Reading(value=100.0, provenance=Provenance.SAMPLED_POWER),
    )
    merged = merge_calibrations([fast, slow])
    assert merged.slots == 2
    assert merged.start_s == 3.0
    assert merged.peak_flops_per_s["float32"] == pytest.approx(7.5e10)
    assert merged.steps[0].step_s == pytest.approx(1.5 * fast.steps[0].step_s)
    assert merged.power_w.value == 75.0
    assert merged.power_w.provenance is Provenance.SAMPLED_POWER


def test_unmeasured_power_stays_unmeasured():
    assert merge_calibrations([current(), current(power=Reading.missing("no GPU"))]).power_w.reason == "no GPU"


def test_the_processor_has_a_name():
    assert "logical cores" in cpu_name()
