"""Compute-optimal size and data at a budget, by exact FLOPs and by the 6ND rule.

With C = 6ND the optimum has the closed form of Hoffmann et al. 2022 (2203.15556, eq. 4). Exact FLOPs per token are
not 6N (attention, unembedding, embeddings that cost nothing), so there ``C = flops_per_token(N) D`` with a smooth
curve through the sizes of the sweep, and the stationary point is found numerically, for all draws at once.
"""

from dataclasses import dataclass

import numpy as np

from scaling.errors import NotEnoughData
from scaling.laws.analysis import Fit, Interval, OptimumRow
from scaling.laws.bootstrap import interval
from scaling.laws.forms import SURFACE, Array, loss_at

EXACT = "exact training FLOPs"
ROUGH = "6ND"
MAX_EXTRAPOLATION = 100.0  # times the largest fitted compute; beyond it nothing is said
_HALF_DECADES = (-4, 4)  # budgets: half decades around the largest fitted compute
_STEPS = 80  # bisections alone would need about sixty
_REPRESENTABLE = 700.0  # ln of what a float can hold
_EXACT_ENOUGH = 1e-12  # in ln N
_REACH = 80.0  # natural logs beyond the sizes of the sweep in which an optimum is looked for


@dataclass(frozen=True, slots=True)
class FlopsPerToken:
    """ln(training FLOPs per token) against ln N: a parabola inside the data, its tangents outside.

    Attributes:
        coefficients: of the parabola in ``ln N - middle``, constant first.
        middle: centre of ln N.
        low, high: ends of ln N in the data.
        convention: ``exact training FLOPs`` or ``6ND``.
    """

    coefficients: tuple[float, float, float]
    middle: float
    low: float
    high: float
    convention: str

    @classmethod
    def six_n(cls) -> "FlopsPerToken":
        """Return the 6N rule: a straight line of slope one."""
        return cls((float(np.log(6.0)), 1.0, 0.0), 0.0, -np.inf, np.inf, ROUGH)

    @classmethod
    def through(cls, params: Array, flops_per_token: Array) -> "FlopsPerToken":
        """Fit the curve to the sizes of a sweep (least squares in logs).

        Raises:
            NotEnoughData: fewer than three sizes, or FLOPs that fall with size.
        """
        sizes, index = np.unique(params, return_index=True)
        if len(sizes) < 3:
            raise NotEnoughData("laws.few_sizes", f"FLOPs against size need 3 sizes, there are {len(sizes)}")
        x, y = np.log(sizes), np.log(flops_per_token[index])
        middle = float(x.mean())
        degree = 2 if len(sizes) > 3 else 1
        fitted = np.polynomial.polynomial.polyfit(x - middle, y, degree)
        padded = np.concatenate([fitted, np.zeros(3 - len(fitted))])
        curve = cls((padded[0], padded[1], padded[2]), middle, float(x[0]), float(x[-1]), EXACT)
        if curve.slope(x).min() <= 0:
            raise NotEnoughData("laws.flops_fall", "FLOPs per token do not rise with size in these points")
        return curve

    def slope(self, log_n: Array) -> Array:
        """Return d ln(FLOPs per token) / d ln N."""
        _, b, c = self.coefficients
        return np.asarray(b + 2 * c * (np.clip(log_n, self.low, self.high) - self.middle))

    def bend(self, log_n: Array) -> Array:
        """Return the second derivative of ln(FLOPs per token)."""
        inside = (log_n > self.low) & (log_n < self.high)
        return np.where(inside, 2 * self.coefficients[2], 0.0)

    def log_value(self, log_n: Array) -> Array:
        """Return ln(FLOPs per token)."""
        a, b, c = self.coefficients
        inside = np.clip(log_n, self.low, self.high) - self.middle
        beyond = log_n - self.middle - inside
        return np.asarray(a + b * inside + c * inside**2 + self.slope(log_n) * beyond)


@dataclass(frozen=True, slots=True)
class Optimum:
    """Best split of each budget under each draw; arrays ``[draws, budgets]``."""

    params: Array
    tokens: Array
    loss: Array


@dataclass(frozen=True, slots=True)
class Surface:
    """Parameters of L(N,D), one value per draw ``[draws]``."""

    E: Array
    A: Array
    B: Array
    alpha: Array
    beta: Array

    @classmethod
    def of(cls, fit: Fit) -> "Surface":
        """Return the point fit in row 0 and its draws after it."""
        names = list(fit.params)
        rows = np.array([[p.value for p in fit.params.values()], *fit.draws], dtype=float)
        columns = {name: rows[:, names.index(name)] for name in names}
        return cls(**{"E": np.zeros(len(rows)), **columns})

    @property
    def point(self) -> "Surface":
        """The point fit alone."""
        return Surface(*(getattr(self, name)[:1] for name in Surface.__slots__))

    def loss(self, params: Array, tokens: Array) -> Array:
        """Return the loss; N and D are ``[draws, …]`` or scalars."""
        columns = {name: getattr(self, name)[:, None] for name in Surface.__slots__}
        return loss_at(columns, SURFACE, N=params, D=tokens)


def best_split(surface: Surface, budgets: Array, flops: FlopsPerToken) -> Optimum:
    """Minimise L(N, C / flops_per_token(N)) over N for every draw and budget.

    Budgets are common to all draws ``[budgets]``, or one per draw ``[draws, 1]``.
    A draw whose loss does not depend on N or D (exponent or factor zero) has no optimum: its row is NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        pull_n = np.log(surface.alpha * surface.A)[:, None]
        pull_d = np.log(surface.beta * surface.B)[:, None]
        alpha, beta = surface.alpha[:, None], surface.beta[:, None]
        log_c = np.atleast_2d(np.log(budgets))
        if np.isinf(flops.low):
            log_n = (pull_n - pull_d + beta * (log_c - np.log(6.0))) / (alpha + beta)
        else:
            log_n = _stationary(pull_n - pull_d, alpha, beta, log_c, flops)
        log_d = log_c - flops.log_value(log_n)
        some = (np.abs(log_n) < _REPRESENTABLE) & (np.abs(log_d) < _REPRESENTABLE)  # else the best is 0 or no end
        params, tokens = (np.exp(np.where(some, log, np.nan)) for log in (log_n, log_d))
        return Optimum(params, tokens, surface.loss(params, tokens))


def _stationary(pull: Array, alpha: Array, beta: Array, log_c: Array, flops: FlopsPerToken) -> Array:
    """Find where the gain of more parameters equals the gain of more tokens: Newton inside a shrinking bracket."""
    shape = np.broadcast_shapes(pull.shape, log_c.shape)
    low, high = np.full(shape, flops.low - _REACH), np.full(shape, flops.high + _REACH)
    log_n = np.full(shape, flops.middle)
    for _ in range(_STEPS):
        slope = flops.slope(log_n)
        excess = pull - alpha * log_n + beta * (log_c - flops.log_value(log_n)) - np.log(slope)
        low, high = np.where(excess > 0, log_n, low), np.where(excess > 0, high, log_n)
        newton = log_n + excess / (alpha + beta * slope + flops.bend(log_n) / slope)
        inside = (newton > low) & (newton < high)
        previous, log_n = log_n, np.where(inside, newton, 0.5 * (low + high))
        if np.nanmax(np.abs(log_n - previous), initial=0.0) < _EXACT_ENOUGH:
            break
    ends = (log_n < flops.low - _REACH + 1e-6) | (log_n > flops.high + _REACH - 1e-6)
    return np.where(ends | ~np.isfinite(pull), np.nan, log_n)


def budgets_around(smallest: float, largest: float) -> Array:
    """Return budgets in half decades from the data's own range to 100x the largest fitted compute."""
    low, high = _HALF_DECADES
    steps = largest * 10.0 ** (np.arange(low, high + 1) / 2)
    return np.asarray(steps[(steps >= smallest) & (steps <= largest * MAX_EXTRAPOLATION * (1 + 1e-9))])


def rows(fit: Fit, budgets: Array, largest: float, flops: FlopsPerToken) -> list[OptimumRow]:
    """Return the frontier with 95 % intervals from the draws of L(N,D).

    Args:
        fit: of L(N,D).
        budgets: training FLOPs.
        largest: largest fitted compute in the same convention.
        flops: convention.
    """
    found = best_split(Surface.of(fit), budgets, flops)
    return [
        OptimumRow(
            flops=float(c),
            params=_spread(found.params[:, i]),
            tokens=_spread(found.tokens[:, i]),
            tokens_per_param=_spread(found.tokens[:, i] / found.params[:, i]),
            loss=_spread(found.loss[:, i]),
            extrapolation_factor=float(c) / largest,
            flops_convention=flops.convention,
        )
        for i, c in enumerate(budgets)
        if np.isfinite(found.params[0, i])
    ]


def _spread(column: Array) -> Interval:
    return interval(float(column[0]), column[1:])
