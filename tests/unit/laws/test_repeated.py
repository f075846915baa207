from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.errors import UsageError
from scaling.laws.repeated import (
    PUBLISHED,
    effective,
    fit_repeated,
    optimal_params,
    repeated_loss,
    usable,
    worth_of_epochs,
)

DATA = Path(__file__).parents[4] / "shared" / "data" / "muennighoff2023_runs.csv"


def runs(data_decay=15.4, params_decay=5.3, noise=0.0):
    grid = np.meshgrid(np.geomspace(2e7, 4e9, 5), np.geomspace(4e9, 1e11, 4), [1.0, 3.0, 10.0, 40.0])
    n, d, epochs = (v.ravel() for v in grid)
    loss = repeated_loss(PUBLISHED, n, d, d / epochs, data_decay, params_decay)
    return n, d, d / epochs, loss * np.exp(noise * np.random.default_rng(0).normal(size=len(n)))


def test_one_pass_is_the_law_of_fresh_data():
    n, d = np.array([1e8, 1e9]), np.array([1e10, 3e10])
    useful = np.minimum(optimal_params(PUBLISHED, d), n)
    fresh = PUBLISHED["E"] + PUBLISHED["A"] / n ** PUBLISHED["alpha"] + PUBLISHED["B"] / d ** PUBLISHED["beta"]
    assert repeated_loss(PUBLISHED, n, d, d, 15.4, 1e9) == pytest.approx(fresh, rel=1e-8)
    assert optimal_params(PUBLISHED, np.array([1e9]))[0] == pytest.approx(0.051e9, rel=0.01)  # eq. 17
    assert optimal_params(PUBLISHED, np.array([1.0]))[0] == pytest.approx(1.0)  # at least one
    assert (useful <= n).all()


def test_repetition_saturates_at_one_plus_the_decay():
    assert effective(np.array(2.0), np.array(2e6), 15.4) == pytest.approx(2 * 16.4)
    assert effective(np.array(2.0), np.array(2.0), 15.4) == pytest.approx(2)
    assert worth_of_epochs(15.387756, 4) == pytest.approx(3.73, abs=0.005)


def test_decays_are_recovered_with_the_law_given():
    fit = fit_repeated(*runs(noise=0.002), law=PUBLISHED, resamples=40)
    assert fit.data_decay.value == pytest.approx(15.4, rel=0.05)
    assert fit.params_decay.value == pytest.approx(5.3, rel=0.1)
    assert fit.data_decay.low < 15.4 < fit.data_decay.high
    assert fit.starts_agreed >= fit.starts / 2
    assert fit.warnings == ()


def test_decays_are_recovered_with_the_law_fitted_along():
    fit = fit_repeated(*runs(), resamples=0)
    assert fit.refitted
    assert fit.data_decay.value == pytest.approx(15.4, rel=0.02)
    assert fit.law["alpha"] == pytest.approx(PUBLISHED["alpha"], rel=0.01)
    assert fit.gradient_norm < 1e-3


def test_runs_that_the_law_cannot_be_about_are_left_out_by_rule():
    n, d = np.array([1e8, 1e8, 1e8, 2e8, 1e8]), np.array([1e9, 2e9, 4e9, 1e9, 6e11])
    kept, left = usable(n, d, np.full(5, 1e9), np.array([4.0, 3.8, 3.9, 4.1, 3.0]))
    assert kept.tolist() == [True, True, False, False, False]
    assert list(left.values()) == [1, 1, 1]


def test_fresh_runs_only_are_refused():
    n, d, _, loss = runs()
    fit = fit_repeated(n, d, d, loss)
    assert "0 of 80 runs repeat" in fit.reason
    assert fit.data_decay is None


def test_bad_values_are_refused():
    with pytest.raises(UsageError):
        fit_repeated([1.0], [1.0], [1.0], [np.nan])


@pytest.mark.skipif(not DATA.is_file(), reason="the runs are not here")
def test_published_runs():
    """With the paper's law held a decay runs to its bound; fitted along, R_D* comes out above the paper's 15.39."""
    table = pd.read_csv(DATA)
    values = [table[c].to_numpy() for c in ("params", "tokens", "unique_tokens", "loss")]
    kept, left = usable(*values)
    assert (kept.sum(), *left.values()) == (222, 17, 39, 15)
    part = [v[kept] for v in values]
    held = fit_repeated(*part, law=PUBLISHED, resamples=0)
    assert len(held.warnings) == 1
    along = fit_repeated(*part, resamples=0)
    assert along.objective_value < 0.6 * held.objective_value
    assert along.data_decay.value == pytest.approx(53.7, rel=0.02)
    assert along.params_decay.value == pytest.approx(15.0, rel=0.05)
    assert worth_of_epochs(along.data_decay.value, 4) > 3.8
