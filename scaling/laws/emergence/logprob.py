"""The same question of the log-probability: does the model's belief in the right answer break, or only its score?

Exact match of k tokens is about the k-th power of the probability of one (Schaeffer et al. 2023): it can leap while
every token improves smoothly. The loss per answer token is judged on y = -ln(loss): a power law is a line there and
seeds scatter it evenly. Three ways to improve smoothly are allowed: a power law of the loss, a line in the
log-probability, and a gentle logistic of the probability.
"""

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import UsageError
from scaling.laws.emergence.curve import PRIOR_WEIGHT, Curve, group_rows
from scaling.laws.emergence.smooth import Line, Logistic, Prediction
from scaling.laws.emergence.surprise import SIMULATIONS, Smooth, Surprise, surprise_of
from scaling.laws.forms import Array

_PRIOR_SD = 0.03  # of ln loss between seeds
_LEAST_SD = 0.025  # no smooth form is true to less
_MEDIAN_OF_NORMAL = 0.6745  # of |normal deviate|
_LEAST_LOSS = 0.02  # nats; below it a token is known and the logarithm only magnifies noise


def logprob_curve(x: ArrayLike, logprob: ArrayLike, *, log_x: bool = True) -> Curve:
    """Return -ln(loss per answer token) against scale.

    Args:
        x: scale of each row; rows may repeat a scale (seeds).
        logprob: mean log-probability per answer token, nats, not above zero.
        log_x: take the logarithm of x.

    Raises:
        UsageError: log-probabilities above zero or not finite.
    """
    at, lp = (np.asarray(v, dtype=float).ravel() for v in (x, logprob))
    if len(at) != len(lp) or not np.isfinite([at, lp]).all() or (lp > 0).any():
        raise UsageError("emergence.logprob", "log-probabilities must be finite and not above zero, one for each x")
    y = -np.log(np.maximum(-lp, _LEAST_LOSS))
    x_of, t, decades, groups = group_rows(at, log_x)
    mean = np.array([y[g].mean() for g in groups])
    variance = _seed_variance([y[g] for g in groups]) if max(map(len, groups)) > 1 else _scatter(t, mean)
    return Curve(
        x=x_of,
        t=t,
        decades=decades,
        y=mean,
        variance=np.maximum(variance, _LEAST_SD**2),
        floors=(float(mean.min()),),
        floor_known=False,
        ceiling=float(-np.log(_LEAST_LOSS)),
        n_items=None,
        n_seeds=np.array([len(g) for g in groups], dtype=float),
    )


def _seed_variance(groups: list[Array]) -> Array:
    """Return the variance of each mean from the spread of its seeds, shrunk towards that of all sizes."""
    m = np.array([len(g) for g in groups], dtype=float)
    spread = np.array([np.var(g, ddof=1) if len(g) > 1 else 0.0 for g in groups])
    freedom = m - 1
    pooled = (PRIOR_WEIGHT * _PRIOR_SD**2 + (freedom * spread).sum()) / (PRIOR_WEIGHT + freedom.sum())
    return np.asarray((PRIOR_WEIGHT * pooled + freedom * spread) / (PRIOR_WEIGHT + freedom) / m, dtype=float)


def _scatter(t: Array, y: Array) -> Array:
    """Return the variance of single runs: of each from the line between its neighbours; the median minds no break."""
    n = len(y)
    if n < 3:
        return np.full(n, _PRIOR_SD**2)
    share = (t[1:-1] - t[:-2]) / (t[2:] - t[:-2])
    rest = y[1:-1] - (1 - share) * y[:-2] - share * y[2:]
    scaled = rest / np.sqrt(1 + share**2 + (1 - share) ** 2)
    typical = float(np.median(np.abs(scaled))) / _MEDIAN_OF_NORMAL
    return np.full(n, (PRIOR_WEIGHT * _PRIOR_SD**2 + (n - 2) * typical**2) / (PRIOR_WEIGHT + n - 2))


def logprob_surprise(curve: Curve, *, simulations: int = SIMULATIONS, seed: int = 0) -> Surprise | None:
    """Return the surprise of a curve made by ``logprob_curve``; ``gap`` is in units of ln(loss)."""
    weights = 1 / curve.variance
    low = float(np.exp(-np.exp(-curve.y.min())))
    chance = Logistic(curve.t, weights, tuple(sorted({1e-3, low * 0.5, low})), np.exp(-_LEAST_LOSS), curve.decades)
    chance.grid = -np.log(-np.log(chance.grid))
    models: list[Smooth] = [Line(curve.t, weights), _Straight(curve), chance]
    return surprise_of(curve, models, simulations=simulations, seed=seed)


class _Straight:
    """A line in the log-probability itself, read on the scale of -ln(loss)."""

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        self.loss = np.exp(-curve.y)
        self.line = Line(curve.t, 1 / (curve.variance * self.loss**2))

    def predict(self, y: Array, low: int, upper: Array) -> Prediction:
        mean, variance = np.zeros(len(y)), np.zeros(len(y))
        for i in np.flatnonzero(upper):
            one = np.zeros(len(upper))
            one[i] = 1.0
            found = self.line.predict(np.exp(-y), low, one)
            loss = np.maximum(found.mean, _LEAST_LOSS)
            mean += upper[i] * -np.log(loss)
            variance += upper[i] * found.variance / loss**2  # errors of one line go together
        return Prediction(mean, variance)

    def fitted(self, y: Array) -> tuple[Array, float]:
        fitted, _ = self.line.fitted(np.exp(-y))
        curve = -np.log(np.maximum(fitted, _LEAST_LOSS))
        return curve, float(((y - curve) ** 2 / self.curve.variance).sum())
