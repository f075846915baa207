"""Whether more of either resource was better at every step that was measured: what any law takes for granted."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from scaling.findings.case import Case, Verdict, graded, percent, too_little
from scaling.findings.rules import Rule
from scaling.laws.noise import pooled
from scaling.units import format_si

SURFACE = "L(N,D)"
Cell = tuple[float, float]  # parameters, tokens


@dataclass(frozen=True, slots=True)
class _Step:
    """A step from one cell to the next larger one, in size or data, and the share of the loss that it adds."""

    begin: Cell
    end: Cell
    rise: float


def monotone(case: Case, rule: Rule) -> Verdict:
    """No step up in size or data raised the loss, means over seeds, by more than chance between seeds."""
    used = [r for r in case.analysis.residuals if r.used]
    sizes = len({r.params for r in used})
    if sizes < rule.minimum["sizes"]:
        why = f"{sizes} sizes are too few" if used else case.why_missing(SURFACE)
        return too_little(f"Whether the loss falls at every step is not known: {why}.", sizes=sizes)
    cells: dict[Cell, list[float]] = {}
    for row in used:
        cells.setdefault((row.params, row.tokens), []).append(row.loss)
    steps = list(_steps({cell: fmean(losses) for cell, losses in cells.items()}))
    noise = pooled(case.analysis.seed_noise)
    allowed = 0.0 if noise is None else rule.thresholds["noise_factor"] * noise
    risen = sorted((s for s in steps if s.rise > allowed), key=lambda s: -s.rise)
    if risen:
        sentence = f"Not monotone: {len(risen)} of {len(steps)} steps up raise the loss, {_words(risen[0])} the most."
    else:
        sentence = f"The loss falls at every one of {len(steps)} steps up in size or data" + (
            f", but for rises within the noise between seeds ({percent(allowed)})."
            if any(s.rise > 0 for s in steps)
            else "."
        )
    if noise is None:
        sentence += " The noise between seeds is unknown, so every rise counts."
    return graded(not risen, sentence, steps=len(steps), rises=len(risen), allowed_rise=allowed)


def _steps(means: Mapping[Cell, float]) -> Iterator[_Step]:
    """Yield the steps between neighbours, sizes at each horizon and horizons at each size."""
    for fixed, moving in ((1, 0), (0, 1)):
        ordered = sorted(means, key=lambda cell: (cell[fixed], cell[moving]))
        for begin, end in itertools.pairwise(ordered):
            if begin[fixed] == end[fixed]:
                yield _Step(begin, end, means[end] / means[begin] - 1)


def _words(step: _Step) -> str:
    (n, d), (larger, longer) = step.begin, step.end
    if n == larger:
        return f"{_between(d, longer)} tokens at {format_si(n)} parameters by {percent(step.rise)}"
    return f"{_between(n, larger)} parameters at {format_si(d)} tokens by {percent(step.rise)}"


def _between(low: float, high: float) -> str:
    """Name both ends with as many digits as tell them apart."""
    for digits in range(3, 7):
        ends = [format_si(v, digits=digits) for v in (low, high)]
        if ends[0] != ends[1]:
            break
    return f"from {ends[0]} to {ends[1]}"
