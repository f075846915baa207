"""The Ray executor on a real Ray of two nodes, with a node that is lost on the way."""

import os
import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from cluster.conftest import Command, attempts, on_node, table, wait_for
from cluster.toy_ray import ToyRay
from support.executor_kit import ExecutorKit

from scaling.errors import MachineError
from scaling.executor.ray import RayExecutor
from scaling.spec.schema import ExecutorSpec, RaySpec

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray")
    folder = Path(tempfile.mkdtemp(prefix="ray"))  # short: a socket's path has at most 107 characters
    toy, before, began = ToyRay(folder), dict(os.environ), time.monotonic()
    os.environ.update(toy.environment)
    try:
        toy.up()
        print(f"Ray is up after {time.monotonic() - began:.1f} s")
        yield toy
    finally:
        toy.down()
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def spec(cluster, **keys):
    return ExecutorSpec(kind="ray", ray=RaySpec(address=cluster.address), **keys)


@pytest.fixture(scope="module")
def driver(cluster, tmp_path_factory):
    """One for all tests of the kit: to start it takes seconds."""
    path = os.pathsep.join(map(str, (Path("tests/faults").resolve(), Path("tests").resolve(), Path.cwd())))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setattr(RayExecutor, "look_every_s", 0.5)
        log = tmp_path_factory.mktemp("ray") / "ray.log"
        with closing(RayExecutor(spec(cluster), log, module="fake_trial")) as executor:
            yield executor


class TestRay(ExecutorKit):
    patience_s = 20.0

    @pytest.fixture
    def executor(self, driver):
        return driver

    def test_it_can_be_closed_twice(self, cluster, tmp_path):
        executor = RayExecutor(spec(cluster), tmp_path / "ray.log")
        executor.close()
        executor.close()


def test_a_request_that_no_node_can_fill_is_refused_ahead(cluster, tmp_path):
    with pytest.raises(MachineError, match="asks for 3 GPUs, no node of the cluster has more than 2"):
        RayExecutor(spec(cluster, gpus_per_trial=3), tmp_path / "ray.log")


def test_a_cluster_that_is_not_there_is_an_error_at_once(tmp_path):
    pytest.importorskip("ray")
    with pytest.raises(MachineError, match=r"no Ray cluster answers at 127\.0\.0\.1:1: Connection refused"):
        RayExecutor(ExecutorSpec(kind="ray", ray=RaySpec(address="127.0.0.1:1")), tmp_path / "ray.log")


def test_a_sweep_survives_a_lost_node_and_gives_the_local_table(cluster, tmp_path, local_table):
    store = tmp_path / "store"
    began = time.monotonic()
    with closing(Command(tmp_path, cluster.environment)) as command:
        runner = command.start(store, "--executor", "ray", "--set", f"executor.ray.address={cluster.address}")
        head, second = wait_for(lambda: both(store), 120, "trials on both nodes")
        assert head != second
        killed = cluster.lose("node 2")
        output, _ = runner.communicate(timeout=300)
        assert runner.returncode == 0, output
    assert table(store) == local_table
    tries = [len(mine) for mine in attempts(store).values()]
    assert max(tries) == 2  # those of the lost node ran a second time
    print(f"Ray: {time.monotonic() - began:.0f} s, {killed} processes of node 2 killed, attempts {tries}")


def both(store):
    """The places where attempts train now, when there are two."""
    places = sorted(on_node(store))
    return places if len(places) == 2 else None
