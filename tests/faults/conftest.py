from pathlib import Path

import pytest

from scaling.executor.local import LocalExecutor
from scaling.executor.progress import Job
from scaling.executor.runner import Limits, Runner
from scaling.executor.slots import core_slots
from scaling.spec.schema import DataIdentity, SamplesSpec, TrainSpec, TrialSpec
from scaling.store.layout import StoreFolder

HERE = Path(__file__).parent


class Recorder:
    """An observer that remembers."""

    def __init__(self):
        self.events, self.notes, self.glances = [], [], []
        self.on_tick = None

    def started(self, job, attempt, slot):
        self.events.append(("started", job.label, attempt))

    def ended(self, job, state):
        self.events.append(("ended", job.label, str(state.state)))

    def note(self, text):
        self.notes.append(text)

    def tick(self, running):
        if self.on_tick:
            self.on_tick(running)


def trial_spec(label, seed=0, horizons=(1000, 2000)):
    data = DataIdentity(
        source="path",
        fingerprint="f",
        validation_fingerprint="v",
        tokenizer="bytes",
        vocab_size=256,
        train_tokens=10**6,
        validation_tokens=1000,
        validation_bytes=1000,
        context=32,
    )
    return TrialSpec(
        family="gpt",
        model={"d_model": 32, "n_layer": 1, "n_head": 1},
        data=data,
        train=TrainSpec(batch_tokens=100),
        seed=seed,
        trainer_version=1,
        label=label,
        horizons=horizons,
        data_location={"path": ["x"]},
        samples=SamplesSpec(),
    )


class Sweep:
    """A store of fake trials, and a way to run it here."""

    def __init__(self, root, labels, horizons=(1000, 2000)):
        self.store = StoreFolder(root)
        self.jobs = []
        for index, label in enumerate(labels):
            folder = self.store.trial(f"t{index}")
            folder.write_spec(trial_spec(label, seed=index, horizons=horizons))
            self.jobs.append(Job(folder=folder, label=label, horizons=horizons, flops=1e6))

    def run(self, slots=2, recorder=None, **limits):
        recorder = recorder or Recorder()
        executor = LocalExecutor(core_slots(slots), module="fake_trial")
        try:
            outcome = Runner(executor, self.jobs, recorder, Limits(**limits)).run()
        finally:
            executor.close()
        return outcome, recorder

    def table(self):
        return {job.folder.id: [(p.tokens, p.loss_nats) for p in job.folder.points()] for job in self.jobs}


@pytest.fixture
def make_sweep(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    return lambda *labels, **keys: Sweep(tmp_path / "läufe und mehr" / "a store", labels, **keys)
