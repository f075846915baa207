"""The method checklist of a scaling-law study, answered from the records: what is stated here and what is not.

After Li et al. 2025, "(Mis)Fitting scaling laws" (2502.18969), who found most of fifty papers to under-report.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from scaling.laws.analysis import Fit
from scaling.report.figures.laws import pretty
from scaling.report.material import Material
from scaling.report.panel import Column, Table
from scaling.units import format_si

_COLUMNS = (
    Column("part", "Part"),
    Column("item", "What a reader must be told"),
    Column("answer", "Here"),
    Column("stated", "Stated"),
)


def checklist(material: Material) -> Table:
    """Return the checklist; an item that the records do not tell reads *no*."""
    rows = [
        {"part": part, "item": item, "answer": answer, "stated": "no" if answer is None else "yes"}
        for part, items in (
            ("hypothesis", _hypothesis(material)),
            ("training", _training(material)),
            ("data collection", _collection(material)),
            ("fitting", _fitting(material)),
            ("validation", _validation(material)),
        )
        for item, answer in items
    ]
    return Table.of("checklist", "Method checklist", _COLUMNS, rows)


_LONGEST = 120  # characters of a name
Items = Iterator[tuple[str, str | None]]


def _surface(material: Material) -> Fit | None:
    return material.analysis.fits.get("L(N,D)")


def _hypothesis(material: Material) -> Items:
    fit = _surface(material)
    words = fit.conventions if fit else {}
    yield "functional form", pretty(fit.form) if fit else None
    yield "how parameters are counted", words.get("params")
    yield "how training FLOPs are counted", words.get("flops")
    yield "what the loss is", words.get("loss_unit")


def _training(material: Material) -> Items:
    spec = _part(material.sweep, "spec")
    train, model, data = (_part(spec, name) for name in ("train", "model", "data"))
    yield "model family and shape", _pairs(model) or _distinct(material, "family")
    yield "optimizer and learning rates", _pairs({k: train[k] for k in ("optimizer", "lr") if k in train})
    yield "learning-rate schedule and how points are annealed", _annealing(material, train)
    yield (
        "batch and context",
        _pairs(
            {k: v for part, k in ((train, "batch_tokens"), (data, "context")) for v in [part.get(k)] if v is not None}
        ),
    )
    yield "precision", _text(train.get("precision"))
    yield "data and its fingerprint", _distinct(material, "data_fingerprint")
    yield "validation set and its fingerprint", _distinct(material, "validation_fingerprint")


def _annealing(material: Material, train: Mapping[str, Any]) -> str | None:
    told = _distinct(material, "anneal")
    warm = train.get("warmup_steps")
    return told if told is None or warm is None else f"{told}; warm-up {warm} steps"


def _collection(material: Material) -> Items:
    points, trials = material.points, material.trials
    has = len(points) > 0
    yield "trials and points", f"{len(trials)} trials, {len(points)} points" if has else None
    yield "range of N", _span(points["params_total"]) if has else None
    yield "range of D", _span(points["tokens"]) if has else None
    yield "seeds", _seeds(material)
    yield "runs that failed or diverged, and points left out", _left_out(material)


def _seeds(material: Material) -> str | None:
    if "seed" not in material.trials:
        return None
    many = [int(n) for n in material.trials.groupby("params_total")["seed"].nunique()]
    return None if not many or max(many) == 0 else f"{min(many)} to {max(many)} per size"


def _left_out(material: Material) -> str:
    bad = int(material.trials["state"].isin(["failed", "diverged", "interrupted"]).sum())
    fit = _surface(material)
    return f"{bad} trials; {len(fit.dropped) if fit else 0} points, each listed with its reason"


def _fitting(material: Material) -> Items:
    fit = _surface(material)
    yield "objective", fit.objective if fit else None
    yield "optimiser and starts", f"Newton from {fit.starts} starts, {fit.starts_agreed} agreeing" if fit else None
    yield "gradient at the optimum", f"{fit.gradient_norm:.1g}" if fit else None
    yield "points fitted", f"{fit.n_points} of {fit.n_trials} trials" if fit else None
    yield "intervals", fit.interval_method if fit else None
    rows = material.analysis.sensitivity
    yield "how the choice of objective and of points moves it", f"{len(rows)} variants, listed" if rows else None


def _validation(material: Material) -> Items:
    held, rolls = material.analysis.heldout, material.analysis.rollouts
    yield (
        "error at sizes left out of the fit",
        None if held is None else f"{100 * held.mean_abs_error:.2g} % at {held.extrapolation_factor:.2g}x the compute",
    )
    yield "intervals checked on held-back trials", f"{len(rolls)} roll-outs" if rolls else None
    yield "seed noise", "measured" if material.analysis.seed_noise else None


def _part(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = whole.get(name)
    return value if isinstance(value, Mapping) else {}


def _pairs(values: Mapping[str, Any]) -> str | None:
    return ", ".join(f"{k} {_text(v)}" for k, v in sorted(values.items())) or None


def _text(value: object) -> str | None:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{k} {_text(v)}" for k, v in sorted(value.items())) + ")"
    return None if value is None else str(value)


def _distinct(material: Material, column: str) -> str | None:
    values: Iterable[Any] = material.points[column].dropna() if column in material.points else ()
    return ", ".join(sorted({str(v)[:_LONGEST] for v in values})) or None


def _span(values: "pd.Series[Any]") -> str:
    return f"{format_si(float(values.min()))} to {format_si(float(values.max()))}"
