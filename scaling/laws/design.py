"""How narrow the intervals of a planned ladder would be, and which ladder is narrowest for a training budget.

Under a prior law with known noise, the least-squares estimate of theta scatters by ``(J' S^-1 J)^-1``, J the slope of
ln L at the planned points and S their noise: runs are independent, horizons of one trunk share a part of theirs. That
is exact for small noise and cheap enough to compare thousands of ladders; ``simulate`` refits made-up studies to check
it. Spread of tokens per parameter decides: with one ratio alpha and beta cannot be told apart, whatever is spent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.laws.forms import SURFACE, Array, loss_at
from scaling.laws.frontier import FlopsPerToken, Surface, best_split

# Besiroglu et al. 2024 (2404.10102): Chinchilla's law refitted, checked by the project's own fitter.
PRIOR: Mapping[str, float] = {"E": 1.81722, "A": 477.83, "B": 2143.4, "alpha": 0.34731, "beta": 0.36717}
NOISE = 0.003  # standard deviation of log loss over seeds
TRUNK_SHARE = 0.7  # of the noise variance, common to all horizons of a run
_WIDTH = 2 * 1.959964  # standard deviations in a 95 % interval
_MIN_SIZES, _MIN_RATIO_SPREAD, _MIN_DECADES = 5, 3.0, 1.0
_ILL = 1e-10  # reciprocal condition number of the scaled information below which nothing is identified


@dataclass(frozen=True, slots=True)
class Cell:
    """One planned run: a size trained through its horizons, some seeds of it.

    Attributes:
        params: N.
        horizons: tokens at which a point is published, ascending; one trunk reaches the last.
        seeds: independent runs.
    """

    params: float
    horizons: tuple[float, ...]
    seeds: int = 1

    @property
    def flops(self) -> float:
        """Training compute of all seeds by 6ND."""
        return 6 * self.params * self.horizons[-1] * self.seeds


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """What a plan would learn.

    Attributes:
        flops: training compute of the plan, 6ND.
        a_width: width of the 95 % interval of a, the exponent of N*(C); ``None`` when refused.
        loss_width: relative width of the 95 % interval of the loss at the target, optimally split.
        target_flops: the target.
        warnings: what makes the plan a weak one, each with a remedy.
        reason: why there are no widths.
    """

    flops: float
    target_flops: float
    a_width: float | None = None
    loss_width: float | None = None
    warnings: tuple[str, ...] = ()
    reason: str | None = None


def expected_precision(
    cells: Sequence[Cell],
    target_flops: float,
    prior: Mapping[str, float] = PRIOR,
    *,
    noise: float = NOISE,
    trunk_share: float = TRUNK_SHARE,
) -> Precision:
    """Return the interval widths to expect from a plan, were the prior law true.

    Args:
        cells: the plan.
        target_flops: compute at which the loss is wanted.
        prior: E, A, B, alpha, beta.
        noise: standard deviation of log loss between seeds.
        trunk_share: share of the noise variance common to the horizons of one run.
    """
    flops = sum(cell.flops for cell in cells)
    warnings = plan_warnings(cells, prior)
    found = widths(cells, target_flops, prior, noise, trunk_share)
    if found is None:
        why = "the points cannot tell E, A, B, alpha and beta apart: spread sizes and tokens per parameter"
        return Precision(flops=flops, target_flops=target_flops, warnings=warnings, reason=why)
    a_width, loss_width = found
    return Precision(flops=flops, target_flops=target_flops, a_width=a_width, loss_width=loss_width, warnings=warnings)


def plan_warnings(cells: Sequence[Cell], prior: Mapping[str, float] = PRIOR) -> tuple[str, ...]:
    """Return what makes a plan ill-conditioned, each as a sentence with a remedy; empty for a sound one."""
    sizes = sorted({cell.params for cell in cells})
    points = [(cell.params, d) for cell in cells for d in cell.horizons]
    ratios = [d / n for n, d in points]
    found = []
    if len(sizes) < _MIN_SIZES:
        found.append(f"{len(sizes)} sizes: an exponent and a floor need at least {_MIN_SIZES}; add sizes")
    elif np.log10(sizes[-1] / sizes[0]) < _MIN_DECADES:
        found.append(f"sizes span less than {_MIN_DECADES:g} decade: exponents stay vague; widen the ladder")
    if max(ratios) < _MIN_RATIO_SPREAD * min(ratios):
        found.append("nearly one ratio of tokens per parameter: alpha and beta cannot be told apart; spread horizons")
    side = _one_sided(points, prior)
    if side is not None:
        found.append(side)
    if all(cell.seeds == 1 for cell in cells):
        found.append("no size has a second seed: the noise stays unknown; repeat the cheap sizes")
    return tuple(found)


def _one_sided(points: Sequence[tuple[float, float]], prior: Mapping[str, float]) -> str | None:
    n, d = np.array(points).T
    best = best_split(_surface(prior), 6 * n * d, FlopsPerToken.six_n()).params[0]
    if (n < best).all() or (n > best).all():
        which, remedy = ("small", "larger") if (n < best).all() else ("large", "smaller")
        return (
            f"every point is too {which} for its compute under the prior: no optimum is bracketed; add {remedy} sizes"
        )
    return None


def _surface(prior: Mapping[str, float]) -> Surface:
    return Surface(**{name: np.array([float(prior[name])]) for name in Surface.__slots__})


def widths(
    cells: Sequence[Cell], target: float, prior: Mapping[str, float], noise: float, share: float
) -> tuple[float, float] | None:
    """Return the widths of a and of ln L at the target by the delta method, or None where nothing is identified."""
    information = _information(cells, prior, noise, share)
    scale = np.sqrt(np.diag(information))
    if not (scale > 0).all():
        return None
    scaled = information / np.outer(scale, scale)
    values = np.linalg.eigvalsh(scaled)
    if values[0] < _ILL * values[-1]:
        return None
    covariance = np.linalg.inv(scaled) / np.outer(scale, scale)
    alpha, beta = float(prior["alpha"]), float(prior["beta"])
    of_a = np.array([0, 0, -beta, 0, alpha]) / (alpha + beta) ** 2
    best = best_split(_surface(prior), np.array([target]), FlopsPerToken.six_n())
    of_loss = log_slope(prior, best.params[0], best.tokens[0])[
        0
    ]  # the split is optimal, so its own shift costs nothing
    return _width(of_a, covariance), _width(of_loss, covariance)


def _width(direction: Array, covariance: Array) -> float:
    return float(_WIDTH * np.sqrt(direction @ covariance @ direction))


def log_slope(law: Mapping[str, float], params: Array, tokens: Array) -> Array:
    """Return d ln L / d (E, ln A, alpha, ln B, beta) at each point ``[n, 5]``."""
    terms = law["A"] * params ** -law["alpha"], law["B"] * tokens ** -law["beta"]
    loss = law["E"] + terms[0] + terms[1]
    columns = [np.ones_like(loss), terms[0], -terms[0] * np.log(params), terms[1], -terms[1] * np.log(tokens)]
    return np.asarray(np.column_stack(columns) / loss[:, None], dtype=float)


def _information(cells: Sequence[Cell], law: Mapping[str, float], noise: float, share: float) -> Array:
    """Return ``J' S^-1 J``; the noise of n horizons of one run is ``noise^2 ((1 - share) I + share 11')``.

    Its inverse is ``(I - share / (1 - share + n share) 11') / (noise^2 (1 - share))`` (Sherman & Morrison 1950).
    """
    counts = np.array([len(cell.horizons) for cell in cells])
    seeds = np.array([cell.seeds for cell in cells], dtype=float)
    params = np.repeat([cell.params for cell in cells], counts)
    slope = log_slope(law, params, np.concatenate([cell.horizons for cell in cells]))
    sums = np.add.reduceat(slope, np.cumsum(counts) - counts, axis=0)
    shared = sums.T @ (sums * (seeds * share / (1 - share + counts * share))[:, None])
    alone = slope.T @ (slope * np.repeat(seeds, counts)[:, None])
    return np.asarray((alone - shared) / ((1 - share) * noise**2), dtype=float)


def simulate(
    cells: Sequence[Cell],
    target_flops: float,
    truth: Mapping[str, float] = PRIOR,
    *,
    noise: float = NOISE,
    trunk_share: float = TRUNK_SHARE,
    studies: int = 100,
    seed: int = 0,
) -> Precision:
    """Make up studies of a plan, fit each, and return the widths within which 95 % of their answers lie.

    Every study is fitted by damped Gauss-Newton on the log loss from the truth, with E >= 0. A check of
    ``expected_precision`` at noise that is not small.

    Args:
        cells: the plan.
        target_flops: compute at which the loss is wanted.
        truth: E, A, B, alpha, beta of the made-up world.
        noise: standard deviation of log loss between seeds.
        trunk_share: share of the noise variance common to the horizons of one run.
        studies: made-up studies.
        seed: of the noise.
    """
    n, d, run = _points(cells)
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(studies, int(run.max()) + 1))[:, run]
    own = rng.normal(size=(studies, len(n)))
    noises = noise * (np.sqrt(trunk_share) * common + np.sqrt(1 - trunk_share) * own)
    losses = np.log(loss_at(dict(truth), SURFACE, N=n, D=d)) + noises
    laws = [_fit(truth, n, d, row) for row in losses]
    surface = Surface(**{name: np.array([law[name] for law in laws]) for name in Surface.__slots__})
    best = best_split(surface, np.array([target_flops]), FlopsPerToken.six_n())
    return Precision(
        flops=sum(cell.flops for cell in cells),
        target_flops=target_flops,
        a_width=_percentile_width(surface.beta / (surface.alpha + surface.beta)),
        loss_width=_percentile_width(np.log(best.loss[:, 0])),
        warnings=plan_warnings(cells, truth),
    )


def _percentile_width(values: Array) -> float:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(high - low)


def _points(cells: Sequence[Cell]) -> tuple[Array, Array, NDArray[np.intp]]:
    rows: list[tuple[float, float, int]] = []
    run = 0
    for cell in cells:
        for _ in range(cell.seeds):
            rows += [(cell.params, horizon, run) for horizon in cell.horizons]
            run += 1
    n, d, runs = np.array(rows).T
    return n, d, runs.astype(np.intp)


def _fit(start: Mapping[str, float], n: Array, d: Array, log_losses: Array, steps: int = 60) -> dict[str, float]:
    theta = np.array([start["E"], np.log(start["A"]), start["alpha"], np.log(start["B"]), start["beta"]])
    low = np.array([0.0, -np.inf, 1e-3, -np.inf, 1e-3])
    damping, law = 1e-3, _law(theta)
    residual = _residual(law, n, d, log_losses)
    for _ in range(steps):
        slope = log_slope(law, n, d)
        normal, pull = slope.T @ slope, slope.T @ residual
        stiff = normal + damping * np.diag(np.diag(normal)) + 1e-12 * np.eye(5)
        tried = np.maximum(theta - np.linalg.solve(stiff, pull), low)
        after = _residual(_law(tried), n, d, log_losses)
        if after @ after < residual @ residual:
            settled = np.abs(tried - theta).max() < 1e-9
            theta, law, residual, damping = tried, _law(tried), after, damping / 10
            if settled:
                break
        else:
            damping *= 10
    return law


def _law(theta: Array) -> dict[str, float]:
    e, a, alpha, b, beta = (float(v) for v in theta)
    return {"E": e, "A": float(np.exp(a)), "B": float(np.exp(b)), "alpha": alpha, "beta": beta}


def _residual(law: Mapping[str, float], n: Array, d: Array, log_losses: Array) -> Array:
    return np.asarray(np.log(loss_at(dict(law), SURFACE, N=n, D=d)) - log_losses, dtype=float)
