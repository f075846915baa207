"""From a store to the contents of its report: frames, analysis under the sweep's own cuts, findings."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scaling.answers import Law, analyse_store, law_of
from scaling.answers.analysed import fitted_points
from scaling.errors import NotEnoughData
from scaling.findings import RULES, findings
from scaling.laws import Analysis, Approach, Cuts, Fit, IsoFlop, compute_optimal, isoflop
from scaling.laws.choices import choices
from scaling.laws.emergence import analyse_abilities
from scaling.laws.selection import select
from scaling.laws.surface import fit_surface
from scaling.laws.tuning import analyse_tuned
from scaling.report.material import Material, Tariff
from scaling.report.runs import read_runs
from scaling.spec.schema import SPECIAL_AXES, TrialSpec
from scaling.spec.tuning import STAGES
from scaling.store import Store

SURFACE = "L(N,D)"


def from_store(store: Store, resamples: int = 1000, tariff: Tariff | None = None) -> Material:
    """Analyse a store.

    Args:
        store: as loaded.
        resamples: bootstrap resamples by trial.
        tariff: prices and carbon intensity; the sweep's own prices stand in for those that are not given.

    Raises:
        UsageError: its losses do not compare.
    """
    points, trials = store.points(), store.trials()
    trials["reason"] = [_at_home(reason, store) if isinstance(reason, str) else None for reason in trials["reason"]]
    analysis = analyse_store(store, resamples=resamples)
    abilities = store.abilities()
    results = analyse_abilities(abilities)
    tuned, best_of = store.tuned(), store.best_of()
    tuning = analyse_tuned(tuned, best_of)
    every = store.trials(stage=None)
    labels = dict(zip(every["trial"], every["label"], strict=True))
    if store.imported is not None:
        points, trials = _drawable(points, trials)
    notes = [] if store.imported is None else store.imported.origin["notes"]
    runs, unread = read_runs(store, every)
    warnings = [_at_home(text, store) for text in (*store.warnings, *unread)]
    return Material(
        sweep=store.sweep,
        points=points,
        trials=trials,
        curves=store.curves(),
        samples=list(store.samples().itertuples(index=False, name=None)),
        environments=distinct(store.environments(), labels),
        host=store.host,
        analysis=analysis,
        findings=findings(analysis, points, trials, store.sweep, results, tuning),
        abilities=abilities,
        ability_results=results,
        tuned=tuned,
        best_of=best_of,
        tuned_trials=every[every["stage"].notna() & (every["stage"] != STAGES[0])].reset_index(drop=True),
        first=store.points(stage="before"),
        tuning=tuning,
        choices=choices(points, settings_of(store)),
        rules=RULES,
        warnings=(*warnings, *notes),
        timings=store.timings,
        law=_law(store, analysis),
        isoflop=_isoflop(store, resamples),
        approaches=compute_optimal(
            fitted_points(store), analysis, cuts=Cuts.of_sweep(store.sweep), resamples=resamples
        ),
        surfaces=_surfaces(store, analysis, resamples),
        metrics=store.metrics(),
        places=store.places(),
        by_batch=_by_batch(store, resamples),
        attempts=store.attempts(),
        runs=runs,
        tariff=(tariff or Tariff()).with_prices_of(store.sweep),
    )


def settings_of(store: Store) -> dict[str, dict[str, object]]:
    """Return for every pre-trained trial the values of what the sweep's grids vary, by dotted key."""
    keys = [key for key in _axes(store.sweep) if key not in SPECIAL_AXES]
    found = {}
    for record in store.records:
        if isinstance(record.spec, TrialSpec) and record.spec.tune is None and not record.orphaned:
            told = {"model": record.spec.model, "train": record.spec.train.model_dump(mode="json")}
            found[record.folder.id] = {key: _at(told, key) for key in keys}
    return found


def _axes(sweep: Mapping[str, Any]) -> list[str]:
    blocks = (sweep.get("spec") or {}).get("trials") or []
    grids = [block.get(kind) for block in blocks for kind in ("grid", "zip")]
    return list(dict.fromkeys(key for grid in grids if grid for key in grid["axes"]))


def _at(told: Mapping[str, Any], key: str) -> object:
    value: Any = told
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _approaches(store: Store, analysis: Analysis, resamples: int) -> tuple[Approach, ...]:
    return compute_optimal(fitted_points(store), analysis, cuts=Cuts.of_sweep(store.sweep), resamples=resamples)


def _surfaces(store: Store, analysis: Analysis, resamples: int) -> dict[str, Fit]:
    """Return L(N,D) in the count of the analysis and, where the points tell it, without embeddings."""
    found = {"total": analysis.fits[SURFACE]} if SURFACE in analysis.fits else {}
    points = fitted_points(store)
    if not found or points["params_non_embedding"].isna().any():
        return found
    try:
        selection = select(points, Cuts.of_sweep(store.sweep), "non_embedding")
        return found | {"non_embedding": fit_surface(selection, {}, resamples, 0)}
    except NotEnoughData:
        return found


def _by_batch(store: Store, resamples: int) -> dict[int, Fit]:
    """Return L(N,D) of every batch of a loss that compares rows, where several were trained and can be fitted."""
    points, found = fitted_points(store), dict[int, Fit]()
    batches = sorted(points["batch_rows"].dropna().unique())
    for batch in batches if len(batches) > 1 else ():
        try:
            selection = select(points[points["batch_rows"] == batch], Cuts.of_sweep(store.sweep))
            found[int(batch)] = fit_surface(selection, {}, resamples, 0)
        except NotEnoughData:
            continue
    return found


def _law(store: Store, analysis: Analysis) -> Law | None:
    try:
        return law_of(store, analysis)
    except NotEnoughData:  # the analysis says why under "missing"
        return None


def _isoflop(store: Store, resamples: int) -> IsoFlop | None:
    used = select(fitted_points(store), Cuts.of_sweep(store.sweep), "total").used
    if used.empty:
        return None
    n, d, loss, flops = (used[c].to_numpy(dtype=float) for c in ("params", "tokens", "loss_nats", "flops_train"))
    try:
        return isoflop(n, d, loss, used["trial"].astype(str).to_numpy(), flops=flops, resamples=resamples)
    except NotEnoughData:  # FLOPs per token follow no rising curve in size
        return isoflop(n, d, loss, used["trial"].astype(str).to_numpy(), resamples=resamples)


def _drawable(points: pd.DataFrame, trials: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Leave out what no axis can show: someone's table may hold zeros and gaps, which are listed as left out."""
    numbers = points[["params_total", "tokens", "flops_train", "loss_nats"]].astype(float)
    kept = points[((numbers > 0) & (numbers < np.inf)).all(axis=1)].reset_index(drop=True)
    return kept, trials[trials["trial"].isin(kept["trial"])].reset_index(drop=True)


def _at_home(text: str, store: Store) -> str:
    """Name places relative to the store: a copy gives the same page, and no page tells where it was made."""
    return text.replace(f"{store.root}/", "")


def distinct(environments: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return environments without repeats, each naming its trials, in the order they first occur."""
    shared: dict[str, list[str]] = {}
    for trial, environment in environments.items():
        shared.setdefault(json.dumps(environment, sort_keys=True), []).append(labels.get(trial, trial))
    return [{"trials": ", ".join(names), **json.loads(text)} for text, names in shared.items()]
