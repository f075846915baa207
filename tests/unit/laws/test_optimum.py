"""The optimum itself: never above what other optimisers reach, and known by its gradient alone."""

import numpy as np
import pytest
from support.peers import best_of, random_starts
from support.worlds import INSIDE, OUTSIDE, random_world

from scaling.laws import fit_loss_surface
from scaling.laws.estimate import Problem, solve, solve_resamples
from scaling.laws.forms import SURFACE
from scaling.laws.lad import polish
from scaling.laws.newton import CONVERGED
from scaling.laws.objectives import OBJECTIVES, objective


def _world(seed, kind="plain", trials=24, horizons=4):
    return random_world(np.random.default_rng(seed), kind, trials, horizons)


def _problem(world, kind="huber_log"):
    return Problem.of(SURFACE, np.column_stack([world.params, world.tokens]), world.losses, objective(kind))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_never_above_64_starts_of_scipy(seed):
    world = _world(seed, (INSIDE + OUTSIDE)[2 * seed], *((8, 3), (24, 4))[seed % 2])
    logs = np.log(world.params), np.log(world.tokens), np.log(world.losses)
    found = solve(_problem(world), np.ones(len(world.losses)))
    assert found.converged
    assert found.value <= best_of(random_starts(np.random.default_rng(seed), 64, *logs), *logs) * (1 + 1e-9)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_no_nearby_law_is_better(kind):
    world = _world(1)
    problem = _problem(world, kind)
    ones = np.ones((1, len(world.losses)))
    found = solve(problem, ones[0])
    fit = fit_loss_surface(world.params, world.tokens, world.losses, objective=kind, resamples=0)
    rng = np.random.default_rng(0)
    for size in (1e-2, 1e-4, 1e-6):
        near = found.theta + size * rng.normal(size=(50, 5))
        fitted = near[:, :1] + sum(problem.design.terms(near))
        if kind == "ls_linear":
            values = ((fitted - np.exp(problem.y)) ** 2).sum(axis=1) * np.exp(2 * problem.centre.log_loss)
        else:
            residual = np.abs(np.log(fitted) - problem.y)
            values = {
                "huber_log": np.where(residual <= 1e-3, residual**2 / 2, 1e-3 * (residual - 5e-4)),
                "ls_log": residual**2,
                "lad_log": residual,
            }[kind].sum(axis=1)
        assert (values >= found.value * (1 - 1e-12)).all()
    assert fit.objective_value == pytest.approx(found.value)


def test_least_absolute_deviations_run_through_as_many_points_as_parameters():
    world = _world(2)
    problem = _problem(world, "lad_log")
    ones = np.ones((1, len(world.losses)))
    found = polish(problem.batch(ones), solve(problem, ones[0]).theta)
    residual = np.abs(np.log(found.theta[0] + sum(problem.design.terms(found.theta[None]))[0]) - problem.y)
    assert np.sort(residual)[4] < 1e-11 < np.sort(residual)[5]
    assert found.violation <= 1e-9


def test_a_law_that_is_no_optimum_has_a_violation():
    world = _world(2)
    problem = _problem(world, "lad_log")
    ones = np.ones((1, len(world.losses)))
    squares = solve(_problem(world, "ls_log"), ones[0]).theta
    best = solve(problem, ones[0])
    polished = polish(problem.batch(ones), squares)
    assert polished.violation > CONVERGED or polished.value == pytest.approx(best.value, rel=1e-6)
    assert polished.value >= best.value * (1 - 1e-9)


def test_warm_refits_end_where_multi_start_ends():
    world = _world(3, trials=50)
    problem, n = _problem(world), len(world.losses)
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=60).astype(float)
    point = solve(problem, np.ones(n)).theta
    warm, many = (solve_resamples(problem, weights, point, cells) for cells in (0, 8))
    assert (warm[1] <= CONVERGED).all()
    assert (many[1] <= CONVERGED).all()
    assert np.abs(warm[0] - many[0]).max(axis=1) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("kind", ["huber_log", "ls_log", "ls_linear"])
def test_a_weight_of_two_is_the_point_twice(kind):
    world = _world(4)
    twice = np.arange(len(world.losses)) % 3 == 0
    weights = 1.0 + twice
    doubled = [np.concatenate([v, v[twice]]) for v in (world.params, world.tokens, world.losses)]
    weighted = solve(_problem(world, kind), weights)
    fit = fit_loss_surface(*doubled, objective=kind, resamples=0)
    assert weighted.value == pytest.approx(fit.objective_value, rel=1e-9)


def test_fixed_and_tied_parameters_stay_and_cost_objective():
    world = _world(5)
    arrays = world.params, world.tokens, world.losses
    free = fit_loss_surface(*arrays, resamples=0)
    for options in ({"fixed": {"E": 1.7}}, {"fixed": {"A": free.params["A"].value * 1.2}}, {"tied": True}):
        held = fit_loss_surface(*arrays, resamples=60, **options)
        assert held.converged
        assert held.objective_value > free.objective_value
        for name, value in options.get("fixed", {}).items():
            assert held.params[name].value == pytest.approx(value)
            assert held.params[name].low is None
    assert held.params["alpha"].value == held.params["beta"].value
    assert "alpha = beta" in held.form
