"""One study made ready to be compared."""

from scaling.answers.analysed import SURFACE, analyse_store, law_of
from scaling.answers.compare import Side
from scaling.answers.setup import setup_of
from scaling.errors import NotEnoughData
from scaling.laws.isojoule import Spent, isojoule
from scaling.laws.selection import quantity_of, unit_of
from scaling.store import Store


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
    try:
        return isojoule(store.points(), None).spent, ""
    except NotEnoughData as error:
        return (), error.what
