"""Trials that live and do nothing: their stacks are kept, they are ended, and tried once more."""

import pytest

from scaling.store.state import State, read_failure

pytestmark = pytest.mark.slow


@pytest.mark.fault("hang (alive, no progress; stopped)", "stacks kept, ended, tried once more")
def test_a_hang_is_ended_with_its_stacks_kept_and_retried_once(make_sweep):
    sweep = make_sweep("stuck", "frozen", "ok")
    states = sweep.run(hang_s=0.6).states
    for name in ("t0", "t1"):
        assert (states[name].state, states[name].attempts) == (State.FAILED, 2)
        assert "no progress for" in states[name].reason
    assert states["t2"].state is State.DONE
    stuck, frozen = (job.folder.attempt(1) for job in sweep.jobs[:2])
    assert read_failure(stuck).cause == read_failure(frozen).cause == "hang"
    assert "in train" in stuck.log_path.read_text()  # a process that is stopped cannot show anything
    assert sweep.await_empty() == []


@pytest.mark.fault("hang that ends when asked", "what it saved serves the second attempt")
def test_a_hang_that_ends_when_asked_has_saved_its_state(make_sweep):
    sweep = make_sweep("hang")
    state = sweep.run(hang_s=0.6).states["t0"]
    assert (state.state, state.attempts) == (State.FAILED, 2)
    assert (sweep.jobs[0].folder.attempt(1).checkpoint_dir / "state.json").exists()
