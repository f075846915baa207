"""The least point of one IsoFLOP profile: loss against ln N at one budget, for all bootstrap draws at once.

Three curves: a parabola (Hoffmann et al. 2022, 2203.15556, approach 2), a cubic, and Akima's interpolation (Porian et
al. 2024, 2406.19146). The parabola is symmetric and the profile is not, so its vertex is biased even without noise;
a cubic follows the asymmetry, and Akima assumes nothing but needs quiet losses.
"""

import numpy as np
from numpy.typing import NDArray

from scaling.laws.forms import Array

METHODS = ("parabola", "cubic", "akima")
_DEGREE = {"parabola": 2, "cubic": 3, "akima": 3}  # of the polynomial whose residuals tell the noise


def least_point(x: Array, losses: Array, method: str) -> tuple[Array, Array]:
    """Return where each curve has its minimum, and the loss there.

    Args:
        x: ln N of each point ``[n]``; points of equal size are averaged by the curve.
        losses: one row per draw ``[R, n]``.
        method: ``parabola``, ``cubic`` or ``akima``.

    Returns:
        ln N* and L*, each ``[R]``; NaN where the curve is not convex there. A polynomial's vertex may lie outside the
        sizes; that is for the caller to judge.
    """
    if method == "akima":
        return _akima_minimum(x, losses)
    middle = float(x.mean())
    factors = polynomial(x - middle, _DEGREE[method]) @ losses.T
    found = _vertex(factors)
    return found + middle, np.asarray(np.polynomial.polynomial.polyval(found, factors, tensor=False), dtype=float)


def polynomial(x: Array, degree: int) -> Array:
    """Return the matrix that turns losses at ``x`` into least-squares coefficients, constant first."""
    return np.asarray(np.linalg.pinv(np.vander(x, degree + 1, increasing=True)), dtype=float)


def smooth(x: Array, losses: Array, method: str) -> tuple[Array, Array, int]:
    """Return the smooth part of one profile, its residuals raised by their leverage, and the degrees of freedom left.

    A point that pulls the curve towards itself shows too small a residual; dividing by ``sqrt(1 - h)`` makes up for it
    (HC2: MacKinnon & White 1985). A point that the curve must pass through has none to show and gets the root mean
    square of the others.
    """
    degree = min(_DEGREE[method], len(np.unique(x)) - 2)
    basis = np.vander(x - x.mean(), degree + 1, increasing=True)
    hat = basis @ np.linalg.pinv(basis)
    residual, left = losses - hat @ losses, 1 - np.diag(hat)
    seen = left > 1e-6
    raised = np.where(seen, residual / np.sqrt(np.where(seen, left, 1.0)), 0.0)
    typical = np.sqrt(np.mean(raised[seen] ** 2)) if seen.any() else 0.0
    return losses - residual, np.where(seen, raised, typical), len(x) - degree - 1


def _vertex(factors: Array) -> Array:
    """Return the local minimum of polynomials of degree two or three, coefficients ``[k, R]``; NaN where none."""
    slope, bend = factors[1], factors[2]
    third = factors[3] if len(factors) > 3 else np.zeros_like(bend)
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(bend**2 - 3 * slope * third)  # NaN: the cubic falls or rises throughout
        return np.asarray(np.where(bend + root > 0, -slope / (bend + root), np.nan), dtype=float)


def _akima_minimum(x: Array, losses: Array) -> tuple[Array, Array]:
    from scipy.interpolate import Akima1DInterpolator  # half a second to import, which only IsoFLOP profiles need

    sizes, code = np.unique(x, return_inverse=True)
    share = np.equal.outer(np.arange(len(sizes)), code).astype(float)
    means = (share / share.sum(axis=1, keepdims=True)) @ losses.T  # [sizes, R]
    pieces = np.asarray(Akima1DInterpolator(sizes, means, axis=0).c, dtype=float)  # [4, sizes - 1, R], highest first
    step = np.diff(sizes)[:, None]
    at = _stationary(pieces, step)
    value = ((pieces[0] * at + pieces[1]) * at + pieces[2]) * at + pieces[3]
    best = np.where(np.isfinite(value), value, np.inf).argmin(axis=0)
    rows: NDArray[np.intp] = np.arange(means.shape[1])
    lowest = value[best, rows]
    # An end that lies lower than every inner minimum makes the profile one-sided.
    inner = np.isfinite(lowest) & (lowest <= np.minimum(means[0], means[-1]))
    return np.where(inner, sizes[best] + at[best, rows], np.nan), np.where(inner, lowest, np.nan)


def _stationary(pieces: Array, step: Array) -> Array:
    """Return the minimum of every cubic piece as a distance from its left end; NaN where it lies outside."""
    cubic, square, linear = pieces[0], pieces[1], pieces[2]
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(square**2 - 3 * cubic * linear)
        at = -linear / (square + root)
        return np.where((square + root > 0) & (at >= -1e-12) & (at <= step + 1e-12), at, np.nan)
