"""Contrastive encoders: arithmetic against the flop counter and live bytes, and a batch that is part of the model."""

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
from scaling.spec.identity import model_keys
from scaling.spec.schema import DataIdentity, SweepSpec, TrainSpec
from scaling.training.loop import Trainer, fresh_state
from scaling.trial.replay import Unobserved

CLIP = get_family("clip")
DATA = {"patch_values": 48, "words": 8}
SMALL = {"d_model": 32, "n_layer": 2, "head_dim": 16, "batch_pairs": 5, **DATA}
CONTEXT, VOCAB = 24, 16
VARIANTS = [
    {},
    {"d_embed": 24, "qk_norm": True},
    {"bias": False, "norm": "rmsnorm", "activation": "swiglu"},
]
IDENTITY = DataIdentity(
    source="scenes",
    fingerprint="a" * 64,
    validation_fingerprint="b" * 64,
    tokenizer="symbols",
    vocab_size=VOCAB,
    train_tokens=1_000_000,
    validation_tokens=256 * CONTEXT,
    validation_bytes=None,
    context=CONTEXT,
    kind="pairs",
    shape=DATA,
    row_values=16 * 48 + 8,
)


def config_of(variant):
    return CLIP.build_config({**SMALL, **variant}, VOCAB, CONTEXT)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("pairs", [2, 5])
def test_closed_forms_equal_the_built_module_and_the_flop_counter(variant, pairs):
    config = config_of({**variant, "batch_pairs": pairs})
    with torch.device("meta"):
        model = build(CLIP, config)
        rows = torch.zeros(pairs, 16 * 48 + 8, dtype=torch.int32)
    params = CLIP.params(config)
    assert sum(p.numel() for p in model.parameters()) == params.total == sum(params.groups.values())
    with FlopCounterMode(display=False) as counter:
        objective_of(CLIP, config).losses(model, rows).mean().backward()
    flops = CLIP.flops_per_token(config)
    assert counter.get_total_flops() / (pairs * CONTEXT) == pytest.approx(flops.train, rel=1e-12)
    assert flops.train == flops.train_full_attention


@pytest.mark.parametrize("variant", VARIANTS)
def test_resolved_keys_give_the_same_config_again(variant):
    config = config_of(variant)
    assert CLIP.build_config(model_keys(config), VOCAB, CONTEXT) == config


def test_a_size_in_parameters_is_met():
    shape = {"head_dim": 16, "n_layer": 2, "batch_pairs": 8, **DATA}
    assert CLIP.params(CLIP.config_for_params(shape, VOCAB, CONTEXT, 120_000)).total == pytest.approx(120_000, rel=0.2)


def planned(identity=IDENTITY, model=None, train=None, **keys):
    sweep = {
        "schema": 1,
        "name": "x",
        "model": {"family": "clip", "n_layer": 2, "head_dim": 16, **(model or {})},
        "train": train or {},
        "trials": [{"grid": {"axes": {"model.d_model": [32], "train.batch_tokens": [384, 768]}, "horizons": ["768k"]}}],
        **keys,
    }
    return expand(SweepSpec.model_validate(sweep), identity, {"source": "scenes"})


def test_the_plan_puts_the_batch_into_the_model_and_so_into_its_cost():
    first, second = sorted(planned(), key=lambda trial: trial.spec.train.batch_tokens)
    assert (first.spec.model["batch_pairs"], second.spec.model["batch_pairs"]) == (16, 32)
    assert first.spec.label != second.spec.label
    assert first.params.total == second.params.total
    step = 3 * 2 * 16 * 32 / CONTEXT  # sixteen more captions for every picture, in 32 dimensions
    assert second.flops_per_token.train - first.flops_per_token.train == pytest.approx(step)


def test_what_would_compare_other_rows_than_asked_is_refused():
    with pytest.raises(SpecError, match=r"compared by 64, and 6 would be left over: use 4,608 or 6,144"):
        planned(IDENTITY.model_copy(update={"validation_tokens": 198 * CONTEXT}))
    with pytest.raises(SpecError, match=r"batch_pairs is not to be chosen: train\.batch_tokens says it"):
        planned(model={"batch_pairs": 4})
    with pytest.raises(SpecError, match="several processes would divide"):
        planned(executor={"gpus_per_trial": 2})
    with pytest.raises(SpecError, match="eats pairs, and this data is images"):
        planned(IDENTITY.model_copy(update={"kind": "images"}))


@pytest.mark.parametrize(
    ("change", "key"),
    [({"batch_pairs": 1}, "batch_pairs"), ({"pool": "mean"}, "pool"), ({"head_dim": 5, "n_head": 3}, "n_head")],
)
def test_bad_values_name_their_key(change, key):
    with pytest.raises(UsageError) as caught:
        CLIP.build_config({**SMALL, **change}, VOCAB, CONTEXT)
    assert caught.value.where == f"model.{key}"


@pytest.mark.parametrize(
    ("variant", "train"),
    [
        ({"n_layer": 4}, {}),
        ({"d_model": 64, "qk_norm": True}, {"optimizer": "adamw", "anneal": "cooldown"}),
        ({"n_layer": 4}, {"precision": "bfloat16"}),
    ],
)
def test_predicted_memory_within_15_percent_of_the_live_bytes(variant, train):
    spec = TrainSpec(batch_tokens=64 * CONTEXT, **train)
    config = config_of({**variant, "batch_pairs": 64})
    rows = np.random.default_rng(0).integers(0, VOCAB, (256, 16 * 48 + 8), dtype=np.uint8)
    with LiveBytes() as live:
        state = fresh_state(build(CLIP, config), spec)
        stream = WindowStream(rows, CONTEXT, 64, seed=0)
        Trainer(state, objective_of(CLIP, config).losses, stream, spec, torch.device("cpu"), Unobserved()).run([4])
    kept = {name: getattr(spec, name) for name in ("batch_tokens", "precision", "optimizer", "anneal")}
    predicted = sum(CLIP.memory_bytes(config, Recipe(**kept, fused_norm=False)).values())
    assert predicted == pytest.approx(live.peak, rel=0.15)
