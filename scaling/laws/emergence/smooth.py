"""Smooth rises, and what they promise beyond a cut: a line, and a logistic between a known floor and ceiling.

A logistic that has not left its floor can go anywhere: least squares gives it one future, with an error of zero. Here
it is averaged over a grid of (floor, middle, steepness) with the likelihood as weight, so that its prediction carries
the whole of what the points leave open. The prior on the steepness says what *smooth* means: going from 10 to 90 %
takes about the range that was observed, half or twice that without surprise.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from scaling.laws.forms import Array

_TEN_TO_NINETY = 2 * np.log(9.0)  # of a logistic of unit steepness
_LOG_STEEPNESS_SD = 0.35
_MIDDLES = np.linspace(-1.5, 3.0, 46)  # in ranges
_LOG_STEEPNESS = np.linspace(-1.2, np.log(1.1), 14)  # over the prior's middle; a steeper rise is not smooth
_MIDDLE_MEAN, _MIDDLE_SD = 0.75, 1.0
_WIDEST_DECADES = 4.0  # beyond it a wider range makes no rise gentler


@dataclass(frozen=True, slots=True)
class Prediction:
    """Mean score above a cut as a model expects it, for each of B curves, with its error."""

    mean: Array
    variance: Array


@dataclass(frozen=True, slots=True)
class Line:
    """Straight in t, by weighted least squares."""

    t: Array
    weights: Array

    def predict(self, y: Array, low: int, upper: Array) -> Prediction:
        """Fit the first ``low`` points of curves ``[B, n]``; ``upper`` weighs the points above ``[n]``."""
        basis = np.column_stack([np.ones_like(self.t), self.t])
        inside = basis[:low] * self.weights[:low, None]
        covariance = np.linalg.inv(inside.T @ basis[:low])
        target = upper @ basis
        mean = y[:, :low] @ inside @ covariance @ target
        return Prediction(mean, np.full(len(y), float(target @ covariance @ target)))

    def fitted(self, y: Array) -> tuple[Array, float]:
        """Return the line through one whole curve, and its chi-square."""
        basis = np.column_stack([np.ones_like(self.t), self.t])
        root = np.sqrt(self.weights)
        beta = np.linalg.lstsq(basis * root[:, None], y * root, rcond=None)[0]
        curve = basis @ beta
        return curve, float((self.weights * (y - curve) ** 2).sum())


class Logistic:
    """Floor + (ceiling - floor) / (1 + exp(-k (t - m))), averaged over a grid of floor, m and k.

    Args:
        t: places ``[n]``, 0 to 1.
        weights: one over the variances ``[n]``.
        floors: candidates, equally likely.
        ceiling: upper end.
        decades: range of x, for the steepness that counts as ordinary.
    """

    def __init__(self, t: Array, weights: Array, floors: tuple[float, ...], ceiling: float, decades: float) -> None:
        self.weights = weights
        wide = 1.0 if not np.isfinite(decades) else max(1.0, decades / _WIDEST_DECADES)
        middle, steep = (a.ravel() for a in np.meshgrid(_MIDDLES, _LOG_STEEPNESS, indexing="ij"))
        k = _TEN_TO_NINETY * wide * np.exp(steep)
        share = expit(k[:, None] * (t - middle[:, None]))
        self.grid = np.concatenate([f + (ceiling - f) * share for f in floors])
        log_prior = -0.5 * ((middle - _MIDDLE_MEAN) / _MIDDLE_SD) ** 2 - 0.5 * (steep / _LOG_STEEPNESS_SD) ** 2
        self.log_prior = np.tile(log_prior, len(floors))

    def posterior(self, y: Array, low: int) -> Array:
        """Return the weight of every grid point ``[B, G]`` after the first ``low`` points."""
        w, grid = self.weights[:low], self.grid[:, :low]
        chi2 = (w * grid**2).sum(axis=1) - 2 * (y[:, :low] * w) @ grid.T  # that of y is common
        log_post = self.log_prior - 0.5 * chi2
        log_post -= log_post.max(axis=1, keepdims=True)
        post = np.exp(log_post)
        return np.asarray(post / post.sum(axis=1, keepdims=True), dtype=float)

    def predict(self, y: Array, low: int, upper: Array) -> Prediction:
        """As for a line."""
        post = self.posterior(y, low)
        target = self.grid @ upper
        mean = post @ target
        return Prediction(mean, np.maximum(post @ target**2 - mean**2, 0.0))

    def fitted(self, y: Array) -> tuple[Array, float]:
        """Return the likeliest logistic of a whole curve under the prior, and its chi-square."""
        post = self.posterior(y[None], len(y))[0]
        curve = self.grid[int(post.argmax())]
        return curve, float((self.weights * (y - curve) ** 2).sum())

    def draws(self, y: Array, count: int, rng: np.random.Generator) -> Array:
        """Return smooth curves that the points allow ``[count, n]``."""
        post = self.posterior(y[None], len(y))[0]
        return np.asarray(self.grid[rng.choice(len(post), size=count, p=post)], dtype=float)
