"""Extrapolation surprise: could the large scales have been foreseen from the small ones?

Below each of several cuts a line and a logistic (floor and ceiling fixed) are fitted; z is how far the scores above
lie over what they predict, in standard errors that include the fit's own. A smooth model that foresees the rise is
enough, so the smaller z of the models counts; a rise that one cut reveals is enough, so the largest over cuts counts.
That maximum is no normal deviate: its p-value comes from the same computation on curves drawn from the smooth model
that fits the *whole* range, with the noise of the points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.laws.emergence.curve import Curve
from scaling.laws.emergence.smooth import Line, Logistic, Prediction
from scaling.laws.forms import Array

SIMULATIONS = 400
_LEAST_SHARE = 0.36  # of the sizes, or of the range, lie below a cut
_LEAST_BELOW = 3


class Smooth(Protocol):
    """A smooth model over fixed places."""

    def predict(self, y: Array, low: int, upper: Array) -> Prediction:
        """Return the mean above the cut as the first ``low`` points promise it."""
        ...

    def fitted(self, y: Array) -> tuple[Array, float]:
        """Return the fit of a whole curve and its chi-square."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """Whether the scores above a cut were foreseen.

    Attributes:
        z: least over models, largest over cuts.
        p: share of smooth worlds with a z as large, cuts corrected for; at least 1 / (simulations + 1).
        gap: mean score of the larger half of what lies above the cut, less the nearest prediction.
        cut: the largest x below the cut that gave z.
        held_out: the x above it.
        cuts: cuts tried.
        smooth_chi2: of the smooth model of the whole range, per point.
        simulations: curves drawn for p.
    """

    z: float
    p: float
    gap: float
    cut: float
    held_out: tuple[float, ...]
    cuts: int
    smooth_chi2: float
    simulations: int


def cuts_of(t: Array) -> list[int]:
    """Return how many sizes lie below each cut: three at least and 36 % of them or of the range, all but one at most.

    Args:
        t: places of the sizes, 0 to 1, ascending ``[n]``.
    """
    n = len(t)
    return [k for k in range(_LEAST_BELOW, n) if k >= _LEAST_SHARE * n or t[k - 1] >= _LEAST_SHARE]


def score_models(curve: Curve) -> list[Smooth]:
    """Return the smooth models of a score between floor and ceiling."""
    weights = 1 / curve.variance
    return [Line(curve.t, weights), Logistic(curve.t, weights, _floors(curve), curve.ceiling, curve.decades)]


def _floors(curve: Curve) -> tuple[float, ...]:
    """Return levels that a score may start from.

    The items are the same at every size, so their luck moves the whole floor; and an answer without the ability (always
    the longest, say) has a level of its own, which the smallest sizes show.
    """
    if not curve.floor_known:
        return curve.floors
    shown = float(curve.y[: curve.small_end].mean())
    share = curve.floor / curve.ceiling
    if curve.n_items is None or not 0 < share < 1:
        return curve.floor, shown
    items = float(np.mean(curve.n_items / curve.n_seeds))
    luck = curve.ceiling * float(np.sqrt(1.5 * share * (1 - share) / items))  # three points, the normal's variance
    return curve.floor - luck, curve.floor, curve.floor + luck, shown


def surprise(curve: Curve, *, simulations: int = SIMULATIONS, seed: int = 0) -> Surprise | None:
    """Return the surprise of a score; ``None`` with fewer than four sizes."""
    return surprise_of(curve, score_models(curve), simulations=simulations, seed=seed)


def surprise_of(
    curve: Curve, models: Sequence[Smooth], *, simulations: int = SIMULATIONS, seed: int = 0
) -> Surprise | None:
    """Return the surprise of any curve under its smooth models.

    Args:
        curve: what should rise smoothly, a score or another.
        models: ways to rise smoothly.
        simulations: smooth worlds drawn for the p-value.
        seed: of the drawing.
    """
    y, variance = curve.y, curve.variance
    cuts = cuts_of(curve.t)
    if not cuts:
        return None
    z, nearest = _statistic(y[None], variance, models, cuts)
    best = int(z[0].argmax())
    low = cuts[best]
    top = _mean_from((low + len(y)) // 2, variance)
    promised = models[nearest[0, best]].predict(y[None], low, top).mean[0]
    null, chi2 = min((m.fitted(y) for m in models), key=lambda fit: fit[1])
    rng = np.random.default_rng(seed)
    worlds = null + rng.normal(size=(simulations, len(y))) * np.sqrt(variance)
    drawn = _statistic(worlds, variance, models, cuts)[0].max(axis=1)
    return Surprise(
        z=float(z[0, best]),
        p=float((1 + (drawn >= z[0, best]).sum()) / (1 + simulations)),
        gap=float(y @ top - promised),
        cut=float(curve.x[low - 1]),
        held_out=tuple(float(v) for v in curve.x[low:]),
        cuts=len(cuts),
        smooth_chi2=chi2 / len(y),
        simulations=simulations,
    )


def _statistic(
    y: Array, variance: Array, models: Sequence[Smooth], cuts: Sequence[int]
) -> tuple[Array, NDArray[np.intp]]:
    """Return z of B curves at every cut ``[B, cuts]``, of the model that foresaw most, and which that is."""
    z, nearest = np.empty((len(y), len(cuts))), np.empty((len(y), len(cuts)), dtype=np.intp)
    for j, low in enumerate(cuts):
        upper = _mean_from(low, variance)
        seen, noise = y @ upper, float(upper**2 @ variance)
        predicted = [m.predict(y, low, upper) for m in models]
        scores = np.array([(seen - p.mean) / np.sqrt(noise + p.variance) for p in predicted])
        z[:, j], nearest[:, j] = scores.min(axis=0), scores.argmin(axis=0)
    return z, nearest


def _mean_from(first: int, variance: Array) -> Array:
    """Return the weights of a mean over the points from one on ``[n]``."""
    weights = np.r_[np.zeros(first), 1 / variance[first:]]
    return np.asarray(weights / weights.sum(), dtype=float)
