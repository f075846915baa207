"""Kaplan's joint law (Kaplan et al. 2020, 2001.08361, eq. 1.5): size and data limit the loss together, with no floor.

    L(N, D) = ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D

Beside Hoffmann's sum of terms it has no irreducible loss and one parameter less. Where both fit equally well inside
the data they still part beyond it, the joint law towards zero.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import NotEnoughData, UsageError
from scaling.laws.analysis import Interval
from scaling.laws.bootstrap import codes
from scaling.laws.forms import Array
from scaling.laws.robust import DELTA, minimise, spread, trial_rows

_NAMES = ("alpha_N", "alpha_D", "N_c", "D_c")
_EXPONENTS = (0.05, 0.1, 0.2, 0.4)  # starts of alpha_N and alpha_D, crossed
_LOW, _HIGH = (0.005, 0.005, -60.0, -60.0), (3.0, 3.0, 60.0, 60.0)
_KEEP = 8  # starts refined


@dataclass(frozen=True, slots=True, kw_only=True)
class JointLaw:
    """Kaplan's joint law, fitted.

    Attributes:
        params: ``alpha_N``, ``alpha_D``, ``N_c``, ``D_c`` with 95 % intervals.
        objective_value: sum of Huber's loss of the log residuals.
        gradient_norm: small means an optimum.
        starts, starts_agreed: starts tried, and those that met.
        n_points, n_trials: points fitted, and independent trials.
        residual_rms: of the log residuals.
        interval_method: in words.
    """

    params: dict[str, Interval]
    objective_value: float
    gradient_norm: float
    starts: int
    starts_agreed: int
    n_points: int
    n_trials: int
    residual_rms: float
    interval_method: str
    draws: tuple[tuple[float, ...], ...] = field(default=(), repr=False)


def joint_loss(alpha_n: float, alpha_d: float, n_c: float, d_c: float, params: Array, tokens: Array) -> Array:
    """Return the loss of eq. 1.5.

    Args:
        alpha_n: exponent of size.
        alpha_d: exponent of data.
        n_c: size scale.
        d_c: data scale, tokens.
        params: N.
        tokens: D.
    """
    size = alpha_n / alpha_d * (np.log(n_c) - np.log(params))
    return np.asarray(np.exp(alpha_d * np.logaddexp(size, np.log(d_c) - np.log(tokens))), dtype=float)


def fit_joint(
    params: ArrayLike,
    tokens: ArrayLike,
    losses: ArrayLike,
    trials: ArrayLike | None = None,
    *,
    delta: float = DELTA,
    resamples: int = 100,
    seed: int = 0,
) -> JointLaw:
    """Fit the four parameters from many starts.

    Args:
        params: N of each point.
        tokens: D of each point.
        losses: nats per token.
        trials: what is resampled together; left out, each point by itself.
        delta: where Huber's loss turns linear, in log loss.
        resamples: bootstrap resamples by trial; 0 for no intervals.
        seed: of the resampling.

    Raises:
        UsageError: lengths differ, or a value is not finite and above zero.
        NotEnoughData: no more points than parameters, or fewer than two sizes or horizons.
    """
    n, d, loss = (np.asarray(v, dtype=float).ravel() for v in (params, tokens, losses))
    if not len(n) == len(d) == len(loss) or not all((np.isfinite(v) & (v > 0)).all() for v in (n, d, loss)):
        raise UsageError("laws.bad_value", "params, tokens and losses must be as many, finite and above zero")
    if len(n) <= len(_NAMES) or min(len(np.unique(n)), len(np.unique(d))) < 2:
        what = (
            f"{len(n)} points, {len(np.unique(n))} sizes and {len(np.unique(d))} horizons for {len(_NAMES)} parameters"
        )
        raise NotEnoughData("laws.too_few_points", what, hint="add sizes or horizons to the sweep")
    labels = codes(np.arange(len(n)) if trials is None else np.asarray(trials))
    problem = _Problem(np.log(n), np.log(d), np.log(loss), float(np.log(n).mean()), float(np.log(d).mean()))
    low, high = np.array(_LOW), np.array(_HIGH)
    found = minimise(problem.residuals, problem.starts(), delta, low, high)
    draws = [
        problem.natural(minimise(problem.take(rows).residuals, found.theta[None], delta, low, high).theta)
        for rows in trial_rows(labels, resamples, seed)
    ]
    table = np.array(draws).reshape(len(draws), len(_NAMES))
    words = f"95 % percentile, pairs bootstrap by trial ({labels.max() + 1}), {resamples} resamples, seed {seed}"
    values = problem.natural(found.theta)
    return JointLaw(
        params={name: spread(float(v), column) for name, v, column in zip(_NAMES, values, table.T, strict=True)},
        objective_value=found.value,
        gradient_norm=found.gradient,
        starts=found.starts,
        starts_agreed=found.agreed,
        n_points=len(n),
        n_trials=int(labels.max()) + 1,
        residual_rms=float(np.sqrt(np.mean(problem.residuals(found.theta) ** 2))),
        interval_method=words if resamples else "none asked for",
        draws=tuple(tuple(float(v) for v in row) for row in table),
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """theta = (alpha_N, alpha_D, ln size's term, ln data's term), the terms at the middle of ln N and ln D."""

    log_n: Array
    log_d: Array
    log_loss: Array
    middle_n: float
    middle_d: float

    def take(self, rows: NDArray[np.intp]) -> "_Problem":
        return _Problem(self.log_n[rows], self.log_d[rows], self.log_loss[rows], self.middle_n, self.middle_d)

    def residuals(self, theta: Array) -> Array:
        alpha_n, alpha_d, size, data = theta
        terms = size - alpha_n / alpha_d * (self.log_n - self.middle_n), data - (self.log_d - self.middle_d)
        return np.asarray(alpha_d * np.logaddexp(*terms) - self.log_loss, dtype=float)

    def natural(self, theta: Array) -> Array:
        alpha_n, alpha_d, size, data = theta
        with np.errstate(over="ignore"):
            log_scales = [self.middle_n + size * alpha_d / alpha_n, self.middle_d + data]
            return np.asarray([alpha_n, alpha_d, *np.exp(log_scales)], dtype=float)

    def starts(self) -> Array:
        """Share the mean loss between size and data at several exponents; keep those that start lowest."""
        level, found = float(self.log_loss.mean()), []
        for alpha_n, alpha_d in itertools.product(_EXPONENTS, repeat=2):
            for share in (0.2, 0.5, 0.8):
                start = [alpha_n, alpha_d, level / alpha_d + np.log(share), level / alpha_d + np.log1p(-share)]
                found.append(np.clip(start, _LOW, _HIGH))
        cost = [float(np.abs(self.residuals(start)).sum()) for start in found]
        return np.array(found)[np.argsort(cost, kind="stable")[:_KEEP]]
