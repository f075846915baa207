"""Where to start: variable projection on a grid of exponents (Golub & Pereyra 1973).

With the exponents given, floor and factors are linear, so every cell of the grid is solved in closed form, without
negative values, for every resample at once. The best cells are where Newton begins.
"""

import itertools

import numpy as np

from scaling.laws.forms import Array
from scaling.laws.kernel import Batch

_GRID_LOW, _GRID_HIGH = 0.03, 2.5  # exponents; published ones lie between 0.05 and 0.9
_GRID_CELLS = {1: 24, 2: 12}  # per exponent, by number of terms
_BLOCK = 2048  # points summed at once
_RIDGE = 1e-12
_LEAST = 1e-3  # a term that the linear solution switched off starts small: its logarithm must exist


def grid_starts(batch: Batch, best: int) -> Array:
    """Return the ``best`` starts of each problem as ``[B, best, width]``, inside the batch's space."""
    cells = _cells(batch)
    factors, explained = _linear_part(batch, cells)
    order = np.argsort(-explained, axis=1, kind="stable")[:, :best]
    chosen = np.take_along_axis(factors, order[:, :, None], axis=1)
    theta = cells[order]
    theta[:, :, 0] = chosen[:, :, 0]
    theta[:, :, 1::2] = np.log(np.maximum(chosen[:, :, 1:], _LEAST))
    return theta if batch.space.whole else batch.space.put(theta)


def _cells(batch: Batch) -> Array:
    """Return a theta per cell ``[G, width]``: a grid over the exponents that are free, the rest where they must be."""
    space, width = batch.space, batch.design.width
    free = [place for place in range(2, width, 2) if place in space.leads]
    axis = np.geomspace(_GRID_LOW, _GRID_HIGH, _GRID_CELLS[width // 2])
    points = np.array(list(itertools.product(axis, repeat=len(free)))).reshape(-1, len(free))
    theta = np.zeros((len(points), width))
    theta[:, free] = points
    return space.put(theta)


def _linear_part(batch: Batch, cells: Array) -> tuple[Array, Array]:
    """Return floor and factors of every cell ``[B, G, K + 1]``, and the sum of squares they explain ``[B, G]``."""
    gram, right = _normal_equations(batch, cells)
    k = len(right)
    places = [0, *range(1, batch.design.width, 2)]
    free = [a for a in range(k) if places[a] in batch.space.leads]
    held = np.zeros_like(right)
    for a in set(range(k)) - set(free):
        held[a] = cells[:, 0] if a == 0 else np.exp(cells[:, places[a]])
    wanted = right - np.einsum("ab...,b...->a...", gram, held) if len(free) < k else right
    found = held + _non_negative(gram, wanted, free)
    explained = sum(found[a] * (2 * right[a] - sum(gram[a, b] * found[b] for b in range(k))) for a in range(k))
    return np.moveaxis(found, 0, 2), np.asarray(explained)


def _normal_equations(batch: Batch, cells: Array) -> tuple[Array, Array]:
    """Return Gram matrix ``[k, k, B, G]`` and right side ``[k, B, G]`` of least squares in every cell.

    Relative where the objective is about logs. Products of one term alone are made once per distinct exponent.
    """
    exponents, k = cells[:, 2::2], cells.shape[1] // 2 + 1
    gram = np.zeros((k, k, len(batch.weights), len(cells)))
    right = np.zeros((k, len(batch.weights), len(cells)))
    distinct = [np.unique(column, return_inverse=True) for column in exponents.T]
    loss = np.exp(batch.y)
    for i in range(0, len(loss), _BLOCK):
        rows = slice(i, i + _BLOCK)
        squares = batch.weights[:, rows] / (loss[rows] ** 2 if batch.objective.scale == "log" else 1.0)
        seen = squares * loss[rows]
        gram[0, 0] += squares.sum(axis=1, keepdims=True)
        right[0] += seen.sum(axis=1, keepdims=True)
        terms = [np.exp(-np.multiply.outer(x, p)) for x, (p, _) in zip(batch.design.x[rows].T, distinct, strict=True)]
        for a, (term, (_, cell)) in enumerate(zip(terms, distinct, strict=True), start=1):
            right[a] += (seen @ term)[:, cell]
            gram[0, a] += (squares @ term)[:, cell]
            gram[a, a] += (squares @ term**2)[:, cell]
        if k == 3:
            gram[1, 2] += squares @ (terms[0][:, distinct[0][1]] * terms[1][:, distinct[1][1]])
    for a, b in itertools.combinations(range(k), 2):
        gram[b, a] = gram[a, b]
    return gram, right


def _non_negative(gram: Array, right: Array, free: list[int]) -> Array:
    """Solve every cell exactly under factors >= 0 by trying each set of active columns; at most seven sets."""
    best = np.zeros_like(right)
    gained = np.full(right.shape[1:], -np.inf)
    for size in range(len(free), 0, -1):
        for active in itertools.combinations(free, size):
            solution = _solve(gram, right, active)
            allowed = np.logical_and.reduce([s >= 0 for s in solution])
            gain = sum(s * right[a] for a, s in zip(active, solution, strict=True))
            better = allowed & (gain > gained)
            np.copyto(gained, gain, where=better)
            for a in free:
                np.copyto(best[a], solution[active.index(a)] if a in active else 0.0, where=better)
        if np.isfinite(gained).all() and size == len(free):
            break
    return best


def _solve(gram: Array, right: Array, active: tuple[int, ...]) -> list[Array]:
    """Solve small positive definite systems elementwise by elimination."""
    matrix = [[gram[a, b] for b in active] for a in active]
    vector = [right[a] for a in active]
    size = len(active)
    for i in range(size):
        matrix[i][i] = matrix[i][i] * (1 + _RIDGE) + _RIDGE
        for j in range(i + 1, size):
            factor = matrix[i][j] / matrix[i][i]
            vector[j] = vector[j] - factor * vector[i]
            for m in range(j, size):
                matrix[j][m] = matrix[j][m] - factor * matrix[i][m]
    solution = [vector[0]] * size
    for i in reversed(range(size)):
        known = sum((matrix[i][j] * solution[j] for j in range(i + 1, size)), start=np.zeros(()))
        solution[i] = (vector[i] - known) / matrix[i][i]
    return solution
