"""Accuracy against scale: a logistic curve in ln x between a known floor (chance) and a known ceiling.

``p = floor + (ceiling - floor) / (1 + exp(-k (ln x - ln m)))``: k is the slope, m the midpoint. The objective is the
binomial likelihood where the number of questions is known, else least squares. Floor and ceiling are facts of the task
(one over the number of options; one), not parameters: fitted along they trade against slope and midpoint.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import UsageError
from scaling.laws.analysis import Interval
from scaling.laws.bootstrap import codes, interval
from scaling.laws.forms import Array

_MIN_POINTS, _MIN_VALUES = 4, 3
_STEPS, _SETTLED = 100, 1e-10
_STEEPEST = 50.0  # per natural log of x: a step, as far as any data can tell
_RIDGE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedLaw:
    """A bounded law fitted to accuracies.

    Attributes:
        floor, ceiling: as given.
        slope: k per natural log of x; ``None`` when refused.
        midpoint: x at half way; ``None`` when refused.
        objective: ``binomial`` or ``least squares``.
        objective_value: negative log likelihood per the binomial, or sum of squares.
        gradient_norm: of the objective over its own scale; small means an optimum.
        n_points, n_trials: points fitted, and independent trials.
        interval_method: in words.
        reason: why it is refused, or why no rise is supported.
    """

    floor: float
    ceiling: float
    slope: Interval | None = None
    midpoint: Interval | None = None
    objective: str = ""
    objective_value: float = float("nan")
    gradient_norm: float = float("nan")
    n_points: int = 0
    n_trials: int = 0
    interval_method: str = ""
    reason: str | None = None

    def predict(self, x: ArrayLike) -> Array:
        """Return the accuracy at each x. Raises ``UsageError`` when the law was refused."""
        if self.slope is None or self.midpoint is None:
            raise UsageError("laws.bounded_refused", "this law was refused, it predicts nothing", why=self.reason)
        z = self.slope.value * (np.log(np.asarray(x, dtype=float)) - np.log(self.midpoint.value))
        return np.asarray(self.floor + (self.ceiling - self.floor) * _sigmoid(z), dtype=float)


def fit_bounded(
    x: ArrayLike,
    accuracy: ArrayLike,
    trials: ArrayLike | None = None,
    *,
    floor: float = 0.0,
    ceiling: float = 1.0,
    questions: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> BoundedLaw:
    """Fit slope and midpoint by damped Fisher scoring, all bootstrap resamples at once.

    Args:
        x: parameters, tokens or compute.
        accuracy: share of right answers.
        trials: what is resampled together; left out, each point by itself.
        floor: chance level of the task.
        ceiling: best possible score.
        questions: how many were asked, one number or one per point; left out, least squares.
        resamples: bootstrap resamples by trial; 0 for no intervals.
        seed: of the resampling.

    Raises:
        UsageError: lengths differ, x is not above zero, accuracies outside [0, 1], or a floor not below the ceiling.
    """
    at, seen = (np.asarray(v, dtype=float).ravel() for v in (x, accuracy))
    _check(at, seen, floor, ceiling)
    asked = None if questions is None else np.broadcast_to(np.asarray(questions, dtype=float), seen.shape)
    if len(at) < _MIN_POINTS or len(np.unique(at)) < _MIN_VALUES:
        why = f"{len(at)} points at {len(np.unique(at))} x; {_MIN_POINTS} at {_MIN_VALUES} needed"
        return BoundedLaw(floor=floor, ceiling=ceiling, reason=why)
    labels = codes(np.arange(len(at)) if trials is None else np.asarray(trials))
    n = int(labels.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    weights = np.vstack([np.ones((1, len(at))), drawn[:, labels]])
    problem = _Problem(np.log(at), seen, floor, ceiling, asked)
    theta, gradient = problem.solve(weights)
    slope = theta[:, 1]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # a flat curve has its midpoint nowhere
        midpoint = np.exp(problem.middle - theta[:, 0] / slope)
    words = f"95 % percentile, pairs bootstrap by trial ({n}), {resamples} resamples, seed {seed}"
    found = interval(float(slope[0]), slope[1:])
    return BoundedLaw(
        floor=floor,
        ceiling=ceiling,
        slope=found,
        midpoint=interval(float(midpoint[0]), midpoint[1:]),
        objective="least squares" if asked is None else "binomial",
        objective_value=float(problem.objective(theta[:1], weights[:1])[0]),
        gradient_norm=float(gradient[0]),
        n_points=len(at),
        n_trials=n,
        interval_method=words if resamples else "none asked for",
        reason=_doubt(found),
    )


def _check(at: Array, seen: Array, floor: float, ceiling: float) -> None:
    if len(at) != len(seen) or not (np.isfinite(at) & (at > 0)).all():
        raise UsageError("laws.bad_value", "x must be finite, above zero and as many as the accuracies")
    if not ((seen >= 0) & (seen <= 1)).all():
        raise UsageError("laws.bad_accuracy", "accuracies lie between 0 and 1", hint="divide percentages by 100")
    if not 0 <= floor < ceiling <= 1:
        raise UsageError("laws.bad_bounds", f"floor {floor:g} and ceiling {ceiling:g} are no bounds of an accuracy")


def _doubt(slope: Interval) -> str | None:
    if abs(slope.value) >= _STEEPEST:
        return "a step: the points jump from floor to ceiling, and the slope is not identified; add sizes between"
    if slope.low is not None and slope.low <= 0:
        return "no rise above the floor is supported: the interval of the slope holds zero"
    return None


def _sigmoid(z: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)), dtype=float)


@dataclass(frozen=True, slots=True)
class _Problem:
    """theta = (height at the middle of ln x, slope) of the logistic, one row per resample."""

    log_x: Array
    seen: Array
    floor: float
    ceiling: float
    asked: Array | None

    @property
    def middle(self) -> float:
        """Middle of ln x."""
        return float(self.log_x.mean())

    def fitted(self, theta: Array) -> tuple[Array, Array]:
        """Return accuracies ``[R, n]`` and their slope in the logit."""
        share = _sigmoid(theta[:, :1] + theta[:, 1:] * (self.log_x - self.middle))
        height = self.ceiling - self.floor
        return self.floor + height * share, height * share * (1 - share)

    def objective(self, theta: Array, weights: Array) -> Array:
        """Return the sum of squares, or the negative log likelihood, ``[R]``."""
        p, _ = self.fitted(theta)
        if self.asked is None:
            return np.asarray((weights * (p - self.seen) ** 2).sum(axis=1), dtype=float)
        p = np.clip(p, 1e-12, 1 - 1e-12)
        likelihood = self.seen * np.log(p) + (1 - self.seen) * np.log1p(-p)
        return np.asarray(-(weights * self.asked * likelihood).sum(axis=1), dtype=float)

    def solve(self, weights: Array) -> tuple[Array, Array]:
        """Return theta ``[R, 2]`` and the relative gradient ``[R]``."""
        theta = np.repeat(self._start()[None], len(weights), axis=0)
        value, damping = self.objective(theta, weights), np.full(len(weights), 1e-3)
        for _ in range(_STEPS):
            gradient, information, scale = self._slopes(theta, weights)
            if (np.abs(gradient).max(axis=1) <= _SETTLED * scale).all():
                break
            diagonal = np.einsum("rjj->rj", information) * damping[:, None] + _RIDGE * scale[:, None]
            stiff = information + diagonal[:, :, None] * np.eye(2)
            tried = theta - np.linalg.solve(stiff, gradient[:, :, None])[:, :, 0]
            tried[:, 1] = np.clip(tried[:, 1], -_STEEPEST, _STEEPEST)
            after = self.objective(tried, weights)
            better = after <= value
            theta, value = np.where(better[:, None], tried, theta), np.where(better, after, value)
            damping = np.clip(np.where(better, damping / 5, damping * 5), 1e-9, 1e9)
        gradient, _, scale = self._slopes(theta, weights)
        return theta, np.abs(gradient).max(axis=1) / scale

    def _slopes(self, theta: Array, weights: Array) -> tuple[Array, Array, Array]:
        p, slope = self.fitted(theta)
        spread = 1.0 if self.asked is None else np.clip(p * (1 - p), 1e-9, None) / self.asked
        basis = np.stack([np.ones_like(self.log_x), self.log_x - self.middle])
        gradient = (weights * (p - self.seen) * slope / spread) @ basis.T
        information = np.einsum("rn,jn,kn->rjk", weights * slope**2 / spread, basis, basis)
        scale = (weights * slope / spread).sum(axis=1) + 1e-12
        return gradient, information, scale

    def _start(self) -> Array:
        """Regress the logit of the accuracies, held off the bounds."""
        share = np.clip((self.seen - self.floor) / (self.ceiling - self.floor), 0.02, 0.98)
        line = np.polyfit(self.log_x - self.middle, np.log(share / (1 - share)), 1)
        return np.array([line[1], line[0]])
