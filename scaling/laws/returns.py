"""Diminishing returns along the compute-optimal path. A power law has no knee: the price decides where to stop."""

from dataclasses import dataclass

import numpy as np

from scaling.laws.analysis import Fit, Interval, ReturnsRow
from scaling.laws.bootstrap import interval
from scaling.laws.forms import Array
from scaling.laws.frontier import FlopsPerToken, Surface, best_split

_LOG_FACTOR_MAX = 60.0  # natural log of the largest compute factor looked for
_NEWTON_STEPS = 40
_EXACT_ENOUGH = 1e-12  # in the logarithm of the factor


@dataclass(frozen=True, slots=True)
class Path:
    """The best loss at each budget under one convention of FLOPs."""

    surface: Surface
    flops: FlopsPerToken

    def loss_and_slope(self, budgets: Array) -> tuple[Array, Array]:
        """Return L*(C) and -dL*/d ln C, both ``[draws, budgets]``.

        At the optimum a change of N costs nothing (envelope theorem), so the slope is the data term's alone.
        """
        found = best_split(self.surface, budgets, self.flops)
        beta = self.surface.beta[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return found.loss, beta * self.surface.B[:, None] * found.tokens**-beta


def rows(fit: Fit, budgets: Array, flops: FlopsPerToken) -> list[ReturnsRow]:
    """Return what more compute buys at each budget, with intervals from the draws of L(N,D)."""
    path = Path(Surface.of(fit), flops)
    loss, slope = path.loss_and_slope(budgets)
    after, _ = path.loss_and_slope(2 * budgets)
    exponent = slope / (loss - path.surface.E[:, None])
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

    ``None`` where the fitted floor forbids the target, or pushes it beyond e^60 times the budget.
    """
    path = Path(Surface.of(fit).point, flops)
    log_factor = np.zeros(len(budgets))
    for _ in range(_NEWTON_STEPS):
        # Convex and falling in ln C, so Newton's steps from the left never pass the target.
        loss, slope = path.loss_and_slope(budgets * np.exp(log_factor))
        previous = log_factor
        with np.errstate(divide="ignore", invalid="ignore"):
            log_factor = np.minimum(log_factor + np.maximum(loss[0] - target, 0) / slope[0], _LOG_FACTOR_MAX)
        if np.nanmax(log_factor - previous, initial=0.0) < _EXACT_ENOUGH:
            break
    reached = (target > path.surface.E[0]) & (log_factor < _LOG_FACTOR_MAX)
    return [float(np.exp(f)) if ok else None for f, ok in zip(log_factor, reached, strict=True)]


def _spread(column: Array) -> Interval:
    return interval(float(column[0]), column[1:])
