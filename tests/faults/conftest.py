"""Stores of fake trials; nothing that a test starts outlives it."""

import contextlib
import functools
import os
from pathlib import Path

import psutil
import pytest
from support.fake_sweep import Sweep
from support.place import Meter, Place

from scaling.executor.local import LocalExecutor

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


@pytest.fixture
def place(make_sweep, tmp_path, monkeypatch):
    del make_sweep  # only for the path of its fake trial
    folder = tmp_path / "ein Ort"
    folder.mkdir()
    words = "".join(f"def function_{n}(x): return x + {n}\n\n" for n in range(6000))
    (folder / "corpus.txt").write_text(words)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("scaling.executor.local.LocalExecutor", functools.partial(LocalExecutor, module="fake_trial"))
    monkeypatch.setattr("scaling.executor.host.HostMeter", Meter)
    place = Place(folder)
    place.write()
    return place
