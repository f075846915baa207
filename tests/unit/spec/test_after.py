"""Trials that start from the weights of others: which there are, their ids, and what is refused."""

import pytest
from support.stored import make_spec

from scaling.errors import SpecError
from scaling.spec import expand
from scaling.spec.schema import SweepSpec
from scaling.spec.tuning import Finetune, Preference, preference_flops

IDENTITY = make_spec().data.model_copy(
    update={"context": 128, "tokenizer": "ascii", "vocab_size": 128, "train_tokens": 9_000_000}
)
AFTER = {
    "probe": "dictionary-32",
    "finetune": {"items": [16, 64], "scratch": [16, 64, 256], "horizons": [32_000, 64_000]},
    "preference": {"policy": 16, "comparisons": [100, 1000], "steps": [5, 50]},
}


def plan(after=AFTER, identity=IDENTITY, **more):
    document = {
        "schema": 1,
        "name": "x",
        "model": {"family": "gpt", "n_layer": 2, "head_dim": 8},
        "trials": [{"ladder": {"sizes": [{"d_model": 8}, {"d_model": 16}], "horizons": ["100k"], "seeds": [0, 1]}}],
        **({} if after is None else {"after": after}),
        **more,
    }
    return expand(SweepSpec.model_validate(document), identity, {"source": "python-stdlib"})


def test_every_trial_is_tuned_on_each_amount_and_each_policy_by_each_method():
    trials = plan()
    stages = [t.spec.stage for t in trials]
    assert [stages.count(s) for s in ("pretrain", "finetune", "rlhf")] == [4, 4 * (2 + 3), 4 * 2 * 2]
    assert stages == sorted(stages, key=("pretrain", "finetune", "rlhf").index)  # what is needed comes first
    assert len({t.id for t in trials}) == len({t.spec.label for t in trials}) == len(trials)
    known = {(t.id, t.tokens) for t in trials}
    bases = [t.spec.tune.base for t in trials if t.spec.tune is not None and t.spec.tune.base is not None]
    assert {(b.trial, b.tokens) for b in bases} <= known


def test_the_sweeps_own_trials_keep_their_ids():
    assert [t.id for t in plan()[:4]] == [t.id for t in plan(after=None)]
    assert "tune" not in plan(after=None)[0].spec.model_dump(exclude_defaults=True)


def test_ids_hold_the_base_and_the_settings():
    first = {t.spec.label: t.id for t in plan()}
    longer = {t.spec.label: t.id for t in plan(trials=[{"ladder": {"sizes": [{"d_model": 8}, {"d_model": 16}],
        "horizons": ["200k"], "seeds": [0, 1]}}])}  # fmt: skip
    assert first["d8 s0"] == longer["d8 s0"]  # a further horizon of one trunk
    assert first["d8 s0 tuned 16"] != longer["d8 s0 tuned 16"]  # from other weights
    assert first["d8 s0 scratch 16"] == longer["d8 s0 scratch 16"]
    assert first["d8 s0 tuned 16 rloo 100"] != longer["d8 s0 tuned 16 rloo 100"]
    pressed = {**AFTER, "preference": {**AFTER["preference"], "kl_weight": 0.5}}
    other = {t.spec.label: t.id for t in plan(pressed)}
    assert other["d8 s0 tuned 16 rloo 100"] != first["d8 s0 tuned 16 rloo 100"]
    assert other["d8 s0 tuned 16 dpo 100"] == first["d8 s0 tuned 16 dpo 100"]


def test_epochs_are_passes_over_the_items():
    trial = next(t for t in plan() if t.spec.label == "d8 s0 tuned 64")
    assert isinstance(trial.spec.tune, Finetune)
    assert trial.epochs == pytest.approx(63_488 / (10 * 128))  # seven items of 18 tokens to a window of 128


def test_the_flops_of_preference_tuning_add_up_by_hand():
    trial = next(t for t in plan() if t.spec.label == "d8 s0 tuned 16 rloo 100")
    tune = trial.spec.tune
    assert isinstance(tune, Preference)
    parts = preference_flops(tune, 1.0, 50)
    drawn = sum(range(10, 18))  # an item of 18 tokens, its last eight the answer
    rows = 50 * 32 * 4
    assert parts == {
        "comparisons": 200 * drawn,
        "reward_model": 100 * 64 * 2 * 18 * 3,
        "sampling": rows * drawn,
        "reward": rows * 18,
        "reference": rows * 18,
        "update": rows * 18 * 3,
    }
    dpo = preference_flops(tune.model_copy(update={"method": "dpo"}), 1.0, 50)
    assert dpo == {"comparisons": 200 * drawn, "reference": 100 * 36, "update": rows * 18 * 3}
    assert trial.flops_total > sum(preference_flops(tune, 1.0, 50).values())


@pytest.mark.parametrize(
    ("after", "says"),
    [
        ({**AFTER, "probe": "dictionary-9999"}, "the level of dictionary"),
        ({**AFTER, "preference": {**AFTER["preference"], "policy": 99}}, "preference.policy is 99 items"),
        ({**AFTER, "finetune": {**AFTER["finetune"], "batch_tokens": 1000}}, "not a multiple of data.context"),
        ({**AFTER, "finetune": {**AFTER["finetune"], "horizons": [100]}}, "less than one step"),
        ({**AFTER, "finetune": {**AFTER["finetune"], "items": []}}, "at least 1 item"),
    ],
)
def test_what_cannot_be_tuned_is_said(after, says):
    with pytest.raises((SpecError, ValueError), match=says):
        plan(after)


def test_other_tokenizers_and_short_windows_are_refused():
    with pytest.raises(SpecError, match="written in bytes"):
        plan(identity=IDENTITY.model_copy(update={"tokenizer": "gpt2", "vocab_size": 50_257}))
    with pytest.raises(SpecError, match=r"data\.context of 66"):
        plan(identity=IDENTITY.model_copy(update={"context": 64}), train={"batch_tokens": 1024})


def test_a_family_that_writes_no_tokens_is_refused(monkeypatch):
    import dataclasses

    from scaling.spec import plan as planning

    silent = dataclasses.replace(planning.FAMILIES["gpt"], predicts_next=False)
    monkeypatch.setattr(planning, "FAMILIES", {"gpt": silent})
    with pytest.raises(SpecError, match="neither writes tokens nor fills them in"):
        plan()


def test_a_family_that_fills_in_is_tuned_and_not_pressed():
    bert = {"family": "bert", "n_layer": 2, "head_dim": 8}
    with pytest.raises(SpecError, match="only what it writes can be preferred"):
        plan(model=bert)
    supervised = {key: part for key, part in AFTER.items() if key != "preference"}
    trials = plan(supervised, model=bert)
    tuned = next(t for t in trials if t.spec.label == "d8 s0 tuned 16")
    base = next(t for t in trials if t.spec.label == "d8 s0")
    # seven items of 18 tokens fill a window of 128; eight tokens of each are asked for, where 19 are in pre-training
    assert tuned.epochs == tuned.tokens / (3 * 128)
    saved = 3 * 2.0 * 128 * 8 * (19 - 7 * 8) / 128
    assert tuned.flops_per_token.train == pytest.approx(base.flops_per_token.train - saved)
    few = IDENTITY.model_copy(update={"context": 66})  # three sentinels, and the answers of lookup stand in four places
    with pytest.raises(SpecError, match="no item of lookup-7 fits a window of 66 tokens of family t5"):
        plan({**supervised, "probe": "lookup-7"}, few, model={**bert, "family": "t5"}, train={"batch_tokens": 1056})
    assert tuned.flops_total == pytest.approx(tuned.flops_per_token.train * tuned.tokens)


def test_several_processes_do_not_tune_on_preferences():
    with pytest.raises(SpecError, match="done by one process"):
        plan(executor={"gpus_per_trial": 2})
