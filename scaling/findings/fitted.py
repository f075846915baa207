"""Judges of what follows from the fitted law."""

import math
from collections.abc import Sequence

import numpy as np

from scaling.families import NATS_PER_TOKEN
from scaling.findings.case import Case, Verdict, bounds, graded, percent, shown, too_little, triple
from scaling.findings.rules import Rule
from scaling.laws.analysis import Fit, Interval, OptimumRow, Residual, ReturnsRow, SeedNoise, StopRow
from scaling.laws.bootstrap import interval
from scaling.laws.noise import pooled
from scaling.laws.selection import unit_of
from scaling.units import format_flops, format_interval, format_si

SURFACE = "L(N,D)"
_INSIDE = 1 + 1e-9  # times the largest fitted compute
STOPS = {
    "seed noise": "a doubling buys less than chance makes of two runs",
    "one percent": "a doubling buys less than 1 % of the loss",
    "price": "the next FLOP costs more than the loss it buys is worth",
}


def repeats(noise: Sequence[SeedNoise]) -> int:
    """Return trials beyond the first of their size: what the seed noise rests on, horizons not counted twice."""
    most: dict[float, int] = {}
    for row in noise:
        most[row.params] = max(most.get(row.params, 0), row.n_seeds - 1)
    return sum(most.values())


def _used(case: Case) -> list[Residual]:
    return [r for r in case.analysis.residuals if r.used]


def power_law(case: Case, rule: Rule) -> Verdict:
    """L(N,D) describes the points to within seed noise or one percent."""
    fit = case.analysis.fits.get(SURFACE)
    if fit is None:
        return too_little(f"L(N,D) was not fitted: {case.why_missing(SURFACE)}.")
    if fit.n_points < rule.minimum["points"] or fit.n_trials < rule.minimum["trials"]:
        return too_little(
            f"L(N,D) rests on {fit.n_points} points of {fit.n_trials} trials, too few to say that it describes them.",
            points=fit.n_points,
            trials=fit.n_trials,
        )
    noise = pooled(case.analysis.seed_noise)
    allowed = max(rule.thresholds["rms"], rule.thresholds["noise_factor"] * (noise or 0.0))
    seeds = "seed noise is unknown" if noise is None else f"two seeds differ by {percent(math.sqrt(2) * noise)}"
    verb = "describes" if fit.residual_rms <= allowed else "does not describe"
    doubt = "" if fit.converged else " The fit did not converge, so its numbers are not the optimum."
    return graded(
        fit.converged and fit.residual_rms <= allowed,
        f"{_formula(fit, unit_of(case.points))} {verb} {fit.n_points} points of {fit.n_trials} trials: the rms "
        f"residual is {percent(fit.residual_rms)} of the loss, {percent(allowed)} allowed; {seeds}.{doubt}",
        residual_rms=fit.residual_rms,
        allowed_rms=allowed,
        seed_noise_std=noise,
        converged=fit.converged,
        points=fit.n_points,
        trials=fit.n_trials,
        params={name: triple(p) for name, p in fit.params.items()},
    )


def _formula(fit: Fit, unit: str) -> str:
    e, a, b = (fit.params[name] for name in ("E", "A", "B"))
    alpha, beta = fit.params["alpha"], fit.params["beta"]
    of_size, of_data = (format_interval(p.value, None, None, 4) for p in (a, b))
    return f"L(N,D) = {e.value:.3g} + {of_size}/N^α + {of_data}/D^β {unit}, α = {shown(alpha)}, β = {shown(beta)},"


def held_out(case: Case, rule: Rule) -> Verdict:
    """The largest size is predicted from the smaller ones."""
    held = case.analysis.heldout
    if held is None:
        return too_little(f"No size could be held out: {case.why_missing('heldout', SURFACE)}.")
    if len(held.rows) < rule.minimum["points"]:
        return too_little(f"The size held out has only {len(held.rows)} points.", points=len(held.rows))
    good = held.mean_abs_error <= rule.thresholds["error"]
    better = held.mean_abs_error <= rule.thresholds["naive_share"] * held.naive_mean_abs_error
    return graded(
        good and better,
        f"The largest size, {format_si(held.rows[0][1])} parameters, was predicted from the smaller ones with a mean "
        f"error of {percent(held.mean_abs_error)} (largest {percent(held.max_abs_error)}) at "
        f"{held.extrapolation_factor:.2g}x the fitted compute; “same loss as the next smaller size” is wrong by "
        f"{percent(held.naive_mean_abs_error)}.",
        mean_abs_error=held.mean_abs_error,
        max_abs_error=held.max_abs_error,
        naive_mean_abs_error=held.naive_mean_abs_error,
        extrapolation_factor=held.extrapolation_factor,
        points=len(held.rows),
    )


def _known_floor(case: Case, unit: str) -> tuple[float | None, str]:
    """Return the loss that no model can better, and its name; ``None`` where the data, or this loss, has none known."""
    data = case.sweep.get("data") or {}
    if unit != data.get("entropy_unit", NATS_PER_TOKEN):
        return None, ""
    if data.get("entropy_se_nats") is not None:  # an average over pictures: on these very pictures it is exact
        return data.get("validation_entropy_nats"), "loss of the best classifier there is on these pictures"
    return data.get("entropy_nats"), "conditional entropy of this made-up language"


def irreducible_loss(case: Case, rule: Rule) -> Verdict:
    """The floor E is told from zero, narrow, and in sight."""
    fit = case.analysis.fits.get(SURFACE)
    if fit is None:
        return too_little(f"L(N,D) was not fitted: {case.why_missing(SURFACE)}.")
    floor = fit.params["E"]
    ends = bounds(floor)
    if ends is None or fit.n_trials < rule.minimum["trials"]:
        return too_little(
            f"{fit.n_trials} trials are too few for an interval of the irreducible loss E.", trials=fit.n_trials
        )
    lowest = min(r.loss for r in _used(case))
    low, high = ends
    limits = rule.thresholds
    unit = unit_of(case.points)
    truth, what = _known_floor(case, unit)
    missed = truth is not None and not low <= truth <= high
    identified = not missed and (
        low > limits["above_zero"] * lowest
        and high - low <= limits["width"] * floor.value
        and floor.value >= limits["share"] * lowest
    )
    if identified:
        sentence = f"The irreducible loss is E = {shown(floor)} {unit}; the lowest loss seen is {lowest:.3g}."
    elif missed:
        sentence = (
            f"The irreducible loss is not identified: its interval, {low:.3g} to {high:.3g} {unit}, misses the "
            f"{what}, {truth:.4g}; the form of the law or the reach of the data is wrong."
        )
    else:
        sentence = (
            f"The irreducible loss is not identified: the data are compatible with E from {low:.3g} to {high:.3g} "
            f"{unit}, and the lowest loss seen, {lowest:.3g}, shows no plateau."
        )
    if truth is not None and not missed:
        sentence += f" The exact {what}, {truth:.4g}, lies inside the interval."
    return graded(identified, sentence, E=triple(floor), lowest_loss=lowest, trials=fit.n_trials, entropy_nats=truth)


def allocation_exponent(fit: Fit) -> Interval:
    """Return a = beta / (alpha + beta) of N* ∝ C^a (Hoffmann et al. 2022, eq. 4), for C = 6ND."""
    names = list(fit.params)
    alpha, beta = names.index("alpha"), names.index("beta")
    rows = np.array([[p.value for p in fit.params.values()], *fit.draws], dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        a = rows[:, beta] / (rows[:, alpha] + rows[:, beta])
    return interval(float(a[0]), a[1:])


def compute_optimal(case: Case, rule: Rule) -> Verdict:
    """The split of a budget is narrow, and inside the data somewhere."""
    fit, frontier = case.analysis.fits.get(SURFACE), case.analysis.frontier
    if fit is None or not frontier:
        return too_little(f"There is no compute-optimal frontier: {case.why_missing('frontier', SURFACE)}.")
    exponent = allocation_exponent(fit)
    ends = bounds(exponent)
    if ends is None or fit.n_trials < rule.minimum["trials"]:
        return too_little(f"{fit.n_trials} trials are too few for an interval of the split.", trials=fit.n_trials)
    inside = _largest_inside(case, frontier)
    narrow = ends[1] - ends[0] <= rule.thresholds["width"]
    growth = f"N* grows as C^{shown(exponent, 2)}"
    if inside is None:
        return graded(
            False,
            f"No fitted budget has its optimum inside the fitted sizes and horizons: every split is an extrapolation; "
            f"{growth}.",
            a=triple(exponent),
        )
    return graded(
        narrow,
        f"At {format_flops(inside.flops)} the best split is {_counted(inside.params)} parameters and "
        f"{_counted(inside.tokens)} tokens, {shown(inside.tokens_per_param)} tokens per parameter; {growth}"
        + ("." if narrow else ", too wide an interval to plan with."),
        a=triple(exponent),
        flops=inside.flops,
        params=triple(inside.params),
        tokens=triple(inside.tokens),
        tokens_per_param=triple(inside.tokens_per_param),
        loss=triple(inside.loss),
    )


def _largest_inside(case: Case, frontier: Sequence[OptimumRow]) -> OptimumRow | None:
    """Return the largest budget that was itself fitted and whose best size and tokens both were trained."""
    used = _used(case)
    sizes, horizons = [r.params for r in used], [r.tokens for r in used]
    convention = frontier[0].flops_convention
    inside = [
        row
        for row in frontier
        if row.flops_convention == convention
        and row.extrapolation_factor <= _INSIDE
        and min(sizes) <= row.params.value <= max(sizes)
        and min(horizons) <= row.tokens.value <= max(horizons)
    ]
    return max(inside, key=lambda row: row.flops, default=None)


def _counted(amount: Interval) -> str:
    ends = bounds(amount)
    span = "" if ends is None else f" [{format_si(ends[0])}, {format_si(ends[1])}]"
    return f"{format_si(amount.value)}{span}"


def returns(case: Case, rule: Rule) -> Verdict:
    """The next doubling of compute buys more than one percent and more than two runs differ by chance."""
    rows, noise = case.analysis.returns, pooled(case.analysis.seed_noise)
    if not rows:
        return too_little(f"The returns are unknown: {case.why_missing('returns', SURFACE)}.")
    row = _at_largest(case, rows)
    ends = bounds(row.gain_per_doubling_nats)
    if ends is None or noise is None or repeats(case.analysis.seed_noise) < rule.minimum["repeats"]:
        lack = "its interval" if ends is None else "the noise between seeds"
        return too_little(
            f"Doubling {format_flops(row.flops)} should buy {row.gain_per_doubling_nats.value:.3g} "
            f"{unit_of(case.points)}, but {lack} is not known, so no one can say whether that is a gain.",
            gain_per_doubling_nats=triple(row.gain_per_doubling_nats),
        )
    loss = row.loss.value
    one_percent = rule.thresholds["share"] * loss
    chance = rule.thresholds["se_factor"] * math.sqrt(2) * noise * loss
    worth = ends[0] > max(one_percent, chance)
    return graded(
        worth,
        f"At {format_flops(row.flops)} the next doubling of compute buys {shown(row.gain_per_doubling_nats)} "
        f"{unit_of(case.points)} ({percent(row.gain_per_doubling_nats.value / loss)} of the loss)"
        + (", more than " if worth else ", not clearly more than ")
        + f"both 1 % of the loss ({one_percent:.2g}) and what chance makes of two runs ({chance:.2g}); the local "
        f"exponent of the reducible loss is {shown(row.local_exponent)}. A power law has no knee: the gain shrinks at "
        f"every scale.{_stop_words(case.analysis.stops)}",
        flops=row.flops,
        gain_per_doubling_nats=triple(row.gain_per_doubling_nats),
        local_exponent=triple(row.local_exponent),
        threshold_nats=max(one_percent, chance),
        factor_next_percent=row.factor_next_percent,
        factor_next_001_nat=row.factor_next_001_nat,
        stops={s.rule: None if s.flops is None else triple(s.flops) for s in case.analysis.stops},
    )


def _stop_words(stops: Sequence[StopRow]) -> str:
    """Say from what compute on more of it no longer pays, by every rule that gives one."""
    return "".join(f" {stop_words(stop)}" for stop in stops if stop.flops is not None)


def stop_words(stop: StopRow) -> str:
    """Say from what compute on more of it no longer pays by a rule, how sure that is, and whether the data reach it."""
    assert stop.flops is not None
    far = stop.extrapolation_factor
    beyond = "" if far is None or far <= _INSIDE else f" ({far:.2g} times the largest fitted compute, extrapolated)"
    return f"From {_compute(stop.flops)} on{beyond}, {STOPS[stop.rule]}."


def _compute(flops: Interval) -> str:
    ends = bounds(flops)
    if ends is None:
        return format_flops(flops.value)
    low, high = (format_flops(end).removesuffix(" FLOPs") for end in ends)
    return f"{format_flops(flops.value)} [{low}, {high}]"


def _at_largest(case: Case, rows: Sequence[ReturnsRow]) -> ReturnsRow:
    """Return the largest budget that was itself fitted, or the smallest there is."""
    largest = max(r.flops for r in _used(case))
    fitted = [row for row in rows if row.flops <= largest * _INSIDE]
    return max(fitted, key=lambda row: row.flops) if fitted else min(rows, key=lambda row: row.flops)
