"""Prediction intervals: where one further run at (N, D) will end, not only where the law's mean lies.

An interval of the mean holds what the bootstrap leaves open about the law. A run scatters around its law, so the noise
of the residuals is added, widened for the parameters that were fitted to them. Beyond the fitted compute nothing in
that arithmetic knows whether the form still holds; there the half-widths are stretched by what roll-outs of the same
data needed (``rollout.stretch_needed``).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from scaling.errors import UsageError
from scaling.laws.analysis import Fit, Interval
from scaling.laws.bootstrap import MIN_DRAWS
from scaling.laws.forms import Array
from scaling.laws.frontier import Surface

_NOISE_POINTS = 41  # quantiles that stand for the noise


def noise_scale(fit: Fit) -> float:
    """Return the standard deviation of log residuals, trials less parameters as degrees of freedom where they allow."""
    free = sum(not (p.low is None and p.high is None) for p in fit.params.values()) or len(fit.params)
    spare = max(fit.n_trials - free, 1)
    return fit.residual_rms * float(np.sqrt(max(fit.n_trials, spare) / spare))


def noise_quantiles(fit: Fit) -> Array:
    """Return evenly spaced quantiles of the noise of single runs in log loss, Student's t for the trials there are."""
    places = (np.arange(_NOISE_POINTS) + 0.5) / _NOISE_POINTS
    return np.asarray(noise_scale(fit) * stdtrit(max(fit.n_trials - len(fit.params), 1), places))


def predict_loss(
    fit: Fit, params: ArrayLike, tokens: ArrayLike, *, level: float = 0.95, stretch: float = 1.0
) -> tuple[Interval, ...]:
    """Return the predicted loss of one run at each (N, D) with its prediction interval.

    Args:
        fit: of L(N,D), with draws.
        params: N of each run.
        tokens: D of each run.
        level: share of runs that the interval should hold.
        stretch: factor on the half-widths in log loss; 1 within the data.

    Returns:
        One interval per run; without ends where the fit has no draws to make them from, or they pass every number.

    Raises:
        UsageError: lengths differ, or a level or stretch out of range.
    """
    n, d = (np.asarray(v, dtype=float).ravel() for v in (params, tokens))
    if len(n) != len(d):
        raise UsageError("laws.lengths", f"{len(n)} params and {len(d)} tokens")
    if not (0 < level < 1 and stretch > 0):
        raise UsageError(
            "laws.level", f"level must lie between 0 and 1 and stretch above 0, not {level:g}, {stretch:g}"
        )
    loss = np.log(Surface.of(fit).loss(n[None], d[None]))
    centre, draws = loss[0], loss[1:]
    if len(draws) < MIN_DRAWS:
        return tuple(Interval(value=float(v)) for v in np.exp(centre))
    low, high = _ends(fit, centre, draws, level)
    low, high = centre - stretch * (centre - low), centre + stretch * (high - centre)
    with np.errstate(over="ignore"):  # an end beyond every number is no end
        ends = zip(np.exp(centre), np.exp(low), np.exp(high), strict=True)
        return tuple(
            Interval(value=float(v), low=float(a), high=float(b)) if np.isfinite(b) else Interval(value=float(v))
            for v, a, b in ends
        )


def _ends(fit: Fit, centre: Array, draws: Array, level: float) -> tuple[Array, Array]:
    """Return the ends in log loss: quantiles of every draw plus every quantile of the noise."""
    spread = (draws[:, None, :] + noise_quantiles(fit)[None, :, None]).reshape(-1, draws.shape[1])
    low, high = np.quantile(spread, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    # The point fit can lie outside the percentiles of its own draws where one end is a bound.
    return np.minimum(low, centre), np.maximum(high, centre)
