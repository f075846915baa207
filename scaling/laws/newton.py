"""Damped semi-smooth Newton on the robust objective, for a batch of weighted copies of one problem.

The objective is ``sum_i w_i huber(ln L(theta, x_i) - y_i)`` (Hoffmann et al. 2022, section 3.3; the *sum*, as
Besiroglu et al. 2024, 2404.10102, showed that averaging makes optimisers stop early). With a delta far below the
residuals it is nearly least absolute deviations, whose Hessian sees only the few points inside delta. The damping
therefore adds not the identity but the Hessian of the iteratively reweighted least-squares bound, which sees all.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.laws.forms import Array, Design

TOLERANCE = 1e-8  # of ``State.relative_gradient``: where steps end
CONVERGED = 1e-6  # of the same: what may be called an optimum; objectives then agree to about 1e-9
_SMALLEST_RESIDUAL = 1e-6  # log loss; below it a fit counts as exact, and rounding must not look like a slope
_STEP_LIMIT = 1.5  # per parameter of order one and per step
_DAMPING_LEAST, _DAMPING_FIRST, _DAMPING_LAST = 1e-10, 0.03, 1e8


@dataclass(frozen=True, slots=True)
class Batch:
    """B weighted copies of one fitting problem.

    Attributes:
        design: the n points.
        y: centred log losses, ``[n]`` or ``[B, n]``.
        weights: how often each point counts, ``[B, n]``.
        free: which entries of theta may move; the others keep their start.
    """

    design: Design
    y: Array
    weights: Array
    free: NDArray[np.bool_]

    def take(self, rows: NDArray[np.intp]) -> "Batch":
        """Return the copies named by ``rows``; a row may be named more than once."""
        y = self.y if self.y.ndim == 1 else self.y[rows]
        return Batch(self.design, y, self.weights[rows], self.free)


@dataclass(frozen=True, slots=True)
class State:
    """Where each problem of a batch stands.

    Attributes:
        theta: ``[B, width]``.
        value: objective ``[B]``.
        gradient: ``[B, width]``, zero where a parameter is fixed or pressed against its bound.
        hessian: ``[B, width, width]``.
        bound: Hessian of the reweighted least-squares bound, positive semi-definite.
        relative_gradient: ``[B]``; largest ``|sum w psi J|`` over ``sum w |psi|``: the share of the pull of all
            residuals that does not cancel.
    """

    theta: Array
    value: Array
    gradient: Array
    hessian: Array
    bound: Array
    relative_gradient: Array

    def put(self, rows: NDArray[np.intp], other: "State", chosen: NDArray[np.bool_]) -> None:
        """Write the chosen rows of ``other`` over ``rows`` of this state."""
        for name in ("theta", "value", "gradient", "hessian", "bound", "relative_gradient"):
            getattr(self, name)[rows[chosen]] = getattr(other, name)[chosen]

    def take(self, rows: NDArray[np.intp]) -> "State":
        """Return a copy of the rows."""
        return State(*(getattr(self, name)[rows] for name in State.__slots__))


def lower_bounds(width: int) -> Array:
    """Return the least values of theta: a floor and exponents are not negative."""
    low = np.full(width, -np.inf)
    low[0] = 0.0
    low[2::2] = 0.0
    return low


def evaluate(batch: Batch, theta: Array, delta: float) -> State:
    """Return objective, gradient and Hessians; a theta whose loss overflows has an infinite objective."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        log_loss, shares = batch.design.log_loss(theta)
        residual = log_loss - batch.y
        sane = np.isfinite(residual.sum(axis=1))
        residual = np.where(sane[:, None], residual, 0.0)
        shares = [np.where(sane[:, None], s, 0.0) for s in shares]
    size = np.abs(residual)
    pull = np.clip(residual, -delta, delta)
    value = (batch.weights * np.abs(pull) * (size - 0.5 * np.abs(pull))).sum(axis=1)
    weighted = batch.weights * pull
    inside = batch.weights * (size <= delta)
    gradient = batch.design.gradient_sum(shares, weighted)
    pressed = (theta <= lower_bounds(theta.shape[1])) & (gradient > 0)
    gradient = np.where(pressed | ~batch.free, 0.0, gradient)
    total = np.maximum(np.abs(weighted), batch.weights * min(delta, 1e-3) * 1e-3).sum(axis=1)
    return State(
        theta=theta,
        value=np.where(sane, value, np.inf),
        gradient=gradient,
        hessian=batch.design.outer_sum(shares, inside - weighted) + batch.design.curvature_sum(shares, weighted),
        bound=batch.design.outer_sum(shares, batch.weights * delta / np.maximum(size, delta)),
        relative_gradient=np.where(sane, np.abs(gradient).max(axis=1) / total, np.inf),
    )


def minimise(batch: Batch, theta: Array, delta: float, tolerance: float = TOLERANCE, limit: int = 200) -> State:
    """Return the state after at most ``limit`` steps; converged problems leave the work early.

    Whether a problem converged is read from ``relative_gradient``, nowhere else.
    """
    state = evaluate(batch, theta, delta)
    damping = np.zeros(len(theta))
    for _ in range(limit):
        rows = np.flatnonzero((state.relative_gradient > tolerance) & (damping < _DAMPING_LAST))
        if not len(rows):
            break
        tried = evaluate(batch.take(rows), _step(state.take(rows), damping[rows], batch.free), delta)
        better = _better(tried, state.take(rows))
        state.put(rows, tried, better)
        damping[rows] = _next_damping(damping[rows], better)
    return state


def _better(tried: State, now: State) -> NDArray[np.bool_]:
    """Say which steps to keep: within rounding of the objective, the gradient decides.

    It may rise by a hair: next to the edge of a point's quadratic zone it does, until the edge is crossed.
    """
    slack = 1e-13 * np.abs(now.value)
    level = (tried.value <= now.value + slack) & (tried.relative_gradient <= 1.01 * now.relative_gradient)
    return np.asarray((tried.value < now.value - slack) | level, dtype=bool)


def _next_damping(damping: Array, better: NDArray[np.bool_]) -> Array:
    """Ease slowly after success: where few points lie inside delta the right damping is small but not zero."""
    eased = np.where(damping > _DAMPING_LEAST, damping / 20, 0.0)
    stiffer = np.where(damping > 0, damping * 5, _DAMPING_FIRST)
    return np.where(better, eased, stiffer)


def _step(state: State, damping: Array, free: NDArray[np.bool_]) -> Array:
    matrix = state.hessian + damping[:, None, None] * state.bound
    still = (state.gradient == 0) & ((state.theta <= lower_bounds(len(free))) | ~free)
    matrix = np.where(still[:, :, None] | still[:, None, :], 0.0, matrix)
    diagonal = np.arange(len(free))
    # Directions in which the objective is flat need a curvature to be solvable.
    ridge = 1e-12 + 1e-10 * np.abs(matrix[:, diagonal, diagonal]).max(axis=1)
    matrix[:, diagonal, diagonal] += np.where(still, 1.0, ridge[:, None] * (1 + damping[:, None]))
    step = -np.linalg.solve(matrix, state.gradient[:, :, None])[:, :, 0]
    longest = np.abs(step).max(axis=1, keepdims=True)
    step *= np.minimum(1.0, _STEP_LIMIT / np.maximum(longest, 1e-300))
    return np.asarray(np.maximum(state.theta + step, lower_bounds(len(free))), dtype=float)
