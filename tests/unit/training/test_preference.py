"""Preference tuning on a task small enough to know the answer: one question, two places, a reward by hand."""

import copy

import pytest
import torch

from scaling.families import get_family
from scaling.models import build
from scaling.spec.schema import LearningRates, TrainSpec
from scaling.training.loop import TrainState
from scaling.training.optim import make_optimizers
from scaling.training.preference import (
    Comparisons,
    Dpo,
    PreferenceTrainer,
    RewardModel,
    Rloo,
    answer_distributions,
    answer_logprobs,
    kl_nats,
    learn_reward,
    write_answers,
)

PLACES, GOOD = (3, 4), 7
QUESTIONS = torch.tensor([[1, 2, 3, 0, 0]] * 8, dtype=torch.int)


@pytest.fixture
def policy():
    gpt = get_family("gpt")
    torch.manual_seed(0)
    model = build(gpt, gpt.build_config({"d_model": 16, "n_layer": 1, "head_dim": 8}, 10, 8))
    torch.nn.init.normal_(model.unembedding.weight, std=0.2)
    return model


def good(rows):
    """One for each answer token that is the good one."""
    return (rows[:, list(PLACES)] == GOOD).float().sum(dim=1)


def tune(policy, learn, steps):
    class Quiet:
        def on_curve(self, line):
            pass

        def on_pause(self, state):
            pass

        def on_horizon(self, step, model, train_s):
            pass

    train = TrainSpec(optimizer="adamw", lr=LearningRates(hidden=0.01, embedding=0.01), batch_tokens=40, warmup_steps=1)
    state = TrainState(model=policy, optimizers=make_optimizers(policy, train), average=None)
    trainer = PreferenceTrainer(state, None, None, train, torch.device("cpu"), Quiet())
    trainer.learn = learn
    trainer.run([steps])
    return policy


def rloo(policy, kl_weight=0.0, seed=0):
    return Rloo(lambda step: QUESTIONS, good, copy.deepcopy(policy), PLACES, 4, kl_weight, seed)


def share(policy):
    return float(good(write_answers(policy, QUESTIONS.repeat(20, 1), PLACES, torch.Generator().manual_seed(1))).mean())


def test_answers_are_drawn_from_the_models_own_distribution_and_questions_stay(policy):
    rows = write_answers(policy, QUESTIONS.repeat(500, 1), PLACES, torch.Generator().manual_seed(0))
    assert torch.equal(rows[:, :3], QUESTIONS.repeat(500, 1)[:, :3])
    odds = answer_distributions(policy, rows[:1], PLACES)[0, 0].exp()
    drawn = torch.bincount(rows[:, 3], minlength=10) / len(rows)
    assert torch.allclose(drawn, odds, atol=0.03)


def test_the_logprob_of_an_answer_is_the_sum_over_its_tokens(policy):
    rows = QUESTIONS.clone()
    rows[:, 3:] = torch.tensor([4, 5])
    every = answer_distributions(policy, rows, PLACES)
    assert torch.allclose(answer_logprobs(policy, rows, PLACES), every[:, 0, 4] + every[:, 1, 5])


def test_kl_is_zero_at_the_start_and_agrees_with_the_log_ratio_of_samples(policy):
    other = copy.deepcopy(policy)
    torch.nn.init.normal_(other.unembedding.weight, std=0.4)
    rows = write_answers(policy, QUESTIONS.repeat(1000, 1), PLACES, torch.Generator().manual_seed(0))
    assert kl_nats(policy, policy, rows, PLACES).abs().max() < 1e-6
    exact = kl_nats(policy, other, rows, PLACES)
    with torch.no_grad():
        ratio = answer_logprobs(policy, rows, PLACES) - answer_logprobs(other, rows, PLACES)
    assert float(exact.mean()) == pytest.approx(float(ratio.mean()), abs=4 * float(ratio.std()) / len(ratio) ** 0.5)
    assert exact.std() < ratio.std()
    assert exact.min() >= 0


def test_reinforcement_raises_the_reward_and_the_penalty_holds_it_back(policy):
    before = share(policy)
    free = tune(copy.deepcopy(policy), rloo(policy), 15)
    held = tune(copy.deepcopy(policy), rloo(policy, kl_weight=5.0), 15)
    assert share(free) > before + 0.4
    assert share(held) < before + 0.2


def test_a_step_depends_on_its_seed_and_number_alone(policy):
    losses = [float(rloo(policy, seed=seed)(policy, step).detach()) for seed, step in ((0, 3), (0, 3), (0, 4), (1, 3))]
    assert losses[0] == losses[1]
    assert len(set(losses)) == 3


def comparisons():
    better, worse = QUESTIONS.repeat(4, 1), QUESTIONS.repeat(4, 1)
    better[:, 3:], worse[:, 3:] = GOOD, torch.arange(64).reshape(32, 2) % 7
    return Comparisons(better, worse)


def test_dpo_starts_at_ln_2_and_prefers_the_better_answers(policy):
    pairs = comparisons()
    with torch.no_grad():
        margins = answer_logprobs(policy, pairs.better, PLACES) - answer_logprobs(policy, pairs.worse, PLACES)
    learn = Dpo(pairs, margins, PLACES, 16, 0.5, 0)
    assert float(learn(policy, 0).detach()) == pytest.approx(0.6931, abs=1e-4)
    before = share(policy)
    assert share(tune(policy, learn, 15)) > before + 0.2


def test_a_reward_model_learns_the_order_and_leaves_its_model_alone(policy):
    weights = copy.deepcopy(policy.state_dict())
    model = RewardModel(policy, 10, PLACES)
    pairs = comparisons()
    assert model.score(pairs.better).abs().max() == 0  # nothing preferred before it has learnt
    loss = learn_reward(model, pairs, 40, 0.01, 16, torch.Generator().manual_seed(0))
    assert loss < 0.3
    assert (model.score(pairs.better) > model.score(pairs.worse)).float().mean() > 0.9
    assert all(torch.equal(weights[k], v) for k, v in policy.state_dict().items())
    assert not any(p.requires_grad for p in model.parameters())
