"""A family of two stages: arithmetic of both, and a plan in which every trial stands on one first stage."""

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

DVAE, DALLE = get_family("dvae"), get_family("dalle")
DATA = {"patch_values": 48, "words": 8}
CONTEXT, VOCAB = 24, 12
SMALL = {"d_model": 32, "n_layer": 2, "head_dim": 16, "codes": 20, **DATA}
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


def first_stage(codes=20):
    return DVAE.build_config({"codes": codes, **DATA}, VOCAB, CONTEXT)


def flops_of(losses):
    with FlopCounterMode(display=False) as counter:
        losses().mean().backward()
    return counter.get_total_flops()


def test_closed_forms_of_the_first_stage_equal_the_module_and_the_flop_counter():
    config = first_stage()
    with torch.device("meta"):
        model, rows = build(DVAE, config), torch.zeros(5, 16 * 48 + 8, dtype=torch.int32)
    params = DVAE.params(config)
    assert sum(p.numel() for p in model.parameters()) == params.total == sum(params.groups.values())
    counted = flops_of(lambda: objective_of(DVAE, config).losses(model, rows))
    assert counted / (5 * CONTEXT) == pytest.approx(DVAE.flops_per_token(config).train, rel=1e-12)


@pytest.mark.parametrize("variant", [{}, {"position": "learned", "tied": True, "bias": True, "norm": "layernorm"}])
def test_closed_forms_of_the_second_stage_equal_the_module_and_the_flop_counter(variant):
    config = DALLE.build_config({**SMALL, **variant}, VOCAB, CONTEXT)
    base = build(DVAE, first_stage())
    with torch.device("meta"):
        model, rows = build(DALLE, config), torch.zeros(5, CONTEXT + 1, dtype=torch.int32)
    params = DALLE.params(config)
    assert sum(p.numel() for p in model.parameters()) == params.total == sum(params.groups.values())
    counted = flops_of(lambda: objective_of(DALLE, config, base).losses(model, rows))
    flops = DALLE.flops_per_token(config)
    assert counted / (5 * CONTEXT) == pytest.approx(flops.train_full_attention, rel=1e-12)
    assert DALLE.build_config(model_keys(config), VOCAB, CONTEXT) == config


def test_sizes_in_parameters_are_met():
    shape = {"head_dim": 16, "n_layer": 2, "codes": 20, **DATA}
    assert DALLE.params(DALLE.config_for_params(shape, VOCAB, CONTEXT, 30_000)).total == pytest.approx(30_000, rel=0.2)
    assert DVAE.params(DVAE.config_for_params(DATA, VOCAB, CONTEXT, 10_000)).total == pytest.approx(10_000, rel=0.01)


def planned(before=None, family="dalle", model=None, **keys):
    sweep = {
        "schema": 1,
        "name": "x",
        "model": {"family": family, "n_layer": 2, "head_dim": 16, **(model or {})},
        "train": {"batch_tokens": 480},
        "trials": [{"ladder": {"sizes": [{"d_model": 16}, {"d_model": 32}], "horizons": ["48k"]}}],
        **({} if before is None else {"before": before}),
        **keys,
    }
    return expand(SweepSpec.model_validate(sweep), IDENTITY, {"source": "scenes"})


def test_one_first_stage_comes_first_and_every_trial_stands_on_it():
    first, *others = planned({"model": {"codes": 20}, "horizon": "96k"})
    assert (first.spec.family, first.spec.stage, first.spec.label, first.tokens) == ("dvae", "before", "dvae", 96_000)
    assert [trial.spec.stage for trial in others] == ["pretrain", "pretrain"]
    for trial in others:
        assert (trial.spec.base.trial, trial.spec.base.tokens) == (first.id, 96_000)
        assert trial.spec.model["codes"] == 20
        assert DALLE.build_config(trial.spec.model, VOCAB, CONTEXT) == trial.config


@pytest.mark.parametrize(
    "other",
    [
        {"model": {"codes": 24}, "horizon": "96k"},
        {"model": {"codes": 20}, "horizon": "192k"},
        {"model": {"codes": 20}, "horizon": "96k", "seed": 1},
        {"model": {"codes": 20}, "horizon": "96k", "train": {"batch_tokens": 960}},
    ],
)
def test_another_first_stage_makes_other_trials(other):
    before = {"model": {"codes": 20}, "horizon": "96k"}
    assert not {t.id for t in planned(before)[1:]} & {t.id for t in planned(other)}
    assert [t.id for t in planned(before)] == [t.id for t in planned(before)]


def test_a_first_stage_that_is_missing_needless_or_wrong_is_refused_at_its_place():
    with pytest.raises(SpecError, match="stands on a trained dvae: give the section `before`"):
        planned()
    with pytest.raises(SpecError, match="family clip stands on nothing"):
        planned({"model": {"codes": 20}, "horizon": "96k"}, family="clip")
    with pytest.raises(SpecError, match=r"before\.model\.d_model .*did you mean \"model\.codes\""):
        planned({"model": {"codes": 20, "d_model": 8}, "horizon": "96k"})
    with pytest.raises(SpecError, match=r"before\.horizon .*less than one step"):
        planned({"model": {"codes": 20}, "horizon": "24"})
    with pytest.raises(SpecError, match=r"codes is not to be chosen: before\.model\.codes says it"):
        planned({"model": {"codes": 20}, "horizon": "96k"}, model={"codes": 30})


def test_bad_values_name_their_key():
    for model, key in (
        ({k: v for k, v in SMALL.items() if k != "codes"}, "codes"),
        ({**SMALL, "pool": "mean"}, "pool"),
    ):
        with pytest.raises(UsageError) as caught:
            DALLE.build_config(model, VOCAB, CONTEXT)
        assert caught.value.where == f"model.{key}"
    with pytest.raises(UsageError, match="codes"):
        DVAE.build_config(DATA, VOCAB, CONTEXT)


@pytest.mark.parametrize("train", [{}, {"precision": "bfloat16"}])
def test_predicted_memory_of_the_first_stage_within_15_percent_of_the_live_bytes(train):
    spec = TrainSpec(batch_tokens=64 * CONTEXT, **train)
    config = first_stage(codes=64)
    rows = np.random.default_rng(0).integers(0, 256, (256, 16 * 48 + 8), dtype=np.uint8)
    with LiveBytes() as live:
        state = fresh_state(build(DVAE, config), spec)
        stream = WindowStream(rows, CONTEXT, 64, seed=0)
        Trainer(state, objective_of(DVAE, config).losses, stream, spec, torch.device("cpu"), Unobserved()).run([4])
    kept = {name: getattr(spec, name) for name in ("batch_tokens", "precision", "optimizer", "anneal")}
    predicted = sum(DVAE.memory_bytes(config, Recipe(**kept, fused_norm=False)).values())
    assert predicted == pytest.approx(live.peak, rel=0.15)
