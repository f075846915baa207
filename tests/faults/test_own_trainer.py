"""The worked example of docs/how-to/own-trainer.md: a script that knows nothing of this project, swept for real."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scaling.store import load

pytestmark = pytest.mark.slow
SWEEP = Path(__file__).parents[2] / "examples" / "own-trainer" / "sweep.yaml"


@pytest.fixture
def scaling(tmp_path):
    environment = {**os.environ, "SCALING_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(SWEEP.parents[2])}

    def start(*words):
        return subprocess.Popen(
            [sys.executable, "-m", "scaling", *words],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


def test_it_is_run_only_when_agreed_then_resumed_fitted_and_reported(scaling, tmp_path):
    small = ["--set", "trials.0.grid.axes.width=[8, 16, 32]", "--set", "trials.0.grid.horizons=[12800, 25600]"]
    refused, _ = (process := scaling("run", str(SWEEP), *small)).communicate(timeout=60)
    assert process.returncode == 2
    assert "python train.py --width=8" in refused
    assert "repeat with --yes" in refused
    first = scaling("run", str(SWEEP), *small, "--yes", "--no-report")
    store = tmp_path / "runs" / "own-trainer"
    deadline = time.monotonic() + 60
    while not list(store.glob("trials/*/a1/curve.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    output, _ = first.communicate(timeout=90)
    assert first.returncode == 130, output
    second = scaling("run", str(SWEEP), *small, "--resamples", "20")  # agreed once: not asked again
    output, _ = second.communicate(timeout=240)
    assert second.returncode == 0, output
    points = load(store).points()
    assert len(points) == 6
    assert (points["loss_nats"] < 4.85).all()  # ln 128: it learned something
    assert (store / "report.html").stat().st_size > 100_000
    again, _ = scaling("run", str(SWEEP), *small, "--no-report").communicate(timeout=60)
    assert "nothing to do: 6 done" in again
