"""Predicted memory against the live bytes of real training steps, on the processor."""

import numpy as np
import pytest
import torch
from support.peak import LiveBytes

from scaling.data import CorruptedStream, WindowStream
from scaling.families import Recipe, get_family
from scaling.models import build, objective_of
from scaling.spec.resolve import recipe_of
from scaling.spec.schema import TrainSpec
from scaling.training.loop import Trainer, fresh_state
from scaling.trial.replay import Unobserved

GPT = get_family("gpt")
CPU = torch.device("cpu")


def measured_and_predicted(model, batch_tokens, context=64, vocab_size=128, family=GPT, **train):
    spec = TrainSpec(batch_tokens=batch_tokens, **train)
    config = family.build_config(model, vocab_size, context)
    objective = objective_of(family, config)
    tokens = np.random.default_rng(0).integers(0, vocab_size, 8 * batch_tokens + 1, dtype=np.uint8)
    stream = WindowStream(tokens, context, batch_tokens // context, seed=0)
    if objective.corrupt is not None:
        stream = CorruptedStream(stream, objective.corrupt, seed=0)
    with LiveBytes() as live:
        state = fresh_state(build(family, config), spec)
        Trainer(state, objective.losses, stream, spec, CPU, Unobserved()).run([4])
    recipe = recipe_of(spec)
    predicted = family.memory_bytes(
        config, Recipe(**{name: getattr(recipe, name) for name in recipe.__slots__} | {"fused_norm": False})
    )
    return live.peak, sum(predicted.values())


WIDE = {"d_model": 256, "n_layer": 2, "head_dim": 64}
DEEP = {"d_model": 64, "n_layer": 6, "head_dim": 16}
GPT2 = {"norm": "layernorm", "activation": "gelu", "position": "learned", "qk_norm": False, "bias": True, "tied": True}
LLAMA = {"norm": "rmsnorm", "activation": "swiglu", "qk_norm": False, "n_kv_head": 1}


@pytest.mark.parametrize(
    ("model", "batch_tokens", "train"),
    [
        pytest.param(DEEP, 4096, {}, id="activations-decide"),
        pytest.param(WIDE, 128, {}, id="gradients-decide"),
        pytest.param(WIDE, 128, {"optimizer": "adamw"}, id="adamw"),
        pytest.param({**DEEP, **GPT2}, 1024, {"optimizer": "adamw", "anneal": "cooldown"}, id="gpt2-cooldown"),
        pytest.param({**DEEP, **LLAMA}, 2048, {}, id="llama"),
        pytest.param({**DEEP, "norm": "layernorm"}, 4096, {"precision": "bfloat16"}, id="bfloat16"),
        pytest.param({**DEEP, "residual": "parallel", "norm": "layernorm"}, 1024, {}, id="parallel"),
    ],
)
@pytest.mark.slow
def test_predicted_within_15_percent_of_the_live_bytes(model, batch_tokens, train):
    peak, predicted = measured_and_predicted(model, batch_tokens, **train)
    assert predicted == pytest.approx(peak, rel=0.15)


FURTHER = [
    ("lstm", {"d_model": 64, "n_layer": 4}, {}),
    ("bert", DEEP, {}),
    ("moe", {**DEEP, "n_layer": 2, "n_expert": 4}, {}),
    ("t5", {**DEEP, "n_layer": 2}, {}),
]


@pytest.mark.parametrize(("name", "model", "train"), FURTHER, ids=[name for name, *_ in FURTHER])
def test_other_families_are_predicted_as_well(name, model, train):
    peak, predicted = measured_and_predicted(model, 4096, family=get_family(name), **train)
    assert predicted == pytest.approx(peak, rel=0.15)


def test_components_add_up_to_the_larger_of_the_two_peaks():
    config = GPT.build_config(DEEP, 128, 64)
    parts = GPT.memory_bytes(config, Recipe(batch_tokens=4096))
    held = parts["weights"] + parts["optimizer"] + parts["average"]
    assert sum(parts.values()) > held + parts["activations"]
    assert parts["gradients"] == parts["weights"] == 4 * GPT.params(config).total
    half = GPT.memory_bytes(config, Recipe(batch_tokens=2048))
    assert half["activations"] == parts["activations"] / 2
