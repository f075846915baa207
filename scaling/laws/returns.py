"""Diminishing returns along the compute-optimal path. A power law has no knee: the price decides where to stop."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling.laws.analysis import Fit, Interval, Price, ReturnsRow, StopRow
from scaling.laws.bootstrap import interval
from scaling.laws.forms import Array
from scaling.laws.frontier import MAX_EXTRAPOLATION, FlopsPerToken, Surface, best_split

_LOG_FACTOR_MAX = 60.0  # natural log of the largest compute factor looked for
_NEWTON_STEPS = 40
_EXACT_ENOUGH = 1e-12  # in the logarithm of the factor
_BISECTIONS = 50
_LOST = 0.025  # share of resamples without a crossing beyond which no interval is given
NOISE_ERRORS = 2.0  # standard errors of a difference of two runs that chance may make


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


def rows(fit: Fit, budgets: Array, flops: FlopsPerToken, price: Price | None = None) -> list[ReturnsRow]:
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
            gain_per_cost_nats=None if price is None else _spread(slope[:, i] / (c * price.cost_per_flop)),
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


def stops(
    fit: Fit, flops: FlopsPerToken, largest: float, noise: float | None, price: Price | None = None
) -> tuple[StopRow, ...]:
    """Return from what compute on more of it no longer pays: by seed noise, by one percent, and by the user's price.

    Args:
        fit: of L(N,D).
        flops: FLOPs per token.
        largest: largest fitted compute.
        noise: standard deviation of the log loss between seeds; ``None`` when unknown.
        price: what compute costs and what loss is worth; ``None`` when not given.
    """
    search = _Search(Path(Surface.of(fit), flops), largest)
    found = []
    if noise is None:
        found.append(StopRow(rule="seed noise", threshold="a doubling within noise", reason="no size has two seeds"))
    else:
        chance = NOISE_ERRORS * float(np.sqrt(2)) * noise
        words = f"a doubling buys {chance:.2%} of the loss: what chance makes of two runs"
        found.append(search.stop("seed noise", words, lambda c: search.doubling_share(c) - chance))
    words = "a doubling buys 1 % of the loss"
    found.append(search.stop("one percent", words, lambda c: search.doubling_share(c) - 0.01))
    if price is None:
        found.append(StopRow(rule="price", threshold="no price given", reason="give --cost-per-flop and --nat-worth"))
        return tuple(found)
    least = price.cost_per_flop / price.nat_worth
    words = f"the next FLOP costs {price.cost_per_flop:.3g} and a nat is worth {price.nat_worth:.3g}"
    found.append(search.stop("price", words, lambda c: search.marginal(c) - least))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks along the compute-optimal path for where a gain falls to a threshold, for every draw at once."""

    path: Path
    largest: float

    def doubling_share(self, budgets: Array) -> Array:
        """Return the share of the loss that a doubling buys, one budget per draw ``[R, 1]``."""
        loss, _ = self.path.loss_and_slope(budgets)
        after, _ = self.path.loss_and_slope(2 * budgets)
        return np.asarray(1 - after / loss, dtype=float)

    def marginal(self, budgets: Array) -> Array:
        """Return nats per further FLOP."""
        return np.asarray(self.path.loss_and_slope(budgets)[1] / budgets, dtype=float)

    def stop(self, rule: str, words: str, excess: Callable[[Array], Array]) -> StopRow:
        """Bisect in ln C: gains fall with compute, so the excess changes sign once."""
        shape = (len(self.path.surface.alpha), 1)
        centre = np.log(self.largest)
        low, high = np.full(shape, centre - _LOG_FACTOR_MAX), np.full(shape, centre + _LOG_FACTOR_MAX)
        with np.errstate(invalid="ignore"):
            reached = (excess(np.exp(low)) > 0) & (excess(np.exp(high)) < 0)
            for _ in range(_BISECTIONS):
                middle = 0.5 * (low + high)
                above = excess(np.exp(middle)) > 0
                low, high = np.where(above, middle, low), np.where(above, high, middle)
        if not reached[0, 0]:
            return StopRow(rule=rule, threshold=words, reason="the gain of the fitted law never falls to it")
        lost = float(1 - reached[1:].mean()) if len(reached) > 1 else 0.0
        budgets = np.exp(0.5 * (low + high))
        if lost > _LOST:  # an interval would be about the draws that happen to cross
            budgets[1:] = np.nan
        found = best_split(self.path.surface, budgets, self.path.flops)
        flops = _spread(budgets[:, 0])
        if flops.value > MAX_EXTRAPOLATION * self.largest:
            return StopRow(rule=rule, threshold=words, reason=f"not within {MAX_EXTRAPOLATION:g}x the fitted compute")
        return StopRow(
            rule=rule,
            threshold=words,
            flops=flops,
            params=_spread(found.params[:, 0]),
            tokens=_spread(found.tokens[:, 0]),
            loss=_spread(found.loss[:, 0]),
            extrapolation_factor=flops.value / self.largest,
            reason=f"no interval: in {lost:.0%} of the resamples the gain never falls to it" if lost > _LOST else None,
        )


def _spread(column: Array) -> Interval:
    return interval(float(column[0]), column[1:])
