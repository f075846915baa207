"""Smoothly broken power laws (Caballero et al. 2022, 2210.14891, eq. 1): straight pieces in log-log, joined smoothly.

    y = a + b x^-c0 prod_i (1 + (x / d_i)^(1 / f_i))^(-c_i f_i)

At the break d_i the exponent changes by c_i over a width f_i. More breaks always fit better, so a break has to earn its
three parameters: the corrected Akaike criterion against the law without it is part of every answer.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import NotEnoughData, UsageError
from scaling.laws.analysis import Interval
from scaling.laws.bootstrap import codes
from scaling.laws.forms import Array
from scaling.laws.robust import aicc, huber_sum, minimise, spread, trial_rows

_DELTA = 0.01  # log units: curves of few points need a wider quadratic zone than a surface of hundreds
_LEAST_SQUARES = 1e3  # a delta that no residual reaches
_FLOORS = (0.0, 0.5, 0.9)  # of the least value: starts of a
_WIDTHS = (0.1, 0.5)  # starts of f
_PLACES = 5  # places along ln x where a break may start
_MAX_BREAKS = 3
_EARNED = 2.0  # difference of the criterion that counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One break.

    Attributes:
        position: d, in units of x.
        change: c, by how much the exponent rises.
        width: f, over how many natural logs of x it does so.
    """

    position: Interval
    change: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLaw:
    """A smoothly broken power law fitted to one curve.

    Attributes:
        floor: a, approached by large x.
        factor: b.
        exponent: c0, before the first break.
        breaks: in order of position.
        objective_value: sum of Huber's loss (delta 0.01) of the log residuals.
        gradient_norm: small means an optimum.
        starts, starts_agreed: starts tried, and those that met.
        aicc: corrected Akaike criterion under normal errors of the log, effective n = trials.
        aicc_unbroken: the same of the law without breaks.
        residual_rms: of the log.
        interval_method: in words.
        reason: why the breaks are not supported; ``None`` where they are (or none was asked for).
    """

    floor: Interval
    factor: float
    exponent: Interval
    breaks: tuple[Break, ...]
    objective_value: float
    gradient_norm: float
    starts: int
    starts_agreed: int
    aicc: float
    aicc_unbroken: float
    residual_rms: float
    interval_method: str = ""
    reason: str | None = None

    def predict(self, x: ArrayLike) -> Array:
        """Return y at each x."""
        log_x = np.log(np.asarray(x, dtype=float))
        log_y = np.log(self.factor) - self.exponent.value * log_x
        for b in self.breaks:
            log_y = log_y - b.change * b.width * np.logaddexp(0, (log_x - np.log(b.position.value)) / b.width)
        return np.asarray(self.floor.value + np.exp(log_y), dtype=float)


def fit_broken(
    x: ArrayLike,
    y: ArrayLike,
    trials: ArrayLike | None = None,
    *,
    breaks: int = 1,
    resamples: int = 100,
    seed: int = 0,
) -> BrokenLaw:
    """Fit a curve with a number of breaks, from many starts, robustly on the log.

    Args:
        x: size, tokens or compute.
        y: loss, or an error rate; above zero.
        trials: what is resampled together; left out, each point by itself.
        breaks: 0 to 3.
        resamples: bootstrap resamples by trial; 0 for no intervals.
        seed: of the resampling.

    Raises:
        UsageError: a number of breaks outside 0 to 3, lengths that differ, values that are not finite and above zero.
        NotEnoughData: no more points than parameters.
    """
    at, value = (np.asarray(v, dtype=float).ravel() for v in (x, y))
    if not 0 <= breaks <= _MAX_BREAKS:
        raise UsageError("laws.breaks", f"{breaks} breaks; 0 to {_MAX_BREAKS} can be fitted")
    if len(at) != len(value) or not (np.isfinite([at, value]) & (np.array([at, value]) > 0)).all():
        raise UsageError("laws.bad_value", "x and y must be as many, finite and above zero")
    needed = 3 + 3 * breaks
    if len(np.unique(at)) <= needed:
        what = f"{len(np.unique(at))} distinct x for {needed} parameters of a law with {breaks} breaks"
        raise NotEnoughData("laws.too_few_points", what, hint="add points or take fewer breaks")
    labels = codes(np.arange(len(at)) if trials is None else np.asarray(trials))
    problem = _Problem(np.log(at), np.log(value), breaks)
    low, high = problem.bounds()
    found = minimise(problem.residuals, problem.starts(), _DELTA, low, high)
    draws = [
        problem.take(rows).natural(minimise(problem.take(rows).residuals, found.theta[None], _DELTA, low, high).theta)
        for rows in trial_rows(labels, resamples, seed)
    ]
    effective = int(labels.max()) + 1
    score = problem.criterion(found.theta, effective)
    plain = score if not breaks else _Problem(np.log(at), np.log(value), 0).best_criterion(effective)
    words = f"95 % percentile, pairs bootstrap by trial ({effective}), {resamples} resamples, seed {seed}"
    return _answer(
        problem.natural(found.theta),
        np.array(draws).reshape(len(draws), needed),
        {
            "objective_value": found.value,
            "gradient_norm": found.gradient,
            "starts": found.starts,
            "starts_agreed": found.agreed,
            "aicc": score,
            "aicc_unbroken": plain,
            "residual_rms": float(np.sqrt(np.mean(problem.residuals(found.theta) ** 2))),
        },
        words if resamples else "none asked for",
    )


def _answer(theta: Array, draws: Array, figures: dict[str, float], words: str) -> BrokenLaw:
    columns = draws.T if len(draws) else np.zeros((len(theta), 0))
    numbers = [
        Break(position=spread(float(theta[i]), columns[i]), change=float(theta[i + 1]), width=float(theta[i + 2]))
        for i in range(3, len(theta), 3)
    ]
    gain = figures["aicc_unbroken"] - figures["aicc"]
    reason = None
    if numbers and not gain > _EARNED:
        reason = f"the breaks do not earn their parameters: AICc {gain:+.1f} against no break, {_EARNED:g} needed"
        if not np.isfinite(gain):
            reason = "too few trials for AICc to judge a break"
    return BrokenLaw(
        floor=spread(float(theta[0]), columns[0]),
        factor=float(theta[1]),
        exponent=spread(float(theta[2]), columns[2]),
        breaks=tuple(numbers),
        objective_value=figures["objective_value"],
        gradient_norm=figures["gradient_norm"],
        starts=int(figures["starts"]),
        starts_agreed=int(figures["starts_agreed"]),
        aicc=figures["aicc"],
        aicc_unbroken=figures["aicc_unbroken"],
        residual_rms=figures["residual_rms"],
        interval_method=words,
        reason=reason,
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """theta = (a / least y, ln b at the middle, c0), then (ln d from the middle, c, ln f) of each break."""

    log_x: Array
    log_y: Array
    breaks: int
    middle: float = float("nan")
    least: float = float("nan")

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of ln x and least ln y of the full data, kept by resamples."""
        if np.isfinite(self.middle):
            return self.middle, self.least
        return float(0.5 * (self.log_x.min() + self.log_x.max())), float(self.log_y.min())

    def take(self, rows: NDArray[np.intp]) -> "_Problem":
        return _Problem(self.log_x[rows], self.log_y[rows], self.breaks, *self.centre)

    def residuals(self, theta: Array) -> Array:
        middle, least = self.centre
        x = self.log_x - middle
        power = theta[1] - theta[2] * x
        for d, c, log_f in theta[3:].reshape(-1, 3):
            f = np.exp(log_f)
            power = power - c * f * np.logaddexp(0, (x - d) / f)
        floor = np.log(np.maximum(theta[0], 1e-300)) + least
        return np.asarray(np.logaddexp(floor, np.clip(power, -700, 700)) - self.log_y, dtype=float)

    def bounds(self) -> tuple[Array, Array]:
        half = 0.5 * float(np.ptp(self.log_x))
        low, high = [0.0, -50.0, -3.0], [1.0, 50.0, 5.0]
        for _ in range(self.breaks):
            low, high = [*low, -half, -5.0, np.log(0.02)], [*high, half, 5.0, np.log(3.0)]
        return np.array(low), np.array(high)

    def starts(self) -> Array:
        """Solve for level and slopes by least squares on every choice of floor and places of breaks."""
        middle, least = self.centre
        x, half = self.log_x - middle, 0.5 * float(np.ptp(self.log_x))
        places = np.linspace(-0.7 * half, 0.7 * half, _PLACES)
        found = []
        for share, width in itertools.product(_FLOORS, _WIDTHS):
            rest = np.log(np.maximum(np.exp(self.log_y) - share * np.exp(least), 1e-3 * np.exp(least)))
            for chosen in itertools.combinations(places, self.breaks):
                hinges = [width * np.logaddexp(0, (x - d) / width) for d in chosen]
                basis = np.column_stack([np.ones_like(x), -x, *(-h for h in hinges)])
                solved = np.linalg.lstsq(basis, rest, rcond=None)[0]
                tail = [v for d, c in zip(chosen, solved[2:], strict=True) for v in (d, c, np.log(width))]
                found.append([share, solved[0], solved[1], *tail])
        return self._best(np.array(found))

    def _best(self, starts: Array, keep: int = 10) -> Array:
        low, high = self.bounds()
        values = [huber_sum(self.residuals(np.clip(s, low, high)), _DELTA) for s in starts]
        return starts[np.argsort(values, kind="stable")[:keep]]

    def natural(self, theta: Array) -> Array:
        """Return (a, b, c0), then (d, c, f) of each break by position, in the units of x and y."""
        middle, least = self.centre
        parts = sorted(tuple(row) for row in theta[3:].reshape(-1, 3))
        tail = [v for d, c, log_f in parts for v in (np.exp(d + middle), c, np.exp(log_f))]
        factor = np.exp(theta[1] + theta[2] * middle)
        return np.array([theta[0] * np.exp(least), factor, theta[2], *tail], dtype=float)

    def criterion(self, theta: Array, effective: int) -> float:
        """Return AICc at the least-squares optimum next to ``theta``."""
        low, high = self.bounds()
        squares = minimise(self.residuals, theta[None], _LEAST_SQUARES, low, high)
        return aicc(2 * squares.value, len(self.log_x), len(theta), effective)

    def best_criterion(self, effective: int) -> float:
        """Return AICc of this law from its own starts."""
        low, high = self.bounds()
        return self.criterion(minimise(self.residuals, self.starts(), _DELTA, low, high).theta, effective)
