"""Numbers with units: one closed parser for what people type, one formatter for what they read.

Inside the program everything is SI and full precision (joules, seconds, bytes, FLOPs as float); these
functions belong at the edges.
"""

import math
import re
from dataclasses import dataclass

_SI = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21}
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_JOULES = {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "Wh": 3600.0, "kWh": 3.6e6, "MWh": 3.6e9, "GWh": 3.6e12}
_BYTES = {"B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}
_SI_SHOWN = (("E", 1e18), ("P", 1e15), ("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3))
_ENERGY_SHOWN = ((" GWh", 3.6e12), (" MWh", 3.6e9), (" kWh", 3.6e6), (" kJ", 1e3))
_MASS_SHOWN = ((" t", 1e6), (" kg", 1e3))
_BYTES_SHOWN = ((" TiB", 2.0**40), (" GiB", 2.0**30), (" MiB", 2.0**20), (" KiB", 2.0**10))
_HORIZON_SUFFIX = {"tokens": " tokens", "tokens_per_param": "x", "flops": " FLOPs"}
_HORIZON_SUFFIXES = (
    ("FLOPs", "flops"),
    ("FLOP", "flops"),
    ("tokens", "tokens"),
    ("x", "tokens_per_param"),
)
_ROUNDING = 1e-12  # share of its neighbours below which a value is what floating point left of zero
_NUMBER = re.compile(r"^\s*([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s]*)\s*$")


def _parse(text: str | float, factors: dict[str, float], kind: str) -> float:
    if isinstance(text, bool):
        raise ValueError(f"{text!r} is not a {kind}")
    if isinstance(text, int | float):
        value = float(text) if abs(text) < 10**308 else math.inf
    else:
        match = _NUMBER.match(text)
        if match is None or match.group(2) not in factors:
            known = ", ".join(sorted((u for u in factors if u), key=lambda u: factors[u]))
            raise ValueError(f"{text!r} is not a {kind}: write a number, optionally with one of {known}")
        value = float(match.group(1).replace("_", "")) * factors[match.group(2)]
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a finite {kind}")
    return value


def parse_count(text: str | float) -> float:
    """Parse a count such as ``124M``, ``2e18``, ``1.5B`` or ``4096``. Raises ``ValueError``."""
    return _parse(text, _SI, "count")


def parse_duration_s(text: str | float) -> float:
    """Parse a duration such as ``90m``, ``2h`` or ``45`` (seconds). Raises ``ValueError``."""
    return _parse(text, {"": 1.0, **_SECONDS}, "duration")


def parse_energy_j(text: str | float) -> float:
    """Parse an energy such as ``1.5kWh`` or ``300`` (joules). Raises ``ValueError``."""
    return _parse(text, {"": 1.0, **_JOULES}, "energy")


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far to train: an amount and what it counts.

    Attributes:
        amount: tokens, tokens per total parameter, or training FLOPs.
        unit: ``tokens``, ``tokens_per_param`` (written ``20x``) or ``flops`` (written ``1e15 FLOPs``).
    """

    amount: float
    unit: str

    def __str__(self) -> str:
        """Return the text that ``parse_horizon`` reads back, in full precision."""
        whole = self.amount.is_integer() and self.amount < 2**53
        return f"{int(self.amount) if whole else self.amount!r}{_HORIZON_SUFFIX[self.unit]}"


def parse_horizon(text: str | float) -> Horizon:
    """Parse ``2.26M`` (tokens), ``20x`` (tokens per parameter) or ``1e15 FLOPs``. Raises ``ValueError``."""
    amount, unit = text, "tokens"
    if isinstance(text, str):
        for suffix, named in _HORIZON_SUFFIXES:
            if text.strip().endswith(suffix):
                amount, unit = text.strip().removesuffix(suffix), named
                break
    try:
        value = parse_count(amount)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a horizon: write tokens (2M), tokens per parameter (20x) or 1e15 FLOPs"
        ) from None
    return Horizon(_positive(value, text), unit)


def _positive(value: float, text: str | float) -> float:
    if value <= 0:
        raise ValueError(f"{text!r} must be above zero")
    return value


def _significant(value: float, digits: int) -> str:
    if value == 0 or not math.isfinite(value):
        return str(value) if value else "0"
    exponent = math.floor(math.log10(abs(value)))
    decimals = max(digits - 1 - exponent, 0)
    text = f"{_rounded(value, digits):.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _rounded(value: float, digits: int) -> float:
    """Round to significant digits: what is shown decides the unit, so that 999.9996M reads 1B."""
    return float(f"{value:.{digits - 1}e}")


def _in_unit(value: float, units: tuple[tuple[str, float], ...], digits: int) -> str | None:
    """Format in the first (largest) unit that the value reaches; ``None`` when it reaches none."""
    for unit, factor in units:
        if abs(_rounded(value / factor, digits)) >= 1:
            return f"{_significant(value / factor, digits)}{unit}"
    return None


def format_si(value: float | None, unit: str = "", digits: int = 3) -> str:
    """Format with an SI suffix: ``format_si(2.26e6) == '2.26M'``; ``None`` reads ``missing``."""
    if value is None or not math.isfinite(value):
        return "missing" if value is None else str(value)
    gap = " " if unit else ""
    if value and (_rounded(abs(value), digits) >= 1e21 or abs(value) < 1e-3):
        return f"{value:.{digits - 1}e}{gap}{unit}"
    return f"{_in_unit(value, _SI_SHOWN, digits) or _significant(value, digits)}{gap}{unit}"


def format_flops(value: float | None, digits: int = 3) -> str:
    """Format FLOPs in powers of ten, as the field writes them: ``1.20e15 FLOPs``."""
    if value is None:
        return "missing"
    if value == 0 or not math.isfinite(value):
        return f"{_significant(value, digits)} FLOPs"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)} FLOPs"


def format_energy(value_j: float | None, digits: int = 3) -> str:
    """Format joules for people: J below 1 kJ, then kJ, then kWh, MWh and GWh."""
    if value_j is None:
        return "missing"
    return _in_unit(value_j, _ENERGY_SHOWN, digits) or f"{_significant(value_j, digits)} J"


def format_mass(value_g: float | None, digits: int = 3) -> str:
    """Format grams for people: g below 1 kg, then kg and t."""
    if value_g is None:
        return "missing"
    return _in_unit(value_g, _MASS_SHOWN, digits) or f"{_significant(value_g, digits)} g"


def format_duration(value_s: float | None) -> str:
    """Format seconds as ``45 s``, ``3 min 20 s``, ``2 h 05 min`` or ``4.2 days``."""
    if value_s is None:
        return "missing"
    if value_s < 0:
        return f"-{format_duration(-value_s)}"
    if value_s < 10 or not math.isfinite(value_s):
        return f"{_significant(value_s, 2)} s"
    if round(value_s) < 60:
        return f"{value_s:.0f} s"
    if round(value_s) < 3600:
        minutes, seconds = divmod(round(value_s), 60)
        return f"{minutes} min {seconds:02d} s"
    if round(value_s / 60) < 48 * 60:
        hours, minutes = divmod(round(value_s / 60), 60)
        return f"{hours} h {minutes:02d} min"
    return f"{_significant(value_s / 86400, 3)} days"


def format_bytes(value: float | None) -> str:
    """Format bytes in binary units, GiB for memory."""
    if value is None:
        return "missing"
    return _in_unit(value, _BYTES_SHOWN, 3) or f"{value:.0f} B"


def _plain_or_power(value: float, digits: int) -> str:
    if value == 0 or 1e-4 <= abs(value) < 1e7:
        return _significant(value, digits)
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def clear_of_rounding(*values: float) -> tuple[float, ...]:
    """Return the values with zero for those that only rounding keeps from it: below 1e-12 of the largest of them."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    return tuple(0.0 if abs(v) <= _ROUNDING * largest else v for v in values)


def format_interval(value: float, low: float | None, high: float | None, digits: int = 3) -> str:
    """Format a value with its interval: ``0.39 [0.36, 0.43]``; far from one as ``2.94e23``."""
    if low is None or high is None:
        return _plain_or_power(value, digits)
    shown, bottom, top = (_plain_or_power(v, digits) for v in clear_of_rounding(value, low, high))
    return f"{shown} [{bottom}, {top}]"
