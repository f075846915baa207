"""One score against scale, ready to be judged: sizes merged, x as logarithm, every mean with its error.

The error of a mean has three sources: items (binomial), seeds (their spread), and what neither explains (the scatter
about the best shape, shrunk towards a prior: few points know little about their own noise).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError
from scaling.laws.forms import Array

PRIOR_SD = 0.015  # scatter of a benchmark score when nothing else is known: some 1,000 items at one half
PRIOR_WEIGHT = 3.0  # observations that the prior is worth
_LEAST_SD = 0.002
_SMALL_SHARE, _SMALL_SIZES = 0.4, 3  # the small end: so much of the range, and so many sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A score at each of n scales, ascending.

    Attributes:
        x: scale ``[n]``: parameters, tokens, FLOPs or joules; falling loss where ``log_x`` is off.
        t: the same, as logarithm, scaled so that the range is from 0 to 1 ``[n]``.
        decades: the range of x in powers of ten (``nan`` on a linear axis).
        y: mean score over seeds ``[n]``.
        variance: of each mean ``[n]``.
        floors: candidates for the score of guessing; one when it is known.
        floor_known: whether it was given.
        ceiling: best possible score.
        n_items: items behind each score, over all seeds ``[n]``; ``None`` when not known.
        n_seeds: seeds at each scale ``[n]``.
    """

    x: Array
    t: Array
    decades: float
    y: Array
    variance: Array
    floors: tuple[float, ...]
    floor_known: bool
    ceiling: float
    n_items: Array | None
    n_seeds: Array

    @property
    def n(self) -> int:
        """Distinct scales."""
        return len(self.y)

    @property
    def sd(self) -> float:
        """Typical standard error of a point."""
        return float(np.sqrt(np.mean(self.variance)))

    @property
    def floor(self) -> float:
        """The known floor, or the likeliest."""
        return self.floors[-1]

    @property
    def small_end(self) -> int:
        """How many of the smallest sizes cover two fifths of the range; three at least."""
        return max(_SMALL_SIZES, 1 + int(np.searchsorted(self.t, _SMALL_SHARE)))

    def first(self, k: int) -> "Curve":
        """Return the k smallest sizes, at the same places of the range."""
        items = None if self.n_items is None else self.n_items[:k]
        cut = {name: getattr(self, name)[:k] for name in ("x", "t", "y", "variance", "n_seeds")}
        return replace(self, n_items=items, **cut)

    def with_scatter(self, chi2: float, freedom: int) -> "Curve":
        """Return the curve with its errors scaled to the scatter about the best shape.

        Args:
            chi2: sum of squared residuals over ``variance``.
            freedom: points less parameters of that shape.
        """
        scale = (PRIOR_WEIGHT + chi2) / (PRIOR_WEIGHT + max(freedom, 0))
        least = 1.0 if self.n_items is not None else 0.25  # counted items are never better than their binomial error
        return replace(self, variance=self.variance * max(scale, least))


def make_curve(
    x: ArrayLike,
    score: ArrayLike,
    *,
    floor: float | None = None,
    ceiling: float = 1.0,
    n_items: ArrayLike | None = None,
    seeds: ArrayLike | None = None,
    log_x: bool = True,
) -> Curve:
    """Check a table of scores and merge rows of one scale.

    Args:
        x: scale of each row, above zero unless ``log_x`` is off; rows may repeat a scale (seeds).
        score: higher is better.
        floor: score of guessing; left out, it is looked for at the small end.
        ceiling: best possible score; 100 for percentages.
        n_items: items behind each row, one number or one per row.
        seeds: label of each row's seed; only counted.
        log_x: take the logarithm of x.

    Raises:
        UsageError: lengths that differ, values that are not finite, scores above the ceiling, x not above zero.
    """
    at, y = (np.asarray(v, dtype=float).ravel() for v in (x, score))
    _check(at, y, floor, ceiling, log_x)
    x_of, t, decades, groups = group_rows(at, log_x)
    items = _per_row(n_items, len(y))
    labels = None if seeds is None else np.broadcast_to(np.asarray(seeds).astype(str), y.shape)
    mean = np.array([y[g].mean() for g in groups])
    counts = np.array([len(g) if labels is None else len(set(labels[g])) for g in groups], dtype=float)
    total = None if items is None else np.array([items[g].sum() for g in groups])
    floors, known = _floors(mean, floor)
    scaled = (mean - min(0.0, floors[-1])) / (ceiling - min(0.0, floors[-1]))
    variance = _variance([y[g] for g in groups], np.clip(scaled, 0, 1), total, ceiling)
    return Curve(
        x=x_of, t=t, decades=decades, y=mean, variance=variance, floors=floors, floor_known=known,
        ceiling=ceiling, n_items=total, n_seeds=counts,
    )  # fmt: skip


def group_rows(x: Array, log_x: bool) -> tuple[Array, Array, float, list[NDArray[np.intp]]]:
    """Return distinct scales ascending, their places from 0 to 1, the decades they span, and the rows of each.

    On a linear axis (the loss) scale grows as x falls, and decades are ``nan``.
    """
    order = np.argsort(x if log_x else -x, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(x[order]) != 0])
    distinct = x[order][starts]
    span = np.log10(distinct) if log_x else -distinct
    decades = float(np.ptp(span))
    t = (span - span[0]) / (decades or 1.0)
    return distinct, t, decades if log_x else float("nan"), np.split(order, starts[1:])


def _check(x: Array, y: Array, floor: float | None, ceiling: float, log_x: bool) -> None:
    if len(x) != len(y) or not len(x):
        raise UsageError("emergence.lengths", f"{len(x)} values of x for {len(y)} scores")
    if not np.isfinite([x, y]).all():
        raise UsageError("emergence.not_finite", "x and score must be finite", hint="drop the rows without a score")
    if log_x and (x <= 0).any():
        raise UsageError("emergence.x", "x must be above zero: its logarithm is taken", hint="pass x itself, not log x")
    if (y > ceiling * (1 + 1e-9)).any():
        found = f"a score of {y.max():g} is above the ceiling of {ceiling:g}"
        raise UsageError("emergence.ceiling", found, hint="ceiling=100 for percentages")
    if floor is not None and not floor < ceiling:
        raise UsageError("emergence.floor", f"a floor of {floor:g} is not below the ceiling of {ceiling:g}")


def _per_row(values: ArrayLike | None, n: int) -> Array | None:
    if values is None:
        return None
    rows = np.broadcast_to(np.asarray(values, dtype=float), (n,))
    if not (rows >= 1).all():
        raise UsageError("emergence.items", "n_items must be at least 1")
    return np.asarray(rows, dtype=float)


def _floors(mean: Array, floor: float | None) -> tuple[tuple[float, ...], bool]:
    """Return the known floor, or zero and the level of the smallest third (no more than the least score)."""
    if floor is not None:
        return (float(floor),), True
    low = float(min(np.mean(mean[: max(1, len(mean) // 3)]), mean.min() + PRIOR_SD))
    return tuple(sorted({min(0.0, low), 0.5 * low, low})), False


def _variance(groups: list[Array], share: Array, items: Array | None, ceiling: float) -> Array:
    """Return the variance of each mean: items where they are counted, a prior where not, and the spread of seeds."""
    m = np.array([len(g) for g in groups], dtype=float)
    if items is None:
        own = np.full(len(groups), (PRIOR_SD * ceiling) ** 2)
    else:
        # Agresti & Coull 1998: a score of 0 or 1 has an error, too
        p = (share * items + 2) / (items + 4)
        own = p * (1 - p) / items * ceiling**2 + (_LEAST_SD * ceiling) ** 2
    if (m < 2).all():
        return np.asarray(own, dtype=float)
    spread = np.array([np.var(g, ddof=1) if len(g) > 1 else 0.0 for g in groups])
    freedom = m - 1
    pooled = float((freedom * spread).sum() / freedom.sum())
    seed = (PRIOR_WEIGHT * pooled + freedom * spread) / (PRIOR_WEIGHT + freedom) / m  # bimodal seeds at one size
    return np.asarray(np.maximum(own, seed) if items is not None else np.maximum(seed, own / 4), dtype=float)
