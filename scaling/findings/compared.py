"""Judges of what the analysis did in more ways than one: approaches to the optimum, forms of the law."""

from collections.abc import Sequence

from scaling.findings.case import Case, Verdict, bounds, graded, percent, shown, too_little, triple
from scaling.findings.rules import Rule
from scaling.laws.analysis import Approach, FormChoice
from scaling.laws.frontier import EXACT

SURFACE = "L(N,D)"


def approaches(case: Case, rule: Rule) -> Verdict:
    """Approaches 1, 2 and 3 give the same exponent, and approach 2 is not biased on this design."""
    exact = [a for a in case.analysis.approaches if a.flops_convention == EXACT]
    told = [a for a in exact if a.a is not None and bounds(a.a) is not None]
    read = [a for a in told if _width(a) <= rule.thresholds["width"]]
    refused = "; ".join(
        [f"approach {a.name} is refused: {a.reason}" for a in exact if a.a is None]
        + [f"approach {a.name} tells nothing: a = {shown(a.a)}" for a in told if a not in read and a.a is not None]
    )
    if len(read) < rule.minimum["approaches"]:
        why = refused or case.why_missing("approaches", SURFACE)
        return too_little(f"Fewer than two approaches can be compared: {why}.", read=[a.name for a in read])
    bias = next((a.bias for a in read if a.bias is not None), None)
    agree, biased = _overlap(read), bias is not None and abs(bias) > rule.thresholds["bias"]
    exponents = ", ".join(f"{shown(a.a)} by approach {a.name}" for a in read if a.a is not None)
    return graded(
        agree and not biased,
        f"N* grows as C^a with a = {exponents}: the intervals {'overlap' if agree else 'do not all overlap'}."
        + _bias_words(bias)
        + (f" Approach {refused.removeprefix('approach ')}." if refused else ""),
        a={a.name: triple(a.a) for a in told if a.a is not None},
        bias=bias,
        refused={a.name: a.reason for a in exact if a.a is None},
    )


def _width(approach: Approach) -> float:
    ends = None if approach.a is None else bounds(approach.a)
    return float("inf") if ends is None else ends[1] - ends[0]


def _overlap(read: Sequence[Approach]) -> bool:
    ends = [found for a in read if a.a is not None and (found := bounds(a.a)) is not None]
    return max(low for low, _ in ends) <= min(high for _, high in ends)


def _bias_words(bias: float | None) -> str:
    if bias is None:
        return ""
    side = "low" if bias < 0 else "high"
    return (
        f" Without any noise, were L(N,D) the truth, approach 2 on this design would put D* {percent(abs(bias))} too "
        f"{side} at the largest budget: trust approach 3 where they part."
    )


def form(case: Case, rule: Rule) -> Verdict:
    """One form is ahead of every other out of sample."""
    choice, fit = case.analysis.choice, case.analysis.fits.get(SURFACE)
    if choice is None or fit is None:
        return too_little(f"Forms were not compared: {case.why_missing('choice', SURFACE)}.")
    if fit.n_trials < rule.minimum["trials"]:
        return too_little(f"{fit.n_trials} trials are too few to tell forms apart.", trials=fit.n_trials)
    errors = _errors(choice)
    if choice.decided:
        sentence = f"Of {len(choice.rows)} forms the data prefer {choice.favours}{errors}.{_by_aicc(choice)}"
    else:
        sentence = (
            f"No form of {len(choice.rows)} stands out{errors}. Beyond the data they part, and that is in no interval."
        )
    return graded(
        choice.decided,
        sentence,
        favours=choice.favours,
        forms={r.name: {"heldout_error": r.heldout_error, "aicc": r.aicc, "params": r.params} for r in choice.rows},
    )


def _by_aicc(choice: FormChoice) -> str:
    """Say what decided against a form of a smaller error: its AICc, since the errors lie too close together."""
    rows = {row.name: row for row in choice.rows}
    best = rows[choice.favours]
    better = [
        f"{row.name} by {row.aicc - best.aicc:.2g}"
        for row in choice.rows
        if best.heldout_error is not None
        and row.heldout_error is not None
        and row.heldout_error < best.heldout_error
        and row.aicc is not None
        and best.aicc is not None
    ]
    return f" Errors so close decide nothing, AICc does: higher for {', '.join(better)}." if better else ""


def _errors(choice: FormChoice) -> str:
    """Say how wrong each form was on what it had not seen, the favoured one first."""
    order = sorted(choice.rows, key=lambda row: row.name != choice.favours)
    known = [f"{row.name} ({percent(row.heldout_error)})" for row in order if row.heldout_error is not None]
    return "" if not known else f"; mean error on the largest compute, left out of the fit: {', '.join(known)}"
