"""Sensitivity, floor, profile, prediction intervals and roll-outs of L(N,D)."""

from dataclasses import replace

import numpy as np
import pytest
from support.synthetic_sweep import HORIZONS, SIZES, TRUTH, sweep_points

from scaling.errors import NotEnoughData, UsageError
from scaling.laws import analyse, fit_loss_surface
from scaling.laws.floor import compare_floor
from scaling.laws.prediction import noise_scale, predict_loss
from scaling.laws.profile import Profile, profile_intervals
from scaling.laws.rollout import roll_out, stretch_needed
from scaling.laws.sensitivity import CHOICES, sensitivity
from scaling.laws.surface import surface_sample

pytestmark = pytest.mark.slow


def _used(**options):
    points = sweep_points(**options)
    return points.assign(params=points["params_total"])


def _no_floor(n, d):
    return 9 / n**0.15 + 5 / d**0.12


@pytest.fixture(scope="module")
def used():
    return _used()


@pytest.fixture(scope="module")
def rollouts(used):
    return roll_out(used, resamples=100)


def test_sensitivity_has_every_objective_and_the_outlier_rule(used):
    rows = sensitivity(surface_sample(used))
    assert [r.variant for r in rows if r.choice == "objective"] == [goal.name for goal in CHOICES]
    assert [r.variant for r in rows if r.choice != "objective"] == list("012345")
    assert [r.n_points for r in rows[-6:]] == [len(used) - k for k in range(6)]
    assert all(r.converged for r in rows)
    assert all(r.a == pytest.approx(r.beta / (r.alpha + r.beta)) for r in rows)


def test_a_wild_high_point_shows_in_the_outlier_rule_and_in_least_squares(used):
    hurt = used.copy()
    hurt.loc[hurt["loss_nats"].idxmax(), "loss_nats"] *= 1.5
    rows = sensitivity(surface_sample(hurt))
    by = {(r.choice, r.variant): r.alpha for r in rows}
    rule = "highest losses left out"
    moved = abs(by["objective", "ls_linear sum"] - by[rule, "1"])
    assert moved > 5 * abs(by["objective", "huber_log(0.001) sum"] - by[rule, "1"])


def test_sensitivity_stops_where_points_run_out(used):
    few = used[(used["seed"] == 0) & used["params"].isin(SIZES[:3]) & used["tokens"].isin(HORIZONS[::3])]
    rows = sensitivity(surface_sample(few))
    assert len(few) == 9
    assert [r.variant for r in rows if r.choice != "objective"] == list("0123")[: len(rows) - len(CHOICES)]
    assert len(rows) < len(CHOICES) + 5


def test_a_floor_is_found_and_its_absence_too(used):
    assert compare_floor(_used(noise=0.001)).favours == "floor"
    without = compare_floor(_used(noise=0.001, loss=_no_floor))
    assert without.favours != "floor"
    assert without.p_no_floor > 0.01
    assert compare_floor(used).p_no_floor < 0.05


def test_the_floor_is_open_where_trials_are_few():
    found = compare_floor(_used(sizes=SIZES[:5], seeds=lambda n: 1))
    assert found.aicc_with is None
    assert found.p_no_floor is None
    assert found.favours == "undecided"
    assert "too few trials" in found.why


def test_profile_ends_have_the_deviance_of_the_threshold(used):
    profile = Profile(surface_sample(used))
    for name in ("E", "alpha", "beta", "a"):
        found = profile.interval(name)
        assert found.low < found.value < found.high
        for end in (found.low, found.high):
            deviance, _ = profile.deviance(name, end, profile.optimum.theta)
            assert deviance == pytest.approx(profile.threshold(0.95), rel=2e-2)


def test_profile_agrees_with_a_fit_that_holds_the_parameter(used):
    profile = Profile(surface_sample(used))
    arrays = [used[c] for c in ("params", "tokens", "loss_nats")]
    free = fit_loss_surface(*arrays, objective="ls_log", resamples=0).objective_value
    for name, value in (("E", 0.5), ("alpha", 0.35), ("beta", 0.6)):
        held = fit_loss_surface(*arrays, objective="ls_log", fixed={name: value}, resamples=0)
        assert held.params[name].value == value
        deviance, _ = profile.deviance(name, value, profile.optimum.theta)
        assert deviance == pytest.approx(profile.trials * np.log(held.objective_value / free), rel=1e-6)


def test_profile_interval_is_wider_at_a_higher_level_and_reaches_the_boundary():
    sample = surface_sample(_used(loss=_no_floor))
    narrow, wide = (profile_intervals(sample, level)["E"] for level in (0.5, 0.95))
    assert wide.low == 0.0
    assert wide.high > narrow.high


def test_profile_covers_the_truth_about_as_often_as_it_says():
    """Independent normal errors, one horizon per trial: the stated error model, so 90 % of 90 % intervals hold."""
    held = 0
    for seed in range(40):
        points = sweep_points(seeds=lambda n: 1, noise=0.004, trunk_share=0.0, rng_seed=seed)
        points = points.assign(params=points["params_total"], trial=[f"t{i}" for i in range(len(points))])
        found = Profile(surface_sample(points)).interval("alpha", 0.9)
        held += found.low <= TRUTH["alpha"] <= found.high
    assert 30 <= held <= 40  # binomial(40, 0.9): below with probability 0.5 %


def test_profile_refuses_too_few_trials_and_an_exact_fit():
    with pytest.raises(NotEnoughData, match="more trials than free parameters"):
        Profile(surface_sample(_used(sizes=SIZES[:5], seeds=lambda n: 1)))
    with pytest.raises(NotEnoughData, match="no noise"):
        Profile(surface_sample(_used(noise=0.0)))


def test_prediction_interval_is_wider_than_that_of_the_mean_and_holds_new_runs(used):
    arrays = [used[c] for c in ("params", "tokens", "loss_nats")]
    fit = fit_loss_surface(*arrays, trials=used["trial"], resamples=200)
    fresh = _used(rng_seed=99)
    found = predict_loss(fit, fresh["params"], fresh["tokens"], level=0.9)
    inside = [p.low <= y <= p.high for p, y in zip(found, fresh["loss_nats"], strict=True)]
    assert 0.8 <= np.mean(inside) <= 0.99
    assert all(np.log(p.high / p.low) > 2 * noise_scale(fit) for p in found)


def test_stretch_and_level_widen_a_prediction(used):
    fit = fit_loss_surface(*[used[c] for c in ("params", "tokens", "loss_nats")], resamples=100)
    plain, stretched, sure = (
        predict_loss(fit, [1e6], [1e7], level=level, stretch=stretch)[0]
        for level, stretch in ((0.9, 1), (0.9, 2), (0.99, 1))
    )
    assert np.log(stretched.high / stretched.low) == pytest.approx(2 * np.log(plain.high / plain.low))
    assert sure.low < plain.low < plain.value < plain.high < sure.high


def test_prediction_without_draws_has_no_ends_and_bad_input_is_refused(used):
    fit = fit_loss_surface(*[used[c] for c in ("params", "tokens", "loss_nats")], resamples=0)
    assert predict_loss(fit, [1e6], [1e7])[0].low is None
    with pytest.raises(UsageError):
        predict_loss(fit, [1e6, 2e6], [1e7])
    with pytest.raises(UsageError):
        predict_loss(fit, [1e6], [1e7], level=1.0)


def test_rollouts_cut_whole_trials_and_reach_less_far_as_they_fit_more(used, rollouts):
    factors = [r.extrapolation_factor for r in rollouts]
    assert factors == sorted(factors, reverse=True)
    assert all(r.n_fitted + r.n_predicted == len(used) for r in rollouts)
    assert all(r.n_fitted % len(HORIZONS) == 0 for r in rollouts)
    assert rollouts[-1].mean_abs_error < 0.02


def test_a_law_that_breaks_shows_in_the_rollouts():
    def broken(n, d):
        return TRUTH["E"] + TRUTH["A"] / n ** TRUTH["alpha"] + TRUTH["B"] / d ** TRUTH["beta"] + 0.2 * (n > 50_000)

    rows = roll_out(_used(noise=0.001, loss=broken), resamples=100)
    assert min(r.coverage for r in rows) < 0.5
    assert stretch_needed(rows, 3.0) > 1.5


def test_stretch_is_one_within_the_data_and_never_below(rollouts):
    assert stretch_needed(rollouts, 1.0) == 1.0
    assert stretch_needed((), 50.0) == 1.0
    calm = [replace(r, stretch=0.3) for r in rollouts]
    assert stretch_needed(calm, 5.0) == 1.0
    assert stretch_needed([replace(calm[-1], stretch=3.0)], 1e6) == 3.0


def test_rollouts_are_refused_where_no_cut_leaves_a_law():
    with pytest.raises(NotEnoughData, match="no compute cut"):
        roll_out(_used(sizes=SIZES[:4]))


def test_the_analysis_carries_all_of_it():
    found = analyse(sweep_points(), resamples=50)
    assert found.sensitivity
    assert found.rollouts
    assert found.floor is not None
    assert "rollouts" in analyse(sweep_points(), resamples=0).missing
    assert set(found.profile) == {"E", "alpha", "beta", "a"}
    few = analyse(sweep_points(sizes=SIZES[:5], seeds=lambda n: 1), resamples=0)
    assert few.profile == {}
    assert "more trials" in few.missing["profile"]
