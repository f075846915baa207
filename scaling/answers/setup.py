"""What a study is about, key by key, so that two can be told apart before their numbers are."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from scaling.answers.compare import OBJECTIVE, VALIDATION, Setup
from scaling.laws import Analysis
from scaling.spec.command import CommandTrialSpec
from scaling.spec.schema import TrialSpec
from scaling.store import Store
from scaling.store.load import TrialRecord
from scaling.units import format_flops, format_si

_MANY = 6  # distinct values of one key from which only their number is told


def setup_of(store: Store, analysis: Analysis) -> Setup:
    """Return the set-up of a study: data, unit of the loss, conventions, recipe, and the ground it covers.

    Args:
        store: a sweep's or an imported one.
        analysis: of that store.
    """
    points = store.points()
    first = next(iter(analysis.fits.values()), None)
    words = {} if first is None else first.conventions
    conventions = {"parameters N": "params", "training FLOPs C": "flops", "unit of the loss": "loss_unit"}
    return {
        "training data": _distinct(points["data_fingerprint"]),
        VALIDATION: _distinct(points["validation_fingerprint"]),
        OBJECTIVE: _distinct(points["objective"]),
        **{key: (words[name],) for key, name in conventions.items() if name in words},
        "annealing": _distinct(points["anneal"]),
        "family": _distinct(points["family"]),
        **_recipe(store.records),
        "trials": (str(points["trial"].nunique()),),
        "range of N": _span(points["params_total"], format_si),
        "range of D": _span(points["tokens"], format_si),
        "range of C": _span(points["flops_train"], format_flops),
    }


def _recipe(records: Iterable[TrialRecord]) -> dict[str, tuple[str, ...]]:
    """Return tokenizer, context and every setting of training, over the planned trials."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        if record.orphaned:
            continue
        for key, value in _told(record.spec).items():
            found.setdefault(key, {})[str(value)] = None
    return {key: _few(list(values)) for key, values in found.items()}


def _told(spec: TrialSpec | CommandTrialSpec) -> dict[str, Any]:
    if isinstance(spec, CommandTrialSpec):
        return {"command": " ".join(spec.run)}
    return {
        "tokenizer": f"{spec.data.tokenizer} ({spec.data.vocab_size} tokens)",
        "context": f"{spec.data.context} tokens",
        "trainer version": spec.trainer_version,
        **_flat(spec.train.model_dump(mode="json")),
    }


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key} ") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _distinct(column: pd.Series) -> tuple[str, ...]:
    return _few(sorted({str(value) for value in column.dropna()}))


def _few(values: list[str]) -> tuple[str, ...]:
    return tuple(values) if len(values) <= _MANY else (f"{len(values)} values",)


def _span(column: pd.Series, show: Callable[[float], str]) -> tuple[str, ...]:
    numbers = pd.to_numeric(column, errors="coerce").dropna()
    return (f"{show(float(numbers.min()))} to {show(float(numbers.max()))}",) if len(numbers) else ()
