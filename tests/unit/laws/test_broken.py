import numpy as np
import pytest

from scaling.errors import NotEnoughData, UsageError
from scaling.laws.broken import fit_broken

pytestmark = pytest.mark.slow

X = np.geomspace(1e5, 1e10, 30)


def curve(noise=0.0, position=3e7, change=0.3, seed=0):
    y = 0.4 + 30 * X**-0.12 * (1 + (X / position) ** (1 / 0.3)) ** (-change * 0.3)
    return y * np.exp(noise * np.random.default_rng(seed).normal(size=len(X)))


def test_a_break_is_found_where_it_is():
    fit = fit_broken(X, curve(), resamples=0)
    assert fit.breaks[0].position.value == pytest.approx(3e7, rel=0.02)
    assert fit.exponent.value == pytest.approx(0.12, abs=0.002)
    assert fit.breaks[0].change == pytest.approx(0.3, rel=0.03)
    assert fit.floor.value == pytest.approx(0.4, abs=0.02)
    assert fit.reason is None
    assert fit.aicc < fit.aicc_unbroken - 50
    assert fit.predict(X) == pytest.approx(curve(), rel=1e-4)


def test_its_interval_holds_the_truth_under_noise():
    fit = fit_broken(X, curve(noise=0.004), resamples=42)
    position = fit.breaks[0].position
    assert position.low < 3e7 < position.high
    assert position.high < 10 * position.low
    assert fit.gradient_norm < 1e-2


def test_an_outlier_hardly_moves_the_break():
    y = curve(noise=0.002)
    y[20] *= 1.3
    assert fit_broken(X, y, resamples=0).breaks[0].position.value == pytest.approx(3e7, rel=0.25)


def test_a_straight_law_earns_no_break():
    y = (1.2 + 40 * X**-0.3) * np.exp(0.003 * np.random.default_rng(2).normal(size=len(X)))
    fit = fit_broken(X, y, resamples=0)
    assert "do not earn" in fit.reason
    plain = fit_broken(X, y, breaks=0, resamples=42)
    assert plain.reason is None
    assert plain.breaks == ()
    assert plain.exponent.low < 0.3 < plain.exponent.high


def test_two_breaks_are_told_apart():
    y = 20 * X**-0.05
    for position, change in ((1e7, 0.3), (1e9, -0.25)):
        y = y * (1 + (X / position) ** (1 / 0.2)) ** (-change * 0.2)
    fit = fit_broken(X, y, breaks=2, resamples=0)
    assert [b.position.value for b in fit.breaks] == pytest.approx([1e7, 1e9], rel=0.1)
    assert fit.reason is None


def test_too_few_points_and_too_many_breaks_are_refused():
    with pytest.raises(NotEnoughData, match="6 parameters"):
        fit_broken(X[:6], curve()[:6])
    with pytest.raises(UsageError):
        fit_broken(X, curve(), breaks=4)
    with pytest.raises(UsageError):
        fit_broken(X, -curve())
