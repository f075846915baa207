"""From a store to the contents of its report: frames, analysis under the sweep's own cuts, findings."""

import json
from collections.abc import Mapping
from typing import Any

from scaling.findings import RULES, findings
from scaling.laws import Cuts, analyse
from scaling.report.material import Material
from scaling.store.load import Store


def from_store(store: Store, resamples: int = 1000) -> Material:
    """Analyse a store, with ``resamples`` of the bootstrap. Raises ``UsageError`` where its losses do not compare."""
    points, trials = store.points(), store.trials()
    recipe = trials[["trial", "lr_hidden", "lr_embedding"]]
    analysis = analyse(points.merge(recipe, on="trial", how="left"), cuts_of(store.sweep), resamples=resamples)
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


def cuts_of(sweep: Mapping[str, Any]) -> Cuts:
    """Return the cuts that the sweep file fixed beforehand."""
    fit = sweep.get("spec", {}).get("fit", {})
    return Cuts(min_tokens=fit.get("min_tokens"), min_params=fit.get("min_params"))


def distinct(environments: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Return environments without repeats, each naming its trials, in the order they first occur."""
    shared: dict[str, list[str]] = {}
    for trial, environment in environments.items():
        shared.setdefault(json.dumps(environment, sort_keys=True, default=str), []).append(labels.get(trial, trial))
    return [{"trials": ", ".join(names), **json.loads(text)} for text, names in shared.items()]
