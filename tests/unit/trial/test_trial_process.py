"""One trial as a real process: what it publishes, how it stops and resumes, how it fails."""

import json
import math
import signal
import time

import numpy as np
import pytest
from support.trial_process import run, start

from scaling.data import prepare
from scaling.meters.rapl import why_no_rapl
from scaling.spec import expand, load_sweep
from scaling.store.layout import StoreFolder

pytestmark = pytest.mark.slow

SWEEP = """
schema: 1
name: small
data: {context: 64, validation_tokens: 4096}
model: {family: gpt, d_model: 16, n_layer: 1, head_dim: 8}
train: {batch_tokens: 256, warmup_steps: 5, anneal: %s}
trials:
  - ladder: {sizes: [{d_model: 16}], horizons: [20k, %s]}
samples: {prompts: ["def ", "class "], tokens: 8}
"""


def make_store(folder, anneal="average", horizon="40k", more=""):
    folder.mkdir(exist_ok=True)
    sweep = folder / "small.yaml"
    sweep.write_text(SWEEP % (anneal, horizon) + more)
    spec = load_sweep(str(sweep), ["data.context=128"] if more else []).spec
    corpus = prepare(spec.data)
    (planned,) = expand(spec, corpus.identity, corpus.location)
    trial = StoreFolder(folder / "store").trial(planned.id)
    trial.path.mkdir(parents=True)
    trial.write_spec(planned.spec)
    return trial


def curve(attempt):
    return [(c["step"], c["loss_nats"]) for c in map(json.loads, attempt.curve_path.read_text().splitlines())]


def test_a_trial_that_measures_its_loss_alone_says_why_it_has_no_speed(tmp_path, monkeypatch):
    whole, trial = make_store(tmp_path / "all"), make_store(tmp_path / "loss")
    run(whole)
    monkeypatch.setenv("SCALING_MEASURE", "loss")
    _, code, output = run(trial)
    assert code == 0, output
    end = trial.end()
    assert [p.loss_nats for p in trial.points()] == [p.loss_nats for p in whole.points()]
    assert end.steady.tokens_per_s is None
    assert end.utilisation.mfu_measured is None
    for reason in (end.steady.reason, end.energy_gpu_j.reason, end.power_idle_w.reason):
        assert "executor.measure is loss" in reason


def test_a_trial_publishes_points_an_end_and_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_SLOTS", "2")
    trial = make_store(tmp_path)
    _, code, output = run(trial)
    assert code == 0, output
    points, end = trial.points(), trial.end()
    assert [p.tokens for p in points] == [19_968, 39_936]
    assert points[1].loss_nats < points[0].loss_nats < 4.86  # ln 128: it has learned
    assert points[1].bpb == pytest.approx(points[1].loss_nats / 0.693147, rel=1e-5)
    assert points[1].flops_train == pytest.approx(end.flops_per_token["train"] * 39_936)
    assert end.state == "done"
    assert end.steady.tokens_per_s > 0
    assert end.utilisation.mfu is None
    assert end.utilisation.reason
    assert end.energy_gpu_j.value is None
    assert end.energy_gpu_j.reason
    assert (why_no_rapl() or "every trial that ran beside") in end.energy_cpu_j.reason
    assert end.memory_peak_bytes["host_rss"] > 1e7
    assert [s.prompt for s in end.samples] == ["def ", "class "]
    assert (trial.path / end.weights["file"]).is_file()
    assert not trial.attempt(1).checkpoint_dir.exists()


def make_own(folder, *sets):
    sweep = folder / "own.yaml"
    sweep.write_text(SWEEP % ("average", "40k"))
    spec = load_sweep(str(sweep), sets).spec
    corpus = prepare(spec.data)
    (planned,) = expand(spec, corpus.identity, corpus.location)
    trial = StoreFolder(folder / "store").trial(planned.id)
    trial.path.mkdir(parents=True)
    trial.write_spec(planned.spec)
    return trial


def test_a_trial_on_bpe_tokens_samples_text_and_counts_bits_by_the_byte(tmp_path):
    trial = make_own(tmp_path, "data.tokenizer=bpe", "data.vocab_size=600")
    _, code, output = run(trial)
    assert code == 0, output
    data, (_, last) = trial.read_spec().data, trial.points()
    assert data.vocab_size == 600
    assert data.validation_bytes > 1.5 * data.validation_tokens
    bits = last.loss_nats / math.log(2) * data.validation_tokens
    assert last.bpb == pytest.approx(bits / data.validation_bytes)
    assert (tmp_path / "store" / "tokenizers" / f"{data.tokenizer}.json").is_file()
    assert all(len(sample.text) > 8 for sample in trial.end().samples)  # tokens of more than one letter


def test_a_trial_on_bare_tokens_has_no_bits_per_byte_and_no_samples_of_words(tmp_path):
    np.random.default_rng(0).integers(0, 1_000, 600_000).astype("<u2").tofile(tmp_path / "a.bin")
    trial = make_own(tmp_path, f"data.path={tmp_path / 'a.bin'}", "data.vocab_size=1000")
    _, code, output = run(trial)
    assert code == 0, output
    assert [p.bpb for p in trial.points()] == [None, None]
    assert trial.end().samples == ()
    assert "no sample: this model's tokens are the numbers 0 to 999" in output


def test_abilities_are_trained_among_the_text_and_measured_at_every_horizon(tmp_path):
    more = "abilities: {share: 0.5, items: 50, probes: [cipher-4, addition-1]}\n"
    trial = make_store(tmp_path, horizon="200k", more=more)
    _, code, output = run(trial)
    assert code == 0, output
    first, last = (p.probes for p in trial.points())
    assert set(first) == set(last) == {"cipher-4", "addition-1"}
    assert last["cipher-4"]["ability"] == "translation"
    assert last["cipher-4"]["items"] == 50
    assert last["cipher-4"]["logprob"] > first["cipher-4"]["logprob"] + 0.5
    assert 0 <= last["cipher-4"]["floor"] < last["cipher-4"]["token_accuracy"] <= 1


def test_stopped_by_sigterm_it_resumes_to_the_same_losses(tmp_path):
    unbroken = make_store(tmp_path / "a", horizon="160k")
    attempt, code, output = run(unbroken)
    assert code == 0, output
    broken = make_store(tmp_path / "b", horizon="160k")
    first, process = start(broken)
    deadline = time.monotonic() + 60
    while not first.curve_path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 75, output
    second, code, output = run(broken)
    assert code == 0, output
    assert "resuming at step" in output
    assert broken.end().resumed_from_step > 0
    assert curve(first) + curve(second) == curve(attempt)
    assert [p.loss_nats for p in broken.points()] == [p.loss_nats for p in unbroken.points()]


def test_a_missing_corpus_is_a_failure_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("SCALING_CACHE", str(tmp_path / "cache"))
    text = tmp_path / "my.txt"
    text.write_bytes(bytes(range(32, 127)) * 4000 + b"".join(b"%d " % i for i in range(60_000)))
    trial = make_own(tmp_path, f"data.path={text}")
    text.unlink()
    for cached in (tmp_path / "cache" / "corpora").iterdir():
        cached.unlink()
    attempt, code, _ = run(trial)
    assert code == 1
    failure = json.loads(attempt.failure_path.read_text())
    assert failure["cause"] == "error"
    assert "no text found" in failure["message"]
    assert "Traceback" in failure["detail"]
