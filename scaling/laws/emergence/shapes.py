"""Which shape does a curve have on this range? Nine of them, compared by the corrected Akaike criterion.

    constant  line  logistic (floor and ceiling fixed)  sigmoid (between two levels)  hinge (level, then a line)
    broken (two smooth slopes)  inverse (falls towards a level)  saturating (rises towards one)  u (falls, then rises)

Errors are normal with the variances of the points times one unknown scale, which has a prior worth three points: with
four or five sizes a profiled scale would make every rich shape perfect (Hurvich & Tsai 1989 for the correction).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from scaling.laws.emergence.curve import PRIOR_WEIGHT, Curve
from scaling.laws.forms import Array

_STEEPNESS = np.exp(np.linspace(np.log(1.0), np.log(60.0), 30))
_MIDDLES = np.linspace(-0.5, 2.0, 61)
_RATES = (0.5, 1.0, 2.0, 4.0, 8.0)  # towards a level, per range
_WIDTH = 0.08  # of a smooth break, in ranges
_LEAST_SPREAD = 1e-6  # a step between two sizes that neither sees is no shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One shape fitted to a curve.

    Attributes:
        name: as in the module's list.
        parameters: fitted numbers.
        aicc: criterion; ``inf`` where the points are too few for it.
        chi2: sum of squared residuals over the variances of the points.
        fitted: its values at the sizes ``[n]``.
    """

    name: str
    parameters: int
    aicc: float
    chi2: float
    fitted: Array


def shapes(curve: Curve) -> tuple[Shape, ...]:
    """Return every shape, best first."""
    found = [_shape(curve, name, k, fit(curve)) for name, (k, fit) in _SHAPES.items()]
    return tuple(sorted(found, key=lambda s: (s.aicc, s.parameters)))


def _shape(curve: Curve, name: str, parameters: int, fitted: Array | None) -> Shape:
    if fitted is None:
        return Shape(
            name=name, parameters=parameters, aicc=float("inf"), chi2=float("inf"), fitted=np.full(curve.n, np.nan)
        )
    chi2 = float(((curve.y - fitted) ** 2 / curve.variance).sum())
    n, k = curve.n + PRIOR_WEIGHT, parameters + 1
    score = float("inf")
    if curve.n > parameters and n > k + 1:
        score = n * float(np.log((PRIOR_WEIGHT + chi2) / n)) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
    return Shape(name=name, parameters=parameters, aicc=score, chi2=chi2, fitted=fitted)


def _solve(curve: Curve, columns: list[Array]) -> tuple[Array, Array]:
    basis = np.column_stack(columns)
    root = 1 / np.sqrt(curve.variance)
    beta = np.linalg.lstsq(basis * root[:, None], curve.y * root, rcond=None)[0]
    return np.asarray(beta, dtype=float), np.asarray(basis @ beta, dtype=float)


def _best(curve: Curve, candidates: list[Array]) -> Array | None:
    if not candidates:
        return None
    chi2 = [((curve.y - c) ** 2 / curve.variance).sum() for c in candidates]
    return candidates[int(np.argmin(chi2))]


def _constant(curve: Curve) -> Array:
    return _solve(curve, [np.ones(curve.n)])[1]


def _line(curve: Curve) -> Array:
    return _solve(curve, [np.ones(curve.n), curve.t])[1]


def _logistic(curve: Curve) -> Array:
    middle, k = (a.ravel()[:, None] for a in np.meshgrid(_MIDDLES, _STEEPNESS, indexing="ij"))
    share = expit(k * (curve.t - middle))
    best: list[Array] = []
    for floor in curve.floors:
        grid = floor + (curve.ceiling - floor) * share
        best.append(grid[int(((curve.y - grid) ** 2 / curve.variance).sum(axis=1).argmin())])
    found = _best(curve, best)
    assert found is not None
    return found


def _sigmoid(curve: Curve) -> Array | None:
    inside = _MIDDLES[(_MIDDLES > 0) & (_MIDDLES < 1)]
    middle, k = (a.ravel()[:, None] for a in np.meshgrid(inside, _STEEPNESS, indexing="ij"))
    w = 1 / curve.variance
    share = expit(k * (curve.t - middle))
    share -= (share @ w / w.sum())[:, None]
    spread = share**2 @ w
    share, spread = share[spread > _LEAST_SPREAD * w.sum()], spread[spread > _LEAST_SPREAD * w.sum()]
    slope = share @ (w * curve.y) / spread
    best = int((slope * np.abs(slope) * spread).argmax())  # what it takes off chi-square, as it rises
    return float(curve.y @ w / w.sum()) + slope[best] * share[best] if slope[best] > 0 else None


def _breaks(curve: Curve, below: int, above: int) -> Array:
    """Return places of a break with at least so many sizes below and above."""
    if curve.n < below + above:
        return np.empty(0)
    low, high = curve.t[below - 1], curve.t[curve.n - above]
    return np.linspace(low, high, 13) if high > low else np.array([low])


def _hinge(curve: Curve) -> Array | None:
    fits = [_solve(curve, [np.ones(curve.n), np.maximum(curve.t - at, 0)]) for at in _breaks(curve, 2, 1)]
    return _best(curve, [fitted for beta, fitted in fits if beta[1] > 0])


def _broken(curve: Curve) -> Array | None:
    fits = [
        _solve(curve, [np.ones(curve.n), curve.t, _WIDTH * np.logaddexp(0, (curve.t - at) / _WIDTH)])[1]
        for at in _breaks(curve, 2, 2)
    ]
    return _best(curve, fits)


def _inverse(curve: Curve) -> Array | None:
    fits = [_solve(curve, [np.ones(curve.n), np.exp(-rate * curve.t)]) for rate in _RATES]
    return _best(curve, [fitted for beta, fitted in fits if beta[1] > 0])


def _saturating(curve: Curve) -> Array | None:
    fits = [_solve(curve, [np.ones(curve.n), np.exp(-rate * curve.t)]) for rate in _RATES]
    return _best(curve, [fitted for beta, fitted in fits if beta[1] < 0])


def _u(curve: Curve) -> Array | None:
    found = []
    for at in _breaks(curve, 2, 2):
        beta, fitted = _solve(curve, [np.ones(curve.n), np.minimum(curve.t - at, 0), np.maximum(curve.t - at, 0)])
        if beta[1] < 0 < beta[2]:
            found.append(fitted)
    return _best(curve, found)


_SHAPES: dict[str, tuple[int, Callable[[Curve], Array | None]]] = {
    "constant": (1, _constant),
    "line": (2, _line),
    "logistic": (2, _logistic),
    "sigmoid": (4, _sigmoid),
    "hinge": (3, _hinge),
    "broken": (4, _broken),
    "inverse": (3, _inverse),
    "saturating": (3, _saturating),
    "u": (4, _u),
}
