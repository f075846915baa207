"""The page of several studies: which is ahead and from what scale on, laws side by side, what differs in the set-up."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scaling.answers import Comparison, Side
from scaling.answers.compare import Pair
from scaling.findings import Finding, Grade, law_finding
from scaling.report.figures import places, quality, versus
from scaling.report.figures.laws import pretty
from scaling.report.intervals import show
from scaling.report.look import Look
from scaling.report.page import Page, Section
from scaling.report.panel import Column, Table
from scaling.report.prose import LEDES, Fact, sample_groups
from scaling.report.tables.cost import Account, compared
from scaling.units import format_flops

MAX_PROMPTS = 2  # of each study; the rest stand in its own report
AHEAD_RULE = (
    "Supported if the 95 % band of the difference, over all budgets together, leaves zero out at some compute to which "
    "both were fitted; otherwise not supported, also where one leads beyond the data alone: that is extrapolated. Not "
    "enough data where the losses were not taken on the same text or a study has no L(N, D)."
)
DIFFER_RULE = (
    "Supported if the 95 % interval of the difference of some exponent of L(N, D) leaves zero out; otherwise not "
    "supported. Not enough data without an interval in both studies, or where the losses are of different text, unit "
    "or objective, or N is counted differently."
)


def page_of(comparison: Comparison, accounts: Sequence[Account] = (), title: str = "") -> Page:
    """Return the page of a comparison, with what each study cost where that is given."""
    names = [side.name for side in comparison.sides]
    look = versus.styles(comparison.sides)
    apart = _apart(comparison)
    gaps = tuple(versus.gap_panel(pair, i, look) for i, pair in enumerate(comparison.pairs) if pair not in apart)
    sizes = Look.of(*(frame for account in accounts for frame in (account.every_trial, account.points)))
    made = quality.panel([_judged(account) for account in accounts], sizes)
    by_place = places.together(
        [[(a.name, a.places) for a in accounts if a.name in names] for names in versus.comparable(comparison)], look
    )
    samples = [group for a in accounts for group in sample_groups(a.samples, sizes, a.name)[:MAX_PROMPTS]]
    shown = bool(samples or made.plots)
    return Page(
        kicker="Scaling comparison",
        title=title or (" against ".join(names) if len(names) < 4 else f"{len(names)} studies compared"),
        identity=[],
        facts=[_fact(side) for side in comparison.sides],
        findings=[*_laws(comparison, accounts), *findings(comparison)],
        reservations=list(dict.fromkeys(_reservations(comparison))),
        sections=(
            Section(
                "sec-answers",
                "Answers",
                "What law each study follows, which is ahead, from what scale on, and whether the laws differ.",
            ),
            Section(
                "sec-laws",
                "Laws side by side",
                "Each study’s own law, over the compute it was fitted to and up to a hundred times beyond.",
                (
                    versus.paths_panel(comparison, look),
                    versus.energy_panel(comparison, look),
                    versus.exponents_panel(comparison, look),
                    *([] if by_place is None else [by_place]),
                ),
                (laws_table(comparison),),
            ),
            Section(
                "sec-ahead",
                "Who is ahead, and from where on",
                "Loss at equal compute, the best split of each, with a band that holds everywhere at once.",
                (*gaps, *([versus.apart_panel(apart, len(comparison.pairs))] if apart else [])),
                (_spans_table(comparison), *([_apart_table(apart)] if apart else [])),
            ),
            Section(
                "sec-setup",
                "What differs in the set-up",
                "Whatever differs here may be the cause; what is the same is listed too.",
                (),
                (setup_table(comparison), differences_table(comparison)),
            ),
            *([Section("sec-samples", "Samples by size", LEDES["sec-samples"], (made,))] if shown else []),
            *([_cost_section(accounts)] if accounts else []),
        ),
        look=sizes if shown else Look(()),
        badges=dict(_badges(comparison)),
        sample_groups=samples,
    )


def _judged(a: Account) -> quality.Judged:
    return quality.Judged(study=a.name, points=a.points, trials=a.every_trial, metrics=a.metrics)


def _apart(comparison: Comparison) -> list[Pair]:
    """Return the pairs that do not compare, where they are several: one sentence says it of them all."""
    found = [pair for pair in comparison.pairs if pair.gap is None]
    return found if len(found) > 1 else []


def _cost_section(accounts: Sequence[Account]) -> Section:
    lede = "Time, energy, carbon and money of each study as a whole: finished trials, lost ones and repeated attempts."
    return Section("sec-cost", "What each study cost", lede, (), (compared(accounts),))


def _fact(side: Side) -> Fact:
    fit = side.analysis.fits.get("L(N,D)")
    if fit is None or side.law is None:
        return Fact(side.name, "no L(N, D)", side.analysis.missing.get("L(N,D)", ""))
    note = f"{fit.n_points} points of {fit.n_trials} trials, to {format_flops(side.law.largest)}"
    return Fact(side.name, f"α {fit.params['alpha'].value:.3g}, β {fit.params['beta'].value:.3g}", note)


def findings(comparison: Comparison) -> Iterator[Finding]:
    """Yield two findings for every two studies: which is ahead, and whether their exponents differ.

    Where one reason forbids both, the first says it; pairs that do not compare share one finding.
    """
    apart = _apart(comparison)
    for rank, pair in enumerate(comparison.pairs):
        if pair in apart:
            continue
        yield _ahead(pair, rank)
        if pair.why_no_differences is None or pair.why_no_differences != pair.verdict:
            yield _differ(pair, rank)
    if apart:
        yield _not_compared(apart, len(comparison.pairs))


def _laws(comparison: Comparison, accounts: Sequence[Account]) -> Iterator[Finding]:
    """Yield of every study whether one power law describes it."""
    points = {account.name: account.points for account in accounts}
    for rank, side in enumerate(comparison.sides):
        if side.name in points:
            found = law_finding(side.analysis, points[side.name])
            question = f"{side.name}: {found.question[:1].lower()}{found.question[1:]}"
            yield replace(found, id=f"law_{rank + 1}", question=question, figure=versus.PATHS)


def _badges(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """Yield what the findings of every two studies are called beside a figure: the figure of a pair names the two."""
    yield from ((f"law_{rank + 1}", f"law of {side.name}") for rank, side in enumerate(comparison.sides))
    for rank, pair in enumerate(comparison.pairs):
        yield f"ahead_{rank + 1}", "which is ahead"
        yield f"exponents_{rank + 1}", f"{pair.left} and {pair.right} differ"
    yield "apart", "compare"


def _not_compared(apart: Sequence[Pair], pairs: int) -> Finding:
    return Finding(
        id="apart",
        question="Which studies do not compare?",
        sentence=f"{versus.apart_words(apart, pairs)} Their laws stand side by side, each in its own unit.",
        grade=Grade.NOT_ENOUGH_DATA,
        numbers={"pairs": pairs, "apart": len(apart)},
        figure=versus.APART,
        rule=AHEAD_RULE,
    )


def _ahead(pair: Pair, rank: int) -> Finding:
    seen = [s for s in pair.spans if s.ahead is not None and s.from_flops <= (pair.fitted_to or 0.0)]
    grade = Grade.NOT_ENOUGH_DATA if not pair.spans else Grade.SUPPORTED if seen else Grade.NOT_SUPPORTED
    return Finding(
        id=f"ahead_{rank + 1}",
        question=f"Which is ahead at equal compute, {pair.left} or {pair.right}?",
        sentence=_as_sentence(pair),
        grade=grade,
        numbers={"fitted_to_flops": pair.fitted_to, "flops_convention": pair.flops_convention},
        figure=versus.gap_anchor(rank),
        rule=AHEAD_RULE,
    )


def _as_sentence(pair: Pair) -> str:
    """Begin with a capital, but for the name of a study."""
    named = pair.verdict.startswith((f"{pair.left} ", f"{pair.right} "))
    return f"{pair.verdict if named else pair.verdict[:1].upper() + pair.verdict[1:]}."


def _differ(pair: Pair, rank: int) -> Finding:
    rows = [d for d in pair.differences if d.law == "L(N,D)"]
    judged = [d for d in rows if d.differ is not None]
    said = "; ".join(
        f"{pretty(d.parameter)} {show(d.left)} and {show(d.right)}, {'different' if d.differ else 'no difference seen'}"
        for d in rows
    )
    grade = Grade.SUPPORTED if any(d.differ for d in judged) else Grade.NOT_SUPPORTED
    return Finding(
        id=f"exponents_{rank + 1}",
        question=f"Do the exponents of {pair.left} and {pair.right} differ?",
        sentence=_exponent_words(pair, said),
        grade=grade if judged else Grade.NOT_ENOUGH_DATA,
        numbers={d.parameter: d.difference.value for d in rows},
        figure=versus.EXPONENTS,
        rule=DIFFER_RULE,
    )


def _exponent_words(pair: Pair, said: str) -> str:
    if said:
        return f"{pair.left} and {pair.right}, in this order: {said}."
    why = pair.why_no_differences or "no two L(N,D) are there to compare"
    return why[:1].upper() + why[1:] + "."


def _reservations(comparison: Comparison) -> Iterator[str]:
    for side in comparison.sides:
        yield from (f"{side.name}: {note}" for note in side.analysis.notes)
        for fit in side.analysis.fits.values():
            yield from (f"{side.name}: {fit.name}: {warning}" for warning in fit.warnings)


def laws_table(comparison: Comparison) -> Table:
    """Return L(N, D) of all studies, a column each."""
    columns = (Column("what", "What"), *(Column(f"s{i}", side.name) for i, side in enumerate(comparison.sides)))
    told = [dict(_law_words(side)) for side in comparison.sides]
    keys = list(dict.fromkeys(k for words in told for k in words))
    rows = [{"what": k, **{f"s{i}": words.get(k) for i, words in enumerate(told)}} for k in keys]
    return Table.of("laws", "Laws side by side", columns, rows, empty="No study has a law.")


def _law_words(side: Side) -> Iterator[tuple[str, str]]:
    for fit in side.analysis.fits.values():
        yield f"{fit.name}: form", pretty(fit.form)
        for name, value in fit.params.items():
            yield f"{fit.name}: {pretty(name)}", show(value)
        yield f"{fit.name}: points", f"{fit.n_points} of {fit.n_trials} trials"
        yield f"{fit.name}: residual rms", f"{100 * fit.residual_rms:.3g} %"
    held = side.analysis.heldout
    if held is not None:
        yield "held-out error", f"{100 * held.mean_abs_error:.2g} % at {held.extrapolation_factor:.2g}x the compute"
    for part, why in side.analysis.missing.items():
        yield f"{part}: missing", why


def _spans_table(comparison: Comparison) -> Table:
    columns = (
        Column("pair", "Studies"),
        Column("from", "From", "flops"),
        Column("to", "To", "flops"),
        Column("ahead", "Ahead"),
        Column("support", "Support"),
    )
    rows = versus.span_rows(comparison.pairs)
    alone = [f"{p.left} and {p.right}: {p.verdict}." for p in comparison.pairs if not p.spans]
    why = alone[0] if len(alone) == 1 else "No two studies compare."
    return Table.of(
        "spans", "Who is ahead", columns, rows, empty=why, note=alone[0] if rows and len(alone) == 1 else ""
    )


def _apart_table(apart: Sequence[Pair]) -> Table:
    columns = (Column("pair", "Studies"), Column("why", "Why they do not compare"))
    rows = [{"pair": f"{pair.left} and {pair.right}", "why": pair.verdict} for pair in apart]
    return Table.of("apart", versus.APART_TITLE, columns, rows)


def setup_table(comparison: Comparison) -> Table:
    """Return what differs in the set-up, and below it what does not."""
    columns = (Column("key", "What"), *(Column(f"s{i}", side.name) for i, side in enumerate(comparison.sides)))
    rows = [
        {"key": key, **{f"s{i}": value for i, value in enumerate(values)}}
        for key, values in comparison.differing.items()
    ]
    untold = f" Told by none: {', '.join(comparison.untold)}." if comparison.untold else ""
    same = f"The same in all: {', '.join(comparison.same) or 'nothing'}.{untold}"
    return Table.of("setup", "Set-up that differs", columns, rows, note=same, empty=f"Nothing differs. {same}")


def differences_table(comparison: Comparison) -> Table:
    """Return every exponent of every two studies, and whether they differ."""
    columns = (
        Column("pair", "Studies"),
        Column("law", "Law"),
        Column("exponent", "Exponent"),
        Column("left", "First"),
        Column("right", "Second"),
        Column("difference", "Difference"),
        Column("verdict", "Verdict"),
    )
    word = {True: "differ", False: "no difference seen", None: "no interval"}
    rows = [
        {
            "pair": f"{pair.left} and {pair.right}",
            "law": d.law,
            "exponent": pretty(d.parameter),
            "left": show(d.left),
            "right": show(d.right),
            "difference": show(d.difference),
            "verdict": word[d.differ],
        }
        for pair in comparison.pairs
        for d in pair.differences
    ]
    refused = [f"{p.left} and {p.right}: {p.why_no_differences}." for p in comparison.pairs if p.why_no_differences]
    why = refused[0] if len(refused) == 1 else versus.SEE_APART if refused else ""
    empty = why or "No law is known of two studies."
    return Table.of("differences", "Differences of exponents", columns, rows, empty=empty, note=why if rows else "")
