"""Forecasts against a calibration whose truth is known."""

import pytest
from support.calibrated import BLOCK_S, POWER, STEP_S, make_calibration, step_s

from scaling.cost.forecast import Forecast, forecast, forecasts, makespan_s, total
from scaling.provenance import Reading
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
LADDER = {"sizes": [{"d_model": 48}, {"d_model": 96, "n_layer": 3}], "horizons": [512_000, 1_024_000]}


def plan(**train):
    document = {
        "schema": 1,
        "name": "a",
        "model": {"family": "gpt", "n_layer": 2, "head_dim": 16},
        "train": train,
        "trials": [{"ladder": LADDER}],
    }
    return expand(SweepSpec.model_validate(document), IDENTITY, {})


def test_without_a_calibration_nothing_is_guessed():
    predicted = forecast(plan()[0], None)
    assert (predicted.seconds, predicted.train_s, predicted.energy_j) == (None, None, None)
    assert (predicted.seconds_reason, predicted.energy_reason) == ("uncalibrated", "uncalibrated")


@pytest.mark.parametrize("index", [0, 1])
def test_shapes_that_were_not_timed_are_predicted_from_those_that_were(index):
    trial = plan()[index]
    predicted = forecast(trial, make_calibration())
    truth = 1000 * step_s(trial.spec.model, 1024, 128)
    assert predicted.train_s == pytest.approx(truth, rel=0.02)
    evaluation = 2 * 65_536 * trial.flops_per_token.forward / 2e10
    assert predicted.seconds == pytest.approx(2.0 + truth + evaluation, rel=0.02)
    assert predicted.energy_j == pytest.approx(50 * predicted.train_s)
    assert predicted.seconds_reason is predicted.energy_reason is None


def test_trials_trained_together_share_what_a_step_costs_whatever_its_size():
    trials = plan()
    alone, (together, *_) = (
        forecast(trials[0], make_calibration()),
        forecasts(trials, make_calibration(), {trials[0].id: 2}),
    )
    fixed = 1000 * (STEP_S + 2 * BLOCK_S)  # of two members each pays half, and half a start
    assert alone.train_s - together.train_s == pytest.approx(fixed / 2, rel=0.1)
    assert (alone.seconds - alone.train_s) - (together.seconds - together.train_s) == pytest.approx(1.0)


def test_branches_that_cool_down_cost_their_steps():
    trunk, branched = (forecast(plan(**keys)[0], make_calibration()) for keys in ({}, {"anneal": "cooldown"}))
    assert branched.train_s == pytest.approx(trunk.train_s * 1.125)  # a quarter of 500 steps on top of 1000


def test_a_recipe_that_was_not_timed_has_no_forecast():
    predicted = forecast(plan(optimizer="adamw")[0], make_calibration())
    assert predicted.seconds is None
    assert predicted.seconds_reason == "not calibrated for optimizer adamw"


def test_a_sum_lacks_what_one_part_lacks():
    trial = plan()[0]
    no_counter = make_calibration(power=Reading.missing("no counter"))
    both = total([forecast(trial, make_calibration()), forecast(trial, no_counter)])
    assert both.seconds == pytest.approx(2 * forecast(trial, no_counter).seconds)
    assert both.energy_j is None
    assert both.energy_reason == "no counter"
    assert total([Forecast.missing("uncalibrated")]).seconds_reason == "uncalibrated"


def test_the_last_trial_ends_when_the_slots_are_filled_in_order():
    whole = [
        Forecast(seconds=s, train_s=s, seconds_reason=None, energy_j=None, energy_reason="x") for s in (3.0, 5.0, 4.0)
    ]
    assert makespan_s(whole, 2) == 7.0
    assert makespan_s(whole, 9) == 5.0
    assert makespan_s([], 2) == 0.0
    assert makespan_s([*whole, Forecast.missing("uncalibrated")], 2) is None


def test_power_belongs_to_the_device():
    assert make_calibration().power_w == POWER
    assert [f.energy_reason for f in forecasts(plan(), make_calibration())] == [None, None]


def test_trials_that_run_elsewhere_have_no_time_to_the_last():
    assert makespan_s([], 0) is None
