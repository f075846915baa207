"""Two or more studies side by side: what differs in their set-up, whether their laws differ, and which is ahead.

Losses compare on the same validation text alone, and so do exponents: the floor and both powers are those of a text and
a tokenizer. Exponents need the same unit of the loss and the same count of parameters besides. Studies of different
objectives share neither: nats of a masked token say nothing of nats of the next.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scaling.answers.analysed import Law
from scaling.families import NATS_PER_TOKEN
from scaling.laws.analysis import Analysis, Fit, Interval
from scaling.laws.bootstrap import MIN_DRAWS, interval
from scaling.laws.forms import Array
from scaling.laws.frontier import MAX_EXTRAPOLATION, Surface, best_split
from scaling.laws.isojoule import Spent
from scaling.units import format_flops

Setup = Mapping[str, tuple[str, ...]]
_EXPONENTS = ("alpha", "beta", "gamma")
_BUDGETS = 121  # evenly in log compute
VALIDATION = "validation set"
OBJECTIVE = "objective"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One study to compare.

    Attributes:
        name: of the store or table, made distinct.
        setup: what the study is about, one or more values a key.
        analysis: its fits, each side from a seed of its own.
        law: its L(N,D), or ``None`` where it has none.
        unit: of its losses.
        quantity: what these are, where they are no losses.
        params: which parameters are N.
        spent: its points by measured GPU energy; empty where that was not measured.
        spent_missing: why it was not.
    """

    name: str
    setup: Setup
    analysis: Analysis
    law: Law | None
    unit: str = NATS_PER_TOKEN
    quantity: str = "loss"
    params: str = "total"
    spent: tuple[Spent, ...] = ()
    spent_missing: str = "its points do not tell any energy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One exponent of one law in two studies.

    Attributes:
        law: such as ``L(N,D)``.
        parameter: such as ``alpha``; ``a`` is beta / (alpha + beta), the exponent of N*(C) under C = 6ND.
        left, right: the values.
        difference: left less right.
        differ: whether the interval of the difference leaves zero out; ``None`` without an interval.
    """

    law: str
    parameter: str
    left: Interval
    right: Interval
    difference: Interval
    differ: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range of compute in which one study is ahead, or none is."""

    from_flops: float
    to_flops: float
    ahead: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Loss of the left less the right at equal compute, best split each, with the 95 % band over all budgets together.

    Attributes:
        flops, value, low, high: one number a budget; ``low`` and ``high`` are NaN where the draws give no band.
    """

    flops: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two studies against each other.

    Attributes:
        left, right: names.
        differences: of every exponent that both have; none where exponents do not compare.
        why_no_differences: why exponents do not compare; ``None`` where they do.
        spans: who reaches the lower loss at equal compute, best split each; empty where losses do not compare.
        fitted_to: compute to which both have points; beyond it the spans are extrapolated.
        flops_convention: how compute is counted for the spans.
        verdict: the spans as a sentence, or why there are none.
        gap: the difference that the spans are read from.
        unit: of that difference.
    """

    left: str
    right: str
    differences: tuple[Difference, ...]
    spans: tuple[Span, ...]
    fitted_to: float | None
    flops_convention: str | None
    verdict: str
    gap: Gap | None = None
    unit: str = NATS_PER_TOKEN
    why_no_differences: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All studies side by side.

    Attributes:
        sides: the studies.
        differing: key of the set-up -> value of each side, where they are not all the same.
        same: the keys in which all agree.
        untold: the keys of which none tells anything.
        pairs: every two studies.
    """

    sides: tuple[Side, ...]
    differing: Mapping[str, tuple[str, ...]]
    same: tuple[str, ...]
    pairs: tuple[Pair, ...]
    untold: tuple[str, ...] = ()


def compare(sides: Sequence[Side], *, same_validation: bool = False) -> Comparison:
    """Compare studies two by two.

    Args:
        sides: two or more; the draws of each from a seed of its own, or they would not be independent.
        same_validation: the user's word that losses whose validation set is unknown were taken on the same text.
    """
    keys = list(dict.fromkeys(key for side in sides for key in side.setup))
    shown = {key: tuple(_words(side.setup.get(key, ())) for side in sides) for key in keys}
    differing = {key: values for key, values in shown.items() if len(set(values)) > 1}
    pairs = [_pair(left, right, same_validation) for left, right in itertools.combinations(sides, 2)]
    untold = tuple(key for key in keys if not any(side.setup.get(key) for side in sides))
    same = tuple(key for key in keys if key not in differing and key not in untold)
    return Comparison(sides=tuple(sides), differing=differing, same=same, pairs=tuple(pairs), untold=untold)


def _words(values: tuple[str, ...]) -> str:
    return ", ".join(values) or UNKNOWN


def _pair(left: Side, right: Side, same_validation: bool) -> Pair:
    refusal = _why_not_at_all(left, right) or _why_not_losses(left, right, same_validation)
    other_count = refusal or _why_not_exponents(left, right)
    differences = () if other_count else tuple(_differences(left.analysis.fits, right.analysis.fits))
    if refusal is not None or left.law is None or right.law is None:
        return Pair(
            left=left.name,
            right=right.name,
            differences=differences,
            spans=(),
            fitted_to=None,
            flops_convention=None,
            verdict=refusal or "one of the two has no L(N,D), so nothing says which is ahead",
            why_no_differences=other_count,
        )
    one, other, convention = _same_flops(left.law, right.law)
    gap = _gap(one, other)
    spans = () if gap is None else _spans(gap, (left.name, right.name))
    fitted_to = min(one.largest, other.largest)
    return Pair(
        left=left.name,
        right=right.name,
        differences=differences,
        spans=spans,
        fitted_to=fitted_to,
        flops_convention=convention,
        verdict=_verdict(spans, fitted_to),
        gap=gap,
        unit=one.unit,
        why_no_differences=other_count,
    )


def _differences(left: Mapping[str, Fit], right: Mapping[str, Fit]) -> list[Difference]:
    return [
        _difference(name, parameter, left[name], right[name])
        for name in left
        if name in right
        for parameter in (*(p for p in _EXPONENTS if p in left[name].params), *_derived(left[name], right[name]))
        if parameter == "a" or parameter in right[name].params
    ]


def _derived(left: Fit, right: Fit) -> tuple[str, ...]:
    both = {"alpha", "beta"}
    return ("a",) if both <= set(left.params) and both <= set(right.params) else ()


def _difference(law: str, parameter: str, left: Fit, right: Fit) -> Difference:
    one, other = _values(left, parameter), _values(right, parameter)
    draws = min(len(one), len(other))
    between = interval(one[0] - other[0], one[1:draws] - other[1:draws])
    low, high = between.low, between.high
    return Difference(
        law=law,
        parameter=parameter,
        left=interval(one[0], one[1:]),
        right=interval(other[0], other[1:]),
        difference=between,
        differ=None if low is None or high is None else not low <= 0 <= high,
    )


def _values(fit: Fit, parameter: str) -> Array:
    """Return the point value and the draws of a parameter."""
    names = list(fit.params)
    rows = np.array([[p.value for p in fit.params.values()], *fit.draws], dtype=float)
    if parameter != "a":
        return np.asarray(rows[:, names.index(parameter)])
    alpha, beta = rows[:, names.index("alpha")], rows[:, names.index("beta")]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(beta / (alpha + beta))


def _why_not_at_all(left: Side, right: Side) -> str | None:
    one, other = left.setup.get(OBJECTIVE, ()), right.setup.get(OBJECTIVE, ())
    if not one or not other or one == other:
        return None
    return f"trained on {_words(one)} and on {_words(other)}: neither their losses nor their exponents compare"


def _why_not_losses(left: Side, right: Side, same_validation: bool) -> str | None:
    one, other = left.setup.get(VALIDATION, ()), right.setup.get(VALIDATION, ())
    if one and other:
        if len(one) == len(other) == 1 and one == other:
            return None
        return "evaluated on different validation sets: neither losses nor exponents of different text compare"
    if same_validation:
        return None
    return (
        "nothing says that both were evaluated on the same validation set, so neither losses nor exponents are "
        "compared; where you know that they were, say --same-validation"
    )


def _why_not_exponents(left: Side, right: Side) -> str | None:
    if left.unit != right.unit:
        return f"losses in {left.unit} and in {right.unit}: their exponents do not compare"
    if left.params != right.params:
        return f"N counted as {left.params} and as {right.params}: their exponents do not compare"
    return None


def _same_flops(left: Law, right: Law) -> tuple[Law, Law, str]:
    if left.counts_as(right):
        return left, right, max(left.convention, right.convention, key=len)  # the one that names what it halves
    return left.by_six_nd(), right.by_six_nd(), "6ND, since the two count FLOPs differently"


def _gap(left: Law, right: Law) -> Gap | None:
    """Return the difference along the compute-optimal paths of both, draw against draw; ``None`` if too far apart."""
    low = max(left.smallest, right.smallest)
    high = MAX_EXTRAPOLATION * min(left.largest, right.largest)
    if low >= high:
        return None
    budgets = np.geomspace(low, high, _BUDGETS)
    one, other = (best_split(Surface.of(law.fit), budgets, law.flops).loss for law in (left, right))
    draws = min(len(one), len(other))
    gaps = one[:draws] - other[:draws]
    width = _band(gaps)
    columns = (budgets, gaps[0], gaps[0] - width, gaps[0] + width)
    flops, value, bottom, top = (tuple(float(v) for v in column) for column in columns)
    return Gap(flops=flops, value=value, low=bottom, high=top)


def _band(gaps: Array) -> Array:
    """Return the half-width of a band that holds at all budgets together with 95 %; NaN without draws.

    A band of pointwise intervals would let chance lead somewhere far more often than in 5 % of the cases. This one
    is the studentised maximum over the draws (Efron & Tibshirani 1993, section 22.2, taken over all budgets).

    Args:
        gaps: loss of the left less the right: the point fits in row 0, draws after it ``[1 + draws, budgets]``.
    """
    point, draws = gaps[0], gaps[1:][np.isfinite(gaps[1:]).all(axis=1)]
    if len(draws) < MIN_DRAWS:
        return np.full(len(point), np.nan)
    spread = draws.std(axis=0, ddof=1)
    scale = np.where(spread > 0, spread, 1.0)  # identical laws have no spread, and no lead
    return np.asarray(float(np.percentile((np.abs(draws - point) / scale).max(axis=1), 95)) * spread)


def _spans(gap: Gap, names: tuple[str, str]) -> tuple[Span, ...]:
    """Return who is ahead along the budgets: whose lead the whole band agrees on."""
    ahead = [
        names[0] if high < 0 else names[1] if low > 0 else None for low, high in zip(gap.low, gap.high, strict=True)
    ]
    spans: list[Span] = []
    for leader, run in itertools.groupby(range(len(ahead)), key=lambda i: ahead[i]):
        members = list(run)
        spans.append(Span(from_flops=gap.flops[members[0]], to_flops=gap.flops[members[-1]], ahead=leader))
    return tuple(spans)


def _verdict(spans: tuple[Span, ...], fitted_to: float) -> str:
    if not spans:
        return "their ranges of compute lie too far apart to say which is ahead"
    top = format_flops(spans[-1].to_flops)
    ends = f"; the points of both end at {format_flops(fitted_to)}, beyond it this is extrapolated"
    if all(span.ahead is None for span in spans):
        return f"none is ahead up to {top}: the 95 % band of the difference holds zero everywhere{ends}"
    parts = [
        f"{span.ahead or 'none'} {'is ahead ' if i == 0 else ''}from {format_flops(span.from_flops)} "
        f"{'on, up to ' + top if i == len(spans) - 1 else 'to ' + format_flops(span.to_flops)}"
        for i, span in enumerate(spans)
    ]
    return ", ".join(parts) + " (95 % band of the difference, best split of each budget)" + ends
