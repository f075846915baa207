"""What a sceptic asks of a curve before any verdict: the sample, and the published measures of suddenness."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from scaling.laws.emergence.curve import Curve

_ONE_SIDED, _POWER = 0.01, 0.8  # of the smallest jump that can be detected


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The sample behind a curve.

    Attributes:
        sizes: distinct scales.
        decades: range of x in powers of ten.
        items: items behind the smallest and the largest score, all seeds; ``None`` when not known.
        seeds: fewest and most seeds at a scale.
        minimum_jump: smallest rise of the largest size over the rest that this sample detects (1 % level, 80 % power).
        palm: PaLM's discontinuity: score of the largest less the log-linear projection from the two before it
            (Chowdhery et al. 2022, section 6.2). ``None`` below three sizes.
        linearity, breakthroughness: BIG-bench's measures (Srivastava et al. 2022, appendix B): signed range of the
            scores over root-mean-square, respectively root-median-square, successive difference.
    """

    sizes: int
    decades: float
    items: tuple[int, int] | None
    seeds: tuple[int, int]
    minimum_jump: float
    palm: float | None
    linearity: float | None
    breakthroughness: float | None


def facts(curve: Curve) -> Facts:
    """Return the facts of a curve."""
    items = None if curve.n_items is None else (int(curve.n_items.min()), int(curve.n_items.max()))
    linearity, breakthroughness = _big_bench(curve)
    return Facts(
        sizes=curve.n,
        decades=curve.decades,
        items=items,
        seeds=(int(curve.n_seeds.min()), int(curve.n_seeds.max())),
        minimum_jump=minimum_jump(curve),
        palm=palm_discontinuity(curve),
        linearity=linearity,
        breakthroughness=breakthroughness,
    )


def minimum_jump(curve: Curve) -> float:
    """Return the smallest jump at the largest size that a test at the 1 % level finds in 80 % of cases."""
    wanted = float(ndtri(1 - _ONE_SIDED) + ndtri(_POWER))
    last = float(curve.variance[-1])
    rest = float(curve.variance[:-1].mean()) / max(curve.n - 1, 1) if curve.n > 1 else last
    return wanted * float(np.sqrt(last + rest))


def palm_discontinuity(curve: Curve) -> float | None:
    """Return the score of the largest less the line through the two before it, extended."""
    if curve.n < 3:
        return None
    (t0, t1, t2), (y0, y1, y2) = curve.t[-3:], curve.y[-3:]
    return float(y2 - (y1 + (y1 - y0) / (t1 - t0) * (t2 - t1)))


def _big_bench(curve: Curve) -> tuple[float | None, float | None]:
    if curve.n < 3:
        return None, None
    steps = np.diff(curve.y) ** 2
    sign = 1.0 if curve.y.argmax() > curve.y.argmin() else -1.0
    span = sign * float(np.ptp(curve.y))
    mean, median = float(np.sqrt(steps.mean())), float(np.sqrt(np.median(steps)))
    return span / mean if mean > 0 else None, span / median if median > 0 else None


def wilson(right: float, items: float, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share of right answers (Wilson 1927)."""
    z = float(ndtri(0.5 + level / 2))
    p = right / items
    centre = (p + z * z / (2 * items)) / (1 + z * z / items)
    half = z * float(np.sqrt(p * (1 - p) / items + z * z / (4 * items**2))) / (1 + z * z / items)
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))  # 0 and 1 exactly, not by rounding
