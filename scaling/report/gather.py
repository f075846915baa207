"""From a store to the contents of its report: frames, analysis under the sweep's own cuts, findings."""

import json
from collections.abc import Mapping
from typing import Any

from scaling.findings import RULES, findings
from scaling.laws import Cuts, analyse
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
    recipe = trials[["trial", "lr_hidden", "lr_embedding"]]
    analysis = analyse(points.merge(recipe, on="trial", how="left"), Cuts.of_sweep(store.sweep), resamples=resamples)
    labels = dict(zip(trials["trial"], trials["label"], strict=True))
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
        warnings=store.warnings,
    )


def distinct(environments: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return environments without repeats, each naming its trials, in the order they first occur."""
    shared: dict[str, list[str]] = {}
    for trial, environment in environments.items():
        shared.setdefault(json.dumps(environment, sort_keys=True), []).append(labels.get(trial, trial))
    return [{"trials": ", ".join(names), **json.loads(text)} for text, names in shared.items()]
