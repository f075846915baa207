import os
import signal

from scaling.store.state import State, read_state


def test_one_bad_trial_does_not_touch_the_others(make_sweep):
    sweep = make_sweep("ok", "raise", "kill-always", "ok", "segv", "exit3", "silent", "diverge", "kill-once")
    outcome, recorder = sweep.run()
    seen = {job.label + job.folder.id: outcome.states[job.folder.id] for job in sweep.jobs}
    states = [(label.rstrip("0123456789t"), s.state, s.attempts) for label, s in seen.items()]
    print(seen)
    assert [s.state for s in seen.values()] == [
        State.DONE,
        State.FAILED,
        State.FAILED,
        State.DONE,
        State.FAILED,
        State.FAILED,
        State.FAILED,
        State.DIVERGED,
        State.DONE,
    ]
    assert [s.attempts for s in seen.values()] == [1, 1, 2, 1, 2, 1, 1, 1, 2]
