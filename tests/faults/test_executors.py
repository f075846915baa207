"""Every executor of this machine passes the kit, and so does one that lies."""

import itertools
import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
from support.executor_kit import ExecutorKit

from scaling.errors import UsageError
from scaling.executor.cluster import ClusterExecutor
from scaling.executor.debug import DebugExecutor
from scaling.executor.handles import Handle, attach, write_handle
from scaling.executor.local import LocalExecutor
from scaling.executor.protocol import Phase, Status, Task
from scaling.executor.slots import core_slots
from scaling.spec.schema import ExecutorSpec
from scaling.store.claims import read_claim
from scaling.store.state import State

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


class TestLocal(ExecutorKit):
    @pytest.fixture
    def executor(self):
        with closing(LocalExecutor(core_slots(2), module="fake_trial")) as executor:
            yield executor


class TestForged(ExecutorKit):
    @pytest.fixture
    def executor(self):
        with closing(LocalExecutor(core_slots(2), module="fake_trial", modules=("json",))) as executor:
            yield executor

    def run(self, executor, sweep, limits=None):
        outcome = super().run(executor, sweep, limits)
        executor._forging.close()  # what it has forked carries the same mark
        return outcome


class TestDebug(ExecutorKit):
    isolated = False

    @pytest.fixture
    def executor(self, monkeypatch):
        monkeypatch.syspath_prepend(str(HERE))
        with closing(DebugExecutor(core_slots(1)[0], module="fake_trial")) as executor:
            yield executor


def test_under_debug_a_trial_is_this_very_process(make_sweep, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    sweep = make_sweep("ok")
    ExecutorKit().run(DebugExecutor(core_slots(1)[0], module="fake_trial"), sweep)
    assert read_claim(sweep.jobs[0].folder.attempt(1).claim_path).pid == os.getpid()


class Liar(ClusterExecutor):
    """An engine whose jobs are real processes, and whose words are not to be trusted.

    Args:
        words: what it says of any job it was given, whatever became of it; one after another, for ever.
    """

    name, outlives_runner, patience_s, look_every_s = "liar", False, 10.0, 0.0

    def __init__(self, *words):
        super().__init__(ExecutorSpec(), module="fake_trial")
        self._words = itertools.cycle(words)
        self.processes = {}

    def launch(self, jobs):
        return [self._launch(job) for job in jobs]

    def _launch(self, job):
        handle = f"{job.trial}-{job.attempt}"
        command = [sys.executable, str(HERE / "node_run.py"), json.dumps(asdict(job)), handle]
        self.processes[handle] = subprocess.Popen(command)
        return handle

    def look(self):
        return {handle: next(self._words) for handle in self.processes}

    def kill(self, handle):
        """Leaves it to the file that the runner wrote, and says nothing."""

    def logs(self, handle):
        raise NotImplementedError

    def close(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


RUNNING, LOST = Status(Phase.RUNNING), Status(Phase.ENDED, None, message="NODE_FAIL")
LIES = {"always the same": [RUNNING], "by turns": [Status(Phase.ENDED, 0), LOST, Status(Phase.UNKNOWN), RUNNING]}


class TestLiar(ExecutorKit):
    @pytest.fixture(params=LIES)
    def executor(self, request):
        with closing(Liar(*LIES[request.param])) as executor:
            yield executor


def test_a_lost_job_is_given_again_and_its_zombie_stands_back(make_sweep):
    """The engine forgets a job that hangs: the trial is tried once more, and the old process ends by itself."""

    class Forgetful(Liar):
        patience_s = 1.0

    sweep = make_sweep("hang-once")
    with closing(Forgetful(Status(Phase.UNKNOWN))) as executor:
        states = ExecutorKit().run(executor, sweep).states
        assert (states["t0"].state, states["t0"].attempts) == (State.DONE, 2)
        assert sweep.await_empty(10) == []
    assert sweep.table()["t0"] == [(1000, 12.0), (2000, 7.0)]


def test_a_trial_in_the_hands_of_another_engine_is_left_there(make_sweep):
    sweep = make_sweep("ok")
    attempt = sweep.jobs[0].folder.new_attempt()
    write_handle(attempt, Handle(executor="slurm", handle="12_3", place="n1", outlives=True))
    with closing(LocalExecutor(core_slots(1))) as executor, pytest.raises(UsageError, match="slurm, as job 12_3"):
        attach(executor, sweep.jobs)


def test_a_job_that_starts_again_makes_an_attempt_of_its_own(make_sweep):
    sweep = make_sweep("ok")
    folder = sweep.jobs[0].folder
    task = Task(store=folder.root, trial=folder.id, attempt=folder.new_attempt(), slot=None)
    with closing(Liar(Status(Phase.RUNNING))) as executor:
        for _ in range(2):  # as after a requeue: the same job, the same words
            executor.submit([task])
            executor.processes["t0-1"].wait(20)
            (folder.path / "end" / "2000.json").unlink()
    assert folder.attempts() == [1, 2]
    assert len(folder.points()) == 2
