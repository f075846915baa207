"""From a store to the contents of its report: frames, analysis under the sweep's own cuts, findings."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scaling.answers import analyse_store
from scaling.findings import RULES, findings
from scaling.report.material import Material
from scaling.store import Store


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
    if store.imported is not None:
        points, trials = _drawable(points, trials)
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
