"""Every finding about what came after pre-training, driven to each of its grades."""

import json

import pandas as pd
import pytest
from support.synthetic_sweep import sweep_points, trials_of
from support.tuned_frames import D, best_of_frame, finetune_frame, preference_frame

from scaling.findings import RULE, Grade, findings
from scaling.laws import analyse
from scaling.laws.tuning import Tuned, analyse_tuned

SUPPORTED, NOT, TOO_LITTLE = Grade.SUPPORTED, Grade.NOT_SUPPORTED, Grade.NOT_ENOUGH_DATA


@pytest.fixture(scope="module")
def judge():
    points = sweep_points().iloc[:3]
    analysis, trials = analyse(points, resamples=0), trials_of(points)

    def judge(name, frame=None):
        tuned = Tuned() if frame is None else analyse_tuned(frame, best_of_frame())
        found = {f.id: f for f in findings(analysis, points, trials, {}, (), tuned)}[name]
        assert found.sentence.endswith(".")
        assert "nan" not in found.sentence
        assert found.rule == RULE[name].text
        json.dumps(found.numbers, allow_nan=False)
        return found

    return judge


def test_transfer(judge):
    found = judge("transfer", finetune_frame(worth=lambda d, n: 0.8 * d))
    assert found.grade == SUPPORTED
    assert "16 items count as 28.8" in found.sentence
    assert judge("transfer", finetune_frame(worth=lambda d, n: 0.2 * d)).grade == NOT
    assert judge("transfer", finetune_frame(worth=lambda d, n: -0.2 * d)).grade == NOT
    assert judge("transfer").grade == TOO_LITTLE
    assert judge("transfer", finetune_frame(seeds=(0,))).grade == TOO_LITTLE
    assert judge("transfer", finetune_frame(sizes=(10_000, 20_000))).grade == TOO_LITTLE
    assert judge("transfer", finetune_frame(items=(16, 64))).grade == TOO_LITTLE


def test_one_amount_from_random_weights_is_set_beside_and_no_worth_is_read(judge):
    frame = finetune_frame(items=(16,), worth=lambda d, n: 1.0 if n > 20_000 else -1.0)
    alone = frame[frame["items"] == 16]
    found = judge("transfer", alone)
    assert found.grade == TOO_LITTLE
    assert "on the same items it lowers the loss of 4 of 6 models; a worth in data is read" in found.sentence
    assert "nothing was trained from random" in judge("transfer", alone[alone["method"] == "finetune"]).sentence
    assert "measured at 1 amount only" in judge("transfer", frame).sentence


def test_transfer_counts_the_worst_seed(judge):
    good, bad = finetune_frame(seeds=(0,), worth=lambda d, n: 2 * d), finetune_frame(seeds=(1,), worth=lambda d, n: 0)
    assert judge("transfer", pd.concat([good, bad])).grade == NOT


def test_a_bound_is_called_one(judge):
    assert "at least 1.64e+04" in judge("transfer", finetune_frame(worth=lambda d, n: 1e6)).sentence


def test_preference(judge):
    found = judge("preference", preference_frame())
    assert found.grade == SUPPORTED
    assert "DPO on the same comparisons" in found.sentence
    assert judge("preference", preference_frame(a=0.001)).grade == NOT
    assert judge("preference", preference_frame(a=-0.1)).grade == NOT
    assert judge("preference").grade == TOO_LITTLE
    assert judge("preference", preference_frame(seeds=(0,))).grade == TOO_LITTLE
    assert judge("preference", preference_frame(methods=("dpo",))).grade == TOO_LITTLE


def test_overoptimised(judge):
    found = judge("overoptimised", preference_frame(b={100: 0.4, 1000: 0.4}))
    assert found.grade == SUPPORTED
    assert "6 of 6" in found.sentence
    assert judge("overoptimised", preference_frame(b={100: 0.0, 1000: 0.0})).grade == NOT
    assert judge("overoptimised").grade == TOO_LITTLE
    assert judge("overoptimised", preference_frame(comparisons=(100,))).grade == TOO_LITTLE
    assert judge("overoptimised", preference_frame(d=(0.1, 0.2, 0.3, 0.4))).grade == TOO_LITTLE


def test_a_fall_of_the_proxy_too_is_no_overoptimisation(judge):
    frame = preference_frame(b={100: 0.4, 1000: 0.4})
    falling = frame.assign(proxy=[1.0 - x for x in [*D] * (len(frame) // len(D))])
    assert judge("overoptimised", falling).grade == NOT
