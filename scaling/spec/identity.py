"""What makes a trial the trial it is: one hash over everything that changes its number, and nothing else."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from scaling.families import Config
from scaling.spec.abilities import PROBE_VERSION
from scaling.spec.schema import Scalar, TrialSpec
from scaling.spec.tuning import TUNE_VERSION

# Raised by hand whenever the same spec would train to another loss (loop, optimizer, schedule, initialisation,
# evaluation). It is part of every trial id: finished trials of an older trainer are then run again, never mixed.
TRAINER_VERSION = 1

_ID_DIGITS = 16


def model_keys(config: Config) -> dict[str, Scalar]:
    """Return a resolved config as ``model`` keys: feeding them to the family again gives the same config.

    A field that a family gained later (metadata ``omit_default``) is left out at its default, so that trials from
    before it keep their ids.
    """
    fields = {f.name: f for f in dataclasses.fields(config) if f.name not in ("vocab_size", "context")}
    values = {name: getattr(config, name) for name in fields}
    later = {name for name, f in fields.items() if f.metadata.get("omit_default") and values[name] == f.default}
    return {name: value for name, value in values.items() if name not in later}


def trial_hash(spec: TrialSpec) -> str:
    """Return the sha256 of everything that changes the number of a trial, in hexadecimal.

    That is family, resolved model, corpus, recipe, seed and trainer version. Names, labels, horizons (a further
    one extends the same trunk), samples, paths, devices and executors are not part of it.
    """
    content = {
        "family": spec.family,
        "model": _plain(spec.model),
        "data": spec.data.hashed(),
        "train": spec.train.model_dump(mode="json"),
        "seed": spec.seed,
        "trainer_version": spec.trainer_version,
    }
    if spec.abilities is not None:  # trials without probes keep the ids they had before there were any
        content["abilities"] = {**spec.abilities.model_dump(mode="json"), "version": PROBE_VERSION}
    if spec.base is not None:
        content["base"] = spec.base.model_dump(mode="json")
    if spec.tune is not None:
        versions = {"version": TUNE_VERSION, "probe_version": PROBE_VERSION}
        content["tune"] = {**spec.tune.model_dump(mode="json"), **versions}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def trial_id(sha256: str) -> str:
    """Return the short id, a folder name, of a full hash."""
    return sha256[:_ID_DIGITS]


def _plain(model: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``4.0`` and ``4`` alike: they are one value of a model key."""
    return {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in model.items()}
