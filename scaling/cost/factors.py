"""The factors of an energy estimate: each with a range, a provenance and a source.

The energy of a run is a product, so its uncertainty is worked out in logarithms: factors are taken as independent,
each with an 80 % range around its middle, and the log-deviations are added in quadrature on each side (exact for
log-normal factors, a close approximation for lopsided ones).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

COVERAGE = 0.80
METHOD = (
    "80 % interval in closed form: independent log-normal factors, log-deviations added in quadrature, each side apart"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A figure with its 80 % interval."""

    low: float
    mid: float
    high: float

    def scaled(self, by: float) -> "Range":
        """Return the range in another unit, or times a figure that is certain."""
        return Range(low=self.low * by, mid=self.mid * by, high=self.high * by)

    def to_json(self) -> dict[str, float]:
        """Return the plain JSON form."""
        return {"low": self.low, "mid": self.mid, "high": self.high}


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One assumption.

    Attributes:
        name: short name, unit in brackets apart.
        unit: ``W``, ``FLOP/s``, or empty for a ratio.
        range: value with its 80 % range; low = mid = high for a figure taken as certain.
        provenance: ``given`` (by the user), ``measured`` (in the user's own sweep), ``data_sheet``, ``published``
            (measured by others), ``derived``, or ``default`` (a rule of this project).
        source: where it comes from, for people.
    """

    name: str
    unit: str
    range: Range
    provenance: str
    source: str

    @classmethod
    def certain(cls, name: str, value: float, provenance: str, source: str, unit: str = "") -> "Factor":
        """Return a factor without a range."""
        span = Range(low=value, mid=value, high=value)
        return cls(name=name, unit=unit, range=span, provenance=provenance, source=source)

    def to_json(self) -> dict[str, object]:
        """Return the plain JSON form, with the range laid flat."""
        return {
            "name": self.name,
            "unit": self.unit,
            **self.range.to_json(),
            "provenance": self.provenance,
            "source": self.source,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """What one assumption alone does to the result: one bar of a tornado chart.

    Attributes:
        name: the assumption.
        low, high: the result with this assumption at the end of its range that lowers or raises it.
        share: its part of the interval's squared log-width, 0 to 1; the parts add up to one.
    """

    name: str
    low: float
    high: float
    share: float

    def to_json(self) -> dict[str, object]:
        """Return the plain JSON form."""
        return {"name": self.name, "low": self.low, "high": self.high, "share": self.share}


def combine(above: Iterable[Factor], below: Iterable[Factor] = ()) -> Range:
    """Return the product of some factors over the product of others, with its 80 % interval.

    Args:
        above: factors that multiply.
        below: factors that divide; their low end pushes the result up.
    """
    mid, up, down = 1.0, 0.0, 0.0
    for factor in above:
        r = factor.range
        mid, up, down = mid * r.mid, math.hypot(up, math.log(r.high / r.mid)), math.hypot(down, math.log(r.mid / r.low))
    for factor in below:
        r = factor.range
        mid, up, down = mid / r.mid, math.hypot(up, math.log(r.mid / r.low)), math.hypot(down, math.log(r.high / r.mid))
    return Range(low=mid * math.exp(-down), mid=mid, high=mid * math.exp(up))


def tornado(mid: float, above: Sequence[Factor], below: Sequence[Factor] = ()) -> tuple[Swing, ...]:
    """Return what each uncertain assumption does to a result, widest first.

    Args:
        mid: the result.
        above: factors that multiply.
        below: factors that divide.
    """
    swings = [_swing(mid, f.name, f.range.mid / f.range.low, f.range.high / f.range.mid) for f in above]
    swings += [_swing(mid, f.name, f.range.high / f.range.mid, f.range.mid / f.range.low) for f in below]
    wide = [s for s in swings if s.high > s.low]
    total = sum(math.log(s.high / s.low) ** 2 for s in wide)
    parts = [Swing(name=s.name, low=s.low, high=s.high, share=math.log(s.high / s.low) ** 2 / total) for s in wide]
    return tuple(sorted(parts, key=lambda s: -s.share))


def _swing(mid: float, name: str, down: float, up: float) -> Swing:
    return Swing(name=name, low=mid / down, high=mid * up, share=0.0)
