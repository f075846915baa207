import numpy as np
import pytest
from support.synthetic_sweep import TRUTH, sweep_points

from scaling.errors import NotEnoughData, UsageError
from scaling.laws import fit_loss_surface
from scaling.laws.bootstrap import codes, interval, resample_trials


def _arrays(points):
    return tuple(points[c].to_numpy(dtype=float) for c in ("params_total", "tokens", "loss_nats"))


def test_recovers_the_truth_without_noise():
    fit = fit_loss_surface(*_arrays(sweep_points(noise=0.0)), resamples=0)
    assert {name: p.value for name, p in fit.params.items()} == pytest.approx(TRUTH, rel=1e-4)
    assert fit.converged
    assert fit.residual_rms < 1e-6


def test_recovers_exponents_under_noise_and_intervals_hold_the_truth():
    points = sweep_points(noise=0.004, rng_seed=3)
    fit = fit_loss_surface(*_arrays(points), trials=points["trial"], resamples=300)
    assert fit.params["alpha"].value == pytest.approx(TRUTH["alpha"], abs=0.05)
    assert fit.params["beta"].value == pytest.approx(TRUTH["beta"], abs=0.08)
    held = [p.low <= TRUTH[name] <= p.high for name, p in fit.params.items()]
    assert sum(held) >= 4


@pytest.mark.parametrize("seed", range(6))
def test_every_start_agrees_and_the_gradient_vanishes(seed):
    fit = fit_loss_surface(*_arrays(sweep_points(rng_seed=seed)), resamples=0)
    assert fit.starts_agreed == fit.starts
    assert fit.gradient_norm < 1e-8


def test_bootstrap_by_trial_is_wider_than_by_row_on_correlated_trunks():
    points = sweep_points(noise=0.01, trunk_share=0.95, rng_seed=1)
    by_trial = fit_loss_surface(*_arrays(points), trials=points["trial"], resamples=400)
    by_row = fit_loss_surface(*_arrays(points), resamples=400)
    width = {
        name: (p.high - p.low, by_row.params[name].high - by_row.params[name].low)
        for name, p in by_trial.params.items()
    }
    assert by_trial.params["alpha"].value == by_row.params["alpha"].value
    assert width["alpha"][0] > 1.5 * width["alpha"][1]


def test_an_outlier_hardly_moves_the_robust_fit():
    params, tokens, losses = _arrays(sweep_points(noise=0.002))
    clean = fit_loss_surface(params, tokens, losses, resamples=0)
    losses = losses.copy()
    losses[40] *= 1.5
    robust = fit_loss_surface(params, tokens, losses, resamples=0)
    squares = fit_loss_surface(params, tokens, losses, resamples=0, objective="ls_log")
    drift = abs(robust.params["alpha"].value - clean.params["alpha"].value)
    assert drift < 0.02
    assert abs(squares.params["alpha"].value - clean.params["alpha"].value) > 3 * drift


def test_a_world_without_floor_ends_at_the_bound():
    points = sweep_points(noise=0.0, loss=lambda n, d: 9 / n**0.15 + 5 / d**0.12)
    fit = fit_loss_surface(*_arrays(points), resamples=0)
    assert fit.params["E"].value == pytest.approx(0, abs=1e-3)
    without = fit_loss_surface(*_arrays(points), resamples=0, floor=False)
    assert "E" not in without.params
    assert without.params["alpha"].value == pytest.approx(0.15, rel=1e-3)


def test_a_loss_that_does_not_fall_with_size_is_said():
    points = sweep_points(noise=0.002, loss=lambda n, d: 1.0 + 900 / d**0.5)
    fit = fit_loss_surface(*_arrays(points), trials=points["trial"], resamples=50)
    assert any("N" in w and ("not fall" in w or "not identified" in w) for w in fit.warnings)


def test_same_seed_same_intervals():
    arrays = _arrays(sweep_points())
    first, second = (fit_loss_surface(*arrays, resamples=60, seed=5) for _ in range(2))
    other = fit_loss_surface(*arrays, resamples=60, seed=6)
    assert first.draws == second.draws
    assert first.draws != other.draws


def test_order_of_the_points_does_not_matter():
    params, tokens, losses = _arrays(sweep_points())
    order = np.random.default_rng(0).permutation(len(losses))
    a = fit_loss_surface(params, tokens, losses, resamples=0)
    b = fit_loss_surface(params[order], tokens[order], losses[order], resamples=0)
    assert a.params["E"].value == pytest.approx(b.params["E"].value, rel=1e-7)


def test_two_sizes_are_refused_with_the_reason():
    points = sweep_points(sizes=(10_000, 100_000))
    with pytest.raises(NotEnoughData, match="2 distinct values of N"):
        fit_loss_surface(*_arrays(points))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0, -1.0])
def test_bad_losses_are_refused(bad):
    params, tokens, losses = _arrays(sweep_points())
    losses = losses.copy()
    losses[0] = bad
    with pytest.raises(UsageError):
        fit_loss_surface(params, tokens, losses)


def test_lengths_that_differ_are_refused():
    with pytest.raises(UsageError, match="params"):
        fit_loss_surface([1.0, 2.0], [1.0], [1.0])


def test_resamples_move_whole_trials_and_keep_enough_sizes():
    trials = codes(["a", "a", "b", "b", "c", "c"])
    variables = np.array([[1.0], [1.0], [2.0], [2.0], [3.0], [3.0]])
    drawn = resample_trials(trials, variables, needed=2, resamples=200, seed=0)
    assert (drawn.weights[:, ::2] == drawn.weights[:, 1::2]).all()
    assert ((drawn.weights > 0).sum(axis=1) >= 4).all()
    assert drawn.redrawn > 0  # one in nine draws names a single trial


def test_too_few_draws_give_no_interval():
    assert interval(1.0, np.linspace(0, 1, 10)).low is None
    assert interval(1.0, np.linspace(0, 1, 1001)).low == pytest.approx(0.025)
