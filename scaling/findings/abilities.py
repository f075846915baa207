"""Judges of abilities: what appears with scale, and what of it the smaller sizes did not foretell."""

from collections.abc import Iterable, Sequence

from scaling.findings.case import Case, Numbers, Verdict, graded, too_little
from scaling.findings.rules import Rule
from scaling.laws.emergence import AbilityResult, Word
from scaling.units import format_si


def _numbers(results: Sequence[AbilityResult]) -> Numbers:
    return {
        r.probe: {
            "ability": r.ability,
            "verdict": r.verdict.word.value,
            "emergent": r.verdict.emergent,
            "score": r.top,
            "floor": r.floor,
            "seeds_solved": r.solved[-1][1],
            "seeds": r.solved[-1][2],
            "p_corrected": r.p_corrected,
        }
        for r in results
    }


def _lacking(case: Case, rule: Rule, what: str) -> Verdict | None:
    if not case.abilities:
        return too_little(f"{what} unknown: this sweep has no probes.")
    sizes = min(r.verdict.score.facts.sizes for r in case.abilities)
    if sizes < rule.minimum["sizes"]:
        return too_little(f"Abilities were scored at {sizes} sizes, too few to see one appear.", sizes=sizes)
    return None


def _listed(names: Iterable[str], most: int = 6) -> str:
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def appear(case: Case, rule: Rule) -> Verdict:
    """Some probe rises above its measured floor."""
    short = _lacking(case, rule, "Abilities are")
    if short is not None:
        return short
    above = {r.probe: r.top - (r.bottom if r.floor is None else r.floor) for r in case.abilities}
    learnt = [name for name, gain in above.items() if gain >= rule.thresholds["above_floor"]]
    axis = case.abilities[0].axis
    x = max(r.solved[-1][0] for r in case.abilities)
    at = f"{format_si(x)} parameters" if axis.name == "params_total" else f"{x:.2g} training FLOPs"
    told = f": {_listed(f'{name} {above[name]:+.2f}' for name in learnt)}" if learnt else ""
    return graded(
        bool(learnt),
        f"At {at} ({axis.rule}), {len(learnt)} of {len(above)} probes score at least "
        f"{rule.thresholds['above_floor']:g} above what needs no ability{told}.{_parting(case.abilities)}",
        above_floor=above,
        probes=_numbers(case.abilities),
    )


def _parting(results: Sequence[AbilityResult]) -> str:
    """Say which probes some seeds of the largest size solved and others did not: their mean score is that of no run."""
    tops = [(r.probe, *r.solved[-1][1:]) for r in results]
    parts = [f"{probe} (by {solved} of {seeds})" for probe, solved, seeds in tops if 0 < solved < seeds]
    return f" Seeds part there: solved by some alone are {_listed(parts)}." if parts else ""


def foretold(case: Case, rule: Rule) -> Verdict:
    """Some probe rises as its smaller sizes did not promise, seen again in seeds and items."""
    short = _lacking(case, rule, "Whether an ability emerges unforetold is")
    if short is not None:
        return short
    words = {word: [r.probe for r in case.abilities if r.verdict.word is word] for word in Word}
    emergent = [r.probe for r in case.abilities if r.verdict.emergent]
    rises = words[Word.UNPREDICTED_RISE]
    parts = "; ".join(f"{word.value}: {_listed(names)}" for word, names in words.items() if names)
    seeds = max((r.verdict.seeds_with_rise[1] for r in case.abilities), default=0)
    numbers: Numbers = {"probes": _numbers(case.abilities), "emergent": emergent}
    if rises and not emergent and seeds < rule.minimum["seeds"]:
        return too_little(
            f"{_listed(rises)} rise beyond what the smaller sizes promise, but with one seed that is unreplicated. "
            f"Verdicts: {parts}.",
            **numbers,
        )
    if emergent:
        return graded(True, f"Emergent, by this rule: {_listed(emergent)}. Verdicts: {parts}.", **numbers)
    return graded(False, f"No probe rises unforetold and replicated. Verdicts: {parts}.", **numbers)
