"""Axes that tell the truth: logarithmic with ticks at round numbers, labelled in the field's units."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from scaling.units import format_energy, format_si

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Widest span in decades -> mantissas that get a label; narrower than the first, ticks are evenly spaced.
_EVEN = 0.7
_TICKS = 6
_J_PER_KWH = 3.6e6
_LADDER: tuple[tuple[float, tuple[float, ...]], ...] = (
    (1.3, (1, 2, 3, 5, 7)),
    (2.6, (1, 2, 5)),
    (4.5, (1, 3)),
    (math.inf, (1,)),
)


def power_of_ten(value: float) -> str:
    """Format as ``3×10¹²``; ``10¹²`` where the mantissa is one."""
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = value / 10.0**exponent
    head = "" if math.isclose(mantissa, 1, rel_tol=1e-9) else f"{mantissa:.3g}×"
    return f"{head}10{str(exponent).translate(_SUPERSCRIPT)}"


def plain(value: float) -> str:
    """Format a tick with up to three significant digits."""
    if value and not 1e-3 <= abs(value) < 1e4:
        return power_of_ten(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ticks(low: float, high: float) -> list[float]:
    """Return round values between ``low`` and ``high`` for a logarithmic axis."""
    decades = math.log10(high / low)
    if decades <= _EVEN:
        return _even(low, high)
    mantissas = next(m for widest, m in _LADDER if decades <= widest)
    stride = max(1, math.ceil(decades / 8)) if len(mantissas) == 1 else 1
    first = math.floor(math.log10(low))
    powers = range(first - first % stride, math.ceil(math.log10(high)) + 1, stride)
    values = [float(f"{m}e{p}") for p in powers for m in mantissas]
    return [v for v in values if low <= v <= high]


def _even(low: float, high: float) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten, about six of them."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    return [float(f"{k * step:.12g}") for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def span(values: Iterable[float], pad: float = 0.06) -> tuple[float, float]:
    """Return the positive range of the values, widened by ``pad`` of its logarithm on both sides."""
    positive = [v for v in values if v > 0 and math.isfinite(v)]
    if not positive:
        return (0.5, 2.0)
    low, high = math.log10(min(positive)), math.log10(max(positive))
    room = max((high - low) * pad, 0.01)
    return (10 ** (low - room), 10 ** (high + room))


def log_axis(
    title: str, values: Iterable[float], text: Callable[[float], str] = format_si, pad: float = 0.06
) -> dict[str, Any]:
    """Return a logarithmic axis over the values, with labelled round ticks and unlabelled ones between."""
    low, high = span(values, pad)
    marks = ticks(low, high)
    return {
        "type": "log",
        "title": {"text": title},
        "range": [math.log10(low), math.log10(high)],
        "tickmode": "array",
        "tickvals": marks,
        "ticktext": [text(v) for v in marks],
    }


def energy_axis(title: str, joules: Iterable[float], pad: float = 0.06) -> dict[str, Any]:
    """Return a logarithmic axis of joules with ticks that are round in what they are shown in: joules or kWh."""
    values = [v for v in joules if v > 0]
    unit = _J_PER_KWH if values and max(values) >= _J_PER_KWH else 1.0
    axis = log_axis(title, [v / unit for v in values], format_si, pad)
    marks = [float(f"{v * unit:.12g}") for v in axis["tickvals"]]
    return {
        **axis,
        "range": [end + math.log10(unit) for end in axis["range"]],
        "tickvals": marks,
        "ticktext": [format_energy(v) for v in marks],
    }


def linear_axis(**more: object) -> dict[str, Any]:
    """Return a linear axis with further plotly attributes."""
    return {"type": "linear", "zeroline": False, **more}
