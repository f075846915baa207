"""The data-constrained law of Muennighoff et al. 2023 (2305.16264, section 3.1 and appendix A): repeated text fades.

``L = E + A / N'^alpha + B / D'^beta`` with effective data and effective parameters (eq. 5, 6):

    D' = U_D + U_D R_D* (1 - exp(-R_D / R_D*)),  R_D = D / U_D - 1
    N' = U_N + U_N R_N* (1 - exp(-R_N / R_N*)),  R_N = N / U_N - 1

U_D is unique tokens, U_N the parameters that are compute-optimal for them (at most N). A repeated token is worth almost
a fresh one at first; after about R_D* repetitions the rest adds little. The law saturates and never turns upward, so
runs that got worse with more epochs or more parameters are outside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError
from scaling.laws.analysis import Interval
from scaling.laws.bootstrap import codes
from scaling.laws.forms import Array
from scaling.laws.robust import DELTA, minimise, spread, trial_rows

# Fitted to Chinchilla's IsoFLOP curves on C4, alpha = beta tied; appendix A, eq. 17.
PUBLISHED: Mapping[str, float] = {
    "E": float(np.exp(0.6254804)),
    "A": float(np.exp(6.255414)),
    "B": float(np.exp(7.3049974)),
    "alpha": 0.3526596,
    "beta": 0.3526596,
}
PUBLISHED_DECAY = (15.387756, 5.309743)  # R_D*, R_N*
MAX_EPOCHS = 500.0  # beyond it the authors fitted nothing
_STARTS = (1.0, 4.0, 16.0, 64.0)  # of R_D* and R_N*, crossed
_LOW, _HIGH = 1e-2, 1e4  # bounds of R_D* and R_N*
_MIN_REPEATED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedFit:
    """The fitted data-constrained law.

    Attributes:
        law: E, A, B, alpha, beta.
        data_decay: R_D*, repetitions after which text is worn out; ``None`` when refused.
        params_decay: R_N*, the same of excess parameters.
        refitted: the law was fitted together with the decays, not given.
        objective_value: sum of Huber's loss of the log residuals.
        gradient_norm: small means an optimum.
        starts, starts_agreed: starts tried, and those that met.
        n_points, n_trials: runs fitted, and independent ones.
        residual_median: median absolute log residual.
        interval_method: in words.
        reason: why it is refused.
        warnings: what to doubt, in prose.
    """

    law: dict[str, float] = field(default_factory=dict)
    data_decay: Interval | None = None
    params_decay: Interval | None = None
    refitted: bool = False
    objective_value: float = float("nan")
    gradient_norm: float = float("nan")
    starts: int = 0
    starts_agreed: int = 0
    n_points: int = 0
    n_trials: int = 0
    residual_median: float = float("nan")
    interval_method: str = ""
    reason: str | None = None
    warnings: tuple[str, ...] = ()


def effective(unique: Array, seen: Array, decay: float | Array) -> Array:
    """Return effective data (or parameters): ``U + U R* (1 - exp(-(seen / U - 1) / R*))``, eq. 5."""
    return np.asarray(unique * (1 - decay * np.expm1(-(seen / unique - 1) / decay)), dtype=float)


def optimal_params(law: Mapping[str, float], unique: Array) -> Array:
    """Return the parameters for which ``unique`` tokens are the compute-optimal data (Hoffmann et al. 2022, eq. 4)."""
    alpha, beta = law["alpha"], law["beta"]
    log_ratio = np.log(alpha * law["A"]) - np.log(beta * law["B"])
    # At least one parameter: a resample may send the ratio beyond the range of floats.
    return np.asarray(np.exp(np.clip((log_ratio + beta * np.log(unique)) / alpha, 0.0, 600.0)), dtype=float)


def repeated_loss(
    law: Mapping[str, float], params: Array, tokens: Array, unique: Array, data_decay: float, params_decay: float
) -> Array:
    """Return the loss of the data-constrained law.

    Args:
        law: E, A, B, alpha, beta of fresh data.
        params: N.
        tokens: D, repetitions counted.
        unique: distinct tokens.
        data_decay: R_D*.
        params_decay: R_N*.
    """
    distinct = np.minimum(unique, tokens)
    useful = np.minimum(optimal_params(law, distinct), params)
    n, d = effective(useful, params, params_decay), effective(distinct, tokens, data_decay)
    return np.asarray(law["E"] + law["A"] / n ** law["alpha"] + law["B"] / d ** law["beta"], dtype=float)


def worth_of_epochs(data_decay: float, epochs: float) -> float:
    """Return what ``epochs`` passes are worth in passes over fresh text; 4 passes at R_D* = 15.39 are worth 3.73."""
    return float(effective(np.array(1.0), np.array(epochs), data_decay))


def usable(params: Array, tokens: Array, unique: Array, losses: Array) -> tuple[NDArray[np.bool_], dict[str, int]]:
    """Say which runs the law can be about, and how many each rule left out.

    Left out: more than 500 epochs; worse than the same size on the same text with fewer tokens (worn out), or than a
    smaller size at the same tokens and text (too many parameters).
    """
    n, d, u, loss = (np.asarray(v, dtype=float) for v in (params, tokens, unique, losses))
    same_text = u[:, None] == u
    worse = loss[:, None] > loss
    worn = (same_text & (n[:, None] == n) & (d[:, None] > d) & worse).any(axis=1)
    excess = (same_text & (d[:, None] == d) & (n[:, None] > n) & worse).any(axis=1)
    long = d / u > MAX_EPOCHS
    left = {
        f"more than {MAX_EPOCHS:g} epochs": int(long.sum()),
        "worse than fewer tokens": int((worn & ~long).sum()),
        "worse than a smaller size": int((excess & ~worn & ~long).sum()),
    }
    return ~(long | worn | excess), left


def fit_repeated(
    params: ArrayLike,
    tokens: ArrayLike,
    unique: ArrayLike,
    losses: ArrayLike,
    trials: ArrayLike | None = None,
    *,
    law: Mapping[str, float] | None = None,
    tied: bool = True,
    delta: float = DELTA,
    resamples: int = 100,
    seed: int = 0,
) -> RepeatedFit:
    """Fit R_D* and R_N*, with the law of fresh data given or fitted along.

    Args:
        params: N of each run.
        tokens: D, repetitions counted.
        unique: distinct tokens.
        losses: nats per token.
        trials: what is resampled together; left out, each run by itself.
        law: E, A, B, alpha, beta on fresh data, held fixed; ``None`` fits them on the same runs.
        tied: alpha = beta where the law is fitted along.
        delta: where Huber's loss turns linear, in log loss.
        resamples: bootstrap resamples; 0 for no intervals.
        seed: of the resampling.

    Raises:
        UsageError: lengths differ, or a value is not finite and above zero.
    """
    values = [np.asarray(v, dtype=float).ravel() for v in (params, tokens, unique, losses)]
    if len({len(v) for v in values}) > 1 or not all((np.isfinite(v) & (v > 0)).all() for v in values):
        raise UsageError("laws.bad_value", "params, tokens, unique tokens and losses must be as many, finite and > 0")
    labels = codes(np.arange(len(values[0])) if trials is None else np.asarray(trials))
    repeated = int((values[1] > values[2]).sum())
    needed = 2 + (0 if law is not None else 4 if tied else 5)
    if repeated < _MIN_REPEATED or len(values[0]) <= needed:
        return RepeatedFit(reason=f"{repeated} of {len(values[0])} runs repeat their text; {_MIN_REPEATED} needed")
    problem = _Problem(values[0], values[1], values[2], values[3], law, tied)
    found = minimise(problem.residuals, problem.starts(), delta, *problem.bounds())
    draws = problem.draws(found.theta, labels, delta, resamples, seed)
    fitted, (data, excess) = problem.natural(found.theta)
    words = f"95 % percentile, pairs bootstrap by trial ({labels.max() + 1}), {len(draws)} resamples, seed {seed}"
    return RepeatedFit(
        law=fitted,
        data_decay=spread(data, draws[:, 0]),
        params_decay=spread(excess, draws[:, 1]),
        refitted=law is None,
        objective_value=found.value,
        gradient_norm=found.gradient,
        starts=found.starts,
        starts_agreed=found.agreed,
        n_points=len(values[0]),
        n_trials=int(labels.max()) + 1,
        residual_median=float(np.median(np.abs(problem.residuals(found.theta)))),
        interval_method=words if resamples else "none asked for",
        warnings=tuple(_warnings(data, excess)),
    )


@dataclass(frozen=True, slots=True)
class _Problem:
    """theta = (ln R_D*, ln R_N*), then, where the law is fitted along, (ln E, ln A', ln B', alpha, beta if free).

    A' and B' are the terms at the geometric mean size and tokens, so that all of theta is of order one.
    """

    params: Array
    tokens: Array
    unique: Array
    losses: Array
    law: Mapping[str, float] | None
    tied: bool

    def take(self, rows: NDArray[np.intp]) -> "_Problem":
        kept = self.params[rows], self.tokens[rows], self.unique[rows], self.losses[rows]
        return _Problem(*kept, self.law, self.tied)

    def natural(self, theta: Array) -> tuple[dict[str, float], list[float]]:
        decays = [float(v) for v in np.exp(theta[:2])]
        if self.law is not None:
            return dict(self.law), decays
        log_n, log_d = float(np.log(self.params).mean()), float(np.log(self.tokens).mean())
        alpha, beta = float(theta[5]), float(theta[-1])
        factors = {"A": np.exp(theta[3] + alpha * log_n), "B": np.exp(theta[4] + beta * log_d)}
        law = {"E": float(np.exp(theta[2])), **{k: float(v) for k, v in factors.items()}, "alpha": alpha, "beta": beta}
        return law, decays

    def residuals(self, theta: Array) -> Array:
        law, (data, excess) = self.natural(theta)
        fitted = repeated_loss(law, self.params, self.tokens, self.unique, data, excess)
        return np.asarray(np.log(fitted) - np.log(self.losses), dtype=float)

    def starts(self) -> Array:
        decays = [[np.log(d), np.log(n)] for d in _STARTS for n in _STARTS]
        if self.law is not None:
            return np.array(decays)
        low = float(self.losses.min())
        level = [float(np.log(share * low)) for share in (0.8, 0.15, 0.15)]
        rest = [level + [p] * (1 if self.tied else 2) for p in (0.3, 0.5)]
        return np.array([d + r for d in decays[::3] for r in rest])

    def bounds(self) -> tuple[Array, Array]:
        low, high = [np.log(_LOW)] * 2, [np.log(_HIGH)] * 2
        if self.law is None:
            exponents = 1 if self.tied else 2
            low += [-5.0, -12.0, -12.0] + [0.01] * exponents
            high += [float(np.log(self.losses.min())), 6.0, 6.0] + [2.0] * exponents
        return np.array(low), np.array(high)

    def draws(self, theta: Array, labels: NDArray[np.intp], delta: float, resamples: int, seed: int) -> Array:
        found = []
        for rows in trial_rows(labels, resamples, seed):
            part = self.take(rows)
            if (part.tokens > part.unique).sum() >= _MIN_REPEATED:
                found.append(np.exp(minimise(part.residuals, theta[None], delta, *self.bounds()).theta[:2]))
        return np.array(found).reshape(-1, 2)


def _warnings(data: float, excess: float) -> list[str]:
    found = []
    for name, value in (("R_D*", data), ("R_N*", excess)):
        if not 2 * _LOW < value < _HIGH / 2:
            found.append(f"{name} ran to its bound: these runs do not tell when repetition stops helping.")
    return found
