"""Generator and discriminator: counts, whose gradient is whose, and the distance to a density that is known."""

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling.data import CorruptedStream, WindowStream, corrupt_validation, prepare
from scaling.data.points import draw
from scaling.errors import UsageError
from scaling.families import get_family
from scaling.families.gan import centres
from scaling.models import build, objective_of
from scaling.models.gan import squared_mmd
from scaling.spec.identity import model_keys
from scaling.spec.schema import DataSpec, LearningRates, PointsSpec, TrainSpec
from scaling.training.evaluate import evaluate
from scaling.training.loop import Trainer, fresh_state
from scaling.trial.replay import Unobserved

GAN = get_family("gan")
CPU = torch.device("cpu")
SMALL = {"d_model": 16, "n_layer": 3, "across": 3, "deviation": 100}
MIDDLES = torch.tensor(centres(3))


def small(**keys):
    return GAN.build_config({**SMALL, **keys}, 65_536, 1)


@pytest.fixture(scope="module")
def corpus():
    return prepare(
        DataSpec(source="points", context=1, validation_tokens=2048, points=PointsSpec(across=3, points=20_000))
    )


@pytest.mark.parametrize("variant", [{}, {"n_layer": 1}, {"noise": 2, "d_model": 24}])
def test_closed_forms_equal_the_built_module_and_the_flop_counter(variant):
    config = small(**variant)
    with torch.device("meta"):
        model = build(GAN, config)
        rows = torch.zeros(5, 2 + config.noise, dtype=torch.int32)
    params = GAN.params(config)
    assert sum(p.numel() for p in model.parameters()) == params.total == sum(params.groups.values())
    with FlopCounterMode(display=False) as counter:
        objective_of(GAN, config).losses(model, rows).mean().backward()
    assert counter.get_total_flops() / 5 == pytest.approx(GAN.flops_per_token(config).train, rel=1e-12)
    assert GAN.build_config(model_keys(config), 65_536, 1) == config


def test_a_size_in_parameters_is_met():
    found = GAN.config_for_params({k: v for k, v in SMALL.items() if k != "d_model"}, 65_536, 1, 5_000)
    assert GAN.params(found).total == pytest.approx(5_000, rel=0.1)


def test_points_are_a_corpus_of_whole_numbers(corpus):
    identity = corpus.identity
    assert (identity.kind, identity.row_values) == ("points", 2)
    assert identity.shape == {"across": 3, "deviation": 100}
    points = corpus.train.astype(float) / 8192 - 4
    apart = np.abs(points[:, None] - np.array(centres(3))).max(axis=2).min(axis=1)
    assert apart.max() < 0.6
    with pytest.raises(UsageError, match=r"data\.context of points is 1"):
        prepare(DataSpec(source="points", context=2))


def test_each_half_is_trained_by_its_own_part_of_the_loss(corpus):
    torch.manual_seed(0)
    config = small(penalty=0.0)
    model, objective = build(GAN, config), objective_of(GAN, config)
    batch = torch.from_numpy(objective.corrupt(corpus.train[:64], np.random.default_rng(0))).int()
    for part, column in (("discriminator", 0), ("generator", 1)):
        model.zero_grad()
        objective.losses(model, batch)[:, column].mean().backward()
        for name, p in model.named_parameters():
            moved = p.grad is not None and bool(p.grad.abs().sum() > 0)
            assert moved == name.startswith(part), name


def test_the_distance_is_that_of_two_large_samples_by_the_usual_estimator():
    rng = np.random.default_rng(0)
    spec = PointsSpec(across=3, deviation=0.2)
    true, made = (torch.from_numpy(draw(spec, 3000, rng)) for _ in range(2))
    made = made * 0.8 + 0.1

    def kernel(a, b):
        return sum(torch.exp(-torch.cdist(a, b).square() / (2 * w * w)) for w in (0.2, 0.5, 1.0)) / 3

    n = len(true)
    inner = [(kernel(x, x).sum() - n) / (n * (n - 1)) for x in (true, made)]
    usual = float(sum(inner) - 2 * kernel(true, made).mean())
    found = squared_mmd(made, MIDDLES, 0.2)
    assert float(found.mean()) == pytest.approx(usual, rel=0.1)
    assert usual > 20 * float(found.std()) / math.sqrt(n)


def test_true_points_have_no_distance_within_the_error_that_is_told():
    rng = np.random.default_rng(1)
    parts = [squared_mmd(torch.from_numpy(draw(PointsSpec(across=3), 800, rng)), MIDDLES, 0.1) for _ in range(40)]
    means = torch.stack([p.mean() for p in parts])
    assert abs(float(means.mean())) < 4 * float(means.std()) / math.sqrt(40)
    assert float(means.abs().max()) < 2e-3


def test_it_comes_nearer_and_a_collapsed_one_is_told(corpus):
    config = small()
    objective = objective_of(GAN, config)
    spec = TrainSpec(
        batch_tokens=128, warmup_steps=5, optimizer="adamw", lr=LearningRates(hidden=0.004, embedding=0.004)
    )
    torch.manual_seed(0)
    state = fresh_state(build(GAN, config), spec)
    rows = torch.from_numpy(corrupt_validation(corpus.validation, objective.corrupt)).int()
    before = evaluate(state.model, objective.measure, rows, CPU, len(rows))
    stream = CorruptedStream(WindowStream(corpus.train, 1, 128, seed=0), objective.corrupt, 0)
    Trainer(state, objective.losses, stream, spec, CPU, Unobserved()).run([150])
    after = evaluate(state.average.model, objective.measure, rows, CPU, len(rows))
    assert set(after.metrics) == set(GAN.metrics)
    assert after.loss_nats < 0.5 * before.loss_nats
    assert abs(after.metrics["true_distance"]) < 1e-3
    with torch.no_grad():  # everything at the middle of one cloud
        state.model.generator[-1].weight.zero_()
        state.model.generator[-1].bias.copy_(MIDDLES[0])
    collapsed = evaluate(state.model, objective.measure, rows, CPU, len(rows))
    assert collapsed.metrics["clouds_missed"] == pytest.approx(8 / 9)
    assert collapsed.metrics["off_clouds"] == 0
    assert collapsed.loss_nats > 0.1
