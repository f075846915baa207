"""Value, gradient and Hessians of an objective for a batch of B weighted copies of one problem on n points.

This is where all the time goes. Each point costs two exponentials, a logarithm and some forty multiplications; sums
over points are thin matrix products, and the few distinct entries of each symmetric matrix are summed once.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.laws.forms import Array, Space
from scaling.laws.objectives import Objective

_TINY = 1e-300


class Design:
    """The points a law is evaluated at, with the products that its derivatives need made once.

    Args:
        x: centred log variables ``[n, K]``.
    """

    def __init__(self, x: Array) -> None:
        n, terms = x.shape
        ones = np.ones((n, 1))
        self.x = x
        # d z_k / d theta for each block of theta: (E), (b_1, p_1), (b_2, p_2), …
        self.basis = [ones] + [np.hstack([ones, -x[:, k : k + 1]]) for k in range(terms)]
        self.exponent_basis = [b.T.copy() for b in self.basis[1:]]
        self.width = 1 + 2 * terms
        self.pairs: list[tuple[int, int]] = []
        self.products: list[Array] = []
        self.unpack = self._index()

    def _index(self) -> NDArray[np.intp]:
        """Lay out the distinct entries of a symmetric matrix in a row; return where each entry is found."""
        unpack, count = np.zeros((self.width, self.width), dtype=np.intp), 0
        starts = [0, *range(1, self.width, 2)]
        for j, left in enumerate(self.basis):
            for k, right in enumerate(self.basis[j:], start=j):
                columns = []
                for a in range(left.shape[1]):
                    for b in range(a if j == k else 0, right.shape[1]):
                        columns.append(left[:, a] * right[:, b])
                        row, column = starts[j] + a, starts[k] + b
                        unpack[row, column] = unpack[column, row] = count
                        count += 1
                self.pairs.append((j, k))
                self.products.append(np.column_stack(columns))
        return unpack

    def terms(self, theta: Array) -> list[Array]:
        """Return each power term ``[B, n]`` of ``theta`` ``[B, width]``."""
        return [np.exp(theta[:, 2 * k + 1 : 2 * k + 3] @ basis) for k, basis in enumerate(self.exponent_basis)]

    def matrix(self, coefficients: list[Array], summed: "_Sum") -> Array:
        """Return ``sum_i c_jk,i (basis_j basis_k')_i`` as ``[B, width, width]``; c has one ``[B, n]`` per pair."""
        packed = [summed(c, product) for c, product in zip(coefficients, self.products, strict=True)]
        return np.concatenate(packed, axis=1)[:, self.unpack]


@dataclass(frozen=True, slots=True)
class Batch:
    """B weighted copies of one fitting problem.

    Attributes:
        design: the n points.
        y: centred log losses ``[n]``.
        weights: how often each point counts, ``[B, n]``.
        space: where theta may move.
        objective: what is minimised.
    """

    design: Design
    y: Array
    weights: Array
    space: Space
    objective: Objective

    def take(self, rows: NDArray[np.intp]) -> "Batch":
        """Return the copies named by ``rows``; a row may be named more than once."""
        weights = self.weights if len(rows) == len(self.weights) else self.weights[rows]
        return Batch(self.design, self.y, weights, self.space, self.objective)


@dataclass(frozen=True, slots=True)
class State:
    """Where each problem of a batch stands. Derivatives are by the ``F`` leading entries of theta.

    Attributes:
        theta: ``[B, width]``.
        value: objective ``[B]``.
        gradient: ``[B, F]``, zero where a parameter is pressed against its bound.
        hessian: ``[B, F, F]``.
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
        where = rows[chosen]
        for name in State.__slots__:
            getattr(self, name)[where] = getattr(other, name)[chosen]

    def take(self, rows: NDArray[np.intp]) -> "State":
        """Return the rows."""
        if len(rows) == len(self.value):
            return self
        return State(*(getattr(self, name)[rows] for name in State.__slots__))


def residuals(batch: Batch, theta: Array) -> tuple[Array, list[Array]]:
    """Return residuals ``[B, n]`` and the slope of the residual along each block of theta."""
    terms = batch.design.terms(theta)
    total = sum(terms[1:], terms[0] + theta[:, :1])
    if batch.objective.scale == "linear":
        return total - np.exp(batch.y), [np.ones_like(total), *terms]
    inverse = 1 / total
    residual = np.log(total, out=total)
    residual -= batch.y
    return residual, [inverse, *(np.multiply(t, inverse, out=t) for t in terms)]


def evaluate(batch: Batch, theta: Array, delta: float, *, bounded: bool = True) -> State:
    """Return objective, gradient and Hessians; a theta whose loss overflows has an infinite objective.

    One row of ``theta`` for many copies is a common start: its points are computed once, for all of them. Without
    ``bounded`` the state has no bound: it is zero.
    """
    work, summed = _sums(batch, common=len(theta) < len(batch.weights))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        residual, slopes = residuals(batch, theta)
    sane = np.isfinite(residual.sum(axis=1))
    if not sane.all():
        for array in (residual, *slopes):
            array[~sane] = 0.0
    pull = residual.clip(-delta, delta)
    weighted = work * pull
    value = summed(weighted * (residual - 0.5 * pull), batch.design.basis[0])[:, 0]
    gradient, hessian, bound = _derivatives(batch, work, summed, residual, pull, weighted, slopes, bounded)
    theta, sane = np.broadcast_to(theta, (len(value), theta.shape[1])).copy(), np.broadcast_to(sane, len(value))
    basis = batch.space.basis
    if not batch.space.whole:
        gradient, hessian, bound = gradient @ basis, basis.T @ hessian @ basis, basis.T @ bound @ basis
    pressed = (theta[:, batch.space.leads] <= batch.space.low) & (gradient > 0)
    gradient[pressed] = 0.0
    exact = min(delta, 1e-3) * 1e-3
    pulled = summed(np.abs(weighted), batch.design.basis[0])[:, 0] + exact * batch.weights.sum(axis=1)
    largest = np.abs(gradient).max(axis=1)
    return State(
        theta=theta,
        value=np.where(sane, value, np.inf),
        gradient=gradient,
        hessian=hessian,
        bound=bound,
        relative_gradient=np.where(sane, largest / pulled, np.inf),
    )


_Sum = Callable[[Array, Array], Array]  # (coefficients [B, n], columns [n, k]) -> [B, k]


def _sums(batch: Batch, common: bool) -> tuple[Array, _Sum]:
    """Return the weights to compute points with, and how to sum over points.

    Where theta is common the weights come last, as one matrix product.
    """
    if not common:
        return batch.weights, np.matmul
    return np.ones((1, len(batch.y))), lambda coefficients, columns: batch.weights @ (coefficients.T * columns)


def _derivatives(
    batch: Batch,
    work: Array,
    summed: _Sum,
    residual: Array,
    pull: Array,
    weighted: Array,
    slopes: list[Array],
    bounded: bool,
) -> tuple[Array, Array, Array]:
    """Return gradient, Hessian and the Hessian of the reweighted bound by all of theta.

    With ``r`` the residual, its slope J and ``psi`` the clipped residual: gradient ``sum w psi J``, Hessian
    ``sum w [inside] J J' + sum w psi r''``. A term's second derivative by its own block is itself, hence
    ``r'' = diag(shares) - J J'`` on the log scale and ``diag(terms)`` on the linear one.
    """
    design = batch.design
    pulled = [weighted * s for s in slopes]
    gradient = np.concatenate([summed(p, basis) for p, basis in zip(pulled, design.basis, strict=True)], axis=1)
    inside = work * (pull == residual)
    if batch.objective.scale == "log":
        inside -= weighted
    reweighted = work * ((pull + _TINY) / (residual + _TINY)) if bounded else work
    coefficients, bounds = [], []
    for j, k in design.pairs:
        product = slopes[j] * slopes[k]
        if bounded:
            bounds.append(reweighted * product)
        product *= inside
        if j == k > 0:
            product += pulled[k]
        coefficients.append(product)
    hessian = design.matrix(coefficients, summed)
    return gradient, hessian, design.matrix(bounds, summed) if bounded else np.zeros_like(hessian)
