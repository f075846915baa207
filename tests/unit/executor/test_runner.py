"""The runner against an executor that starts nothing, and lies."""

from dataclasses import replace

import pytest
from support.stored import make_end, make_point, make_spec

from scaling.errors import MachineError
from scaling.executor import runner as module
from scaling.executor.progress import Job
from scaling.executor.protocol import Phase, Slot, Status
from scaling.executor.runner import Limits, Runner
from scaling.store.claims import this_process, to_json
from scaling.store.files import publish
from scaling.store.layout import StoreFolder
from scaling.store.state import State, read_state


class Watcher:
    def __init__(self):
        self.started_labels, self.notes = [], []

    def started(self, job, attempt, slot):
        self.started_labels.append(job.label)

    def ended(self, job, state):
        pass

    def note(self, text):
        self.notes.append(text)

    def tick(self, running):
        pass


class Scripted:
    """An executor whose attempts end at the next look, as ``script`` says for each trial."""

    name, places, outlives_runner, patience_s = "scripted", True, False, 0.0

    def __init__(self, script, slots=1):
        self.script, self.slots, self.tasks = script, slots, {}
        self.most = 0

    def capacity(self):
        return tuple(Slot(name=f"slot {n}") for n in range(self.slots))

    def submit(self, tasks):
        for task in tasks:
            publish(task.attempt.claim_path, {**to_json(this_process()), "started": "1"})
            self.tasks[str(task.attempt.path)] = task
        self.most = max(self.most, len(self.tasks))
        return [str(task.attempt.path) for task in tasks]

    def poll(self, handles):
        return {handle: self.script(self.tasks.pop(handle)) for handle in list(handles)}

    def cancel(self, handle, grace_s):
        pass

    def logs(self, handle):
        raise NotImplementedError


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.0)
    store = StoreFolder(tmp_path)
    made = []
    for n in range(4):
        folder = store.trial(f"t{n}")
        folder.write_spec(make_spec())
        made.append(Job(folder=folder, label=f"t{n}", horizons=(1000, 2000), flops=1.0))
    return made


def finish(task):
    folder = StoreFolder(task.store).trial(task.trial)
    for tokens in (1000, 2000):
        folder.publish_point(make_point(task.trial, tokens))
    folder.publish_end(make_end(task.trial))


def run(jobs, script, slots=1):
    executor, watcher = Scripted(script, slots), Watcher()
    outcome = Runner(executor, jobs, watcher, Limits()).run()
    return [outcome.states[job.folder.id] for job in jobs], executor, watcher


def test_trials_start_in_the_order_given_and_never_more_than_there_are_slots(jobs):
    def script(task):
        finish(task)
        return Status(Phase.ENDED, 0)

    states, executor, watcher = run(jobs, script, slots=3)
    assert [s.state for s in states] == [State.DONE] * 4
    assert watcher.started_labels == ["t0", "t1", "t2", "t3"]
    assert executor.most == 3


@pytest.mark.parametrize("lie", [Status(Phase.ENDED, -9), Status(Phase.ENDED, 1), Status(Phase.UNKNOWN)])
def test_results_decide_whatever_the_executor_says(jobs, lie):
    def script(task):
        finish(task)
        return lie

    states, _, _ = run(jobs, script)
    assert [(s.state, s.attempts) for s in states] == [(State.DONE, 1)] * 4


def test_success_without_results_is_not_believed(jobs):
    states, _, _ = run(jobs[:2], lambda task: Status(Phase.ENDED, 0))
    assert {s.state for s in states} == {State.FAILED}
    assert "points lacking: 1000, 2000" in states[0].reason


def test_a_kill_is_retried_once_and_memory_is_named(jobs):
    states, _, watcher = run(jobs[:1], lambda task: Status(Phase.ENDED, -9, out_of_memory=True))
    assert (states[0].state, states[0].attempts) == (State.FAILED, 2)
    assert "ran out of memory" in states[0].reason
    assert len(watcher.notes) == 1


def test_continue_me_is_no_failure(jobs):
    states, _, _ = run(jobs[:1], lambda task: Status(Phase.ENDED, 75))
    assert (states[0].state, states[0].attempts) == (State.INTERRUPTED, 1)


def test_three_trials_that_fail_alike_stop_the_sweep(jobs):
    executor, watcher = Scripted(lambda task: Status(Phase.ENDED, 3)), Watcher()
    outcome = Runner(executor, jobs, watcher, Limits()).run()
    assert "3 trials in a row failed alike" in outcome.stopped
    assert outcome.left == ("t3",)
    assert watcher.started_labels == ["t0", "t1", "t2"]


def test_a_slot_where_everything_fails_is_left_alone_and_its_trials_run_elsewhere(jobs):
    def script(task):
        if task.slot.name == "slot 0":
            return Status(Phase.ENDED, 3)
        if task.trial == "t1" and len(executor.looks) < 4:  # keeps the good slot busy meanwhile
            executor.looks.append(1)
            executor.tasks[str(task.attempt.path)] = task
            return Status(Phase.RUNNING)
        finish(task)
        return Status(Phase.ENDED, 0)

    executor, watcher = Scripted(script, slots=2), Watcher()
    executor.looks = []
    outcome = Runner(executor, jobs, watcher, Limits()).run()
    assert watcher.notes == ["slot 0 is left alone: everything fails there; trying elsewhere"]
    assert watcher.started_labels == ["t0", "t1", "t2", "t3", "t0", "t2", "t3"]
    assert {s.state for s in outcome.states.values()} == {State.DONE}
    assert (outcome.stopped, len(outcome.states)) == (None, 4)


def test_a_store_that_cannot_be_written_pauses_the_sweep_and_nothing_counts_as_failed(jobs):
    executor, watcher = Scripted(lambda task: Status(Phase.ENDED, 74)), Watcher()
    with pytest.raises(MachineError, match="can no longer be written"):
        Runner(executor, jobs, watcher, Limits()).run()
    assert watcher.started_labels == ["t0"]
    assert read_state(jobs[0].folder, jobs[0].horizons).state is State.INTERRUPTED


def test_nothing_starts_on_a_full_disk(jobs):
    executor, watcher = Scripted(lambda task: Status(Phase.ENDED, 0)), Watcher()
    with pytest.raises(MachineError, match="MiB free"):
        Runner(executor, jobs, watcher, Limits(min_free_bytes=10**18)).run()
    assert watcher.started_labels == []
    assert jobs[0].folder.attempts() == []


def test_a_run_starts_as_many_trials_as_it_may(jobs):
    def script(task):
        finish(task)
        return Status(Phase.ENDED, 0)

    executor, watcher = Scripted(script), Watcher()
    outcome = Runner(executor, jobs, watcher, Limits(trials=2)).run()
    assert watcher.started_labels == ["t0", "t1"]
    assert outcome.left == ("t2", "t3")


def test_a_trial_waits_for_the_weights_that_it_starts_from(jobs):
    weights = jobs[2].folder.weights_path(2000)
    jobs[0] = replace(jobs[0], needs=weights)

    def script(task):
        finish(task)
        if task.trial == "t2":
            weights.parent.mkdir(parents=True)
            weights.touch()
        return Status(Phase.ENDED, 0)

    states, _, watcher = run(jobs, script)
    assert watcher.started_labels == ["t1", "t2", "t0", "t3"]  # as soon as they are there, in the plan's order
    assert {s.state for s in states} == {State.DONE}


def test_what_waits_for_a_trial_that_failed_is_left_out_and_said(jobs):
    jobs[3] = replace(jobs[3], needs=jobs[0].folder.weights_path(2000))
    executor, watcher = Scripted(lambda task: Status(Phase.ENDED, 1)), Watcher()
    outcome = Runner(executor, [jobs[0], jobs[3]], watcher, Limits()).run()
    assert watcher.started_labels == ["t0"]
    assert outcome.left == ("t3",)
    assert "1 trials are left out: the trials that they start from have not ended" in watcher.notes
