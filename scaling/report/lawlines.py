"""Values of a fitted law along a line, with the band of its bootstrap draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from scaling.laws.analysis import Fit
from scaling.laws.forms import CURVE_C, CURVE_D, CURVE_N, SURFACE, Array, PowerLaw, loss_at

_FORMS: dict[str, PowerLaw] = {form.name: form for form in (SURFACE, CURVE_N, CURVE_D, CURVE_C)}
MIN_DRAWS = 20  # fewer have no 2.5 % tails


@dataclass(frozen=True, slots=True)
class Line:
    """A law along one amount: abscissa, value, and the 95 % band where there are draws."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


def form_of(fit: Fit) -> PowerLaw:
    """Return the formula of a fit. Raises ``KeyError`` for a law the report does not know."""
    form = _FORMS[fit.name]
    return form if "E" in fit.params else form.without_floor()


def loss(fit: Fit, **amounts: float | Array) -> Array:
    """Return the fitted loss at amounts named ``N``, ``D`` or ``C``; they broadcast."""
    return loss_at({name: i.value for name, i in fit.params.items()}, form_of(fit), **amounts)


def along(
    fit: Fit,
    name: str,
    low: float,
    high: float,
    *,
    n: int = 60,
    extra: Sequence[float] = (),
    fixed: Mapping[str, float] = MappingProxyType({}),
) -> Line:
    """Return the law between two amounts of ``name`` (``N``, ``D`` or ``C``).

    Args:
        fit: the law.
        name: the amount that varies.
        low: where the line begins.
        high: where it ends.
        n: points along the line.
        fixed: the amounts held constant, by name.
        extra: abscissae that must be among the points, such as the ends of the data.
    """
    x = np.unique(np.concatenate([np.geomspace(low, high, n), [v for v in extra if low <= v <= high]]))
    y = loss(fit, **{name: x}, **fixed)
    bottom, top = _band(fit, name, x, fixed)
    return Line(tuple(x.tolist()), tuple(y.tolist()), bottom, top)


def _band(
    fit: Fit, name: str, x: Array, fixed: Mapping[str, float]
) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    if len(fit.draws) < MIN_DRAWS:
        return (None,) * len(x), (None,) * len(x)
    draws = np.asarray(fit.draws)[:, :, None]
    params = {parameter: draws[:, k] for k, parameter in enumerate(fit.params)}
    lines = loss_at(params, form_of(fit), **{name: x[None, :]}, **fixed)
    low, high = np.percentile(lines, [2.5, 97.5], axis=0)
    return tuple(low.tolist()), tuple(high.tolist())
