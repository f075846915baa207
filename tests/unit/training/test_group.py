"""A group's members train as they would alone: same losses, own learning rates, own data, own end."""

import copy

import numpy as np
import pytest
import torch

from scaling.data import WindowStream
from scaling.families import get_family
from scaling.models import build
from scaling.models.objective import next_token_losses
from scaling.models.stacked import stack
from scaling.spec.schema import LearningRates, TrainSpec
from scaling.training.checkpoint import restore_newest, restore_together, save_checkpoint
from scaling.training.group import GroupTrainer
from scaling.training.loop import Trainer, fresh_state
from scaling.training.stacked import StackedState

CPU = torch.device("cpu")
VOCABULARY, CONTEXT, WINDOWS = 32, 16, 4
TEXT = np.cumsum(np.random.default_rng(0).integers(0, 3, 60_000)).astype(np.uint8) % VOCABULARY
MODEL = {"n_layer": 2, "d_model": 16, "head_dim": 8, "position": "rotary", "qk_norm": True}
LAYERNORM = {"norm": "layernorm", "activation": "relu2"}
GPT2 = {"norm": "layernorm", "activation": "gelu", "position": "learned", "qk_norm": False, "tied": True, "bias": True}


class Log:
    """Keeps what the loop of one trial reports."""

    def __init__(self):
        self.lines, self.points = [], {}

    def on_curve(self, line):
        self.lines.append(line)

    def on_horizon(self, step, model, train_s):
        self.points[step] = copy.deepcopy(model)

    def on_pause(self, state):
        pass


class GroupLog:
    """The same for each member of a group."""

    def __init__(self, members):
        self.logs, self.diverged, self.states = [Log() for _ in range(members)], {}, []

    def on_curve(self, member, line):
        self.logs[member].on_curve(line)

    def on_evaluation(self, evaluating):
        pass

    def on_horizon(self, member, step, model, train_s):
        self.logs[member].on_horizon(step, model, train_s)

    def on_diverged(self, member, error):
        self.diverged[member] = error

    def on_pause(self, states):
        self.states = states


def recipe(hidden=0.01, **keys):
    return TrainSpec(
        lr=LearningRates(hidden=hidden, embedding=hidden * 1.6),
        batch_tokens=CONTEXT * WINDOWS,
        warmup_steps=10,
        **keys,
    )


def member(seed, train, model):
    family = get_family("gpt")
    torch.manual_seed(seed)
    module = build(family, family.build_config({**MODEL, **model}, VOCABULARY, CONTEXT))
    return fresh_state(module, train), WindowStream(TEXT, CONTEXT, WINDOWS, seed)


def alone(seed, train, steps, model=LAYERNORM):
    state, stream = member(seed, train, model)
    log = Log()
    Trainer(state, next_token_losses, stream, train, CPU, log).run(steps)
    return state, log


def together(recipes, steps, model=LAYERNORM):
    pairs = [member(seed, train, model) for seed, train in enumerate(recipes)]
    state = StackedState([s for s, _ in pairs], recipes)
    log = GroupLog(len(pairs))
    trainer = GroupTrainer(state, next_token_losses, [s for _, s in pairs], recipes[0], CPU, log)
    trainer.run(steps)
    return state, log


def validation_loss(model):
    windows = torch.from_numpy(np.stack([TEXT[i : i + CONTEXT + 1] for i in range(0, 3200, 50)])).int()
    with torch.no_grad():
        return next_token_losses(model, windows).double().mean().item()


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
@pytest.mark.parametrize("anneal", ["average", "cooldown"])
def test_losses_equal_those_alone_at_step_50(optimizer, anneal):
    recipes = [recipe(lr, optimizer=optimizer, anneal=anneal, weight_decay=0.1) for lr in (0.005, 0.01, 0.02)]
    _, log = together(recipes, [50])
    for seed, train in enumerate(recipes):
        _, single = alone(seed, train, [50])
        ours, theirs = log.logs[seed], single
        assert validation_loss(ours.points[50]) == pytest.approx(validation_loss(theirs.points[50]), rel=1e-5)
        assert [line.step for line in ours.lines] == [line.step for line in theirs.lines]
        assert [line.loss_nats for line in ours.lines] == pytest.approx(
            [line.loss_nats for line in theirs.lines], rel=1e-5
        )
        assert ours.lines[-1].grad_norm == pytest.approx(theirs.lines[-1].grad_norm, rel=1e-3)


@pytest.mark.parametrize("model", [GPT2, {"norm": "rmsnorm", "activation": "swiglu", "n_head": 2, "n_kv_head": 1}])
def test_every_kind_of_module_stacks(model):
    recipes = [recipe(), recipe()]
    _, log = together(recipes, [12], model)
    for seed, train in enumerate(recipes):
        _, single = alone(seed, train, [12], model)
        assert validation_loss(log.logs[seed].points[12]) == pytest.approx(validation_loss(single.points[12]), rel=1e-5)


def test_a_stack_keeps_shared_parameters_shared():
    models = [member(seed, recipe(), GPT2)[0].model for seed in range(3)]
    stacked = stack(models)
    assert sum(p.numel() for p in stacked.parameters()) == 3 * sum(p.numel() for p in models[0].parameters())
    assert [n for n, _ in stacked.named_parameters()] == [n for n, _ in models[0].named_parameters()]


def test_one_member_diverging_leaves_the_others_alone():
    recipes = [recipe(), recipe(hidden=1e30, optimizer="muon"), recipe()]
    _, log = together(recipes, [40])
    _, calm = together([recipe(), recipe(), recipe()], [40])
    assert list(log.diverged) == [1]
    for i in (0, 2):
        assert validation_loss(log.logs[i].points[40]) == validation_loss(calm.logs[i].points[40])
    assert log.logs[1].points == {}


def test_a_member_of_a_group_goes_on_alone_from_its_checkpoint(tmp_path):
    recipes = [recipe(0.01), recipe(0.02)]
    state, _ = together(recipes, [20])
    save_checkpoint(tmp_path, state.members[1])
    resumed, stream = member(1, recipes[1], LAYERNORM)
    restore_newest([tmp_path], resumed)
    log = Log()
    Trainer(resumed, next_token_losses, stream, recipes[1], CPU, log).run([20, 40])
    _, unbroken = alone(1, recipes[1], [20, 40])
    assert validation_loss(log.points[40]) == pytest.approx(validation_loss(unbroken.points[40]), rel=1e-5)


def test_a_group_resumed_from_checkpoints_is_bitwise_the_unbroken_one(tmp_path):
    recipes = [recipe(0.01, anneal="cooldown"), recipe(0.02, anneal="cooldown")]
    first, _ = together(recipes, [20])
    states, streams = zip(*(member(i, r, LAYERNORM) for i, r in enumerate(recipes)), strict=True)
    for i, (before, fresh) in enumerate(zip(first.members, states, strict=True)):
        save_checkpoint(tmp_path / str(i), before)
        restore_newest([tmp_path / str(i)], fresh)
    log = GroupLog(2)
    GroupTrainer(StackedState(states, recipes), next_token_losses, streams, recipes[0], CPU, log).run([20, 40])
    _, unbroken = together(recipes, [20, 40])
    for i in range(2):
        assert validation_loss(log.logs[i].points[40]) == validation_loss(unbroken.logs[i].points[40])


def test_a_group_resumes_at_the_last_step_that_all_have_whole(tmp_path):
    recipes = [recipe(0.01), recipe(0.02)]
    state, _ = together(recipes, [20])
    for i, saved in enumerate(state.members):
        save_checkpoint(tmp_path / str(i), saved)
    for i, saved in enumerate(state.members[:1]):  # killed between two members' checkpoints
        saved.step = 30
        save_checkpoint(tmp_path / str(i), saved)
    fresh = [member(i, r, LAYERNORM)[0] for i, r in enumerate(recipes)]
    assert restore_together([[tmp_path / "0"], [tmp_path / "1"]], fresh) == (20, [])
    (tmp_path / "1" / "step-000000020.safetensors").write_bytes(b"torn")
    untouched = [member(i, r, LAYERNORM)[0] for i, r in enumerate(recipes)]
    step, damaged = restore_together([[tmp_path / "0"], [tmp_path / "1"]], untouched)
    assert step == 0
    assert "damaged" in damaged[0]
    assert untouched[0].step == 0


def test_members_must_stand_at_one_step():
    (a, _), (b, _) = member(0, recipe(), LAYERNORM), member(1, recipe(), LAYERNORM)
    b.step = 3
    with pytest.raises(ValueError, match="different steps"):
        StackedState([a, b], [recipe(), recipe()])
