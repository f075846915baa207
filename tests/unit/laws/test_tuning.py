"""Laws of what comes after pre-training, in worlds whose truth is known."""

import numpy as np
import pytest
from support.tuned_frames import D, best_of_frame, finetune_frame, loss_of, preference_frame, transferred

from scaling.laws.tuning import Place, ScratchCurve, analyse_tuned, transfer_law, transfers
from scaling.laws.tuning.pressed import basis

CURVE = ScratchCurve(probe="p", params=1, seed=0, items=(10, 100, 1000), losses=(2.0, 1.0, 0.5))


def test_data_are_read_between_measured_amounts():
    assert CURVE.data_for(1.0)[0] == pytest.approx(100)
    assert CURVE.data_for(2.0) == (10.0, Place.INSIDE)
    assert CURVE.data_for(2**0.5)[0] == pytest.approx(10**1.5)  # half-way in logs
    assert CURVE.data_for(0.5)[1] is Place.INSIDE


def test_beyond_the_curve_there_is_a_bound_and_no_extrapolation():
    assert CURVE.data_for(0.49) == (1000.0, Place.BEYOND)
    assert CURVE.data_for(2.1) == (10.0, Place.BELOW)


def test_a_bump_in_the_curve_is_not_taken_for_harm_by_data():
    bumpy = ScratchCurve(probe="p", params=1, seed=0, items=(10, 100, 1000), losses=(1.0, 1.5, 0.5))
    assert 100 < bumpy.data_for(0.9)[0] < 1000


def test_the_transferred_data_and_their_law_are_found_again():
    amounts = transfers(finetune_frame())
    assert len(amounts) == 18
    for amount in amounts:
        assert amount.place is Place.INSIDE
        assert amount.transferred == pytest.approx(transferred(amount.items, amount.params), rel=1e-6)
        assert amount.scratch_loss == pytest.approx(float(loss_of(amount.items)))
    law = transfer_law(amounts)
    assert law.alpha.value == pytest.approx(0.5)
    assert law.beta.value == pytest.approx(0.4)
    assert law.alpha.low <= 0.5 + 1e-9
    assert law.n == 18


def test_without_enough_amounts_inside_the_curves_there_is_no_law():
    assert transfer_law(transfers(finetune_frame(worth=lambda d, n: 1e9))) is None
    assert transfer_law(transfers(finetune_frame(sizes=(10_000, 20_000)))) is None
    assert transfer_law([]) is None


def test_models_without_a_curve_from_random_weights_are_left_out():
    frame = finetune_frame()
    assert transfers(frame[frame["method"] == "finetune"]) == []
    assert transfers(frame.iloc[:0]) == []


def test_the_forms_of_gao_are_found_again_and_peak_where_their_slope_is_zero():
    found = analyse_tuned(preference_frame(), best_of_frame())
    law = found.laws[next(c for c in found.laws if c.comparisons == 100)]
    assert (law.a.value, law.b.value) == pytest.approx((0.2, 0.4))
    assert law.peak_d == pytest.approx(np.exp(0.2 / 0.4 - 1))
    assert law.rms < 1e-9
    step = np.array([law.peak_d - 1e-4, law.peak_d, law.peak_d + 1e-4])
    assert np.argmax(law.gain(step)) == 1
    best = found.best_of[10_000, 100]
    assert (best.a.value, best.b.value, best.peak_d) == pytest.approx((0.1, 0.02, 2.5))


def test_intervals_are_over_seeds_and_one_seed_has_none():
    frame = preference_frame()
    frame.loc[frame["seed"] == 1, "gold"] += 0.02 * np.asarray([*D] * 12)  # another slope with another seed
    law = next(iter(analyse_tuned(frame, best_of_frame()).laws.values()))
    assert law.a.low < 0.21 < law.a.high
    assert law.a.value == pytest.approx(0.21)
    alone = next(iter(analyse_tuned(preference_frame(seeds=(0,)), best_of_frame()).laws.values()))
    assert alone.a.low is None


def test_the_peak_is_chosen_on_other_questions_than_it_is_judged_on():
    frame = preference_frame(methods=("rloo",), seeds=(0,), sizes=(10_000,), comparisons=(100,))
    lucky = [0.5, 0.5, 0.9, 0.5, 0.5, 0.5]  # noise on one half
    frame = frame.assign(gold_even=lucky, gold_odd=[0.5, 0.5, 0.48, 0.5, 0.5, 0.4])
    (run,) = analyse_tuned(frame, best_of_frame()).runs
    assert run.peak == 2
    assert run.gain == pytest.approx(-0.02)
    assert run.drop == pytest.approx(0.08)
    worse = frame.assign(gold_even=0.4)
    assert analyse_tuned(worse, best_of_frame()).runs[0].gain == 0.0  # no place beats the start: it stays there


def test_too_short_a_way_has_no_form():
    assert analyse_tuned(preference_frame(d=D[:3]), best_of_frame()).laws == {}


def test_both_forms_start_at_the_origin():
    assert np.allclose(basis("rl", np.array([0.0])), 0)
    assert np.allclose(basis("bon", np.array([0.0])), 0)
