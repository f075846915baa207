"""Diminishing returns along the compute-optimal path. A power law has no knee: the price decides where to stop."""

from dataclasses import dataclass

import numpy as np

from scaling.laws.analysis import Fit, Interval, ReturnsRow
from scaling.laws.bootstrap import interval
from scaling.laws.forms import Array
from scaling.laws.frontier import FlopsPerToken, Surface, best_split

_LOG_FACTOR_MAX = 60.0  # natural log of the largest compute factor looked for
_BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class Path:
    """The best loss at each budget under one convention of FLOPs."""

    surface: Surface
    flops: FlopsPerToken

    def loss(self, budgets: Array) -> Array:
        """Return L*(C) ``[draws, budgets]``."""
        return best_split(self.surface, budgets, self.flops).loss

    def local_exponent(self, budgets: Array) -> Array:
        """Return -d ln(L* - E) / d ln C ``[draws, budgets]``.

        At the optimum a change of N costs nothing (envelope theorem), so dL*/d ln C is the data term's alone.
        """
        found = best_split(self.surface, budgets, self.flops)
        beta = self.surface.beta[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            data_term = self.surface.B[:, None] * found.tokens**-beta
            return np.asarray(beta * data_term / (found.loss - self.surface.E[:, None]))


def rows(fit: Fit, budgets: Array, flops: FlopsPerToken) -> list[ReturnsRow]:
    """Return what more compute buys at each budget, with intervals from the draws of L(N,D)."""
    path = Path(Surface.of(fit), flops)
    loss, after = path.loss(budgets), path.loss(2 * budgets)
    exponent = path.local_exponent(budgets)
    percent = factor_to_reach(fit, flops, budgets, 0.99 * loss[0])
    hundredth = factor_to_reach(fit, flops, budgets, loss[0] - 0.01)
    return [
        ReturnsRow(
            flops=float(c),
            loss=_spread(loss[:, i]),
            local_exponent=_spread(exponent[:, i]),
            gain_per_doubling_nats=_spread(loss[:, i] - after[:, i]),
            factor_next_percent=percent[i],
            factor_next_001_nat=hundredth[i],
        )
        for i, c in enumerate(budgets)
        if np.isfinite(after[0, i])
    ]


def factor_to_reach(fit: Fit, flops: FlopsPerToken, budgets: Array, target: Array) -> list[float | None]:
    """Return by what factor each budget must grow for the best loss to reach its target.

    ``None`` where the fitted floor forbids the target (or it lies beyond e^60 times the budget).
    """
    point = Surface(*(np.asarray(getattr(Surface.of(fit), n)[:1]) for n in Surface.__slots__))
    path = Path(point, flops)
    low, high = np.zeros(len(budgets)), np.full(len(budgets), _LOG_FACTOR_MAX)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        short = path.loss(budgets * np.exp(middle))[0] > target
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    reached = (target > point.E[0]) & (high < _LOG_FACTOR_MAX)
    return [float(np.exp(h)) if ok else None for h, ok in zip(high, reached, strict=True)]


def _spread(column: Array) -> Interval:
    return interval(float(column[0]), column[1:])
