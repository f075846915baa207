"""Judge of energy as the budget."""

from scaling.errors import NotEnoughData
from scaling.findings.case import Case, Verdict, graded, shown, too_little, triple
from scaling.findings.rules import Rule
from scaling.laws.isojoule import isojoule
from scaling.units import format_energy, format_si

_INSIDE = 1 + 1e-9


def isojoule_size(case: Case, rule: Rule) -> Verdict:
    """The size that is best for an energy is not the one that is best for compute."""
    try:
        found = isojoule(case.points, case.analysis.fits.get("L(N,D)"), resamples=0)
    except NotEnoughData as error:
        return too_little(f"Energy as the budget is unknown: {error.what}.")
    inside = [row for row in found.rows if row.extrapolation_factor <= _INSIDE]
    if not inside or inside[-1].params.low is None:
        return too_little(f"Energy as the budget is unknown: {found.reason or 'the law has no intervals'}.")
    row, share = inside[-1], rule.thresholds["share"]
    ratio = row.ratio
    apart = ratio.low is not None and ratio.high is not None and (ratio.low > 1 + share or ratio.high < 1 - share)
    eta = found.eta
    sentence = (
        f"For {format_energy(row.energy_j)} of GPU energy the best size is {format_si(row.params.value)} parameters, "
        f"{shown(ratio)} times the compute-optimal one of that energy; following compute costs "
        f"{max(row.excess_nats.value, 0):.2g} nats."
    )
    grows = "" if eta is None else f" Energy grows as C^{shown(eta)}."
    return graded(
        apart,
        sentence + grows,
        energy_j=row.energy_j,
        params=triple(row.params),
        ratio=triple(ratio),
        excess_nats=triple(row.excess_nats),
        eta=None if eta is None else triple(eta),
    )
