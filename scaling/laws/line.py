"""A straight line through points by least squares, with the 95 % interval of its slope."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from scaling.laws.analysis import Interval
from scaling.laws.forms import Array


@dataclass(frozen=True, slots=True)
class Line:
    """``y = intercept + slope x``.

    Attributes:
        slope: with its 95 % interval, from Student's t with n - 2 degrees of freedom.
        intercept: at x = 0.
    """

    slope: Interval
    intercept: float

    @classmethod
    def through(cls, x: Array, y: Array) -> "Line":
        """Fit at least three points with two distinct x."""
        away = x - x.mean()
        spread, freedom = float(away @ away), len(x) - 2
        slope = float(away @ y) / spread
        intercept = float(y.mean() - slope * x.mean())
        left = y - intercept - slope * x
        half = float(stdtrit(freedom, 0.975)) * float(np.sqrt(left @ left / freedom / spread))
        return cls(Interval(value=slope, low=slope - half, high=slope + half), intercept)
