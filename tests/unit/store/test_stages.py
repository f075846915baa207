"""Stages in one store: tuned trials are rows of their own, and no law is fitted to them."""

import dataclasses

import pytest
from support.stored import make_end, make_point, make_spec

from scaling.laws import Cuts
from scaling.laws.selection import select
from scaling.spec.tuning import Base, Finetune, Preference
from scaling.store import load
from scaling.store.columns import BEST_OF, TUNED

BASE = Base(trial="t0", tokens=2000)
FINETUNE = Finetune(base=BASE, probe="cipher-5", items=10, test_items=20)
PREFERENCE = Preference(
    base=BASE, probe="cipher-5", items=10, test_items=20, method="rloo", comparisons=50, kl_weight=0.1,
    prompts=4, samples=2, reward_steps=3, reward_lr=0.1, best_of=2,
)  # fmt: skip
SCORES = {"exact_match": 0.5, "logprob": -1.5, "logprob_se": 0.1, "floor": 0.0}
PRESSED = {
    "gold": 0.6, "gold_se": 0.01, "gold_even": 0.6, "gold_odd": 0.6, "proxy": 1.0, "proxy_se": 0.1, "kl_nats": 4.0,
    "kl_nats_se": 0.1, "kl_per_token_nats": 0.8, "reward_accuracy": 0.7, "start": {"gold": 0.5, "proxy": 0.0},
    "best_of": {"n": [1.0, 2.0], "kl_nats": [0, 0.19], "proxy": [0, 0.5], "gold": [0.5, 0.52], "gold_se": [0.1, 0.1]},
}  # fmt: skip


@pytest.fixture
def staged(store):
    sweep = store.read_sweep()
    for name, tune, probes in (
        ("f0", FINETUNE, {"cipher-5": SCORES}),
        ("r0", PREFERENCE, {"cipher-5": SCORES, "preference": PRESSED}),
    ):
        spec = make_spec(name).model_copy(update={"tune": tune})
        store.trial(name).write_spec(spec)
        for tokens in (1000, 2000):
            point = dataclasses.replace(make_point(name, tokens, loss=9.0), probes=probes)
            store.trial(name).publish_point(point)
        store.trial(name).publish_end(make_end(name))
        sweep["trials"].append({"id": name, "label": name, "horizons": [1000, 2000], "flops_train": 1.0})
    store.write_sweep(sweep)
    return load(store.root)


def test_points_trials_and_abilities_are_those_of_pre_training_unless_asked(staged):
    for frame in (staged.points(), staged.trials(), staged.curves(), staged.abilities()):
        assert not set(frame["trial"]) & {"f0", "r0"}
    assert set(staged.points(stage=None)["stage"]) == {"pretrain", "finetune", "rlhf"}
    assert staged.trials(stage=None)["stage"].tolist() == ["pretrain", "pretrain", "finetune", "rlhf"]
    assert staged.points(stage="rlhf")["trial"].tolist() == ["r0", "r0"]
    assert set(staged.abilities(stage=None)["trial"]) == {"f0", "r0"}


def test_a_law_is_fitted_to_pre_training_alone_even_where_all_points_are_given(staged):
    found = select(staged.points(stage=None), Cuts())
    assert set(found.used["trial"]) == {"t0"}
    assert set(found.left_out["reason"]) == {"tuned after pre-training: another law"}
    untold = select(staged.points().drop(columns="stage"), Cuts())  # somebody's table says nothing of stages
    assert len(untold.used) == 2


def test_what_was_tuned_has_a_table_of_its_own(staged):
    tuned, best_of = staged.tuned(), staged.best_of()
    assert (list(tuned.columns), list(best_of.columns)) == (list(TUNED), list(BEST_OF))
    assert tuned["trial"].tolist() == ["f0", "f0", "r0", "r0"]
    first, last = tuned.iloc[0], tuned.iloc[-1]
    assert (first["method"], first["base"], first["items"]) == ("finetune", "t0", 10)
    assert (first["answer_loss_nats"], first["loss_nats"]) == (1.5, 9.0)
    assert (last["method"], last["comparisons"], last["gold_start"], last["kl_se_nats"]) == ("rloo", 50, 0.5, 0.1)
    assert best_of[["trial", "n", "gold"]].to_numpy().tolist() == [["r0", 1.0, 0.5], ["r0", 2.0, 0.52]]


def test_a_store_without_tuning_has_empty_tables(store):
    loaded = load(store.root)
    assert (len(loaded.tuned()), len(loaded.best_of())) == (0, 0)


def test_samples_of_what_others_stand_on_are_left_out(store):
    sweep = store.read_sweep()
    store.trial("b0").write_spec(make_spec("first").model_copy(update={"before": True}))
    store.trial("b0").publish_point(make_point("b0", 2000))
    store.trial("b0").publish_end(make_end("b0"))
    sweep["trials"].append({"id": "b0", "label": "first", "horizons": [1000, 2000], "flops_train": 1.0})
    store.write_sweep(sweep)
    found = load(store.root)
    assert next(r for r in found.records if r.folder.id == "b0").end.samples
    assert set(found.samples()["trial"]) == {"t0"}
    assert "b0" in set(found.trials(stage=None)["trial"])
