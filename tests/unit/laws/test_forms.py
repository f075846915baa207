import numpy as np
import pytest

from scaling.errors import UsageError
from scaling.laws.forms import CURVE_N, SURFACE, Centre, PowerLaw, loss_at
from scaling.laws.kernel import Batch, Design, evaluate
from scaling.laws.objectives import objective

LAWS = {
    "one term": CURVE_N,
    "two terms": SURFACE,
    "tied": SURFACE.constrained(tied=True),
    "A fixed": SURFACE.constrained({"A": 2.0}),
    "E and beta fixed": SURFACE.constrained({"E": 0.4, "beta": 0.3}),
    "tied and fixed": SURFACE.constrained({"B": 1.5, "E": 0.2}, tied=True),
    "no floor": SURFACE.without_floor(),
}
CENTRE = Centre(np.array([0.7, -0.4]), 0.1)


def _batch(law: PowerLaw, rng, kind="huber_log"):
    terms = len(law.variables)
    x = rng.normal(size=(30, terms))
    y = rng.normal(size=30) * 0.1
    weights = rng.integers(0, 3, size=(4, 30)).astype(float)
    centre = Centre(CENTRE.log_variables[:terms], CENTRE.log_loss)
    return Batch(Design(x), y, weights, law.space(centre), objective(kind))


def _thetas(batch, rng):
    return batch.space.put(np.abs(rng.normal(size=(4, batch.design.width))) * 0.3 + 0.2)


def _nudged(batch, theta, j, step):
    moved = theta.copy()
    moved[:, batch.space.leads[j]] += step
    return batch.space.put(moved)


@pytest.mark.parametrize("kind", ["huber_log", "ls_linear"])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("delta", [0.05, 10.0])
def test_gradient_agrees_with_finite_differences(law, delta, kind):
    rng, step = np.random.default_rng(1), 1e-6
    batch = _batch(law, rng, kind)
    theta = _thetas(batch, rng)
    gradient = evaluate(batch, theta, delta).gradient
    for j in range(gradient.shape[1]):
        up, down = (evaluate(batch, _nudged(batch, theta, j, s), delta).value for s in (step, -step))
        assert gradient[:, j] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", ["huber_log", "ls_linear"])
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_hessian_agrees_with_finite_differences_of_the_gradient(law, kind):
    rng, step = np.random.default_rng(10), 1e-6
    batch = _batch(law, rng, kind)
    theta = _thetas(batch, rng)
    hessian = evaluate(batch, theta, 100.0).hessian  # all points inside delta: the objective is smooth
    for j in range(hessian.shape[1]):
        up, down = (evaluate(batch, _nudged(batch, theta, j, s), 100.0).gradient for s in (step, -step))
        assert hessian[:, :, j] == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-5)


def test_bound_is_positive_semi_definite():
    rng = np.random.default_rng(3)
    batch = _batch(SURFACE, rng)
    assert np.linalg.eigvalsh(evaluate(batch, _thetas(batch, rng), 1e-3).bound).min() > -1e-9


@pytest.mark.parametrize(
    ("fixed", "tied", "names", "freedom"),
    [
        ({}, False, "", 5),
        ({"E": 0.5}, False, "E", 4),
        ({"A": 30.0}, False, "A", 4),
        ({"A": 30.0, "alpha": 0.4}, False, "A alpha", 3),
        ({"B": 9.0}, True, "B", 3),
        ({"alpha": 0.3}, True, "alpha", 3),
    ],
)
def test_constraints_hold_wherever_theta_moves(fixed, tied, names, freedom):
    law = SURFACE.constrained(fixed, tied=tied)
    space = law.space(CENTRE)
    theta = space.put(np.abs(np.random.default_rng(0).normal(size=(6, 5))))
    natural = dict(zip(law.parameters, law.natural(theta, CENTRE).T, strict=True))
    assert len(space.leads) == law.freedom == freedom
    for name in names.split():
        assert natural[name] == pytest.approx(fixed[name], rel=1e-12)
    assert not tied or natural["alpha"] == pytest.approx(natural["beta"], rel=1e-12)


@pytest.mark.parametrize(
    ("fixed", "tied"),
    [({"gamma": 1.0}, False), ({"E": -1.0}, False), ({"A": 0.0}, False), ({"alpha": 0.1, "beta": 0.2}, True),
     (dict.fromkeys(("E", "A", "B", "alpha", "beta"), 0.5), False)],
)  # fmt: skip
def test_constraints_without_sense_are_refused(fixed, tied):
    with pytest.raises(UsageError):
        SURFACE.constrained(fixed, tied=tied)


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
    fitted = theta[:, :1] + sum(Design(logs - centre.log_variables).terms(theta))
    assert np.log(fitted[0]) + centre.log_loss == pytest.approx(np.log(loss), rel=1e-12)
    assert dict(zip(SURFACE.parameters, SURFACE.natural(theta, centre)[0], strict=True)) == pytest.approx(truth)


def test_text_and_parameters_of_a_law_without_floor():
    law = CURVE_N.without_floor()
    assert law.text == "A/N^alpha"
    assert law.parameters == ("A", "alpha")
    assert law.freedom == 2


def test_an_overflowing_law_has_an_infinite_objective_not_a_warning():
    batch = _batch(SURFACE, np.random.default_rng(0))
    assert np.isinf(evaluate(batch, np.full((4, 5), 900.0), 1e-3).value).all()
