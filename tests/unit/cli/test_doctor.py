"""``scaling doctor``: each check to each of its answers."""

import json

import pytest
from support.scripted_nvml import ScriptedNvml, not_supported
from typer.testing import CliRunner

from scaling.cli import checks
from scaling.cli.app import app
from scaling.cli.doctor import sentence
from scaling.hardware import GpuScan, scan_gpus

NONE = GpuScan(gpus=(), reason="NVML does not answer: NVML Shared Library Not Found")


@pytest.fixture(autouse=True)
def _all_boards(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def scan(**options):
    return scan_gpus(lambda: ScriptedNvml(**options))


def test_command_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    document = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {check["status"] for check in document["checks"]} <= {"pass", "warn"}
    assert "Windows are untested" in document["untested"]
    assert list(tmp_path.iterdir()) == []


def test_text_ends_with_the_verdict():
    text = CliRunner().invoke(app, ["doctor"]).stdout
    assert "measured: " in text
    assert "untested" in text.splitlines()[-1]


def test_a_fail_exits_with_3(monkeypatch):
    monkeypatch.setattr(checks, "package_version", lambda name: None)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 3
    assert "torch: not installed" in done.stdout


@pytest.mark.parametrize(
    ("version", "gpu", "status"),
    [("2.13.0+cpu", False, "pass"), ("2.13.0+cpu", True, "warn"), ("2.13.0", True, "pass"), (None, False, "fail")],
)
def test_torch_build(version, gpu, status):
    assert checks.check_torch(version, gpu).status == status


def test_broken_torch_is_a_fail(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('libcuda is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check = checks.check_torch_import()
    assert (check.status, "libcuda is broken" in check.detail) == ("fail", True)


@pytest.mark.parametrize(("version", "status"), [("3.3.2", "pass"), ("3.3.1", "fail"), (None, "fail")])
def test_codecarbon(version, status):
    assert checks.check_codecarbon(version).status == status


def test_healthy_gpu():
    (check,) = checks.check_gpus(scan())
    assert check.status == "pass"
    assert "energy counter present" in check.detail
    assert "989 TFLOP/s" in check.detail


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mig": [True]}, "MIG"),
        ({"pids": [frozenset({5})]}, "others use it"),
        ({"energy": [not_supported()]}, "no energy counter"),
        ({"names": {"GPU-aaaa-1": "NVIDIA Unheard-of"}}, "peak unknown"),
    ],
)
def test_gpu_problems(options, said):
    (check,) = checks.check_gpus(scan(**options))
    assert check.status == "warn"
    assert said in check.hint


def test_no_gpu_is_a_warning():
    (check,) = checks.check_gpus(NONE)
    assert check.status == "warn"
    assert "trials run on the CPU" in check.detail


@pytest.mark.parametrize(("system", "status"), [("Linux", "pass"), ("Darwin", "warn"), ("Windows", "warn")])
def test_system(system, status):
    assert checks.check_system(system).status == status


def test_disk(tmp_path, monkeypatch):
    from types import SimpleNamespace

    for free, status in ((1e12, "pass"), (1e9, "warn"), (1e6, "fail")):
        monkeypatch.setattr("shutil.disk_usage", lambda folder, free=free: SimpleNamespace(free=free))
        assert checks.check_disk(tmp_path).status == status


def test_no_hard_links_is_a_fail(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    check = checks.check_files(tmp_path)
    assert (check.status, "Operation not permitted" in check.detail) == ("fail", True)
    assert list(tmp_path.iterdir()) == []


def test_no_compiler_is_a_warning(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert checks.check_compiler().status == "warn"


def test_rapl(monkeypatch):
    for reason, status in ((None, "pass"), ("RAPL is not readable by this user: sudo chmod x", "warn")):
        monkeypatch.setattr(checks, "why_no_rapl", lambda reason=reason: reason)
        check = checks.check_rapl()
        assert check.status == status
    assert check.hint == "sudo chmod x"


def test_verdicts():
    bare = checks.verdict(NONE, rapl=False)
    assert "GPU energy" in bare["missing"]
    assert any("from load" in name for name in bare["modelled"])
    full = checks.verdict(scan(), rapl=True)
    assert full["missing"] == []
    assert "GPU energy (counter)" in full["measured"]
    assert "GPU energy (sampled power)" in checks.verdict(scan(energy=[not_supported()]), rapl=True)["measured"]
    assert "GPU energy" in checks.verdict(scan(mig=[True]), rapl=True)["missing"]
    assert "missing" not in sentence(full)
