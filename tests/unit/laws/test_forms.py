import numpy as np
import pytest

from scaling.laws.forms import CURVE_N, SURFACE, Centre, Design, loss_at
from scaling.laws.newton import Batch, evaluate


def _batch(terms, rng):
    x = rng.normal(size=(30, terms))
    y = rng.normal(size=30) * 0.1
    weights = rng.integers(0, 3, size=(4, 30)).astype(float)
    return Batch(Design(x), y, weights, np.ones(1 + 2 * terms, dtype=bool))


def _thetas(terms, rng):
    return np.abs(rng.normal(size=(4, 1 + 2 * terms))) * 0.3 + 0.2


def _numeric_gradient(batch, theta, delta, step=1e-6):
    gradient = np.zeros_like(theta)
    for j in range(theta.shape[1]):
        nudge = np.zeros_like(theta)
        nudge[:, j] = step
        up, down = evaluate(batch, theta + nudge, delta), evaluate(batch, theta - nudge, delta)
        gradient[:, j] = (up.value - down.value) / (2 * step)
    return gradient


@pytest.mark.parametrize("terms", [1, 2])
@pytest.mark.parametrize("delta", [0.05, 10.0])
def test_gradient_agrees_with_finite_differences(terms, delta):
    rng = np.random.default_rng(terms)
    batch, theta = _batch(terms, rng), _thetas(terms, rng)
    assert evaluate(batch, theta, delta).gradient == pytest.approx(
        _numeric_gradient(batch, theta, delta), rel=1e-5, abs=1e-7
    )


@pytest.mark.parametrize("terms", [1, 2])
def test_hessian_agrees_with_finite_differences_of_the_gradient(terms):
    rng = np.random.default_rng(10 + terms)
    batch, theta, step = _batch(terms, rng), _thetas(terms, rng), 1e-6
    hessian = evaluate(batch, theta, 10.0).hessian  # all points inside delta: the objective is smooth
    for j in range(theta.shape[1]):
        nudge = np.zeros_like(theta)
        nudge[:, j] = step
        slope = evaluate(batch, theta + nudge, 10.0).gradient - evaluate(batch, theta - nudge, 10.0).gradient
        assert hessian[:, :, j] == pytest.approx(slope / (2 * step), rel=1e-4, abs=1e-5)


def test_bound_is_positive_semi_definite_and_never_below_the_outer_product():
    rng = np.random.default_rng(3)
    batch, theta = _batch(2, rng), _thetas(2, rng)
    state = evaluate(batch, theta, 1e-3)
    assert np.linalg.eigvalsh(state.bound).min() > -1e-9


def test_natural_parameters_undo_the_centring():
    params, tokens = np.array([1e3, 1e4, 1e5]), np.array([1e6, 3e6, 1e7])
    truth = {"E": 1.2, "A": 40.0, "B": 700.0, "alpha": 0.3, "beta": 0.45}
    loss = loss_at(truth, SURFACE, N=params, D=tokens)
    logs = np.log(np.column_stack([params, tokens]))
    centre = Centre(logs.mean(axis=0), float(np.log(loss).mean()))
    a, b = (
        np.log(truth[c]) - truth[p] * m - centre.log_loss
        for c, p, m in zip("AB", ("alpha", "beta"), centre.log_variables, strict=True)
    )
    theta = np.array([[truth["E"] / np.exp(centre.log_loss), a, truth["alpha"], b, truth["beta"]]])
    fitted, _ = Design(logs - centre.log_variables).log_loss(theta)
    assert fitted[0] + centre.log_loss == pytest.approx(np.log(loss), rel=1e-12)
    assert dict(zip(SURFACE.parameters, SURFACE.natural(theta, centre)[0], strict=True)) == pytest.approx(truth)


def test_text_and_parameters_of_a_law_without_floor():
    law = CURVE_N.without_floor()
    assert law.text == "A/N^alpha"
    assert law.parameters == ("A", "alpha")
    assert list(law.free) == [False, True, True]


def test_an_overflowing_law_has_an_infinite_objective_not_a_warning():
    batch = _batch(2, np.random.default_rng(0))
    assert np.isinf(evaluate(batch, np.full((4, 5), 900.0), 1e-3).value).all()
