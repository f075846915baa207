"""The RAPL reader on a made-up powercap tree."""

import os

import pytest

from scaling.meters.rapl import CpuMeter, open_cpu_meter, package_domains, why_no_rapl
from scaling.provenance import Provenance


@pytest.fixture
def tree(tmp_path):
    for name, title, value in (
        ("intel-rapl:0", "package-0", 900),
        ("intel-rapl:1", "package-1", 100),
        ("intel-rapl:0:0", "core", 7),
        ("intel-rapl:2", "psys", 5),
        ("intel-rapl-mmio:0", "package-0", 900),
    ):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text(title + "\n")
        (folder / "energy_uj").write_text(f"{value}\n")
        (folder / "max_energy_range_uj").write_text("999\n")
    return tmp_path


def put(tree, name, value):
    (tree / name / "energy_uj").write_text(f"{value}\n")


def test_only_packages_are_counted_and_each_once(tree):
    assert [d.path.parent.name for d in package_domains(tree)] == ["intel-rapl:0", "intel-rapl:1"]


def test_window_sums_packages(tree):
    meter = open_cpu_meter(tree)
    meter.begin("a")
    put(tree, "intel-rapl:0", 950)
    put(tree, "intel-rapl:1", 130)
    reading = meter.end("a").energy_j
    meter.close()
    assert reading.value == pytest.approx(80e-6)
    assert reading.provenance is Provenance.MEASURED_RAPL


def test_wrap_around(tree):
    meter = open_cpu_meter(tree)
    meter.begin("a")
    put(tree, "intel-rapl:0", 50)  # 900 -> 999, 0 -> 50
    assert meter.end("a").energy_j.value == pytest.approx(150e-6)
    meter.close()


def test_two_wraps_in_one_window_are_seen_by_looking_in_between(tree):
    meter = CpuMeter(package_domains(tree), look_s=3600)
    meter.begin("a")
    put(tree, "intel-rapl:0", 50)
    meter._look()
    put(tree, "intel-rapl:0", 40)
    assert meter.end("a").energy_j.value == pytest.approx((150 + 990) * 1e-6)
    meter.close()


def test_still_counter_is_missing_not_zero(tree):
    meter = open_cpu_meter(tree)
    meter.begin("a")
    assert "too short" in meter.end("a").energy_j.reason
    meter.close()


def test_counter_that_goes_away_is_missing(tree):
    meter = open_cpu_meter(tree)
    meter.begin("a")
    put(tree, "intel-rapl:1", "nonsense")
    assert "cannot be read any more" in meter.end("a").energy_j.reason
    meter.close()


def test_without_rapl_the_reason_is_given(tmp_path):
    meter = open_cpu_meter(tmp_path / "nothing")
    meter.begin("a")
    reading = meter.end("a").energy_j
    assert reading.value is None
    assert "no RAPL" in reading.reason


def test_work_beside_other_work_is_told_the_first_cause(tree, tmp_path):
    """A counter covers all that ran beside; where there is none, that is why, with or without company."""
    counted, none = open_cpu_meter(tree), open_cpu_meter(tmp_path / "nothing")
    counted.begin("a")
    none.begin("a")
    put(tree, "intel-rapl:0", 950)
    assert "every trial that ran beside" in counted.end("a", alone=False).energy_j.reason
    assert "no RAPL" in none.end("a", alone=False).energy_j.reason
    counted.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_without_permission_the_fix_is_given(tree):
    (tree / "intel-rapl:0" / "energy_uj").chmod(0)
    assert "chmod a+r" in why_no_rapl(tree)


def test_permission_error_names_the_fix(tree, monkeypatch):
    def refuse(root):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("scaling.meters.rapl.package_domains", refuse)
    assert "chmod a+r" in why_no_rapl(tree)
