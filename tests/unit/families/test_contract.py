"""What holds for every family, whatever it is: the trial loop and the plan know no other facts than these."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling.data import CorruptedStream, WindowStream, corrupt_validation
from scaling.errors import SpecError
from scaling.families import FAMILIES, get_family
from scaling.models import build, objective_of
from scaling.spec import expand
from scaling.spec.identity import model_keys
from scaling.spec.schema import DataIdentity, SweepSpec, TrainSpec
from scaling.training.evaluate import evaluate
from scaling.training.optim import make_optimizers

SCALING = Path(__file__).parents[3] / "scaling"
CONTEXT, VOCAB = 32, 64
TINY = {
    "gpt": {"d_model": 16, "n_layer": 2, "head_dim": 8},
    "bert": {"d_model": 16, "n_layer": 2, "head_dim": 8},
    "lstm": {"d_model": 16},
    "moe": {"d_model": 16, "n_layer": 2, "head_dim": 8, "n_expert": 4, "top_k": 2, "d_ff": 32},
    "t5": {"d_model": 16, "n_layer": 2, "head_dim": 8},
}
TOKENS = [name for name, family in FAMILIES.items() if family.eats == "tokens"]
ROWS = np.random.default_rng(0).integers(0, VOCAB, (6, CONTEXT + 1), dtype=np.uint8)
IDENTITY = DataIdentity(
    source="path",
    fingerprint="a" * 64,
    validation_fingerprint="b" * 64,
    tokenizer="ascii",
    vocab_size=VOCAB,
    train_tokens=9_000_000,
    validation_tokens=65_536,
    validation_bytes=65_536,
    context=CONTEXT,
)


def config_of(name):
    return get_family(name).build_config(TINY[name], VOCAB, CONTEXT)


def batch_of(name, rows=ROWS):
    corrupt = objective_of(get_family(name), config_of(name)).corrupt
    return torch.from_numpy(rows if corrupt is None else corrupt_validation(rows, corrupt)).int()


def plan(name, identity=IDENTITY, **keys):
    block = {"ladder": {"sizes": [TINY[name]], "horizons": ["1M"]}}
    sweep = {"schema": 1, "name": "x", "model": {"family": name}, "trials": [block], **keys}
    return expand(SweepSpec.model_validate(sweep), identity, {"path": ["x"]})


@pytest.mark.parametrize("name", TOKENS)
def test_closed_forms_equal_the_module_and_the_flop_counter(name):
    family, config = get_family(name), config_of(name)
    objective = objective_of(family, config)
    with torch.device("meta"):
        model = build(family, config)
    params = family.params(config)
    assert sum(p.numel() for p in model.parameters()) == params.total == sum(params.groups.values())
    assert params.active <= params.total
    with FlopCounterMode(display=False) as counter:
        objective.losses(model, batch_of(name).to("meta")).mean().backward()
    flops = family.flops_per_token(config)
    assert counter.get_total_flops() / (len(ROWS) * CONTEXT) == pytest.approx(flops.train_full_attention, rel=1e-12)
    assert 0.9 * 3 * flops.forward <= flops.train <= min(3 * flops.forward, flops.train_full_attention)
    assert flops.rough_6n == 6 * params.active


@pytest.mark.parametrize("name", TOKENS)
def test_the_keys_of_a_trial_give_its_config_again_and_a_size_is_found(name):
    family, config = get_family(name), config_of(name)
    assert family.build_config(model_keys(config), VOCAB, CONTEXT) == config
    shape = {key: value for key, value in TINY[name].items() if key not in ("d_model", "d_ff")}
    found = family.config_for_params(shape, VOCAB, CONTEXT, 50_000)
    assert family.params(found).total == pytest.approx(50_000, rel=0.35)


@pytest.mark.parametrize("name", TOKENS)
def test_losses_are_a_row_for_each_example_and_metrics_are_those_declared(name):
    torch.manual_seed(0)
    family, config = get_family(name), config_of(name)
    model, objective, batch = build(family, config), objective_of(family, config), batch_of(name)
    losses = objective.losses(model, batch)
    assert losses.dtype is torch.float32
    assert losses.shape[0] == len(ROWS)
    found = evaluate(model, objective.measure, batch, torch.device("cpu"))
    assert set(found.metrics) == set(family.metrics)
    assert found.loss_nats > 0
    held = [id(p) for o in make_optimizers(model, _train()) for g in o.param_groups for p in g["params"]]
    assert sorted(held) == sorted(id(p) for p in model.parameters())


def corruption_of(name):
    return objective_of(get_family(name), config_of(name)).corrupt


def reverse_some(rows, rng):
    """A corruption as a family might have one."""
    return np.where(rng.random(rows.shape) < 0.5, rows, rows[:, ::-1]).astype(np.int32)


@pytest.mark.parametrize("corrupt", [reverse_some, *filter(None, map(corruption_of, TOKENS))])
def test_what_is_corrupted_depends_on_seed_and_step_alone(corrupt):
    tokens = np.random.default_rng(1).integers(0, VOCAB, 40 * CONTEXT + 1, dtype=np.uint8)

    def stream(seed):
        return CorruptedStream(WindowStream(tokens, CONTEXT, 4, seed=0), corrupt, seed)

    one, again = stream(3), stream(3)
    for step in (5, 2, 5):  # in any order, as after a resume
        np.testing.assert_array_equal(one.batch(step), again.batch(step))
    assert not np.array_equal(one.batch(5), stream(4).batch(5))
    assert not np.array_equal(one.batch(5), one.batch(5 + 10))  # the same windows an epoch later, hidden anew
    np.testing.assert_array_equal(corrupt_validation(ROWS, corrupt), corrupt_validation(ROWS, corrupt))


@pytest.mark.parametrize("name", TOKENS)
def test_what_a_family_lacks_is_refused_with_the_reason(name):
    assert plan(name)
    with pytest.raises(SpecError, match=r"eats tokens, and this data is images"):
        plan(name, IDENTITY.model_copy(update={"kind": "images"}))
    asked = ({"abilities": {"probes": ["copy-4"]}}, {"samples": {"prompts": ["def"]}})
    for keys in asked:
        wide = IDENTITY.model_copy(update={"context": 128, "vocab_size": 128})
        if get_family(name).predicts_next:
            assert plan(name, wide, **keys)
        else:
            with pytest.raises(SpecError, match="gives no next token"):
                plan(name, wide, **keys)


def test_no_family_is_named_outside_its_own_files():
    """Only the default of a sweep, the calibrated shapes and the starter's example name one.

    A key of the recipe may be called like one: ``train.clip`` limits gradients.
    """
    own = {"families", "models"}
    named = {
        str(path.relative_to(SCALING))
        for path in SCALING.rglob("*.py")
        if path.relative_to(SCALING).parts[0] not in own
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in FAMILIES.keys() - TrainSpec.model_fields.keys()
    }
    assert named == {"spec/schema.py", "trial/calibrate.py", "cli/starter.py"}


def _train():
    return TrainSpec()
