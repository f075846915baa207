"""The SLURM executor on a real SLURM of two nodes, with a node that is lost on the way."""

import os
import signal
import time
from contextlib import closing

import pytest
from cluster.conftest import Command, attempts, need, on_node, table, wait_for
from cluster.toy_slurm import ToySlurm
from support.executor_kit import ExecutorKit

from scaling.errors import MachineError
from scaling.executor.handles import read_handle
from scaling.executor.open import check
from scaling.executor.slurm import SlurmExecutor
from scaling.spec.schema import ExecutorSpec, SlurmSpec
from scaling.store.files import read_json
from scaling.store.state import EXIT_CONTINUE

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    need("munged", "slurmctld", "slurmd", "sbatch")
    pytest.importorskip("submitit")
    began = time.monotonic()
    toy = ToySlurm(tmp_path_factory.mktemp("slurm"))
    before = dict(os.environ)
    os.environ.update(toy.environment)
    try:
        toy.up()
        print(f"SLURM is up after {time.monotonic() - began:.1f} s")
        yield toy
    finally:
        toy.down()
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def command(tmp_path, cluster):
    with closing(Command(tmp_path, cluster.environment)) as command:
        yield command


class TestSlurm(ExecutorKit):
    patience_s = 20.0

    @pytest.fixture
    def executor(self, cluster, tmp_path, monkeypatch):
        monkeypatch.setattr(SlurmExecutor, "look_every_s", 0.5)
        folder = tmp_path / "logs der Jobs"
        with closing(SlurmExecutor(ExecutorSpec(kind="slurm"), "kit", folder, module="fake_trial")) as executor:
            yield executor


def test_a_request_that_no_node_can_fill_is_refused_ahead(cluster):
    check(ExecutorSpec(kind="slurm", gpus_per_trial=2), [])
    with pytest.raises(MachineError, match="gpus_per_trial is 3: no node has more than 2 GPUs"):
        check(ExecutorSpec(kind="slurm", gpus_per_trial=3), [])
    with pytest.raises(MachineError, match="no node has more than 2"):
        check(ExecutorSpec(kind="slurm", cpus_per_trial=64), [])
    with pytest.raises(MachineError, match="no partition 'gpu'"):
        check(ExecutorSpec(kind="slurm", slurm=SlurmSpec(partition="gpu")), [])


def test_a_job_whose_time_is_up_saves_its_state_and_goes_on_in_the_same_job(command, cluster, tmp_path):
    store = tmp_path / "store"
    runner = command.start(store, "--executor", "slurm", "--only", "d16 s0", "--set", "trials.0.ladder.horizons=[3M]")
    (mine,) = wait_for(lambda: [a for a in attempts(store).values() if a and a[-1].curve_path.exists()], 120, "a start")
    job = read_handle(mine[0]).handle
    cluster.ask("scancel", "--signal=USR2", job)  # what SLURM sends ahead of its time limit
    _, second = wait_for(lambda: begun_twice(store), 120, "the second attempt")
    assert read_handle(second).handle == read_handle(mine[0]).handle == job
    assert "resuming at step" in second.log_path.read_text()
    assert runner.poll() is None  # it waits for the same job
    cluster.ask("scancel", job)


def test_a_preempted_job_saves_its_state_and_goes_on_when_the_node_is_free(command, cluster, tmp_path):
    store = tmp_path / "store"
    command.start(store, "--executor", "slurm", "--only", "d16 s0", "--set", "trials.0.ladder.horizons=[3M]")
    (node,) = wait_for(lambda: on_node(store), 120, "a start")
    cluster.ask("sbatch", "-p", "urgent", "-w", node, "-c", "2", "-o", "/dev/null", "--wrap", "sleep 2")
    first, second = wait_for(lambda: begun_twice(store), 120, "the second attempt")
    assert read_json(first.exit_path)["exit_code"] == EXIT_CONTINUE  # told in time: nothing of its training is lost
    assert "resuming at step" in second.log_path.read_text()
    for attempt in (first, second):  # the job that SLURM queued again, or another one that the runner submitted
        cluster.ask("scancel", read_handle(attempt).handle)


def begun_twice(store):
    """The attempts of a trial that trains in its second one."""
    found = max(attempts(store).values(), key=len)
    return found if len(found) == 2 and found[1].curve_path.exists() else None


def test_a_sweep_survives_its_runner_and_a_lost_node_and_gives_the_local_table(command, cluster, tmp_path, local_table):
    store = tmp_path / "store"
    began = time.monotonic()
    runner = command.start(store, "--executor", "slurm")
    wait_for(lambda: "n2" in on_node(store), 90, "a trial on n2")
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert "n2" in on_node(store)  # the jobs go on
    runner = command.start(store, "--executor", "slurm")
    wait_for(lambda: "n2" in on_node(store), 120, "a trial on n2")
    killed = cluster.lose("n2")
    output, _ = runner.communicate(timeout=300)
    assert runner.returncode == 0, output
    assert "since an earlier run" in output
    assert table(store) == local_table
    tries = [len(mine) for mine in attempts(store).values()]
    assert max(tries) == 2  # those of n2 ran a second time
    print(f"SLURM: {time.monotonic() - began:.0f} s, {killed} processes of n2 killed, attempts {tries}")
