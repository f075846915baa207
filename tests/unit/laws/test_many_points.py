"""What is done otherwise where points are many leads to what is done where they are few."""

import numpy as np
import pytest

from scaling.laws import estimate, fit, fit_loss_surface, newton


@pytest.fixture(scope="module")
def table():
    """60 runs of 40 logged losses, correlated within a run: params, tokens, losses, run of each."""
    rng = np.random.default_rng(5)
    runs, steps = 60, 40
    params = np.exp(rng.uniform(np.log(1e7), np.log(1e10), runs))
    tokens = params * np.exp(rng.uniform(np.log(3), np.log(150), runs))
    trials = np.repeat(np.arange(runs), steps)
    n, d = params[trials], tokens[trials] * np.tile(np.arange(1, steps + 1) / steps, runs)
    noise = 0.004 * rng.normal(size=runs)[trials] + 0.003 * rng.normal(size=len(trials))
    return n, d, (1.69 + 406 / n**0.34 + 411 / d**0.28) * np.exp(noise), trials


def _fit(table, resamples=200, **options):
    n, d, losses, trials = table
    return fit_loss_surface(n, d, losses, trials, resamples=resamples, **options)


def test_screening_starts_and_sparing_bounds_change_no_interval(table, monkeypatch):
    assert len(table[0]) > estimate._SCREENED  # as shipped: both are at work
    spared = _fit(table)
    monkeypatch.setattr(estimate, "_SCREENED", 10**9)
    monkeypatch.setattr(newton, "_MANY_POINTS", 10**9)
    thorough = _fit(table)
    assert np.array(spared.draws) == pytest.approx(np.array(thorough.draws), rel=1e-4)


def test_a_resample_whose_own_cell_leads_elsewhere_is_found_and_refined_from_there(table):
    n, d, losses, _ = table
    problem = estimate.Problem.of(fit.SURFACE, np.column_stack([n, d]), losses)
    weights = np.ones((3, len(n)))
    best = estimate.solve(problem, weights[0]).theta
    assert not len(estimate._elsewhere(problem, weights, best, 1))
    trapped = np.array([0.0, -60.0, 0.1, 0.0, 0.3])  # its first term is nothing, and has no pull to come back
    assert list(estimate._elsewhere(problem, weights, trapped, 1)) == [0, 1, 2]
    theta, gradient = estimate.solve_resamples(problem, weights, trapped)
    assert theta == pytest.approx(np.repeat(best[None], 3, axis=0), abs=1e-4)
    assert (gradient <= newton.CONVERGED).all()


def test_one_newton_step_gives_the_intervals_of_refits(table, monkeypatch):
    refitted = _fit(table, 600, delta=0.01)  # so wide that, of these few points, many shape the Hessian
    monkeypatch.setattr(fit, "_REFITTED", 100)
    stepped = _fit(table, 600, delta=0.01)
    assert "one Newton step each" in stepped.interval_method
    for name, interval in refitted.params.items():
        other = stepped.params[name]
        assert other.value == interval.value
        assert other.high - other.low == pytest.approx(interval.high - interval.low, rel=0.15), name
