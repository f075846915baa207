"""Compute-optimal size, data and loss by the three approaches of Hoffmann et al. 2022 (2203.15556), side by side.

1 is the envelope of annealed points, 2 the minima of IsoFLOP profiles, 3 the fitted surface L(N,D). Each is given by
exact training FLOPs and by the 6ND rule. An approach that the points do not carry says why instead of guessing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from scaling.errors import NotEnoughData
from scaling.laws.allocation import Path
from scaling.laws.analysis import Allocation, Analysis, Approach, Fit, Interval
from scaling.laws.bootstrap import interval
from scaling.laws.envelope import envelope_points
from scaling.laws.forms import SURFACE, Array, loss_at
from scaling.laws.frontier import EXACT, ROUGH, Surface, best_split, budgets_around
from scaling.laws.isoflop import WINDOW, isoflop_points
from scaling.laws.selection import Cuts, select
from scaling.laws.trunks import Points
from scaling.units import format_flops

ENVELOPE, PROFILES, PARAMETRIC = "1 envelope", "2 IsoFLOP", "3 parametric"
_WORTH_SAYING = 0.01  # relative bias of D* below which approach 2 needs no warning
_PATH_POINTS = 9  # budgets through which the exponents of approach 3 are read


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileBias:
    """Systematic error of approach 2 on one design, were the fitted surface the truth.

    Attributes:
        target_flops: budget at which it is judged.
        params_error: N* of approach 2 over the true N*, less one; ``None`` when approach 2 refuses the design.
        tokens_error: the same of D*.
        a_error: its exponent a less the true one.
        reason: why there is none.
    """

    target_flops: float
    params_error: float | None = None
    tokens_error: float | None = None
    a_error: float | None = None
    reason: str | None = None

    @property
    def sentence(self) -> str | None:
        """A warning for people; ``None`` where the bias is below 1 % or unknown."""
        if self.tokens_error is None or self.a_error is None or abs(self.tokens_error) < _WORTH_SAYING:
            return None
        side = "low" if self.tokens_error < 0 else "high"
        return (
            f"On this design approach 2 would put D* at {format_flops(self.target_flops)} "
            f"{abs(self.tokens_error):.1%} too {side} (a off by {self.a_error:+.3f}) even without noise, were the "
            "fitted L(N,D) the truth: the curve is not the profile's shape, or the profiles are not centred. "
            "Prefer approach 3, or a cubic and a narrower window."
        )


def compute_optimal(
    points: pd.DataFrame,
    analysis: Analysis,
    budgets: ArrayLike | None = None,
    *,
    cuts: Cuts | None = None,
    params: str = "total",
    method: str = "parabola",
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Approach, ...]:
    """Put approaches 1, 2 and 3 side by side, by exact FLOPs and by 6ND.

    Args:
        points: the points that ``analysis`` was made of, in its columns.
        analysis: of those points; its L(N,D) is approach 3.
        budgets: training FLOPs; left out, half decades up to a hundred times the largest of the points.
        cuts: those of the analysis.
        params: the parameter count of the analysis.
        method: curve of approach 2.
        resamples: bootstrap draws of approaches 1 and 2.
        seed: of the draws.

    Returns:
        Six approaches: 1, 2, 3 by exact FLOPs, then by 6ND.

    Raises:
        UsageError: a column is absent, the losses do not compare, or the method is unknown.
    """
    used = select(points, cuts or Cuts(), params).used
    fit, why = analysis.fits.get("L(N,D)"), analysis.missing.get("L(N,D)", "L(N,D) was not fitted")
    return side_by_side(used, fit, why, budgets, method=method, resamples=resamples, seed=seed)


def side_by_side(
    used: pd.DataFrame,
    fit: Fit | None,
    why_no_fit: str,
    budgets: ArrayLike | None = None,
    *,
    method: str = "parabola",
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[Approach, ...]:
    """Return the six approaches through selected points; the arguments are those of ``compute_optimal``.

    Args:
        used: points as ``selection`` gives them.
        fit: L(N,D) through them, approach 3; ``None`` when it could not be fitted.
        why_no_fit: the reason then.
        budgets: training FLOPs.
        method: curve of approach 2.
        resamples: bootstrap draws of approaches 1 and 2.
        seed: of the draws.
    """
    found: list[Approach] = []
    for exact in (True, False):
        chosen = _points(used, exact)
        if chosen is None:
            names, convention = (ENVELOPE, PROFILES, PARAMETRIC), EXACT if exact else ROUGH
            found += [Approach(name=n, flops_convention=convention, reason="no points to fit") for n in names]
            continue
        low, high = float(chosen.flops.min()), float(chosen.flops.max())
        asked = budgets_around(low, high) if budgets is None else np.asarray(budgets, dtype=float).ravel()
        study = _Study(chosen, fit, why_no_fit, asked, method, resamples, seed)
        found += [study.by_envelope(), study.by_profiles(), study.by_surface()]
    return tuple(found)


def _points(used: pd.DataFrame, exact: bool) -> Points | None:
    if used.empty:
        return None
    n, d, loss = (used[c].to_numpy(dtype=float) for c in ("params", "tokens", "loss_nats"))
    flops = used["flops_train"].to_numpy(dtype=float) if exact else None
    return Points.of(n, d, loss, used["trial"].astype(str).to_numpy(), flops, EXACT)


@dataclass(frozen=True, slots=True)
class _Study:
    points: Points
    fit: Fit | None
    why_no_fit: str
    budgets: Array
    method: str
    resamples: int
    seed: int

    def by_envelope(self) -> Approach:
        try:
            found = envelope_points(self.points, resamples=self.resamples, seed=self.seed)
        except NotEnoughData as error:  # exact FLOPs against size cannot be told
            return self._approach(ENVELOPE, None, error.what, "")
        return self._approach(ENVELOPE, found.path, found.reason, found.interval_method)

    def by_profiles(self) -> Approach:
        try:
            found = isoflop_points(self.points, method=self.method, resamples=self.resamples, seed=self.seed)
        except NotEnoughData as error:
            return self._approach(PROFILES, None, error.what, "")
        approach = self._approach(PROFILES, found.path, found.reason, found.interval_method)
        return approach if found.path is None or self.fit is None else self._with_bias(approach, self.fit)

    def by_surface(self) -> Approach:
        if self.fit is None:
            return self._approach(PARAMETRIC, None, self.why_no_fit, "")
        try:
            path, rows = surface_path(self.fit, self.points, self.budgets)
        except NotEnoughData as error:
            return self._approach(PARAMETRIC, None, error.what, "")
        return Approach(
            name=PARAMETRIC,
            flops_convention=self.points.convention,
            a=path.a,
            b=path.b,
            rows=rows,
            interval_method=self.fit.interval_method,
        )

    def _with_bias(self, approach: Approach, fit: Fit) -> Approach:
        law = {name: p.value for name, p in fit.params.items()}
        bias = profile_bias(law, self.points, float(self.budgets.max()), method=self.method)
        warnings = () if bias.sentence is None else (bias.sentence,)
        return replace(approach, bias=bias.tokens_error, warnings=warnings)

    def _approach(self, name: str, path: Path | None, reason: str | None, words: str) -> Approach:
        convention = self.points.convention
        if path is None:
            return Approach(name=name, flops_convention=convention, reason=reason)
        return Approach(
            name=name,
            flops_convention=convention,
            a=path.a,
            b=path.b,
            rows=tuple(path.at(float(c)) for c in self.budgets),
            interval_method=words,
        )


def surface_path(fit: Fit, points: Points, budgets: Array) -> tuple[Path, tuple[Allocation, ...]]:
    """Return the optimal path of a fitted L(N,D): its exponents over the compute of the points, and its rows.

    By 6ND the path is a straight line with a = beta / (alpha + beta) (eq. 4); by exact FLOPs it bends a little, and a
    and b are the slopes of the straight line through it.

    Raises:
        NotEnoughData: the fitted surface does not fall with both N and D.
    """
    flops, largest = points.flops_per_token, float(points.flops.max())
    surface = Surface.of(fit)
    inside = np.geomspace(float(points.flops.min()), largest, _PATH_POINTS)
    seen, asked = (best_split(surface, c, flops) for c in (inside, budgets))
    if not np.isfinite(seen.params[0]).all():
        raise NotEnoughData("laws.no_optimum", "the fitted L(N,D) does not fall with both N and D, so no split is best")
    path = Path.through(np.log(inside), np.log(seen.params), np.log(seen.tokens), seen.loss, largest)
    columns = zip(budgets, asked.params.T, asked.tokens.T, asked.loss.T, strict=True)
    rows = tuple(_row(float(c), n, d, loss, largest) for c, n, d, loss in columns)
    return path, rows


def _row(budget: float, params: Array, tokens: Array, loss: Array, largest: float) -> Allocation:
    return Allocation(
        flops=budget,
        params=_spread(params),
        tokens=_spread(tokens),
        tokens_per_param=_spread(tokens / params),
        loss=_spread(loss),
        extrapolation_factor=budget / largest,
    )


def _spread(column: Array) -> Interval:
    return interval(float(column[0]), column[1:])


def profile_bias(
    law: Mapping[str, float],
    points: Points,
    target_flops: float,
    *,
    budgets: ArrayLike | None = None,
    method: str = "parabola",
    window: float | None = WINDOW,
    checked: bool = True,
) -> ProfileBias:
    """Run approach 2 on noise-free values of a surface at the points of a design, and compare with the truth.

    Args:
        law: E, A, B, alpha, beta.
        points: the design; its losses are not used.
        target_flops: where N* and D* are compared.
        budgets: as in ``isoflop``.
        method: as in ``isoflop``.
        window: as in ``isoflop``.
        checked: as in ``isoflop``.
    """
    noiseless = Points(
        points.params,
        points.tokens,
        points.flops,
        loss_at({"E": 0.0, **law}, SURFACE, N=points.params, D=points.tokens),
        points.trials,
        points.convention,
    )
    found = isoflop_points(noiseless, budgets, method=method, window=window, checked=checked, resamples=0)
    if found.path is None:
        return ProfileBias(target_flops=target_flops, reason=found.reason)
    surface = Surface(**{name: np.array([law.get(name, 0.0)]) for name in Surface.__slots__})
    inside = np.geomspace(float(points.flops.min()), float(points.flops.max()), _PATH_POINTS)
    truth = best_split(surface, np.append(inside, target_flops), points.flops_per_token)
    row = found.path.at(target_flops)
    slope = float(np.polyfit(np.log(inside), np.log(truth.params[0, :-1]), 1)[0])
    return ProfileBias(
        target_flops=target_flops,
        params_error=row.params.value / float(truth.params[0, -1]) - 1,
        tokens_error=row.tokens.value / float(truth.tokens[0, -1]) - 1,
        a_error=found.path.a.value - slope,
    )
