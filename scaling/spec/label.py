"""Short names for people: what tells the trials of one sweep apart, and no more."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.spec.plan import PlannedTrial

_SHORT = {"d_model": "d", "n_layer": "L", "n_head": "h"}


def label_trials(trials: "Sequence[PlannedTrial]") -> "list[PlannedTrial]":
    """Give every trial a label such as ``d64 s1`` or ``d64 lr.hidden=0.01 s0``; no two are alike."""
    fields = [_fields(trial) for trial in trials]
    keys = _telling(fields)
    return [
        replace(trial, spec=trial.spec.model_copy(update={"label": _label(values, keys, trial.spec.seed)}))
        for trial, values in zip(trials, fields, strict=True)
    ]


def _fields(trial: "PlannedTrial") -> dict[str, Any]:
    train = trial.spec.train.model_dump()
    rates = train.pop("lr")
    return {**trial.spec.model, **train, **{f"lr.{name}": rate for name, rate in rates.items()}}


def _telling(fields: Sequence[dict[str, Any]]) -> list[str]:
    """Choose keys until the trials differ in them wherever they differ: heads that follow width are left out."""
    names = list(dict.fromkeys(key for values in fields for key in values))
    chosen = ["d_model"] if "d_model" in names else []
    for key in names:
        seen: dict[tuple[Any, ...], Any] = {}
        told = (seen.setdefault(tuple(v.get(k) for k in chosen), v.get(key)) == v.get(key) for v in fields)
        if key not in chosen and not all(told):
            chosen.append(key)
    return chosen


def _label(values: dict[str, Any], keys: Sequence[str], seed: int) -> str:
    parts = [
        f"{_SHORT[key]}{values[key]}" if key in _SHORT else f"{key}={values[key]}" for key in keys if key in values
    ]
    return " ".join([*parts, f"s{seed}"])
