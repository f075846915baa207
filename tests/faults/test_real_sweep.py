"""A sweep of real trials, killed at random moments and run again, ends with the table of an unbroken one."""

import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from scaling.executor.local import MARK
from scaling.store import load

pytestmark = pytest.mark.slow

SWEEP = """
schema: 1
name: small
data: {context: 64, validation_tokens: 4096}
model: {family: gpt, n_layer: 1, head_dim: 8}
train: {batch_tokens: 512, warmup_steps: 5}
trials:
  - ladder: {sizes: [{d_model: 8}, {d_model: 16}, {d_model: 24}], horizons: [50k, 100k, 200k], seeds: [0]}
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
        time.sleep(moments.uniform(1.5, 6.0))
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
