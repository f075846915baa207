"""Everything a report is drawn from, gathered once from a store: frames, analysis, findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from scaling.answers import Law
from scaling.cost.grid import Intensity
from scaling.findings import Finding
from scaling.laws import Approach, IsoFlop
from scaling.laws.analysis import Analysis, Fit
from scaling.laws.choices import Choices
from scaling.laws.emergence import AbilityResult
from scaling.laws.selection import unit_of
from scaling.laws.tuning import Tuned
from scaling.report.runs import OneRun
from scaling.store.columns import ABILITIES, ATTEMPTS, BEST_OF, METRICS, PLACES, TRIALS, TUNED
from scaling.store.timing import RunTiming

Sample = tuple[str, str, int, str, str, str | None]
"""Trial, label, total parameters, prompt, text, PNG in base64 or ``None``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What turns hours and kilowatt-hours into money and carbon; ``None`` where nobody said.

    Attributes:
        per_gpu_hour, per_kwh: prices.
        currency: of the prices.
        intensity: carbon per kilowatt-hour, with place and source.
    """

    per_gpu_hour: float | None = None
    per_kwh: float | None = None
    currency: str = "USD"
    intensity: Intensity | None = None

    def with_prices_of(self, sweep: Mapping[str, Any]) -> "Tariff":
        """Return the tariff with the prices of a sweep's limits where none was given."""
        spec = sweep.get("spec")
        limits = (spec.get("limits") if isinstance(spec, Mapping) else None) or {}
        return replace(
            self,
            per_gpu_hour=self.per_gpu_hour or limits.get("price_per_gpu_hour") or None,
            per_kwh=self.per_kwh or limits.get("price_per_kwh") or None,
            currency=limits.get("currency") or self.currency,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The contents of one report.

    Attributes:
        sweep: the resolved spec as a mapping.
        points: one row per annealed evaluation.
        trials: one row per trial.
        curves: training as it went, one row per logged step.
        samples: generated text or pictures.
        environments: each distinct environment, with the trials that ran in it under ``trials``.
        host: host energy over the whole sweep, readings by component; ``None`` when not metered.
        analysis: fits and what follows from them, or why parts are missing.
        findings: answers with grades.
        rules: grade rules, one mapping per row.
        warnings: what could not be read from the store.
        timings: what each run took and was predicted to take.
        law: L(N,D) with the ground it stands on, ``None`` where it was not fitted.
        isoflop: profiles at equal compute by exact FLOPs, ``None`` without points.
        abilities: one row per point and probe.
        ability_results: every probe with its verdict.
        approaches: the three approaches to the best split, by exact FLOPs and by 6ND.
        attempts: one row per booked attempt.
        tariff: prices and carbon intensity.
        tuned: one row per point of what came after pre-training.
        best_of: one row per n of best-of-n sampling.
        tuned_trials: one row per trial before or after pre-training, as in ``trials``, which has the others.
        first: one row per point of what pre-training stands on.
        tuning: what those came to.
        metrics: one row per point and number measured beside the loss.
        places: one row per point and stretch of places in a window.
        by_batch: L(N,D) of each batch, where the loss compares the rows of a batch and there are several.
        surfaces: L(N,D) by how N is counted: ``total``, ``non_embedding``; without those that cannot be fitted.
        runs: the trials that are shown one by one, with their logs and power.
    """

    sweep: Mapping[str, Any]
    points: pd.DataFrame
    trials: pd.DataFrame
    curves: pd.DataFrame
    samples: Sequence[Sample]
    environments: Sequence[Mapping[str, Any]]
    host: Mapping[str, Any] | None
    analysis: Analysis
    findings: Sequence[Finding] = ()
    rules: Sequence[Mapping[str, Any]] = field(default=())
    warnings: Sequence[str] = field(default=())
    timings: Sequence[RunTiming] = field(default=())
    law: Law | None = None
    isoflop: IsoFlop | None = None
    approaches: Sequence[Approach] = field(default=())
    surfaces: Mapping[str, Fit] = field(default_factory=dict)
    abilities: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*ABILITIES]))
    ability_results: Sequence[AbilityResult] = field(default=())
    metrics: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*METRICS]))
    places: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*PLACES]))
    by_batch: Mapping[int, Fit] = field(default_factory=dict)
    attempts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*ATTEMPTS]))
    tariff: Tariff = Tariff()
    tuned: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*TUNED]))
    best_of: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*BEST_OF]))
    tuned_trials: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*TRIALS]))
    first: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["trial", "flops_train"]))
    tuning: Tuned = field(default_factory=Tuned)
    choices: Choices | None = None
    runs: Sequence[OneRun] = field(default=())

    @property
    def every_trial(self) -> pd.DataFrame:
        """The trials of every stage."""
        if self.tuned_trials.empty:
            return self.trials
        return pd.concat([self.trials, self.tuned_trials.dropna(axis=1, how="all")], ignore_index=True)

    @property
    def name(self) -> str:
        """The sweep's name."""
        return str(self.sweep.get("name", "sweep"))

    @property
    def unit(self) -> str:
        """The unit of its losses."""
        return unit_of(self.points)

    @property
    def title(self) -> str:
        """The sweep's title, or its name where it has none."""
        return str(self.sweep.get("title") or self.name)

    def missing(self, *parts: str, otherwise: str) -> str:
        """Return why the first known missing part of the analysis is absent."""
        return next((self.analysis.missing[p] for p in parts if p in self.analysis.missing), otherwise)
