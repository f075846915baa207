"""Trials that live and do nothing: their stacks are kept, they are ended, and tried once more."""

import pytest

from scaling.store.state import State, read_failure

pytestmark = pytest.mark.slow


@pytest.mark.fault("hang (alive, no progress; stopped)", "stacks kept, ended, tried once more")
@pytest.mark.parametrize("label", ["stuck", "frozen"])
def test_a_hang_is_ended_with_its_stacks_kept_and_retried_once(make_sweep, label):
    sweep = make_sweep(label, "ok")
    outcome = sweep.run(hang_s=0.6)
    state = outcome.states["t0"]
    assert (state.state, state.attempts) == (State.FAILED, 2)
    assert "no progress for" in state.reason
    assert outcome.states["t1"].state is State.DONE
    attempt = sweep.jobs[0].folder.attempt(1)
    assert read_failure(attempt).cause == "hang"
    if label == "stuck":  # a process that is stopped cannot show anything
        assert "in train" in attempt.log_path.read_text()
    assert sweep.await_empty() == []


@pytest.mark.fault("hang that ends when asked", "what it saved serves the second attempt")
def test_a_hang_that_ends_when_asked_has_saved_its_state(make_sweep):
    sweep = make_sweep("hang")
    state = sweep.run(hang_s=0.6).states["t0"]
    assert (state.state, state.attempts) == (State.FAILED, 2)
    assert (sweep.jobs[0].folder.attempt(1).checkpoint_dir / "state.json").exists()
