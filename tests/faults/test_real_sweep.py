"""A sweep of real trials, killed at random moments and run again, ends with the table of an unbroken one."""

import dataclasses
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from support.calibrated import make_calibration

from scaling.executor.local import MARK
from scaling.hardware import package_version
from scaling.store import load
from scaling.store.calibration import cpu_name, write_calibration

pytestmark = pytest.mark.slow

SWEEP = """
schema: 1
name: small
data: {context: 64, validation_tokens: 4096}
model: {family: gpt, n_layer: 1, head_dim: 8}
train: {batch_tokens: 512, warmup_steps: 5}
trials:
  - ladder: {sizes: [{d_model: 8}, {d_model: 16}], horizons: [50k, 100k, 200k], seeds: [0]}
executor: {slots: 2}
"""


def start(folder, name):
    sweep = folder / "small.yaml"
    sweep.write_text(SWEEP)
    command = [sys.executable, "-m", "scaling", "run", str(sweep), "--out", str(folder / name), "--no-report"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def alive(store):
    """Processes of this store's attempts."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK, "").startswith(str(store)):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def table(store):
    points = load(store).points()
    return points[["trial", "tokens", "loss_nats", "flops_train"]].sort_values(["trial", "tokens"]).to_dict("list")


def curves(store):
    frame = load(store).curves()
    return frame[["trial", "step", "loss_nats", "grad_norm"]].sort_values(["trial", "step"]).to_dict("list")


@pytest.mark.fault("real models, runner killed at random moments", "table and curves bit for bit as unbroken")
def test_killed_at_three_random_moments_it_ends_with_the_same_table(tmp_path):
    unbroken = start(tmp_path, "unbroken")
    output, _ = unbroken.communicate(timeout=200)
    assert unbroken.returncode == 0, output
    seed = time.time_ns()
    print("seed of the moments:", seed)  # shown when the test fails
    moments = random.Random(seed)
    store = tmp_path / "broken"
    for _ in range(3):
        runner = start(tmp_path, "broken")
        time.sleep(moments.uniform(1.0, 4.0))
        runner.send_signal(signal.SIGKILL)
        runner.communicate(timeout=60)
        deadline = time.monotonic() + 5
        while alive(store) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert alive(store) == []
    runner = start(tmp_path, "broken")
    output, _ = runner.communicate(timeout=200)
    assert runner.returncode == 0, output
    assert table(store) == table(tmp_path / "unbroken")  # bit for bit
    assert curves(store) == curves(tmp_path / "unbroken")


@pytest.mark.fault("more than all of a measured peak", "no MFU but its reason, a fault in words, exit 1")
def test_a_peak_that_is_too_low_is_a_fault_not_a_figure(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    low = make_calibration(device=cpu_name(), slots=1, peaks={"float32": 1e3})  # scripted: a real one is 1e10 and more
    write_calibration(dataclasses.replace(low, torch=package_version("torch")))
    (tmp_path / "corpus.txt").write_text("".join(f"def function_{n}(x): return x + {n}\n\n" for n in range(6000)))
    sweep = tmp_path / "one.yaml"
    sweep.write_text(
        "schema: 1\nname: one\ndata: {path: corpus.txt, context: 32, validation_tokens: 2k}\n"
        "model: {family: gpt, n_layer: 1, head_dim: 4}\ntrain: {batch_tokens: 128, warmup_steps: 5}\n"
        "trials:\n  - ladder: {sizes: [{d_model: 8}], horizons: [10k]}\nexecutor: {slots: 1}\n"
    )
    command = [sys.executable, "-m", "scaling", "run", str(sweep), "--out", str(tmp_path / "store"), "--no-report"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.returncode == 1, found.stderr
    assert "fault: d8 s0: MFU computed " in found.stderr
    (trial,) = load(tmp_path / "store").trials().to_dict("records")
    assert trial["state"] == "done"
    assert trial["mfu_measured"] is None
    assert trial["mfu_measured_reason"].endswith("a count or a peak is wrong")
