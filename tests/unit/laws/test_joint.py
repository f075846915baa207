import numpy as np
import pytest

from scaling.errors import NotEnoughData, UsageError
from scaling.laws.joint import fit_joint, joint_loss

KAPLAN = {"alpha_N": 0.076, "alpha_D": 0.103, "N_c": 6.4e13, "D_c": 1.8e13}  # 2001.08361, table 2


def points(noise=0.0):
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(1e6, 1e9, 7), np.geomspace(2e7, 2e10, 6)))
    loss = joint_loss(*KAPLAN.values(), n, d)
    return n, d, loss * np.exp(noise * np.random.default_rng(0).normal(size=len(n)))


def test_the_published_law_is_recovered():
    fit = fit_joint(*points(), resamples=0)
    assert {k: v.value for k, v in fit.params.items()} == pytest.approx(KAPLAN, rel=1e-3)
    assert fit.residual_rms < 1e-6


def test_intervals_hold_the_truth_under_noise():
    fit = fit_joint(*points(0.003), resamples=42)
    for name in ("alpha_N", "alpha_D"):
        assert fit.params[name].low < KAPLAN[name] < fit.params[name].high
    assert fit.starts_agreed >= fit.starts / 2
    assert fit.gradient_norm < 1e-3


def test_with_endless_data_it_is_the_law_of_size():
    n = np.array([1e6, 1e8])
    endless = joint_loss(*KAPLAN.values(), n, np.array([1e30, 1e30]))
    assert endless == pytest.approx((KAPLAN["N_c"] / n) ** KAPLAN["alpha_N"], rel=1e-3)


def test_few_points_and_bad_values_are_refused():
    n, d, loss = points()
    with pytest.raises(NotEnoughData, match="4 points"):
        fit_joint(n[:4], d[:4], loss[:4])
    with pytest.raises(UsageError):
        fit_joint(n, d, -loss)
