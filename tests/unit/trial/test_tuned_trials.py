"""Trials after pre-training as real processes: from the base's weights through to the report's frames."""

import json
import math
import shutil
import signal
import time

import pytest
from support.trial_process import run, start

from scaling.data import prepare
from scaling.spec import expand, load_sweep
from scaling.spec.tuning import preference_flops
from scaling.store import load
from scaling.store.layout import StoreFolder

pytestmark = pytest.mark.slow

SWEEP = """
schema: 1
name: small
data: {context: 128, validation_tokens: 4096}
model: {family: gpt, n_layer: 1, head_dim: 8}
train: {batch_tokens: 1024, warmup_steps: 5}
trials:
  - ladder: {sizes: [{d_model: 16}], horizons: [20k]}
after:
  probe: boolean-1
  test_items: 40
  finetune: {items: [40], scratch: [40], horizons: [10k, 20k]}
  preference:
    {policy: 40, comparisons: [20], steps: [2, 12], prompts: 8, samples: 2, reward_steps: 5, best_of: 4}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store in which everything but preference tuning has run."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "small.yaml").write_text(SWEEP)
    loaded = load_sweep(str(folder / "small.yaml"))
    corpus = prepare(loaded.spec.data)
    store = StoreFolder(folder / "store")
    planned = expand(loaded.spec, corpus.identity, corpus.location)
    for trial in planned:
        store.trial(trial.id).path.mkdir(parents=True)
        store.trial(trial.id).write_spec(trial.spec)
    listed = [{"id": t.id, "label": t.spec.label, "horizons": list(t.spec.horizons)} for t in planned]
    store.write_sweep({"format": 1, "name": "small", "trials": listed})
    by_label = {t.spec.label: store.trial(t.id) for t in planned}
    attempt, code, _ = run(by_label["d16 s0 tuned 40"])
    assert code == 1  # its base has not run: said plainly, and nothing published
    assert "has left no weights at 20,480 tokens" in json.loads(attempt.failure_path.read_text())["message"]
    for label in ("d16 s0", "d16 s0 tuned 40", "d16 s0 scratch 40"):
        _, code, output = run(by_label[label])
        assert code == 0, output
    return store, by_label


def test_fine_tuning_goes_on_from_the_base_and_scratch_does_not(store):
    _, trials = store
    tuned, scratch = (trials[f"d16 s0 {how} 40"].points() for how in ("tuned", "scratch"))
    assert [p.tokens for p in tuned] == [p.tokens for p in scratch] == [9216, 19_456]
    assert (tuned[0].tokens_unique, tuned[0].epochs) == (256, 36)  # 21 items of 6 tokens to a window of 128
    base = trials["d16 s0"].points()[-1]
    assert tuned[0].loss_nats < scratch[0].loss_nats  # it remembers some text
    assert tuned[0].loss_nats > base.loss_nats
    assert set(tuned[0].probes) == {"boolean-1"}
    assert trials["d16 s0 tuned 40"].end().weights is not None


def test_damaged_weights_of_the_base_are_refused(store, tmp_path):
    root, trials = store
    copy = StoreFolder(shutil.copytree(root.root, tmp_path / "copy"))
    weights = copy.trial(trials["d16 s0"].id).weights_path(20_480)
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    attempt, code, _ = run(copy.trial(trials["d16 s0 tuned 40"].id))
    assert code == 1
    assert "are not those that its end record names" in attempt.failure_path.read_text()


@pytest.mark.parametrize("method", ["rloo", "dpo"])
def test_preference_tuning_publishes_its_scores_and_counts_every_pass(store, method):
    root, trials = store
    trial = trials[f"d16 s0 tuned 40 {method} 20"]
    _, code, output = run(trial)
    assert code == 0, output
    first, last = trial.points()
    scores = last.probes["preference"]
    assert [p.step for p in (first, last)] == [2, 12]
    assert last.anneal == "none"
    assert 0 <= scores["gold"] <= 1
    assert scores["kl_nats"] > first.probes["preference"]["kl_nats"] > 0
    assert scores["kl_per_token_nats"] == scores["kl_nats"]  # one answer token
    assert scores["best_of"]["n"] == [1, 2, 4]
    spec, end = trial.read_spec(), trial.end()
    step = last.flops_train - first.flops_train
    forward = end.flops_per_token["forward"]
    parts = [sum(preference_flops(spec.tune, forward, n).values()) for n in (2, 12)]
    assert step == pytest.approx(parts[1] - parts[0])
    assert first.flops_train >= parts[0]  # more answers were written than two for each comparison: some were alike
    assert end.seconds["prepare"] > 0
    assert end.energy_gpu_j.value is None
    frames = load(root.root)
    assert len(frames.points()) == 1
    mine = frames.tuned().query("method == @method")
    assert mine["gold"].notna().all()
    assert math.isfinite(mine["answer_loss_nats"].iloc[-1])


def test_preference_tuning_stops_on_request_and_goes_on_alike(store, tmp_path):
    """The curve of an interrupted run is that of an unbroken one, bit for bit."""
    root, trials = store
    planned = trials["d16 s0 tuned 40 rloo 20"]
    spec = planned.read_spec()
    batch = spec.train.batch_tokens
    longer = spec.model_copy(update={"horizons": (2 * batch, 150 * batch)})
    curves = []
    for name in ("unbroken", "broken"):
        folder = root.trial(name)
        folder.path.mkdir(parents=True)
        folder.write_spec(longer)
        attempt, process = start(folder)
        if name == "broken":
            deadline = time.monotonic() + 60
            while not attempt.curve_path.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
        lines = attempt.curve_path.read_text().splitlines()
        if name == "broken":
            assert process.returncode == 75
            second, code, output = run(folder)
            assert code == 0, output
            assert "resuming at step" in output
            lines += second.curve_path.read_text().splitlines()
        curves.append([(c["step"], c["loss_nats"]) for c in map(json.loads, lines)])
        assert len(folder.points()) == 2
    assert curves[0] == curves[1]
