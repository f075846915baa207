"""The runner against an executor that starts nothing, and lies."""

import pytest
from support.stored import make_end, make_point, make_spec

from scaling.executor import runner as module
from scaling.executor.progress import Job
from scaling.executor.protocol import Phase, Slot, Status
from scaling.executor.runner import Limits, Runner
from scaling.store.claims import this_process, to_json
from scaling.store.files import publish
from scaling.store.layout import StoreFolder
from scaling.store.state import State


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

    name, places, outlives_runner = "scripted", True, False

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
    states, _, _ = run(jobs, lambda task: Status(Phase.ENDED, 0))
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
