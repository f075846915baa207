"""Stores of fake trials; nothing that a test starts outlives it."""

import contextlib
import os
from pathlib import Path

import psutil
import pytest
from support.fake_sweep import Sweep

HERE = Path(__file__).parent


@pytest.fixture
def make_sweep(tmp_path, monkeypatch):
    """Make a sweep of fake trials by their labels; nothing it started outlives the test."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent), str(HERE.parents[1])]))
    made = []

    def make(*labels, **keys):
        made.append(Sweep(tmp_path / "läufe und mehr" / f"store {len(made)}", labels, **keys))
        return made[-1]

    yield make
    for sweep in made:
        for process in sweep.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
