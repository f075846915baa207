"""Trials of two processes under torchrun: who dies takes the others along, and nothing is left."""

import os
import signal
from contextlib import closing

import psutil
import pytest
from support.fake_sweep import Recorder, wait_for

from scaling.executor.local import LocalExecutor
from scaling.executor.runner import Limits, Runner
from scaling.executor.slots import core_slots
from scaling.store.state import State, read_failure

pytestmark = pytest.mark.slow
PARTS = {
    "supervisor": "scaling.executor.shim",
    "torchrun": "scaling.training.launch",
    "worker": "scaling.executor.rank",
}


def part(sweep, name):
    """One process of the attempt that runs now, by what it was started as."""
    found = [p for p in sweep.processes() if PARTS[name] in p.cmdline()[1:5]]
    return found[-1] if found else None


def training(sweep, number=1):
    attempt = sweep.jobs[0].folder.attempt(number)
    return attempt.curve_path.exists()


def run(sweep, on_tick=lambda running: None):
    with closing(LocalExecutor(core_slots(1), module="fake_team", processes=2)) as executor:
        return Runner(executor, sweep.jobs, Recorder(on_tick), Limits(grace_s=20.0)).run()


def kill(sweep, *victims):
    """Run with a kill in each attempt, once it trains; returns the trial's state and who was alive at the kills."""
    first = len(sweep.jobs[0].folder.attempts()) + 1
    waiting, seen = dict(enumerate(victims, start=first)), []

    def strike(running):
        number = sweep.jobs[0].folder.latest_attempt().number
        if number in waiting and training(sweep, number):
            seen.append(sweep.processes())
            part(sweep, waiting.pop(number)).kill()

    return run(sweep, strike).states["t0"], seen


def test_whoever_is_killed_takes_the_others_along_and_the_trial_is_tried_again(make_sweep):
    sweep = make_sweep("thrice")
    state, seen = kill(sweep, "worker", "torchrun")
    assert (state.state, state.attempts) == (State.FAILED, 2)
    state, more = kill(sweep, "supervisor")
    assert (state.state, state.attempts) == (State.FAILED, 3)  # the second in a row
    state, _ = kill(sweep)
    assert (state.state, state.attempts) == (State.DONE, 4)
    assert sweep.table()["t0"] == [(1000, 2.5), (2000, 2.5)]  # the mean over both workers
    for number, alive in enumerate([*seen, *more], start=1):
        assert len(alive) >= 4  # supervisor, torchrun and two workers
        assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in alive)
        failure = read_failure(sweep.jobs[0].folder.attempt(number))
        assert (failure.cause, failure.exit_code) == ("killed", -signal.SIGKILL)


def test_a_killed_runner_leaves_no_worker(make_sweep, monkeypatch):
    monkeypatch.setenv("DRIVE", "fake_team 2")
    sweep = make_sweep("once")
    runner = sweep.start_process()
    wait_for(lambda: training(sweep), 60)
    assert len(sweep.processes()) >= 4
    os.kill(runner.pid, signal.SIGKILL)
    runner.communicate(timeout=20)
    assert sweep.await_empty() == []


def test_interrupted_it_saves_once_and_ends(make_sweep, monkeypatch):
    monkeypatch.setenv("DRIVE", "fake_team 2")
    sweep = make_sweep("once")
    runner = sweep.start_process()
    wait_for(lambda: training(sweep), 60)
    runner.send_signal(signal.SIGINT)
    output, _ = runner.communicate(timeout=40)
    assert runner.returncode == 130, output
    attempt = sweep.jobs[0].folder.attempt(1)
    assert (attempt.checkpoint_dir / "state.json").exists()
    assert read_failure(attempt).cause == "interrupted"
    assert sweep.await_empty() == []
