import random
import signal
import time

import pytest
from support.fake_sweep import wait_for

from scaling.store.state import State, read_state

pytestmark = pytest.mark.slow


@pytest.mark.fault(
    "runner killed at random moments", "no orphan; the table of the unbroken run; finished trials are not run again"
)
def test_a_runner_killed_at_any_moment_leaves_no_orphan_and_the_same_table(make_sweep):
    labels = ["slow", "spawn", "slow", "spawn"]
    unbroken = make_sweep(*labels)
    unbroken.run()
    sweep = make_sweep(*labels)
    dice = random.Random(3)
    for _ in range(6):
        runner = sweep.start_process()
        time.sleep(dice.uniform(0.15, 0.9))
        runner.kill()
        runner.communicate()
        assert sweep.await_empty() == []
    last = sweep.start_process()
    output, _ = last.communicate(timeout=60)
    assert last.returncode == 0, output
    assert sweep.table() == unbroken.table()
    assert all(read_state(j.folder, j.horizons).state is State.DONE for j in sweep.jobs)
    again = sweep.start_process()
    assert again.communicate(timeout=20)[0] == "todo 0\n"


@pytest.mark.fault("same sweep started twice", "the second says who runs it and starts nothing")
def test_a_store_is_run_once_at_a_time(make_sweep):
    sweep = make_sweep("hang")
    first = sweep.start_process()
    wait_for((sweep.jobs[0].folder.path / "a1" / "curve.jsonl").exists)
    second = sweep.start_process()
    assert second.communicate(timeout=20)[0] == "busy\n"
    assert second.returncode == 2
    assert sweep.jobs[0].folder.attempts() == [1]
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=20)
    assert first.returncode == 130


@pytest.mark.fault("claim of a dead runner", "taken over at once, without a flag")
def test_a_claim_left_by_a_killed_runner_is_dead_at_once(make_sweep):
    sweep = make_sweep("hang")
    runner = sweep.start_process()
    job = sweep.jobs[0]
    wait_for(lambda: read_state(job.folder, job.horizons).state is State.RUNNING)
    runner.kill()
    runner.communicate()
    assert sweep.await_empty() == []
    assert read_state(job.folder, job.horizons).state is State.INTERRUPTED
