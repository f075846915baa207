"""Damped semi-smooth Newton on a robust objective, for a batch of weighted copies of one problem.

With a delta far below the residuals the objective (Hoffmann et al. 2022, section 3.3) is nearly least absolute
deviations, whose Hessian sees only the few points inside delta. The damping therefore adds not the identity but the
Hessian of the iteratively reweighted least-squares bound, which sees all. Converged is what has no gradient left.
"""

import numpy as np
from numpy.typing import NDArray

from scaling.laws.forms import Array, Space
from scaling.laws.kernel import Batch, State, evaluate

TOLERANCE = 1e-8  # of ``State.relative_gradient``: where steps end
CONVERGED = 1e-6  # of the same: what may be called an optimum; objectives then agree to about 1e-9
_MANY_POINTS = 2000  # above it few problems are ever damped, and the bound is left until one is
_STEP_LIMIT = 1.5  # per parameter of order one and per step
_DAMPING_LEAST, _DAMPING_FIRST, _DAMPING_LAST = 1e-10, 0.03, 1e8


def minimise(
    batch: Batch, theta: Array, delta: float | None = None, tolerance: float = TOLERANCE, limit: int = 200
) -> State:
    """Return the state after at most ``limit`` steps; converged problems leave the work early.

    Args:
        batch: the problems.
        theta: where to start ``[B, width]``, inside the batch's space; one row is a common start.
        delta: where Huber's loss turns linear; the objective's own by default.
        tolerance: of ``relative_gradient``, which alone says what converged.
        limit: of steps.
    """
    delta = batch.objective.delta if delta is None else delta
    sparing = len(batch.y) > _MANY_POINTS
    state = evaluate(batch, theta, delta, bounded=not sparing)
    damping = np.zeros(len(state.theta))
    for _ in range(limit):
        rows = np.flatnonzero((state.relative_gradient > tolerance) & (damping < _DAMPING_LAST))
        if not len(rows):
            break
        now, working = state.take(rows), batch.take(rows)
        if sparing and (stuck := damping[rows] == _DAMPING_FIRST).any():
            again = evaluate(working.take(np.flatnonzero(stuck)), now.theta[stuck], delta)
            now.put(np.flatnonzero(stuck), again, np.ones(len(again.value), dtype=bool))
            state.put(rows, now, stuck)
        bounded = not sparing or bool((damping[rows] > 0).any())
        tried = evaluate(working, _step(now, damping[rows], batch.space), delta, bounded=bounded)
        better = _better(tried, now)
        if len(rows) == len(damping) and better.all():
            state = tried
        else:
            state.put(rows, tried, better)
        damping[rows] = _next_damping(damping[rows], better)
    return state


def one_step(batch: Batch, theta: Array) -> Array:
    """Return where one undamped step from a common ``theta`` ``[width]`` leads each problem ``[B, width]``."""
    state = evaluate(batch, theta[None], batch.objective.delta, bounded=False)
    return _step(state, np.zeros(len(state.value)), batch.space)


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


def _step(state: State, damping: Array, space: Space) -> Array:
    at = state.theta[:, space.leads]
    matrix = state.hessian + damping[:, None, None] * state.bound
    still = (state.gradient == 0) & (at <= space.low)
    if still.any():
        matrix[still[:, :, None] | still[:, None, :]] = 0.0
    diagonal = np.arange(len(space.leads))
    # Directions in which the objective is flat need a curvature to be solvable.
    ridge = 1e-12 + 1e-10 * np.abs(matrix[:, diagonal, diagonal]).max(axis=1)
    matrix[:, diagonal, diagonal] += np.where(still, 1.0, ridge[:, None] * (1 + damping[:, None]))
    step = np.linalg.solve(matrix, state.gradient[:, :, None])[:, :, 0]
    longest = np.abs(step).max(axis=1, keepdims=True)
    step *= np.minimum(1.0, _STEP_LIMIT / np.maximum(longest, _STEP_LIMIT))
    moved = np.maximum(at - step, space.low)
    return moved if space.whole else np.asarray(space.origin + moved @ space.basis.T, dtype=float)
