"""Power laws N*(C), D*(C) and the best loss L*(C) through the optima found at several budgets, with their draws."""

from dataclasses import dataclass

import numpy as np

from scaling.laws.analysis import Allocation, Interval
from scaling.laws.bootstrap import interval
from scaling.laws.forms import Array

MIN_OPTIMA = 3  # a slope with something left to judge it by
MIN_DECADES = 0.5  # of compute between the first and the last optimum
_MIN_FOR_FLOOR = 4  # E, K and gamma, and one more
_GAMMAS = np.geomspace(0.02, 1.0, 80)


def too_narrow(log_c: Array) -> str | None:
    """Say why optima lie too close together for an exponent."""
    decades = float(log_c.max() - log_c.min()) / float(np.log(10))
    if decades >= MIN_DECADES:
        return None
    return f"optima were found over {decades:.2f} decades of compute, {MIN_DECADES} needed: widen sizes and horizons"


@dataclass(frozen=True, slots=True)
class Path:
    """Lines through ln N* and ln D* against ln C, and ``E + K C^-gamma`` through L*; row 0 is the point fit.

    Attributes:
        log_n, log_d: intercept at ``middle`` and slope ``[R + 1, 2]``.
        loss: (E, ln K at ``middle``, gamma) ``[R + 1, 3]``, no rows where too few optima were found.
        middle: mean ln C of the optima.
        largest: largest compute of the points.
    """

    log_n: Array
    log_d: Array
    loss: Array
    middle: float
    largest: float

    @classmethod
    def through(cls, log_c: Array, log_n: Array, log_d: Array, loss: Array, largest: float) -> "Path":
        """Fit by least squares, unweighted.

        Args:
            log_c: budgets ``[m]``.
            log_n: ln N* there, first row the point estimate ``[R + 1, m]``; NaN where a draw has none.
            log_d: ln D*, likewise.
            loss: L*, likewise.
            largest: largest compute of the points.
        """
        middle = float(log_c.mean())
        x = log_c - middle
        floor = floor_law(x, loss) if len(log_c) >= _MIN_FOR_FLOOR else np.zeros((0, 3))
        return cls(_lines(x, log_n), _lines(x, log_d), floor, middle, largest)

    @property
    def a(self) -> Interval:
        """Exponent of N*(C)."""
        return _spread(self.log_n[:, 1])

    @property
    def b(self) -> Interval:
        """Exponent of D*(C)."""
        return _spread(self.log_d[:, 1])

    def at(self, budget: float) -> Allocation:
        """Return N*, D* and L* at one budget."""
        x = float(np.log(budget)) - self.middle
        log_n, log_d = (line[:, 0] + line[:, 1] * x for line in (self.log_n, self.log_d))
        loss = self.loss[:, 0] + np.exp(self.loss[:, 1] - self.loss[:, 2] * x)
        return Allocation(
            flops=budget,
            params=_spread(np.exp(log_n)),
            tokens=_spread(np.exp(log_d)),
            tokens_per_param=_spread(np.exp(log_d - log_n)),
            loss=_spread(loss) if len(loss) else None,
            extrapolation_factor=budget / self.largest,
        )


def _spread(column: Array) -> Interval:
    return interval(float(column[0]), column[1:])


def _lines(x: Array, y: Array) -> Array:
    """Return intercept and slope of every row of ``y`` ``[R, m]``; NaN where fewer than three values are there."""
    there = np.isfinite(y)
    weight, value = there.astype(float), np.where(there, y, 0.0)
    count = weight.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x, mean_y = weight @ x / count, value.sum(axis=1) / count
        away = (x[None] - mean_x[:, None]) * weight
        slope = (away * value).sum(axis=1) / (away**2).sum(axis=1)
        rows = np.column_stack([mean_y - slope * mean_x, slope])
    rows[count < MIN_OPTIMA] = np.nan
    return np.asarray(rows, dtype=float)


def floor_law(x: Array, losses: Array) -> Array:
    """Fit ``E + exp(k - gamma x)`` with E >= 0 to every row of ``losses`` ``[R, m]`` by variable projection.

    Returns:
        (E, k, gamma) per row, NaN where fewer than four values are there. gamma is the best of a fine grid, refined by
        a parabola through the three best.
    """
    there = np.isfinite(losses)
    weight, value = there.astype(float), np.where(there, losses, 0.0)
    cost = np.array([_floor_and_factor(x, g, weight, value)[2] for g in _GAMMAS])  # [G, R]
    best = np.clip(cost.argmin(axis=0), 1, len(_GAMMAS) - 2)
    columns = np.arange(len(losses))
    low, mid, high = (cost[best + k, columns] for k in (-1, 0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.clip(np.nan_to_num((low - high) / (2 * (low - 2 * mid + high))), -1, 1)
    gamma = np.exp(np.log(_GAMMAS[best]) + shift * np.log(_GAMMAS[1] / _GAMMAS[0]))
    floor, factor, _ = _floor_and_factor(x, gamma[:, None], weight, value)
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = np.column_stack([floor, np.log(factor), gamma])
    rows[(there.sum(axis=1) < _MIN_FOR_FLOOR) | (factor <= 0)] = np.nan
    return np.asarray(rows, dtype=float)


def _floor_and_factor(x: Array, gamma: Array | float, weight: Array, value: Array) -> tuple[Array, Array, Array]:
    """Solve for E >= 0 and K at given gamma; returns them with the sum of squares, each ``[R]``."""
    term = np.exp(-np.asarray(gamma) * x) * weight
    count, s, ss = weight.sum(axis=1), term.sum(axis=1), (term**2).sum(axis=1)
    y, sy = value.sum(axis=1), (term * value).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        floor = np.maximum((ss * y - s * sy) / (count * ss - s**2), 0.0)
        factor = (sy - floor * s) / ss
        rest = (value - floor[:, None] * weight - factor[:, None] * term) ** 2
    return floor, factor, rest.sum(axis=1)
