"""Losses at equal compute: cells that sit on one budget, or trunks interpolated to it.

A trunk is one size of one trial with its horizons. A sweep of budgets gives cells; a ladder gives trunks, which pass a
budget between two horizons and are read there by a monotone cubic through ln L against ln C (Fritsch & Carlson 1980).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError
from scaling.laws.bootstrap import codes
from scaling.laws.forms import Array
from scaling.laws.frontier import ROUGH, FlopsPerToken

MIN_SIZES = 5  # to see a minimum with two sizes on either side
SAME_BUDGET = 0.02  # in ln C: whole steps move a cell by a percent or so; more would bend the profile
MAX_BUDGETS = 7  # read between the horizons of a ladder
APART = 0.1  # in ln C: closer ones would read the same cells again and look like more than one budget


@dataclass(frozen=True, slots=True)
class Trunk:
    """One size of one trial.

    Attributes:
        trial: its code: the unit of resampling.
        log_n: ln of its parameters.
        log_c: ln of its compute at each horizon, rising.
        log_loss: ln of its losses.
    """

    trial: int
    log_n: float
    log_c: Array
    log_loss: Array

    def at(self, log_c: Array) -> Array:
        """Return ln L at each compute: a horizon's own loss where one sits there, NaN outside the horizons."""
        from scipy.interpolate import PchipInterpolator  # half a second to import, which only approach 1 needs

        log_c = np.asarray(log_c, dtype=float)
        nearest = np.abs(log_c[:, None] - self.log_c).argmin(axis=1)
        sits = np.abs(log_c - self.log_c[nearest]) <= SAME_BUDGET
        read = np.full(len(log_c), np.nan)
        if len(self.log_c) > 1:
            read = PchipInterpolator(self.log_c, self.log_loss, extrapolate=False)(log_c)
        return np.where(sits & np.isnan(read), self.log_loss[nearest], read)


def trunks(params: Array, flops: Array, losses: Array, trials: NDArray[np.intp]) -> tuple[Trunk, ...]:
    """Part points into trunks; losses of one trunk at one compute are averaged."""
    found = []
    for trial, size in sorted({(int(t), float(n)) for t, n in zip(trials, params, strict=True)}):
        mine = (trials == trial) & (params == size)
        compute, code = np.unique(flops[mine], return_inverse=True)
        mean = np.bincount(code, np.log(losses[mine])) / np.bincount(code)
        found.append(Trunk(trial, float(np.log(size)), np.log(compute), mean))
    return tuple(found)


def grid(parts: tuple[Trunk, ...], log_c: Array) -> Array:
    """Return ln L of every trunk at every compute ``[trunks, budgets]``, NaN where a trunk does not reach."""
    return np.array([part.at(log_c) for part in parts])


def common_budgets(parts: tuple[Trunk, ...], flops: Array) -> Array:
    """Return the budgets at which at least five sizes can be compared, perhaps none.

    First the budgets that cells share; where there are none, up to seven between which trunks run.
    """
    log_c = np.sort(np.log(flops))
    groups = np.split(log_c, np.flatnonzero(np.diff(log_c) > SAME_BUDGET) + 1)
    centres = np.array([group.mean() for group in groups])
    shared = centres[_sizes_sitting(parts, centres) >= MIN_SIZES]
    if len(shared):
        return np.asarray(np.exp(shared), dtype=float)
    fine = np.linspace(log_c[0], log_c[-1], 241)
    reached = fine[_sizes_at(parts, fine) >= MIN_SIZES]
    if not len(reached):
        return np.zeros(0)
    count = min(MAX_BUDGETS, 1 + int((reached[-1] - reached[0]) / APART))
    ends = np.linspace(reached[0], reached[-1], count)
    return np.asarray(np.exp(ends[_sizes_at(parts, ends) >= MIN_SIZES]), dtype=float)


def _sizes_sitting(parts: tuple[Trunk, ...], log_c: Array) -> NDArray[np.intp]:
    there = [(np.abs(log_c[:, None] - part.log_c) <= SAME_BUDGET).any(axis=1) for part in parts]
    return _distinct(parts, np.array(there))


def _sizes_at(parts: tuple[Trunk, ...], log_c: Array) -> NDArray[np.intp]:
    return _distinct(parts, np.isfinite(grid(parts, log_c)))


def _distinct(parts: tuple[Trunk, ...], there: NDArray[np.bool_]) -> NDArray[np.intp]:
    sizes = np.array([part.log_n for part in parts])
    by_size = [there[sizes == size].any(axis=0) for size in np.unique(sizes)]
    return np.asarray(np.sum(by_size, axis=0), dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Points:
    """Checked points of approaches 1 and 2.

    Attributes:
        params, tokens, flops, losses: one value per annealed evaluation ``[n]``.
        trials: trial of each, coded from zero.
        convention: of ``flops``, in words.
    """

    params: Array
    tokens: Array
    flops: Array
    losses: Array
    trials: NDArray[np.intp]
    convention: str

    @classmethod
    def of(
        cls,
        params: ArrayLike,
        tokens: ArrayLike,
        losses: ArrayLike,
        trials: ArrayLike | None = None,
        flops: ArrayLike | None = None,
        convention: str = "as given",
    ) -> "Points":
        """Check and gather; without ``flops`` the rule 6ND, without ``trials`` each point by itself.

        Raises:
            UsageError: lengths differ, or a value is not finite and above zero.
        """
        n, d, loss = (np.asarray(v, dtype=float).ravel() for v in (params, tokens, losses))
        if not len(n) == len(d) == len(loss):
            raise UsageError("laws.lengths", f"{len(n)} params, {len(d)} tokens, {len(loss)} losses")
        compute = 6 * n * d if flops is None else np.asarray(flops, dtype=float).ravel()
        labels = np.arange(len(n)) if trials is None else np.asarray(trials).ravel()
        if not len(n) == len(compute) == len(labels):
            raise UsageError("laws.lengths", f"{len(n)} params, {len(compute)} FLOPs, {len(labels)} trials")
        values = np.column_stack([n, d, compute, loss])
        if not (np.isfinite(values) & (values > 0)).all():
            raise UsageError(
                "laws.bad_value",
                "params, tokens, FLOPs and losses must be finite and above zero",
                hint="drop diverged runs before fitting",
            )
        return cls(n, d, compute, loss, codes(labels), ROUGH if flops is None else convention)

    @property
    def flops_per_token(self) -> FlopsPerToken:
        """FLOPs per token against size: the 6N rule, or a curve through the sizes."""
        if self.convention == ROUGH:
            return FlopsPerToken.six_n()
        return FlopsPerToken.through(self.params, self.flops / self.tokens)
