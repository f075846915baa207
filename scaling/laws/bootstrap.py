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
from scaling.units import clear_of_rounding

MIN_DRAWS = 40  # below it a 2.5 % tail holds not one draw
_MAX_REDRAWS = 50
_BLOCK = 50_000  # counts turned into weights at once: they stay in the cache


@dataclass(frozen=True, slots=True)
class Resamples:
    """How often each point counts.

    Attributes:
        weights: ``[R, m]``: how often the point's trial was drawn, zero where it is not selected.
        points: the points ``[m]`` that the columns are about; the others are in no resample.
        redrawn: resamples thrown away because they held too few distinct sizes or horizons to fit.
    """

    weights: Array
    points: NDArray[np.intp]
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
    rng, n_trials = np.random.default_rng(seed), int(trials.max()) + 1
    levels = [codes(column) for column in variables.T]
    kept: list[tuple[Array, NDArray[np.intp]]] = []
    total, redrawn = 0, 0
    for _ in range(_MAX_REDRAWS):
        if total >= resamples:
            break
        drawn = _draw(rng, n_trials, resamples - total)
        for some in np.array_split(drawn, -(-len(drawn) * len(trials) // _BLOCK)):
            weights = some[:, trials].astype(float)
            weights = select(weights) if select else weights
            rich = np.all([_holds(weights, level, needed) for level in levels], axis=0)
            held = np.flatnonzero(weights.any(axis=0)) if select else np.arange(len(trials))
            kept.append((weights[rich][:, held] if select else weights[rich], held))
            total += int(rich.sum())
            redrawn += int((~rich).sum())
    return _together(kept, total, redrawn)


def draw_trials(trials: NDArray[np.intp], variables: Array, needed: int, resamples: int, seed: int) -> Array:
    """Draw trials with replacement where there are too many points to weigh each: counts of trials ``[R, trials]``.

    Kept are draws whose trials' first and last points alone hold enough distinct values.
    """
    order = np.argsort(trials, kind="stable")
    firsts = np.flatnonzero(np.r_[True, np.diff(trials[order]) > 0])
    ends = order[np.r_[firsts, np.r_[firsts[1:], len(trials)] - 1]]
    drawn = _draw(np.random.default_rng(seed), int(trials.max()) + 1, resamples).astype(float)
    held = drawn[:, trials[ends]]
    return drawn[np.all([_holds(held, codes(column[ends]), needed) for column in variables.T], axis=0)]


def _draw(rng: np.random.Generator, n_trials: int, resamples: int) -> NDArray[np.intp]:
    """Return how often each trial is drawn ``[R, n_trials]``."""
    return np.asarray(rng.multinomial(n_trials, np.full(n_trials, 1 / n_trials), size=resamples), dtype=np.intp)


def _together(kept: list[tuple[Array, NDArray[np.intp]]], total: int, redrawn: int) -> Resamples:
    """Return parts with columns of their own as one, over the columns of any."""
    points = np.unique(np.concatenate([held for weights, held in kept if len(weights)] or [np.zeros(0, dtype=np.intp)]))
    weights, row = np.zeros((total, len(points))), 0
    for part, held in kept:
        if len(part):
            weights[row : row + len(part), np.searchsorted(points, held)] = part
            row += len(part)
    return Resamples(weights, points, redrawn)


def _holds(counts: Array, level: NDArray[np.intp], needed: int) -> NDArray[np.bool_]:
    """Say which rows of ``counts`` ``[R, n]`` hold at least ``needed`` distinct levels."""
    present = counts > 0
    enough = np.ones(len(counts), dtype=bool)
    for _ in range(needed):
        enough &= present.any(axis=1)
        present &= level != level[present.argmax(axis=1)][:, None]
    return enough


def interval(value: float, draws: Array) -> Interval:
    """Return the value with the 2.5 % and 97.5 % points of the finite draws, or none where draws are too few."""
    finite = draws[np.isfinite(draws)]
    if len(finite) < MIN_DRAWS:
        return Interval(value=float(value))
    low, high = np.percentile(finite, [2.5, 97.5])
    value, low, high = clear_of_rounding(float(value), float(low), float(high))
    return Interval(value=value, low=low, high=high)
