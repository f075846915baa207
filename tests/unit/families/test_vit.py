"""Vision transformers against published sizes, the flop counter and the live bytes of training."""

import numpy as np
import pytest
import torch
from support.peak import LiveBytes
from torch.utils.flop_counter import FlopCounterMode

from scaling.data import WindowStream
from scaling.errors import SpecError, UsageError
from scaling.families import Recipe, get_family
from scaling.models import build, objective_of
from scaling.spec import expand
from scaling.spec.identity import model_keys, trial_hash
from scaling.spec.schema import DataIdentity, SweepSpec, TrainSpec
from scaling.training.loop import Trainer, fresh_state
from scaling.trial.replay import Unobserved

VIT = get_family("vit")
PATCH = {"patch_values": 16 * 16 * 3}
SMALL = {"d_model": 32, "n_layer": 2, "head_dim": 16, "patch_values": 16}
VARIANTS = [
    {},
    {"pool": "mean", "qk_norm": True},
    {"bias": False, "norm": "rmsnorm", "activation": "swiglu"},
]
# Of 1,000 labels and 224 x 224 pixels. ViT-B and ViT-L as torchvision documents the weights of vit_b_16 and vit_l_16;
# the small two are the shapes of DeiT (Touvron et al. 2021, 2012.12877, table 1: 5M and 22M), counted by hand.
PUBLISHED = {
    "vit_tiny_patch16_224": (192, 12, 3, 5_717_416),
    "vit_small_patch16_224": (384, 12, 6, 22_050_664),
    "vit_b_16": (768, 12, 12, 86_567_656),
    "vit_l_16": (1024, 24, 16, 304_326_632),
}


def small(variant):
    return VIT.build_config({**SMALL, **variant}, 10, 16)


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_equal_published_sizes_and_the_module(name):
    d_model, n_layer, n_head, total = PUBLISHED[name]
    config = VIT.build_config({"d_model": d_model, "n_layer": n_layer, "n_head": n_head, **PATCH}, 1000, 196)
    params = VIT.params(config)
    assert params.total == sum(params.groups.values()) == total
    with torch.device("meta"):
        module = build(VIT, config)
    assert sum(p.numel() for p in module.parameters()) == total


def test_flops_agree_with_those_that_torchvision_documents():
    config = VIT.build_config({"d_model": 768, "n_layer": 12, "n_head": 12, **PATCH}, 1000, 196)
    forward = VIT.flops_per_token(config).forward * 196 / 2  # torchvision counts multiply-adds
    assert forward / 1e9 == pytest.approx(17.56, abs=0.01)


@pytest.mark.parametrize("variant", VARIANTS)
def test_closed_forms_equal_the_built_module_and_the_flop_counter(variant):
    config = small(variant)
    with torch.device("meta"):
        model = build(VIT, config)
        rows = torch.zeros(3, 16 * 16 + 1, dtype=torch.int32)
    assert sum(p.numel() for p in model.parameters()) == VIT.params(config).total
    with FlopCounterMode(display=False) as counter:
        objective_of(VIT, config).losses(model, rows).sum().backward()
    flops = VIT.flops_per_token(config)
    assert counter.get_total_flops() / (3 * 16) == pytest.approx(flops.train, rel=1e-12)
    assert flops.train == flops.train_full_attention


@pytest.mark.parametrize("variant", VARIANTS)
def test_resolved_keys_give_the_same_config_again(variant):
    config = small(variant)
    assert VIT.build_config(model_keys(config), 10, 16) == config


def test_a_size_in_parameters_is_met():
    config = VIT.config_for_params({"head_dim": 16, "n_layer": 2, "patch_values": 16}, 10, 16, 30_000)
    assert VIT.params(config).total == pytest.approx(30_000, rel=0.2)


PICTURES = DataIdentity(
    source="shapes",
    fingerprint="a" * 64,
    validation_fingerprint="b" * 64,
    tokenizer="symbols",
    vocab_size=10,
    train_tokens=1_000_000,
    validation_tokens=65_536,
    validation_bytes=None,
    context=16,
    kind="images",
    shape={"patch_values": 16},
    row_values=257,
)


def planned(family, **model):
    block = {"ladder": {"sizes": [{"d_model": 32}], "horizons": ["1M"]}}
    keys = {"family": family, "n_layer": 2, "head_dim": 16, **model}
    sweep = {"schema": 1, "name": "x", "model": keys, "trials": [block]}
    return expand(SweepSpec.model_validate(sweep), PICTURES, {"source": "shapes"})


def test_the_plan_takes_the_size_of_a_patch_from_the_data():
    (trial,) = planned("vit")
    assert trial.spec.model["patch_values"] == 16
    assert VIT.build_config(trial.spec.model, 10, 16) == trial.config
    with pytest.raises(SpecError, match="patch_values"):
        planned("vit", patch_values=9)
    with pytest.raises(SpecError, match="eats tokens"):
        planned("gpt")


def test_what_follows_from_the_pictures_changes_no_id():
    (trial,) = planned("vit")
    told = PICTURES.model_copy(update={"entropy_nats": 0.3, "entropy_se_nats": 0.01, "best_accuracy": 0.9})
    assert trial_hash(trial.spec.model_copy(update={"data": told})) == trial.sha256
    other = PICTURES.model_copy(update={"shape": {"patch_values": 64}})
    assert trial_hash(trial.spec.model_copy(update={"data": other})) != trial.sha256


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ({"n_layer": 2, "patch_values": 16}, "d_model"),
        ({"d_model": 32, "n_layer": 2}, "patch_values"),
        ({**SMALL, "pool": "max"}, "pool"),
        ({**SMALL, "position": "rotary"}, "position"),
        ({**SMALL, "head_dim": 5, "n_head": 3}, "n_head"),
    ],
)
def test_bad_values_name_their_key(model, key):
    with pytest.raises(UsageError) as caught:
        VIT.build_config(model, 10, 16)
    assert caught.value.where == f"model.{key}"


@pytest.mark.parametrize(
    ("variant", "train"),
    [
        ({"d_model": 64, "n_layer": 6}, {}),
        ({"pool": "mean", "qk_norm": True, "d_model": 64}, {"optimizer": "adamw", "anneal": "cooldown"}),
        ({"d_model": 64, "n_layer": 4}, {"precision": "bfloat16"}),
    ],
)
def test_predicted_memory_within_15_percent_of_the_live_bytes(variant, train):
    config, spec = small(variant), TrainSpec(batch_tokens=1024, **train)
    rows = np.random.default_rng(0).integers(0, 10, (512, 257), dtype=np.uint8)
    with LiveBytes() as live:
        state = fresh_state(build(VIT, config), spec)
        stream = WindowStream(rows, 16, 64, seed=0)
        Trainer(state, objective_of(VIT, config).losses, stream, spec, torch.device("cpu"), Unobserved()).run([4])
    kept = {name: getattr(spec, name) for name in ("batch_tokens", "precision", "optimizer", "anneal")}
    predicted = sum(VIT.memory_bytes(config, Recipe(**kept, fused_norm=False)).values())
    assert predicted == pytest.approx(live.peak, rel=0.15)
