"""Every token gets the experts it picked, weighted, and no other token changes what it gets."""

import pytest
import torch

from scaling.families import get_family
from scaling.models import build, objective_of
from scaling.models.moe import Experts
from scaling.spec.schema import TrainSpec
from scaling.training.optim import make_optimizers

MOE = get_family("moe")


def config_of(**keys):
    shape = {"d_model": 64, "n_layer": 2, "head_dim": 16, "d_ff": 128, "n_expert": 4, "top_k": 2}
    return MOE.build_config({**shape, **keys}, 128, 32)


def awake(module):
    torch.manual_seed(0)
    for p in module.parameters():
        torch.nn.init.normal_(p, std=0.2)
    return module


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_the_mixture_is_that_of_the_picked_experts(top_k):
    mixture = awake(Experts(config_of(top_k=top_k)))
    x = torch.randn(2, 5, 64)
    mixed, balance, share = mixture(x)
    scores, picks = mixture.router(x).softmax(dim=-1).topk(top_k, dim=-1)
    every = torch.stack([expert(x) for expert in mixture.experts], dim=-2)
    picked = every.gather(-2, picks[..., None].expand(-1, -1, -1, 64))
    expected = (picked * scores[..., None]).sum(dim=-2)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(share.sum(dim=1), torch.ones(2))
    assert balance >= 0.9


def test_no_position_sees_a_later_token():
    model = awake(build(MOE, config_of()))
    tokens = torch.randint(0, 128, (2, 32))
    changed = tokens.clone()
    changed[:, 20:] = (changed[:, 20:] + 1) % 128
    before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :20], after[:, :20])
    assert not torch.equal(before[:, 20:], after[:, 20:])


def test_experts_that_nobody_picks_wait():
    config = config_of(top_k=1)
    model, objective = awake(build(MOE, config)), objective_of(MOE, config)
    optimizers = make_optimizers(model, TrainSpec())
    windows = torch.tensor([[5, 7]])  # one token: three of four experts get none
    objective.losses(model, windows).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    for optimizer in optimizers:
        optimizer.step()
    measured, extras = objective.measure(model, windows)
    assert measured.isfinite().all()
    assert extras["expert_share"].sum() == 2  # one pick in each of two blocks
    assert extras["expert_share"].shape == (1, 2 * 4)


def test_the_balance_loss_is_trained_on_and_not_measured():
    config = config_of()
    model, objective = awake(build(MOE, config)), objective_of(MOE, config)
    windows = torch.randint(0, 128, (3, 33))
    trained, measured = objective.losses(model, windows), objective.measure(model, windows)[0]
    _, balance, _ = model.routed(windows[:, :-1])
    torch.testing.assert_close(trained - measured, (0.01 * balance).expand_as(measured))


def test_active_and_total_part_with_the_experts():
    few, many = (MOE.params(config_of(n_expert=n)) for n in (4, 16))
    router = 2 * 64 * 12
    assert many.active - few.active == router
    assert many.total - few.total == 2 * 12 * 2 * 64 * 128 + router
    flops = [MOE.flops_per_token(config_of(n_expert=n)).forward for n in (4, 16)]
    assert flops[1] - flops[0] == 2 * router
