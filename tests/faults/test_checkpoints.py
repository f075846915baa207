"""Checkpoints and curves that were damaged: the previous state serves, and the end is the same, bit for bit."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from support.fake_sweep import wait_for

from scaling.data import prepare
from scaling.spec import expand, load_sweep
from scaling.store import load
from scaling.store.layout import StoreFolder
from scaling.store.state import State

pytestmark = pytest.mark.slow

SWEEP = """
schema: 1
name: small
data: {context: 64, validation_tokens: 4096}
model: {family: gpt, d_model: 16, n_layer: 1, head_dim: 8}
train: {batch_tokens: 256, warmup_steps: 5}
trials:
  - ladder: {sizes: [{d_model: 16}], horizons: [20k, 80k]}
"""


def make_trial(folder):
    folder.mkdir()
    (folder / "small.yaml").write_text(SWEEP)
    spec = load_sweep(str(folder / "small.yaml")).spec
    corpus = prepare(spec.data)
    (planned,) = expand(spec, corpus.identity, corpus.location)
    trial = StoreFolder(folder / "store").trial(planned.id)
    trial.write_spec(planned.spec)
    return trial


def start(trial):
    attempt = trial.new_attempt()
    command = [sys.executable, "-m", "scaling.trial", str(trial.root), trial.id, str(attempt.number)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SCALING_CHECKPOINT_S": "0.1"}
    pipe = subprocess.PIPE
    return attempt, subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=environment)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    trial = make_trial(tmp_path_factory.mktemp("unbroken") / "x")
    _, process = start(trial)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return [(p.tokens, p.loss_nats) for p in trial.points()]


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)


def cut(path):
    path.write_bytes(path.read_bytes()[:100])


def empty(path):
    path.write_bytes(b"")


def lose_hash(path):
    path.with_suffix(".sha256").unlink()


FALLS_BACK = "the one before it serves, else the trial starts again; the end is the same, bit for bit"


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A trial that was killed after its second checkpoint, to be copied."""
    trial = make_trial(tmp_path_factory.mktemp("killed") / "x")
    attempt, process = start(trial)
    wait_for(lambda: len(list(attempt.checkpoint_dir.glob("*.safetensors"))) >= 2, seconds=60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return trial


def resume(killed, root, damage, *, all_of_them):
    """Damage the checkpoints in a copy of the store, and start its trial again."""
    shutil.copytree(killed.root, root)
    trial = StoreFolder(root).trial(killed.id)
    kept = sorted(trial.attempt(1).checkpoint_dir.glob("*.safetensors"))
    damaged = kept if all_of_them else kept[-1:]
    for path in damaged:
        damage(path)
    return trial, len(damaged), start(trial)[1]


@pytest.mark.fault("corrupted checkpoint", FALLS_BACK)
@pytest.mark.parametrize("damage", [flip, cut, empty, lose_hash])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, killed, unbroken, damage):
    newest = resume(killed, tmp_path / "newest", damage, all_of_them=False)
    every = resume(killed, tmp_path / "all", damage, all_of_them=True)
    for trial, damaged, process in (newest, every):
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        assert output.count("is damaged") == damaged, output
        assert ("resuming at step" in output) == (trial is newest[0])
        assert [(p.tokens, p.loss_nats) for p in trial.points()] == unbroken


@pytest.mark.fault("torn last line of a curve", "it is dropped and said; the joined curve has every step once")
def test_a_torn_last_line_costs_that_line(make_sweep):
    sweep = make_sweep("slow", horizons=(1000, 3000))
    runner = sweep.start_process()
    curve = sweep.jobs[0].folder.path / "a1" / "curve.jsonl"
    wait_for(lambda: curve.exists() and curve.stat().st_size > 1500)
    runner.kill()
    runner.communicate()
    assert sweep.await_empty() == []
    with curve.open("ab") as file:
        file.write(b'{"step": 99, "tok')
    last = sweep.start_process()
    last.communicate(timeout=60)
    assert set(sweep.states().values()) == {State.DONE}
    sweep.store.write_sweep({"name": "x", "trials": [{"id": "t0", "label": "slow", "horizons": [1000, 3000]}]})
    store = load(sweep.store.root)
    assert any("torn last line" in warning for warning in store.warnings)
    assert store.curves()["step"].tolist() == list(range(1, 31))


@pytest.mark.fault("wall clock that jumps", "nothing depends on it: state and resume are the same")
@pytest.mark.parametrize("years", [-30, 30])
def test_files_from_another_time_change_nothing(make_sweep, years, monkeypatch):
    sweep = make_sweep("hang", "ok")
    runner = sweep.start_process()
    wait_for((sweep.jobs[0].folder.path / "a1" / "curve.jsonl").exists)
    runner.send_signal(signal.SIGTERM)
    runner.communicate(timeout=60)
    then = time.time() + years * 365 * 86400
    for path in sweep.store.root.rglob("*"):
        os.utime(path, (then, then))
    before = sweep.states()
    assert before["t0"] is State.INTERRUPTED
    monkeypatch.setenv("FAKE_hang", "ok")
    last = sweep.start_process()
    last.communicate(timeout=60)
    assert set(sweep.states().values()) == {State.DONE}
