import numpy as np
import pytest

from scaling.errors import UsageError
from scaling.laws.bounded import fit_bounded

X = np.geomspace(1e7, 1e11, 14)
TRUE = 0.25 + 0.75 / (1 + np.exp(-1.1 * (np.log(X) - np.log(2e9))))


def answers(questions, seed=0):
    return np.random.default_rng(seed).binomial(questions, TRUE) / questions


@pytest.mark.parametrize("questions", [None, 1000])
def test_slope_and_midpoint_are_recovered_exactly_without_noise(questions):
    fit = fit_bounded(X, TRUE, floor=0.25, questions=questions, resamples=0)
    assert fit.slope.value == pytest.approx(1.1, rel=1e-5)
    assert fit.midpoint.value == pytest.approx(2e9, rel=1e-5)
    assert fit.gradient_norm < 1e-8
    assert fit.predict(X) == pytest.approx(TRUE, abs=1e-6)
    assert fit.objective == ("least squares" if questions is None else "binomial")


def test_intervals_hold_the_truth_under_binomial_noise():
    fits = [fit_bounded(X, answers(500, s), floor=0.25, questions=500, resamples=300) for s in range(10)]
    assert sum(f.slope.low < 1.1 < f.slope.high for f in fits) >= 7
    assert sum(f.midpoint.low < 2e9 < f.midpoint.high for f in fits) >= 7
    assert all(f.reason is None for f in fits)


def test_the_likelihood_beats_its_neighbours():
    seen = answers(300)
    fit = fit_bounded(X, seen, floor=0.25, questions=300, resamples=0)
    for slope, midpoint in ((1.02, 1.0), (0.98, 1.0), (1.0, 1.05), (1.0, 0.95)):
        z = slope * fit.slope.value * (np.log(X) - np.log(midpoint * fit.midpoint.value))
        p = 0.25 + 0.75 / (1 + np.exp(-z))
        value = -(300 * (seen * np.log(p) + (1 - seen) * np.log(1 - p))).sum()
        assert value > fit.objective_value


def test_guessing_is_no_rise():
    seen = np.random.default_rng(1).binomial(200, 0.25, size=len(X)) / 200
    fit = fit_bounded(X, seen, floor=0.2, questions=200, resamples=300)
    assert "no rise" in fit.reason


def test_a_step_is_called_a_step():
    fit = fit_bounded(X, (X > 1e9).astype(float), resamples=0)
    assert "a step" in fit.reason


def test_few_points_are_refused_and_predict_nothing():
    fit = fit_bounded(X[:3], TRUE[:3])
    assert "3 points" in fit.reason
    with pytest.raises(UsageError, match="refused"):
        fit.predict(X)


@pytest.mark.parametrize(
    ("x", "seen", "options"),
    [([1.0], [0.5, 0.5], {}), ([1.0, -1.0], [0.5, 0.5], {}), ([1.0], [55.0], {}), ([1.0], [0.5], {"floor": 1.0})],
)
def test_bad_input_is_refused(x, seen, options):
    with pytest.raises(UsageError):
        fit_bounded(x, seen, **options)
