"""Whole sweeps into their budgets: real processes on scripted boards, whose joules are the steps that were trained."""

import importlib.util
import json
import os
import sys

import pytest
from support import boards

from scaling.executor import budget

pytestmark = pytest.mark.slow
TRIALS = tuple(range(8, 24, 4))  # widths of four trials, 16 steps each: 16 joules


@pytest.fixture
def sweep(place, tmp_path, monkeypatch):
    """Four trials on two scripted boards; ``burned()`` is what they took of them."""
    counters, module = tmp_path / "boards", next(iter(boards.__path__))
    counters.mkdir()
    monkeypatch.setenv("BOARDS", str(counters))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([module, os.environ["PYTHONPATH"]]))
    found = importlib.util.spec_from_file_location("pynvml", f"{module}/pynvml.py")
    library = importlib.util.module_from_spec(found)
    found.loader.exec_module(library)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    place.write(widths=TRIALS)
    place.burned = lambda: sum(file.stat().st_size for file in counters.iterdir())
    return place


def used(place):
    return json.loads(place.call("status", "--json")[1])


@pytest.mark.fault(
    "budget of energy or money", "ends before it is passed, failed attempts counted; what is left is said"
)
@pytest.mark.parametrize(
    "limit",
    [("--max-energy", "60"), ("--max-cost", "60", "--set", "limits.price_per_kwh=3.6e6")],
    ids=["energy", "cost"],
)
def test_a_sweep_ends_before_it_passes_a_budget_of_joules(sweep, monkeypatch, limit):
    monkeypatch.setenv("FAKE_d8 s0", "kill-once")  # two joules of it are wasted
    monkeypatch.setenv("FAKE_PAUSE", "0.05")  # else a trial burns all its joules between two looks
    code, text = sweep.run(*limit)
    assert code == 1, text
    assert "stopped: the budget" in text
    assert "left out: " in text
    states = list(sweep.states().values())
    assert set(states) <= {"done", "pending", "interrupted"}  # none failed by it
    assert states.count("done") >= 1
    assert 32 <= sweep.burned() <= 60
    assert used(sweep)["energy_gpu_j"] == sweep.burned()  # every attempt is booked, by its board's counter
    before = sweep.burned()
    assert sweep.run(*limit)[0] == 1
    assert sweep.burned() <= 60  # all runs of the sweep have one budget
    assert sweep.run()[0] == 0
    assert set(sweep.states().values()) == {"done"}
    assert sweep.burned() > before


@pytest.mark.fault("budget of GPU-hours", "trials checkpoint and end before it is passed; the same command goes on")
def test_a_sweep_ends_before_it_passes_its_gpu_hours(sweep, monkeypatch):
    monkeypatch.setattr(budget, "_MARGIN", 0.5)  # of seconds: a busy machine may take one of them to end a process
    for width in TRIALS:
        monkeypatch.setenv(f"FAKE_d{width} s0", "hang")
    code, text = sweep.run("--max-gpu-hours", "0.002")
    assert code == 1, text
    assert "the budget of 0.002 GPU-hours is used up" in text
    assert "left out: " in text
    assert 0 < used(sweep)["gpu_hours"] <= 0.002
    assert sorted(sweep.states().values()) == ["interrupted"] * 2 + ["pending"] * 2


@pytest.mark.fault(
    "limit of wall time", "trials checkpoint and end; what is left out is said, the same command goes on"
)
def test_a_sweep_ends_at_its_wall_time_and_goes_on_from_there(sweep, monkeypatch):
    for width in TRIALS:
        monkeypatch.setenv(f"FAKE_d{width} s0", "hang-once")
    code, text = sweep.run("--max-time", "2")
    assert code == 1, text
    assert "stopped: the sweep's time limit of 2 s was reached; left out: d" in text
    assert sorted(sweep.states().values()) == ["interrupted"] * 2 + ["pending"] * 2
    for width in TRIALS:
        monkeypatch.setenv(f"FAKE_d{width} s0", "ok")
    assert sweep.run()[0] == 0
    assert sorted(sweep.attempts().values()) == [1] * 2 + [2] * 2


def test_energy_cannot_be_budgeted_where_nothing_measures_it(place):
    code, text = place.run("--max-energy", "60")
    assert (code, "no counter here measures the joules" in text) == (3, True)
    assert place.call("status")[0] == 0
