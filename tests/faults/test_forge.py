"""Trials forked from a process that holds their modules: whoever of the four dies, nothing is left and nothing lost."""

import os
import random
import signal
import time
from contextlib import closing

import psutil
import pytest
from support.fake_sweep import Recorder, wait_for

from scaling.data import prepare
from scaling.executor.command import PRELOADED
from scaling.executor.forge import _supervise
from scaling.executor.local import LocalExecutor
from scaling.executor.progress import Job
from scaling.executor.runner import Limits, Runner
from scaling.executor.slots import core_slots
from scaling.spec import expand, load_sweep
from scaling.store.claims import read_claim
from scaling.store.layout import StoreFolder
from scaling.store.state import State

pytestmark = pytest.mark.slow


def run(sweep, tick, slots=1):
    with closing(LocalExecutor(core_slots(slots), module="fake_trial", modules=("json",))) as executor:
        recorder = Recorder(lambda running: tick(executor))
        return Runner(executor, sweep.jobs, recorder, Limits(grace_s=20.0)).run().states


def forge(executor):
    return executor._forging._forge._process.pid


def once(when, then):
    """Return what calls ``then`` the first time that ``when`` holds, and the list of what it returned."""
    done = []

    def tick(executor):
        if not done and when():
            done.append(then(executor))

    return tick, done


def test_supervisor_and_trial_are_forks_of_the_forge_in_processes_of_their_own(make_sweep):
    sweep = make_sweep("slow", "slow")
    attempts = [job.folder.path / "a1" for job in sweep.jobs]

    def look(executor):
        marked = {p.pid for p in sweep.processes()}
        owners = {read_claim(attempt / "claim.json").pid for attempt in attempts}
        return marked, owners, forge(executor), {os.getsid(pid) for pid in marked}

    tick, found = once(lambda: all((a / "curve.jsonl").exists() for a in attempts), look)
    assert {s.state for s in run(sweep, tick, slots=2).values()} == {State.DONE}
    marked, owners, smithy, sessions = found[0]
    assert len(marked) == 5  # the forge, two supervisors, two trials
    assert sessions == owners | {smithy}
    assert sweep.await_empty() == []


@pytest.mark.fault("forge killed", "its trials go on; the next ones start without it")
def test_a_forge_that_is_killed_takes_no_trial_along(make_sweep):
    sweep = make_sweep("slow", "ok")
    begun = sweep.jobs[0].folder.path / "a1" / "curve.jsonl"
    tick, killed = once(begun.exists, lambda executor: os.kill(forge(executor), signal.SIGKILL))
    states = run(sweep, tick)
    assert killed
    assert [(s.state, s.attempts) for s in states.values()] == [(State.DONE, 1)] * 2
    assert "the forge is gone" in (sweep.jobs[1].folder.path / "a1" / "log.txt").read_text(encoding="utf-8")
    assert sweep.await_empty() == []


@pytest.mark.fault("forked supervisor killed", "its trial and grandchildren go with it; the trial is tried once more")
def test_a_forked_supervisor_that_is_killed_takes_its_trial_along(make_sweep):
    sweep = make_sweep("spawn")
    attempt = sweep.jobs[0].folder.path / "a1"

    def kill(executor):
        seen = [p for p in sweep.processes() if p.pid != forge(executor)]
        os.kill(read_claim(attempt / "claim.json").pid, signal.SIGKILL)
        return seen

    tick, seen = once((attempt / "grandchild").exists, kill)
    states = run(sweep, tick)
    assert len(seen[0]) == 3
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in seen[0])
    assert (states["t0"].state, states["t0"].attempts) == (State.DONE, 2)


@pytest.mark.fault("runner of forked trials killed at random moments", "no orphan, no forge left; the same table")
def test_a_runner_that_is_killed_leaves_neither_forge_nor_trial(make_sweep, monkeypatch):
    monkeypatch.setenv("FORGE", "json")
    sweep, unbroken = make_sweep("slow", "spawn", "slow"), make_sweep("slow", "spawn", "slow")
    unbroken.run()
    dice = random.Random(5)
    for _ in range(4):
        runner = sweep.start_process()
        time.sleep(dice.uniform(0.15, 0.9))
        runner.kill()
        runner.communicate()
        assert sweep.await_empty() == []
    last = sweep.start_process()
    output, _ = last.communicate(timeout=60)
    assert last.returncode == 0, output
    assert sweep.table() == unbroken.table()


@pytest.mark.fault("runner killed while a supervisor is being forked", "the supervisor ends before it begins")
def test_a_supervisor_that_is_born_without_its_runner_ends():
    pid = os.fork()
    if pid == 0:
        os._exit(10 + _supervise({}, runner=-1, between=-1))  # its parent is neither: it was left to another
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 11


@pytest.mark.fault("Ctrl-C once, forked trials", "trials checkpoint; 130; no forge left")
def test_interrupting_forked_trials_checkpoints_them(make_sweep, monkeypatch):
    monkeypatch.setenv("FORGE", "json")
    sweep = make_sweep("hang", "ok")
    runner = sweep.start_process()
    wait_for((sweep.jobs[0].folder.path / "a1" / "curve.jsonl").exists)
    runner.send_signal(signal.SIGINT)
    output, _ = runner.communicate(timeout=20)
    assert runner.returncode == 130, output
    assert (sweep.jobs[0].folder.path / "a1" / "checkpoints" / "state.json").exists()
    assert sweep.await_empty() == []


SWEEP = """
schema: 1
name: small
data: {context: 64, validation_tokens: 4096}
model: {family: gpt, d_model: 16, n_layer: 1, head_dim: 8}
train: {batch_tokens: 256, warmup_steps: 5}
trials:
  - ladder: {sizes: [{d_model: 16}], horizons: [20k]}
"""


def test_a_forked_trial_is_the_executed_one_bit_for_bit_and_says_which_it_is(tmp_path):
    (tmp_path / "small.yaml").write_text(SWEEP)
    spec = load_sweep(str(tmp_path / "small.yaml")).spec
    corpus = prepare(spec.data)
    (planned,) = expand(spec, corpus.identity, corpus.location)
    found = {}
    for modules in ((), PRELOADED):
        trial = StoreFolder(tmp_path / f"store {len(modules)}").trial(planned.id)
        trial.write_spec(planned.spec)
        jobs = [Job(folder=trial, label="x", horizons=planned.spec.horizons, flops=1e6)]
        with closing(LocalExecutor(core_slots(1), modules=modules)) as executor:
            states = Runner(executor, jobs, Recorder(), Limits()).run().states
        assert states[planned.id].state is State.DONE, states[planned.id].reason
        found[bool(modules)] = ([(p.tokens, p.loss_nats) for p in trial.points()], trial.end().environment["forked"])
    assert found[True][0] == found[False][0]
    assert (found[True][1], found[False][1]) == (True, False)
