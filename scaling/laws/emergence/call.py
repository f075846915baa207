"""One word for one curve: flat, smooth, unpredicted rise, falls, falls then rises, or not resolved."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from scaling.laws.emergence.curve import PRIOR_WEIGHT, Curve, make_curve
from scaling.laws.emergence.facts import Facts, facts
from scaling.laws.emergence.shapes import Shape, shapes
from scaling.laws.emergence.smooth import Line
from scaling.laws.emergence.surprise import SIMULATIONS, Surprise, surprise, surprise_of
from scaling.laws.forms import Array
from scaling.units import format_si

MIN_GAP = 0.03  # of the range from floor to ceiling: no smaller change is a leap
Z_RISE = 3.0
P_RISE = 0.02
_Z_LONG, _P_OPEN = 2.0, 0.1  # enough for a long curve; where only that is reached a short one stays open
_FEW = 6  # sizes: up to here an open question is left open
_MIN_SIZES = 4
_LEAST_SHARED = 0.5  # of the variance of a point is left in a difference
_Z_TREND, _Z_TREND_SMALL, _Z_TREND_LARGE = 2.5, 3.0, 2.3  # errors of a trend; below one smallest gap; from two on
_Z_LEG = 5.0  # standard errors of a point that each leg of a U needs where the sizes are too few for a criterion
_NEITHER, _NO_LEVEL = 6.0, 3.0  # of the criterion: a level is refuted; is worse than a small rise
_U_MARGIN = 2.0  # of the criterion over every monotone shape
_LEVEL_MARGIN = 2.0  # of the criterion of a rise that slows over a level
_BLIND_JUMP = 0.5  # a sample that misses a rise of half the range says nothing about flatness
_GRADUAL_SIZES, _GRADUAL_DECADES = 3, 1.5  # on the slope of a rise that is late, and no surprise
_ONSET_DECADES = 0.75  # its first half takes so long: a leap with a long tail is none
_MOST_STEP = 0.55  # of a rise, between two neighbours on a gradual slope
_UNDER_WAY = 0.5  # of a rise lies in the smaller half of the range: the larger half is no surprise
_START, _BEFORE_MIDDLE, _BEGUN, _Z_BEGUN = 0.25, 0.45, 0.1, 2.0  # of the range; of the rise by the middle; errors
_Z_UNTOLD = 2.0  # over the level, gone on as a line
_LEVEL_Z, _LEVEL_PART = 1.5, 0.125  # a level: its slope is less than so many errors, and than so much of the later rise


class Call(StrEnum):
    """What a curve does on the range seen."""

    FLAT = "flat"
    SMOOTH = "smooth"
    UNPREDICTED_RISE = "unpredicted rise"
    FALLS = "falls"
    FALLS_THEN_RISES = "falls then rises"
    NOT_RESOLVED = "not resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeCall:
    """The call with its evidence.

    Attributes:
        call: the word.
        why: one sentence with the numbers that decided.
        shapes: all shapes, best first.
        surprise: of extrapolating from the small sizes; ``None`` below four sizes.
        facts: the sample.
        resting: how many of the smallest sizes score no more than guessing.
        late: a third of the sizes or more rest, and then the score rises: the look of a threshold.
        begun: the middle of the range shows the rise, though it is too steep to be gradual.
        floor: known, or estimated.
    """

    call: Call
    why: str
    shapes: tuple[Shape, ...]
    surprise: Surprise | None
    facts: Facts
    resting: int
    late: bool
    begun: bool
    floor: float


def shape_call(
    x: ArrayLike,
    score: ArrayLike,
    *,
    floor: float | None = None,
    ceiling: float = 1.0,
    n_items: ArrayLike | None = None,
    seeds: ArrayLike | None = None,
    log_x: bool = True,
    simulations: int = SIMULATIONS,
) -> ShapeCall:
    """Judge one curve by itself.

    Args:
        x: scale of each row (parameters, tokens, FLOPs, joules); rows may repeat a scale.
        score: score of each row, higher is better.
        floor: score of guessing, when known.
        ceiling: best possible score; 100 for percentages.
        n_items: items behind each row's score, one number or one per row.
        seeds: label of each row's seed.
        log_x: judge against log x; off for the loss as x, which counts as scale as it falls.
        simulations: smooth worlds drawn to calibrate the surprise.

    Raises:
        UsageError: values that no score can have.

    Example:
        >>> shape_call([1e6, 1e7, 1e8, 1e9, 1e10], [0.25] * 5, floor=0.25).call.value
        'flat'
    """
    curve = make_curve(x, score, floor=floor, ceiling=ceiling, n_items=n_items, seeds=seeds, log_x=log_x)
    return call_of(curve, simulations)


def call_of(curve: Curve, simulations: int = SIMULATIONS) -> ShapeCall:
    """Judge a curve made by ``make_curve``."""
    if curve.n < _MIN_SIZES:
        why = f"{curve.n} sizes; a shape needs {_MIN_SIZES}"
        return _answer(Call.NOT_RESOLVED, why, curve, (), None, begun=False)
    begun = is_begun(curve) and not is_gradual(curve)
    best = shapes(curve)[0]  # its scatter counts as noise
    curve = curve.with_scatter(best.chi2, curve.n - best.parameters)
    ranked = shapes(curve)
    least = least_change(curve)
    found = surprise(curve, simulations=simulations)
    call, why = _decide(curve, ranked, found, least, begun=begun)
    return _answer(call, why, curve, ranked, found, begun=begun)


def _answer(
    call: Call, why: str, curve: Curve, ranked: tuple[Shape, ...], found: Surprise | None, *, begun: bool
) -> ShapeCall:
    return ShapeCall(
        call=call, why=why, shapes=ranked, surprise=found, facts=facts(curve), resting=at_floor(curve),
        late=is_late(curve), begun=begun, floor=curve.floor,
    )  # fmt: skip


def _decide(
    curve: Curve, ranked: tuple[Shape, ...], found: Surprise | None, least: float, *, begun: bool
) -> tuple[Call, str]:
    turning = _turns(curve, ranked, least)
    if turning is not None:
        return turning
    change, z = _trend(curve)
    best = ranked[0]
    span = float(best.fitted.max() - best.fitted.min())
    needed = _Z_TREND * np.sqrt(_shared(curve, best)) if abs(change) >= least else _Z_TREND_SMALL
    trend = (
        abs(z) >= needed or (abs(change) >= 2 * least and abs(z) >= _Z_TREND_LARGE) or _leaps(curve, found, 2 * least)
    )
    level = next(s for s in ranked if s.name == "constant")
    if best.name == "saturating" and best.aicc < level.aicc - _LEVEL_MARGIN:
        return Call.SMOOTH, f"rises by {span:.3g}, ever more slowly: {best.name} fits best"
    if not trend and span >= 2 * least and best.aicc < level.aicc - _NEITHER:
        return Call.NOT_RESOLVED, f"neither a level nor a trend: {best.name} fits best and spans {span:.2g}"
    small = span < least
    if best.name == "constant" or not trend or (small and best.aicc >= level.aicc - _NO_LEVEL):
        return _level(curve, best, found, least)
    if small and change > 0:
        return Call.SMOOTH, f"rises by {change:.3g} over the range, {z:.1f} standard errors: small, but not noise"
    if change < 0:
        return Call.FALLS, f"falls by {-change:.3g} over the range, {-z:.1f} standard errors"
    early = share_at(best, curve.t, 0.5)
    if early > _UNDER_WAY - 1e-6:  # a straight line too
        return Call.SMOOTH, f"rises by {span:.3g}, {100 * early:.0f} % of it in the smaller half of the range"
    if begun:
        return Call.SMOOTH, f"rises by {span:.3g}, and the middle of the range shows it"
    return _rise(curve, found, least, change)


def _trend(curve: Curve) -> tuple[float, float]:
    """Return the change over the whole range by a weighted line, and its standard errors."""
    w = 1 / curve.variance
    centre = float((w * curve.t).sum() / w.sum())
    spread = float((w * (curve.t - centre) ** 2).sum())
    slope = float((w * (curve.t - centre) * curve.y).sum()) / spread
    return slope, slope * float(np.sqrt(spread))


def _shared(curve: Curve, best: Shape) -> float:
    """Return the part of the points' variance that differences between them have: sizes answer the same items.

    A lucky draw of items lifts every size, so neighbours scatter less than each point errs.
    """
    seen = (PRIOR_WEIGHT + best.chi2) / (PRIOR_WEIGHT + curve.n - best.parameters)
    return min(max(seen, _LEAST_SHARED), 1.0) if curve.n_items is not None else 1.0


def _turns(curve: Curve, ranked: tuple[Shape, ...], least: float) -> tuple[Call, str] | None:
    scores = {s.name: s for s in ranked}
    u = scores["u"]
    monotone = min(s.aicc for name, s in scores.items() if name not in ("u", "broken"))
    earned = np.isfinite(u.aicc) and u.aicc <= monotone - _U_MARGIN
    if curve.n <= _FEW and not earned:  # too few sizes for the criterion: both legs must stand out by themselves
        seen, needed = curve.y, max(2 * least, _Z_LEG * curve.sd)
    elif earned:
        seen, needed = u.fitted, max(least, 2 * curve.sd)
    else:
        return None
    bottom = int(seen.argmin())
    drop, rise = float(seen[0] - seen[bottom]), float(seen[-1] - seen[bottom])
    if min(drop, rise) < needed:
        return None
    at = format_si(float(curve.x[bottom]))
    return Call.FALLS_THEN_RISES, f"falls by {drop:.3g} to x = {at}, then rises by {rise:.3g}"


def _level(curve: Curve, best: Shape, found: Surprise | None, least: float) -> tuple[Call, str]:
    span = float(np.ptp(best.fitted))
    jump = facts(curve).minimum_jump
    base = curve.floor if curve.floor_known else min(curve.floors[0], 0.0)
    if jump > _BLIND_JUMP * (curve.ceiling - base):
        return Call.NOT_RESOLVED, f"no trend, but the sample would miss a rise of {jump:.2g}"
    if found is not None and curve.n <= _FEW and found.z > Z_RISE and found.gap > least:
        return Call.NOT_RESOLVED, f"the largest sizes stand out by {found.gap:.2g}, with {curve.n} sizes in all"
    return Call.FLAT, f"no trend: {best.name} fits best and spans {span:.2g}; a jump of {jump:.2g} would show"


def _leaps(curve: Curve, found: Surprise | None, least: float) -> bool:
    """Say whether the surprise is certain: a leap of the last sizes hardly tilts a line through all."""
    assert found is not None
    z, p = (Z_RISE, P_RISE) if curve.n <= _FEW else (_Z_LONG, _P_OPEN)
    return found.gap >= least and found.z >= z and found.p <= p


def _rise(curve: Curve, found: Surprise | None, least: float, change: float) -> tuple[Call, str]:
    assert found is not None
    few = curve.n <= _FEW
    untold = is_untold(curve)
    told = f"z = {found.z:.1f}, p = {found.p:.2g}, {found.gap:+.2g} over the prediction from x ≤ {format_si(found.cut)}"
    if is_gradual(curve) and not untold:
        return (
            Call.SMOOTH,
            f"rises by {change:.3g}, with enough sizes on its slope to foretell the larger",
        )
    if _leaps(curve, found, least):
        return Call.UNPREDICTED_RISE, told
    if untold:
        return Call.UNPREDICTED_RISE, f"the smaller sizes stand on one level, which foretells no rise; {told}"
    if few and found.gap >= least and found.z >= Z_RISE and found.p <= _P_OPEN:
        return Call.NOT_RESOLVED, f"{told}; too few sizes to tell a steep smooth rise from a break"
    return Call.SMOOTH, f"rises by {change:.3g} as the smaller sizes promise ({told})"


def least_change(curve: Curve) -> float:
    """Return the smallest change that counts as a leap."""
    return MIN_GAP * (curve.ceiling - min(curve.floor, 0.0))


def is_untold(curve: Curve) -> bool:
    """Say whether the smaller sizes stand on one level that, gone on as a line, misses the larger.

    Not against the loss, where one step of size may be two fifths of the range.
    """
    k = curve.small_end
    if k >= curve.n or not np.isfinite(curve.decades):
        return False
    small = curve.first(k)
    slope, z = _trend(small)
    level = float(np.average(small.y, weights=1 / small.variance))
    if z > _LEVEL_Z or slope * np.ptp(small.t) > _LEVEL_PART * (float(curve.y[k:].max()) - level):
        return False
    found = surprise_of(curve, [Line(curve.t, 1 / curve.variance)], simulations=0)
    return found is not None and found.z >= _Z_UNTOLD and found.gap >= least_change(curve)


def share_at(best: Shape, t: Array, place: float) -> float:
    """Return the share of a shape's rise that lies below a place of the range."""
    low, span = float(best.fitted.min()), float(np.ptp(best.fitted))
    return (float(np.interp(place, t, best.fitted)) - low) / max(span, 1e-12)


def is_begun(curve: Curve) -> bool:
    """Say whether the middle of the range shows the rise: half of it, or a tenth that is clear from before it on.

    What counts is what no larger size falls below; one odd point is noise.
    """
    start = curve.first(max(2, int((curve.t <= _START).sum())))
    weights = 1 / start.variance
    level = float(np.average(start.y, weights=weights))
    reached = np.minimum.accumulate(curve.y[::-1])[::-1]
    share = (float(np.interp(0.5, curve.t, reached)) - level) / max(float(curve.y.max()) - level, 1e-12)
    z = (reached - level) / np.sqrt(curve.variance + 1 / weights.sum())
    before = z[start.n :][curve.t[start.n :] <= _BEFORE_MIDDLE]
    clear = bool(before.size) and before.max() >= _Z_BEGUN
    return share >= _UNDER_WAY or (clear and share >= _BEGUN)


def is_gradual(curve: Curve) -> bool:
    """Say whether three sizes lie on the slope: 1.5 decades from 10 to 90 % of the rise, half of that to 50 %."""
    level = np.maximum.accumulate(curve.y)
    share = (level - level[0]) / max(float(np.ptp(level)), 1e-12)
    ends = [float(np.interp(edge, share, curve.t)) for edge in (0.1, 0.5, 0.9)]
    steps = np.diff(share, prepend=-1)
    inside = int(((share > 0.1) & (share < 0.9) & (steps > 0)).sum())
    onset, whole = ((end - ends[0]) * curve.decades for end in ends[1:])
    dense = inside >= _GRADUAL_SIZES and float(steps[1:].max()) <= _MOST_STEP
    return dense and whole >= _GRADUAL_DECADES and onset >= _ONSET_DECADES


def at_floor(curve: Curve) -> int:
    """Return how many of the smallest sizes score no more than guessing, one after the other."""
    allowed = np.maximum(2.5 * np.sqrt(curve.variance), MIN_GAP * (curve.ceiling - curve.floor))
    above = np.flatnonzero(np.abs(curve.y - curve.floor) > allowed)
    return int(above[0]) if len(above) else curve.n


def is_late(curve: Curve) -> bool:
    """Say whether a third of the sizes lies at the floor and the largest clearly above it."""
    top = float(curve.y[-1] - curve.floor)
    rises = top > max(3 * float(np.sqrt(curve.variance[-1])), 3 * MIN_GAP * (curve.ceiling - curve.floor))
    return rises and at_floor(curve) >= max(2, curve.n / 3)
