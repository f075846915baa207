"""The estimator: where to start, how to refine, and how to know that it is the optimum.

The best cells of a grid (``starts``) are refined by ``newton`` while delta shrinks to its final value. A solver's
flag is never asked: a fit has converged when its gradient vanishes, and can be trusted when several starts meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.laws import lad, newton
from scaling.laws.forms import Array, Centre, PowerLaw, Space
from scaling.laws.kernel import Batch, Design, State
from scaling.laws.objectives import Objective, objective
from scaling.laws.starts import grid_starts

_CHUNK = 60_000  # problems times points refined at once: fits the cache, and Python's own time is forgotten
_AT_ONCE = 8_000_000  # weights of resamples that take one step: matrix products, which need no cache
_ROUNDING = 1e-12  # relative distance of objectives that means nothing
STARTS = 4  # cells refined for a point fit
_WIDE = 0.03  # delta of the first stage: there the objective is least squares for all but wild points
_MEETING = 1e-4  # relative gradient at which starts are compared
_MET = 1e-2  # distance in theta, and relative in the objective, of starts that have met
_SCREENED = 2000  # points; above it, a resample's own cells are tried on a thinned set first
_AGREE = 1e-6  # relative distance of objectives that counts as the same optimum


@dataclass(frozen=True, slots=True)
class Problem:
    """Points to fit: a law, centred logs, and what was subtracted.

    Attributes:
        law: the form.
        design: centred log variables with their products.
        y: centred log losses ``[n]``.
        centre: what was subtracted.
        space: where theta may move.
        objective: what is minimised.
    """

    law: PowerLaw
    design: Design
    y: Array
    centre: Centre
    space: Space
    objective: Objective

    @classmethod
    def of(cls, law: PowerLaw, variables: Array, losses: Array, goal: Objective | None = None) -> "Problem":
        """Return the problem for variables ``[n, K]`` and losses ``[n]``, all positive; Huber by default."""
        logs, y = np.log(variables), np.log(losses)
        centre = Centre(logs.mean(axis=0), float(y.mean()))
        design = Design(logs - centre.log_variables)
        return cls(law, design, y - centre.log_loss, centre, law.space(centre), goal or objective())

    def take(self, points: NDArray[Any]) -> "Problem":
        """Return the problem on some of its points; theta means the same."""
        return replace(self, design=Design(self.design.x[points]), y=self.y[points])

    def batch(self, weights: Array) -> Batch:
        """Return weighted copies, one per row of ``weights`` ``[B, n]``."""
        return Batch(self.design, self.y, weights, self.space, self.objective)


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best of several starts for one problem.

    Attributes:
        theta: centred parameters.
        value: objective.
        gradient: relative gradient; at most ``newton.CONVERGED`` at an optimum.
        starts: starts refined.
        agreed: starts that reached the same objective within 1e-6 relative.
    """

    theta: Array
    value: float
    gradient: float
    starts: int
    agreed: int

    @property
    def converged(self) -> bool:
        """Whether the gradient vanishes."""
        return self.gradient <= newton.CONVERGED


def solve(problem: Problem, weights: Array, starts: int = STARTS) -> Optimum:
    """Return the optimum over the best ``starts`` cells of the grid; a point counts ``weights[i]`` times."""
    weights = weights[None]
    theta = grid_starts(problem.batch(weights), starts)
    found = _settle(problem, weights, theta)
    best, value, gradient = found.theta[0], float(found.value[0]), float(found.gradient[0])
    if problem.objective.exact:
        vertex = lad.polish(problem.batch(weights), best)
        best, value, gradient = vertex.theta, vertex.value, vertex.violation
    return Optimum(
        theta=best,
        value=problem.objective.reported(value, float(np.exp(problem.centre.log_loss))),
        gradient=gradient,
        starts=theta.shape[1],
        agreed=int(found.agreed[0]),
    )


def solve_resamples(problem: Problem, weights: Array, warm: Array, cells: int = 1) -> tuple[Array, Array]:
    """Refit every row of ``weights`` ``[R, n]`` from the point optimum and from its own best grid cells.

    Args:
        problem: the points.
        weights: how often each resample holds each point.
        warm: the point optimum.
        cells: further starts of each resample; 0 trusts the warm start alone.

    Returns:
        theta ``[R, width]`` and the relative gradient ``[R]`` of the better of the starts. Least absolute deviations
        are left at their last delta, which is far below what resampling moves.
    """
    many = len(problem.y) > _SCREENED
    tolerance = newton.CONVERGED if many else newton.TOLERANCE  # far below what resampling moves
    found = _refine(problem, weights, warm[None], stages=(), tolerance=tolerance)
    if cells:
        rows = _elsewhere(problem, weights, warm, cells) if many else np.arange(len(weights))
        starts = [grid_starts(problem.batch(part), cells) for part in _parts(problem, weights[rows])]
        if starts:
            found.put_better(rows, _settle(problem, weights[rows], np.concatenate(starts)))
    return found.theta, found.gradient


def step_resamples(problem: Problem, trials: NDArray[np.intp], counts: Array, warm: Array) -> Array:
    """Move every resample one Newton step from the point optimum: theta ``[R, width]``.

    The one-step bootstrap (Andrews 2002, Econometrica 70, 119-162), where points are too many to refit.

    Args:
        problem: the points.
        trials: trial of each point, coded from zero ``[n]``.
        counts: how often each resample holds each trial ``[R, trials]``.
        warm: the point optimum.
    """
    size = max(1, _AT_ONCE // len(problem.y))
    parts = [counts[i : i + size] for i in range(0, len(counts), size)]
    return np.concatenate([newton.one_step(problem.batch(part[:, trials]), warm) for part in parts])


def _elsewhere(problem: Problem, weights: Array, warm: Array, cells: int) -> NDArray[np.intp]:
    """Return the resamples whose own cells lead to another optimum than the warm start, on a thinned set of points."""
    thin = np.arange(0, len(problem.y), len(problem.y) // (_SCREENED // 2))
    problem, weights = problem.take(thin), weights[:, thin]
    wide = _stages(problem.objective)[0]
    own = np.concatenate([grid_starts(problem.batch(part), cells) for part in _parts(problem, weights)])
    starts = np.concatenate([np.broadcast_to(warm, (len(own), 1, len(warm))), own], axis=1)
    owner = np.repeat(np.arange(len(own)), 1 + cells)
    ends = _minimise(problem, weights, owner, starts.reshape(len(owner), -1), wide, tolerance=_MEETING)
    theta, value = ends.theta.reshape(starts.shape), ends.value.reshape(starts.shape[:2])
    apart = np.abs(theta - theta[:, :1]).max(axis=2) > _MET
    return np.flatnonzero((apart | (np.abs(value - value[:, :1]) > _MET * value[:, :1])).any(axis=1))


@dataclass(frozen=True, slots=True)
class _Found:
    """Optima of R problems: theta ``[R, width]``, and ``[R]`` of each other."""

    theta: Array
    value: Array
    gradient: Array
    agreed: NDArray[np.intp]

    def put_better(self, rows: NDArray[np.intp], others: "_Found") -> None:
        """Write over ``rows`` what is better of ``others``."""
        best = _better_of(_Found(*(getattr(self, name)[rows] for name in _Found.__slots__)), others)
        for name in _Found.__slots__:
            getattr(self, name)[rows] = getattr(best, name)


def _settle(problem: Problem, weights: Array, theta: Array) -> _Found:
    """Refine the starts ``theta`` ``[R, S, width]``. Starts that have met while delta was wide go on as one."""
    resamples, starts = theta.shape[:2]
    owner = np.repeat(np.arange(resamples), starts)
    wide = _stages(problem.objective)[0]
    coarse = _minimise(problem, weights, owner, theta.reshape(len(owner), -1), wide, tolerance=_MEETING)
    value, theta = coarse.value.reshape(resamples, starts), coarse.theta.reshape(theta.shape)
    rows, best = np.arange(resamples), value.argmin(axis=1)
    apart = np.abs(theta - theta[rows, best][:, None]).max(axis=2) > _MET
    apart |= value > value[rows, best][:, None] * (1 + _MET)
    merged = starts - apart.sum(axis=1)
    apart[rows, best] = True
    found = _refine(problem, weights, theta[apart], owner.reshape(apart.shape)[apart])
    return _best_per_owner(
        found, owner.reshape(apart.shape)[apart], np.where(np.eye(starts, dtype=bool)[best], merged[:, None], 1)[apart]
    )


def _best_per_owner(found: _Found, owner: NDArray[np.intp], stands_for: NDArray[np.intp]) -> _Found:
    """Return the least value of each owner's rows; among values equal to rounding, the least gradient."""
    firsts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    least = np.minimum.reduceat(found.value, firsts)
    group = np.cumsum(np.r_[False, owner[1:] != owner[:-1]])
    slack = 1e-18
    equal = found.value <= least[group] * (1 + _ROUNDING) + slack
    order = np.lexsort((np.where(equal, found.gradient, np.inf), group))
    best = order[firsts]
    close = found.value <= least[group] * (1 + _AGREE) + slack
    agreed = np.add.reduceat(np.where(close, stands_for, 0), firsts)
    return _Found(found.theta[best], found.value[best], found.gradient[best], agreed)


def _better_of(first: _Found, second: _Found) -> _Found:
    rows = np.arange(len(first.value))
    both = _Found(*(np.concatenate([getattr(f, n) for f in (first, second)]) for n in _Found.__slots__))
    order = np.argsort(np.r_[rows, rows], kind="stable")
    arranged = _Found(*(getattr(both, n)[order] for n in _Found.__slots__))
    return _best_per_owner(arranged, np.repeat(rows, 2), np.ones(2 * len(rows), dtype=np.intp))


def _refine(
    problem: Problem,
    weights: Array,
    theta: Array,
    owner: NDArray[np.intp] | None = None,
    stages: Sequence[float] | None = None,
    tolerance: float = newton.TOLERANCE,
) -> _Found:
    """Minimise from ``theta`` ``[B, width]`` while delta shrinks through ``stages`` to the objective's own.

    One row is a common start.
    """
    owner = np.arange(len(weights)) if owner is None else owner
    for delta in _stages(problem.objective)[1:-1] if stages is None else stages:
        theta = _minimise(problem, weights, owner, theta, delta, tolerance=1e-2).theta
    state = _minimise(problem, weights, owner, theta, problem.objective.delta, tolerance)
    return _Found(state.theta, state.value, state.relative_gradient, np.ones(len(owner), dtype=np.intp))


def _stages(goal: Objective) -> list[float]:
    """Return the deltas to pass through: decades from wide to the objective's own."""
    if goal.delta >= _WIDE:
        return [goal.delta, goal.delta]
    decades = int(np.ceil(np.log10(_WIDE / goal.delta) - 1e-9))
    return [*(_WIDE / 10.0**i for i in range(decades)), goal.delta]


def _minimise(
    problem: Problem,
    weights: Array,
    owner: NDArray[np.intp],
    theta: Array,
    delta: float,
    tolerance: float = newton.TOLERANCE,
) -> State:
    """Run Newton over rows in parts that fit the cache; loose tolerances get few steps."""
    limit = 200 if tolerance <= newton.CONVERGED else 20
    size = max(1, _CHUNK // len(problem.y))
    states = [
        newton.minimise(
            problem.batch(weights[owner[i : i + size]]),
            theta if len(theta) == 1 else theta[i : i + size],
            delta,
            tolerance,
            limit,
        )
        for i in range(0, len(owner), size)
    ]
    if len(states) == 1:
        return states[0]
    return State(*(np.concatenate([getattr(s, name) for s in states]) for name in State.__slots__))


def _parts(problem: Problem, weights: Array) -> list[Array]:
    size = max(1, _CHUNK // len(problem.y))
    return [weights[i : i + size] for i in range(0, len(weights), size)]
