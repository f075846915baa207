"""From a store to the contents of its report: frames, analysis under the sweep's own cuts, findings."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scaling.errors import UsageError
from scaling.findings import RULES, findings
from scaling.laws import Analysis, Cuts, Fit, analyse
from scaling.report.material import Material
from scaling.store import Store
from scaling.store.imported import Imported


def from_store(store: Store, resamples: int = 1000) -> Material:
    """Analyse a store.

    Args:
        store: as loaded.
        resamples: bootstrap resamples by trial.

    Raises:
        UsageError: its losses do not compare.
    """
    points, trials = store.points(), store.trials()
    trials["reason"] = [_at_home(reason, store) if isinstance(reason, str) else None for reason in trials["reason"]]
    analysis = analyse_store(store, resamples=resamples)
    labels = dict(zip(trials["trial"], trials["label"], strict=True))
    notes = [] if store.imported is None else store.imported.origin["notes"]
    warnings = [_at_home(text, store) for text in store.warnings]
    return Material(
        sweep=store.sweep,
        points=points,
        trials=trials,
        curves=store.curves(),
        samples=list(store.samples().itertuples(index=False, name=None)),
        environments=distinct(store.environments(), labels),
        host=store.host,
        analysis=analysis,
        findings=findings(analysis, points, trials, store.sweep),
        rules=RULES,
        warnings=(*warnings, *notes),
    )


def analyse_store(store: Store, *, params: str = "total", resamples: int = 1000, seed: int = 0) -> Analysis:
    """Analyse a store under the cuts of its sweep, in the conventions of its points.

    Args:
        store: as loaded, or imported from a table.
        params: which parameters are N: ``total``, ``non_embedding`` or ``matmul``.
        resamples: bootstrap resamples by trial.
        seed: of the resampling.

    Raises:
        UsageError: its losses do not compare, or an imported table does not tell that count of parameters.
    """
    recipe = store.trials()[["trial", "lr_hidden", "lr_embedding"]]
    points = store.points().merge(recipe, on="trial", how="left")
    if store.imported is None:
        return analyse(points, Cuts.of_sweep(store.sweep), resamples=resamples, seed=seed, params=params)
    points = points.dropna(axis=1, how="all")  # what the table does not tell is absent, as an optional column is
    _refuse_untold_params(store.imported, params)
    found = analyse(points, Cuts.of_sweep(store.sweep), resamples=resamples, seed=seed, params=params)
    words = _in_words(store.imported, params)
    return replace(found, fits={name: _relabelled(fit, words) for name, fit in found.fits.items()})


def _refuse_untold_params(imported: Imported, params: str) -> None:
    counts = ("total", "non_embedding", "matmul")
    told = [c for c in counts if imported.points[f"params_{c}"].notna().any()]
    if params not in told:
        source = imported.origin["source"]["file"]
        raise UsageError(
            "tables.params_untold",
            f"{source} does not tell params_{params}; it tells {', '.join('params_' + c for c in told) or 'none'}",
            where=str(source),
            why="sizes counted in different ways give different exponents",
            hint=f"scaling fit … --params {told[0] if told else params}, or --column params=NAME to take one as total",
        )


def _in_words(imported: Imported, params: str) -> dict[str, str]:
    told: dict[str, str] = dict(imported.origin["conventions"])
    sizes = {count: told.pop(f"params_{count}", "") for count in ("total", "non_embedding", "matmul")}
    return {"params": f"{params}: {sizes[params]}", **told}


def _relabelled(fit: Fit, words: Mapping[str, str]) -> Fit:
    """Say what the table says of its columns in place of what the tool knows of its own sweeps."""
    about = dict(words) if fit.name.startswith("L(N,D)") else {k: v for k, v in words.items() if k != "points"}
    return replace(fit, conventions={**fit.conventions, **about})


def _at_home(text: str, store: Store) -> str:
    """Name places relative to the store: a copy gives the same page, and no page tells where it was made."""
    return text.replace(f"{store.root}/", "")


def distinct(environments: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return environments without repeats, each naming its trials, in the order they first occur."""
    shared: dict[str, list[str]] = {}
    for trial, environment in environments.items():
        shared.setdefault(json.dumps(environment, sort_keys=True), []).append(labels.get(trial, trial))
    return [{"trials": ", ".join(names), **json.loads(text)} for text, names in shared.items()]
