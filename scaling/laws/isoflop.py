"""Approach 2 of Hoffmann et al. 2022 (2203.15556, section 3.2): IsoFLOP profiles and the power laws of their minima.

At each budget the loss is drawn against ln N; the minimum gives N*(C), and the tokens that the budget then buys give
D*(C). Lines through their logarithms give the exponents a and b. A profile that does not show its minimum is refused
with the reason: too few sizes, no convex curve, or a minimum at the edge.

Intervals: wild bootstrap by trial. Every profile is a linear least-squares problem on few sizes; dropping trials, as
pairs do, would often drop the minimum itself. Residuals of one trial change sign and size together, by the six-point
weights of Webb 2023 (10.1111/caje.12661), which stay honest for few trials, and are raised by their leverage and by
Student's t for the degrees of freedom that all profiles leave together.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from scaling.errors import UsageError
from scaling.laws.allocation import MIN_OPTIMA, Path, too_narrow
from scaling.laws.analysis import Interval
from scaling.laws.bootstrap import interval
from scaling.laws.forms import Array
from scaling.laws.profiles import METHODS, least_point, smooth
from scaling.laws.trunks import MIN_SIZES, Points, Trunk, common_budgets, grid, trunks
from scaling.units import format_flops, format_si

WINDOW = 4.0  # sizes within this factor of the best one enter a profile's curve
_LOST = 0.1  # share of draws without a minimum beyond which an interval would be about the lucky ones
_WEBB = np.sqrt([1.5, 1.0, 0.5])


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One IsoFLOP profile.

    Attributes:
        flops: its budget.
        sizes, losses: the points it is drawn from, smallest size first.
        used: how many of them lie in the window.
        params, tokens, loss: at the minimum; ``None`` when the profile is refused.
        lost: share of the bootstrap draws that have no minimum between the sizes.
        reason: why it is refused.
    """

    flops: float
    sizes: tuple[float, ...]
    losses: tuple[float, ...]
    used: int
    params: Interval | None = None
    tokens: Interval | None = None
    loss: Interval | None = None
    lost: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IsoFlop:
    """Approach 2 as a whole.

    Attributes:
        method: ``parabola``, ``cubic`` or ``akima``.
        flops_convention: of the budgets.
        profiles: every budget, the refused ones with their reason.
        a, b: exponents of N*(C) and D*(C); ``None`` with fewer than three accepted profiles.
        reason: why there are no exponents.
        interval_method: in words.
        path: the fitted power laws with their draws.
    """

    method: str
    flops_convention: str
    profiles: tuple[Profile, ...]
    a: Interval | None = None
    b: Interval | None = None
    reason: str | None = None
    interval_method: str = ""
    path: Path | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Minimum:
    """ln N*, ln D* and L* of a profile under the point estimate and every draw ``[R + 1]``."""

    log_n: Array
    log_d: Array
    loss: Array


def isoflop(
    params: ArrayLike,
    tokens: ArrayLike,
    losses: ArrayLike,
    trials: ArrayLike | None = None,
    *,
    flops: ArrayLike | None = None,
    budgets: ArrayLike | None = None,
    method: str = "parabola",
    window: float | None = WINDOW,
    checked: bool = True,
    resamples: int = 1000,
    seed: int = 0,
) -> IsoFlop:
    """Find the minimum of every IsoFLOP profile and the power laws through them.

    Args:
        params: parameters N of each annealed evaluation.
        tokens: its training tokens D.
        losses: its loss, nats per token.
        trials: its training run; left out, each point is its own.
        flops: training FLOPs; left out, 6ND.
        budgets: where to compare sizes; left out, the budgets that at least five cells share, or else up to
            seven between the horizons of the trunks.
        method: the curve.
        window: sizes further than this factor from the lowest loss stay out of the curve, as long as five remain;
            ``None`` keeps all.
        checked: refuse profiles that do not bracket their minimum. ``False`` shows what taking every vertex does.
        resamples: bootstrap draws; 0 for no intervals.
        seed: of the draws.

    Raises:
        UsageError: unknown method, lengths differ, or a value is not finite and above zero.
    """
    points = Points.of(params, tokens, losses, trials, flops)
    return isoflop_points(
        points, budgets, method=method, window=window, checked=checked, resamples=resamples, seed=seed
    )


def isoflop_points(
    points: Points,
    budgets: ArrayLike | None = None,
    *,
    method: str = "parabola",
    window: float | None = WINDOW,
    checked: bool = True,
    resamples: int = 1000,
    seed: int = 0,
) -> IsoFlop:
    """Do as ``isoflop`` on checked points. Raises ``UsageError`` on an unknown method."""
    if method not in METHODS:
        raise UsageError("laws.isoflop_method", f"{method!r} is no curve", hint=f"one of {', '.join(METHODS)}")
    parts = trunks(points.params, points.flops, points.losses, points.trials)
    chosen = common_budgets(parts, points.flops) if budgets is None else np.asarray(budgets, dtype=float).ravel()
    if not len(chosen):
        why = f"no budget is reached by {MIN_SIZES} sizes: give them a common budget, or more horizons"
        return IsoFlop(method=method, flops_convention=points.convention, profiles=(), reason=why)
    cells = [_Cells.of(parts, float(budget), window) for budget in chosen]
    run = _Run(points, method, checked, _wild(points, cells, method, resamples, seed))
    found = [run.profile(at) for at in cells]
    return _gather(run, [p for p, _ in found], [(p.flops, m) for p, m in found if m is not None], resamples, seed)


def _gather(
    run: "_Run", profiles: list[Profile], minima: list[tuple[float, _Minimum]], resamples: int, seed: int
) -> IsoFlop:
    base = IsoFlop(method=run.method, flops_convention=run.points.convention, profiles=tuple(profiles))
    if len(minima) < MIN_OPTIMA:
        told = "; ".join(dict.fromkeys(f"{format_flops(p.flops)}: {p.reason}" for p in profiles if p.reason))
        why = f"{len(minima)} of {len(profiles)} profiles show a minimum, exponents need {MIN_OPTIMA}"
        return replace(base, reason=f"{why} ({told})" if told else why)
    log_c = np.log([budget for budget, _ in minima])
    if (narrow := too_narrow(log_c)) is not None:
        return replace(base, reason=narrow)
    log_n, log_d, loss = (np.column_stack([getattr(m, part) for _, m in minima]) for part in _Minimum.__slots__)
    path = Path.through(log_c, log_n, log_d, loss, float(run.points.flops.max()))
    words = f"95 % percentile, wild bootstrap by trial ({run.points.trials.max() + 1}), {resamples} draws, seed {seed}"
    return replace(base, a=path.a, b=path.b, path=path, interval_method=words if resamples else "none asked for")


@dataclass(frozen=True, slots=True)
class _Cells:
    """The points of one profile, smallest size first, and which of them lie in the window."""

    budget: float
    x: Array
    losses: Array
    trials: NDArray[np.intp]
    near: NDArray[np.bool_]

    @classmethod
    def of(cls, parts: tuple[Trunk, ...], budget: float, window: float | None) -> "_Cells":
        at = grid(parts, np.log([budget]))[:, 0]
        there = sorted(np.flatnonzero(np.isfinite(at)), key=lambda i: parts[i].log_n)
        x = np.array([parts[i].log_n for i in there])
        losses = np.exp(at[there])
        trials = np.array([parts[i].trial for i in there], dtype=np.intp)
        return cls(budget, x, losses, trials, _within(x, losses, window))

    @property
    def inside(self) -> tuple[Array, Array, NDArray[np.intp]]:
        """The points in the window."""
        return self.x[self.near], self.losses[self.near], self.trials[self.near]

    @property
    def sizes(self) -> int:
        """Distinct sizes in the window."""
        return len(np.unique(self.x[self.near]))


def _wild(points: Points, cells: list[_Cells], method: str, resamples: int, seed: int) -> Array:
    """Return by what each draw multiplies the residuals of each trial ``[R, trials]``."""
    shape = (resamples, int(points.trials.max()) + 1)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(_WEBB, size=shape) * rng.choice([-1.0, 1.0], size=shape)
    free = sum(smooth(*at.inside[:2], method)[2] for at in cells if at.sizes >= MIN_SIZES)
    return np.asarray(drawn * stdtrit(max(free, 1), 0.975) / ndtri(0.975), dtype=float)


@dataclass(frozen=True, slots=True)
class _Run:
    points: Points
    method: str
    checked: bool
    factors: Array

    def profile(self, cells: _Cells) -> tuple[Profile, _Minimum | None]:
        """Return the profile at one budget, with its minimum when it is accepted."""
        shown = Profile(
            flops=cells.budget,
            sizes=tuple(np.exp(cells.x).tolist()),
            losses=tuple(cells.losses.tolist()),
            used=int(cells.near.sum()),
        )
        if cells.sizes < MIN_SIZES:
            return replace(shown, reason=f"{cells.sizes} sizes, {MIN_SIZES} needed"), None
        found = self._minimum(cells)
        vertex = float(found.log_n[0])
        reason = _fault(cells, vertex) if self.checked else _not_convex(vertex)
        if reason is not None:
            return replace(shown, reason=reason), None
        return _accepted(shown, found), found

    def _minimum(self, cells: _Cells) -> _Minimum:
        x, losses, trials = cells.inside
        fitted, residual, _ = smooth(x, losses, self.method)
        drawn = fitted + residual * self.factors[:, trials]
        seen, smooth_one, draws = (least_point(x, rows, self.method) for rows in (losses[None], fitted[None], drawn))
        # Draws scatter around the smooth curve's minimum; Akima's own, through every loss, lies elsewhere.
        log_n, loss = (np.append(s, s + d - f) for s, f, d in zip(seen, smooth_one, draws, strict=True))
        if self.checked:
            outside = (log_n < x.min()) | (log_n > x.max())
            log_n, loss = np.where(outside, np.nan, log_n), np.where(outside, np.nan, loss)
        log_d = np.log(cells.budget) - self.points.flops_per_token.log_value(log_n)
        return _Minimum(log_n, log_d, loss)


def _within(x: Array, losses: Array, window: float | None) -> NDArray[np.bool_]:
    """Say which points enter the curve: those near the best size, but never fewer than the five nearest sizes."""
    if window is None or not len(x):
        return np.ones(len(x), dtype=bool)
    away = np.abs(x - x[losses.argmin()])
    nearest = np.sort(away[np.unique(x, return_index=True)[1]])
    reach = max(float(np.log(window)), float(nearest[min(MIN_SIZES, len(nearest)) - 1]))
    return np.asarray(away <= reach + 1e-9, dtype=bool)


def _fault(cells: _Cells, vertex: float) -> str | None:
    """Say why a profile does not show its minimum."""
    sizes, code = np.unique(cells.x, return_inverse=True)
    means = np.bincount(code, cells.losses) / np.bincount(code)
    lowest = int(means.argmin())
    if lowest in (0, len(sizes) - 1):
        side, remedy = ("smallest", "smaller") if lowest == 0 else ("largest", "larger")
        size = format_si(float(np.exp(sizes[lowest])))
        return f"one-sided: the {side} size, {size}, has the lowest loss; add {remedy} sizes"
    return _not_convex(vertex)


def _not_convex(vertex: float) -> str | None:
    return None if np.isfinite(vertex) else "not convex: no minimum between the sizes; repeat or widen it"


def _accepted(profile: Profile, found: _Minimum) -> Profile:
    draws = found.log_n[1:]
    lost = float(np.mean(~np.isfinite(draws))) if len(draws) else 0.0
    params, tokens, loss = (_spread(v, lost) for v in (np.exp(found.log_n), np.exp(found.log_d), found.loss))
    return replace(profile, params=params, tokens=tokens, loss=loss, lost=lost)


def _spread(column: Array, lost: float) -> Interval:
    return interval(float(column[0]), column[1:] if lost <= _LOST else column[:0])
