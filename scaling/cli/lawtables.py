"""The analysis of a sweep as tables and lines for a terminal."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.table import Table

from scaling.units import format_flops, format_interval, format_si

if TYPE_CHECKING:
    from scaling.laws import Analysis, Fit, Interval, StopRow
    from scaling.laws.emergence import AbilityResult


def tables(analysis: "Analysis") -> Iterator[Table]:
    """Yield every table that the analysis fills."""
    yield fit_table(analysis.fits.values())
    yield trust_table(analysis.fits.values())
    if analysis.sensitivity:
        yield sensitivity_table(analysis)


def fit_table(fits: "Iterable[Fit]") -> Table:
    """Return the parameters of every law with their 95 % intervals."""
    table = _table("law", "form", "parameter", right=("value", "95 % interval"))
    for fit in fits:
        for i, (name, interval) in enumerate(fit.params.items()):
            head = (fit.name, fit.form) if i == 0 else ("", "")
            table.add_row(*head, name, f"{interval.value:.5g}", _span(interval))
    return table


def trust_table(fits: "Iterable[Fit]") -> Table:
    """Return what each fit rests on and how well it does.

    Starts that agreed of those tried, rms residual, error on the largest compute left out, AICc.
    """
    right = ("points (trials)", "objective", "gradient", "starts", "rms", "held out", "AICc")
    table = _table("law", right=right)
    for fit in fits:
        table.add_row(
            fit.name,
            f"{fit.n_points} ({fit.n_trials})",
            f"{fit.objective_value:.4e}",
            f"{fit.gradient_norm:.0e}" + ("" if fit.converged else " (!)"),
            f"{fit.starts_agreed}/{fit.starts}",
            f"{100 * fit.residual_rms:.2f} %",
            "–" if fit.heldout_error is None else f"{100 * fit.heldout_error:.2f} %",
            "–" if fit.aicc is None else f"{fit.aicc:.0f}",
        )
    return table


def ability_table(results: "Iterable[AbilityResult]") -> Table:
    """Return the verdict on every probe: what it scored at the largest size, over its floor, and how surprising."""
    right = ("floor", "score", "solved", "z", "z (log-p)", "p")
    table = _table("probe", "verdict", right=right)
    for r in results:
        judged, surprise = r.verdict, r.verdict.score.surprise
        table.add_row(
            r.probe,
            "emergent" if judged.emergent else judged.word.value,
            "unknown" if r.floor is None else f"{r.floor:.3f}",
            f"{r.top:.3f}",
            f"{r.solved[-1][1]}/{r.solved[-1][2]}",
            "" if surprise is None else f"{surprise.z:.1f}",
            "" if judged.logprob is None else f"{judged.logprob.z:.1f}",
            "" if r.p_corrected is None else f"{r.p_corrected:.2g}",
        )
    return table


def approach_lines(analysis: "Analysis") -> list[str]:
    """Return the three approaches to the compute-optimal split, at the budget nearest the largest compute."""
    lines = []
    for approach in analysis.approaches:
        if approach.a is None or approach.b is None:
            continue
        row = min(approach.rows, key=lambda r: abs(math.log(r.extrapolation_factor)))
        loss = "" if row.loss is None else f", L* {_shown(row.loss)}"
        lines.append(
            f"approach {approach.name} ({approach.flops_convention}): a {_shown(approach.a)}, b {_shown(approach.b)}; "
            f"at {format_flops(row.flops)} N* {_counts(row.params)}, D* {_counts(row.tokens)}{loss}"
        )
    refused = [a for a in analysis.approaches if a.reason]
    lines += dict.fromkeys(f"approach {a.name} is refused: {a.reason}" for a in refused)
    lines += dict.fromkeys(f"warning: {text}" for a in analysis.approaches for text in a.warnings)
    return lines


def returns_lines(analysis: "Analysis") -> list[str]:
    """Return what more compute buys: inside the data, and as far beyond as anything may be said."""
    lines = []
    for row in analysis.returns:
        priced = "" if row.gain_per_cost_nats is None else f", the next unit of money {_shown(row.gain_per_cost_nats)}"
        lines.append(
            f"at {format_flops(row.flops)}: loss {_shown(row.loss)}, a doubling buys "
            f"{_shown(row.gain_per_doubling_nats)} nats{priced}; local exponent {_shown(row.local_exponent)}; "
            f"−1 % takes {_factor(row.factor_next_percent)}, −0.01 nat {_factor(row.factor_next_001_nat)}"
        )
    return [*lines, *(_stop_line(stop) for stop in analysis.stops)]


def _factor(factor: float | None) -> str:
    return "more than the law allows" if factor is None else f"{factor:.3g}x the compute"


def sensitivity_table(analysis: "Analysis") -> Table:
    """Return L(N,D) under other objectives and without the highest losses."""
    table = _table("choice", "variant", right=("points", "E", "alpha", "beta", "a"))
    for row in analysis.sensitivity:
        cells = (f"{v:.4g}" for v in (row.E, row.alpha, row.beta))
        table.add_row(
            row.choice,
            row.variant.removesuffix(" sum") + ("" if row.converged else " (!)"),
            str(row.n_points),
            *cells,
            "–" if row.a is None else f"{row.a:.3f}",
        )
    return table


def footnotes(analysis: "Analysis") -> list[str]:
    """Return conventions, interval method, exclusions, held-out error, warnings and missing parts, a line each."""
    first = next(iter(analysis.fits.values()))
    lines = [
        f"N: {first.conventions['params']}; C: {first.conventions['flops']}; loss: {first.conventions['loss_unit']}"
    ]
    lines += [f"objective: {first.objective}; intervals: {first.interval_method}"]
    held = analysis.heldout
    if held is not None:
        lines.append(
            f"held out ({held.rule}): mean error {100 * held.mean_abs_error:.2f} %, "
            f"max {100 * held.max_abs_error:.2f} %, naive {100 * held.naive_mean_abs_error:.2f} %, "
            f"at {held.extrapolation_factor:.2g}x the fitted compute"
        )
    if analysis.profile:
        ends = ", ".join(f"{name} {_shown(found)}" for name, found in analysis.profile.items())
        lines.append(f"profile likelihood (normal errors in log loss, scale profiled, n = trials): {ends}")
    if analysis.floor is not None:
        lines.append(f"is there a floor? {analysis.floor.favours}: {analysis.floor.why}")
    lines += approach_lines(analysis)
    lines += returns_lines(analysis)
    lines += [f"note: {note}" for note in analysis.notes]
    lines += [f"warning: {fit.name}: {text}" for fit in analysis.fits.values() for text in fit.warnings]
    lines += [f"missing: {part}: {why}" for part, why in analysis.missing.items()]
    return lines


def fit_lines(fit: "Fit") -> list[str]:
    """Return conventions, interval method, exclusions and warnings of one fit, a line each."""
    reasons = Counter(point.reason for point in fit.dropped)
    return [
        f"N: {fit.conventions['params']}; C: {fit.conventions['flops']}; loss: {fit.conventions['loss_unit']}",
        f"points: {fit.conventions['points']}",
        f"objective: {fit.objective}; intervals: {fit.interval_method}",
        *(f"note: {count} points left out: {reason}." for reason, count in reasons.items()),
        *(f"warning: {text}" for text in fit.warnings),
    ]


def _stop_line(stop: "StopRow") -> str:
    if stop.flops is None:
        return f"where more stops paying, by {stop.rule}: {stop.threshold}: {stop.reason}"
    flops = format_interval(stop.flops.value, stop.flops.low, stop.flops.high)
    return f"where more stops paying, by {stop.rule}: {stop.threshold}, at {flops} FLOPs" + (
        f" ({stop.reason})" if stop.reason else ""
    )


def _shown(interval: "Interval") -> str:
    return format_interval(interval.value, interval.low, interval.high)


def _counts(interval: "Interval") -> str:
    if interval.low is None or interval.high is None:
        return format_si(interval.value)
    return f"{format_si(interval.value)} [{format_si(interval.low)}, {format_si(interval.high)}]"


def _span(interval: "Interval") -> str:
    if interval.low is None or interval.high is None:
        return "–"
    return f"{interval.low:.4g} … {interval.high:.4g}"


def _table(*left: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table
