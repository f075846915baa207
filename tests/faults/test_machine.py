"""What machines do: run out of memory, lose their terminal, hold a slot that fails everything."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.fake_sweep import FAULTS, Recorder, wait_for

from scaling.executor.protocol import Slot
from scaling.executor.slots import core_slots
from scaling.store.state import State, read_attempts, read_failure

pytestmark = pytest.mark.slow


@pytest.fixture
def small_memory():
    """A real control group of 300 MB, of either version; only root may make one."""
    name = f"scaling-test-{os.getpid()}"
    one, two = Path("/sys/fs/cgroup/memory", name), Path("/sys/fs/cgroup", name)
    folder, limit = (one, "memory.limit_in_bytes") if one.parent.is_dir() else (two, "memory.max")
    try:
        folder.mkdir()
        (folder / limit).write_text(str(300_000_000))
    except OSError as error:
        pytest.skip(f"cannot make a control group here: {error.strerror}")
    yield folder / "cgroup.procs"
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.05)


@pytest.mark.fault("host out of memory (the kernel kills)", "cause host_oom, tried once more, the others go on")
def test_a_kill_by_the_kernel_for_memory_is_named(make_sweep, small_memory):
    sweep = make_sweep("eat", "ok")
    join = lambda: small_memory.write_text(str(os.getpid()))  # noqa: E731
    runner = sweep.start_process(preexec_fn=join)  # one thread here
    output, _ = runner.communicate(timeout=120)
    assert sweep.states() == {"t0": State.FAILED, "t1": State.DONE}, output
    first, second = read_attempts(sweep.jobs[0].folder)
    assert (first.failure.cause, second.failure.cause) == ("host_oom", "host_oom")
    assert "ran out of memory" in second.failure.message


@pytest.mark.fault("bad slot that fails everything fast", "it is left alone, its trials run elsewhere")
def test_a_slot_where_everything_fails_is_left_alone(make_sweep):
    sweep = make_sweep(*["ok"] * 3, *["slow"] * 4, horizons=(1000, 2000))
    good, other = core_slots(2)
    bad = Slot(name="bad", cpus=other.cpus, environment={**other.environment, "FAKE_SLOT": "raise"})
    recorder = Recorder()
    outcome = sweep.run(slots=(good, bad), recorder=recorder)
    assert {s.state for s in outcome.states.values()} == {State.DONE}
    assert len(outcome.states) == 7
    assert recorder.notes == ["bad is left alone: everything fails there; trying elsewhere"]


@pytest.mark.fault("the same error in every trial", "the sweep stops after three and says what is left out")
def test_the_same_error_again_and_again_stops_the_sweep(make_sweep):
    sweep = make_sweep(*["raise"] * 10)
    outcome = sweep.run()
    assert "3 trials in a row failed alike: ValueError: no such tokenizer" in outcome.stopped
    started = sum(bool(job.folder.attempts()) for job in sweep.jobs)
    assert started <= 4  # the second slot may have begun one more
    assert len(outcome.left) == 10 - started


@pytest.mark.fault("closed terminal (SIGHUP)", "as one Ctrl-C: checkpoint, end, resumable; no orphan")
def test_a_terminal_that_is_closed_ends_the_sweep_resumably(make_sweep):
    sweep = make_sweep("hang", "hang")
    master, terminal = pty.openpty()
    command = [sys.executable, str(FAULTS / "drive.py"), str(sweep.store.root)]
    runner = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    for name in ("t0", "t1"):
        wait_for((sweep.store.trial(name).path / "a1" / "curve.jsonl").exists)
    os.close(master)  # the kernel sends SIGHUP to the session
    runner.wait(60)
    assert sweep.await_empty() == []
    wait_for(lambda: set(sweep.states().values()) == {State.INTERRUPTED})
    for job in sweep.jobs:
        assert (job.folder.path / "a1" / "checkpoints" / "state.json").exists()
        assert read_failure(job.folder.attempt(1)).cause == "interrupted"


@pytest.mark.fault("Ctrl-C in a terminal", "reaches the runner alone: trials checkpoint; 130")
def test_ctrl_c_typed_into_a_terminal_reaches_the_runner_alone(make_sweep):
    sweep = make_sweep("hang", "hang")
    master, terminal = pty.openpty()
    command = [sys.executable, str(FAULTS / "drive.py"), str(sweep.store.root)]
    runner = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    wait_for((sweep.store.trial("t1").path / "a1" / "curve.jsonl").exists)
    os.write(master, b"\x03")
    assert runner.wait(60) == 130
    os.close(master)
    assert set(sweep.states().values()) == {State.INTERRUPTED}
    assert sweep.await_empty() == []


@pytest.mark.fault("runner stopped and continued (SIGSTOP, suspend)", "nothing counts as hung or late by it")
def test_a_runner_that_was_suspended_goes_on(make_sweep):
    sweep = make_sweep("slow", "slow", horizons=(1000, 3000))
    runner = sweep.start_process()
    wait_for((sweep.jobs[0].folder.path / "a1" / "curve.jsonl").exists)
    runner.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    runner.send_signal(signal.SIGCONT)
    output, _ = runner.communicate(timeout=60)
    assert runner.returncode == 0, output
    assert set(sweep.states().values()) == {State.DONE}
