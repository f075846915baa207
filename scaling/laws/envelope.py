"""Approach 1 of Hoffmann et al. 2022 (2203.15556, section 3.1): the lower envelope of annealed points over compute.

At each compute the run of lowest loss tells the best size; lines through ln N and ln D of those runs give a and b.
Trunks with several horizons are read between them; where every trial has a single horizon, the points themselves form
the envelope. Compute at which the smallest or the largest size *that was trained so far* is best says only that the
optimum lies beyond, and is left out. Intervals: pairs bootstrap by trial.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.laws.allocation import Path, too_narrow
from scaling.laws.analysis import Interval
from scaling.laws.forms import Array
from scaling.laws.trunks import MIN_SIZES, Points, Trunk, grid, trunks

MIN_BEST = 3  # distinct sizes that are best somewhere inside
_GRID = 160  # computes at which trunks are compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Approach 1 as a whole.

    Attributes:
        flops_convention: of the compute.
        flops, sizes, losses: compute, best size and loss along the inner part of the envelope.
        a, b: exponents of N*(C) and D*(C); ``None`` when refused.
        reason: why it is refused.
        interval_method: in words.
        path: the fitted power laws with their draws.
    """

    flops_convention: str
    flops: tuple[float, ...] = ()
    sizes: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    a: Interval | None = None
    b: Interval | None = None
    reason: str | None = None
    interval_method: str = ""
    path: Path | None = field(default=None, repr=False)


def envelope(
    params: ArrayLike,
    tokens: ArrayLike,
    losses: ArrayLike,
    trials: ArrayLike | None = None,
    *,
    flops: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Envelope:
    """Find the best size at each compute and the power laws through them.

    Args:
        params: parameters N of each annealed evaluation.
        tokens: its training tokens D.
        losses: its loss, nats per token.
        trials: its training run; left out, each point is its own.
        flops: training FLOPs; left out, 6ND.
        resamples: bootstrap resamples by trial; 0 for no intervals.
        seed: of the resampling.

    Raises:
        UsageError: lengths differ, or a value is not finite and above zero.
    """
    return envelope_points(Points.of(params, tokens, losses, trials, flops), resamples=resamples, seed=seed)


def envelope_points(points: Points, *, resamples: int = 1000, seed: int = 0) -> Envelope:
    """Do as ``envelope`` on checked points."""
    parts = trunks(points.params, points.flops, points.losses, points.trials)
    sizes = len({part.log_n for part in parts})
    if sizes < MIN_SIZES:
        why = f"{sizes} sizes, {MIN_SIZES} needed: the best of few sizes says little about the best size"
        return Envelope(flops_convention=points.convention, reason=why)
    table = _Table.of(points, parts)
    log_n, loss = table.best(table.counts(resamples, seed))
    inner = np.isfinite(log_n[0])
    reason = _too_thin(log_n[0][inner], table.log_c[inner])
    if reason is not None:
        return Envelope(flops_convention=points.convention, reason=reason)
    log_c, log_n, loss = table.log_c[inner], log_n[:, inner], loss[:, inner]
    log_d = log_c - points.flops_per_token.log_value(log_n)
    path = Path.through(log_c, log_n, log_d, loss, float(points.flops.max()))
    words = f"95 % percentile, pairs bootstrap by trial ({table.n_trials}), {resamples} resamples, seed {seed}"
    return Envelope(
        flops_convention=points.convention,
        flops=tuple(np.exp(log_c).tolist()),
        sizes=tuple(np.exp(log_n[0]).tolist()),
        losses=tuple(loss[0].tolist()),
        a=path.a,
        b=path.b,
        interval_method=words if resamples else "none asked for",
        path=path,
    )


def _too_thin(log_n: Array, log_c: Array) -> str | None:
    best = len(np.unique(log_n))
    if best < MIN_BEST:
        sizes = "1 size is" if best == 1 else f"{best} sizes are"
        return f"{sizes} best at some compute, ends of the ladder aside; {MIN_BEST} needed: add sizes"
    return too_narrow(log_c)


@dataclass(frozen=True, slots=True)
class _Table:
    """Loss of every trunk at every compute.

    Attributes:
        log_c: computes ``[m]``.
        losses: ``[trunks, m]``, infinite where a trunk has none.
        log_n: of each trunk.
        trials: of each trunk.
        reads: trunks are read between horizons; else each point stands at its own compute, and a column holds what
            was trained with exactly that.
    """

    log_c: Array
    losses: Array
    log_n: Array
    trials: NDArray[np.intp]
    reads: bool

    @property
    def n_trials(self) -> int:
        """Distinct trials."""
        return len(np.unique(self.trials))

    @classmethod
    def of(cls, points: Points, parts: tuple[Trunk, ...]) -> "_Table":
        logs = np.log(points.flops)
        reads = any(len(part.log_c) > 1 for part in parts)
        log_c = np.linspace(logs.min(), logs.max(), _GRID) if reads else np.sort(logs)
        losses = np.exp(grid(parts, log_c))
        trials = np.array([part.trial for part in parts], dtype=np.intp)
        log_n = np.array([part.log_n for part in parts])
        return cls(log_c, np.where(np.isfinite(losses), losses, np.inf), log_n, trials, reads)

    def counts(self, resamples: int, seed: int) -> NDArray[np.bool_]:
        """Return which trials are there in the point estimate (all) and in each resample ``[R + 1, trials]``."""
        n = int(self.trials.max()) + 1
        drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
        return np.vstack([np.ones((1, n)), drawn]) > 0

    def best(self, there: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Return ln of the best size and its loss at every compute ``[R + 1, m]``; NaN where an end size is best.

        Ends are those of the sizes that have a loss at that compute.
        """
        log_n, loss = np.full((2, len(there), len(self.log_c)), np.nan)
        columns = np.arange(len(self.log_c))
        for row, present in enumerate(there[:, self.trials]):
            losses = np.where(present[:, None], self.losses, np.inf)
            first = losses.argmin(axis=0)
            size, lowest = self.log_n[first], losses[first, columns]
            inner = np.isfinite(lowest) & self._inside(size, losses)
            log_n[row], loss[row] = np.where(inner, size, np.nan), np.where(inner, lowest, np.nan)
        return log_n, loss

    def _inside(self, size: Array, losses: Array) -> NDArray[np.bool_]:
        there = np.isfinite(losses)
        if self.reads:
            low = np.where(there, self.log_n[:, None], np.inf).min(axis=0)
            high = np.where(there, self.log_n[:, None], -np.inf).max(axis=0)
            return np.asarray((size > low) & (size < high), dtype=bool)
        present = self.log_n[there.any(axis=1)]
        lowest = losses.min(axis=0)
        before = np.append(np.inf, np.minimum.accumulate(lowest)[:-1])
        return np.asarray((lowest < before) & (size > present.min()) & (size < present.max()), dtype=bool)
