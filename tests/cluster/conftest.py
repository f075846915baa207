"""Sweeps for clusters that are started here for real, and the table they must give."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from faults.conftest import make_sweep  # noqa: F401  # the fixture, for the executor kit

from scaling.executor.handles import read_handle
from scaling.store import load
from scaling.store.layout import StoreFolder

SWEEP = """
schema: 1
name: small
data: {context: 64, validation_tokens: 4096}
model: {family: gpt, n_layer: 1, head_dim: 8}
train: {batch_tokens: 512, warmup_steps: 5}
trials:
  - ladder: {sizes: [{d_model: 8}, {d_model: 16}], horizons: [150k, 300k], seeds: [0, 1, 2]}
executor: {slots: 2}
"""


class Command:
    """``scaling run`` of one sweep in processes of their own."""

    def __init__(self, folder, environment=None):
        self.folder, self.environment = folder, {**os.environ, **(environment or {})}
        (folder / "small.yaml").write_text(SWEEP)
        self.started = []

    def start(self, store, *options):
        command = [sys.executable, "-m", "scaling", "run", str(self.folder / "small.yaml"), "--no-report"]
        process = subprocess.Popen(
            [*command, "--out", str(store), *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, store, *options, timeout=300):
        process = self.start(store, *options)
        output, _ = process.communicate(timeout=timeout)
        assert process.returncode == 0, output
        return output

    def close(self):
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if process.stdout is not None and not process.stdout.closed:
                process.communicate()


def table(store):
    """Everything that a law would be fitted to, to the last bit."""
    points = load(store).points()
    return points[["trial", "tokens", "loss_nats", "flops_train"]].sort_values(["trial", "tokens"]).to_dict("list")


def attempts(store):
    """The attempts of every trial of a store."""
    folder = StoreFolder(store)
    return {name: [folder.trial(name).attempt(n) for n in folder.trial(name).attempts()] for name in folder.trial_ids()}


def on_node(store):
    """The nodes where an attempt trains now."""
    newest = [mine[-1] for mine in attempts(store).values() if mine]
    training = [a for a in newest if a.curve_path.exists() and not a.exit_path.exists()]
    return {handle.place.split()[-1] for a in training if (handle := read_handle(a)) is not None}


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


@pytest.fixture(scope="session")
def local_table(tmp_path_factory):
    """The table of the sweep on this machine's local executor."""
    folder = tmp_path_factory.mktemp("local")
    command = Command(folder)
    try:
        began = time.monotonic()
        command.run(folder / "store")
        print(f"local: {time.monotonic() - began:.0f} s")
        return table(folder / "store")
    finally:
        command.close()


def need(*programs):
    """Skip where a program is not installed."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
    lacking = [name for name in programs if shutil.which(name, path=path) is None]
    if lacking:
        pytest.skip(f"not installed: {', '.join(lacking)}")
