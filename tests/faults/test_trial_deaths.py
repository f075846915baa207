import os
import signal
import time

import pytest
from support.fake_sweep import Recorder, wait_for

from scaling.store.state import State, read_failure

pytestmark = pytest.mark.slow  # a second each where the machine is busy

BEHAVIOUR = {
    "ok": (State.DONE, 1, None),
    "raise": (State.FAILED, 1, "ValueError: no such tokenizer 🙂"),
    "kill-always": (State.FAILED, 2, "killed by SIGKILL after step 2"),
    "kill-once": (State.DONE, 2, None),
    "segv": (State.FAILED, 2, "killed by SIGSEGV after step 2"),
    "exit3": (State.FAILED, 1, "the trial's process ended with code 3"),
    "silent": (State.FAILED, 1, "without its results (points lacking: 1000, 2000)"),
    "diverge": (State.DIVERGED, 1, "step 5: loss is nan"),
}


@pytest.mark.fault(
    "exception, SIGKILL, SIGSEGV, exit code, no result, NaN",
    "each recorded with its reason; only kills are tried once more; the others go on",
)
def test_bad_trials_are_recorded_with_their_reasons_and_touch_no_other(make_sweep):
    sweep = make_sweep("ok", *BEHAVIOUR)
    recorder = Recorder()
    outcome = sweep.run(recorder=recorder)
    for job in sweep.jobs:
        found, (state, attempts, reason) = outcome.states[job.folder.id], BEHAVIOUR[job.label]
        assert (found.state, found.attempts) == (state, attempts), job.label
        assert reason is None or reason in found.reason
    assert not outcome.interrupted
    assert sorted(note.split(":")[0] for note in recorder.notes) == ["kill-always", "kill-once", "segv"]
    exit3 = next(job for job in sweep.jobs if job.label == "exit3")
    assert "leaving with three" in read_failure(exit3.folder.attempt(1)).detail
    assert sweep.await_empty() == []


@pytest.mark.fault("process left behind by a trial", "ended with its trial")
def test_what_a_trial_leaves_behind_is_ended_with_it(make_sweep):
    sweep = make_sweep("spawn")
    assert sweep.run().states["t0"].state is State.DONE
    assert (sweep.jobs[0].folder.attempt(1).path / "grandchild").exists()
    assert sweep.await_empty() == []


@pytest.mark.fault("trial over its time", "failed with the reason, not retried")
def test_a_trial_over_its_time_is_failed_and_not_retried(make_sweep):
    sweep = make_sweep("hang", "ok")
    states = sweep.run(trial_s=5.0).states
    assert (states["t0"].state, states["t0"].attempts) == (State.FAILED, 1)
    assert "time limit of 5 s" in states["t0"].reason
    assert states["t1"].state is State.DONE


@pytest.mark.fault("sweep over its time", "trials checkpoint; resumable; nothing new is started")
def test_the_sweeps_time_limit_stops_it_resumably(make_sweep):
    sweep = make_sweep("hang", "hang", "ok")
    outcome = sweep.run(sweep_s=2.0)
    assert "time limit of 2 s" in outcome.stopped
    assert {s.state for s in outcome.states.values()} == {State.INTERRUPTED}
    assert sweep.jobs[2].folder.attempts() == []


@pytest.mark.fault("supervisor killed", "its trial and grandchildren go with it; the trial is tried once more")
def test_a_supervisor_that_is_killed_takes_its_trial_and_grandchild_along(make_sweep):
    sweep = make_sweep("spawn")
    seen = []

    def kill_supervisor(running):
        if not seen and (sweep.jobs[0].folder.path / "a1" / "grandchild").exists():
            seen.extend(sweep.processes())
            supervisor = next(p for p in seen if "scaling.executor.shim" in p.cmdline())
            os.kill(supervisor.pid, signal.SIGKILL)

    states = sweep.run(recorder=Recorder(kill_supervisor)).states
    assert len(seen) == 3
    assert all(not p.is_running() for p in seen)
    assert (states["t0"].state, states["t0"].attempts) == (State.DONE, 2)


@pytest.mark.fault("Ctrl-C once", "trials checkpoint, devices are free; 130; the next run goes on")
def test_interrupting_once_checkpoints_and_a_second_run_goes_on(make_sweep):
    sweep = make_sweep("hang", "ok", "ok")
    runner = sweep.start_process()
    wait_for((sweep.jobs[0].folder.path / "a1" / "curve.jsonl").exists)
    runner.send_signal(signal.SIGINT)
    output, _ = runner.communicate(timeout=20)
    assert runner.returncode == 130, output
    assert (sweep.jobs[0].folder.path / "a1" / "checkpoints" / "state.json").exists()
    assert sweep.await_empty() == []
    folder = sweep.jobs[0].folder
    assert read_failure(folder.attempt(1)).cause == "interrupted"


@pytest.mark.fault("Ctrl-C twice", "everything is killed now; 130")
def test_interrupting_twice_kills_now(make_sweep, monkeypatch):
    sweep = make_sweep("deaf")
    runner = sweep.start_process()
    wait_for((sweep.jobs[0].folder.path / "a1" / "curve.jsonl").exists)
    runner.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert runner.poll() is None  # the trial has its grace, and uses it
    runner.send_signal(signal.SIGINT)
    began = time.monotonic()
    output, _ = runner.communicate(timeout=10)
    assert time.monotonic() - began < 5
    assert runner.returncode == 130, output
    assert sweep.await_empty() == []
