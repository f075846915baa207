"""What every executor must do, as tests that each one inherits: real child processes, judged by their files alone.

A test class of an executor names the kit as its base, gives a fixture ``executor``, and says what it cannot do.
"""

import pytest
from support.fake_sweep import Recorder

from scaling.executor.handles import attach, read_handle
from scaling.executor.protocol import Phase
from scaling.executor.runner import Limits, Runner
from scaling.store.state import State, read_exit_code, read_failure


class OnceBegun:
    """Limits whose time for a trial is over as soon as the trial has begun to train."""

    def __init__(self, job, grace_s):
        self._job, self._limits = job, Limits(grace_s=grace_s)

    def __getattr__(self, name):
        return getattr(self._limits, name)

    @property
    def trial_s(self):
        return 0.0 if (self._job.folder.path / "a1" / "curve.jsonl").exists() else None


class ExecutorKit:
    """Inherited by ``TestX`` of an executor X.

    Attributes:
        isolated: an attempt can be killed without the runner, and asked to end.
        patience_s: how long to wait for the last process to be gone.
    """

    isolated = True
    patience_s = 5.0

    @pytest.fixture
    def executor(self):
        raise NotImplementedError("the executor under test, with module='fake_trial'; closed at the end")

    def run(self, executor, sweep, limits=None):
        return Runner(executor, sweep.jobs, Recorder(), limits or Limits(grace_s=20.0)).run()

    def only_isolated(self):
        if not self.isolated:
            pytest.skip(f"{type(self).__name__} runs trials in this process")

    def test_it_runs_every_trial_once_and_gives_the_table_of_any_other(self, executor, make_sweep):
        sweep = make_sweep("ok", "ok", "ok", "ok", "ok")
        outcome = self.run(executor, sweep)
        assert {s.state for s in outcome.states.values()} == {State.DONE}
        assert [s.attempts for s in outcome.states.values()] == [1] * 5
        assert sweep.table() == {f"t{n}": [(h, 2.0 + 100.0 / (h // 100 + n)) for h in (1000, 2000)] for n in range(5)}
        assert sweep.await_empty(self.patience_s) == []

    def test_it_leaves_a_handle_and_how_the_attempt_ended(self, executor, make_sweep):
        sweep = make_sweep("ok")
        self.run(executor, sweep)
        attempt = sweep.jobs[0].folder.attempt(1)
        handle = read_handle(attempt)
        assert handle.executor == executor.name
        assert handle.place
        assert attempt.claim_path.exists()
        assert read_exit_code(attempt) == 0
        assert attach(executor, sweep.jobs) == []  # nothing of it is open

    def test_a_diverged_trial_is_a_result_and_an_error_is_told_in_its_own_words(self, executor, make_sweep):
        sweep = make_sweep("diverge", "raise", "exit3", "ok")
        states = self.run(executor, sweep).states
        assert [states[f"t{n}"].state for n in range(4)] == [State.DIVERGED, State.FAILED, State.FAILED, State.DONE]
        assert [states[f"t{n}"].attempts for n in range(4)] == [1] * 4
        assert "no such tokenizer 🙂" in states["t1"].reason
        assert "code 3" in states["t2"].reason

    def test_a_killed_trial_is_tried_once_more(self, executor, make_sweep):
        self.only_isolated()
        sweep = make_sweep("kill-once", "kill-always")
        states = self.run(executor, sweep).states
        assert (states["t0"].state, states["t0"].attempts) == (State.DONE, 2)
        assert (states["t1"].state, states["t1"].attempts) == (State.FAILED, 2)
        assert "killed by SIGKILL after step 2" in states["t1"].reason

    def test_one_that_is_asked_to_end_saves_its_state(self, executor, make_sweep):
        self.only_isolated()
        sweep = make_sweep("hang")
        state = self.run(executor, sweep, OnceBegun(sweep.jobs[0], grace_s=20.0)).states["t0"]
        attempt = sweep.jobs[0].folder.attempt(1)
        assert (state.state, state.attempts) == (State.FAILED, 1), state
        assert read_failure(attempt).cause == "time_limit"
        assert (attempt.checkpoint_dir / "state.json").exists()
        assert sweep.await_empty(self.patience_s) == []

    def test_one_that_does_not_listen_is_ended_and_leaves_nothing_behind(self, executor, make_sweep):
        self.only_isolated()
        sweep = make_sweep("deaf")
        state = self.run(executor, sweep, OnceBegun(sweep.jobs[0], grace_s=0.5)).states["t0"]
        assert (state.state, state.attempts) == (State.FAILED, 1), state
        assert read_failure(sweep.jobs[0].folder.attempt(1)).cause == "time_limit"
        assert sweep.await_empty(self.patience_s) == []

    def test_what_a_trial_leaves_behind_ends_with_it(self, executor, make_sweep):
        self.only_isolated()
        sweep = make_sweep("spawn")
        assert self.run(executor, sweep).states["t0"].state is State.DONE
        folder = sweep.jobs[0].folder  # an engine may have started it twice
        assert any((folder.attempt(n).path / "grandchild").exists() for n in folder.attempts())
        assert sweep.await_empty(self.patience_s) == []

    def test_it_does_not_claim_to_know_what_it_never_started(self, executor):
        assert executor.poll(["/nowhere/a1"])["/nowhere/a1"].phase is Phase.UNKNOWN

    def test_it_can_be_closed_twice(self, executor):
        executor.close()
        executor.close()
