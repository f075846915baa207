"""Pairs bootstrap by trial: all points of a trunk are drawn together, because they are correlated.

A bootstrap over rows treats the horizons of one trunk as independent and gives intervals that are far too narrow.
Intervals are 95 % percentile intervals (Efron & Tibshirani 1993, chapter 13) from a fixed seed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.laws.analysis import Interval
from scaling.laws.forms import Array

MIN_DRAWS = 40  # below it a 2.5 % tail holds not one draw
_MAX_REDRAWS = 50


@dataclass(frozen=True, slots=True)
class Resamples:
    """How often each point counts.

    Attributes:
        weights: ``[R, n]``: how often the point's trial was drawn, zero where it is not selected.
        redrawn: resamples thrown away because they held too few distinct sizes or horizons to fit.
    """

    weights: Array
    redrawn: int


def codes(labels: ArrayLike) -> NDArray[np.intp]:
    """Return 0, 1, 2, … for each distinct label, in sorted order."""
    return np.asarray(np.unique(np.asarray(labels).astype(str), return_inverse=True)[1], dtype=np.intp)


def resample_trials(
    trials: NDArray[np.intp],
    variables: Array,
    needed: int,
    resamples: int,
    seed: int,
    select: Callable[[Array], Array] | None = None,
) -> Resamples:
    """Draw trials with replacement.

    Args:
        trials: trial of each point, coded from zero ``[n]``.
        variables: ``[n, K]``; a resample is kept when each has at least ``needed`` distinct values.
        needed: distinct values of every variable that the law cannot do without.
        resamples: resamples wanted.
        seed: of the generator; the same seed gives the same resamples.
        select: turns counts ``[R, n]`` into weights, such as "only points on the envelope of what was drawn".

    Returns:
        Fewer resamples than wanted (perhaps none) when nearly every draw is too poor.
    """
    rng = np.random.default_rng(seed)
    n_trials = int(trials.max()) + 1
    levels = [codes(column) for column in variables.T]
    kept: list[Array] = []
    total, redrawn = 0, 0
    for _ in range(_MAX_REDRAWS):
        if total >= resamples:
            break
        drawn = rng.multinomial(n_trials, np.full(n_trials, 1 / n_trials), size=resamples - total)
        points = drawn[:, trials].astype(float)
        points = select(points) if select else points
        rich = np.all([_distinct(points, level) >= needed for level in levels], axis=0)
        kept.append(points[rich])
        total += int(rich.sum())
        redrawn += int((~rich).sum())
    return Resamples(np.vstack(kept) if kept else np.zeros((0, len(trials))), redrawn)


def _distinct(counts: Array, level: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many levels each row of ``counts`` ``[R, n]`` holds; levels are coded from zero, none left out."""
    order = np.argsort(level, kind="stable")
    starts = np.searchsorted(level[order], np.arange(level.max() + 1))
    return np.asarray(np.logical_or.reduceat(counts[:, order] > 0, starts, axis=1).sum(axis=1), dtype=np.intp)


def interval(value: float, draws: Array) -> Interval:
    """Return the value with the 2.5 % and 97.5 % points of the finite draws, or none where draws are too few."""
    finite = draws[np.isfinite(draws)]
    if len(finite) < MIN_DRAWS:
        return Interval(value=float(value))
    low, high = np.percentile(finite, [2.5, 97.5])
    return Interval(value=float(value), low=float(low), high=float(high))
