"""A robust fitter for laws that are not sums of power terms: many starts, Huber's loss on the log, a checked gradient.

Trust-region least squares (Branch, Coleman & Li 1999, as in scipy) while delta shrinks to its final value. A solver's
flag is never asked: the gradient is computed again from the residuals, and starts that meet are counted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.laws.analysis import Interval
from scaling.laws.bootstrap import interval
from scaling.laws.forms import Array

Residuals = Callable[[Array], Array]  # theta [p] -> ln fitted - ln seen [n]
DELTA = 1e-3  # where Huber turns linear, in log loss (Hoffmann et al. 2022)
_AGREE = 1e-6  # relative distance of objectives that counts as the same optimum
_STEP = 1e-6  # of central differences, parameters of order one
_CONTINUATION = (0.1, 0.01)  # deltas tried before a smaller one
_LEAST = 1e-9  # a mean pull below it is rounding


@dataclass(frozen=True, slots=True)
class Solution:
    """The best of several starts.

    Attributes:
        theta: parameters.
        value: sum of Huber's loss of the residuals.
        gradient: share of the pull of all residuals that does not cancel; small means an optimum.
        starts: starts refined.
        agreed: starts that reached the same value within 1e-6 relative.
    """

    theta: Array
    value: float
    gradient: float
    starts: int
    agreed: int


def huber_sum(residual: Array, delta: float) -> float:
    """Return the sum of Huber's loss."""
    pull = np.minimum(np.abs(residual), delta)
    return float((pull * (np.abs(residual) - 0.5 * pull)).sum())


def minimise(residuals: Residuals, starts: Array, delta: float, low: Array, high: Array) -> Solution:
    """Refine every start ``[S, p]`` within bounds and return the best."""
    ends = [_refine(residuals, start, delta, low, high) for start in np.clip(starts, low, high)]
    values = np.array([huber_sum(residuals(theta), delta) for theta in ends])
    best = int(values.argmin())
    agreed = int((values <= values[best] * (1 + _AGREE) + 1e-18).sum())
    gradient = _gradient(residuals, ends[best], delta, low, high)
    return Solution(ends[best], float(values[best]), gradient, len(starts), agreed)


def _refine(residuals: Residuals, start: Array, delta: float, low: Array, high: Array) -> Array:
    from scipy.optimize import least_squares  # half a second to import, which only these forms need

    theta = np.asarray(start, dtype=float)
    for scale in (*(d for d in _CONTINUATION if d > delta), delta):
        theta = least_squares(
            residuals, theta, bounds=(low, high), loss="huber", f_scale=scale, x_scale="jac",
            xtol=1e-12, ftol=1e-13, gtol=1e-13, max_nfev=200,
        ).x  # fmt: skip
    return np.asarray(theta, dtype=float)


def _gradient(residuals: Residuals, theta: Array, delta: float, low: Array, high: Array) -> float:
    pull = np.clip(residuals(theta), -delta, delta)
    total = max(float(np.abs(pull).sum()), _LEAST * len(pull))
    found = np.zeros(len(theta))
    for j in range(len(theta)):
        step = np.zeros(len(theta))
        step[j] = _STEP
        found[j] = pull @ (residuals(theta + step) - residuals(theta - step)) / (2 * _STEP)
    pressed = ((theta <= low + 1e-9) & (found > 0)) | ((theta >= high - 1e-9) & (found < 0))
    return float(np.abs(np.where(pressed, 0.0, found)).max() / total)


def trial_rows(trials: NDArray[np.intp], resamples: int, seed: int) -> list[NDArray[np.intp]]:
    """Return which points each bootstrap resample by trial holds, repeated as often as their trial was drawn."""
    n = int(trials.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    return [np.repeat(np.arange(len(trials)), row[trials]) for row in drawn]


def spread(value: float, draws: Array) -> Interval:
    """Return the value with the 95 % percentile interval of its draws."""
    return interval(value, draws)


def aicc(sum_of_squares: float, points: int, parameters: int, effective: int | None = None) -> float:
    """Return the corrected Akaike criterion under normal errors of the log loss, their scale profiled.

    Args:
        sum_of_squares: of the log residuals at the least-squares optimum.
        points: residuals.
        parameters: of the law; the scale is counted besides.
        effective: independent units (trials); left out, every point.

    Returns:
        Infinite where the units are too few for the correction (Hurvich & Tsai 1989).
    """
    n, k = effective or points, parameters + 1
    if n <= k + 1:
        return float("inf")
    return float(n * np.log(max(sum_of_squares / points, 1e-30)) + 2 * k + 2 * k * (k + 1) / (n - k - 1))
