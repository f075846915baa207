"""Two steps ahead: compute to loss, loss to score (Bhagia et al. 2024, 2412.04403; Gadre et al. 2024, 2403.08540).

    loss  = E + K C^-g                        one path of training, such as a fixed number of tokens per parameter
    score = floor + (ceiling - floor) / (1 + exp(k (loss - m)))

Both steps are averaged over grids with their likelihood as weight, not fitted once: where the scores at hand have
hardly left their floor, every later course of the second step stays in the interval.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from scaling.errors import NotEnoughData, UsageError
from scaling.laws.analysis import Interval
from scaling.laws.emergence.curve import make_curve
from scaling.laws.forms import Array

_MIN_SIZES = 4
_FLOOR_SHARES = np.r_[0.0, np.linspace(0.1, 0.98, 45)]  # E over the least loss
_STEEPNESS = np.exp(np.linspace(np.log(0.3), np.log(60.0), 40))  # per nat
_DRAWS = 4000
_LINE_DRAWS = 1000
_LEAST_SCATTER = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreForecast:
    """A score that was not measured, foretold from smaller compute.

    Attributes:
        x: compute asked for.
        loss: loss there, 95 % interval.
        score: score there, 95 % interval; scatter of single runs included.
        factor: x over the largest x fitted.
        weak: why the second step says little, or ``None``.
    """

    x: float
    loss: Interval
    score: Interval
    factor: float
    weak: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackTest:
    """A forecast of what was then measured."""

    forecast: ScoreForecast
    seen: float

    @property
    def covered(self) -> bool:
        """Whether the interval held what was seen."""
        low, high = self.forecast.score.low, self.forecast.score.high
        return low is not None and high is not None and low <= self.seen <= high


def forecast_score(
    x: ArrayLike,
    loss: ArrayLike,
    score: ArrayLike,
    at: float,
    *,
    floor: float = 0.0,
    ceiling: float = 1.0,
    n_items: ArrayLike | None = None,
    seed: int = 0,
) -> ScoreForecast:
    """Forecast the score at a compute that was not trained.

    Args:
        x: compute of each row.
        loss: its loss, nats.
        score: its score.
        at: compute to forecast.
        floor: score of guessing.
        ceiling: best possible score.
        n_items: items behind each score.
        seed: of the draws.

    Raises:
        NotEnoughData: fewer than four sizes.
        UsageError: losses or x not above zero.
    """
    c, nats, y = (np.asarray(v, dtype=float).ravel() for v in (x, loss, score))
    if len(nats) != len(c) or not (np.isfinite(nats) & (nats > 0)).all() or not at > 0:
        raise UsageError("emergence.loss", "losses must be finite and above zero, one for each x")
    curve = make_curve(c, y, floor=floor, ceiling=ceiling, n_items=n_items)
    if curve.n < _MIN_SIZES:
        raise NotEnoughData("emergence.sizes", f"{curve.n} sizes; a forecast in two steps needs {_MIN_SIZES}")
    mean_loss = np.array([nats[c == v].mean() for v in curve.x])
    rng = np.random.default_rng(seed)
    losses, scatter = _losses(np.log(curve.x), mean_loss, float(np.log(at)), rng)
    scores = _scores(mean_loss, curve.y, curve.variance, losses, (floor, ceiling), rng)
    top = float((curve.y.max() - floor) / (ceiling - floor))
    told = f"no score is more than {top:.0%} of the way from its floor: the second step is open".replace("%", " %")
    return ScoreForecast(
        x=at,
        loss=_interval(losses * np.exp(scatter * rng.normal(size=_DRAWS))),
        score=_interval(scores),
        factor=at / float(curve.x.max()),
        weak=told if top < 0.1 else None,
    )


def back_test(
    x: ArrayLike, loss: ArrayLike, score: ArrayLike, *, floor: float = 0.0, ceiling: float = 1.0
) -> tuple[BackTest, ...]:
    """Forecast each of the largest sizes from all smaller ones, four at least.

    Args:
        x: compute of each row.
        loss: its loss, nats.
        score: its score.
        floor: score of guessing.
        ceiling: best possible score.
    """
    c, nats, y = (np.asarray(v, dtype=float).ravel() for v in (x, loss, score))
    tests = []
    for size in np.unique(c)[_MIN_SIZES:]:
        below, here = c < size, c == size
        told = forecast_score(c[below], nats[below], y[below], float(size), floor=floor, ceiling=ceiling)
        tests.append(BackTest(forecast=told, seen=float(y[here].mean())))
    return tuple(tests)


def _losses(log_x: Array, loss: Array, at: float, rng: np.random.Generator) -> tuple[Array, float]:
    """Draw losses at ``at`` from power laws with every floor that the points allow, and the scatter of one point."""
    basis = np.column_stack([np.ones_like(log_x), log_x - log_x.mean()])
    inverse = np.linalg.inv(basis.T @ basis)
    fits, errors = [], []
    for share in _FLOOR_SHARES:
        rest = np.log(loss - share * loss.min())
        beta = inverse @ basis.T @ rest
        fitted = share * loss.min() + np.exp(basis @ beta)
        fits.append(beta)
        errors.append(float((np.log(fitted / loss) ** 2).sum()))
    n = len(loss)
    variance = max(min(errors) / max(n - 3, 1), _LEAST_SCATTER**2)
    weight = np.exp(-0.5 * (np.array(errors) - min(errors)) / variance)
    picks = rng.choice(len(weight), size=_DRAWS, p=weight / weight.sum())
    target = np.array([1.0, at - log_x.mean()])
    spread = np.sqrt(variance * float(target @ inverse @ target))
    floors = _FLOOR_SHARES[picks] * loss.min()
    power = np.array(fits)[picks] @ target + spread * rng.normal(size=_DRAWS)
    return np.asarray(floors + np.exp(power), dtype=float), float(np.sqrt(variance))


@dataclass(frozen=True, slots=True)
class _Logistics:
    """Every second step that the points allow, on a grid: middle and steepness, weight, and scale of the errors."""

    middle: Array
    steepness: Array
    weight: Array
    scale: float

    @classmethod
    def through(cls, loss: Array, y: Array, variance: Array, ends: tuple[float, float]) -> "_Logistics":
        floor, ceiling = ends
        span = float(np.ptp(loss)) or 1.0
        middles = np.linspace(loss.min() - 2 * span, loss.max() + span, 90)
        m, k = (a.ravel() for a in np.meshgrid(middles, _STEEPNESS, indexing="ij"))
        grid = floor + (ceiling - floor) * expit(-k[:, None] * (loss - m[:, None]))
        chi2 = ((y - grid) ** 2 / variance).sum(axis=1)
        scale = max(1.0, float(chi2.min()) / max(len(y) - 2, 1))
        weight = np.exp(-0.5 * (chi2 - chi2.min()) / scale)
        return cls(m, k, weight / weight.sum(), scale)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return middles and steepnesses, as often as their weight says."""
        picks = rng.choice(len(self.weight), size=count, p=self.weight)
        return self.middle[picks], self.steepness[picks]


def _scores(
    loss: Array, y: Array, variance: Array, at: Array, ends: tuple[float, float], rng: np.random.Generator
) -> Array:
    """Draw scores at the drawn losses from every logistic that the points allow."""
    floor, ceiling = ends
    steps = _Logistics.through(loss, y, variance, ends)
    m, k = steps.draw(len(at), rng)
    mean = floor + (ceiling - floor) * expit(-k * (at - m))
    noise = np.sqrt(steps.scale * variance.mean()) * rng.normal(size=len(at))
    return np.asarray(np.clip(mean + noise, min(floor, 0.0), ceiling), dtype=float)


def score_line(
    x: ArrayLike,
    loss: ArrayLike,
    score: ArrayLike,
    at: ArrayLike,
    *,
    floor: float = 0.0,
    ceiling: float = 1.0,
    n_items: ArrayLike | None = None,
    seed: int = 0,
) -> tuple[Interval, ...]:
    """Return the second step alone: the mean score at some losses, with the 95 % interval of the curve.

    Args:
        x: compute of each row; rows of one compute are averaged.
        loss: its loss, nats.
        score: its score.
        at: losses to tell the score at.
        floor: score of guessing.
        ceiling: best possible score.
        n_items: items behind each score.
        seed: of the draws.
    """
    c, nats, y = (np.asarray(v, dtype=float).ravel() for v in (x, loss, score))
    curve = make_curve(c, y, floor=floor, ceiling=ceiling, n_items=n_items)
    mean_loss = np.array([nats[c == v].mean() for v in curve.x])
    steps = _Logistics.through(mean_loss, curve.y, curve.variance, (floor, ceiling))
    m, k = steps.draw(_LINE_DRAWS, np.random.default_rng(seed))
    places = np.asarray(at, dtype=float).ravel()
    lines = floor + (ceiling - floor) * expit(-k[:, None] * (places - m[:, None]))
    return tuple(_interval(column) for column in lines.T)


def _interval(draws: Array) -> Interval:
    low, middle, high = np.percentile(draws, [2.5, 50, 97.5])
    return Interval(value=float(middle), low=float(low), high=float(high))
