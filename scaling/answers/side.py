"""One study made ready to be compared."""

from scaling.answers.analysed import SURFACE, analyse_store, law_of
from scaling.answers.compare import Side
from scaling.answers.setup import setup_of
from scaling.errors import NotEnoughData
from scaling.laws.isojoule import Spent, isojoule
from scaling.laws.selection import quantity_of, unit_of
from scaling.store import Store
from scaling.store.measured import measured_energy


def side_of(store: Store, name: str, seed: int, *, params: str = "total", resamples: int = 1000) -> Side:
    """Analyse a store as one side of a comparison.

    Args:
        store: a sweep's or an imported one.
        name: what tells it from the others.
        seed: of its draws; each side needs its own, or the draws would not be independent.
        params: which parameters are N.
        resamples: bootstrap resamples by trial.

    Raises:
        NotEnoughData: no law at all can be fitted.
        UsageError: its losses do not compare.
    """
    analysis = analyse_store(store, params=params, resamples=resamples, seed=seed)
    if not analysis.fits:
        raise NotEnoughData(
            "compare.nothing",
            f"no law can be fitted to {name}: " + "; ".join(f"{k}: {v}" for k, v in analysis.missing.items()),
            where=str(store.root),
            hint=f"see what is there with `scaling fit {store.root}`",
        )
    law = law_of(store, analysis, params) if SURFACE in analysis.fits else None
    spent, missing = _spent(store)
    return Side(
        name=name,
        setup=setup_of(store, analysis),
        analysis=analysis,
        law=law,
        unit=unit_of(store.points()),
        quantity=quantity_of(store.points()),
        params=params,
        spent=spent,
        spent_missing=missing,
    )


def _spent(store: Store) -> tuple[tuple[Spent, ...], str]:
    """Return the points by measured energy, or none and why."""
    points = store.points()
    if not measured_energy(points).any():
        return (), f"no point has measured joules ({_why_no_joules(store)})"
    try:
        return isojoule(points, None).spent, ""
    except NotEnoughData as error:
        return (), error.what


def _why_no_joules(store: Store) -> str:
    """Return what most trials say of their missing joules; a table of somebody else's says nothing."""
    trials = store.trials()
    reasons = trials["energy_gpu_reason"].dropna() if "energy_gpu_reason" in trials else trials.iloc[:0]
    return str(reasons.mode().iloc[0]) if len(reasons) else "its records name no reason"
