"""Sweeps of fake trials, run here or in a process of their own, and what watches them."""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
from support.stored import make_spec

from scaling.executor.local import MARK, LocalExecutor
from scaling.executor.progress import Job
from scaling.executor.runner import Limits, Runner
from scaling.executor.slots import core_slots
from scaling.store.layout import StoreFolder
from scaling.store.state import read_state

FAULTS = Path(__file__).parents[1] / "faults"


class Recorder:
    """An observer that remembers, and may act at every tick."""

    def __init__(self, on_tick=lambda running: None):
        self.events, self.notes = [], []
        self.tick = on_tick

    def started(self, job, attempt, slot):
        self.events.append(("started", job.label, attempt))

    def ended(self, job, state):
        self.events.append(("ended", job.label, state.state.value))

    def note(self, text):
        self.notes.append(text)


class Sweep:
    """A store of fake trials, and ways to run it: here, or in a process of its own."""

    def __init__(self, root, labels, horizons=(1000, 2000)):
        self.store = StoreFolder(root)
        self.jobs = []
        for index, label in enumerate(labels):
            folder = self.store.trial(f"t{index}")
            folder.write_spec(make_spec(label, seed=index, horizons=horizons))
            self.jobs.append(Job(folder=folder, label=label, horizons=horizons, flops=1e6))

    def run(self, slots=2, recorder=None, **limits):
        places = core_slots(slots) if isinstance(slots, int) else slots
        with closing(LocalExecutor(places, module="fake_trial")) as executor:
            return Runner(executor, self.jobs, recorder or Recorder(), Limits(**limits)).run()

    def start_process(self, **popen):
        """Start ``drive.py``, which locks the store and runs what is left of it."""
        command = [sys.executable, str(FAULTS / "drive.py"), str(self.store.root)]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, **{"stdout": pipe, "stderr": subprocess.STDOUT, "text": True, **popen})

    def states(self):
        return {job.folder.id: read_state(job.folder, job.horizons).state for job in self.jobs}

    def table(self):
        return {job.folder.id: [(p.tokens, p.loss_nats) for p in job.folder.points()] for job in self.jobs}

    def processes(self):
        """Everything alive that an attempt of this store started."""
        return [p for p in psutil.process_iter() if _mark(p).startswith(str(self.store.root.resolve()))]

    def await_empty(self, seconds=5.0):
        """Return the processes still there after a moment of patience."""
        deadline = time.monotonic() + seconds
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.processes()


def _mark(process):
    try:
        return process.environ().get(MARK, "") if process.status() != psutil.STATUS_ZOMBIE else ""
    except (psutil.Error, OSError):
        return ""


def wait_for(condition, seconds=10.0):
    """Wait until ``condition`` is true and return its value; fail when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")
