"""The estimator: where to start, how to refine, and how to know that it is the optimum.

Starts come from variable projection (Golub & Pereyra 1973): on a grid of exponents the floor and the factors are
linear, so every cell is solved in closed form, non-negative, for every resample at once. The best cells are refined
by ``newton`` while delta shrinks to its final value. A solver's flag is never asked: a fit has converged when its
gradient vanishes, and can be trusted when several starts meet.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.laws import newton
from scaling.laws.forms import Array, Centre, Design, PowerLaw
from scaling.laws.newton import Batch, State

DELTA = 1e-3
_GRID_LOW, _GRID_HIGH = 0.03, 2.5  # exponents; published ones lie between 0.05 and 0.9
_GRID_CELLS = {1: 24, 2: 12}  # per exponent, by number of terms
_CHUNK = 60_000  # problems times points refined at once: fits the cache, and Python's own time is forgotten
_BLOCK = 2048  # points summed at once on the grid
_ROUNDING = 1e-12  # relative distance of objectives that means nothing
_AGREE = 1e-6  # relative distance of objectives that counts as the same optimum


@dataclass(frozen=True, slots=True)
class Problem:
    """Points to fit: a law, centred logs, and what was subtracted.

    Attributes:
        law: the form.
        design: centred log variables with their products.
        y: centred log losses ``[n]``.
        centre: what was subtracted.
        delta: where Huber's loss turns linear, in log loss.
    """

    law: PowerLaw
    design: Design
    y: Array
    centre: Centre
    delta: float = DELTA

    @classmethod
    def of(cls, law: PowerLaw, variables: Array, losses: Array, delta: float = DELTA) -> "Problem":
        """Return the problem for variables ``[n, K]`` and losses ``[n]``, all positive."""
        logs, y = np.log(variables), np.log(losses)
        centre = Centre(logs.mean(axis=0), float(y.mean()))
        return cls(law, Design(logs - centre.log_variables), y - centre.log_loss, centre, delta)

    def batch(self, weights: Array) -> Batch:
        """Return weighted copies, one per row of ``weights`` ``[B, n]``."""
        return Batch(self.design, self.y, weights, self.law.free)


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best of several starts for one problem.

    Attributes:
        theta: centred parameters.
        value: objective.
        gradient: relative gradient; at most ``newton.CONVERGED`` at an optimum.
        starts: starts refined.
        agreed: starts that reached the same objective within 1e-6 relative.
    """

    theta: Array
    value: float
    gradient: float
    starts: int
    agreed: int

    @property
    def converged(self) -> bool:
        """Whether the gradient vanishes."""
        return self.gradient <= newton.CONVERGED


def solve(problem: Problem, weights: Array, starts: int = 8) -> Optimum:
    """Return the optimum over the best ``starts`` cells of the grid; a point counts ``weights[i]`` times."""
    weights = weights[None]
    theta = grid_starts(problem, weights, starts)[0]
    state = refine(problem, np.repeat(weights, len(theta), axis=0), theta)
    best = int(_best(state.value[:, None], state.relative_gradient[:, None])[0])
    close = state.value <= state.value[best] * (1 + _AGREE) + 1e-18
    return Optimum(
        theta=state.theta[best],
        value=float(state.value[best]),
        gradient=float(state.relative_gradient[best]),
        starts=len(theta),
        agreed=int(close.sum()),
    )


def solve_resamples(problem: Problem, weights: Array, warm: Array, cells: int = 1) -> tuple[Array, Array]:
    """Refit every row of ``weights`` ``[R, n]`` from the point optimum and from its own best grid cells.

    Returns:
        theta ``[R, width]`` and the relative gradient ``[R]`` of the better of the starts.
    """
    chunk = max(1, _CHUNK // len(problem.y) // (cells + 1))
    found = [_best_of_starts(problem, weights[i : i + chunk], warm, cells) for i in range(0, len(weights), chunk)]
    return np.vstack([t for t, _ in found]), np.concatenate([g for _, g in found])


def _best_of_starts(problem: Problem, weights: Array, warm: Array, cells: int) -> tuple[Array, Array]:
    rows = np.arange(len(weights))
    own = grid_starts(problem, weights, cells).transpose(1, 0, 2).reshape(-1, len(warm))
    starts = np.vstack([np.repeat(warm[None], len(rows), axis=0), own])
    state = refine(problem, np.tile(weights, (cells + 1, 1)), starts, deltas=(0.01,))
    shape = (cells + 1, len(rows))
    best = _best(state.value.reshape(shape), state.relative_gradient.reshape(shape)) * len(rows) + rows
    return state.theta[best], state.relative_gradient[best]


def _best(values: Array, gradients: Array) -> NDArray[np.intp]:
    """Return the row of each column's least value; among values equal to rounding, of the least gradient."""
    equal = values <= values.min(axis=0) * (1 + _ROUNDING)
    return np.asarray(np.where(equal, gradients, np.inf).argmin(axis=0), dtype=np.intp)


def refine(problem: Problem, weights: Array, theta: Array, deltas: Sequence[float] = (0.1, 0.01)) -> State:
    """Minimise from ``theta`` ``[B, width]`` while delta shrinks through ``deltas`` to the problem's own."""
    batch = problem.batch(weights)
    for delta in (d for d in deltas if d > problem.delta):
        theta = newton.minimise(batch, theta, delta, tolerance=1e-2, limit=20).theta
    return newton.minimise(batch, theta, problem.delta)


def grid_starts(problem: Problem, weights: Array, best: int) -> Array:
    """Return the ``best`` starts of each row of ``weights`` as ``[B, best, width]``."""
    terms = len(problem.law.variables)
    axis = np.geomspace(_GRID_LOW, _GRID_HIGH, _GRID_CELLS[terms])
    cells = np.array(list(itertools.product(axis, repeat=terms)))
    columns = list(range(terms + 1)) if problem.law.floor else list(range(1, terms + 1))
    gram, right = _normal_equations(problem, weights, cells)
    factors, explained = _non_negative(gram, right, columns)
    order = np.argsort(-explained, axis=1, kind="stable")[:, :best]
    chosen = np.take_along_axis(factors, order[:, :, None], axis=1)
    theta = np.zeros((len(weights), order.shape[1], problem.law.width))
    theta[:, :, 0] = chosen[:, :, 0]
    # A term that the linear solution switched off starts small: its logarithm must exist.
    theta[:, :, 1::2] = np.log(np.maximum(chosen[:, :, 1:], 1e-3))
    theta[:, :, 2::2] = cells[order]
    return theta


def _normal_equations(problem: Problem, weights: Array, cells: Array) -> tuple[Array, Array]:
    """Return Gram matrix ``[B, G, k, k]`` and right side ``[B, G, k]`` of relative least squares in every cell."""
    k = cells.shape[1] + 1
    gram = np.zeros((len(weights), len(cells), k, k))
    right = np.zeros((len(weights), len(cells), k))
    loss = np.exp(problem.y)
    for i in range(0, len(loss), _BLOCK):
        rows = slice(i, i + _BLOCK)
        x = problem.design.x[rows]
        basis = np.concatenate([np.ones((len(x), len(cells), 1)), np.exp(-x[:, None, :] * cells)], axis=2)
        for a, b in itertools.combinations_with_replacement(range(k), 2):
            part = (weights[:, rows] / loss[rows] ** 2) @ (basis[:, :, a] * basis[:, :, b])
            gram[:, :, a, b] += part
            if a != b:
                gram[:, :, b, a] += part
        for a in range(k):
            right[:, :, a] += (weights[:, rows] / loss[rows]) @ basis[:, :, a]
    return gram, right


def _non_negative(gram: Array, right: Array, columns: list[int]) -> tuple[Array, Array]:
    """Solve every cell exactly by trying each set of active columns; at most seven sets.

    Returns:
        factors ``[B, G, k]`` and the sum of squares they explain ``[B, G]``.
    """
    best = np.zeros_like(right)
    explained = np.full(right.shape[:2], -np.inf)
    for size in range(1, len(columns) + 1):
        for active in itertools.combinations(columns, size):
            index = np.array(active)
            matrix = gram[:, :, index[:, None], index] + 1e-12 * np.eye(size)
            solution = np.linalg.solve(matrix, right[:, :, index, None])[..., 0]
            gain = (solution * right[:, :, index]).sum(axis=2)
            better = (solution >= 0).all(axis=2) & (gain > explained)
            explained = np.where(better, gain, explained)
            full = np.zeros_like(best)
            full[:, :, index] = solution
            best = np.where(better[:, :, None], full, best)
    return best, explained
