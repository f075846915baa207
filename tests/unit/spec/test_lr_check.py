"""The learning-rate check: four more trials, at both ends of what is fitted, and none of the others touched."""

import pytest

from scaling.spec import expand
from scaling.spec.schema import DataIdentity, SweepSpec

IDENTITY = DataIdentity(
    source="path",
    fingerprint="a" * 64,
    validation_fingerprint="b" * 64,
    tokenizer="ascii",
    vocab_size=128,
    train_tokens=9_000_000,
    validation_tokens=65_536,
    validation_bytes=65_536,
    context=128,
)


def plan(sizes=(16, 32, 64), lr_check=True, seeds=(0, 1), **keys):
    document = {
        "schema": 1,
        "name": "a",
        "model": {"family": "gpt", "n_layer": 2, "head_dim": 16},
        "train": {"lr": {"hidden": 0.01, "embedding": 0.016}},
        "trials": [{"ladder": {"sizes": [{"d_model": d} for d in sizes], "horizons": ["100k", "1M"], "seeds": seeds}}],
        "lr_check": lr_check,
        **keys,
    }
    return expand(SweepSpec.model_validate(document, strict=False), IDENTITY, {})


def test_half_and_twice_the_rates_at_the_smallest_and_the_largest_size():
    before = {t.id: t for t in plan(lr_check=False)}
    after = {t.id: t for t in plan()}
    assert before.keys() <= after.keys()
    assert all(after[name].spec == trial.spec for name, trial in before.items())
    added = [t for name, t in after.items() if name not in before]
    assert sorted((t.spec.model["d_model"], t.spec.train.lr.hidden, t.spec.train.lr.embedding) for t in added) == [
        (16, 0.005, 0.008),
        (16, 0.02, 0.032),
        (64, 0.005, 0.008),
        (64, 0.02, 0.032),
    ]
    assert {t.spec.seed for t in added} == {0}
    assert {len(t.spec.horizons) for t in added} == {1}
    assert {t.tokens for t in added} == {t.tokens for t in before.values()}
    assert sorted(t.spec.label for t in added)[0] == "d16 s0 lr x0.5"


def test_sizes_that_are_not_fitted_are_not_checked():
    added = {t.spec.model["d_model"] for t in plan(fit={"min_params": 20_000}) if "lr x" in t.spec.label}
    assert added == {32, 64}


def test_one_size_is_checked_once():
    assert sum("lr x" in t.spec.label for t in plan(sizes=(32,), seeds=(3,))) == 2


def test_a_rate_that_the_sweep_has_already_is_not_trained_twice():
    ladder = {"axes": {"model.d_model": [16, 64], "train.lr.hidden": [0.005, 0.01]}, "horizons": ["1M"]}
    trials = plan(trials=[{"grid": ladder}])
    assert len({t.id for t in trials}) == len(trials)


@pytest.mark.parametrize("flag", [True, False])
def test_the_flag_itself_is_no_part_of_an_id(flag):
    assert {t.id for t in plan(lr_check=False)} <= {t.id for t in plan(lr_check=flag)}
