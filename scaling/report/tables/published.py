"""This sweep's exponents beside published ones, each with how it counts parameters."""

from collections.abc import Iterable, Mapping
from typing import Any

from scaling.laws.analysis import Fit
from scaling.report.figures.frontier import allocation_exponent
from scaling.report.intervals import show
from scaling.report.material import Material
from scaling.report.panel import Column, Table
from scaling.report.published import PUBLISHED, PublishedLaw

COUNTS: Mapping[str, str] = {"total": "all parameters", "non_embedding": "without embeddings"}
_COLUMNS = (
    Column("law", "Law"),
    Column("counted", "N is"),
    Column("alpha", "α"),
    Column("beta", "β"),
    Column("a", "a of N* ∝ Cᵃ"),
    Column("same", "Our interval of a holds it"),
    Column("source", "Source"),
)


def published(material: Material) -> Table:
    """Return own rows, one per count of parameters, then published ones, compared in the same count."""
    own = {count: fit for count, fit in material.surfaces.items() if count in COUNTS}
    rows = [*_own(material.name, own), *(_paper(paper, own) for paper in PUBLISHED)]
    return Table.of("published", "Beside published laws", _COLUMNS, rows if own else [], empty="No law was fitted.")


def _own(name: str, fits: Mapping[str, Fit]) -> Iterable[dict[str, Any]]:
    for count, fit in fits.items():
        a = allocation_exponent(fit)
        yield {
            "law": f"this sweep, {name}",
            "counted": COUNTS[count],
            "alpha": show(fit.params["alpha"]) if "alpha" in fit.params else None,
            "beta": show(fit.params["beta"]) if "beta" in fit.params else None,
            "a": None if a is None else f"{show(a)} (6ND)",
            "source": f"{fit.n_points} points of {fit.n_trials} trials",
        }


def _paper(paper: PublishedLaw, own: Mapping[str, Fit]) -> dict[str, Any]:
    return {
        "law": paper.paper,
        "counted": paper.counted,
        "alpha": None if paper.alpha is None else f"{paper.alpha:g}",
        "beta": None if paper.beta is None else f"{paper.beta:g}",
        "a": None if paper.a is None else f"{paper.a:g}",
        "same": _held(paper, own),
        "source": paper.source,
    }


def _held(paper: PublishedLaw, own: Mapping[str, Fit]) -> str:
    fit = own.get(paper.counting) if paper.counting else None
    ours = None if fit is None else allocation_exponent(fit)
    if ours is None or paper.a is None:
        return "not counted alike" if paper.counting is None else "not known here"
    if ours.low is None or ours.high is None:
        return "no interval"
    return "yes" if ours.low <= paper.a <= ours.high else f"no, ours is {'lower' if ours.high < paper.a else 'higher'}"
