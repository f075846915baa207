"""Least absolute deviations, exactly: the optimum runs through as many points as there are free parameters.

From a Huber fit with a tiny delta the points with the least residuals are taken as those it runs through, the law is
solved through them, and multipliers say whether that is the optimum: each must lie within its point's weight (the
subgradient holds zero). If one does not, its point is let go and the line search passes along the edge to the point
that stops it: the exchange of Barrodale & Roberts 1973 on the linearised law, repeated.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.laws.forms import Array
from scaling.laws.kernel import Batch, residuals

_EXCHANGES = 60
_CORRECTIONS = 12
_THROUGH = 1e-13  # residual at a point that the law runs through
_SLACK = 1e-9  # of a multiplier beyond its weight


@dataclass(frozen=True, slots=True)
class Vertex:
    """A law through some points.

    Attributes:
        theta: ``[width]``.
        value: sum of weighted absolute residuals.
        violation: how far zero is from the subgradient, as a share of the pull of all points; 0 at an optimum.
    """

    theta: Array
    value: float
    violation: float


def polish(batch: Batch, theta: Array) -> Vertex:
    """Return the optimum of least absolute deviations near ``theta`` ``[width]``, for a batch of one problem.

    Where no exchange leads down (a singular set of points, a bound on the way) the best law so far is returned, with
    the violation that it has.
    """
    search = _Search(batch)
    best = Vertex(theta, search.value(theta), np.inf)
    free = search.free(theta)
    active = search.nearest(theta, free)
    for _ in range(_EXCHANGES):
        through = search.solve_through(theta, active, free)
        if through is None or search.value(through) > best.value * (1 + 1e-6) + 1e-15:
            break
        multipliers, bound_pull = search.multipliers(through, active, free)
        excess = np.abs(multipliers) - search.weights[active]
        violation = max(float(excess.max(initial=0.0)), bound_pull, 0.0) / float(search.weights.sum())
        value = search.value(through)
        if value <= best.value * (1 + 1e-12) or not np.isfinite(best.violation):
            best = Vertex(through, value, violation)
        if violation <= _SLACK:
            break
        leaving = int(excess.argmax())
        entering = search.along_edge(through, active, free, leaving, float(np.sign(multipliers[leaving])))
        if entering is None:
            break
        active, theta = entering[0], entering[1]
    return best


class _Search:
    def __init__(self, batch: Batch) -> None:
        self.batch, self.weights = batch, batch.weights[0]

    def value(self, theta: Array) -> float:
        return float(self.weights @ np.abs(self._residual(theta)))

    def free(self, theta: Array) -> NDArray[np.bool_]:
        """Say which leading entries are not at their bound."""
        return np.asarray(theta[self.batch.space.leads] > self.batch.space.low)

    def nearest(self, theta: Array, free: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Choose points with the least residuals whose slopes are independent."""
        size = np.where(self.weights > 0, np.abs(self._residual(theta)), np.inf)
        slopes = self._slopes(theta)[:, free]
        chosen: list[int] = []
        span = np.zeros((0, slopes.shape[1]))
        for i in np.argsort(size, kind="stable"):
            left = slopes[i] - (slopes[i] @ span.T) @ span
            if np.isfinite(size[i]) and np.linalg.norm(left) > 1e-6 * np.linalg.norm(slopes[i]):
                chosen.append(int(i))
                span = np.vstack([span, left / np.linalg.norm(left)])
            if len(chosen) == slopes.shape[1]:
                break
        return np.array(chosen, dtype=np.intp)

    def solve_through(self, theta: Array, active: NDArray[np.intp], free: NDArray[np.bool_]) -> Array | None:
        """Move theta until the active residuals vanish, or return ``None``."""
        if len(active) != free.sum():
            return None
        for _ in range(_CORRECTIONS):
            residual = self._residual(theta)[active]
            if not np.isfinite(residual).all():
                return None
            if np.abs(residual).max() < _THROUGH:
                return theta
            moved = self._moved(theta, free, -_solve(self._slopes(theta)[active][:, free], residual))
            if (moved[self.batch.space.leads] < self.batch.space.low).any():
                return None
            theta = moved
        return theta if np.abs(self._residual(theta)[active]).max() < 100 * _THROUGH else None

    def multipliers(self, theta: Array, active: NDArray[np.intp], free: NDArray[np.bool_]) -> tuple[Array, float]:
        """Return the pull that each active point must give, and how hard the law pulls away from its bounds."""
        pull = self.weights * np.sign(self._residual(theta))
        pull[active] = 0.0
        slopes = self._slopes(theta)
        multipliers = -_solve(slopes[active][:, free].T, slopes[:, free].T @ pull)
        pull[active] = multipliers
        return multipliers, float(-(slopes[:, ~free].T @ pull).min(initial=0.0))

    def along_edge(
        self, theta: Array, active: NDArray[np.intp], free: NDArray[np.bool_], leaving: int, sign: float
    ) -> tuple[NDArray[np.intp], Array] | None:
        """Let one point go; return the new active points and theta where the linearised objective stops falling."""
        target = np.zeros(len(active))
        target[leaving] = sign
        slopes = self._slopes(theta)[:, free]
        direction = _solve(slopes[active], target)
        rate, residual = slopes @ direction, self._residual(theta)
        others = np.setdiff1d(np.flatnonzero((self.weights > 0) & (np.abs(rate) > 1e-14)), active)
        times = -residual[others] / rate[others]
        ahead = times > 0
        others, times = others[ahead], times[ahead]
        order = np.argsort(times, kind="stable")
        pull = self.weights * np.sign(residual)
        pull[active] = 0.0
        slope = float(pull @ rate) + self.weights[active[leaving]]
        slopes_after = slope + np.cumsum(2 * self.weights[others[order]] * np.abs(rate[others[order]]))
        stops = np.flatnonzero(slopes_after >= 0)
        if slope >= 0 or not len(stops):
            return None
        stop = order[stops[0]]
        exchanged = active.copy()
        exchanged[leaving] = others[stop]
        return exchanged, self._moved(theta, free, times[stop] * direction)

    def _residual(self, theta: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(residuals(self.batch, theta[None])[0][0], dtype=float)

    def _slopes(self, theta: Array) -> Array:
        """Return the gradient of each residual by the leading entries ``[n, F]``."""
        _, shares = residuals(self.batch, theta[None])
        full = np.hstack([s[0][:, None] * b for s, b in zip(shares, self.batch.design.basis, strict=True)])
        return np.asarray(full @ self.batch.space.basis)

    def _moved(self, theta: Array, free: NDArray[np.bool_], step: Array) -> Array:
        lead = theta.copy()
        lead[self.batch.space.leads[free]] += step
        return np.asarray(self.batch.space.put(lead))


def _solve(matrix: Array, right: Array) -> Array:
    return np.asarray(np.linalg.lstsq(matrix, right, rcond=1e-14)[0])
