"""Joint-embedding prediction: counts, the slow copy through checkpoints, the readout, and collapse as an outcome."""

import dataclasses

import numpy as np
import pytest
import torch
from support.peak import LiveBytes
from torch.utils.flop_counter import FlopCounterMode

from scaling.data import WindowStream
from scaling.data.moving import Moving
from scaling.errors import SpecError, UsageError
from scaling.families import Recipe, get_family
from scaling.models import Follower, build, objective_of
from scaling.models.jepa import effective_rank, readout_errors
from scaling.spec import expand
from scaling.spec.identity import model_keys
from scaling.spec.schema import DataIdentity, LearningRates, MovingSpec, SweepSpec, TrainSpec
from scaling.training.checkpoint import restore_newest, save_checkpoint
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state
from scaling.trial.replay import Unobserved

JEPA = get_family("jepa")
CPU = torch.device("cpu")
SMALL = {"d_model": 16, "n_layer": 2, "head_dim": 8, "qk_norm": True, "patch_values": 32, "state": 4}
VARIANTS = [
    {},
    {"predicts": "pixels", "qk_norm": False},
    {"bias": False, "norm": "rmsnorm", "activation": "swiglu", "spread": 0.0},
]


@pytest.fixture(scope="module")
def rows():
    spec = MovingSpec(figures=1, side=8, speed=1, noise=0.1)
    return Moving.of(spec).rows(1024, 4, np.random.default_rng(0))


def small(**keys):
    return JEPA.build_config({**SMALL, **keys}, 256, 8)


def trainer(rows, config, **train):
    spec = TrainSpec(batch_tokens=256, warmup_steps=5, lr=LearningRates(hidden=0.01, embedding=0.01), **train)
    torch.manual_seed(0)
    state = fresh_state(build(JEPA, config), spec)
    stream = WindowStream(rows, 8, 32, seed=0)
    return Trainer(state, objective_of(JEPA, config).losses, stream, spec, CPU, Unobserved(), whole=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_closed_forms_equal_the_built_module_and_the_flop_counter(variant):
    config = small(**variant)
    with torch.device("meta"):
        model = build(JEPA, config)
        batch = torch.zeros(3, 8 * 32 + 8, dtype=torch.int32)
    params = JEPA.params(config)
    assert sum(p.numel() for p in model.parameters()) == params.total == sum(params.groups.values())
    with FlopCounterMode(display=False) as counter:
        objective_of(JEPA, config).losses(model, batch).mean().backward()
    flops = JEPA.flops_per_token(config)
    assert counter.get_total_flops() / (3 * 8) == pytest.approx(flops.train, rel=1e-12)
    assert JEPA.build_config(model_keys(config), 256, 8) == config


def test_the_slow_copy_follows_and_is_no_parameter(rows):
    run = trainer(rows, small(momentum=0.9))
    model = run.state.model
    assert isinstance(model, Follower)
    before = {name: value.clone() for name, value in model.named_buffers()}
    run.run([1])
    for name, copy in model.named_buffers():
        now = model.encoder.get_parameter(name.removeprefix("target_").replace("/", "."))
        torch.testing.assert_close(copy, 0.9 * before[name] + 0.1 * now)
        assert copy.grad is None


def test_the_average_has_the_copy_of_the_model_in_training(rows):
    run = trainer(rows, small())
    run.run([5])
    averaged = dict(run.state.average.model.named_buffers())
    assert averaged
    for name, copy in run.state.model.named_buffers():
        assert torch.equal(averaged[name], copy), name


def test_a_resumed_run_is_the_unbroken_one_bit_for_bit(rows, tmp_path):
    whole, first, second = (trainer(rows, small()) for _ in range(3))
    whole.run([12])
    first.run([6])
    save_checkpoint(tmp_path, first.state)
    restore_newest([tmp_path], second.state)
    second.run([12])
    for (name, a), b in zip(
        whole.state.model.state_dict().items(), second.state.model.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    assert any(name.startswith("target_") for name in whole.state.model.state_dict())


def test_the_readout_explains_what_is_linear_and_nothing_else():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 8, generator=rng)
    state = torch.stack([x @ torch.arange(8.0) + 3, torch.randn(4000, generator=rng)], dim=1)
    errors = readout_errors(x, state).mean(dim=0)
    assert errors[0] < 1e-4
    assert 0.95 < errors[1] < 1.1
    assert effective_rank(x) == pytest.approx(8, rel=0.01)
    assert effective_rank(x[:, :1] * torch.ones(8)) == pytest.approx(1, abs=0.01)
    constant = readout_errors(torch.zeros(4000, 8), state).mean(dim=0)  # collapsed: a guess
    torch.testing.assert_close(constant, torch.ones_like(constant), atol=0.01, rtol=0)


def test_without_its_guards_the_embedding_collapses_and_that_is_recorded(rows):
    found = {}
    for name, keys in {"guarded": {}, "bare": {"spread": 0.0, "momentum": 0.0}}.items():
        config = small(**keys)
        run = trainer(rows, config)
        run.run([60])
        measure = objective_of(JEPA, config).measure
        found[name] = evaluate(run.state.model, measure, torch.from_numpy(rows).int(), CPU, len(rows))
        assert set(found[name].metrics) == set(JEPA.metrics)
    spread = {name: e.metrics["embedding_spread"] for name, e in found.items()}
    assert spread["bare"] < 0.2 < 0.6 < spread["guarded"]


CLIPS = DataIdentity(
    source="moving",
    fingerprint="a" * 64,
    validation_fingerprint="b" * 64,
    tokenizer="symbols",
    vocab_size=256,
    train_tokens=1_000_000,
    validation_tokens=65_536,
    validation_bytes=None,
    context=32,
    kind="clips",
    shape={"patch_values": 32, "state": 4},
    row_values=1032,
)


def planned(identity=CLIPS, **keys):
    block = {"ladder": {"sizes": [{"d_model": 32}], "horizons": ["1M"]}}
    model = {"family": "jepa", "n_layer": 2, "head_dim": 16}
    return expand(
        SweepSpec.model_validate({"schema": 1, "name": "x", "model": model, "trials": [block], **keys}), identity, {}
    )


def test_a_plan_measures_all_clips_together_and_divides_no_batch():
    (trial,) = planned()
    assert trial.spec.model["patch_values"] == 32
    with pytest.raises(SpecError, match="use 65,536 or 131,072"):
        planned(CLIPS.model_copy(update={"validation_tokens": 70_400}))
    with pytest.raises(SpecError, match="several processes would divide"):
        planned(executor={"gpus_per_trial": 2})


def test_what_the_data_must_say_is_asked_for():
    for key in ("patch_values", "state"):
        with pytest.raises(UsageError, match="eats clips"):
            JEPA.build_config({k: v for k, v in SMALL.items() if k != key}, 256, 8)


@pytest.mark.parametrize("variant", [{"d_model": 64, "n_layer": 4}, {"d_model": 64, "predicts": "pixels"}])
def test_predicted_memory_within_15_percent_of_the_live_bytes(variant):
    config = dataclasses.replace(small(**variant), context=32)
    data = np.zeros((256, 32 * 32 + 8), dtype=np.uint8)
    spec = TrainSpec(batch_tokens=2048)
    with LiveBytes() as live:
        state = fresh_state(build(JEPA, config), spec)
        stream = WindowStream(data, 32, 64, seed=0)
        Trainer(state, objective_of(JEPA, config).losses, stream, spec, CPU, Unobserved()).run([4])
    kept = {name: getattr(spec, name) for name in ("batch_tokens", "precision", "optimizer", "anneal")}
    predicted = sum(JEPA.memory_bytes(config, Recipe(**kept, fused_norm=False)).values())
    assert predicted == pytest.approx(live.peak, rel=0.15)
